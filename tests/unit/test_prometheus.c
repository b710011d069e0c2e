/* The text for Prometheus, read by a parser of its format (version 0.0.4) that knows nothing of how it is written. */
#include <ctype.h>
#include <locale.h>
#include <math.h>

#include "base/base.h"
#include "yk_temp.h"
#include "yolk/stats.h"

/* ---- the parser ---- */

enum { SAMPLES = 400, LABELS = 4, LENGTH = 128 };

typedef struct label {
    char name[LENGTH], value[LENGTH];
} label;

typedef struct sample {
    char family[LENGTH], name[LENGTH], kind[LENGTH];
    label labels[LABELS];
    int label_count;
    double value;
} sample;

static sample samples[SAMPLES];
static int sample_count;

static size_t name_length(const char *p, bool colons)
{
    size_t n = 0;
    while (isalpha((unsigned char)p[n]) || p[n] == '_' || (colons && p[n] == ':') ||
           (n > 0 && isdigit((unsigned char)p[n])))
        n++;
    return n;
}

static const char *take_name(const char *p, bool colons, char *out)
{
    size_t n = name_length(p, colons);
    if (n == 0 || n >= LENGTH)
        fail_msg("no name at '%.40s'", p);
    memcpy(out, p, n);
    out[n] = '\0';
    return p + n;
}

static const char *take_labels(const char *p, sample *s)
{
    while (*p != '}') {
        assert_true(s->label_count < LABELS);
        label *l = &s->labels[s->label_count++];
        p = take_name(p, false, l->name);
        assert_int_equal(p[0], '=');
        assert_int_equal(p[1], '"');
        size_t n = 0;
        for (p += 2; *p != '"'; p++) {
            assert_true(*p != '\0' && *p != '\n' && n + 1 < LENGTH);
            if (*p == '\\') {
                p++;
                assert_true(*p == '\\' || *p == '"' || *p == 'n');
                l->value[n++] = *p == 'n' ? '\n' : *p;
            } else {
                l->value[n++] = *p;
            }
        }
        l->value[n] = '\0';
        p++;
        if (*p == ',')
            p++;
        else
            assert_int_equal(*p, '}');
    }
    return p + 1;
}

/* Whether samples of this name belong to the family: its own name, or with the endings of its kind. */
static bool belongs(const sample *s)
{
    size_t n = strlen(s->family);
    if (strncmp(s->name, s->family, n) != 0)
        return false;
    const char *rest = s->name + n;
    bool histogram = strcmp(s->kind, "histogram") == 0, summary = strcmp(s->kind, "summary") == 0;
    if (!*rest)
        return !histogram;
    return ((histogram || summary) && (strcmp(rest, "_sum") == 0 || strcmp(rest, "_count") == 0)) ||
           (histogram && strcmp(rest, "_bucket") == 0);
}

static bool same_series(const sample *a, const sample *b)
{
    if (strcmp(a->name, b->name) != 0 || a->label_count != b->label_count)
        return false;
    for (int i = 0; i < a->label_count; i++) {
        if (strcmp(a->labels[i].name, b->labels[i].name) != 0 || strcmp(a->labels[i].value, b->labels[i].value) != 0)
            return false;
    }
    return true;
}

static void parse(const char *text)
{
    char family[LENGTH] = "", kind[LENGTH] = "", helped[LENGTH] = "";
    sample_count = 0;
    size_t length = strlen(text);
    assert_true(length > 0 && text[length - 1] == '\n');
    for (const char *p = text; *p; p = strchr(p, '\n') + 1) {
        if (strncmp(p, "# HELP ", 7) == 0) {
            const char *end = take_name(p + 7, true, helped);
            assert_true(end[0] == ' ' && end[1] > ' ');
            for (int i = 0; i < sample_count; i++) /* a family is in one piece */
                assert_string_not_equal(samples[i].family, helped);
        } else if (strncmp(p, "# TYPE ", 7) == 0) {
            const char *end = take_name(p + 7, true, family);
            assert_string_equal(family, helped);
            assert_int_equal(*end, ' ');
            take_name(end + 1, false, kind);
            assert_true(strcmp(kind, "counter") == 0 || strcmp(kind, "gauge") == 0 || strcmp(kind, "summary") == 0 ||
                        strcmp(kind, "histogram") == 0);
        } else {
            assert_true(sample_count < SAMPLES);
            sample *s = &samples[sample_count];
            *s = (sample){.value = 0};
            strcpy(s->family, family);
            strcpy(s->kind, kind);
            p = take_name(p, true, s->name);
            if (*p == '{')
                p = take_labels(p + 1, s);
            assert_int_equal(*p, ' ');
            char number[64];
            size_t n = strcspn(++p, "\n");
            assert_true(n > 0 && n < sizeof number);
            memcpy(number, p, n);
            number[n] = '\0';
            assert_true(yk_parse_double(number, &s->value) && isfinite(s->value));
            if (!belongs(s))
                fail_msg("%s is no sample of %s %s", s->name, s->kind, s->family);
            for (int i = 0; i < sample_count; i++)
                assert_false(same_series(s, &samples[i]));
            sample_count++;
        }
    }
}

static const char *label_of(const sample *s, const char *name)
{
    for (int i = 0; i < s->label_count; i++) {
        if (strcmp(s->labels[i].name, name) == 0)
            return s->labels[i].value;
    }
    return NULL;
}

/* The one sample of that name, with that label when it is not NULL. */
static const sample *find(const char *name, const char *label_name, const char *value)
{
    const sample *found = NULL;
    for (int i = 0; i < sample_count; i++) {
        const char *has = label_name ? label_of(&samples[i], label_name) : NULL;
        if (strcmp(samples[i].name, name) != 0 || (label_name && (!has || strcmp(has, value) != 0)))
            continue;
        assert_null(found);
        found = &samples[i];
    }
    if (!found)
        fail_msg("no sample %s{%s=%s}", name, label_name ? label_name : "", value ? value : "");
    return found;
}

static void assert_value(const char *name, const char *label_name, const char *value, double expected)
{
    assert_float_equal(find(name, label_name, value)->value, expected, 1e-9 * fabs(expected));
}

/* ---- the tests ---- */

static yolk_stats example(void)
{
    yolk_stats s = {.frames = 34,
                    .batches = 4,
                    .detections = 71,
                    .seconds = 2.5,
                    .fps = 13.6,
                    .device_count = 2,
                    .memory = {1000000, 2000000, 0, 3000000}};
    for (int i = 0; i < YOLK_STAGE_COUNT; i++)
        s.stages[i] = (yolk_stage_stats){34, 2, 1.5, 4, 6, 68};
    s.batch_sizes[0] = 1;
    s.batch_sizes[7] = 2;
    s.batch_sizes[16] = 1;
    s.devices[0] = (yolk_device_stats){"cuda:0", 30, 3, 0.75, 25, 500, 0};
    s.devices[1] = (yolk_device_stats){"cuda:1", 4, 1, 0.25, 62.5, 0, 1};
    return s;
}

static void read_example(const yolk_stats *s, const char *model)
{
    char *text = yolk_stats_to_prometheus(s, model);
    assert_non_null(text);
    parse(text);
    yolk_stats_text_free(text);
}

static void figures_are_there(void **state)
{
    (void)state;
    yolk_stats s = example();
    read_example(&s, "yolo26n");
    assert_value("yolk_frames_total", "model", "yolo26n", 34);
    assert_value("yolk_batches_total", NULL, NULL, 4);
    assert_value("yolk_detections_total", NULL, NULL, 71);
    assert_value("yolk_run_seconds_total", NULL, NULL, 2.5);
    assert_value("yolk_frames_per_second", NULL, NULL, 13.6);
    assert_value("yolk_memory_resident_bytes", NULL, NULL, 1000000);
    assert_value("yolk_memory_resident_peak_bytes", NULL, NULL, 2000000);
    assert_value("yolk_memory_available_bytes", NULL, NULL, 3000000);
    for (int i = 0; i < sample_count; i++) {
        assert_string_equal(label_of(&samples[i], "model"), "yolo26n");
        assert_string_not_equal(samples[i].name, "yolk_memory_limit_bytes"); /* there is none */
    }
    s.memory.limit = 4096;
    read_example(&s, NULL);
    assert_value("yolk_memory_limit_bytes", NULL, NULL, 4096);
    for (int i = 0; i < sample_count; i++)
        assert_null(label_of(&samples[i], "model"));
}

static void names_say_unit_and_kind(void **state)
{
    (void)state;
    yolk_stats s = example();
    read_example(&s, NULL);
    for (int i = 0; i < sample_count; i++) {
        const char *family = samples[i].family;
        size_t n = strlen(family);
        bool total = n > 6 && strcmp(family + n - 6, "_total") == 0;
        assert_int_equal(total, strcmp(samples[i].kind, "counter") == 0);
        assert_int_equal(strncmp(family, "yolk_", 5), 0);
        assert_true(samples[i].value >= 0);
        assert_null(strstr(family, "_ms"));
    }
}

static void stages_are_summaries_in_seconds(void **state)
{
    (void)state;
    yolk_stats s = example();
    s.stages[YOLK_STAGE_OUTPUT] = (yolk_stage_stats){0};
    read_example(&s, NULL);
    int quantiles = 0;
    for (int i = 0; i < sample_count; i++) {
        const char *quantile = label_of(&samples[i], "quantile");
        if (!quantile)
            continue;
        quantiles++;
        assert_string_equal(samples[i].name, "yolk_stage_seconds");
        assert_string_not_equal(label_of(&samples[i], "stage"), "output"); /* nothing has gone through */
        double expected = strcmp(quantile, "0.5") == 0 ? 0.0015 : strcmp(quantile, "0.95") == 0 ? 0.004 : 0.006;
        assert_float_equal(samples[i].value, expected, 1e-12);
    }
    assert_int_equal(quantiles, 3 * (YOLK_STAGE_COUNT - 1));
    assert_value("yolk_stage_seconds_sum", "stage", "infer", 0.068);
    assert_value("yolk_stage_seconds_count", "stage", "infer", 34);
    assert_value("yolk_stage_seconds_count", "stage", "output", 0);
}

static void batch_sizes_are_a_cumulative_histogram(void **state)
{
    (void)state;
    yolk_stats s = example();
    read_example(&s, "m");
    double passed = 0, limit = 0;
    int buckets = 0;
    for (int i = 0; i < sample_count; i++) {
        const char *le = label_of(&samples[i], "le");
        if (!le)
            continue;
        double here;
        buckets++;
        assert_true(samples[i].value >= passed);
        passed = samples[i].value;
        if (strcmp(le, "+Inf") == 0)
            continue;
        assert_true(yk_parse_double(le, &here) && here > limit);
        limit = here;
    }
    assert_int_equal(buckets, YOLK_STATS_BATCHES);
    assert_value("yolk_batch_frames_bucket", "le", "7", 1);
    assert_value("yolk_batch_frames_bucket", "le", "8", 3);
    assert_value("yolk_batch_frames_bucket", "le", "16", 3);
    assert_value("yolk_batch_frames_bucket", "le", "32", 4);
    assert_value("yolk_batch_frames_bucket", "le", "+Inf", 4);
    assert_value("yolk_batch_frames_count", NULL, NULL, 4);
    assert_value("yolk_batch_frames_sum", NULL, NULL, 34);
}

static void devices_are_labels(void **state)
{
    (void)state;
    yolk_stats s = example();
    read_example(&s, NULL);
    assert_value("yolk_device_frames_total", "device", "cuda:0", 30);
    assert_value("yolk_device_batches_total", "device", "cuda:1", 1);
    assert_value("yolk_device_busy_seconds_total", "device", "cuda:0", 0.75);
    assert_value("yolk_device_memory_bytes", "device", "cuda:0", 500);
    assert_value("yolk_device_up", "device", "cuda:0", 1);
    assert_value("yolk_device_up", "device", "cuda:1", 0);
    s.devices[1].name[0] = '\0'; /* its number stands for it */
    read_example(&s, NULL);
    assert_value("yolk_device_frames_total", "device", "1", 4);
    s.device_count = 0;
    read_example(&s, NULL);
    for (int i = 0; i < sample_count; i++)
        assert_int_not_equal(strncmp(samples[i].name, "yolk_device", 11), 0);
}

static void any_name_is_a_label(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"a\\b\"c\nd", "a\\b\"c\nd"},
                                           {"stra\xc3\x9f"
                                            "e 8\xe2\x82\xac",
                                            "stra\xc3\x9f"
                                            "e 8\xe2\x82\xac"},
                                           {"bad\xff\xc3", "bad\xef\xbf\xbd\xef\xbf\xbd"},
                                           {"{le=\"1\"} 5", "{le=\"1\"} 5"},
                                           {"", ""}};
    yolk_stats s = example();
    for (size_t i = 0; i < YK_COUNT(names); i++) {
        read_example(&s, names[i][0]);
        assert_string_equal(label_of(find("yolk_frames_total", NULL, NULL), "model"), names[i][1]);
    }
}

static void numbers_are_plain_in_every_locale(void **state)
{
    (void)state;
    yolk_stats s = example();
    s.seconds = 1234567.875;
    s.fps = 1e-7;
    s.stages[0].p50_ms = NAN;
    s.stages[1].p99_ms = INFINITY;
    s.frames = UINT64_MAX;
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where it is installed */
    char *text = yolk_stats_to_prometheus(&s, NULL);
    setlocale(LC_ALL, "C");
    assert_non_null(text);
    parse(text);
    assert_non_null(strstr(text, "yolk_frames_total 18446744073709551615\n"));
    yolk_stats_text_free(text);
    assert_value("yolk_run_seconds_total", NULL, NULL, 1234567.875);
    assert_value("yolk_frames_per_second", NULL, NULL, 1e-7);
}

static void a_file_is_whole(void **state)
{
    (void)state;
    yolk_stats s = example();
    const char *path = yk_temp_path("yolk.prom");
    for (int round = 0; round < 2; round++) {
        s.frames += 1;
        assert_ok(yolk_stats_save_prometheus(&s, "m", path));
    }
    yk_map map;
    assert_ok(yk_map_open(path, &map));
    char *text = yk_strndup((const char *)map.data, map.size);
    yk_map_close(&map);
    parse(text);
    yk_free(text);
    assert_value("yolk_frames_total", "model", "m", 36);
    assert_fails(yolk_stats_save_prometheus(&s, "m", yk_temp_path("no/folder/yolk.prom")), YOLK_ERROR_NOT_FOUND,
                 "does not exist");
}

static void short_memory_is_no_text(void **state)
{
    (void)state;
    yolk_stats s = example();
    yk_alloc_fail_at(0);
    char *text = yolk_stats_to_prometheus(&s, NULL);
    long needed = yk_alloc_count();
    yolk_stats_text_free(text);
    for (long n = 1; n <= needed; n++) {
        yk_alloc_fail_at(n);
        text = yolk_stats_to_prometheus(&s, NULL);
        yk_alloc_fail_at(0);
        assert_null(text);
    }
    yolk_stats_text_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_there),
        cmocka_unit_test(names_say_unit_and_kind),
        cmocka_unit_test(stages_are_summaries_in_seconds),
        cmocka_unit_test(batch_sizes_are_a_cumulative_histogram),
        cmocka_unit_test(devices_are_labels),
        cmocka_unit_test(any_name_is_a_label),
        cmocka_unit_test(numbers_are_plain_in_every_locale),
        cmocka_unit_test(a_file_is_whole),
        cmocka_unit_test(short_memory_is_no_text),
    };
    return cmocka_run_group_tests_name("prometheus", tests, yk_temp_make, yk_temp_remove);
}
