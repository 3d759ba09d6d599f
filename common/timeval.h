/* Two kinds of time that must not be mixed. Monotonic: time-outs and elapsed time; it also runs
 * while the host is suspended. Wall: due times, epoch milliseconds, corrected when the host's clock
 * is known to be wrong (clock_skew.h). Both are read in loop.c, once a turn, and are arguments
 * everywhere else. */
#ifndef COMMON_TIMEVAL_H
#define COMMON_TIMEVAL_H

#include <stdint.h>

struct mono_ms {
    int64_t ms;
};

struct wall_ms {
    int64_t ms;
};

struct now {
    struct mono_ms mono;
    struct wall_ms wall;
};

#define TIME_NEVER INT64_MAX

/* When a core next wants to run; TIME_NEVER in both: it waits for events only. */
struct deadline {
    struct mono_ms mono;
    struct wall_ms wall;
};

#define DEADLINE_NEVER ((struct deadline){{TIME_NEVER}, {TIME_NEVER}})

/* Saturates at both ends; TIME_NEVER plus anything stays TIME_NEVER. */
static inline int64_t time_add(int64_t a, int64_t b)
{
    int64_t sum;
    if (a == TIME_NEVER || b == TIME_NEVER)
        return TIME_NEVER;
    if (__builtin_add_overflow(a, b, &sum))
        return a > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

static inline int64_t time_sub(int64_t a, int64_t b)
{
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference))
        return a > b ? INT64_MAX : INT64_MIN;
    return difference;
}

static inline struct mono_ms mono_add(struct mono_ms a, int64_t ms)
{
    return (struct mono_ms){time_add(a.ms, ms)};
}

static inline struct wall_ms wall_add(struct wall_ms a, int64_t ms)
{
    return (struct wall_ms){time_add(a.ms, ms)};
}

#define MS_PER_SECOND INT64_C(1000)
#define MS_PER_MINUTE (60 * MS_PER_SECOND)
#define MS_PER_HOUR   (60 * MS_PER_MINUTE)
#define MS_PER_DAY    (24 * MS_PER_HOUR)

#endif
