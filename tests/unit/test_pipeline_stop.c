/* Runs that are stopped, that tell how far they are, that share a model, and that run out of memory. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

#include "pipeline_test.h"

static const char *clip(const char *name, int frames)
{
    static char paths[4][1024];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s", clip_write(name, 64, 48, frames, 25, 1, NULL));
    return path;
}

static int threads_running(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    int count = -1;
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "Threads: %d", &count) == 1)
            break;
    if (f)
        fclose(f);
    return count;
}

static void a_sink_that_fails_ends_the_run(void **state)
{
    (void)state;
    const char *input = clip("sink.mp4", 200);
    int before = threads_running();
    yolk_manager *manager = tiny_manager(4, 4);
    seen.fail_after = 7;
    yolk_status status = run(manager, &input, 1, &seen, NULL, NULL);
    seen.fail_after = 0;
    assert_int_equal(status, YOLK_ERROR_IO);
    assert_string_equal(yolk_last_error(), "the sink is full");
    assert_int_equal(seen.count, 7);
    assert_ok(run(manager, &input, 1, &seen, NULL, NULL));
    assert_int_equal(seen.count, 200);
    yolk_manager_destroy(&manager);
    assert_int_equal(threads_running(), before);
}

typedef struct watch {
    yolk_progress last;
    int calls;
    int64_t stop_at; /* frame, or -1 */
    int stop_after;  /* calls, or 0 */
} watch;

static int look(void *user, const yolk_progress *p)
{
    watch *w = user;
    assert_true(p->frame >= w->last.frame);
    assert_true(p->seconds >= w->last.seconds);
    assert_true(p->frame_count == 0 || p->frame_count >= p->frame);
    assert_true(p->source_index < p->source_count);
    w->last = *p;
    w->calls++;
    return (w->stop_at >= 0 && p->frame >= w->stop_at) || (w->stop_after && w->calls >= w->stop_after);
}

static yolk_pipeline_options watched(watch *w)
{
    yolk_pipeline_options options;
    yolk_pipeline_options_defaults(&options);
    *w = (watch){.stop_at = -1};
    options.progress = look;
    options.progress_user = w;
    return options;
}

static void stopping_keeps_what_was_done(void **state)
{
    (void)state;
    const char *input = clip("stop.mp4", 150);
    yolk_manager *manager = tiny_manager(3, 8);
    watch w;
    yolk_pipeline_options options = watched(&w);
    w.stop_at = 20;
    yolk_sink *sinks[2];
    assert_ok(yolk_sink_open_jsonl(yk_temp_path("stop.jsonl"), 0, &sinks[0]));
    assert_ok(yolk_sink_open_annotated(yk_temp_path("stopped.mp4"), 1, &sinks[1]));
    yolk_pipeline_report report;
    assert_fails(yolk_pipeline_run(manager, &input, 1, sinks, 2, &options, &report), YOLK_ERROR_CANCELED, "stopped");
    assert_int_equal(report.stats.frames, 20);
    for (int i = 0; i < 2; i++)
        assert_ok(yolk_sink_finish(&sinks[i]));
    size_t size;
    char *text = (char *)file_bytes(yk_temp_path("stop.jsonl"), &size);
    int lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    assert_int_equal(lines, 20);
    assert_int_equal(text[size - 1], '\n');
    free(text);
    yolk_video *video;
    int frames;
    assert_ok(yolk_video_open(yk_temp_path("stopped.mp4"), NULL, &video));
    assert_int_equal(clip_read_all(video, &frames), YOLK_END);
    assert_int_equal(frames, 20);
    yolk_video_close(&video);
    yolk_manager_destroy(&manager);
}

/* Nothing comes from a pipe that stays open: only a run that looks up now and then can be stopped. */
static void waiting_for_input_can_be_stopped(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
    yolk_manager *manager = tiny_manager(1, 4);
    watch w;
    yolk_pipeline_options options = watched(&w);
    w.stop_after = 2;
    const char *input = "-";
    yolk_status status = run(manager, &input, 1, &seen, &options, NULL);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(status, YOLK_ERROR_CANCELED);
    assert_int_equal(seen.count, 0);
    assert_int_equal(w.calls, 2);
    yolk_manager_destroy(&manager);
}

static void progress_knows_the_end(void **state)
{
    (void)state;
    const char *inputs[] = {clip("p1.mp4", 12), clip("p2.mkv", 30), "/absent.png"};
    static const struct {
        size_t inputs;
        int loop;
        int64_t limit, frames;
    } cases[] = {{1, 1, 0, 12}, {2, 1, 0, 42}, {2, 2, 0, 84}, {2, 1, 20, 32}, {3, 1, 0, 42}};
    yolk_manager *manager = tiny_manager(1, 8);
    for (size_t i = 0; i < YK_COUNT(cases); i++) {
        watch w;
        yolk_pipeline_options options = watched(&w);
        options.loop = cases[i].loop;
        options.max_frames = cases[i].limit;
        yolk_status status = run(manager, inputs, cases[i].inputs, &seen, &options, NULL);
        assert_int_equal(status, cases[i].inputs == 3 ? YOLK_ERROR_NOT_FOUND : YOLK_OK);
        assert_int_equal(w.last.frame, cases[i].frames);
        assert_in_range(w.last.frame_count, cases[i].frames, cases[i].frames + 1);
        assert_int_equal(w.last.source_count, cases[i].inputs);
        assert_true(w.last.fps > 0);
        assert_true(w.last.eta >= 0 && w.last.eta < 10);
        assert_in_range(w.calls, cases[i].frames, cases[i].frames + 20);
    }
    yolk_manager_destroy(&manager);
}

/* A model that was exported for one size and batch. */
static void a_network_that_fails_ends_the_run(void **state)
{
    (void)state;
    const char *input = clip("fail.mp4", 30);
    yolk_config config;
    yolk_manager *manager;
    yolk_config_defaults(&config);
    assert_ok(yolk_config_set(&config, "backend", "reference"));
    config.memory_limit_mb = 1; /* no session is that small */
    assert_ok(yolk_manager_create(&config, &manager));
    yolk_status status = yolk_manager_load(manager, tiny_model("tiny.onnx"), 0);
    if (status == YOLK_OK)
        status = run(manager, &input, 1, &seen, NULL, NULL);
    assert_int_equal(status, YOLK_ERROR_LIMIT);
    assert_int_equal(seen.count, 0);
    yolk_manager_destroy(&manager);
}

typedef struct job {
    yolk_manager *manager;
    const char *input;
    journal *seen;
    yolk_status status;
} job;

static void *run_job(void *user)
{
    job *j = user;
    yolk_sink *sink;
    j->status = yolk_sink_open_callback(take, j->seen, 0, &sink);
    if (j->status == YOLK_OK) {
        j->status = yolk_pipeline_run(j->manager, &j->input, 1, &sink, 1, NULL, NULL);
        yolk_sink_finish(&sink);
    }
    return NULL;
}

static void runs_may_share_a_model(void **state)
{
    (void)state;
    enum { RUNS = 3 };
    static journal journals[RUNS];
    pthread_t threads[RUNS];
    job jobs[RUNS];
    yolk_manager *manager = tiny_manager(2, 4);
    const char *input = clip("shared.mp4", 40);
    for (int i = 0; i < RUNS; i++) {
        journals[i].count = 0;
        jobs[i] = (job){manager, input, &journals[i], YOLK_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
    }
    for (int i = 0; i < RUNS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(jobs[i].status, YOLK_OK);
        assert_int_equal(journals[i].count, 40);
        for (int k = 0; k < 40; k++)
            assert_int_equal(journals[i].items[k].frame, k);
    }
    yolk_manager_destroy(&manager);
}

static void short_memory_is_survived(void **state)
{
    (void)state;
    const char *input = clip("memory.mp4", 5);
    yolk_manager *manager = tiny_manager(2, 2);
    assert_ok(run(manager, &input, 1, &seen, NULL, NULL));
    for (long n = 1;; n++) {
        yolk_sink *sink;
        seen.count = 0;
        assert_ok(yolk_sink_open_callback(take, &seen, 1, &sink));
        yk_alloc_fail_at(n);
        yolk_status status = yolk_pipeline_run(manager, &input, 1, &sink, 1, NULL, NULL);
        bool failed = yk_alloc_count() >= n;
        yk_alloc_fail_at(0);
        assert_ok(yolk_sink_finish(&sink));
        assert_true(status == YOLK_OK || (failed && status == YOLK_ERROR_OUT_OF_MEMORY));
        assert_true(status != YOLK_OK || seen.count == 5);
        if (!failed)
            break;
    }
    yolk_manager_destroy(&manager);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sink_that_fails_ends_the_run),    cmocka_unit_test(stopping_keeps_what_was_done),
        cmocka_unit_test(waiting_for_input_can_be_stopped),  cmocka_unit_test(progress_knows_the_end),
        cmocka_unit_test(a_network_that_fails_ends_the_run), cmocka_unit_test(runs_may_share_a_model),
        cmocka_unit_test(short_memory_is_survived),
    };
    return cmocka_run_group_tests_name("pipeline stop", tests, yk_temp_make, yk_temp_remove);
}
