/* Runs a model over a video with everything overlapped, as `yolk detect` does:
 *   video MODEL VIDEO LINES.jsonl ANNOTATED.mp4 */
#include <stdio.h>

#include <yolk/yolk.h>

static int on_progress(void *user, const yolk_progress *progress)
{
    int64_t *next = user;
    if (progress->frame >= *next) {
        fprintf(stderr, "frame %lld of %lld, %.1f fps\n", (long long)progress->frame, (long long)progress->frame_count,
                progress->fps);
        *next = progress->frame + 25;
    }
    return 0; /* anything else would end the run */
}

int main(int argc, char **argv)
{
    yolk_manager *manager = NULL;
    yolk_sink *sinks[2] = {NULL, NULL};
    yolk_pipeline_options options;
    yolk_pipeline_report report;
    int64_t next_told = 0;
    int status = 1;

    if (argc < 5) {
        fprintf(stderr, "usage: video MODEL VIDEO LINES.jsonl ANNOTATED.mp4\n");
        return 2;
    }
    yolk_pipeline_options_defaults(&options);
    options.progress = on_progress;
    options.progress_user = &next_told;
    if (yolk_manager_create(NULL, &manager) != YOLK_OK || yolk_manager_load(manager, argv[1], 0) != YOLK_OK ||
        yolk_sink_open_jsonl(argv[3], 0, &sinks[0]) != YOLK_OK ||
        yolk_sink_open_annotated(argv[4], 1.0, &sinks[1]) != YOLK_OK)
        goto done;

    const char *input = argv[2];
    if (yolk_pipeline_run(manager, &input, 1, sinks, 2, &options, &report) != YOLK_OK ||
        yolk_sink_finish(&sinks[0]) != YOLK_OK || yolk_sink_finish(&sinks[1]) != YOLK_OK)
        goto done;

    printf("%llu frames, %.1f fps, input %dx%d, batch %d\n", (unsigned long long)report.stats.frames, report.stats.fps,
           report.input_width, report.input_height, report.batch);
    for (int i = 0; i < YOLK_STAGE_COUNT; i++)
        printf("  %-12s %7.2f ms a frame\n", yolk_stage_name((yolk_stage)i), report.stats.stages[i].mean_ms);
    status = 0;

done:
    if (status != 0)
        fprintf(stderr, "video: %s\n", yolk_last_error());
    yolk_sink_finish(&sinks[0]);
    yolk_sink_finish(&sinks[1]);
    yolk_manager_destroy(&manager);
    return status;
}
