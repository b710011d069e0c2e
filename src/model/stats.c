/* Names of stages, sizes of batches, and memory use of the process. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/memory.h"
#include "yolk/stats.h"

const char *yolk_stage_name(yolk_stage stage)
{
    static const char *const names[YOLK_STAGE_COUNT] = {"decode", "preprocess", "infer", "postprocess", "output"};
    return (int)stage >= 0 && stage < YOLK_STAGE_COUNT ? names[stage] : NULL;
}

int yolk_stats_batch_sizes(size_t index, int *least, int *most)
{
    enum { SINGLE = 16 };
    if (index >= YOLK_STATS_BATCHES)
        return 0;
    const int doubled = index < SINGLE ? 0 : SINGLE << (index - SINGLE);
    if (least)
        *least = doubled ? doubled + 1 : (int)index + 1;
    if (most)
        *most = index == YOLK_STATS_BATCHES - 1 ? INT_MAX : doubled ? 2 * doubled : (int)index + 1;
    return 1;
}

void yolk_memory_usage(uint64_t *now, uint64_t *peak)
{
    uint64_t current;
    yk_memory_usage(now ? now : &current, peak);
}

void yolk_memory_read(yolk_memory *out)
{
    *out = (yolk_memory){.available = yk_memory_available()};
    yolk_memory_usage(&out->now, &out->peak);
}

yolk_status yolk_memory_reset_peak(void)
{
    static const char file[] = "/proc/self/clear_refs";
    if (yk_memory_restart_peak(file))
        return YOLK_OK;
    return yk_fail(YOLK_ERROR_UNSUPPORTED,
                   "%s: %s, so that the system's own peak stays; from now on the peak is the highest value looked at",
                   file, strerror(errno));
}
