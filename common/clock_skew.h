/* What the Date headers of answers say about the host's clock. Pure.
 *
 * Date has whole seconds and was written between sending and receiving, so each answer gives bounds
 * of (true time - monotonic clock), and all together narrow ones. They are kept against the
 * monotonic clock, which does not jump: when the wall clock is stepped, by an operator or by us,
 * what is known stays true. It may drift, though: old bounds widen with time, which is how
 * observations age out. */
#ifndef COMMON_CLOCK_SKEW_H
#define COMMON_CLOCK_SKEW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/timeval.h"

#define CLOCK_SKEW_LARGE_MS  3000 /* beyond this, for certain, due times are corrected */
#define CLOCK_SKEW_DRIFT_MS  2000 /* bounds widen by 1 ms each so many: 500 ppm, what NTP slews */
#define CLOCK_SKEW_AGREE_MIN 2    /* answers that must agree before anything is corrected */
#define CLOCK_SKEW_ROUND_MS  100  /* corrections are multiples, so that they do not jitter */

struct clock_skew {
    uint32_t observations; /* that agree; 0: nothing is known */
    int64_t min_ms;        /* of (true - monotonic), both included */
    int64_t max_ms;
    struct mono_ms widened_at;
};

struct clock_skew_view {
    bool known;
    int64_t offset_min_ms; /* of (true - host's wall clock) */
    int64_t offset_max_ms;
    /* To add to the host's wall clock for judging due times: 0, or, if it is off by more than
     * CLOCK_SKEW_LARGE_MS for certain, as much as never makes it run ahead of true time. */
    int64_t correction_ms;
};

void clock_skew_init(struct clock_skew *skew); /* all zero does as well */

/* date_s: epoch seconds of an answer; the request was sent and the answer was there at these. */
void clock_skew_observe(struct clock_skew *skew, int64_t date_s, struct mono_ms sent,
                        struct mono_ms received);

/* now.wall is the host's own clock, without any correction. */
struct clock_skew_view clock_skew_view(const struct clock_skew *skew, struct now now);

/* The time to sign with: the given wall clock if it may be right, else the middle of what true time
 * can be. */
int64_t clock_skew_signing_ms(const struct clock_skew *skew, struct now now);

#endif
