/* Reads /proc and /sys. A file that is missing or odd leaves its answer unknown. */
#include <stdio.h>
#include <string.h>

#include "base/machine.h"
#include "base/memory.h"

/* Processor time of `quota` in each `period`, as whole cores. */
static void limit_cores(yk_machine *m, int64_t quota, int64_t period)
{
    if (quota > 0 && period > 0 && quota <= (int64_t)1 << 40 && period <= (int64_t)1 << 40)
        m->physical_cores = (int)YK_MIN((quota + period - 1) / period, m->physical_cores);
}

/* The process's control group of version 2 and the ones around it; groups of version 1 are mounted where the container
 * sees its own. */
static void limit_by_groups(const char *root, yk_machine *m)
{
    static const char mount[] = "sys/fs/cgroup";
    char group[400], path[480], text[64];
    int64_t quota, period;
    yk_group_find(root, mount, "::", group, sizeof group);
    do {
        snprintf(path, sizeof path, "%s/cpu.max", group);
        char *space = yk_read_text(root, path, text, sizeof text) ? strchr(text, ' ') : NULL;
        if (space)
            *space++ = '\0';
        if (space && yk_parse_int(text, &quota) && yk_parse_int(space, &period))
            limit_cores(m, quota, period);
    } while (yk_group_outer(mount, group));
    if (yk_read_number(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota) &&
        yk_read_number(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", &period))
        limit_cores(m, quota, period);
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
        if (yk_read_text(root, path, text, sizeof text)) {
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
    *out = (yk_machine){.physical_cores = count_cores(root, allowed, cpu_count)};
    if (!yk_read_text(root, "proc/device-tree/model", out->board, sizeof out->board))
        out->board[0] = '\0';
    if (!yk_read_text(root, "proc/cpuinfo", text, sizeof text) ||
        !yk_find_line(text, "model name", out->cpu_name, sizeof out->cpu_name))
        memcpy(out->cpu_name, out->board, sizeof out->cpu_name);
    limit_by_groups(root, out);
    yk_memory_groups groups;
    yk_memory_find_groups(root, &groups);
    out->memory_total = yk_memory_read_total(root, &groups);
    out->memory_available = yk_memory_read_available(root, &groups);
}
