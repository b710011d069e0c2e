/* Memory of this process and of what is around it. */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "yk_temp.h"
#include "yolk/stats.h"

enum { MIB = 1 << 20, BLOCK = 64 * MIB };

static void available_is(const char *root, uint64_t available, uint64_t total)
{
    yk_memory_groups groups;
    yk_memory_find_groups(yk_temp_path(root), &groups);
    assert_int_equal(yk_memory_read_available(yk_temp_path(root), &groups), available);
    assert_int_equal(yk_memory_read_total(yk_temp_path(root), &groups), total);
}

static void nothing_known_is_zero_and_nothing_left_is_not(void **state)
{
    (void)state;
    available_is("absent", 0, 0);
    yk_temp_text("full/proc/meminfo", "MemTotal: 100 kB\nMemFree: 0 kB\nMemAvailable: 0 kB\n");
    available_is("full", 1, 102400);
}

static void the_tightest_group_counts(void **state)
{
    (void)state;
    yk_temp_text("v2/proc/meminfo", "MemTotal: 8000 kB\nMemFree: 1 kB\nMemAvailable: 4000 kB\n");
    yk_temp_text("v2/proc/self/cgroup", "0::/pod/job\n");
    yk_temp_text("v2/sys/fs/cgroup/pod/job/memory.max", "max\n");
    yk_temp_text("v2/sys/fs/cgroup/pod/memory.max", "3000000\n");
    yk_temp_text("v2/sys/fs/cgroup/pod/memory.current", "1000000\n");
    yk_temp_text("v2/sys/fs/cgroup/pod/memory.stat", "anon 1\nfile 2\ninactive_file 400000\n");
    available_is("v2", 2400000, 3000000);
    yk_temp_text("v2/sys/fs/cgroup/memory.max", "2500000\n"); /* the outermost, seen from inside a container */
    yk_temp_text("v2/sys/fs/cgroup/memory.current", "2400000\n");
    available_is("v2", 100000, 2500000);
    /* Used up, which does not make an outer group's larger rest count. */
    yk_temp_text("v2/sys/fs/cgroup/pod/memory.current", "9000000\n");
    available_is("v2", 1, 2500000);
}

static void groups_of_version_1_are_looked_up_by_their_line(void **state)
{
    (void)state;
    yk_temp_text("v1/proc/meminfo", "MemTotal: 8000 kB\nMemFree: 1 kB\nMemAvailable: 7000 kB\n");
    yk_temp_text("v1/proc/self/cgroup", "9:cpu:/other\n4:memory:/jobs/17\n0::/\n");
    yk_temp_text("v1/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    yk_temp_text("v1/sys/fs/cgroup/memory/jobs/17/memory.limit_in_bytes", "5000000\n");
    yk_temp_text("v1/sys/fs/cgroup/memory/jobs/17/memory.usage_in_bytes", "4000000\n");
    yk_temp_text("v1/sys/fs/cgroup/memory/jobs/17/memory.stat", "inactive_file 7\ntotal_inactive_file 1500000\n");
    available_is("v1", 2500000, 5000000);
    /* A container has the host's line and sees its own group at the mount. */
    yk_temp_text("v1/proc/self/cgroup", "4:memory:/docker/0123\n");
    yk_temp_text("v1/sys/fs/cgroup/memory/memory.limit_in_bytes", "6000000\n");
    yk_temp_text("v1/sys/fs/cgroup/memory/memory.usage_in_bytes", "1000000\n");
    available_is("v1", 5000000, 6000000);
}

static void more_groups_than_are_kept_do_no_harm(void **state)
{
    (void)state;
    char path[256] = "deep/sys/fs/cgroup", line[128] = "0::";
    for (int i = 0; i < 12; i++) {
        strcat(path, "/g");
        strcat(line, "/g");
        char name[300];
        snprintf(name, sizeof name, "%s/memory.max", path);
        yk_temp_text(name, "1000\n");
        snprintf(name, sizeof name, "%s/memory.current", path);
        yk_temp_text(name, "100\n");
    }
    yk_temp_text("deep/proc/self/cgroup", line);
    available_is("deep", 900, 1000);
    char longest[4000];
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "0::/", 4);
    longest[sizeof longest - 1] = '\0';
    yk_temp_text("deep/proc/self/cgroup", longest);
    available_is("deep", 0, 0);
}

/* Not by malloc(), which may keep what is freed. */
static char *touch(void)
{
    char *p = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    memset(p, 1, BLOCK);
    assert_true(((volatile char *)p)[BLOCK / 2] == 1);
    return p;
}

static void leave(char *p)
{
    munmap(p, BLOCK);
}

/* A kernel that allows it, and one that does not. */
static void a_peak_begins_anew(const char *clear_refs, bool allowed)
{
    uint64_t now, before, peak;
    leave(touch());
    yk_memory_usage(NULL, &before);
    assert_int_equal(yk_memory_restart_peak(clear_refs), allowed);
    yk_memory_usage(&now, &peak);
    assert_true(peak >= now);
    assert_true(peak + BLOCK / 2 < before);
    char *p = touch();
    yk_memory_usage(NULL, &peak);
    leave(p);
    assert_true(peak >= now + BLOCK / 2);
    yk_memory_usage(&now, NULL);
    yk_memory_usage(NULL, &before);
    assert_true(before >= now + BLOCK / 2);
}

static void the_peak_can_be_reset(void **state)
{
    (void)state;
    if (access("/proc/self/clear_refs", W_OK) != 0)
        YK_SKIP("/proc/self/clear_refs cannot be written here");
    a_peak_begins_anew("/proc/self/clear_refs", true);
    assert_ok(yolk_memory_reset_peak());
}

static void where_the_kernel_does_not_allow_it_the_peak_is_what_was_seen(void **state)
{
    (void)state;
    assert_false(yk_memory_restart_peak(yk_temp_path("no/such/file")));
    assert_int_equal(errno, ENOENT);
    a_peak_begins_anew(yk_temp_path("no/such/file"), false);
    /* Past the highest ever, the kernel's figure counts again: it has seen what nobody looked at. */
    uint64_t before, peak;
    char *more[4];
    yk_memory_usage(NULL, &before);
    for (int i = 0; i < 4; i++)
        more[i] = touch();
    for (int i = 0; i < 4; i++)
        leave(more[i]);
    yk_memory_usage(NULL, &peak);
    assert_true(peak >= before + 2 * (uint64_t)BLOCK);
}

static void a_child_has_its_own_figures(void **state)
{
    (void)state;
    uint64_t now;
    char *p = touch();
    yk_memory_usage(&now, NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        uint64_t own, peak;
        leave(p); /* more than half of what the parent has */
        yk_memory_usage(&own, NULL);
        bool good = own > 0 && own + BLOCK / 2 < now && yk_memory_available() > 0;
        yk_memory_usage(&own, &peak);
        _exit(good && peak >= own ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    leave(p);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *look(void *user)
{
    uint64_t *least = user;
    for (int i = 0; i < 300; i++) {
        uint64_t available = yk_memory_available(), now;
        yk_memory_usage(&now, NULL);
        *least = YK_MIN(*least, YK_MIN(available, now));
    }
    return NULL;
}

static void many_may_look_at_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    uint64_t least[4];
    for (int i = 0; i < 4; i++) {
        least[i] = UINT64_MAX;
        assert_int_equal(pthread_create(&threads[i], NULL, look, &least[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(least[i] > 0);
    }
}

static void all_figures_at_once(void **state)
{
    (void)state;
    yolk_memory m = {.limit = 77};
    yolk_memory_read(&m);
    assert_true(m.now > 0 && m.peak >= m.now && m.available > 0);
    assert_int_equal(m.limit, 0);
    assert_true(m.available <= yk_memory_total());
    yolk_memory_usage(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_known_is_zero_and_nothing_left_is_not),
        cmocka_unit_test(the_tightest_group_counts),
        cmocka_unit_test(groups_of_version_1_are_looked_up_by_their_line),
        cmocka_unit_test(more_groups_than_are_kept_do_no_harm),
        cmocka_unit_test(the_peak_can_be_reset),
        cmocka_unit_test(where_the_kernel_does_not_allow_it_the_peak_is_what_was_seen),
        cmocka_unit_test(a_child_has_its_own_figures),
        cmocka_unit_test(many_may_look_at_once),
        cmocka_unit_test(all_figures_at_once),
    };
    return cmocka_run_group_tests_name("memory", tests, yk_temp_make, yk_temp_remove);
}
