#include "common/rate.h"

#include "common/check.h"

#define BETA         0.7 /* what a throttle leaves of the rate */
#define SCALE        0.4 /* how steeply it grows back */
#define SMOOTH       0.8 /* weight of the newest half second */
#define CAPACITY_MIN 1.0
#define BUCKET_MS    500

void rate_init(struct rate *rate, double least_per_s, struct mono_ms now)
{
    *rate = (struct rate){
        .least_per_s = least_per_s,
        .filled_at = now,
        .spare_asks_since = {TIME_NEVER},
        .bucket = now.ms / BUCKET_MS,
        .throttled_at = now,
    };
}

/* By Newton's method: libm would be a whole library for one root. x >= 0. */
static double cube_root(double x)
{
    if (x <= 0)
        return 0;
    double root = x > 1 ? x : 1;
    for (int i = 0; i < 200; i++) {
        double next = (2 * root + x / (root * root)) / 3;
        if (next >= root)
            break;
        root = next;
    }
    return root;
}

static double seconds(struct mono_ms from, struct mono_ms to)
{
    return to.ms > from.ms ? (double)(to.ms - from.ms) / 1000 : 0;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double tokens_at(const struct rate *rate, struct mono_ms now)
{
    return smaller(rate->capacity, rate->tokens + rate->fill_per_s * seconds(rate->filled_at, now));
}

/* What the bucket must hold before a call of this class takes its token. */
static double tokens_wanted(const struct rate *rate, enum rate_class class)
{
    switch (class) {
    case RATE_ORDINARY:
        return 1;
    case RATE_URGENT:
        return 1 - rate->capacity;
    case RATE_SPARE:
        return 1 + (rate->capacity - 1) / 4;
    }
    UNREACHABLE();
}

int64_t rate_wait_ms(const struct rate *rate, enum rate_class class, struct mono_ms now)
{
    if (!rate->limits)
        return 0;
    double missing = tokens_wanted(rate, class) - tokens_at(rate, now);
    if (missing <= 0)
        return 0;
    int64_t wait_ms = (int64_t)(missing / rate->fill_per_s * 1000) + 1;
    if (class != RATE_SPARE || rate->spare_asks_since.ms == TIME_NEVER)
        return wait_ms;
    int64_t patience_ends = time_add(rate->spare_asks_since.ms, RATE_SPARE_PATIENCE_MS);
    return MIN(wait_ms, MAX(time_sub(patience_ends, now.ms), 0));
}

static void refill(struct rate *rate, struct mono_ms now)
{
    rate->tokens = tokens_at(rate, now);
    rate->filled_at = now;
}

int64_t rate_take(struct rate *rate, enum rate_class class, struct mono_ms now)
{
    if (!rate->limits)
        return 0;
    int64_t wait_ms = rate_wait_ms(rate, class, now);
    if (class == RATE_SPARE) {
        if (wait_ms > 0) {
            rate->spare_asks_since.ms = MIN(rate->spare_asks_since.ms, now.ms);
            return wait_ms;
        }
        rate->spare_asks_since.ms = TIME_NEVER;
    }
    refill(rate, now);
    rate->tokens -= 1;
    return wait_ms;
}

/* The half second that is being counted speaks too: at the very first throttle nothing else does,
 * and the rate would fall to its minimum whatever it was. */
static double recent_per_s(const struct rate *rate)
{
    return larger(rate->measured_per_s, (double)rate->bucket_calls * 1000 / BUCKET_MS);
}

static void measure(struct rate *rate, struct mono_ms now)
{
    int64_t bucket = now.ms / BUCKET_MS;
    rate->bucket_calls++;
    if (bucket <= rate->bucket)
        return;
    double span_s = (double)(bucket - rate->bucket) * BUCKET_MS / 1000;
    double newest_per_s = (double)rate->bucket_calls / span_s;
    rate->measured_per_s = newest_per_s * SMOOTH + rate->measured_per_s * (1 - SMOOTH);
    rate->bucket_calls = 0;
    rate->bucket = bucket;
}

static void set_rate(struct rate *rate, double per_s, struct mono_ms now)
{
    refill(rate, now);
    rate->fill_per_s = larger(per_s, rate->least_per_s);
    rate->capacity = larger(rate->fill_per_s, CAPACITY_MIN);
    rate->tokens = smaller(rate->tokens, rate->capacity);
}

void rate_throttle(struct rate *rate, struct mono_ms now)
{
    double used_per_s = recent_per_s(rate);
    if (rate->limits)
        used_per_s = smaller(used_per_s, rate->fill_per_s);
    rate->highest_per_s = used_per_s;
    rate->recovery_s = cube_root(used_per_s * (1 - BETA) / SCALE);
    rate->throttled_at = now;
    rate->limits = true;
    set_rate(rate, used_per_s * BETA, now);
}

void rate_update(struct rate *rate, bool throttled, struct mono_ms now)
{
    measure(rate, now);
    if (throttled) {
        rate_throttle(rate, now);
        return;
    }
    if (!rate->limits)
        return;
    if (now.ms - rate->throttled_at.ms >= RATE_FORGET_MS) {
        rate->limits = false;
        rate->tokens = 0;
        return;
    }
    double past_s = seconds(rate->throttled_at, now) - rate->recovery_s;
    double grown_per_s = SCALE * past_s * past_s * past_s + rate->highest_per_s;
    set_rate(rate, smaller(grown_per_s, 2 * recent_per_s(rate)), now);
}
