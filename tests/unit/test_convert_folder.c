/* A folder of models: what is made, what is left alone the second time, and what a failure leaves behind. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "yk_temp.h"
#include "yk_tiny.h"
#include "yolk/yolk.h"

static const char *const names[3] = {"red", "green", "blue"};

/* A path that stays, where those of yk_temp_path() are used in turn. */
static const char *at(const char *name)
{
    static char paths[64][300];
    static int used;
    snprintf(paths[used % 64], sizeof paths[0], "%s/%s", yk_temp_folder, name);
    return paths[used++ % 64];
}

static void model(const char *name)
{
    yk_tiny_write(yk_temp_text(name, ""), 0, names);
}

static yolk_convert_options options_for(yolk_precision precision)
{
    yolk_convert_options o;
    yolk_convert_options_defaults(&o);
    o.precision = precision;
    o.backend = "reference";
    o.threads = 1;
    o.no_validate = 1;
    return o;
}

static bool exists(const char *name)
{
    return access(at(name), F_OK) == 0;
}

/* Files in a folder, hidden ones too. */
static int files_in(const char *name)
{
    DIR *d = opendir(at(name));
    int count = 0;
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return count;
}

static void check_counts(const yolk_folder_report *r, size_t made, size_t unchanged, size_t failed)
{
    assert_int_equal(r->made, made);
    assert_int_equal(r->unchanged, unchanged);
    assert_int_equal(r->failed, failed);
    assert_int_equal(r->count, made + unchanged + failed);
}

/* Runs it and looks at the counts. */
static void convert(const char *from, const char *to, const yolk_convert_options *o, size_t made, size_t unchanged)
{
    yolk_folder_report *r;
    assert_ok(yolk_convert_folder(at(from), at(to), o, &r));
    check_counts(r, made, unchanged, 0);
    yolk_folder_report_destroy(&r);
    assert_null(r);
}

static void each_name_once_from_its_best_file(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_FP16);
    yolk_folder_report *r;
    model("best/b.onnx");
    model("best/a.onnx");
    model("best/a.PT"); /* by its content an ONNX file, by its name a checkpoint */
    yk_temp_text("best/c.engine", "no source");
    yk_temp_text("best/readme.txt", "");
    mkdir(at("best/d.onnx"), 0777);
    assert_int_equal(yolk_convert_folder(at("best"), NULL, &o, &r), YOLK_OK);
    check_counts(r, 2, 0, 0);
    assert_string_equal(r->items[0].name, "a");
    assert_non_null(strstr(r->items[0].source, "a.PT"));
    assert_string_equal(r->items[1].name, "b");
    assert_non_null(strstr(r->output, "best/onnx-fp16"));
    assert_string_equal(r->items[1].check, "not checked");
    assert_true(r->items[1].bytes > 100 && r->items[1].seconds > 0);
    assert_int_equal(r->items[1].precision, YOLK_PRECISION_FP16);
    assert_true(exists("best/onnx-fp16/a.onnx") && exists("best/onnx-fp16/b.onnx"));
    assert_int_equal(files_in("best/onnx-fp16"), 3);
    yolk_folder_report_destroy(&r);
}

static void one_bad_file_does_not_stop_the_rest(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_FP32);
    yolk_folder_report *r;
    model("mixed/a.onnx");
    yk_temp_text("mixed/b.onnx", "this is no model");
    model("mixed/c.onnx");
    assert_true(yolk_convert_folder(at("mixed"), at("mixed_out"), &o, &r) != YOLK_OK);
    assert_non_null(strstr(yolk_last_error(), "b.onnx"));
    check_counts(r, 2, 0, 1);
    assert_true(r->items[1].status != YOLK_OK);
    assert_non_null(strstr(r->items[1].error, "b.onnx"));
    assert_string_equal(r->items[0].error, "");
    assert_true(exists("mixed_out/c.onnx") && !exists("mixed_out/b.onnx"));
    yolk_folder_report_destroy(&r);
    /* The failed one is tried again, the others are not. */
    assert_true(yolk_convert_folder(at("mixed"), at("mixed_out"), &o, &r) != YOLK_OK);
    check_counts(r, 0, 2, 1);
    yolk_folder_report_destroy(&r);
    model("mixed/b.onnx");
    convert("mixed", "mixed_out", &o, 1, 2);
}

static void set_time(const char *name, time_t when)
{
    const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
    assert_int_equal(utimensat(AT_FDCWD, at(name), times, 0), 0);
}

static void only_what_has_changed_is_made_again(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_FP16);
    model("again/a.onnx");
    model("again/b.onnx");
    convert("again", "again_out", &o, 2, 0);
    convert("again", "again_out", &o, 0, 2);
    /* Touched, but with the same bytes. */
    set_time("again/a.onnx", 1000000);
    convert("again", "again_out", &o, 0, 2);
    /* Another model of the same size. */
    static const char *const others[3] = {"Red", "Green", "Blue"};
    yk_tiny_write(at("again/a.onnx"), 0, others);
    convert("again", "again_out", &o, 1, 1);
    /* A result that was changed, or is gone. */
    set_time("again_out/a.onnx", 1000000);
    convert("again", "again_out", &o, 1, 1);
    unlink(at("again_out/b.onnx"));
    convert("again", "again_out", &o, 1, 1);
    /* Other options. */
    o.input_width = o.input_height = 128;
    convert("again", "again_out", &o, 2, 0);
    convert("again", "again_out", &o, 0, 2);
    /* A record that is lost or damaged. */
    yk_temp_text("again_out/.yolk-convert.json", "{\"made\": {\"a.onnx\": 7, ");
    convert("again", "again_out", &o, 2, 0);
    yk_temp_text("again_out/.yolk-convert.json", "{\"made\": [1, 2]}");
    convert("again", "again_out", &o, 2, 0);
    yk_temp_text("again_out/.yolk-convert.json", "{\"made\": {\"a.onnx\": 7, \"b.onnx\": {\"key\": null}}}");
    convert("again", "again_out", &o, 2, 0);
}

static void other_pictures_are_a_change(void **state)
{
    (void)state;
    static uint8_t pixels[YK_TINY_SIDE * YK_TINY_SIDE * 3];
    yolk_convert_options o = options_for(YOLK_PRECISION_FP16);
    yolk_folder_report *r;
    yolk_image image = yk_tiny_picture(pixels, YK_TINY_SIDE, YK_TINY_SIDE, 1, 1, 1);
    assert_ok(yolk_image_save(&image, yk_temp_text("pictures/a.png", "")));
    model("seen/a.onnx");
    o.no_validate = 0;
    o.val = at("pictures");
    assert_ok(yolk_convert_folder(at("seen"), at("seen_out"), &o, &r));
    assert_true(r->items[0].speed_up > 0);
    assert_non_null(strstr(r->items[0].check, "1 pictures"));
    yolk_folder_report_destroy(&r);
    assert_ok(yolk_convert_folder(at("seen"), at("seen_out"), &o, &r));
    check_counts(r, 0, 1, 0);
    assert_true(r->items[0].speed_up > 0 && r->items[0].bytes > 0);
    assert_non_null(strstr(r->items[0].check, "1 pictures"));
    yolk_folder_report_destroy(&r);
    image = yk_tiny_picture(pixels, YK_TINY_SIDE, YK_TINY_SIDE, 2, 2, 2);
    assert_ok(yolk_image_save(&image, yk_temp_text("pictures/b.png", "")));
    convert("seen", "seen_out", &o, 1, 0);
}

static int replace_source(void *user, const yolk_convert_progress *p)
{
    (void)p;
    int *calls = user;
    if (++*calls == 1)
        yk_tiny_write(at("moving/a.onnx"), 0, names);
    return 0;
}

/* What is replaced while it is converted is converted again. */
static void a_source_may_change_meanwhile(void **state)
{
    (void)state;
    int calls = 0;
    yolk_convert_options o = options_for(YOLK_PRECISION_FP16);
    model("moving/a.onnx");
    set_time("moving/a.onnx", 1000000);
    o.val = at("pictures");
    o.no_validate = 0;
    o.progress = replace_source;
    o.user = &calls;
    convert("moving", "moving_out", &o, 1, 0);
    assert_true(calls > 0);
    convert("moving", "moving_out", &o, 1, 0);
    convert("moving", "moving_out", &o, 0, 1);
}

typedef struct stopping {
    int calls, stop_at;
    double last;
} stopping;

static int stop_later(void *user, const yolk_convert_progress *p)
{
    stopping *s = user;
    assert_true(p->fraction >= s->last - 1e-9 && p->fraction <= 1);
    assert_true(p->index >= 0 && p->index < p->count);
    assert_non_null(strstr(p->source, ".onnx"));
    s->last = p->fraction;
    return s->stop_at && p->index + 1 >= s->stop_at;
}

static void it_goes_on_where_it_was_stopped(void **state)
{
    (void)state;
    stopping s = {.stop_at = 3};
    yolk_convert_options o = options_for(YOLK_PRECISION_FP16);
    yolk_folder_report *r;
    model("long/a.onnx");
    model("long/b.onnx");
    model("long/c.onnx");
    model("long/d.onnx");
    o.val = at("pictures");
    o.no_validate = 0;
    o.progress = stop_later;
    o.user = &s;
    assert_int_equal(yolk_convert_folder(at("long"), at("long_out"), &o, &r), YOLK_ERROR_CANCELED);
    check_counts(r, 2, 0, 2);
    assert_string_equal(r->items[3].error, "not begun");
    assert_int_equal(r->items[3].status, YOLK_ERROR_CANCELED);
    yolk_folder_report_destroy(&r);
    assert_int_equal(files_in("long_out"), 3);
    s = (stopping){.stop_at = 0};
    convert("long", "long_out", &o, 2, 2);
    assert_true(s.last > 0.5);
}

static void sources_are_never_replaced(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_FP16);
    yolk_folder_report *r;
    model("same/a.onnx");
    assert_fails(yolk_convert_folder(at("same"), at("same"), &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "would replace");
    yolk_folder_report_destroy(&r);
    /* A file of the same name that came from elsewhere. */
    model("same/a.pt");
    assert_fails(yolk_convert_folder(at("same"), at("same"), &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "was not made from");
    yolk_folder_report_destroy(&r);
    /* Through a link. */
    mkdir(at("linked"), 0777);
    assert_int_equal(symlink(at("same/a.pt"), at("linked/a.onnx")), 0);
    unlink(at("same/a.onnx"));
    assert_fails(yolk_convert_folder(at("same"), at("linked"), &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "would replace");
    yolk_folder_report_destroy(&r);
    /* In one folder what was made is no source the next time. */
    convert("same", "same", &o, 1, 0);
    assert_true(exists("same/a.onnx"));
    convert("same", "same", &o, 0, 1);
}

static void what_killed_writers_left_is_removed(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_FP16);
    model("swept/a.onnx");
    yk_temp_text("swept_out/.yolk-1-1.tmp", "half of a model");
    yk_temp_text("swept_out/.yolk-1-2.tmp", "young");
    yk_temp_text("swept_out/.yolk-1-3.tmp", "being written");
    yk_temp_text("swept_out/.yolk-notes", "somebody's");
    set_time("swept_out/.yolk-1-1.tmp", 1000000);
    set_time("swept_out/.yolk-1-3.tmp", 1000000);
    set_time("swept_out/.yolk-notes", 1000000);
    int fd = open(at("swept_out/.yolk-1-3.tmp"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    convert("swept", "swept_out", &o, 1, 0);
    close(fd);
    assert_false(exists("swept_out/.yolk-1-1.tmp"));
    assert_true(exists("swept_out/.yolk-1-2.tmp") && exists("swept_out/.yolk-1-3.tmp"));
    assert_true(exists("swept_out/.yolk-notes"));
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_INT8);
    yolk_folder_report *r;
    assert_fails(yolk_convert_folder(NULL, NULL, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "needs a folder");
    assert_fails(yolk_convert_folder(at("best"), NULL, &o, &r), YOLK_ERROR_INVALID_ARGUMENT, "--calib");
    o = options_for(YOLK_PRECISION_FP16);
    assert_fails(yolk_convert_folder(at("nowhere"), at("x"), &o, &r), YOLK_ERROR_NOT_FOUND, "no such folder");
    assert_null(r);
    assert_fails(yolk_convert_folder(at("best"), at("no/where"), &o, NULL), YOLK_ERROR_NOT_FOUND, "cannot be made");
    assert_fails(yolk_convert_folder(at("best"), at("best/readme.txt"), &o, NULL), YOLK_ERROR_INVALID_ARGUMENT,
                 "need a folder");
    mkdir(at("empty"), 0777);
    assert_fails(yolk_convert_folder(at("empty"), at("empty_out"), &o, NULL), YOLK_ERROR_NOT_FOUND,
                 "no .pt or .onnx file");
}

static void memory_may_be_short(void **state)
{
    (void)state;
    yolk_convert_options o = options_for(YOLK_PRECISION_FP16);
    model("short/a.onnx");
    yolk_status status = YOLK_ERROR_OUT_OF_MEMORY;
    for (long n = 1; status != YOLK_OK; n += 5) {
        unlink(at("short_out/a.onnx"));
        yk_alloc_fail_at(n);
        status = yolk_convert_folder(at("short"), at("short_out"), &o, NULL);
        yk_alloc_fail_at(0);
        if (status != YOLK_OK)
            assert_int_equal(status, YOLK_ERROR_OUT_OF_MEMORY);
    }
    assert_true(exists("short_out/a.onnx"));
    assert_int_equal(files_in("short_out"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_once_from_its_best_file),
        cmocka_unit_test(one_bad_file_does_not_stop_the_rest),
        cmocka_unit_test(only_what_has_changed_is_made_again),
        cmocka_unit_test(other_pictures_are_a_change),
        cmocka_unit_test(a_source_may_change_meanwhile),
        cmocka_unit_test(it_goes_on_where_it_was_stopped),
        cmocka_unit_test(sources_are_never_replaced),
        cmocka_unit_test(what_killed_writers_left_is_removed),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(memory_may_be_short),
    };
    return cmocka_run_group_tests_name("folders of models", tests, yk_temp_make, yk_temp_remove);
}
