/* Reads a video by itself and gives the model as many frames at once as suit their size:  batching MODEL VIDEO */
#include <stdio.h>

#include <yolk/yolk.h>

enum { MOST = 64 };

/* Collects up to `wanted` frames; fewer at the end. */
static yolk_status read_batch(yolk_video *video, yolk_frame **frames, yolk_image *images, int wanted, int *count)
{
    yolk_status status = YOLK_OK;
    for (*count = 0; *count < wanted; ++*count) {
        status = yolk_video_read(video, &frames[*count]);
        if (status != YOLK_OK)
            break;
        images[*count] = frames[*count]->image;
    }
    return status;
}

int main(int argc, char **argv)
{
    yolk_config config;
    yolk_manager *manager = NULL;
    yolk_video *video = NULL;
    yolk_frame *frames[MOST] = {NULL};
    yolk_image images[MOST];
    yolk_size input;
    yolk_batch_choice choice;
    yolk_stats stats;
    yolk_status ended = YOLK_OK;
    int status = 1, count;

    if (argc < 3) {
        fprintf(stderr, "usage: batching MODEL VIDEO\n");
        return 2;
    }
    if (yolk_config_resolve(&config, NULL, NULL) != YOLK_OK || yolk_manager_create(&config, &manager) != YOLK_OK ||
        yolk_manager_load(manager, argv[1], 0) != YOLK_OK || yolk_video_open(argv[2], NULL, &video) != YOLK_OK)
        goto done;

    const yolk_video_info *info = yolk_video_get_info(video);
    int batch = config.batch ? config.batch : yolk_config_for_resolution(&config, info->width, info->height).batch;
    batch = batch < MOST ? batch : MOST;
    if (yolk_manager_input_size(manager, info->width, info->height, 0, &input) != YOLK_OK ||
        yolk_manager_prepare(manager, input, batch) != YOLK_OK ||
        yolk_manager_optimal_batch(manager, input, 0, &choice) != YOLK_OK)
        goto done;
    printf("%dx%d %s: input %dx%d, %d frames a batch\n", info->width, info->height, info->codec, input.width,
           input.height, batch);
    printf("a network run takes %s\n", choice.reason);

    while (ended == YOLK_OK) {
        ended = read_batch(video, frames, images, batch, &count);
        yolk_results *results = NULL;
        yolk_status predicted =
            count ? yolk_manager_predict_batch(manager, images, (size_t)count, &input, &results) : YOLK_OK;
        for (int i = 0; i < count; i++) {
            if (predicted == YOLK_OK)
                printf("frame %lld at %.3f s: %zu objects\n", (long long)frames[i]->index, frames[i]->time,
                       yolk_results_frame(results, (size_t)i).count);
            yolk_frame_release(&frames[i]);
        }
        yolk_results_destroy(&results);
        if (predicted != YOLK_OK)
            goto done;
    }
    if (ended != YOLK_END || yolk_manager_stats(manager, &stats) != YOLK_OK)
        goto done;
    printf("%llu frames in %llu batches, %.2f ms of network a frame\n", (unsigned long long)stats.frames,
           (unsigned long long)stats.batches, stats.stages[YOLK_STAGE_INFER].mean_ms);
    status = 0;

done:
    if (status != 0)
        fprintf(stderr, "batching: %s\n", yolk_last_error());
    yolk_video_close(&video);
    yolk_manager_destroy(&manager);
    return status;
}
