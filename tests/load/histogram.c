#include "tests/load/histogram.h"

#define LINEAR_MS   64
#define SUB_BUCKETS 32

static unsigned bucket_of(int64_t ms)
{
    if (ms < LINEAR_MS)
        return (unsigned)ms;
    unsigned octave = 63U - (unsigned)__builtin_clzll((unsigned long long)ms); /* >= 6 */
    unsigned sub = (unsigned)((ms >> (octave - 5)) & (SUB_BUCKETS - 1));
    unsigned bucket = LINEAR_MS + (octave - 6) * SUB_BUCKETS + sub;
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value of the bucket. */
static int64_t upper_ms(unsigned bucket)
{
    if (bucket < LINEAR_MS)
        return bucket;
    unsigned octave = 6 + (bucket - LINEAR_MS) / SUB_BUCKETS;
    int64_t sub = (bucket - LINEAR_MS) % SUB_BUCKETS;
    return ((SUB_BUCKETS + sub + 1) << (octave - 5)) - 1;
}

void histogram_add(struct histogram *h, int64_t ms)
{
    if (ms < 0)
        ms = 0;
    h->counts[bucket_of(ms)]++;
    h->total++;
    if (ms > h->max_ms)
        h->max_ms = ms;
}

int64_t histogram_percentile(const struct histogram *h, unsigned per_100k)
{
    uint64_t wanted = (h->total * per_100k + 99999) / 100000;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= wanted && seen > 0)
            return upper_ms(i) < h->max_ms ? upper_ms(i) : h->max_ms;
    }
    return h->max_ms;
}
