/* How the instruction set is chosen. It is chosen once in a process, so each case has one of its own. */
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "backend/cpu/cpu.h"
#include "yk_test.h"

static char logged[400];

static void keep_log(void *user, yolk_log_level level, const char *text)
{
    (void)user;
    if (level == YOLK_LOG_WARNING)
        snprintf(logged, sizeof logged, "%s", text);
}

static bool is_first(const char *name)
{
    int count;
    return strcmp(yk_cpu_isas(&count)[0]->name, name) == 0;
}

/* All are there in whichever order, each once. */
static bool whole(void)
{
    int count, portable = 0;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++) {
            if (isas[i] == isas[j])
                return false;
        }
        portable += strcmp(isas[i]->name, "portable") == 0;
    }
    return count >= 1 && portable == 1;
}

/* Whether `right` holds in a process whose environment has YOLK_CPU=name, or nothing. */
static bool holds(const char *name, bool (*right)(const char *))
{
    const pid_t child = fork();
    int status = -1;
    if (child == 0) {
        yolk_log_set(keep_log, NULL, YOLK_LOG_WARNING);
        if (name)
            setenv("YOLK_CPU", name, 1);
        else
            unsetenv("YOLK_CPU");
        _exit(right(name) && whole() ? 0 : 1);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool the_best(const char *name)
{
    (void)name;
    int count;
    const yk_cpu_isa *const *isas = yk_cpu_isas(&count);
    return !*logged && strcmp(isas[count - 1]->name, "portable") == 0;
}

static bool what_was_asked_for(const char *name)
{
    return is_first(name) && !*logged;
}

/* Taken where the processor has it; else the log says so. */
static bool either(const char *name)
{
    return is_first(name) ? !*logged : strstr(logged, name) && strstr(logged, "portable");
}

static void by_the_processor(void **state)
{
    (void)state;
    assert_true(holds(NULL, the_best));
    assert_true(holds("", the_best));
}

/* Kernels for halves where the processor computes in them. */
static bool halves_are_right(const char *name)
{
    (void)name;
#if defined(__linux__) && defined(__aarch64__)
    const bool has = (getauxval(AT_HWCAP) >> 9 & 3) == 3;
#else
    const bool has = false;
#endif
    return (yk_cpu_half() != NULL) == has && (!has || yk_cpu_half()->half);
}

static bool no_halves(const char *name)
{
    return is_first(name) && !yk_cpu_half();
}

static void halves_beside_the_best(void **state)
{
    (void)state;
    assert_true(holds(NULL, halves_are_right));
    assert_true(holds("portable", no_halves));
}

static void by_the_environment(void **state)
{
    static const char *const names[] = {"avx2", "avxvnni", "avx512", "avx512vnni", "neon", "neondot"};
    (void)state;
    assert_true(holds("portable", what_was_asked_for));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(holds(names[i], either));
}

static bool refused(const char *name)
{
    return !is_first(name) && strstr(logged, "YOLK_CPU=");
}

static void by_a_name_that_is_none(void **state)
{
    (void)state;
    assert_true(holds("AVX2", refused));
    assert_true(holds("a name that is longer than any instruction set's name ever was, and then some more", refused));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_the_processor),
        cmocka_unit_test(halves_beside_the_best),
        cmocka_unit_test(by_the_environment),
        cmocka_unit_test(by_a_name_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
