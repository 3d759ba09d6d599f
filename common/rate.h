/* The client-side rate of the SDKs' adaptive retry mode: a token bucket that is open until the
 * first throttle, falls to 0.7 of the measured rate at each, and grows back along a cubic. Pure.
 * After RATE_FORGET_MS without a throttle it is open again. */
#ifndef COMMON_RATE_H
#define COMMON_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/timeval.h"

#define RATE_FORGET_MS 60000
/* A spare call goes at least this often, so that whatever the others do, something comes in. */
#define RATE_SPARE_PATIENCE_MS 1000

/* Who goes first where calls have to wait. */
enum rate_class {
    RATE_ORDINARY, /* in the order in which they come */
    RATE_URGENT,   /* ahead of those, by up to a second's worth of calls; they wait for it */
    RATE_SPARE, /* only while a quarter of a second's worth is left for the others; never waits */
};

struct rate {
    double least_per_s;
    bool limits;
    double fill_per_s;
    double capacity;
    double tokens; /* below zero: promised to calls that wait already */
    struct mono_ms filled_at;
    struct mono_ms spare_asks_since; /* TIME_NEVER: none has been sent away since one went */

    double measured_per_s; /* smoothed over half seconds */
    int64_t bucket;        /* the half second being counted */
    uint64_t bucket_calls;

    double highest_per_s; /* at the last throttle */
    double recovery_s;    /* from a throttle to growing past highest_per_s */
    struct mono_ms throttled_at;
};

/* least_per_s: never limited below this; the SDKs take 0.5. */
void rate_init(struct rate *rate, double least_per_s, struct mono_ms now);

/* How long a call that came now would wait; 0: not at all. A spare call: how long until one may
 * go, if no other call comes. */
int64_t rate_wait_ms(const struct rate *rate, enum rate_class class, struct mono_ms now);

/* Takes the place of one call and gives the time to wait before it may go out. A spare call for
 * which that is not 0 has no place and must not go: it may ask again after that time. */
int64_t rate_take(struct rate *rate, enum rate_class class, struct mono_ms now);

/* An answer came. */
void rate_update(struct rate *rate, bool throttled, struct mono_ms now);
/* An answer that was counted as good turns out to say that part of it was throttled. */
void rate_throttle(struct rate *rate, struct mono_ms now);

#endif
