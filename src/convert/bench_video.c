/* A video from end to end, against its parts alone. */
#include <string.h>

#include "convert/measure.h"
#include "detect/detect.h"
#include "yolk/yolk.h"

enum { MOST_ROUNDS = 100, FRAMES = 16 };

typedef struct video_report {
    yolk_video_benchmark_report public;
    yk_texts texts;
} video_report;

typedef struct video_bench {
    yolk_video_benchmark_options options;
    const char *video;
    video_report *report;
    yk_clock clock;
    yolk_manager *manager;  /* for the network alone */
    yolk_manager *pipeline; /* whose statistics are of nothing else */
    yk_frames frames;       /* at the network's input size */
    double decode_fps[MOST_ROUNDS], network_fps[MOST_ROUNDS], pipeline_fps[MOST_ROUNDS];
    int64_t total; /* frames of a round, as far as is known */
} video_bench;

void yolk_video_benchmark_options_defaults(yolk_video_benchmark_options *options)
{
    *options = (yolk_video_benchmark_options){.struct_size = sizeof *options, .max_frames = 300, .rounds = 3};
}

static yolk_status take_options(const yolk_video_benchmark_options *given, yolk_video_benchmark_options *out)
{
    yolk_video_benchmark_options_defaults(out);
    if (given && given->struct_size < sizeof given->struct_size)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT,
                       "the options were not filled by yolk_video_benchmark_options_defaults()");
    if (given)
        memcpy(out, given, YK_MIN(given->struct_size, sizeof *out));
    if (out->rounds < 1 || out->rounds > MOST_ROUNDS || out->max_frames < 0)
        return yk_fail(YOLK_ERROR_INVALID_ARGUMENT, "%d rounds of %lld frames cannot be measured; take 1 to %d rounds",
                       out->rounds, (long long)out->max_frames, MOST_ROUNDS);
    return YOLK_OK;
}

static double rate(int64_t frames, uint64_t start_ns)
{
    double seconds = yk_ms_since(start_ns) / 1e3;
    return seconds > 0 ? (double)frames / seconds : 0;
}

/* ---- decoding alone ---- */

/* A frame at the network's size, for the network alone. */
static yolk_status keep_frame(video_bench *b, const yolk_image *image)
{
    const yolk_size size = b->report->public.input;
    yk_letterbox_scratch scratch = {0};
    yk_letterbox fit = yk_letterbox_fit(image->width, image->height, size.width, size.height, false);
    uint8_t *pixels = yk_alloc((size_t)size.width * (size_t)size.height * 3);
    yolk_status status = pixels ? yk_letterbox_run(image, &fit, false, size.width, size.height, pixels, &scratch)
                                : YOLK_ERROR_OUT_OF_MEMORY;
    if (status == YOLK_OK)
        status = yk_frames_add(&b->frames, &(yolk_image){.width = size.width,
                                                         .height = size.height,
                                                         .format = YOLK_PIXEL_RGB24,
                                                         .planes = {pixels},
                                                         .strides = {size.width * 3}});
    yk_letterbox_scratch_free(&scratch);
    yk_free(pixels);
    return status;
}

static yolk_status look_at_video(video_bench *b)
{
    yolk_video_benchmark_report *r = &b->report->public;
    yolk_video *video = NULL;
    yolk_status status = yolk_video_open(b->video, NULL, &video);
    if (status != YOLK_OK)
        return status;
    const yolk_video_info *info = yolk_video_get_info(video);
    r->video = yk_texts_add(&b->report->texts, b->video);
    r->codec = yk_texts_add(&b->report->texts, info->codec);
    r->width = info->width;
    r->height = info->height;
    b->total = info->frame_count > 0 ? info->frame_count : 1000;
    if (b->options.max_frames > 0)
        b->total = YK_MIN(b->total, b->options.max_frames);
    status = yolk_manager_input_size(b->manager, info->width, info->height, 0, &r->input);
    while (status == YOLK_OK && b->frames.count < FRAMES) {
        yolk_frame *frame = NULL;
        status = yolk_video_read(video, &frame);
        if (status == YOLK_OK)
            status = keep_frame(b, &frame->image);
        yolk_frame_release(&frame);
    }
    yolk_video_close(&video);
    if (status == YOLK_END && b->frames.count > 0)
        status = YOLK_OK;
    if (status == YOLK_END)
        return yk_fail(YOLK_ERROR_DAMAGED, "%s: there is no frame in it", b->video);
    return status == YOLK_OK ? yk_texts_status(&b->report->texts) : status;
}

static yolk_status decode_alone(video_bench *b, double *fps)
{
    yolk_video *video = NULL;
    int64_t frames = 0;
    uint64_t start = yk_now_ns();
    yolk_status status = yolk_video_open(b->video, NULL, &video);
    while (status == YOLK_OK && (b->options.max_frames == 0 || frames < b->options.max_frames)) {
        yolk_frame *frame = NULL;
        status = yolk_video_read(video, &frame);
        yolk_frame_release(&frame);
        if (status != YOLK_OK)
            break;
        frames++;
        if (frames % 16 == 0)
            status = yk_clock_step(&b->clock, "decoding alone", 16 * 0.1);
    }
    *fps = rate(frames, start);
    yolk_video_close(&video);
    b->report->public.frames = frames;
    return status == YOLK_END ? YOLK_OK : status;
}

/* ---- the network alone ---- */

static yolk_status network_alone(video_bench *b, int64_t wanted, double *fps)
{
    int64_t frames = 0;
    yolk_status status = YOLK_OK;
    uint64_t start = yk_now_ns();
    while (status == YOLK_OK && frames < wanted) {
        yolk_results *results = NULL;
        status = yolk_manager_predict_batch(b->manager, b->frames.images, (size_t)b->frames.count,
                                            &b->report->public.input, &results);
        yolk_results_destroy(&results);
        frames += b->frames.count;
        if (status == YOLK_OK)
            status = yk_clock_step(&b->clock, "the network alone", b->frames.count);
    }
    *fps = rate(frames, start);
    return status;
}

/* ---- everything ---- */

static int on_progress(void *user, const yolk_progress *progress)
{
    video_bench *b = user;
    double done = b->clock.done;
    yolk_status status = yk_clock_step(&b->clock, "the whole pipeline", (double)progress->frame);
    b->clock.done = done;
    return status != YOLK_OK;
}

static yolk_status whole_pipeline(video_bench *b, int64_t most, double *fps)
{
    yolk_video_benchmark_report *r = &b->report->public;
    yolk_pipeline_options options;
    yolk_pipeline_report report;
    yolk_pipeline_options_defaults(&options);
    options.max_frames = most;
    options.progress = on_progress;
    options.progress_user = b;
    uint64_t start = yk_now_ns();
    yolk_status status = yolk_pipeline_run(b->pipeline, &b->video, 1, NULL, 0, &options, &report);
    if (status != YOLK_OK)
        return status;
    *fps = rate((int64_t)report.stats.frames, start);
    b->clock.done += (double)(most > 0 ? YK_MIN(most, b->total) : b->total);
    /* Times are those since the model was loaded, of all rounds so far. */
    memcpy(r->stages, report.stats.stages, sizeof r->stages);
    r->detections = report.stats.detections;
    r->memory_peak_bytes = report.stats.memory.peak;
    r->batch = report.batch;
    return YOLK_OK;
}

/* What is compiled on the way belongs to no round. Loading anew forgets these frames and keeps what was compiled. */
static yolk_status warm_up(video_bench *b, const yolk_config *config, const char *model)
{
    double ms, unused;
    yolk_status status = network_alone(b, FRAMES, &unused);
    if (status == YOLK_OK)
        status = yk_measure_load(config, model, &b->pipeline, &ms);
    if (status == YOLK_OK)
        status = whole_pipeline(b, FRAMES, &unused);
    if (status == YOLK_OK)
        status = yolk_manager_load(b->pipeline, model, 0);
    return status;
}

/* ---- all together ---- */

static yolk_rate sum_up(double *rounds, int count)
{
    yk_sort(rounds, count);
    return (yolk_rate){yk_percentile(rounds, count, 0.5), rounds[0], rounds[count - 1]};
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static yolk_status measure(video_bench *b, const char *model)
{
    yolk_video_benchmark_report *r = &b->report->public;
    yolk_config config;
    double ms;
    yk_measure_config(b->options.config, &config);
    yolk_status status = yk_measure_machine(&b->report->texts, &r->machine);
    if (status == YOLK_OK)
        status = yk_measure_load(&config, model, &b->manager, &ms);
    if (status == YOLK_OK)
        status = yk_measure_model(&b->report->texts, b->manager, &r->model);
    if (status == YOLK_OK)
        status = look_at_video(b);
    const int64_t network_frames = YK_MIN(b->total, 100);
    b->clock.total = 2.0 * FRAMES + b->options.rounds * ((double)b->total * 1.1 + (double)network_frames);
    if (status == YOLK_OK)
        status = warm_up(b, &config, model);
    for (int i = 0; i < b->options.rounds && status == YOLK_OK; i++) {
        status = decode_alone(b, &b->decode_fps[i]);
        if (status == YOLK_OK)
            status = network_alone(b, network_frames, &b->network_fps[i]);
        if (status == YOLK_OK)
            status = whole_pipeline(b, b->options.max_frames, &b->pipeline_fps[i]);
    }
    if (status != YOLK_OK)
        return status;
    r->rounds = b->options.rounds;
    r->decode = sum_up(b->decode_fps, r->rounds);
    r->network = sum_up(b->network_fps, r->rounds);
    r->pipeline = sum_up(b->pipeline_fps, r->rounds);
    r->decode_share = share(r->pipeline.fps, r->decode.fps);
    r->network_share = share(r->pipeline.fps, r->network.fps);
    r->bound_share = YK_MAX(r->decode_share, r->network_share);
    return YOLK_OK;
}

static json_t *rate_json(const yolk_rate *r)
{
    return json_pack("{s:f, s:f, s:f}", "fps", r->fps, "low", r->low, "high", r->high);
}

static yolk_status write_down(video_report *report)
{
    const yolk_video_benchmark_report *r = &report->public;
    json_t *stages = json_object();
    for (int i = 0; i < YOLK_STAGE_COUNT; i++) {
        const yolk_stage_stats *s = &r->stages[i];
        json_object_set_new(stages, yolk_stage_name((yolk_stage)i),
                            json_pack("{s:I, s:f, s:f, s:f, s:f, s:f}", "frames", (json_int_t)s->frames, "mean_ms",
                                      s->mean_ms, "p50_ms", s->p50_ms, "p95_ms", s->p95_ms, "p99_ms", s->p99_ms,
                                      "total_ms", s->total_ms));
    }
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:{s:o, s:s, s:i, s:i}, s:o, s:i, s:I, s:i, s:o, s:o, s:o, s:{s:f, s:f, s:f}, s:o, "
        "s:I, s:I, s:f}",
        "kind", "video", "yolk", r->machine.version, "when", r->machine.when, "machine", yk_json_machine(&r->machine),
        "model", yk_json_model(&r->model), "video", "path", yk_json_text(r->video), "codec", r->codec, "width",
        r->width, "height", r->height, "input", yk_json_size(r->input), "batch", r->batch, "frames",
        (json_int_t)r->frames, "rounds", r->rounds, "decode", rate_json(&r->decode), "network", rate_json(&r->network),
        "pipeline", rate_json(&r->pipeline), "pipeline_share", "of_decode", r->decode_share, "of_network",
        r->network_share, "of_the_slower", r->bound_share, "stages", stages, "detections", (json_int_t)r->detections,
        "memory_peak_bytes", (json_int_t)r->memory_peak_bytes, "seconds", r->seconds);
    return yk_json_keep(&report->texts, root, &report->public.json);
}

yolk_status yolk_benchmark_video(const char *video, const char *model, const yolk_video_benchmark_options *options,
                                 yolk_video_benchmark_report **report)
{
    yolk_video_benchmark_options taken;
    *report = NULL;
    yolk_status status = take_options(options, &taken);
    if (status != YOLK_OK)
        return status;
    video_bench *b = yk_calloc(1, sizeof *b);
    video_report *r = yk_calloc(1, sizeof *r);
    if (!b || !r) {
        yk_free(b);
        yk_free(r);
        return YOLK_ERROR_OUT_OF_MEMORY;
    }
    b->options = taken;
    b->video = video;
    b->report = r;
    b->clock = (yk_clock){.callback = taken.progress, .user = taken.user, .start_ns = yk_now_ns()};
    status = measure(b, model);
    r->public.seconds = yk_clock_seconds(&b->clock);
    yolk_manager_destroy(&b->manager);
    yolk_manager_destroy(&b->pipeline);
    yk_frames_free(&b->frames);
    yk_free(b);
    if (status == YOLK_OK)
        status = write_down(r);
    yolk_video_benchmark_report *made = &r->public;
    if (status == YOLK_OK)
        *report = made;
    else
        yolk_video_benchmark_report_destroy(&made);
    return status;
}

void yolk_video_benchmark_report_destroy(yolk_video_benchmark_report **report)
{
    video_report *r = (video_report *)*report;
    *report = NULL;
    if (!r)
        return;
    yk_texts_free(&r->texts);
    yk_free(r);
}
