/* The ways to compute SHA-256 agree. */
#include "base/sha256.h"
#include "yk_test.h"

static void ways_agree(void **state)
{
    (void)state;
    enum { MOST = 9 };
    yk_sha256_fn plain = yk_sha256_plain(), fast = yk_sha256_accelerated();
    uint8_t bytes[MOST * 64 + 1];
    uint32_t seed = 1;
    if (!fast)
        YK_SKIP("this processor has no instructions for SHA-256");
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
        for (size_t blocks = 0; blocks <= MOST; blocks++) {
            uint32_t a[8], b[8];
            for (int i = 0; i < 8; i++)
                a[i] = b[i] = seed = seed * 1664525 + 1013904223;
            plain(a, bytes + round % 2, blocks); /* unaligned, too */
            fast(b, bytes + round % 2, blocks);
            assert_memory_equal(a, b, sizeof a);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ways_agree)};
    return cmocka_run_group_tests_name("sha256", tests, NULL, NULL);
}
