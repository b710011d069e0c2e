/* Two models over the same pictures. */
#include "convert/check.h"

const yk_detect_options yk_check_sure = {.conf = 0.25f, .iou = 0.45f, .max_det = 300};
const yk_detect_options yk_check_all = {.conf = 0.001f, .iou = 0.7f, .max_det = 300, .multi_label = true};

typedef struct found {
    yk_detections sure, all;
    yk_ap *ap; /* or NULL */
} found;

static yolk_status check_picture(yk_check *c, found found[2], const yolk_image *image, const char *name)
{
    const yk_true_box *truth = NULL;
    size_t truth_count = 0;
    bool known = true;
    yolk_status status = YOLK_OK;
    if (c->truth)
        status = yk_truth_find(c->truth, name, image->width, image->height, &truth, &truth_count, &known);
    if (status != YOLK_OK || !known)
        return status;
    for (int i = 0; i < 2 && status == YOLK_OK; i++) {
        status = c->find(c->user, i, image, &found[i].sure, found[i].ap ? &found[i].all : NULL);
        if (status == YOLK_OK && found[i].ap)
            status = yk_ap_add(found[i].ap, truth, truth_count, found[i].all.items, found[i].all.count);
    }
    if (status == YOLK_OK)
        status = yk_agreement_add(&c->agreement, &found[0].sure, &found[1].sure, yk_check_sure.conf);
    if (status == YOLK_OK && c->look)
        status = c->look(c->user, &found[0].sure, &found[1].sure);
    c->count++;
    c->true_boxes += (int64_t)truth_count;
    return status;
}

static yolk_status check_all(yk_check *c, found found[2])
{
    const int total = yk_pictures_count(c->pictures);
    yolk_status status = YOLK_OK;
    for (int i = 0; status == YOLK_OK; i++) {
        const yolk_image *image;
        const char *name;
        status = yk_pictures_next(c->pictures, &image, &name);
        if (status == YOLK_OK && i >= c->skip)
            status = check_picture(c, found, image, name);
        if (status == YOLK_OK)
            status = c->step(c->user, i + 1, total);
    }
    return status == YOLK_END ? YOLK_OK : status;
}

yolk_status yk_check_run(yk_check *c, int class_count)
{
    found found[2] = {{.ap = NULL}, {.ap = NULL}};
    yolk_status status = YOLK_OK;
    for (int i = 0; i < 2 && c->truth && status == YOLK_OK; i++)
        status = yk_ap_create(class_count, &found[i].ap);
    if (status == YOLK_OK)
        status = check_all(c, found);
    for (int i = 0; i < 2 && c->truth && status == YOLK_OK; i++)
        status = yk_ap_result(found[i].ap, &c->ap[i], &c->ap50[i]);
    for (int i = 0; i < 2; i++) {
        yk_detections_free(&found[i].sure);
        yk_detections_free(&found[i].all);
        yk_ap_destroy(&found[i].ap);
    }
    return status;
}
