/* What is said when a GPU cannot be used or fails, by the numbers that CUDA gives. No GPU is needed. */
#include "backend/cuda/errors.h"

#include "base/base.h"
#include "yk_test.h"

static const char *missing(int error, const char *text, int driver)
{
    static char reason[512];
    yk_cuda_say_missing(error, text, driver, 13000, reason, sizeof reason);
    return reason;
}

static void a_machine_without_a_usable_gpu_is_told_why(void **state)
{
    (void)state;
    assert_string_equal(missing(35, "CUDA driver version is insufficient", 0),
                        "there is no NVIDIA driver here (libcuda.so.1)");
    assert_string_equal(missing(34, "stub", 13000), "there is no NVIDIA driver here (libcuda.so.1)");
    assert_string_equal(missing(35, "CUDA driver version is insufficient", 12040),
                        "the NVIDIA driver is too old: it knows CUDA 12.4, and CUDA 13.0 is needed: update it");
    assert_string_equal(
        missing(803, "system has unsupported display driver", 13000),
        "the NVIDIA driver does not fit (system has unsupported display driver): update it, and restart "
        "the machine when that was done just now");
    assert_string_equal(missing(100, "no CUDA-capable device is detected", 13000), "the NVIDIA driver finds no GPU");
    assert_string_equal(missing(0, "no error", 13000), "the NVIDIA driver finds no GPU");
    assert_string_equal(
        missing(802, "system not yet initialized", 13000),
        "the NVIDIA driver is not ready (system not yet initialized): is nvidia-fabricmanager running?");
    assert_string_equal(missing(999, "unknown error", 13000), "the NVIDIA driver does not start: unknown error");
}

static void a_gpu_that_is_too_old_is_named(void **state)
{
    (void)state;
    char reason[256];
    yk_cuda_say_too_old("Tesla T4", 7, 5, reason, sizeof reason);
    assert_string_equal(reason, "Tesla T4 has compute capability 7.5, and the kernels need 8.0 or more (Ampere)");
    yk_cuda_say_too_old("NVIDIA A100", 8, 0, reason, sizeof reason);
    assert_string_equal(reason, "");
    yk_cuda_say_too_old("NVIDIA GeForce RTX 5090", 12, 0, reason, sizeof reason);
    assert_string_equal(reason, "");
}

static void short_of_memory_is_no_loss(void **state)
{
    (void)state;
    assert_ok(yk_cuda_fail(0, "no error", "weights"));
    assert_fails(yk_cuda_fail(2, "out of memory", "weights"), YOLK_ERROR_OUT_OF_MEMORY,
                 "weights: the GPU has not enough free memory; a smaller --batch takes less");
}

/* After these nothing more runs in this process: frames under way go to other devices. */
static void a_gpu_that_is_lost_is_lost(void **state)
{
    (void)state;
    static const int lost[] = {46, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 911};
    for (size_t i = 0; i < YK_COUNT(lost); i++)
        assert_fails(yk_cuda_fail(lost[i], "it broke", "the network could not be run"), YOLK_ERROR_DEVICE_LOST,
                     "the network could not be run: the GPU is lost to this process (it broke): start the program "
                     "again");
}

static void other_faults_say_what_to_do(void **state)
{
    (void)state;
    static const int no_code[] = {98, 209, 221};
    for (size_t i = 0; i < YK_COUNT(no_code); i++)
        assert_fails(yk_cuda_fail(no_code[i], "no kernel image", "layer 3"), YOLK_ERROR_BACKEND,
                     "layer 3: this yolk was built without kernels for this GPU's compute capability: build it with "
                     "-DYOLK_CUDA_ARCHS=native");
    static const int old[] = {35, 36, 222, 804};
    for (size_t i = 0; i < YK_COUNT(old); i++)
        assert_fails(yk_cuda_fail(old[i], "newer needed", "a stream"), YOLK_ERROR_BACKEND,
                     "a stream: the NVIDIA driver is too old (newer needed): update it");
    assert_fails(yk_cuda_fail(1, "invalid argument", "a graph"), YOLK_ERROR_BACKEND, "a graph: invalid argument");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_without_a_usable_gpu_is_told_why),
        cmocka_unit_test(a_gpu_that_is_too_old_is_named),
        cmocka_unit_test(short_of_memory_is_no_loss),
        cmocka_unit_test(a_gpu_that_is_lost_is_lost),
        cmocka_unit_test(other_faults_say_what_to_do),
    };
    return cmocka_run_group_tests_name("cuda_errors", tests, NULL, NULL);
}
