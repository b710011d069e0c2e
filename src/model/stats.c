/* Names of stages and memory use of the process. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/base.h"
#include "yolk/stats.h"

const char *yolk_stage_name(yolk_stage stage)
{
    static const char *const names[YOLK_STAGE_COUNT] = {"decode", "preprocess", "infer", "postprocess", "output"};
    return (int)stage >= 0 && stage < YOLK_STAGE_COUNT ? names[stage] : NULL;
}

/* Bytes behind `key` in /proc/self/status, which counts in KiB; 0 when it is not there. */
static uint64_t status_bytes(const char *text, const char *key)
{
    const char *found = strstr(text, key);
    return found ? (uint64_t)strtoull(found + strlen(key), NULL, 10) * 1024 : 0;
}

void yolk_memory_usage(uint64_t *now, uint64_t *peak)
{
    char text[4096] = "";
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        close(fd);
    }
    if (now)
        *now = status_bytes(text, "VmRSS:");
    if (peak) {
        *peak = status_bytes(text, "VmHWM:");
        /* Some kernels leave the line out. getrusage() comes second because it remembers what ran before exec(). */
        struct rusage usage;
        if (*peak == 0 && getrusage(RUSAGE_SELF, &usage) == 0)
            *peak = (uint64_t)usage.ru_maxrss * 1024;
    }
}
