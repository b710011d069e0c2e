/* Letters as coverage, rendered by FreeType from whatever sans-serif font fontconfig finds. */
#ifndef YK_FONT_H
#define YK_FONT_H

#include "base/base.h"

typedef struct yk_font yk_font;

typedef struct yk_glyph {
    uint32_t code;
    int left, top; /* of the bitmap from the pen, upwards from the base line */
    int width, height;
    int advance;
    uint8_t *coverage; /* width x height bytes, NULL when empty */
} yk_glyph;

/* YOLK_ERROR_NOT_FOUND when there is no font on this machine. One thread at a time. */
yolk_status yk_font_create(int pixels, yk_font **out);
void yk_font_destroy(yk_font **font); /* &NULL allowed */
int yk_font_ascent(const yk_font *font);
int yk_font_descent(const yk_font *font); /* positive, below the base line */
/* Rendered on first use and kept; NULL when it cannot be. */
const yk_glyph *yk_font_glyph(yk_font *font, uint32_t code);
int yk_font_width(yk_font *font, const char *text);

#endif
