/* A streaming histogram of milliseconds: exact to 64 ms, to 1 part in 32 above. */
#ifndef TESTS_LOAD_HISTOGRAM_H
#define TESTS_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 704 /* up to 18 hours; what is above counts in the last */

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    int64_t max_ms;
};

void histogram_add(struct histogram *h, int64_t ms); /* negative counts as 0 */
/* The value that `per_100k` of 100,000 are not above; 0 if empty. */
int64_t histogram_percentile(const struct histogram *h, unsigned per_100k);

#endif
