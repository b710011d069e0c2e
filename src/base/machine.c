/* Reads /proc and /sys. A file that is missing or odd leaves its answer unknown. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/machine.h"

/* First bytes of ROOT/PATH as text without the line end; false when it cannot be read. */
static bool read_text(const char *root, const char *path, char *out, size_t size)
{
    char full[512];
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

/* Text after "KEY<blanks>:" or "KEY " at the start of a line of `text`, up to the line's end. */
static bool find_line(const char *text, const char *key, char *out, size_t size)
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

static bool find_number(const char *text, const char *key, uint64_t *out)
{
    char value[64];
    int64_t number;
    if (!find_line(text, key, value, sizeof value))
        return false;
    value[strspn(value, "0123456789")] = '\0';
    if (!yk_parse_int(value, &number))
        return false;
    *out = (uint64_t)number;
    return true;
}

/* Number in a file of its own; false for "max". */
static bool read_number(const char *root, const char *path, int64_t *out)
{
    char text[64];
    return read_text(root, path, text, sizeof text) && yk_parse_int(text, out);
}

/* Processor time of `quota` in each `period`, as whole cores. */
static void limit_cores(yk_machine *m, int64_t quota, int64_t period)
{
    if (quota > 0 && period > 0 && quota <= (int64_t)1 << 40 && period <= (int64_t)1 << 40)
        m->physical_cores = (int)YK_MIN((quota + period - 1) / period, m->physical_cores);
}

/* Limits of one control group folder below ROOT. */
static void apply_group(const char *root, const char *group, yk_machine *m)
{
    char path[480], text[8192];
    int64_t limit, used, quota, period;
    snprintf(path, sizeof path, "%s/cpu.max", group);
    if (read_text(root, path, text, sizeof text)) {
        char *space = strchr(text, ' ');
        if (space)
            *space++ = '\0';
        if (space && yk_parse_int(text, &quota) && yk_parse_int(space, &period))
            limit_cores(m, quota, period);
    }
    snprintf(path, sizeof path, "%s/memory.max", group);
    if (!read_number(root, path, &limit) || limit <= 0)
        return;
    if (m->memory_total == 0 || (uint64_t)limit < m->memory_total)
        m->memory_total = (uint64_t)limit;
    snprintf(path, sizeof path, "%s/memory.current", group);
    if (!read_number(root, path, &used))
        return;
    /* Cached file pages count as used but are given up first. */
    uint64_t cached = 0;
    snprintf(path, sizeof path, "%s/memory.stat", group);
    if (read_text(root, path, text, sizeof text))
        find_number(text, "inactive_file", &cached);
    uint64_t kept = (uint64_t)used > cached ? (uint64_t)used - cached : 0;
    uint64_t left = (uint64_t)limit > kept ? (uint64_t)limit - kept : 0;
    if (m->memory_available == 0 || left < m->memory_available)
        m->memory_available = left;
}

/* The process's control group (version 2) and the ones around it. */
static void apply_groups(const char *root, yk_machine *m)
{
    char text[4096], group[400];
    if (!read_text(root, "proc/self/cgroup", text, sizeof text))
        text[0] = '\0';
    const char *path = strstr(text, "0::/");
    int n = path ? (int)strcspn(path + 3, "\n") : 0;
    snprintf(group, sizeof group, "sys/fs/cgroup%.*s", YK_MIN(n, 300), path ? path + 3 : "");
    const size_t base = strlen("sys/fs/cgroup");
    for (;;) {
        apply_group(root, group, m);
        char *slash = strrchr(group + base, '/');
        if (!slash)
            break;
        *slash = '\0';
    }
}

/* Groups of version 1 are mounted where the container sees its own. */
static void apply_old_groups(const char *root, yk_machine *m)
{
    int64_t quota, period, limit, used;
    if (read_number(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota) &&
        read_number(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", &period))
        limit_cores(m, quota, period);
    if (!read_number(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", &limit) || limit <= 0 ||
        (m->memory_total && (uint64_t)limit >= m->memory_total))
        return;
    m->memory_total = (uint64_t)limit;
    if (read_number(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", &used) && used >= 0) {
        uint64_t left = limit > used ? (uint64_t)(limit - used) : 0;
        m->memory_available = m->memory_available ? YK_MIN(left, m->memory_available) : left;
    }
}

/* Processors that share a core name the same first sibling. */
static int count_cores(const char *root, const bool *allowed, int cpu_count)
{
    int64_t firsts[YK_MACHINE_CPUS];
    int count = 0;
    for (int cpu = 0; cpu < cpu_count && cpu < YK_MACHINE_CPUS; cpu++) {
        if (!allowed[cpu])
            continue;
        char path[96], text[64];
        int64_t first = cpu;
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
        /* "0,4" or "0-1" */
        if (read_text(root, path, text, sizeof text)) {
            text[strspn(text, "0123456789")] = '\0';
            yk_parse_int(text, &first);
        }
        int i = 0;
        while (i < count && firsts[i] != first)
            i++;
        if (i == count)
            firsts[count++] = first;
    }
    return YK_MAX(count, 1);
}

void yk_machine_read(const char *root, const bool *allowed, int cpu_count, yk_machine *out)
{
    char text[8192];
    uint64_t kib;
    *out = (yk_machine){.physical_cores = count_cores(root, allowed, cpu_count)};
    if (!read_text(root, "proc/device-tree/model", out->board, sizeof out->board))
        out->board[0] = '\0';
    if (!read_text(root, "proc/cpuinfo", text, sizeof text) ||
        !find_line(text, "model name", out->cpu_name, sizeof out->cpu_name))
        memcpy(out->cpu_name, out->board, sizeof out->cpu_name);
    if (read_text(root, "proc/meminfo", text, sizeof text)) {
        if (find_number(text, "MemTotal", &kib))
            out->memory_total = kib * 1024;
        if (find_number(text, "MemAvailable", &kib))
            out->memory_available = kib * 1024;
    }
    apply_groups(root, out);
    apply_old_groups(root, out);
}
