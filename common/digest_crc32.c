/* CRC-32 by carry-less multiplication where the processor has it, else by zlib: 0.1 ns a byte
 * instead of 0.35, 4 % of a scheduler's CPU, since DynamoDB's answers have a checksum. */
#include <zlib.h>

#include "common/digest.h"

#if defined(__x86_64__)

#include <smmintrin.h>
#include <string.h>
#include <wmmintrin.h>

#define STRIDE     ((size_t)16)
#define FOLDED_MIN (4 * STRIDE)
#define WITH_CLMUL __attribute__((target("pclmul,sse4.1")))

/* Bytes are a polynomial over GF(2), the first byte's lowest bit its highest power; the CRC is its
 * remainder by the CRC's own. x may be replaced by what is congruent: a stride that lies n bits
 * before another is multiplied by x^(n+32) and x^(n-32), its halves apart, and added to it. These
 * are the remainders of those powers, bits reversed as the bytes' are. (Gopal et al., Fast CRC
 * Computation for Generic Polynomials Using PCLMULQDQ Instruction, Intel 2009.) */
#define POWERS_512 _mm_set_epi64x(0x1c6e41596, 0x154442bd4)
#define POWERS_128 _mm_set_epi64x(0x0ccaa009e, 0x1751997d0)
#define POWER_64   _mm_set_epi64x(0, 0x163cd6124)
/* Barrett's reduction: the polynomial itself, and the quotient of x^64 by it. */
#define REDUCTION _mm_set_epi64x(0x1f7011641, 0x1db710641)

static WITH_CLMUL __m128i load(const uint8_t *at)
{
    __m128i stride;
    memcpy(&stride, at, sizeof(stride));
    return stride;
}

static WITH_CLMUL __m128i fold(__m128i before, __m128i powers, __m128i stride)
{
    return _mm_clmulepi64_si128(before, powers, 0x00) ^ _mm_clmulepi64_si128(before, powers, 0x11) ^
           stride;
}

/* 128 bits to the 32 of the remainder. */
static WITH_CLMUL uint32_t reduce(__m128i x)
{
    const __m128i low_words = _mm_set_epi32(0, -1, 0, -1);
    x = _mm_clmulepi64_si128(x, POWERS_128, 0x10) ^ _mm_srli_si128(x, 8);
    x = _mm_clmulepi64_si128(x & low_words, POWER_64, 0x00) ^ _mm_srli_si128(x, 4);
    __m128i quotient = _mm_clmulepi64_si128(x & low_words, REDUCTION, 0x10);
    x ^= _mm_clmulepi64_si128(quotient & low_words, REDUCTION, 0x00);
    return (uint32_t)_mm_extract_epi32(x, 1);
}

/* Of whole strides, four at least. Four sums go side by side, since each step waits for the one
 * before. */
static WITH_CLMUL uint32_t crc32_of_strides(uint32_t crc, const uint8_t *at, size_t strides)
{
    __m128i sums[4];
    for (size_t i = 0; i < 4; i++)
        sums[i] = load(at + i * STRIDE);
    sums[0] ^= _mm_cvtsi32_si128((int)~crc);
    at += 4 * STRIDE;
    strides -= 4;
    for (; strides >= 4; strides -= 4, at += 4 * STRIDE)
        for (size_t i = 0; i < 4; i++)
            sums[i] = fold(sums[i], POWERS_512, load(at + i * STRIDE));
    __m128i sum = sums[0];
    for (size_t i = 1; i < 4; i++)
        sum = fold(sum, POWERS_128, sums[i]);
    for (; strides > 0; strides--, at += STRIDE)
        sum = fold(sum, POWERS_128, load(at));
    return ~reduce(sum);
}

static uint32_t crc32_of_most(uint32_t crc, struct slice *data)
{
    size_t strides = data->len / STRIDE;
    if (data->len < FOLDED_MIN || !__builtin_cpu_supports("pclmul") ||
        !__builtin_cpu_supports("sse4.1"))
        return crc;
    crc = crc32_of_strides(crc, data->ptr, strides);
    *data = slice_from(data->ptr + strides * STRIDE, data->len % STRIDE);
    return crc;
}

#else

static uint32_t crc32_of_most(uint32_t crc, struct slice *data)
{
    (void)data;
    return crc;
}

#endif

uint32_t digest_crc32(uint32_t crc, struct slice data)
{
    crc = crc32_of_most(crc, &data);
    return (uint32_t)crc32_z(crc, data.ptr == NULL ? (const uint8_t *)"" : data.ptr, data.len);
}
