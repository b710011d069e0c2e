/* Names for classes that a model does not name. */
#include <stdio.h>

#include "import/import.h"
#include "yk_test.h"

static char said[256];

static void keep(void *user, yolk_log_level level, const char *message)
{
    (void)user;
    assert_int_equal(level, YOLK_LOG_INFO);
    snprintf(said, sizeof(said), "%s", message);
}

/* A graph of so many classes, of which number `named` has a name (none: -1). */
static yk_graph *graph_of(int classes, int named)
{
    yk_graph *g;
    assert_ok(yk_graph_create(&g));
    g->head.classes = classes;
    g->class_names = yk_calloc((size_t)classes, sizeof(*g->class_names));
    assert_non_null(g->class_names);
    if (named >= 0)
        g->class_names[named] = yk_strdup("given");
    said[0] = '\0';
    yolk_log_set(keep, NULL, YOLK_LOG_INFO);
    assert_ok(yk_import_fill_names(g));
    yolk_log_set(NULL, NULL, YOLK_LOG_ERROR);
    return g;
}

static void eighty_without_a_name_are_cocos(void **state)
{
    (void)state;
    yk_graph *g = graph_of(80, -1);
    assert_string_equal(g->class_names[0], "person");
    assert_string_equal(g->class_names[5], "bus");
    assert_string_equal(g->class_names[39], "bottle");
    assert_string_equal(g->class_names[79], "toothbrush");
    assert_non_null(strstr(said, "COCO"));
    for (int i = 0; i < 80; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(g->class_names[i], g->class_names[k]);
    yk_graph_destroy(&g);
}

static void others_are_numbered(void **state)
{
    (void)state;
    yk_graph *g = graph_of(79, -1);
    assert_string_equal(g->class_names[0], "class0");
    assert_string_equal(g->class_names[78], "class78");
    assert_non_null(strstr(said, "79 of the model's 79 classes have no name"));
    yk_graph_destroy(&g);
    /* Who names one class of 80 means something else by the others. */
    g = graph_of(80, 2);
    assert_string_equal(g->class_names[0], "class0");
    assert_string_equal(g->class_names[2], "given");
    assert_non_null(strstr(said, "79 of the model's 80 classes"));
    yk_graph_destroy(&g);
}

static void names_that_are_there_stay(void **state)
{
    (void)state;
    yk_graph *g = graph_of(1, 0);
    assert_string_equal(g->class_names[0], "given");
    assert_string_equal(said, "");
    yk_graph_destroy(&g);
}

static void short_memory_is_reported(void **state)
{
    (void)state;
    yk_graph *g = graph_of(2, -1);
    yk_free(g->class_names[1]);
    g->class_names[1] = NULL;
    yk_alloc_fail_at(1);
    assert_fails(yk_import_fill_names(g), YOLK_ERROR_OUT_OF_MEMORY, "memory");
    yk_alloc_fail_at(0);
    yk_graph_destroy(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eighty_without_a_name_are_cocos),
        cmocka_unit_test(others_are_numbered),
        cmocka_unit_test(names_that_are_there_stay),
        cmocka_unit_test(short_memory_is_reported),
    };
    return cmocka_run_group_tests_name("class names", tests, NULL, NULL);
}
