/* Where a picture lies in the network's input, and the way of boxes back to it. */
#include "detect/detect.h"
#include "yk_test.h"

/* Numbers of ultralytics 8.4.190: LetterBox for the size and pads, scale_boxes for a box in the input. */
static const struct {
    int width, height, input_width, input_height, fit_width, fit_height, pad_x, pad_y;
    float box[4];
} geometry[] = {
    {1920, 1080, 640, 384, 640, 360, 0, 12, {301.5f, 564.75f, 902.25f, 963}},
    {768, 576, 640, 640, 640, 480, 0, 80, {120.6f, 144.3f, 360.9f, 303.6f}},
    {640, 480, 640, 640, 640, 480, 0, 80, {100.5f, 120.25f, 300.75f, 253}},
    {810, 1080, 640, 640, 480, 640, 80, 0, {34.5938f, 337.9219f, 372.5156f, 561.9375f}},
    {1279, 721, 640, 640, 640, 361, 0, 139, {200.843f, 122.3303f, 601.0301f, 387.4626f}},
    {33, 97, 64, 96, 33, 96, 15, 0, {33, 97, 33, 97}},
    {1, 500, 64, 64, 1, 64, 31, 0, {1, 500, 1, 500}},
    {5000, 7, 640, 640, 640, 1, 0, 319, {785.1562f, 0, 2349.6094f, 7}},
    {641, 427, 640, 640, 640, 426, 0, 107, {100.657f, 93.4689f, 301.2199f, 226.5305f}},
};

static void fits_and_boxes_are_those_of_ultralytics(void **state)
{
    (void)state;
    for (size_t i = 0; i < YK_COUNT(geometry); i++) {
        yk_letterbox fit = yk_letterbox_fit(geometry[i].width, geometry[i].height, geometry[i].input_width,
                                            geometry[i].input_height, false);
        assert_int_equal(fit.width, geometry[i].fit_width);
        assert_int_equal(fit.height, geometry[i].fit_height);
        assert_int_equal(fit.pad_x, geometry[i].pad_x);
        assert_int_equal(fit.pad_y, geometry[i].pad_y);
        yolk_detection d = {.x1 = 100.5f, .y1 = 200.25f, .x2 = 300.75f, .y2 = 333};
        yk_unletterbox(&fit, &d, 1);
        assert_float_equal(d.x1, geometry[i].box[0], 1e-3);
        assert_float_equal(d.y1, geometry[i].box[1], 1e-3);
        assert_float_equal(d.x2, geometry[i].box[2], 1e-3);
        assert_float_equal(d.y2, geometry[i].box[3], 1e-3);
    }
}

static void top_left_rounds_down_and_does_not_pad_before(void **state)
{
    (void)state;
    yk_letterbox fit = yk_letterbox_fit(641, 427, 416, 416, true);
    assert_int_equal(fit.width, 416);
    assert_int_equal(fit.height, 277); /* 277.12 */
    assert_int_equal(fit.pad_x, 0);
    assert_int_equal(fit.pad_y, 0);
}

static void boxes_come_back_from_where_they_went(void **state)
{
    (void)state;
    yk_letterbox fit = yk_letterbox_fit(1283, 719, 640, 384, false);
    const double x = (double)fit.width / 1283, y = (double)fit.height / 719;
    yolk_detection d[2] = {{.x1 = (float)(17 * x + fit.pad_x),
                            .y1 = (float)(300 * y + fit.pad_y),
                            .x2 = (float)(1200 * x + fit.pad_x),
                            .y2 = (float)(700 * y + fit.pad_y)},
                           {.x1 = -50, .y1 = -50, .x2 = 5000, .y2 = 5000}};
    yk_unletterbox(&fit, d, 2);
    assert_float_equal(d[0].x1, 17, 1e-3);
    assert_float_equal(d[0].y1, 300, 1e-3);
    assert_float_equal(d[0].x2, 1200, 1e-3);
    assert_float_equal(d[0].y2, 700, 1e-3);
    assert_true(d[1].x1 == 0 && d[1].y1 == 0 && d[1].x2 == 1283 && d[1].y2 == 719);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_and_boxes_are_those_of_ultralytics),
        cmocka_unit_test(top_left_rounds_down_and_does_not_pad_before),
        cmocka_unit_test(boxes_come_back_from_where_they_went),
    };
    return cmocka_run_group_tests_name("fit", tests, NULL, NULL);
}
