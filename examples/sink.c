/* A destination of one's own: counts what is seen of each class, and ends the run once enough was seen.
 *   sink MODEL INPUT [ENOUGH] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yolk/yolk.h>

enum { CLASSES = 1000 };

typedef struct tally {
    long seen[CLASSES];
    char names[CLASSES][32]; /* a result's strings last only as long as the call */
    long total, enough;
} tally;

static yolk_status count(void *user, const yolk_result *result)
{
    tally *t = user;
    for (size_t i = 0; i < result->count; i++) {
        const yolk_detection *d = &result->detections[i];
        if (d->class_id >= CLASSES)
            continue;
        t->seen[d->class_id]++;
        snprintf(t->names[d->class_id], sizeof(t->names[0]), "%s", d->class_name);
    }
    t->total += (long)result->count;
    return t->total < t->enough ? YOLK_OK : YOLK_ERROR_CANCELED;
}

int main(int argc, char **argv)
{
    static tally t;
    yolk_manager *manager = NULL;
    yolk_sink *sink = NULL;
    int status = 1;

    if (argc < 3) {
        fprintf(stderr, "usage: sink MODEL INPUT [ENOUGH]\n");
        return 2;
    }
    t.enough = argc > 3 ? strtol(argv[3], NULL, 10) : 1000;
    const char *input = argv[2];
    if (yolk_manager_create(NULL, &manager) != YOLK_OK || yolk_manager_load(manager, argv[1], 0) != YOLK_OK ||
        yolk_sink_open_callback(count, &t, 0, &sink) != YOLK_OK)
        goto done;
    yolk_status ended = yolk_pipeline_run(manager, &input, 1, &sink, 1, NULL, NULL);
    if (ended != YOLK_OK && ended != YOLK_ERROR_CANCELED)
        goto done;
    for (int i = 0; i < CLASSES; i++)
        if (t.seen[i])
            printf("%6ld  %s\n", t.seen[i], t.names[i]);
    status = 0;

done:
    if (status != 0)
        fprintf(stderr, "sink: %s\n", yolk_last_error());
    yolk_sink_finish(&sink);
    yolk_manager_destroy(&manager);
    return status;
}
