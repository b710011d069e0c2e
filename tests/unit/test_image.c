/* Still pictures in and out. */
#include "video/video.h"
#include "video_test.h"

static uint8_t ramp(int x, int y, int channel)
{
    return (uint8_t)(channel == 0 ? 40 + 2 * x : channel == 1 ? 200 - 2 * y : 60 + x + y);
}

/* RGB24 or BGR24 that changes slowly. Freed with free(planes[0]). */
static yolk_image make_ramp(int width, int height, yolk_pixel_format format)
{
    uint8_t *bytes = malloc((size_t)width * height * 3);
    assert_non_null(bytes);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                bytes[((size_t)y * width + x) * 3 + (format == YOLK_PIXEL_BGR24 ? 2 - c : c)] = ramp(x, y, c);
    return (yolk_image){.width = width, .height = height, .format = format, .planes = {bytes}, .strides = {width * 3}};
}

static int worst_difference(const yolk_image *image)
{
    int worst = 0;
    for (int y = 0; y < image->height; y++)
        for (int x = 0; x < image->width; x++)
            for (int c = 0; c < 3; c++)
                worst =
                    YK_MAX(worst, abs(image->planes[0][(ptrdiff_t)y * image->strides[0] + 3 * x + c] - ramp(x, y, c)));
    return worst;
}

static void pictures_come_back(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {2, 3}, {17, 9}, {64, 48}, {33, 61}};
    static const struct {
        const char *name;
        int tolerance;
    } files[] = {{"p.png", 0}, {"p.PNG", 0}, {"p.jpg", 4}, {"p.jpeg", 4}};
    for (size_t s = 0; s < YK_COUNT(sizes); s++)
        for (size_t f = 0; f < YK_COUNT(files); f++) {
            yolk_image from = make_ramp(sizes[s][0], sizes[s][1], f % 2 ? YOLK_PIXEL_BGR24 : YOLK_PIXEL_RGB24);
            yolk_image *back;
            const char *path = yk_temp_path(files[f].name);
            assert_ok(yolk_image_save(&from, path));
            assert_ok(yolk_image_load(path, &back));
            assert_int_equal(back->width, from.width);
            assert_int_equal(back->height, from.height);
            assert_int_equal(back->format, YOLK_PIXEL_RGB24);
            assert_in_range(worst_difference(back), 0, files[f].tolerance);
            yolk_image_destroy(&back);
            assert_null(back);
            yolk_image_destroy(&back);
            free(from.planes[0]);
        }
}

static void frames_of_videos_are_saved(void **state)
{
    (void)state;
    yolk_image frame = clip_frame(39, 31, 0);
    static const char *const names[] = {"f.jpg", "f.png"};
    for (size_t i = 0; i < YK_COUNT(names); i++) {
        const char *path = yk_temp_path(names[i]);
        yolk_image *back;
        assert_ok(yolk_image_save(&frame, path));
        assert_ok(yolk_image_load(path, &back));
        /* Limited range stretched to full. */
        int white = (CLIP_WHITE - 16) * 255 / 219, gray = (CLIP_GRAY - 16) * 255 / 219;
        for (int c = 0; c < 3; c++) {
            assert_in_range(back->planes[0][12 * back->strides[0] + 3 * 10 + c], white - 4, white + 4);
            assert_in_range(back->planes[0][3 * 10 + c], gray - 4, gray + 4);
        }
        yolk_image_destroy(&back);
    }
    free(frame.planes[0]);
}

/* Puts bytes into a file after the first `at` and returns its path. */
static const char *inserted(const char *path, const char *name, size_t at, const uint8_t *bytes, size_t count)
{
    size_t size;
    uint8_t *all = file_bytes(path, &size);
    yk_buffer b = {0};
    yk_buffer_add(&b, all, at);
    yk_buffer_add(&b, bytes, count);
    yk_buffer_add(&b, all + at, size - at);
    const char *to = yk_temp_write(name, b.data, b.size);
    yk_buffer_free(&b);
    free(all);
    return to;
}

static uint32_t crc32_of(const uint8_t *bytes, size_t count)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

enum { TIFF_SIZE = 26, ORIENTATION_AT = 18 };
static const uint8_t tiff[TIFF_SIZE] = "MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\1\0\0\0\0\0";

static const char *with_exif(const char *path, bool png, int orientation)
{
    uint8_t chunk[64];
    size_t head = png ? 8 : 10;
    memcpy(chunk,
           png ? "\0\0\0\x1a"
                 "eXIf"
               : "\xff\xe1\0\x22"
                 "Exif\0\0",
           head);
    memcpy(chunk + head, tiff, TIFF_SIZE);
    chunk[head + ORIENTATION_AT + 1] = (uint8_t)orientation;
    if (!png)
        return inserted(path, "exif.jpg", 2, chunk, head + TIFF_SIZE);
    uint32_t crc = crc32_of(chunk + 4, 4 + TIFF_SIZE);
    for (int i = 0; i < 4; i++)
        chunk[head + TIFF_SIZE + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    return inserted(path, "exif.png", 33, chunk, head + TIFF_SIZE + 4);
}

static void exif_turns_pictures_upright(void **state)
{
    (void)state;
    /* Where the top left corner as stored belongs, in an upright picture: right, bottom, and sides swapped. */
    static const bool places[9][3] = {{0},       {0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {0, 1, 0},
                                      {0, 0, 1}, {1, 0, 1}, {1, 1, 1}, {0, 1, 1}};
    yolk_image from = make_ramp(48, 24, YOLK_PIXEL_RGB24);
    static const char *const names[] = {"e.jpg", "e.png"};
    for (int png = 0; png < 2; png++) {
        assert_ok(yolk_image_save(&from, yk_temp_path(names[png])));
        for (int orientation = 0; orientation <= 9; orientation++) {
            const bool *place = places[orientation == 9 ? 1 : orientation];
            yolk_image *back;
            assert_ok(yolk_image_load(with_exif(yk_temp_path(names[png]), png, orientation), &back));
            assert_int_equal(back->width, place[2] ? 24 : 48);
            assert_int_equal(back->height, place[2] ? 48 : 24);
            int x = place[0] ? back->width - 1 : 0, y = place[1] ? back->height - 1 : 0;
            for (int c = 0; c < 3; c++)
                assert_in_range(abs(back->planes[0][y * back->strides[0] + 3 * x + c] - ramp(0, 0, c)), 0, png ? 0 : 6);
            yolk_image_destroy(&back);
        }
    }
    free(from.planes[0]);
}

static void the_content_decides_not_the_name(void **state)
{
    (void)state;
    static const uint8_t bmp[] =
        "BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\1\0\0\0\1\0\0\0\1\0\x18\0\0\0\0\0\4\0\0\0\0\0\0\0\0"
        "\0\0\0\0\0\0\0\0\0\0\0\x1e\x14\x0a\0";
    static const uint8_t colors[][3] = {{10, 20, 30}, {1, 2, 3}, {77, 77, 77}};
    const char *paths[] = {yk_temp_write("bmp.jpg", bmp, sizeof(bmp) - 1),
                           yk_temp_write("ppm.png", "P6\n1 1\n255\n\1\2\3", 14),
                           yk_temp_write("pgm.bmp", "P5 1 1 255\nM", 12)};
    for (size_t i = 0; i < YK_COUNT(paths); i++) {
        yolk_image *image;
        assert_ok(yolk_image_load(paths[i], &image));
        assert_int_equal(image->width, 1);
        assert_memory_equal(image->planes[0], colors[i], 3);
        yolk_image_destroy(&image);
    }
    /* Of a video, the first frame. */
    yolk_image *image;
    assert_ok(yolk_image_load(clip_write("film.mp4", 64, 48, 2, 25, 1, NULL), &image));
    assert_int_equal(image->width, 64);
    assert_in_range(image->planes[0][12 * image->strides[0] + 3 * 10], 225, 255);
    yolk_image_destroy(&image);
}

static void damaged_pictures_get_a_sentence(void **state)
{
    (void)state;
    yolk_image from = make_ramp(90, 70, YOLK_PIXEL_RGB24), *image = NULL;
    static const char *const names[] = {"whole.jpg", "whole.png"};
    for (size_t i = 0; i < YK_COUNT(names); i++) {
        const char *path = yk_temp_path(names[i]);
        assert_ok(yolk_image_save(&from, path));
        for (int share = 3; share < 10; share += 2)
            assert_fails(yolk_image_load(clip_cut(path, names[i] + 2, share / 10.0), &image), YOLK_ERROR_DAMAGED,
                         names[i] + 2);
    }
    free(from.planes[0]);
    assert_fails(yolk_image_load(yk_temp_path("none.jpg"), &image), YOLK_ERROR_NOT_FOUND, "none.jpg");
    assert_fails(yolk_image_load(yk_temp_folder, &image), YOLK_ERROR_INVALID_ARGUMENT, "folder");
    assert_int_not_equal(yolk_image_load(yk_temp_text("empty.jpg", ""), &image), YOLK_OK);
    assert_fails(yolk_image_load(yk_temp_text("words.jpg", "nothing to see"), &image), YOLK_ERROR_DAMAGED, "words.jpg");
    assert_fails(yolk_image_load(yk_temp_text("vast.ppm", "P6 30000 30000 255\n..."), &image), YOLK_ERROR_LIMIT,
                 "larger than");
    assert_fails(yolk_image_load(yk_temp_write("head.png", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16), &image),
                 YOLK_ERROR_DAMAGED, "head.png");
    assert_null(image);
}

static void what_cannot_be_saved_gets_a_sentence(void **state)
{
    (void)state;
    yolk_image image = make_ramp(8, 8, YOLK_PIXEL_RGB24);
    assert_fails(yolk_image_save(&image, yk_temp_path("a.tga")), YOLK_ERROR_INVALID_ARGUMENT, ".jpg or .png");
    assert_fails(yolk_image_save(&image, yk_temp_path("no/where.png")), YOLK_ERROR_NOT_FOUND, "no/");
    assert_fails(yolk_image_save(&image, "/dev/full.jpg/x.jpg"), YOLK_ERROR_NOT_FOUND, "x.jpg");
    yolk_image wide = {.width = 70000, .height = 1, .format = YOLK_PIXEL_RGB24, .strides = {210000}};
    wide.planes[0] = calloc(1, 210000);
    assert_int_not_equal(yolk_image_save(&wide, yk_temp_path("wide.jpg")), YOLK_OK);
    assert_false(yk_is_file(yk_temp_path("wide.jpg")));
    free(wide.planes[0]);
    free(image.planes[0]);
}

static void short_memory_is_survived(void **state)
{
    (void)state;
    yolk_image from = make_ramp(20, 10, YOLK_PIXEL_RGB24);
    const char *path = yk_temp_path("memory.jpg");
    assert_ok(yolk_image_save(&from, path));
    const char *exif = with_exif(path, false, 6);
    for (long n = 1;; n++) {
        yolk_image *image = NULL;
        yk_alloc_fail_at(n);
        yolk_status status = yolk_image_load(exif, &image);
        if (status == YOLK_OK)
            status = yolk_image_save(image, path);
        bool failed = yk_alloc_count() >= n;
        yk_alloc_fail_at(0);
        yolk_image_destroy(&image);
        assert_true(status == YOLK_OK || (failed && status == YOLK_ERROR_OUT_OF_MEMORY));
        if (!failed)
            break;
    }
    free(from.planes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_come_back),
        cmocka_unit_test(frames_of_videos_are_saved),
        cmocka_unit_test(exif_turns_pictures_upright),
        cmocka_unit_test(the_content_decides_not_the_name),
        cmocka_unit_test(damaged_pictures_get_a_sentence),
        cmocka_unit_test(what_cannot_be_saved_gets_a_sentence),
        cmocka_unit_test(short_memory_is_survived),
    };
    return cmocka_run_group_tests_name("image", tests, yk_temp_make, yk_temp_remove);
}
