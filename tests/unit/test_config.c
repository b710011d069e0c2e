#include "base/base.h"
#include "yk_test.h"
#include "yolk/config.h"

static yolk_config defaults(void)
{
    yolk_config c;
    yolk_config_defaults(&c);
    return c;
}

static void assert_get(const yolk_config *c, const char *field, const char *expected)
{
    char text[YOLK_CONFIG_PATH];
    assert_ok(yolk_config_get(c, field, text, sizeof text));
    assert_string_equal(text, expected);
}

static void defaults_are_as_documented_and_valid(void **state)
{
    (void)state;
    yolk_config c = defaults();
    const char *const expected[][2] = {
        {"profile", "auto"},
        {"models_dir", "models"},
        {"model", "yolo26n"},
        {"device", "auto"},
        {"backend", "auto"},
        {"precision", "auto"},
        {"head", "auto"},
        {"classes", ""},
        {"imgsz", "0"},
        {"conf", "0.25"},
        {"iou", "0.45"},
        {"max_det", "300"},
        {"multi_label", "0"},
        {"agnostic", "0"},
        {"ensemble", "wbf"},
        {"ensemble_iou", "0.7"},
        {"ensemble_weights", ""},
        {"ensemble_votes", "consensus"},
        {"ensemble_merge", "best"},
        {"batch", "0"},
        {"threads", "0"},
        {"streams", "0"},
        {"warmup", "2"},
        {"queue", "8"},
        {"video_scale", "1"},
        {"memory_limit_mb", "0"},
        {"log_level", "warning"},
        {"resolutions", "1920x1080:8:1,3840x2160:4:0.75,7680x4320:2:0.5"},
    };
    for (size_t i = 0; i < YK_COUNT(expected); i++)
        assert_get(&c, expected[i][0], expected[i][1]);
    assert_int_equal(c.struct_size, sizeof c);
    char *faults;
    assert_ok(yolk_config_validate(&c, &faults));
    assert_null(faults);
    assert_ok(yolk_config_validate(&c, NULL));
}

static void fields_are_set_from_text(void **state)
{
    (void)state;
    yolk_config c = defaults();
    const char *const settings[][3] = {
        {"conf", "0.4", "0.4"},
        {"conf", "1e-3", "0.001"},
        {"iou", "1", "1"},
        {"max-det", "30000", "30000"},
        {"multi_label", "true", "1"},
        {"multi_label", "No", "0"},
        {"agnostic", "on", "1"},
        {"ensemble", "vote", "vote"},
        {"ensemble-iou", "0.6", "0.6"},
        {"ensemble_weights", "2,1", "2,1"},
        {"ensemble_weights", "1e-6,1,1,1,1,1,1,1000000", "1e-6,1,1,1,1,1,1,1000000"},
        {"ensemble_weights", "", ""},
        {"ensemble_votes", "affirmative", "affirmative"},
        {"ensemble_votes", "unanimous", "unanimous"},
        {"ensemble_votes", "8", "8"},
        {"ensemble_merge", "average", "average"},
        {"batch", "AUTO", "0"},
        {"batch", "16", "16"},
        {"memory_limit_mb", "350", "350"},
        {"video_scale", "auto", "0"},
        {"video_scale", "0.1", "0.1"},
        {"imgsz", "640", "640"},
        {"imgsz", "384x640", "384x640"},
        {"imgsz", "384X640", "384x640"},
        {"imgsz", "auto", "0"},
        {"device", "cuda:0,1", "cuda:0,1"},
        {"classes", "person, bus,2", "person, bus,2"},
        {"classes", "", ""},
        {"log_level", "debug", "debug"},
        {"resolutions", "640x480:2:0.5", "640x480:2:0.5"},
    };
    for (size_t i = 0; i < YK_COUNT(settings); i++) {
        assert_ok(yolk_config_set(&c, settings[i][0], settings[i][1]));
        assert_get(&c, settings[i][0], settings[i][2]);
    }
    assert_int_equal(c.resolution_count, 1);
    assert_int_equal(c.imgsz_height, 0);
    assert_ok(yolk_config_validate(&c, NULL));
}

static void what_is_not_allowed_names_field_value_and_what_is(void **state)
{
    (void)state;
    const char *const bad[][3] = {
        {"conf", "1.5", "conf: '1.5' is not allowed; it must be a number from 0 to 1"},
        {"conf", "high", "conf: 'high' is not allowed; it must be a number from 0 to 1"},
        {"conf", "", "conf: '' is not allowed"},
        {"conf", "nan", "conf: 'nan' is not allowed"},
        {"max_det", "0", "max_det: '0' is not allowed; it must be a whole number from 1 to 30000"},
        {"max_det", "30001", "max_det"},
        {"max_det", "3.5", "max_det"},
        {"max_det", "99999999999", "max_det: '99999999999'"},
        {"batch", "-1", "batch: '-1' is not allowed; it must be a whole number from 1 to 1024, or 0 or auto"},
        {"multi_label", "maybe", "multi_label: 'maybe' is not allowed; it must be true or false"},
        {"backend", "openvin", "it must be auto, native, openvino or reference (did you mean 'openvino'?)"},
        {"precision", "fp33", "it must be auto, fp32, fp16 or int8"},
        {"device", "cuda:", "it must be auto, cpu, cuda, cuda:N or cuda:N,M"},
        {"device", "cuda:1,", "cuda:N,M"},
        {"device", "cuda:1234", "cuda:N,M"},
        {"device", "cuda:0;1", "cuda:N,M"},
        {"device", "gpu", "(did you mean 'cuda'?)"},
        {"device", "0", "(did you mean 'cuda:N'?)"},
        {"device", "cpuu", "(did you mean 'cpu'?)"},
        {"profile", "dev_pie", "(did you mean 'dev_pi'?)"},
        {"imgsz", "16", "imgsz: '16' is not allowed; it must be N or HxW with sides from 32 to 8192, or auto"},
        {"imgsz", "640x", "imgsz: '640x'"},
        {"imgsz", "x640", "imgsz"},
        {"imgsz", "640x0", "imgsz"},
        {"imgsz", "0x640", "imgsz"},
        {"imgsz", "-640", "imgsz"},
        {"imgsz", "640x640x640", "imgsz"},
        {"imgsz", "99999999999999999999", "imgsz"},
        {"video_scale", "0.05", "video_scale: '0.05' is not allowed; it must be a number from 0.1 to 1, or 0 or auto"},
        {"model", "", "model: '' is not allowed; it must be the name of a model or a file"},
        {"models_dir", "", "models_dir"},
        {"classes", "person,,bus", "classes: 'person,,bus' is not allowed; it must be names or numbers with commas"},
        {"classes", " ", "classes"},
        {"resolutions", "", "resolutions: '' is not allowed; it must be 1 to 8 rows WIDTHxHEIGHT:BATCH:SCALE"},
        {"resolutions", "640x480:2", "resolutions"},
        {"resolutions", "640:2:0.5", "resolutions"},
        {"resolutions", "640:2x3:0.5", "resolutions"},
        {"resolutions", "640x480:0:0.5", "resolutions"},
        {"resolutions", "640x480:2:0.01", "resolutions"},
        {"resolutions", "640x480:2:1,640x480:1:1", "by rising number of pixels"},
        {"resolutions", "1x1:1:1,1x2:1:1,1x3:1:1,1x4:1:1,1x5:1:1,1x6:1:1,1x7:1:1,1x8:1:1,1x9:1:1", "1 to 8 rows"},
        {"ensemble", "nms", "ensemble: 'nms' is not allowed; it must be wbf or vote"},
        {"ensemble_iou", "2", "ensemble_iou"},
        {"ensemble_weights", "1,0", "it must be at most 8 numbers from 0.000001 to 1000000 with commas between"},
        {"ensemble_weights", "1,", "ensemble_weights"},
        {"ensemble_weights", "1,nan", "ensemble_weights"},
        {"ensemble_weights", "1,-2", "ensemble_weights"},
        {"ensemble_weights", "1,inf", "ensemble_weights"},
        {"ensemble_weights", "1,1,1,1,1,1,1,1,1", "ensemble_weights"},
        {"ensemble_votes", "0", "it must be affirmative, consensus, unanimous or a whole number from 1 to 8"},
        {"ensemble_votes", "9", "ensemble_votes"},
        {"ensemble_votes", "unanimus", "(did you mean 'unanimous'?)"},
        {"ensemble_merge", "mean", "it must be best or average"},
        {"log_level", "warn", "(did you mean 'warning'?)"},
    };
    for (size_t i = 0; i < YK_COUNT(bad); i++) {
        yolk_config c = defaults(), before = c;
        assert_fails(yolk_config_set(&c, bad[i][0], bad[i][1]), YOLK_ERROR_INVALID_ARGUMENT, bad[i][2]);
        assert_memory_equal(&c, &before, sizeof c);
    }
    yolk_config c = defaults();
    char row[200];
    memset(row, '1', sizeof row - 1);
    row[sizeof row - 1] = '\0';
    assert_fails(yolk_config_set(&c, "resolutions", row), YOLK_ERROR_INVALID_ARGUMENT, "111...' is not allowed");
    assert_fails(yolk_config_set(&c, "conf", "1\n2"), YOLK_ERROR_INVALID_ARGUMENT, "conf: '1?2' is not allowed");
}

static void unknown_fields_suggest_the_nearest(void **state)
{
    (void)state;
    yolk_config c = defaults();
    char text[8];
    assert_fails(yolk_config_set(&c, "confidence", "1"), YOLK_ERROR_INVALID_ARGUMENT,
                 "there is no setting 'confidence'");
    assert_fails(yolk_config_set(&c, "cnf", "1"), YOLK_ERROR_INVALID_ARGUMENT, "did you mean 'conf'?");
    assert_fails(yolk_config_set(&c, "imgsz_width", "1"), YOLK_ERROR_INVALID_ARGUMENT, "imgsz_width");
    assert_fails(yolk_config_get(&c, "modle", text, sizeof text), YOLK_ERROR_INVALID_ARGUMENT, "did you mean 'model'?");
    assert_string_equal(text, "");
}

static void text_that_is_too_long_is_refused(void **state)
{
    (void)state;
    yolk_config c = defaults();
    char text[YOLK_CONFIG_PATH + 1];
    memset(text, 'm', sizeof text);
    text[YOLK_CONFIG_PATH] = '\0';
    assert_fails(yolk_config_set(&c, "model", text), YOLK_ERROR_INVALID_ARGUMENT,
                 "model: the text takes 1024 bytes; it must take at most 1023");
    text[YOLK_CONFIG_PATH - 1] = '\0';
    assert_ok(yolk_config_set(&c, "model", text));
    assert_get(&c, "model", text);
    char little[5];
    assert_fails(yolk_config_get(&c, "model", little, sizeof little), YOLK_ERROR_LIMIT, "takes 1024 bytes");
    assert_string_equal(little, "mmmm");
    assert_int_equal(yolk_config_get(&c, "model", NULL, 0), YOLK_ERROR_LIMIT);
}

static int count_lines(const char *text)
{
    int lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void validate_lists_every_fault(void **state)
{
    (void)state;
    yolk_config c = defaults();
    c.conf = 2;
    c.iou = -0.5;
    c.max_det = 0;
    c.multi_label = 2;
    c.batch = -3;
    c.queue = 5000;
    c.memory_limit_mb = -1;
    c.imgsz_height = 640; /* and no width */
    c.resolution_count = 9;
    c.video_scale = 3;
    strcpy(c.backend, "tensorrt");
    memset(c.device, 'd', sizeof c.device); /* no end */
    char *faults;
    assert_int_equal(yolk_config_validate(&c, &faults), YOLK_ERROR_INVALID_ARGUMENT);
    const char *const words[] = {
        "conf: '2' is not allowed; it must be a number from 0 to 1\n",
        "iou: '-0.5' is not allowed",
        "max_det: '0'",
        "multi_label: '2' is not allowed; it must be true or false\n",
        "batch: '-3'",
        "queue: '5000' is not allowed; it must be a whole number from 1 to 1024\n",
        "memory_limit_mb: '-1'",
        "imgsz: '640x0'",
        "resolutions: ",
        "video_scale: '3'",
        "backend: 'tensorrt'",
        "device: the text does not end; it must take at most 255 bytes\n",
    };
    for (size_t i = 0; i < YK_COUNT(words); i++) {
        if (!strstr(faults, words[i]))
            fail_msg("'%s' is not in '%s'", words[i], faults);
    }
    assert_int_equal(count_lines(faults), (int)YK_COUNT(words));
    assert_non_null(strstr(yolk_last_error(), "; iou: '-0.5'"));
    yolk_config_text_free(faults);
    yolk_config_text_free(NULL);
    c = defaults();
    c.struct_size = 8;
    assert_fails(yolk_config_validate(&c, NULL), YOLK_ERROR_INVALID_ARGUMENT, "struct_size: 8 is not allowed");
}

static void resolutions_are_interpolated_by_pixels(void **state)
{
    (void)state;
    yolk_config c = defaults();
    const struct {
        int width, height, batch;
        double scale;
    } rows[] = {
        {1920, 1080, 8, 1},
        {3840, 2160, 4, 0.75},
        {7680, 4320, 2, 0.5},
        {1080, 1920, 8, 1},
        {640, 480, 8, 1},
        {0, 0, 8, 1},
        {-5, 1080, 8, 1},
        {15360, 8640, 2, 0.5},
        {1, 2147483647, 2, 0.5},
        /* 1.5 times as wide and high: 2.25 times the pixels, 1.25 of the 3 that lie between */
        {2880, 1620, 6, 1 - 0.25 * 1.25 / 3},
        {5760, 3240, 3, 0.75 - 0.25 * (2.25 - 1) / 3},
    };
    for (size_t i = 0; i < YK_COUNT(rows); i++) {
        yolk_resolution_choice choice = yolk_config_for_resolution(&c, rows[i].width, rows[i].height);
        assert_int_equal(choice.batch, rows[i].batch);
        assert_float_equal(choice.scale, rows[i].scale, 1e-9);
    }
    for (int width = 1920; width < 7680; width += 16) {
        yolk_resolution_choice a = yolk_config_for_resolution(&c, width, width * 9 / 16);
        yolk_resolution_choice b = yolk_config_for_resolution(&c, width + 16, (width + 16) * 9 / 16);
        assert_true(b.batch <= a.batch && b.scale <= a.scale && b.batch >= 1);
    }
    c.resolution_count = 0;
    assert_int_equal(yolk_config_for_resolution(&c, 100, 100).batch, 1);
    c.resolution_count = 1;
    c.resolutions[0].batch = -2;
    assert_int_equal(yolk_config_for_resolution(&c, 100, 100).batch, 1);
}

static void the_global_settings_can_be_replaced_and_reset(void **state)
{
    (void)state;
    yolk_config c, expected = defaults();
    yolk_config_global_get(&c);
    assert_memory_equal(&c, &expected, sizeof c);
    c.conf = 0.5;
    assert_ok(yolk_config_global_set(&c));
    yolk_config_global_get(&c);
    assert_true(c.conf == 0.5);
    c.conf = 5;
    assert_fails(yolk_config_global_set(&c), YOLK_ERROR_INVALID_ARGUMENT, "conf: '5'");
    yolk_config_global_get(&c);
    assert_true(c.conf == 0.5);
    yolk_config_global_reset();
    yolk_config_global_get(&c);
    assert_memory_equal(&c, &expected, sizeof c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_as_documented_and_valid),
        cmocka_unit_test(fields_are_set_from_text),
        cmocka_unit_test(what_is_not_allowed_names_field_value_and_what_is),
        cmocka_unit_test(unknown_fields_suggest_the_nearest),
        cmocka_unit_test(text_that_is_too_long_is_refused),
        cmocka_unit_test(validate_lists_every_fault),
        cmocka_unit_test(resolutions_are_interpolated_by_pixels),
        cmocka_unit_test(the_global_settings_can_be_replaced_and_reset),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
