/* What the programs of this folder share: which effect is to fail, and whether two are. */
#ifndef TESTS_TORTURE_TORTURE_H
#define TESTS_TORTURE_TORTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define TORTURE_NEVER UINT64_MAX

/* The effect with number `at`, from 1, goes wrong in the way `how`. */
struct torture_plan {
    uint64_t at;
    unsigned how;
};

/* Every pair of faults too, not only every single one: minutes instead of seconds. */
static inline bool torture_pairs(void)
{
    return getenv("TORTURE_PAIRS") != NULL;
}

#endif
