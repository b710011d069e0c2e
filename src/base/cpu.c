/* The machine that this process runs on. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/machine.h"

static yk_machine machine; /* what does not change while the process runs */

static void read_machine(yk_machine *out)
{
    static const bool one[1] = {true};
    bool allowed[YK_MACHINE_CPUS] = {false};
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        yk_machine_read("", one, 1, out);
        return;
    }
    for (int i = 0; i < YK_MACHINE_CPUS && i < CPU_SETSIZE; i++)
        allowed[i] = CPU_ISSET(i, &set);
    yk_machine_read("", allowed, YK_MACHINE_CPUS, out);
}

static void read_once(void)
{
    read_machine(&machine);
}

static const yk_machine *known(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_once);
    return &machine;
}

int yk_physical_cores(void)
{
    return known()->physical_cores;
}

const char *yk_cpu_name(void)
{
    return known()->cpu_name;
}

const char *yk_board_name(void)
{
    return known()->board;
}

uint64_t yk_memory_total(void)
{
    return known()->memory_total;
}
