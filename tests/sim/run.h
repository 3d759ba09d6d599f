/* One seed from its beginning to its end. */
#ifndef TESTS_SIM_RUN_H
#define TESTS_SIM_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct run_result {
    bool failed;
    char failure[512];
    uint64_t digest;
    uint64_t events;
    uint32_t records;
    uint64_t duplicates;
    uint64_t inversions; /* records that came out after one that was due later */
    uint64_t dead_letters;
    int64_t virtual_ms;
    int64_t worst_late_ms;
};

void run_seed(uint64_t seed, bool tracing, struct run_result *ret);

#endif
