/* Which instruction sets this processor has, of those that the build has kernels for. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "backend/cpu/cpu.h"

enum { MOST = 8 };
static const yk_cpu_isa *found[MOST], *half;
static int found_count;
enum { NAMES = 128 };
static char others[NAMES]; /* names of those that were built but that the processor does not have */

static void add_name(char names[NAMES], const char *name)
{
    const size_t used = strlen(names);
    snprintf(names + used, NAMES - used, "%s%s", used ? ", " : "", name);
}

static void add(const yk_cpu_isa *isa, bool has)
{
    if (has)
        found[found_count++] = isa;
    else
        add_name(others, isa->name);
}

#if defined(__x86_64__)
static void look(void)
{
    __builtin_cpu_init(); /* which also asks what the system saves of a thread: registers of 256 and of 512 bits */
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#ifdef YK_HAS_AVX512
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#ifdef YK_HAS_AVX512VNNI
    add(&yk_cpu_avx512vnni, avx512 && __builtin_cpu_supports("avx512vnni"));
#endif
    add(&yk_cpu_avx512, avx512);
#endif
#ifdef YK_HAS_AVXVNNI
    unsigned a = 0, b = 0, c = 0, d = 0; /* not all compilers know it by name */
    const bool avxvnni = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
    add(&yk_cpu_avxvnni, avx2 && avxvnni);
#endif
#ifdef YK_HAS_AVX2
    add(&yk_cpu_avx2, avx2);
#endif
    add(&yk_cpu_portable, true);
}
#else
static void look(void)
{
#ifdef YK_HAS_NEON
#ifdef __linux__
    const unsigned long has = getauxval(AT_HWCAP);
#ifdef YK_HAS_NEONHALF
    const unsigned long halves = 1ul << 9 | 1ul << 10; /* HWCAP_FPHP, HWCAP_ASIMDHP */
    if ((has & halves) == halves)
        half = &yk_cpu_neonhalf;
    else
        add_name(others, yk_cpu_neonhalf.name);
#endif
#ifdef YK_HAS_NEONDOT
    const unsigned long dot_product = 1ul << 20; /* HWCAP_ASIMDDP */
    add(&yk_cpu_neondot, has & dot_product);
#endif
#endif
    add(&yk_cpu_neon, true);
#endif
    add(&yk_cpu_portable, true);
}
#endif

/* The one that YOLK_CPU names comes first. */
static void prefer(const char *name)
{
    for (int i = 0; i < found_count; i++) {
        const yk_cpu_isa *named = found[i];
        if (strcmp(named->name, name) != 0)
            continue;
        memmove(found + 1, found, (size_t)i * sizeof *found);
        found[0] = named;
        return;
    }
    char names[NAMES] = "";
    for (int i = 0; i < found_count; i++)
        add_name(names, found[i]->name);
    yk_log(YOLK_LOG_WARNING, "YOLK_CPU=%.40s: this processor and this build of yolk have %s; %s is taken", name, names,
           found[0]->name);
}

static void choose(void)
{
    const char *name = getenv("YOLK_CPU");
    look();
    const yk_cpu_isa *best = found[0];
    if (name && *name)
        prefer(name);
    if (found[0] != best)
        half = NULL;
}

static void choose_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
}

const yk_cpu_isa *const *yk_cpu_isas(int *count)
{
    choose_once();
    *count = found_count;
    return found;
}

const yk_cpu_isa *yk_cpu_half(void)
{
    choose_once();
    return half;
}

const char *yk_cpu_others(void)
{
    choose_once();
    return others;
}
