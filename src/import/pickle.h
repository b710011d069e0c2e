/* Python's pickles, protocols 0 to 5, read as data.
 *
 * Nothing in a pickle is ever run. A global is a name. What a pickle would call is kept as an inert object of that name
 * when the caller knows the name, and refused with the name when not. */
#ifndef YK_PICKLE_H
#define YK_PICKLE_H

#include "base/base.h"

typedef enum yk_pickle_type {
    YK_PICKLE_NONE,
    YK_PICKLE_BOOL,
    YK_PICKLE_INT,  /* fits into 64 bits */
    YK_PICKLE_LONG, /* does not; only its existence is known */
    YK_PICKLE_FLOAT,
    YK_PICKLE_TEXT,
    YK_PICKLE_BYTES,
    YK_PICKLE_LIST,
    YK_PICKLE_TUPLE,
    YK_PICKLE_SET,
    YK_PICKLE_DICT,
    YK_PICKLE_GLOBAL,
    YK_PICKLE_OBJECT,    /* of a class, or what a call would have given */
    YK_PICKLE_PERSISTENT /* something kept outside the pickle; items[0] names it */
} yk_pickle_type;

/* A node of what was read. Nodes may be shared and may contain themselves: whoever walks them bounds the depth. */
typedef struct yk_pickle_value yk_pickle_value;
struct yk_pickle_value {
    yk_pickle_type type;
    bool pairs;     /* items are keys and values in turn: DICT, OBJECT that is a mapping */
    uint32_t count; /* of items */
    uint32_t capacity;
    yk_pickle_value **items; /* LIST, TUPLE, SET, DICT, and what was added to an OBJECT */
    union {
        int64_t integer; /* BOOL, INT */
        double real;     /* FLOAT */
        struct {         /* TEXT, BYTES; not NUL-terminated */
            const char *text;
            size_t length;
        };
        struct { /* GLOBAL: "torch.nn.modules.conv" "Conv2d"; not NUL-terminated */
            const char *module, *name;
            uint32_t module_length, name_length;
        };
        struct {                           /* OBJECT */
            const yk_pickle_value *called; /* the GLOBAL */
            const yk_pickle_value *args;   /* a TUPLE, or NULL */
            const yk_pickle_value *state;  /* what __setstate__ would be given, or NULL */
        };
    };
};

typedef struct yk_pickle_block yk_pickle_block;

typedef struct yk_pickle {
    const yk_pickle_value *root;
    yk_pickle_block *blocks; /* memory of all values */
} yk_pickle;

/* Reads one pickle; values point into `data`, which must stay. `callable` are the names ("collections.OrderedDict")
 * whose call makes an inert object; any other call is refused. */
yolk_status yk_pickle_read(const uint8_t *data, size_t size, const char *const *callable, size_t callable_count,
                           yk_pickle *out);
void yk_pickle_free(yk_pickle *pickle);

/* Text or the name of a global or of an object's class, for a sentence: cut where too long. */
enum { YK_PICKLE_LABEL = 128 };
const char *yk_pickle_label(const yk_pickle_value *v, char out[YK_PICKLE_LABEL]);

/* All of these take NULL for a value that is not there. */
bool yk_pickle_is_text(const yk_pickle_value *v, const char *text);
bool yk_pickle_is_global(const yk_pickle_value *v, const char *name);
/* True for an object made by calling, or of the class, `name`. */
bool yk_pickle_is_object(const yk_pickle_value *v, const char *name);
bool yk_pickle_int(const yk_pickle_value *v, int64_t *out); /* of INT or BOOL */
bool yk_pickle_number(const yk_pickle_value *v, double *out);
/* Item of a LIST or TUPLE (or torch.Size), or NULL. */
const yk_pickle_value *yk_pickle_at(const yk_pickle_value *v, size_t index);
size_t yk_pickle_length(const yk_pickle_value *v); /* of a LIST or TUPLE (or torch.Size), else 0 */
/* Value of a text key in a mapping, or NULL. */
const yk_pickle_value *yk_pickle_get(const yk_pickle_value *v, const char *key);
/* Value of an integer key in a mapping, or NULL. */
const yk_pickle_value *yk_pickle_get_int(const yk_pickle_value *v, int64_t key);

#endif
