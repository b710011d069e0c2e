/* Devices that take pictures as they are and find boxes themselves: what comes out is what it is without that. */
#include "dummy_test.h"

enum { PICTURES = 24, WIDEST = 96, HIGHEST = 80 };

static uint8_t pixels[PICTURES][WIDEST * HIGHEST * 3 + 64];
static yolk_image pictures[PICTURES];

/* Squares of pure colours, or any bytes as luma and chroma. */
static void paint(uint8_t *to, size_t count, uint32_t state, bool packed)
{
    uint8_t pixel[3] = {0};
    for (size_t i = 0; i < count; i++) {
        if (i % (3 * YK_TINY_CELL) == 0) {
            state = state * 1664525u + 1013904223u;
            memset(pixel, 0, sizeof pixel);
            pixel[(state >> 24) % 3] = state >> 30 ? 255 : 40;
        }
        to[i] = packed ? pixel[i % 3] : (uint8_t)(i * 31 + (state >> 20));
    }
}

static yolk_image picture(int i)
{
    static const yolk_pixel_format formats[] = {YOLK_PIXEL_RGB24, YOLK_PIXEL_BGR24, YOLK_PIXEL_NV12, YOLK_PIXEL_I420};
    static const int sizes[][2] = {{64, 64}, {96, 80}, {33, 47}, {64, 20}, {5, 71}};
    const int width = sizes[i % 5][0], height = sizes[i % 5][1], half = (width + 1) / 2;
    yolk_image p = {.width = width, .height = height, .format = formats[i % 4]};
    paint(pixels[i], sizeof pixels[i], (uint32_t)i, i % 4 < 2);
    p.planes[0] = pixels[i];
    p.strides[0] = i % 4 < 2 ? 3 * width : width;
    p.planes[1] = pixels[i] + width * height;
    p.strides[1] = p.format == YOLK_PIXEL_NV12 ? 2 * half : half;
    p.planes[2] = p.planes[1] + half * ((height + 1) / 2);
    p.strides[2] = half;
    if (i % 3 == 1 && i % 4 < 2) { /* upside down */
        p.planes[0] += (height - 1) * p.strides[0];
        p.strides[0] = -p.strides[0];
    }
    return p;
}

static int make(void **state)
{
    if (dummy_make(state) != 0)
        return -1;
    for (int i = 0; i < PICTURES; i++)
        pictures[i] = picture(i);
    return 0;
}

/* A manager with settings such as "conf=0.001 agnostic=true". */
static yolk_manager *with(const char *device, const char *settings)
{
    yolk_config c = dummy_settings("cpu", 4);
    yolk_manager *m;
    char text[200], *next;
    assert_ok(yolk_config_set(&c, strcmp(device, "reference") == 0 ? "backend" : "device", device));
    snprintf(text, sizeof text, "%s", settings);
    for (char *word = strtok_r(text, " ", &next); word; word = strtok_r(NULL, " ", &next)) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        assert_ok(yolk_config_set(&c, word, value));
    }
    assert_ok(yolk_manager_create(&c, &m));
    assert_ok(yolk_manager_load(m, NULL, 0));
    return m;
}

static yolk_results *found_by(yolk_manager *m)
{
    yolk_results *results;
    assert_ok(yolk_manager_predict_batch(m, pictures, PICTURES, NULL, &results));
    return results;
}

/* How many boxes; they are the same to the last bit. */
static size_t assert_same(const yolk_results *a, const yolk_results *b)
{
    size_t count = 0;
    for (size_t i = 0; i < PICTURES; i++) {
        const yolk_frame_detections x = yolk_results_frame(a, i), y = yolk_results_frame(b, i);
        if (x.count != y.count)
            fail_msg("picture %zu has %zu boxes instead of %zu", i, x.count, y.count);
        for (size_t k = 0; k < x.count; k++) {
            const yolk_detection *c = &x.items[k], *d = &y.items[k];
            assert_true(c->x1 == d->x1 && c->y1 == d->y1 && c->x2 == d->x2 && c->y2 == d->y2);
            assert_true(c->confidence == d->confidence && c->class_id == d->class_id);
            assert_string_equal(c->class_name, d->class_name);
        }
        count += x.count;
    }
    return count;
}

/* On `count` devices like these; returns what they did. */
static yk_dummy_figures assert_right(const yk_dummy_device *d, int count, const char *settings)
{
    yk_dummy_figures sum = {0};
    yolk_manager *truth = with("reference", settings);
    yk_dummy_configure(d, count);
    yolk_manager *m = with(count == 2 ? "dummy:0,1" : "dummy", settings);
    yolk_results *wanted = found_by(truth), *got = found_by(m);
    assert_true(assert_same(got, wanted) > PICTURES);
    assert_int_equal(dummy_stats(m).frames, PICTURES);
    yolk_results_destroy(&wanted);
    yolk_results_destroy(&got);
    yolk_manager_destroy(&truth);
    yolk_manager_destroy(&m);
    for (int i = 0; i < count; i++) {
        const yk_dummy_figures f = yk_dummy_look(i);
        sum.pictures += f.pictures;
        sum.found += f.found;
        sum.left += f.left;
        assert_int_equal(f.used, 0);
    }
    return sum;
}

static const char *const settings[] = {"conf=0.25", "conf=0.0000001 max_det=7", "conf=0.0000001 multi_label=true",
                                       "conf=0.2 agnostic=true iou=0.1", "conf=0.0000001 classes=green,blue"};

static void formats_sizes_and_settings_make_no_difference(void **state)
{
    (void)state;
    for (size_t i = 0; i < YK_COUNT(settings); i++) {
        for (int way = 0; way < 4; way++) {
            const yk_dummy_device d = {.lives = -1, .pictures = way & 1, .candidates = way & 2 ? 1000 : 0};
            const yk_dummy_figures f = assert_right(&d, 1, settings[i]);
            assert_int_equal(f.pictures, way & 1 ? PICTURES : 0);
            assert_int_equal(f.found, way & 2 ? PICTURES : 0);
            assert_int_equal(f.left, 0);
        }
    }
}

static void too_many_candidates_are_left_to_the_processor(void **state)
{
    (void)state;
    const yk_dummy_device d = {.lives = -1, .pictures = true, .candidates = 20};
    for (size_t i = 0; i < YK_COUNT(settings); i++) {
        const yk_dummy_figures f = assert_right(&d, 1, settings[i]);
        assert_int_equal(f.found + f.left, PICTURES);
        assert_true(f.left > 0);
    }
}

static void what_is_lost_is_done_elsewhere(void **state)
{
    (void)state;
    for (int lives = 0; lives < 5; lives++) {
        const yk_dummy_device d[2] = {{.lives = lives, .pictures = true, .candidates = 30},
                                      {.lives = -1, .pictures = lives % 2, .candidates = 30 * (lives % 3)}};
        assert_right(d, 2, "conf=0.0000001");
    }
}

static void short_memory_loses_nothing(void **state)
{
    (void)state;
    for (long n = 1; n < 5; n++) {
        const yk_dummy_device d[2] = {{.lives = -1, .pictures = true, .candidates = 1000, .short_wait = n},
                                      {.lives = -1, .pictures = true, .candidates = 1000, .short_start = n}};
        assert_right(d, 2, "conf=0.2");
    }
    const yk_dummy_device little = {
        .lives = -1, .memory = 20, .frame_bytes = 9, .slots = 1, .pictures = true, .candidates = 1000};
    assert_right(&little, 1, "conf=0.2");
    assert_int_equal(yk_dummy_look(0).largest, 2);
}

/* Says of all pictures where they are; the dummy devices believe it. */
static void put(yolk_image_memory memory)
{
    for (int i = 0; i < PICTURES; i++)
        pictures[i].memory = memory;
}

static void pictures_in_devices_memory_are_read_there(void **state)
{
    (void)state;
    const yk_dummy_device ways[] = {{.lives = -1, .pictures = true},
                                    {.lives = -1, .pictures = true, .candidates = 1000},
                                    {.lives = -1, .pictures = true, .candidates = 20, .short_start = 2},
                                    {.lives = -1, .pictures = true, .candidates = 20, .short_wait = 3}};
    yolk_manager *truth = with("reference", "conf=0.2");
    yolk_results *wanted = found_by(truth), *got;
    for (size_t i = 0; i < YK_COUNT(ways); i++) {
        put(YOLK_MEMORY_CUDA);
        yk_dummy_configure(&ways[i], 1);
        yolk_manager *m = with("dummy", "conf=0.2");
        got = found_by(m);
        assert_true(assert_same(got, wanted) > PICTURES);
        assert_true(yk_dummy_look(0).pictures > 0);
        yolk_results_destroy(&got);
        yolk_manager_destroy(&m);
        put(YOLK_MEMORY_HOST);
    }
    yolk_results_destroy(&wanted);
    yolk_manager_destroy(&truth);
}

/* They are on the first device: with the second one nothing is lost. */
static void pictures_are_lost_with_the_device_that_they_are_on(void **state)
{
    (void)state;
    put(YOLK_MEMORY_CUDA);
    for (int lost = 0; lost < 2; lost++) {
        yk_dummy_device d[2] = {{.lives = -1, .pictures = true}, {.lives = -1, .pictures = true}};
        yolk_results *results;
        d[lost].lives = 1;
        yk_dummy_configure(d, 2);
        yolk_manager *m = with("dummy:0,1", "conf=0.2");
        if (lost == 0)
            assert_fails(yolk_manager_predict_batch(m, pictures, PICTURES, NULL, &results), YOLK_ERROR_DEVICE_LOST,
                         "stopped answering");
        else
            assert_ok(yolk_manager_predict_batch(m, pictures, PICTURES, NULL, &results));
        yolk_results_destroy(&results);
        yolk_manager_destroy(&m);
    }
    put(YOLK_MEMORY_HOST);
}

static void who_cannot_look_into_devices_memory_says_so(void **state)
{
    (void)state;
    const yk_dummy_device blind = {.lives = -1};
    yolk_results *results;
    yk_dummy_configure(&blind, 1);
    static const char *const names[] = {"reference", "dummy"};
    for (size_t i = 0; i < YK_COUNT(names); i++) {
        yolk_manager *m = with(names[i], "conf=0.2");
        pictures[3].memory = YOLK_MEMORY_CUDA;
        assert_fails(yolk_manager_predict_batch(m, pictures, PICTURES, NULL, &results), YOLK_ERROR_UNSUPPORTED,
                     "frame 3: a picture is in a GPU's memory, of which the backend ");
        assert_null(results);
        pictures[3].memory = YOLK_MEMORY_HOST;
        results = found_by(m);
        yolk_results_destroy(&results);
        yolk_manager_destroy(&m);
    }
    yolk_image image = pictures[0];
    image.memory = YOLK_MEMORY_CUDA;
    assert_fails(yolk_image_draw(&image, NULL, 0), YOLK_ERROR_UNSUPPORTED, "where drawing cannot look at it");
    assert_fails(yolk_image_save(&image, "never.png"), YOLK_ERROR_UNSUPPORTED, "where writing cannot look at it");
}

static void a_picture_that_is_none_is_named(void **state)
{
    (void)state;
    const yk_dummy_device d = {.lives = -1, .pictures = true, .candidates = 1000};
    yk_dummy_configure(&d, 1);
    yolk_manager *m = with("dummy", "conf=0.2");
    yolk_results *results;
    yolk_image bad[3] = {pictures[0], pictures[3], pictures[4]};
    bad[1].planes[2] = NULL;
    assert_fails(yolk_manager_predict_batch(m, bad, 3, NULL, &results), YOLK_ERROR_INVALID_ARGUMENT,
                 "frame 1: plane 2 of the 64x20 picture is NULL");
    assert_null(results);
    yolk_results *again = found_by(m);
    yolk_results_destroy(&again);
    yolk_manager_destroy(&m);
}

/* Pictures of a batch that is given up are not looked at any more: their memory may be gone. */
static void a_batch_may_be_given_up(void **state)
{
    (void)state;
    const yk_dummy_device d = {.lives = -1, .slots = 1, .pictures = true, .candidates = 1000};
    yk_dummy_configure(&d, 1);
    yolk_manager *m = with("dummy", "conf=0.2");
    for (int round = 0; round < 3; round++) {
        yk_batch *b;
        uint8_t *gone = yk_calloc(64 * 64, 3);
        const yolk_image image = yk_tiny_picture(gone, 64, 64, 1, 1, 1);
        assert_ok(yk_batch_open(m, (yolk_size){64, 64}, 4, &b));
        assert_true(yk_batch_sees(b));
        assert_ok(yk_batch_fill(b, 0, &image));
        assert_ok(yk_batch_fill(b, 1, &image));
        if (round == 1)
            yk_batch_start(b, 2);
        yk_batch_close(&b);
        yk_free(gone);
    }
    yk_batch *b;
    yk_detections found = {0};
    assert_ok(yk_batch_open(m, (yolk_size){64, 64}, 4, &b));
    assert_ok(yk_batch_fill(b, 0, &dummy_frames[5]));
    yk_batch_start(b, 1);
    assert_ok(yk_batch_finish(b, &found));
    assert_true(dummy_right(5, found.items, found.count));
    yk_detections_free(&found);
    yk_batch_close(&b);
    assert_int_equal(yk_dummy_look(0).pictures, 3);
    yolk_manager_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_sizes_and_settings_make_no_difference),
        cmocka_unit_test(too_many_candidates_are_left_to_the_processor),
        cmocka_unit_test(what_is_lost_is_done_elsewhere),
        cmocka_unit_test(short_memory_loses_nothing),
        cmocka_unit_test(pictures_in_devices_memory_are_read_there),
        cmocka_unit_test(pictures_are_lost_with_the_device_that_they_are_on),
        cmocka_unit_test(who_cannot_look_into_devices_memory_says_so),
        cmocka_unit_test(a_picture_that_is_none_is_named),
        cmocka_unit_test(a_batch_may_be_given_up),
    };
    return cmocka_run_group_tests_name("pictures", tests, make, yk_temp_remove);
}
