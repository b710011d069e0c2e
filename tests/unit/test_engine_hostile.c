/* Engine files whose hashes are right and whose header says what cannot be. */
#include "engine_test.h"

#include <jansson.h>

static uint8_t *template_bytes;
static json_t *template_root;
static size_t template_size, header_size;

static int make(void **state)
{
    const int sides[] = {64, 128};
    if (yk_temp_make(state) != 0)
        return -1;
    template_bytes = engine_read_file(engine_file("template.engine", "a", "print", sides, 2), &template_size);
    memcpy(&header_size, template_bytes + 12, 4);
    template_root = json_loadb((const char *)template_bytes + 64, header_size, 0, NULL);
    return template_root ? 0 : -1;
}

static int end(void **state)
{
    free(template_bytes);
    json_decref(template_root);
    return yk_temp_remove(state);
}

/* The template with another header, its sizes and hash set right. */
static yolk_status open_with(const char *header, yk_engine **out)
{
    const size_t length = (strlen(header) + 63) / 64 * 64, rest = template_size - 64 - header_size;
    const size_t total = 64 + length + rest;
    uint8_t *bytes = malloc(total);
    yk_sha256 s;
    memcpy(bytes, template_bytes, 64);
    memset(bytes + 64, ' ', length);
    memcpy(bytes + 64, header, strlen(header));
    memcpy(bytes + 64 + length, template_bytes + 64 + header_size, rest);
    memcpy(bytes + 12, &length, 4);
    memcpy(bytes + 16, &total, 8);
    yk_sha256_init(&s);
    yk_sha256_add(&s, bytes, 32);
    yk_sha256_add(&s, bytes + 64, length);
    yk_sha256_end(&s, bytes + 32);
    yolk_status status = yk_engine_open_memory("h.engine", bytes, total, out);
    if (status == YOLK_OK)
        yk_engine_close(out);
    free(bytes);
    return status;
}

/* Opens with one value of the header, found by a path such as "sections.1.batch", replaced by JSON; "" takes it out. */
static yolk_status open_changed(const char *path, const char *value)
{
    json_t *root = json_deep_copy(template_root), *at = root;
    char key[64];
    yk_engine *e;
    for (const char *rest = path;;) {
        size_t n = strcspn(rest, ".");
        snprintf(key, sizeof key, "%.*s", (int)n, rest);
        if (!rest[n])
            break;
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(key)) : json_object_get(at, key);
        assert_non_null(at);
        rest += n + 1;
    }
    json_t *made = *value ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
    assert_true(!*value || made);
    if (json_is_array(at))
        assert_int_equal(made ? json_array_set_new(at, (size_t)atoi(key), made) : json_array_remove(at, atoi(key)), 0);
    else
        assert_int_equal(made ? json_object_set_new(at, key, made) : json_object_del(at, key), 0);
    char *text = json_dumps(root, 0);
    yolk_status status = open_with(text, &e);
    free(text);
    json_decref(root);
    return status;
}

static void the_template_itself_is_fine(void **state)
{
    (void)state;
    assert_ok(open_changed("check", "\"another\""));
    assert_ok(open_changed("unknown", "[1, 2]"));
}

static void members_that_are_missing_or_of_another_kind_are_refused(void **state)
{
    (void)state;
    static const char *const members[] = {
        "yolk",
        "source",
        "source.name",
        "source.sha256",
        "source.bytes",
        "source.mtime_ns",
        "precision",
        "converted",
        "check",
        "calibration",
        "backend",
        "device",
        "fingerprint",
        "parameters",
        "fixed_batch",
        "sections",
        "model",
        "model.family",
        "model.head",
        "model.head.kind",
        "model.head.reg_max",
        "model.head.end2end",
        "model.head.max_det",
        "model.head.strides",
        "model.head.anchors",
        "model.head.bgr",
        "model.head.unit_range",
        "model.head.top_left",
        "model.classes",
        "model.stride",
        "model.height",
        "model.width",
        "model.dynamic_size",
        "model.dynamic_batch",
        "model.fp16_weights",
        "sections.0.section",
        "sections.0.offset",
        "sections.0.bytes",
        "sections.0.sha256",
        "sections.1.batch",
        "sections.1.height",
        "sections.1.width",
        "sections.1.half",
        "sections.1.outputs",
        "sections.2.sha256",
    };
    for (size_t i = 0; i < YK_COUNT(members); i++) {
        if (open_changed(members[i], "") != YOLK_ERROR_DAMAGED)
            fail_msg("a header without %s is taken", members[i]);
        if (open_changed(members[i], "{\"a\": null}") != YOLK_ERROR_DAMAGED)
            fail_msg("a header with an object for %s is taken", members[i]);
    }
}

static void values_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"sections.0.offset", "64"},
        {"sections.0.bytes", "0"},
        {"sections.0.bytes", "-1"},
        {"sections.0.bytes", "9223372036854775807"},
        {"sections.1.offset", "0"},
        {"sections.1.offset", "-64"},
        {"sections.1.offset", "4611686018427387904"},
        {"sections.2.bytes", "13"},
        {"sections.2.bytes", "11"},
        {"sections.1.section", "\"model\""},
        {"sections.1.pieces", "[]"},
        {"sections.1.pieces", "3"},
        {"sections.1.pieces", "[0, 1, 2]"},
        {"sections.1.pieces", "[0, 0]"},
        {"sections.1.pieces", "[-1, 2]"},
        {"sections.1.pieces", "[0, 1.5]"},
        {"sections.1.pieces", "[0, 9223372036854775807]"},
        {"sections.1.pieces", "[0, 4611686018427387903]"},
        {"sections.1.pieces", "[0, 1000]"}, /* beyond its section */
        {"sections.1.pieces", "[128, 1]"},  /* of one that comes later */
        {"sections.0.section", "\"compiled\""},
        {"sections.0.sha256", "\"ABCD\""},
        {"sections.1.batch", "0"},
        {"sections.1.batch", "70000"},
        {"sections.1.height", "100000"},
        {"sections.1.width", "2147483648"},
        {"sections.1.outputs", "[]"},
        {"sections.1.outputs", "[[1, 4, 8, 8]]"}, /* the other form has two, and so has the head */
        {"sections.1.outputs.0", "[2, 4, 8, 8]"}, /* another batch */
        {"sections.1.outputs.0", "[1, 4, 8, 0]"},
        {"sections.1.outputs.0", "[1, 65536, 65536, 65536]"},
        {"sections.1.outputs.0", "[1, 1, 1, 1, 1, 1, 1]"},
        {"sections.1.outputs.0", "[]"},
        {"sections.1.outputs.0.1", "4.5"},
        {"model.classes", "[]"},
        {"model.classes.0", "7"},
        {"model.head.kind", "\"unknown\""},
        {"model.head.kind", "\"anchors\""}, /* which has none */
        {"model.head.strides", "[]"},
        {"model.head.strides", "[0]"},
        {"model.head.strides", "[8, 16]"}, /* which needs four outputs */
        {"model.head.strides", "[8, 8, 8, 8, 8, 8, 8]"},
        {"model.head.reg_max", "0"},
        {"model.head.reg_max", "100000"},
        {"model.head.max_det", "-1"},
        {"model.stride", "0"},
        {"model.height", "0"},
        {"fixed_batch", "-1"},
        {"precision", "\"fp64\""},
    };
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        if (open_changed(cases[i][0], cases[i][1]) != YOLK_ERROR_DAMAGED)
            fail_msg("%s = %s is taken", cases[i][0], cases[i][1]);
        assert_non_null(strstr(yolk_last_error(), "h.engine: the engine"));
    }
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    yk_engine *e;
    static const char *const texts[] = {"", "{", "[]", "null", "{\"yolk\": \"1\", \"yolk\": \"2\"}", "{}{}", "\xff"};
    for (size_t i = 0; i < YK_COUNT(texts); i++)
        assert_fails(open_with(texts[i], &e), YOLK_ERROR_DAMAGED, "h.engine: the engine");
    char deep[5000];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    assert_fails(open_with(deep, &e), YOLK_ERROR_DAMAGED, "not one that yolk writes");
}

static void too_many_sections_are_refused(void **state)
{
    (void)state;
    yk_engine *e;
    json_t *root = json_deep_copy(template_root), *sections = json_object_get(root, "sections");
    while (json_array_size(sections) < YK_ENGINE_FORMS + 2)
        json_array_append(sections, json_array_get(sections, 1));
    char *text = json_dumps(root, 0);
    assert_fails(open_with(text, &e), YOLK_ERROR_DAMAGED, "not one that yolk writes");
    free(text);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_template_itself_is_fine),
        cmocka_unit_test(members_that_are_missing_or_of_another_kind_are_refused),
        cmocka_unit_test(values_that_cannot_be_are_refused),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(too_many_sections_are_refused),
    };
    return cmocka_run_group_tests_name("engine_hostile", tests, make, end);
}
