/* Pages: whatever names and figures hold, they are whole, and need nothing else. */
#include <locale.h>
#include <math.h>

#include "bench_test.h"
#include "convert/report.h"

static char *text_of(yk_buffer *b)
{
    assert_ok(yk_buffer_status(b));
    return (char *)b->data;
}

static void assert_text(const char *given, const char *expected)
{
    yk_buffer b = {0};
    yk_html_text(&b, given);
    assert_string_equal(text_of(&b), expected);
    yk_buffer_free(&b);
}

static void assert_number(double value, int decimals, const char *expected)
{
    yk_buffer b = {0};
    yk_html_number(&b, value, decimals);
    assert_string_equal(text_of(&b), expected);
    yk_buffer_free(&b);
}

static void text_is_escaped(void **state)
{
    (void)state;
    assert_text("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
    assert_text("a & b \"c\"", "a &amp; b &quot;c&quot;");
    assert_text("", "");
    assert_text("gr\xc3\xbc\xc3\x9f \xe6\x9d\xb1", "gr\xc3\xbc\xc3\x9f \xe6\x9d\xb1");
    assert_text("a\x1b[31m\x01", "a\xef\xbf\xbd[31m\xef\xbf\xbd");
    assert_text("bad \xff\xc0\xaf", "bad \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void numbers_have_a_point_in_every_language(void **state)
{
    (void)state;
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where there is one */
    assert_number(1234.5678, 2, "1234.57");
    assert_number(0.005, 3, "0.005");
    assert_number(-2.5, 1,
                  "\xe2\x88\x92"
                  "2.5");
    assert_number(-0.0001, 2, "0.00");
    assert_number(7, 0, "7");
    assert_number(NAN, 2, "-");
    assert_number(INFINITY, 2, "-");
    setlocale(LC_ALL, "C");
}

static void sizes_and_steps(void **state)
{
    (void)state;
    yk_buffer b = {0};
    yk_html_bytes(&b, 1536);
    yk_buffer_text(&b, "|");
    yk_html_bytes(&b, 12);
    yk_buffer_text(&b, "|");
    yk_html_bytes(&b, (uint64_t)200 << 20);
    assert_string_equal(text_of(&b), "1.5 KiB|12 B|200 MiB");
    yk_buffer_free(&b);
    assert_true(fabs(yk_chart_step(100, 5) - 20) < 1e-9);
    assert_true(fabs(yk_chart_step(101, 5) - 50) < 1e-9);
    assert_true(fabs(yk_chart_step(0.7, 5) - 0.2) < 1e-9);
    assert_true(yk_chart_step(0, 5) == 1 && yk_chart_step(NAN, 5) == 1 && yk_chart_step(INFINITY, 5) == 1);
    assert_int_equal(yk_html_decimals(3), 0);
    assert_int_equal(yk_html_decimals(3.14), 2);
    assert_int_equal(yk_html_decimals(31.4), 1);
    assert_int_equal(yk_html_decimals(314.2), 0);
}

static int count(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        n++;
    return n;
}

/* Every element is closed in its order, every attribute quoted, and nothing is fetched or run. */
static void check_page(const char *page)
{
    char open[64][16];
    int depth = 0;
    assert_int_equal(strncmp(page, "<!DOCTYPE html>", 15), 0);
    for (const char *at = strchr(page + 1, '<'); at; at = strchr(at + 1, '<')) {
        const char *end = strchr(at, '>');
        assert_non_null(end);
        char name[16];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 1 + (at[1] == '/'), " >/"), at + 1 + (at[1] == '/'));
        int quotes = 0;
        for (const char *c = at; c < end; c++)
            quotes += *c == '"';
        assert_int_equal(quotes % 2, 0);
        if (at[1] == '/') {
            assert_true(depth > 0);
            assert_string_equal(open[--depth], name);
        } else if (end[-1] != '/' && strcmp(name, "meta") != 0 && strcmp(name, "link") != 0) {
            assert_true(depth < 64);
            snprintf(open[depth++], sizeof open[0], "%s", name);
        }
    }
    assert_int_equal(depth, 0);
    assert_int_equal(count(page, "<script"), 0);
    assert_int_equal(count(page, "http:") + count(page, "https:") + count(page, "url(") + count(page, "src="), 0);
    assert_int_equal(count(page, "href="), 1); /* no icon is looked for */
    assert_int_equal(count(page, "nan\"") + count(page, "inf\"") + count(page, "\"-\""), 0);
}

static char *read_page(const char *path)
{
    yk_map map;
    assert_ok(yk_map_open(path, &map));
    char *text = yk_strndup((const char *)map.data, map.size);
    yk_map_close(&map);
    assert_non_null(text);
    return text;
}

static const char hostile[] = "<b onload=\"x\">'&\xff.onnx";

static yolk_benchmark_report *benchmark_of(const char *model, int steps)
{
    static const int batches[] = {1, 2, 3};
    const yolk_config config = bench_config();
    yolk_benchmark_options o;
    yolk_benchmark_report *r;
    yolk_benchmark_options_defaults(&o);
    o.config = &config;
    o.batches = batches;
    o.batch_count = 3;
    o.runs = 4;
    o.steps = steps;
    assert_ok(yolk_benchmark(model, &o, &r));
    return r;
}

static void a_benchmark_becomes_a_page(void **state)
{
    (void)state;
    yolk_benchmark_report *r = benchmark_of(bench_model(hostile), 1);
    const char *path = bench_path("bench.html");
    assert_ok(yolk_benchmark_write_html(r, path));
    char *page = read_page(path);
    check_page(page);
    assert_int_equal(count(page, "<svg"), 3 + 3 + 2); /* by batch, times of each, steps */
    assert_int_equal(count(page, "<b onload"), 0);
    assert_true(count(page, "&lt;b onload=&quot;x&quot;&gt;&#39;&amp;\xef\xbf\xbd") >= 3);
    assert_non_null(strstr(page, "Latency by batch"));
    assert_non_null(strstr(page, "Largest layers"));
    assert_non_null(strstr(page, "prefers-color-scheme:dark"));
    assert_non_null(strstr(page, "@media print"));
    yk_free(page);
    json_t *root = bench_json(r->json); /* in which the name is UTF-8, too */
    assert_non_null(strstr(json_string_value(bench_find(root, "model/name")), "<b onload=\"x\">'&\xef\xbf\xbd"));
    json_decref(root);
    yolk_benchmark_report_destroy(&r);
}

static void rows_that_were_not_run_are_told_of(void **state)
{
    (void)state;
    const char *fixed = bench_path("fixed.onnx"), *path = bench_path("skipped.html");
    yk_tiny_write(fixed, 2, bench_names);
    yolk_benchmark_report *r = benchmark_of(fixed, 0);
    assert_ok(yolk_benchmark_write_html(r, path));
    char *page = read_page(path);
    check_page(page);
    assert_int_equal(count(page, "not run: the model was exported for batches of 2 only"), 2);
    assert_int_equal(count(page, "<svg"), 3 + 1);
    yk_free(page);
    yolk_benchmark_report_destroy(&r);
}

static void a_comparison_becomes_a_page(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const char *path = bench_path("compare.html");
    yolk_compare_options o;
    yolk_compare_report *r;
    yolk_compare_options_defaults(&o);
    o.config = &config;
    o.runs = 8;
    assert_ok(yolk_compare(bench_model("a.onnx"), bench_model(hostile), &o, &r));
    assert_ok(yolk_compare_write_html(r, path));
    char *page = read_page(path);
    check_page(page);
    assert_int_equal(count(page, "<svg"), 5);
    yk_free(page);
    yolk_compare_report_destroy(&r);
    o.val = bench_pictures("val", 6);
    assert_ok(yolk_compare(bench_model("a.onnx"), bench_model(hostile), &o, &r));
    assert_ok(yolk_compare_write_html(r, path));
    page = read_page(path);
    check_page(page);
    assert_int_equal(count(page, "<svg"), 7);
    assert_int_equal(count(page, "<circle class=\"p\""), 6 + 2); /* boxes, and rounds */
    yk_free(page);
    yolk_compare_report_destroy(&r);
}

static void a_comparison_needs_memory(void **state)
{
    (void)state;
    const yolk_config config = bench_config();
    const char *path = bench_path("short.html");
    yolk_compare_options o;
    yolk_compare_report *r;
    yolk_compare_options_defaults(&o);
    o.config = &config;
    o.runs = 1;
    assert_ok(yolk_compare(bench_model("a.onnx"), bench_model("a.onnx"), &o, &r));
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK; n++) {
        yk_alloc_fail_at(n);
        status = yolk_compare_write_html(r, path);
        yk_alloc_fail_at(0);
        assert_true((status == YOLK_OK) == (access(path, F_OK) == 0));
    }
    yolk_compare_report_destroy(&r);
}

static void a_page_appears_whole_or_not_at_all(void **state)
{
    (void)state;
    yolk_benchmark_report *r = benchmark_of(bench_model("a.onnx"), 0);
    const char *path = yk_temp_text("earlier.html", "earlier");
    assert_fails(yolk_benchmark_write_html(r, yk_temp_path("absent/x.html")), YOLK_ERROR_NOT_FOUND, "absent/x.html");
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    int failures = 0;
    for (long n = 1; status != YOLK_OK; n++) {
        yk_alloc_fail_at(n);
        status = yolk_benchmark_write_html(r, path);
        yk_alloc_fail_at(0);
        if (status == YOLK_OK)
            break;
        assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
        char *text = read_page(path);
        assert_string_equal(text, "earlier");
        yk_free(text);
        failures++;
    }
    assert_true(failures > 3);
    yolk_benchmark_report_destroy(&r);
}

static void charts_of_odd_figures(void **state)
{
    (void)state;
    const double same[] = {2, 2, 2}, far[] = {1, 1.01, 1.02, 900};
    const double *values[] = {same, far};
    const int counts[] = {3, 4};
    const yk_chart chart = {.title = "T", .unit = "ms"};
    const yk_bar bars[] = {{.label = "none"}, {.label = "huge", .value = 1e12}};
    yk_buffer b = {0};
    yk_buffer_text(&b, "<!DOCTYPE html><a href=\"x\"></a>");
    yk_chart_histogram(&b, &chart, values, counts, 1, NULL);
    yk_chart_histogram(&b, &chart, values + 1, counts + 1, 1, NULL);
    yk_chart_histogram(&b, &chart, values, (const int[]){0}, 1, NULL);
    yk_chart_bars(&b, &chart, bars, 1);
    yk_chart_bars(&b, &chart, bars, 2);
    yk_chart_bars(&b, &chart, bars, 0);
    yk_chart_points(&b, &chart, same, 1, 2, 2, 2);
    yk_chart_points(&b, &chart, NULL, 0, 0, 0, 0);
    yk_chart_scatter(&b, &chart, NULL, 0, "a", "b");
    check_page(text_of(&b));
    assert_int_equal(count(text_of(&b), "<svg"), 9);
    yk_buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(numbers_have_a_point_in_every_language),
        cmocka_unit_test(sizes_and_steps),
        cmocka_unit_test(a_benchmark_becomes_a_page),
        cmocka_unit_test(rows_that_were_not_run_are_told_of),
        cmocka_unit_test(a_comparison_becomes_a_page),
        cmocka_unit_test(a_comparison_needs_memory),
        cmocka_unit_test(a_page_appears_whole_or_not_at_all),
        cmocka_unit_test(charts_of_odd_figures),
    };
    return cmocka_run_group_tests_name("report", tests, yk_temp_make, yk_temp_remove);
}
