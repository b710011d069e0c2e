/* Makes the hostile model files of the command line's tests, so that they need no Python:
 *   make_input KIND FILE [COMMAND] */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bytes {
    uint8_t data[1 << 16];
    size_t size;
} bytes;

static void add(bytes *b, const void *data, size_t size)
{
    if (size > sizeof(b->data) - b->size)
        exit(3);
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void add_text(bytes *b, const char *text)
{
    add(b, text, strlen(text));
}

static void add_le(bytes *b, uint32_t value, int size)
{
    for (int i = 0; i < size; i++)
        add(b, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static void save(const bytes *b, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(b->data, 1, b->size, file) != b->size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

/* ---- zip ---- */

static uint32_t crc32_of(const bytes *b)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < b->size; i++) {
        crc ^= b->data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* A zip with one entry, best/data.pkl, that claims to be `claimed` bytes long. */
static void save_zip(const bytes *pickle, int method, uint32_t claimed, const char *path)
{
    static bytes zip;
    const char *name = "best/data.pkl";
    uint32_t crc = crc32_of(pickle), directory;
    for (int central = 0; central < 2; central++) {
        directory = (uint32_t)zip.size;
        add_text(&zip, central ? "PK\1\2" : "PK\3\4");
        if (central)
            add_le(&zip, 20, 2);
        add_le(&zip, 20, 2);
        add_le(&zip, 0, 2);
        add_le(&zip, (uint32_t)method, 2);
        add_le(&zip, 0x21, 4);
        add_le(&zip, crc, 4);
        add_le(&zip, (uint32_t)pickle->size, 4);
        add_le(&zip, claimed, 4);
        add_le(&zip, (uint32_t)strlen(name), 2);
        add_le(&zip, 0, 2);
        for (int i = 0; central && i < 14; i++)
            add_le(&zip, 0, 1);
        add_text(&zip, name);
        if (!central)
            add(&zip, pickle->data, pickle->size);
    }
    uint32_t end = (uint32_t)zip.size;
    add_text(&zip, "PK\5\6");
    add_le(&zip, 0, 4);
    add_le(&zip, 1, 2);
    add_le(&zip, 1, 2);
    add_le(&zip, end - directory, 4);
    add_le(&zip, directory, 4);
    add_le(&zip, 0, 2);
    save(&zip, path);
}

/* ---- pickle ---- */

static void system_pickle(bytes *p, const char *command)
{
    add_text(p, "\x80\x02"
                "cposix\nsystem\nX");
    add_le(p, (uint32_t)strlen(command), 4);
    add_text(p, command);
    add_text(p, "\x85R.");
}

/* Lists of ten times the one before, thirty deep: a kilobyte that would be 10^30 elements when followed. */
static void laughing_pickle(bytes *p)
{
    add_text(p, "\x80\x02]q");
    add_le(p, 0, 1);
    for (int level = 1; level <= 30; level++) {
        add_text(p, "](");
        for (int i = 0; i < 10; i++) {
            add_text(p, "h");
            add_le(p, (uint32_t)level - 1, 1);
        }
        add_text(p, "eq");
        add_le(p, (uint32_t)level, 1);
    }
    add_text(p, ".");
}

/* A tuple in a tuple in a tuple ... */
static void deep_pickle(bytes *p)
{
    add_text(p, "\x80\x02)");
    for (int i = 0; i < 60000; i++)
        add_text(p, "\x85");
    add_text(p, ".");
}

/* ---- ONNX: protocol buffers by hand ---- */

static void varint(bytes *b, uint64_t value)
{
    for (; value > 127; value >>= 7)
        add_le(b, (uint32_t)(value & 127) | 128, 1);
    add_le(b, (uint32_t)value, 1);
}

static void number(bytes *b, int field, uint64_t value)
{
    varint(b, (uint64_t)field << 3);
    varint(b, value);
}

static void text(bytes *b, int field, const char *value)
{
    varint(b, (uint64_t)field << 3 | 2);
    varint(b, strlen(value));
    add_text(b, value);
}

static void message(bytes *b, int field, const bytes *inner)
{
    varint(b, (uint64_t)field << 3 | 2);
    varint(b, inner->size);
    add(b, inner->data, inner->size);
}

static void node(bytes *graph, const char *op, const char *a, const char *b, const char *out)
{
    static bytes n;
    n.size = 0;
    text(&n, 1, a);
    if (b)
        text(&n, 1, b);
    text(&n, 2, out);
    text(&n, 3, "/model.3/");
    text(&n, 4, op);
    message(graph, 1, &n);
}

static void value(bytes *graph, int field, const char *name, const int *dims, int rank)
{
    static bytes v, type, tensor, shape, dim;
    v.size = type.size = tensor.size = shape.size = 0;
    for (int i = 0; i < rank; i++) {
        dim.size = 0;
        number(&dim, 1, (uint64_t)dims[i]);
        message(&shape, 1, &dim);
    }
    number(&tensor, 1, 1);
    message(&tensor, 2, &shape);
    message(&type, 1, &tensor);
    text(&v, 1, name);
    message(&v, 2, &type);
    message(graph, field, &v);
}

/* 1x1 weights for 84 outputs and `inputs` inputs; in another file when `file` is not NULL. */
static void weight(bytes *graph, int inputs, const char *file)
{
    static bytes t, raw, entry;
    int dims[] = {84, inputs, 1, 1};
    t.size = raw.size = entry.size = 0;
    for (int i = 0; i < 4; i++)
        number(&t, 1, (uint64_t)dims[i]);
    number(&t, 2, 1);
    text(&t, 8, "weight");
    if (file) {
        text(&entry, 1, "location");
        text(&entry, 2, file);
        message(&t, 13, &entry);
        number(&t, 14, 1);
    } else {
        for (int i = 0; i < 84 * inputs; i++)
            add_le(&raw, 0, 4);
        message(&t, 9, &raw);
    }
    message(graph, 5, &t);
}

static void save_onnx(const char *kind, const char *path)
{
    static bytes graph, model, opset;
    weight(&graph, strcmp(kind, "wrong-shape") == 0 ? 4 : 3,
           strcmp(kind, "missing-data") == 0   ? "weights.bin"
           : strcmp(kind, "outside-data") == 0 ? "../../../../etc/passwd"
                                               : NULL);
    node(&graph, "Conv", "images", "weight", "a");
    if (strcmp(kind, "unknown-operator") == 0) {
        node(&graph, "Frobnicate", "a", NULL, "output0");
    } else if (strcmp(kind, "cycle") == 0) {
        node(&graph, "Add", "a", "c", "b");
        node(&graph, "Add", "b", "a", "c");
        node(&graph, "Sigmoid", "c", NULL, "output0");
    } else {
        node(&graph, "Sigmoid", "a", NULL, "output0");
    }
    text(&graph, 2, "hostile");
    value(&graph, 11, "images", (int[]){1, 3, 64, 64}, 4);
    value(&graph, 12, "output0", (int[]){1, 84, 64, 64}, 4);
    text(&opset, 1, "");
    number(&opset, 2, 12);
    number(&model, 1, 7);
    message(&model, 7, &graph);
    message(&model, 8, &opset);
    save(&model, path);
}

int main(int argc, char **argv)
{
    static bytes pickle;
    if (argc < 3)
        return 2;
    const char *kind = argv[1], *path = argv[2];
    if (strcmp(kind, "system") == 0) {
        system_pickle(&pickle, argc > 3 ? argv[3] : "true");
        save_zip(&pickle, 0, (uint32_t)pickle.size, path);
    } else if (strcmp(kind, "zip-bomb") == 0) {
        add_text(&pickle, "\x03");
        save_zip(&pickle, 8, 0xfffffff0, path);
    } else if (strcmp(kind, "zip-claim") == 0) {
        system_pickle(&pickle, "true");
        save_zip(&pickle, 0, 0xfffffff0, path);
    } else if (strcmp(kind, "laughs") == 0) {
        laughing_pickle(&pickle);
        save_zip(&pickle, 0, (uint32_t)pickle.size, path);
    } else if (strcmp(kind, "deep") == 0) {
        deep_pickle(&pickle);
        save_zip(&pickle, 0, (uint32_t)pickle.size, path);
    } else {
        save_onnx(kind, path);
    }
    return 0;
}
