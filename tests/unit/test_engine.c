/* The .engine container: what is written is read again, and damage anywhere is noticed. */
#include "engine_test.h"
#include "yolk/yolk.h"

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    const int sides[] = {64, 128};
    const char *path = engine_file("round.engine", "a", "print", sides, 2);
    yk_engine *e;
    assert_ok(yk_engine_open(path, &e));
    const yk_engine_header *h = yk_engine_header_of(e);
    assert_string_equal(h->yolk, "0.1.0");
    assert_string_equal(h->source.name, "tiny.pt");
    assert_true(h->source.bytes == 1234 && h->source.mtime_ns == 1700000000123456789);
    assert_string_equal(h->precision, "fp32");
    assert_string_equal(h->check, "97.5% of 12 boxes agree");
    assert_string_equal(h->backend, "openvino");
    assert_string_equal(h->device, "a processor");
    assert_string_equal(h->fingerprint, "print");
    assert_true(h->parameters == 77 && h->fixed_batch == 0);
    const yk_graph *g = h->graph;
    assert_string_equal(g->family, "tiny");
    assert_true(g->dynamic_size && g->dynamic_batch && g->stride == YK_TINY_CELL && g->input_width == YK_TINY_SIDE);
    assert_int_equal(g->head.classes, YK_TINY_CLASSES);
    for (int i = 0; i < YK_TINY_CLASSES; i++)
        assert_string_equal(g->class_names[i], engine_classes[i]);
    assert_true(g->head.kind == YK_HEAD_ANCHOR_FREE && g->head.reg_max == 1 && g->head.unit_range && !g->head.bgr);
    assert_int_equal(g->head.strides[0], YK_TINY_CELL);
    const uint8_t *bytes;
    size_t size;
    assert_ok(yk_engine_bytes(e, -1, &bytes, &size));
    assert_int_equal(size, sizeof engine_model);
    assert_memory_equal(bytes, engine_model, size);
    assert_int_equal((uintptr_t)bytes % 64, 0);
    assert_ok(yk_engine_bytes(e, 1, &bytes, &size));
    assert_int_equal(size, 12);
    assert_memory_equal(bytes, "ompiled form", 12);
    assert_int_equal((uintptr_t)bytes % 64, 0);
    yk_engine_close(&e);
    assert_null(e);
}

static void forms_are_found_by_what_they_were_compiled_for(void **state)
{
    (void)state;
    const int sides[] = {64, 128, 256};
    yk_engine *e;
    assert_ok(yk_engine_open(engine_file("find.engine", "a", "print", sides, 3), &e));
    assert_int_equal(yk_engine_form_count(e), 3);
    yk_engine_form wanted = {.batch = 1, .height = 128, .width = 128};
    assert_int_equal(yk_engine_find(e, &wanted), 1);
    wanted.half = true;
    assert_int_equal(yk_engine_find(e, &wanted), -1);
    wanted = (yk_engine_form){.batch = 2, .height = 128, .width = 128};
    assert_int_equal(yk_engine_find(e, &wanted), -1);
    yk_engine_bind(e, 2);
    const yk_graph *g = yk_engine_header_of(e)->graph;
    assert_true(g->bound[0] == 1 && g->bound[1] == 256 && g->bound[2] == 256);
    assert_int_equal(g->output_count, 2);
    assert_int_equal(g->values[g->outputs[1]].shape.dims[3], 256 / YK_TINY_CELL);
    yk_engine_close(&e);
}

static void anchors_survive(void **state)
{
    (void)state;
    yk_engine_header h = engine_header("a", "print");
    h.graph->head.kind = YK_HEAD_ANCHORS;
    h.graph->head.anchors_per_level = 2;
    const float anchors[2][2] = {{10.125f, 13}, {0.1f, 1e-3f}};
    memcpy(h.graph->head.anchors[0], anchors, sizeof anchors);
    const yk_engine_part part = {NULL, "x", 1};
    assert_ok(yk_engine_write(yk_temp_path("anchors.engine"), &h, &part, 1));
    engine_header_end(&h);
    yk_engine *e;
    assert_ok(yk_engine_open(yk_temp_path("anchors.engine"), &e));
    const yk_head *head = &yk_engine_header_of(e)->graph->head;
    assert_int_equal(head->anchors_per_level, 2);
    assert_memory_equal(head->anchors[0], anchors, sizeof anchors);
    yk_engine_close(&e);
}

static void text_that_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    yk_engine_header h = engine_header("a", "print");
    h.device = "caf\xe9";
    const yk_engine_part part = {NULL, "x", 1};
    assert_ok(yk_engine_write(yk_temp_path("latin.engine"), &h, &part, 1));
    engine_header_end(&h);
    yk_engine *e;
    assert_ok(yk_engine_open(yk_temp_path("latin.engine"), &e));
    assert_string_equal(yk_engine_header_of(e)->device, "caf\xef\xbf\xbd");
    yk_engine_close(&e);
}

/* True when opening the bytes and looking at every section finds nothing wrong. */
static bool sound(const uint8_t *bytes, size_t size)
{
    yk_engine *e;
    if (yk_engine_open_memory("x.engine", bytes, size, &e) != YOLK_OK) {
        assert_non_null(strstr(yolk_last_error(), "x.engine: "));
        return false;
    }
    bool good = true;
    const uint8_t *section;
    size_t length;
    for (int i = -1; i < (int)yk_engine_form_count(e); i++)
        good = good && yk_engine_bytes(e, i, &section, &length) == YOLK_OK;
    yk_engine_close(&e);
    return good;
}

static void every_changed_byte_is_noticed(void **state)
{
    (void)state;
    const int sides[] = {64, 128};
    size_t size;
    uint8_t *bytes = engine_read_file(engine_file("flip.engine", "a", "print", sides, 2), &size);
    assert_true(sound(bytes, size));
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x10;
        if (sound(bytes, size))
            fail_msg("a change of byte %zu of %zu is not noticed", i, size);
        bytes[i] ^= 0x10;
    }
    free(bytes);
}

static void every_cut_is_noticed(void **state)
{
    (void)state;
    const int sides[] = {64};
    size_t size;
    uint8_t *bytes = engine_read_file(engine_file("cut.engine", "a", "print", sides, 1), &size);
    for (size_t i = 0; i < size; i++) {
        uint8_t *part = malloc(i ? i : 1); /* so that a read past the end is seen */
        memcpy(part, bytes, i);
        assert_false(sound(part, i));
        free(part);
    }
    uint8_t *longer = calloc(1, size + 64);
    memcpy(longer, bytes, size);
    assert_false(sound(longer, size + 64));
    free(longer);
    free(bytes);
}

static void the_damaged_part_alone_cannot_be_used(void **state)
{
    (void)state;
    const int sides[] = {64, 128};
    size_t size;
    uint8_t *bytes = engine_read_file(engine_file("part.engine", "a", "print", sides, 2), &size);
    bytes[size - 1] ^= 1; /* in the last form */
    yk_engine *e;
    const uint8_t *section;
    size_t length;
    assert_ok(yk_engine_open_memory("part.engine", bytes, size, &e));
    assert_ok(yk_engine_bytes(e, -1, &section, &length));
    assert_ok(yk_engine_bytes(e, 0, &section, &length));
    assert_fails(yk_engine_bytes(e, 1, &section, &length), YOLK_ERROR_DAMAGED,
                 "part.engine: the engine is damaged: a compiled form in it is not as it was written");
    yk_engine_close(&e);
    free(bytes);
}

static void other_formats_say_what_they_are(void **state)
{
    (void)state;
    const int sides[] = {64};
    size_t size;
    yk_engine *e;
    uint8_t *bytes = engine_read_file(engine_file("version.engine", "a", "print", sides, 1), &size);
    assert_true(yk_engine_matches(bytes, size));
    assert_false(yk_engine_matches(bytes, 7));
    bytes[8] = 9;
    assert_fails(yk_engine_open_memory("v.engine", bytes, size, &e), YOLK_ERROR_UNSUPPORTED,
                 "v.engine: the engine is of format 9 and this yolk");
    bytes[0] = 'f';
    assert_fails(yk_engine_open_memory("v.engine", bytes, size, &e), YOLK_ERROR_UNSUPPORTED, "not an engine of yolk's");
    assert_fails(yk_engine_open_memory("v.engine", bytes, 10, &e), YOLK_ERROR_DAMAGED, "cut off: it has 10 bytes");
    assert_fails(yk_engine_open(yk_temp_path("absent.engine"), &e), YOLK_ERROR_NOT_FOUND, "absent.engine");
    assert_fails(yk_engine_open(yk_temp_folder, &e), YOLK_ERROR_INVALID_ARGUMENT, "this is a folder");
    free(bytes);
}

static void a_failed_write_leaves_what_was_there(void **state)
{
    (void)state;
    const int sides[] = {64};
    const char *path = engine_file("kept.engine", "a", "print", sides, 1);
    yk_engine_header h = engine_header("b", "print");
    const yk_engine_part part = {NULL, "x", 1};
    bool done = false;
    for (long n = 1; !done && n < 100; n++) {
        yk_alloc_fail_at(n);
        yolk_status status = yk_engine_write(path, &h, &part, 1);
        yk_alloc_fail_at(0);
        yk_engine *e;
        assert_ok(yk_engine_open(path, &e));
        assert_int_equal(yk_engine_header_of(e)->source.sha256[0], status == YOLK_OK ? 'b' : 'a');
        yk_engine_close(&e);
        if (status != YOLK_OK)
            assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        done = status == YOLK_OK;
    }
    assert_true(done);
    assert_fails(yk_engine_write(yk_temp_path("no/folder.engine"), &h, &part, 1), YOLK_ERROR_NOT_FOUND,
                 "does not exist");
    engine_header_end(&h);
}

static void opening_survives_every_failed_allocation(void **state)
{
    (void)state;
    const int sides[] = {64, 128};
    const char *path = engine_file("memory.engine", "a", "print", sides, 2);
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    long n = 1;
    for (; status != YOLK_OK && n < 200; n++) {
        yk_engine *e;
        yk_alloc_fail_at(n);
        status = yk_engine_open(path, &e);
        yk_alloc_fail_at(0);
        if (status == YOLK_OK)
            yk_engine_close(&e);
        else
            assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
    }
    assert_int_equal(status, YOLK_OK);
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(forms_are_found_by_what_they_were_compiled_for),
        cmocka_unit_test(anchors_survive),
        cmocka_unit_test(text_that_is_not_utf8_is_replaced),
        cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(the_damaged_part_alone_cannot_be_used),
        cmocka_unit_test(other_formats_say_what_they_are),
        cmocka_unit_test(a_failed_write_leaves_what_was_there),
        cmocka_unit_test(opening_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests_name("engine", tests, yk_temp_make, yk_temp_remove);
}
