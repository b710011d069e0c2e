#include "base/machine.h"
#include "yk_temp.h"

static const bool all[8] = {true, true, true, true, true, true, true, true};

static void read_from(const char *root, int cpus, yk_machine *out)
{
    yk_machine_read(yk_temp_path(root), all, cpus, out);
}

static void this_machine_has_answers(void **state)
{
    (void)state;
    assert_true(yk_physical_cores() >= 1);
    assert_true(yk_physical_cores() <= sysconf(_SC_NPROCESSORS_CONF));
    assert_true(yk_memory_total() > 0);
    assert_true(yk_memory_available() > 0);
    assert_true(yk_memory_available() <= yk_memory_total());
    assert_non_null(yk_cpu_name());
    assert_non_null(yk_board_name());
}

static void nothing_known_is_one_core(void **state)
{
    (void)state;
    yk_machine m;
    const bool none[1] = {false};
    yk_machine_read(yk_temp_path("absent"), none, 1, &m);
    assert_int_equal(m.physical_cores, 1);
    assert_string_equal(m.cpu_name, "");
    assert_string_equal(m.board, "");
    assert_int_equal(m.memory_total, 0);
    assert_int_equal(m.memory_available, 0);
}

static void siblings_share_a_core(void **state)
{
    (void)state;
    const char *const siblings[] = {"0,2\n", "1,3\n", "0,2\n", "1,3\n", "4-5\n", "4-5\n"};
    char name[128];
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof name, "smt/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", i);
        yk_temp_text(name, siblings[i]);
    }
    yk_temp_text("smt/proc/cpuinfo", "processor\t: 0\nmodel name\t: Example CPU @ 2 GHz\nmodel name\t: other\n");
    yk_temp_text("smt/proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\nMemAvailable:    8192 kB\n");
    yk_machine m;
    read_from("smt", 6, &m);
    assert_int_equal(m.physical_cores, 3);
    assert_string_equal(m.cpu_name, "Example CPU @ 2 GHz");
    assert_int_equal(m.memory_total, 16384 * 1024);
    assert_int_equal(m.memory_available, 8192 * 1024);
    const bool some[4] = {true, false, true, false};
    yk_machine_read(yk_temp_path("smt"), some, 4, &m);
    assert_int_equal(m.physical_cores, 1);
}

static void a_board_names_the_processor(void **state)
{
    (void)state;
    const char model[] = "Raspberry Pi 5 Model B Rev 1.0";
    yk_temp_write("pi/proc/device-tree/model", model, sizeof model);
    yk_temp_text("pi/proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 108.00\n");
    yk_machine m;
    read_from("pi", 4, &m);
    assert_string_equal(m.board, model);
    assert_string_equal(m.cpu_name, model);
    assert_int_equal(m.physical_cores, 4);
}

static void a_control_group_limits(void **state)
{
    (void)state;
    yk_temp_text("v2/proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n");
    yk_temp_text("v2/proc/self/cgroup", "1:name=systemd:/x\n0::/user/job\n");
    yk_temp_text("v2/sys/fs/cgroup/user/job/cpu.max", "max 100000\n");
    yk_temp_text("v2/sys/fs/cgroup/user/job/memory.max", "max\n");
    yk_temp_text("v2/sys/fs/cgroup/user/cpu.max", "250000 100000\n");
    yk_temp_text("v2/sys/fs/cgroup/user/memory.max", "1000000\n");
    yk_temp_text("v2/sys/fs/cgroup/user/memory.current", "900000\n");
    yk_temp_text("v2/sys/fs/cgroup/user/memory.stat", "anon 5\ninactive_file 200000\nactive_file 9\n");
    yk_machine m;
    read_from("v2", 8, &m);
    assert_int_equal(m.physical_cores, 3);
    assert_int_equal(m.memory_total, 1000000);
    assert_int_equal(m.memory_available, 300000);
    /* Past its limit, or with figures that make no sense. */
    yk_temp_text("v2/sys/fs/cgroup/user/memory.current", "1900000\n");
    yk_temp_text("v2/sys/fs/cgroup/user/cpu.max", "-1 0\n");
    read_from("v2", 8, &m);
    assert_int_equal(m.memory_available, 1); /* 0 would be unknown */
    assert_int_equal(m.physical_cores, 8);
}

static void an_old_control_group_limits(void **state)
{
    (void)state;
    yk_temp_text("v1/proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n");
    yk_temp_text("v1/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
    yk_temp_text("v1/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    yk_temp_text("v1/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    yk_temp_text("v1/sys/fs/cgroup/memory/memory.usage_in_bytes", "4000000\n");
    yk_machine m;
    read_from("v1", 8, &m);
    assert_int_equal(m.physical_cores, 2);
    assert_int_equal(m.memory_total, 16777216ll * 1024);
    yk_temp_text("v1/sys/fs/cgroup/memory/memory.limit_in_bytes", "5000000\n");
    read_from("v1", 8, &m);
    assert_int_equal(m.memory_total, 5000000);
    assert_int_equal(m.memory_available, 1000000);
}

static void odd_files_are_unknown(void **state)
{
    (void)state;
    yk_temp_text("odd/proc/meminfo", "MemTotal\nMemTotalX: 7 kB\nMemTotal: many kB\n");
    yk_temp_text("odd/proc/cpuinfo", "");
    yk_temp_text("odd/proc/self/cgroup", "\n");
    yk_temp_text("odd/sys/fs/cgroup/memory.max", "0\n");
    yk_temp_text("odd/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "what\n");
    yk_machine m;
    read_from("odd", 2, &m);
    assert_int_equal(m.physical_cores, 2);
    assert_int_equal(m.memory_total, 0);
    char root[700];
    memset(root, 'r', sizeof root - 1);
    root[sizeof root - 1] = '\0';
    yk_machine_read(root, all, 2, &m);
    assert_int_equal(m.physical_cores, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_machine_has_answers), cmocka_unit_test(nothing_known_is_one_core),
        cmocka_unit_test(siblings_share_a_core),    cmocka_unit_test(a_board_names_the_processor),
        cmocka_unit_test(a_control_group_limits),   cmocka_unit_test(an_old_control_group_limits),
        cmocka_unit_test(odd_files_are_unknown),
    };
    return cmocka_run_group_tests_name("machine", tests, yk_temp_make, yk_temp_remove);
}
