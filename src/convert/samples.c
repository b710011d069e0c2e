/* Pictures as the network takes them. */
#include <string.h>

#include "convert/job.h"

yolk_status yk_samples_load(yk_job *job, const char *path, int count, const yk_head *head, yk_samples *out)
{
    yk_pictures *pictures = NULL;
    yk_letterbox_scratch scratch = {0};
    const yolk_image *image;
    const char *name;
    *out = (yk_samples){.each = (size_t)job->width * (size_t)job->height * 3};
    yolk_status status = yk_pictures_open(path, count, &pictures);
    if (status != YOLK_OK)
        return status;
    const int wanted = yk_pictures_count(pictures);
    size_t size;
    if (__builtin_mul_overflow(out->each, (size_t)wanted, &size)) {
        status = yk_fail_memory(SIZE_MAX);
        goto fail;
    }
    out->bytes = yk_alloc(size);
    out->fits = yk_calloc((size_t)wanted, sizeof *out->fits);
    status = out->bytes && out->fits ? YOLK_OK : YOLK_ERROR_OUT_OF_MEMORY;
    while (status == YOLK_OK && out->count < wanted) {
        status = yk_pictures_next(pictures, &image, &name);
        if (status != YOLK_OK)
            break;
        yk_letterbox *fit = &out->fits[out->count];
        *fit = yk_letterbox_fit(image->width, image->height, job->width, job->height, head->top_left);
        status = yk_letterbox_run(image, fit, head->bgr, job->width, job->height,
                                  out->bytes + (size_t)out->count * out->each, &scratch);
        out->count++;
        if (status == YOLK_OK)
            status = yk_job_step(job, "reading pictures", 0, wanted);
    }
    if (status == YOLK_END) /* a video may end before it said it would */
        status = out->count > 0 ? YOLK_OK : yk_fail(YOLK_ERROR_DAMAGED, "%s: there is no frame in it", path);
fail:
    yk_letterbox_scratch_free(&scratch);
    yk_pictures_close(&pictures);
    if (status != YOLK_OK)
        yk_samples_free(out);
    return status;
}

int yk_calibration_part(int count)
{
    int kept = YK_MIN(count / 4, 16);
    return count - kept;
}

void yk_samples_free(yk_samples *s)
{
    yk_free(s->bytes);
    yk_free(s->fits);
    *s = (yk_samples){0};
}
