/* xoshiro256**, seeded by the shell from getrandom or by the simulator: jitter and shard choice,
 * never secrets. */
#ifndef COMMON_PRNG_H
#define COMMON_PRNG_H

#include <stdint.h>

struct prng {
    uint64_t s[4];
};

static inline void prng_init(struct prng *p, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        p->s[i] = z ^ (z >> 31);
    }
}

static inline uint64_t prng_rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static inline uint64_t prng_next(struct prng *p)
{
    uint64_t result = prng_rotate(p->s[1] * 5, 7) * 9;
    uint64_t t = p->s[1] << 17;
    p->s[2] ^= p->s[0];
    p->s[3] ^= p->s[1];
    p->s[1] ^= p->s[2];
    p->s[0] ^= p->s[3];
    p->s[2] ^= t;
    p->s[3] = prng_rotate(p->s[3], 45);
    return result;
}

/* 0 .. bound-1; bound > 0. */
static inline uint64_t prng_below(struct prng *p, uint64_t bound)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)(((wide)prng_next(p) * bound) >> 64);
}

#endif
