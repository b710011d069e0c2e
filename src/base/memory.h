/* How much memory there is for this process, by the kernel and by the control groups around it. */
#ifndef YK_PROCESS_MEMORY_H
#define YK_PROCESS_MEMORY_H

#include "base/base.h"

enum { YK_MEMORY_GROUPS = 8 };

/* Control groups with a limit. Which they are, and how much of their use is cached file pages, changes slowly and costs
 * more to find out than all the rest. */
typedef struct yk_memory_groups {
    int count;
    struct {
        char used[512];  /* file that says how much is used now */
        uint64_t limit;  /* bytes */
        uint64_t cached; /* bytes used for file pages, which are given up first */
    } items[YK_MEMORY_GROUPS];
} yk_memory_groups;

/* Reads ROOT/proc and ROOT/sys. */
void yk_memory_find_groups(const char *root, yk_memory_groups *out);
/* The kernel's figure or what the tightest group leaves, at least 1; 0 when neither is known. */
uint64_t yk_memory_read_available(const char *root, const yk_memory_groups *groups);
uint64_t yk_memory_read_total(const char *root, const yk_memory_groups *groups); /* likewise */

/* Resident memory of this process, and its highest since the start or since yk_memory_restart_peak(); 0 when unknown.
 * `peak`, or `now` with a peak, may be NULL. */
void yk_memory_usage(uint64_t *now, uint64_t *peak);
/* Has the kernel forget the highest, through its file `clear_refs`. Where that is not allowed the peak is from now on
 * the highest that yk_memory_usage() saw, and false is returned with errno set. */
bool yk_memory_restart_peak(const char *clear_refs);

/* ---- what machine.c and this share ---- */

/* First bytes of ROOT/PATH as text without the line end; false when it cannot be read. */
bool yk_read_text(const char *root, const char *path, char *out, size_t size);
/* Number in a file of its own; false for "max". */
bool yk_read_number(const char *root, const char *path, int64_t *out);
/* Number after "KEY<blanks>:" or "KEY " at the start of a line of `text`. */
bool yk_find_number(const char *text, const char *key, uint64_t *out);
bool yk_find_line(const char *text, const char *key, char *out, size_t size); /* the rest of that line */
/* The process's group below MOUNT, by the line of ROOT/proc/self/cgroup that begins after its number with `key`
 * ("::" for version 2, ":memory:" for version 1), into `group`; then, call by call of yk_group_outer(), the ones
 * around it up to the mount itself. */
void yk_group_find(const char *root, const char *mount, const char *key, char *group, size_t size);
bool yk_group_outer(const char *mount, char *group);

#endif
