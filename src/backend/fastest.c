/* Which backend is the fastest for a network on this machine: measured, for what will be kept. */
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"

enum { MOST = 4, ROUNDS = 9 };

/* What another one must take at most of the time of the one that comes first: less is noise, and two engines of one
 * model would differ by it. */
#define WORTH_IT 0.97

/* Who takes so many times as long as the fastest one so far is measured no further. */
#define HOPELESS 3

size_t yk_backend_candidates(const char *kind, const yk_backend **out, size_t room)
{
    size_t all, count = 0;
    const yk_backend *const *backends = yk_backends(&all);
    for (size_t i = 0; i < all && count < room; i++) {
        yk_probe probe;
        const yk_backend *b = backends[i];
        if (b->for_tests || !b->save || strcmp(b->kind, kind) != 0)
            continue;
        b->probe(&probe);
        if (probe.available)
            out[count++] = b;
    }
    return count;
}

static yolk_status time_once(const yk_backend *b, yk_exec *exec, uint64_t *best)
{
    const uint64_t start = yk_now_ns();
    yolk_status status = b->start(exec, 0);
    if (status == YOLK_OK)
        status = b->wait(exec, 0);
    *best = YK_MIN(*best, yk_now_ns() - start);
    return status;
}

/* The measured ones in turn, so that what disturbs one disturbs all. One that fails is out. */
static void time_all(const yk_backend *const *candidates, yk_exec **execs, size_t count, uint64_t *best)
{
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t least = UINT64_MAX;
        for (size_t i = 0; i < count; i++)
            least = execs[i] ? YK_MIN(least, best[i]) : least;
        for (size_t i = 0; i < count; i++) {
            uint64_t cold = UINT64_MAX;
            if (round > 1 && best[i] / HOPELESS > least)
                continue;
            if (execs[i] && time_once(candidates[i], execs[i], round == 0 ? &cold : &best[i]) != YOLK_OK)
                candidates[i]->destroy(&execs[i]);
        }
    }
}

static void tell(const yk_backend *const *candidates, yk_exec *const *execs, size_t count, const uint64_t *best)
{
    char text[200] = "";
    for (size_t i = 0, at = 0; i < count && at < sizeof text; i++) {
        if (execs[i])
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %.2f ms", at ? ", " : "", candidates[i]->name,
                                   1e-6 * (double)best[i]);
    }
    yk_log(YOLK_LOG_INFO, "a frame takes %s", text);
}

yolk_status yk_backend_fastest(const yk_backend *const *candidates, size_t count, const yk_graph *g,
                               const yk_compile_options *options, const yk_backend **out)
{
    yk_exec *execs[MOST] = {NULL};
    uint64_t best[MOST];
    size_t chosen = MOST;
    yolk_status status = YOLK_OK;
    *out = candidates[0];
    if (count < 2)
        return YOLK_OK;
    count = YK_MIN(count, MOST);
    const size_t bytes = (size_t)(g->bound[0] * g->bound[1] * g->bound[2]) * 3;
    for (size_t i = 0; i < count; i++) {
        best[i] = UINT64_MAX;
        status = candidates[i]->compile(g, options, &execs[i]);
        if (status == YOLK_OK)
            memset(candidates[i]->input(execs[i], 0), 114, bytes);
        else
            yk_log(YOLK_LOG_INFO, "%s is passed over: %s", candidates[i]->name, yolk_last_error());
    }
    time_all(candidates, execs, count, best);
    for (size_t i = 0; i < count; i++) {
        if (execs[i] && (chosen == MOST || (double)best[i] < WORTH_IT * (double)best[chosen]))
            chosen = i;
    }
    if (chosen < MOST) {
        tell(candidates, execs, count, best);
        *out = candidates[chosen];
        status = YOLK_OK;
    } else if (status == YOLK_OK) {
        status = yk_fail(YOLK_ERROR_BACKEND, "no backend could run the network");
    }
    for (size_t i = 0; i < count; i++) {
        if (execs[i])
            candidates[i]->destroy(&execs[i]);
    }
    return status;
}

yolk_status yk_backend_measure(const yk_graph *g, int threads, const yk_backend **out)
{
    const yk_compile_options options = {.threads = threads, .latency = true, .tune = true};
    const yk_backend *candidates[MOST];
    const size_t count = yk_backend_candidates("cpu", candidates, MOST);
    if (count == 0)
        return yk_fail(YOLK_ERROR_UNSUPPORTED, "no backend that can run here compiles what could be kept");
    return yk_backend_fastest(candidates, count, g, &options, out);
}
