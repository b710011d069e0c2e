/* Engine files of the tiny network, for tests: a model section of made-up bytes and compiled forms of others. */
#ifndef ENGINE_TEST_H
#define ENGINE_TEST_H

#include "plan/engine.h"
#include "yk_temp.h"
#include "yk_tiny.h"

static const char *const engine_classes[YK_TINY_CLASSES] = {"red", "gr\xc3\xbcn", "blue \"sky\""};
static const char engine_model[] = "the model as ONNX, of an odd length";

/* A header whose graph is to be destroyed by engine_header_end(); all else is static. */
static inline yk_engine_header engine_header(const char *source_hash, const char *fingerprint)
{
    yk_engine_header h = {.yolk = "0.1.0",
                          .source = {.name = "tiny.pt", .bytes = 1234, .mtime_ns = 1700000000123456789},
                          .precision = "fp32",
                          .check = "97.5% of 12 boxes agree",
                          .calibration = "",
                          .backend = "openvino",
                          .device = "a processor",
                          .fingerprint = (char *)fingerprint,
                          .parameters = 77,
                          .fixed_batch = 0,
                          .graph = yk_tiny_graph(engine_classes)};
    memset(h.source.sha256, *source_hash, 64);
    return h;
}

static inline void engine_header_end(yk_engine_header *h)
{
    yk_graph_destroy(&h->graph);
}

/* What the tiny network was compiled for. */
static inline yk_engine_form engine_form(int batch, int side, bool half)
{
    const int cells = side / YK_TINY_CELL;
    return (yk_engine_form){.batch = batch,
                            .height = side,
                            .width = side,
                            .half = half,
                            .output_count = 2,
                            .outputs = {{4, {batch, 4, cells, cells}}, {4, {batch, YK_TINY_CLASSES, cells, cells}}}};
}

/* Writes NAME with forms of the given sides and returns its path. */
static inline const char *engine_file(const char *name, const char *source_hash, const char *fingerprint,
                                      const int *sides, size_t count)
{
    yk_engine_header h = engine_header(source_hash, fingerprint);
    yk_engine_form forms[YK_ENGINE_FORMS];
    yk_engine_part parts[YK_ENGINE_FORMS + 1] = {{NULL, engine_model, sizeof engine_model}};
    for (size_t i = 0; i < count; i++) {
        forms[i] = engine_form(1, sides[i], false);
        parts[i + 1] = (yk_engine_part){&forms[i], &"compiled form"[i], 13 - i};
    }
    const char *path = yk_temp_path(name);
    assert_ok(yk_engine_write(path, &h, parts, count + 1));
    engine_header_end(&h);
    return path;
}

static inline uint8_t *engine_read_file(const char *path, size_t *size)
{
    yk_map map;
    assert_ok(yk_map_open(path, &map));
    uint8_t *bytes = malloc(map.size);
    assert_non_null(bytes);
    memcpy(bytes, map.data, map.size);
    *size = map.size;
    yk_map_close(&map);
    return bytes;
}

#endif
