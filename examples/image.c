/* Finds the objects of one picture:  image MODEL PICTURE [ANNOTATED.jpg] */
#include <stdio.h>
#include <string.h>

#include <yolk/yolk.h>

int main(int argc, char **argv)
{
    yolk_config config;
    yolk_manager *manager = NULL;
    yolk_image *image = NULL;
    yolk_results *results = NULL;
    int status = 1;

    if (argc < 3) {
        fprintf(stderr, "usage: image MODEL PICTURE [ANNOTATED.jpg]\n");
        return 2;
    }
    yolk_config_defaults(&config);
    if (yolk_manager_create(&config, &manager) != YOLK_OK || yolk_manager_load(manager, argv[1], 0) != YOLK_OK ||
        yolk_image_load(argv[2], &image) != YOLK_OK ||
        yolk_manager_predict_batch(manager, image, 1, NULL, &results) != YOLK_OK)
        goto done;

    yolk_frame_detections found = yolk_results_frame(results, 0);
    for (size_t i = 0; i < found.count; i++) {
        const yolk_detection *d = &found.items[i];
        printf("%-12s %.2f  %.0f,%.0f to %.0f,%.0f\n", d->class_name, d->confidence, d->x1, d->y1, d->x2, d->y2);
    }
    if (argc > 3 &&
        (yolk_image_draw(image, found.items, found.count) != YOLK_OK || yolk_image_save(image, argv[3]) != YOLK_OK))
        goto done;
    status = 0;

done:
    if (status != 0)
        fprintf(stderr, "image: %s\n", yolk_last_error());
    yolk_results_destroy(&results);
    yolk_image_destroy(&image);
    yolk_manager_destroy(&manager);
    return status;
}
