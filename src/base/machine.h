/* What the kernel's files say about the machine; cpu.c keeps the answer for "/". */
#ifndef YK_MACHINE_H
#define YK_MACHINE_H

#include "base/base.h"

enum { YK_MACHINE_CPUS = 1024 };

typedef struct yk_machine {
    int physical_cores; /* of the given processors, the cgroup's share included; at least 1 */
    char cpu_name[128]; /* "" when unknown */
    char board[128];    /* device tree's model, e.g. "Raspberry Pi 5 Model B Rev 1.0"; "" when there is none */
    uint64_t memory_total, memory_available; /* bytes, the cgroup's limit included; 0 when unknown */
} yk_machine;

/* Reads ROOT/proc and ROOT/sys. `allowed[i]` says whether the process may run on processor i. */
void yk_machine_read(const char *root, const bool *allowed, int cpu_count, yk_machine *out);

const char *yk_board_name(void); /* of this machine; "" when there is none */

#endif
