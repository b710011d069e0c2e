/* SHA-256 by x86's SHA extensions, which compute two rounds an instruction: nearly six times as fast as plain C. */
#include "base/sha256.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#define SHA __attribute__((target("sha,sse4.1,ssse3"), always_inline)) static inline

/* The state as the instructions want it: (a, b, e, f) and (c, d, g, h), from the highest lane down. */
typedef struct rounds {
    __m128i abef, cdgh;
} rounds;

/* Four rounds with four words of the schedule. */
SHA void four_rounds(rounds *r, __m128i words, int first)
{
    __m128i k = _mm_add_epi32(words, _mm_loadu_si128((const __m128i *)&yk_sha256_constants[first]));
    r->cdgh = _mm_sha256rnds2_epu32(r->cdgh, r->abef, k);
    r->abef = _mm_sha256rnds2_epu32(r->abef, r->cdgh, _mm_shuffle_epi32(k, 0x0e));
}

/* The four words that follow the sixteen before them, w0 the oldest. */
SHA __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    return _mm_sha256msg2_epu32(sum, w3);
}

SHA __m128i load_words(const uint8_t *bytes)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)bytes), big_endian);
}

__attribute__((target("sha,sse4.1,ssse3"))) static void add_blocks(uint32_t state[8], const uint8_t *blocks,
                                                                   size_t count)
{
    const __m128i dcba = _mm_loadu_si128((const __m128i *)&state[0]);
    const __m128i hgfe = _mm_loadu_si128((const __m128i *)&state[4]);
    const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    rounds r = {_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0)};
    for (; count > 0; count--, blocks += 64) {
        const rounds before = r;
        __m128i w0 = load_words(blocks), w1 = load_words(blocks + 16);
        __m128i w2 = load_words(blocks + 32), w3 = load_words(blocks + 48);
        for (int i = 0; i < 48; i += 16) {
            four_rounds(&r, w0, i);
            w0 = next_words(w0, w1, w2, w3);
            four_rounds(&r, w1, i + 4);
            w1 = next_words(w1, w2, w3, w0);
            four_rounds(&r, w2, i + 8);
            w2 = next_words(w2, w3, w0, w1);
            four_rounds(&r, w3, i + 12);
            w3 = next_words(w3, w0, w1, w2);
        }
        four_rounds(&r, w0, 48);
        four_rounds(&r, w1, 52);
        four_rounds(&r, w2, 56);
        four_rounds(&r, w3, 60);
        r.abef = _mm_add_epi32(r.abef, before.abef);
        r.cdgh = _mm_add_epi32(r.cdgh, before.cdgh);
    }
    const __m128i feba = _mm_shuffle_epi32(r.abef, 0x1b), dchg = _mm_shuffle_epi32(r.cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)&state[0], _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)&state[4], _mm_alignr_epi8(dchg, feba, 8));
}

yk_sha256_fn yk_sha256_accelerated(void)
{
    unsigned a, b, c, d;
    const unsigned needed = bit_SSE4_1 | bit_SSSE3;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & needed) != needed)
        return NULL;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_SHA))
        return NULL;
    return add_blocks;
}

#else

yk_sha256_fn yk_sha256_accelerated(void)
{
    return NULL;
}

#endif
