/* Reads /proc and control groups for memory. Files are opened anew each time: a kept descriptor would be the parent's
 * after fork(), or somebody else's after a daemon closed all of them. */
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Version 1 says "no limit" with the largest number of pages. */
#define NO_LIMIT ((int64_t)1 << 60)

bool yk_read_text(const char *root, const char *path, char *out, size_t size)
{
    char full[640];
    if (snprintf(full, sizeof full, "%s/%s", root, path) >= (int)sizeof full)
        return false;
    int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t n = 0;
    while (n < size - 1) {
        ssize_t got = read(fd, out + n, size - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    close(fd);
    out[n] = '\0';
    n = strlen(out); /* device tree strings end with a NUL */
    if (n > 0 && out[n - 1] == '\n')
        out[n - 1] = '\0';
    return out[0] != '\0';
}

bool yk_read_number(const char *root, const char *path, int64_t *out)
{
    char text[64];
    return yk_read_text(root, path, text, sizeof text) && yk_parse_int(text, out);
}

bool yk_find_line(const char *text, const char *key, char *out, size_t size)
{
    size_t n = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, key, n) != 0 || !strchr(" \t:", line[n]) || !line[n])
            continue;
        const char *value = line + n + strspn(line + n, " \t:");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
        return true;
    }
    return false;
}

bool yk_find_number(const char *text, const char *key, uint64_t *out)
{
    char value[64];
    int64_t number;
    if (!yk_find_line(text, key, value, sizeof value))
        return false;
    value[strspn(value, "0123456789")] = '\0';
    if (!yk_parse_int(value, &number))
        return false;
    *out = (uint64_t)number;
    return true;
}

/* ---- control groups ---- */

void yk_group_find(const char *root, const char *mount, const char *key, char *group, size_t size)
{
    char text[4096];
    const char *path = "";
    if (yk_read_text(root, "proc/self/cgroup", text, sizeof text)) {
        for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
            const char *rest = line + strspn(line, "0123456789");
            if (strncmp(rest, key, strlen(key)) == 0 && rest[strlen(key)] == '/')
                path = rest + strlen(key);
        }
    }
    int n = (int)strcspn(path, "\n");
    while (n > 0 && path[n - 1] == '/')
        n--;
    /* A name that does not fit is of a group too deep to be of use: the mount stands for it. */
    if (snprintf(group, size, "%s%.*s", mount, n, path) >= (int)size)
        snprintf(group, size, "%s", mount);
}

bool yk_group_outer(const char *mount, char *group)
{
    char *slash = strrchr(group, '/');
    if (!slash || strlen(group) <= strlen(mount))
        return false;
    *slash = '\0';
    return true;
}

typedef struct names {
    const char *mount, *key, *limit, *used, *cached;
} names;

static void find_groups(const char *root, const names *v, yk_memory_groups *out)
{
    char group[400], path[480], text[8192];
    yk_group_find(root, v->mount, v->key, group, sizeof group);
    do {
        int64_t limit;
        snprintf(path, sizeof path, "%s/%s", group, v->limit);
        if (out->count == YK_MEMORY_GROUPS || !yk_read_number(root, path, &limit) || limit <= 0 || limit >= NO_LIMIT)
            continue;
        uint64_t cached = 0;
        snprintf(path, sizeof path, "%s/memory.stat", group);
        if (yk_read_text(root, path, text, sizeof text))
            yk_find_number(text, v->cached, &cached);
        snprintf(out->items[out->count].used, sizeof out->items[0].used, "%s/%s", group, v->used);
        out->items[out->count].limit = (uint64_t)limit;
        out->items[out->count++].cached = cached;
    } while (yk_group_outer(v->mount, group));
}

void yk_memory_find_groups(const char *root, yk_memory_groups *out)
{
    static const names versions[] = {
        {"sys/fs/cgroup", "::", "memory.max", "memory.current", "inactive_file"},
        {"sys/fs/cgroup/memory", ":memory:", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
    };
    out->count = 0;
    for (size_t i = 0; i < YK_COUNT(versions); i++)
        find_groups(root, &versions[i], out);
}

static uint64_t least_known(uint64_t a, uint64_t b)
{
    return a == 0 ? b : b == 0 ? a : YK_MIN(a, b);
}

uint64_t yk_memory_read_available(const char *root, const yk_memory_groups *groups)
{
    char text[256]; /* it is the third line */
    uint64_t kib, available = 0;
    if (yk_read_text(root, "proc/meminfo", text, sizeof text) && yk_find_number(text, "MemAvailable", &kib))
        available = YK_MAX(kib * 1024, 1);
    for (int i = 0; i < groups->count; i++) {
        int64_t used;
        if (!yk_read_number(root, groups->items[i].used, &used) || used < 0)
            continue;
        uint64_t kept = (uint64_t)used > groups->items[i].cached ? (uint64_t)used - groups->items[i].cached : 0;
        available = least_known(available, groups->items[i].limit > kept ? groups->items[i].limit - kept : 1);
    }
    return available;
}

uint64_t yk_memory_read_total(const char *root, const yk_memory_groups *groups)
{
    char text[256];
    uint64_t kib, total = 0;
    if (yk_read_text(root, "proc/meminfo", text, sizeof text) && yk_find_number(text, "MemTotal", &kib))
        total = kib * 1024;
    for (int i = 0; i < groups->count; i++)
        total = least_known(total, groups->items[i].limit);
    return total;
}

uint64_t yk_memory_available(void)
{
    enum { FRESH_NS = 1000000000 };
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static yk_memory_groups known;
    static uint64_t known_ns;
    /* Who does not get the mutex finds out for itself: after fork() nobody may be left to release it. */
    if (pthread_mutex_trylock(&mutex) != 0) {
        yk_memory_groups groups;
        yk_memory_find_groups("", &groups);
        return yk_memory_read_available("", &groups);
    }
    uint64_t now = yk_now_ns();
    if (known_ns == 0 || now - known_ns > FRESH_NS) {
        yk_memory_find_groups("", &known);
        known_ns = now;
    }
    uint64_t available = yk_memory_read_available("", &known);
    pthread_mutex_unlock(&mutex);
    return available;
}

/* ---- this process ---- */

/* Where the kernel cannot be made to forget its highest: what it was when asked to, and the highest seen since. */
static struct {
    _Atomic uint64_t ignored, seen;
    _Atomic int process; /* it is about; 0: the kernel's figure counts */
} own_peak;

static void see(uint64_t now)
{
    uint64_t seen = atomic_load(&own_peak.seen);
    while (now > seen && !atomic_compare_exchange_weak(&own_peak.seen, &seen, now))
        ;
}

/* From the cheapest file that has it. */
static uint64_t resident(void)
{
    char text[128];
    if (!yk_read_text("", "proc/self/statm", text, sizeof text))
        return 0;
    const char *pages = strchr(text, ' '); /* the second number */
    return pages ? strtoull(pages, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void resident_and_peak(uint64_t *now, uint64_t *peak)
{
    char text[4096] = "";
    uint64_t kib;
    struct rusage usage;
    yk_read_text("", "proc/self/status", text, sizeof text);
    *now = yk_find_number(text, "VmRSS", &kib) ? kib * 1024 : 0;
    /* Some kernels leave the line out. getrusage() comes second because it remembers what ran before exec(). */
    if (yk_find_number(text, "VmHWM", &kib))
        *peak = kib * 1024;
    else
        *peak = getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

void yk_memory_usage(uint64_t *now, uint64_t *peak)
{
    uint64_t current, highest;
    if (!peak) {
        *now = resident();
        if (atomic_load(&own_peak.process) != 0)
            see(*now);
        return;
    }
    resident_and_peak(&current, &highest);
    if (atomic_load(&own_peak.process) == getpid()) {
        see(current);
        if (highest <= atomic_load(&own_peak.ignored))
            highest = atomic_load(&own_peak.seen);
    }
    if (now)
        *now = current;
    *peak = highest;
}

bool yk_memory_restart_peak(const char *clear_refs)
{
    int fd = open(clear_refs, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, "5", 1) == 1;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (done) {
        atomic_store(&own_peak.process, 0);
        return true;
    }
    uint64_t now, peak;
    resident_and_peak(&now, &peak);
    atomic_store(&own_peak.ignored, peak);
    atomic_store(&own_peak.seen, now);
    atomic_store(&own_peak.process, getpid());
    errno = error;
    return false;
}
