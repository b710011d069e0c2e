/* Runs whose results are written down. */
#ifndef PIPELINE_TEST_H
#define PIPELINE_TEST_H

#include <math.h>

#include "model_test.h"
#include "video_test.h"

/* What a run gave, in order. */
typedef struct record {
    char source[64];
    int64_t frame;
    double time;
    int width, height, count, still;
    float x1, y1, x2, y2; /* around all boxes */
    bool image;
} record;

typedef struct journal {
    record items[4000];
    size_t count;
    size_t fail_after; /* 0: never */
} journal;

static inline yolk_status take(void *user, const yolk_result *r)
{
    journal *l = user;
    assert_true(l->count < YK_COUNT(l->items));
    record *to = &l->items[l->count++];
    *to = (record){.frame = r->frame,
                   .time = r->time,
                   .width = r->width,
                   .height = r->height,
                   .count = (int)r->count,
                   .still = r->still,
                   .x1 = 1e9f,
                   .y1 = 1e9f,
                   .image = r->image != NULL};
    snprintf(to->source, sizeof(to->source), "%s", yk_base_name(r->source));
    for (size_t i = 0; i < r->count; i++) {
        const yolk_detection *d = &r->detections[i];
        assert_string_equal(d->class_name, "bright");
        to->x1 = fminf(to->x1, d->x1);
        to->y1 = fminf(to->y1, d->y1);
        to->x2 = fmaxf(to->x2, d->x2);
        to->y2 = fmaxf(to->y2, d->y2);
    }
    return l->fail_after && l->count >= l->fail_after ? yk_fail(YOLK_ERROR_IO, "the sink is full") : YOLK_OK;
}

static inline yolk_status run(yolk_manager *manager, const char *const *inputs, size_t count, journal *l,
                              const yolk_pipeline_options *options, yolk_pipeline_report *report)
{
    yolk_sink *sink;
    memset(l->items, 0, sizeof(l->items));
    l->count = 0;
    assert_ok(yolk_sink_open_callback(take, l, 0, &sink));
    yolk_status status = yolk_pipeline_run(manager, inputs, count, &sink, 1, options, report);
    assert_ok(yolk_sink_finish(&sink));
    return status;
}

static journal seen;

#endif
