#include "common/clock_skew.h"

#include <sys/param.h>

void clock_skew_init(struct clock_skew *skew)
{
    *skew = (struct clock_skew){0};
}

static void widen(struct clock_skew *skew, struct mono_ms now)
{
    int64_t steps = (now.ms - skew->widened_at.ms) / CLOCK_SKEW_DRIFT_MS;
    if (steps <= 0)
        return;
    skew->min_ms = time_sub(skew->min_ms, steps);
    skew->max_ms = time_add(skew->max_ms, steps);
    skew->widened_at.ms += steps * CLOCK_SKEW_DRIFT_MS;
}

void clock_skew_observe(struct clock_skew *skew, int64_t date_s, struct mono_ms sent,
                        struct mono_ms received)
{
    int64_t date_ms;
    if (received.ms < sent.ms || __builtin_mul_overflow(date_s, MS_PER_SECOND, &date_ms))
        return;
    /* Date was cut to a second, and so were our readings to a millisecond. */
    int64_t min_ms = time_sub(date_ms, received.ms) - 1;
    int64_t max_ms = time_add(time_sub(date_ms, sent.ms), MS_PER_SECOND);
    widen(skew, received);
    if (skew->observations == 0 || min_ms > skew->max_ms || max_ms < skew->min_ms) {
        /* The first, or one that contradicts the others: the newest counts, and convinces once
         * another agrees. */
        *skew = (struct clock_skew){1, min_ms, max_ms, received};
        return;
    }
    skew->min_ms = MAX(skew->min_ms, min_ms);
    skew->max_ms = MIN(skew->max_ms, max_ms);
    if (skew->observations < UINT32_MAX)
        skew->observations++;
}

static int64_t round_down(int64_t ms)
{
    int64_t rest = ms % CLOCK_SKEW_ROUND_MS;
    return ms - (rest < 0 ? rest + CLOCK_SKEW_ROUND_MS : rest);
}

struct clock_skew_view clock_skew_view(const struct clock_skew *skew, struct now now)
{
    struct clock_skew bounds = *skew;
    if (bounds.observations == 0)
        return (struct clock_skew_view){0};
    widen(&bounds, now.mono);
    int64_t local_ms = time_sub(now.wall.ms, now.mono.ms);
    struct clock_skew_view view = {
        .known = true,
        .offset_min_ms = time_sub(bounds.min_ms, local_ms),
        .offset_max_ms = time_sub(bounds.max_ms, local_ms),
    };
    bool large =
        view.offset_min_ms > CLOCK_SKEW_LARGE_MS || view.offset_max_ms < -CLOCK_SKEW_LARGE_MS;
    if (large && bounds.observations >= CLOCK_SKEW_AGREE_MIN)
        view.correction_ms = round_down(view.offset_min_ms);
    return view;
}

int64_t clock_skew_signing_ms(const struct clock_skew *skew, struct now now)
{
    struct clock_skew_view view = clock_skew_view(skew, now);
    if (!view.known || (view.offset_min_ms <= 0 && view.offset_max_ms >= 0))
        return now.wall.ms;
    int64_t middle_ms = view.offset_min_ms + (view.offset_max_ms - view.offset_min_ms) / 2;
    return time_add(now.wall.ms, middle_ms);
}
