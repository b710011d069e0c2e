#include "video/font.h"

#include <string.h>

#include <fontconfig/fontconfig.h>
#include <ft2build.h>
#include FT_FREETYPE_H

enum { MAX_FACES = 8 };

struct yk_font {
    FT_Library library;
    FT_Face faces[MAX_FACES]; /* the first is the main one, others have letters that it lacks */
    int face_count;
    FcConfig *config;
    int pixels, ascent, descent;
    yk_glyph *glyphs;
    size_t glyph_count, glyph_capacity;
};

/* The best sans-serif face, with a glyph for `code` when that is not 0. */
static bool open_face(yk_font *font, uint32_t code)
{
    FcPattern *pattern = FcPatternBuild(NULL, FC_FAMILY, FcTypeString, "sans-serif", FC_WEIGHT, FcTypeInteger,
                                        FC_WEIGHT_BOLD, FC_SCALABLE, FcTypeBool, FcTrue, (char *)NULL);
    FcPattern *match = NULL;
    FcChar8 *path = NULL;
    int index = 0;
    bool opened = false;
    if (!pattern)
        return false;
    if (code) {
        FcCharSet *letters = FcCharSetCreate();
        FcCharSetAddChar(letters, code);
        FcPatternAddCharSet(pattern, FC_CHARSET, letters);
        FcCharSetDestroy(letters);
    }
    FcResult result;
    FcConfigSubstitute(font->config, pattern, FcMatchPattern);
    FcDefaultSubstitute(pattern);
    match = FcFontMatch(font->config, pattern, &result);
    if (match && FcPatternGetString(match, FC_FILE, 0, &path) == FcResultMatch) {
        FcPatternGetInteger(match, FC_INDEX, 0, &index);
        FT_Face face;
        if (FT_New_Face(font->library, (const char *)path, index, &face) == 0) {
            if (FT_Set_Pixel_Sizes(face, 0, (FT_UInt)font->pixels) == 0) {
                font->faces[font->face_count++] = face;
                opened = true;
            } else {
                FT_Done_Face(face);
            }
        }
    }
    if (match)
        FcPatternDestroy(match);
    FcPatternDestroy(pattern);
    return opened;
}

/* Without a configuration fontconfig would print so: look first. */
static FcConfig *load_config(void)
{
    FcChar8 *path = FcConfigFilename(NULL);
    if (!path)
        return NULL;
    FcStrFree(path);
    return FcInitLoadConfigAndFonts();
}

yolk_status yk_font_create(int pixels, yk_font **out)
{
    *out = NULL;
    yk_font *font = yk_calloc(1, sizeof(*font));
    if (!font)
        return YOLK_ERROR_OUT_OF_MEMORY;
    yolk_status status = YOLK_ERROR_NOT_FOUND;
    font->pixels = pixels;
    if (FT_Init_FreeType(&font->library) != 0) {
        font->library = NULL;
        status = yk_fail_memory(sizeof(*font));
        goto fail;
    }
    font->config = load_config();
    if (!font->config || !open_face(font, 0)) {
        status = yk_fail(YOLK_ERROR_NOT_FOUND,
                         "no font was found for names on pictures; install one, e.g. fonts-dejavu-core");
        goto fail;
    }
    const FT_Size_Metrics *metrics = &font->faces[0]->size->metrics;
    font->ascent = (int)((metrics->ascender + 63) >> 6);
    font->descent = (int)((-metrics->descender + 63) >> 6);
    *out = font;
    return YOLK_OK;
fail:
    yk_font_destroy(&font);
    return status;
}

void yk_font_destroy(yk_font **font)
{
    yk_font *f = *font;
    if (!f)
        return;
    for (size_t i = 0; i < f->glyph_count; i++)
        yk_free(f->glyphs[i].coverage);
    yk_free(f->glyphs);
    for (int i = 0; i < f->face_count; i++)
        FT_Done_Face(f->faces[i]);
    if (f->library)
        FT_Done_FreeType(f->library);
    if (f->config)
        FcConfigDestroy(f->config);
    yk_free(f);
    *font = NULL;
}

int yk_font_ascent(const yk_font *font)
{
    return font->ascent;
}

int yk_font_descent(const yk_font *font)
{
    return font->descent;
}

/* The face that has the letter; the main one when none has, which draws its sign for that. */
static FT_Face face_of(yk_font *font, uint32_t code)
{
    for (int i = 0; i < font->face_count; i++)
        if (FT_Get_Char_Index(font->faces[i], code))
            return font->faces[i];
    if (font->face_count < MAX_FACES && open_face(font, code)) {
        FT_Face face = font->faces[font->face_count - 1];
        if (FT_Get_Char_Index(face, code))
            return face;
        FT_Done_Face(face);
        font->face_count--;
    }
    return font->faces[0];
}

const yk_glyph *yk_font_glyph(yk_font *font, uint32_t code)
{
    for (size_t i = 0; i < font->glyph_count; i++)
        if (font->glyphs[i].code == code)
            return &font->glyphs[i];
    if (yk_grow(&font->glyphs, &font->glyph_capacity, font->glyph_count + 1, sizeof(*font->glyphs)) != YOLK_OK)
        return NULL;
    FT_Face face = face_of(font, code);
    if (FT_Load_Char(face, code, FT_LOAD_RENDER | FT_LOAD_NO_BITMAP | FT_LOAD_TARGET_LIGHT) != 0)
        return NULL;
    const FT_GlyphSlot slot = face->glyph;
    const FT_Bitmap *bitmap = &slot->bitmap;
    yk_glyph glyph = {.code = code,
                      .left = slot->bitmap_left,
                      .top = slot->bitmap_top,
                      .advance = (int)((slot->advance.x + 32) >> 6)};
    if (bitmap->pixel_mode == FT_PIXEL_MODE_GRAY && bitmap->width > 0 && bitmap->rows > 0) {
        glyph.width = (int)bitmap->width;
        glyph.height = (int)bitmap->rows;
        glyph.coverage = yk_alloc((size_t)bitmap->width * bitmap->rows);
        if (!glyph.coverage)
            return NULL;
        for (int y = 0; y < glyph.height; y++)
            memcpy(glyph.coverage + (ptrdiff_t)y * glyph.width, bitmap->buffer + (ptrdiff_t)y * bitmap->pitch,
                   bitmap->width);
    }
    font->glyphs[font->glyph_count] = glyph;
    return &font->glyphs[font->glyph_count++];
}

int yk_font_width(yk_font *font, const char *text)
{
    int width = 0;
    for (uint32_t code; (code = yk_utf8_next(&text)) != 0;) {
        const yk_glyph *glyph = yk_font_glyph(font, code);
        width += glyph ? glyph->advance : 0;
    }
    return width;
}
