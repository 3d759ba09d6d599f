#include "common/clock_skew.h"

#include <sys/param.h>

void clock_skew_init(struct clock_skew *skew)
{
    *skew = (struct clock_skew){0};
}

static bool agree(const struct clock_skew_bounds *a, const struct clock_skew_bounds *b)
{
    return a->min_ms <= b->max_ms && b->min_ms <= a->max_ms;
}

static void narrow(struct clock_skew_bounds *bounds, const struct clock_skew_bounds *by)
{
    if (bounds->observations == 0) {
        *bounds = *by;
        return;
    }
    bounds->min_ms = MAX(bounds->min_ms, by->min_ms);
    bounds->max_ms = MIN(bounds->max_ms, by->max_ms);
    if (bounds->observations < UINT32_MAX)
        bounds->observations++;
}

void clock_skew_observe(struct clock_skew *skew, int64_t date_s, struct mono_ms sent,
                        struct mono_ms received)
{
    int64_t date_ms;
    if (received.ms < sent.ms || __builtin_mul_overflow(date_s, MS_PER_SECOND, &date_ms))
        return;
    /* Date was cut to a second, and so were our readings to a millisecond. */
    struct clock_skew_bounds seen = {
        .min_ms = time_sub(date_ms, received.ms) - 1,
        .max_ms = time_sub(date_ms, sent.ms) + MS_PER_SECOND,
        .observations = 1,
    };
    if (received.ms - skew->newer_since.ms >= CLOCK_SKEW_WINDOW_MS || skew->newer_since.ms == 0) {
        skew->older = skew->newer;
        skew->newer = (struct clock_skew_bounds){0};
        skew->newer_since = received;
    }
    bool contradicts = (skew->newer.observations > 0 && !agree(&skew->newer, &seen)) ||
                       (skew->older.observations > 0 && !agree(&skew->older, &seen));
    if (contradicts) { /* one of them is wrong: the newest counts, until it is alone no more */
        skew->older = (struct clock_skew_bounds){0};
        skew->newer = seen;
        return;
    }
    narrow(&skew->newer, &seen);
}

static struct clock_skew_bounds bounds_of(const struct clock_skew *skew)
{
    struct clock_skew_bounds bounds = skew->newer;
    if (skew->older.observations == 0)
        return bounds;
    if (bounds.observations == 0)
        return skew->older;
    bounds.min_ms = MAX(bounds.min_ms, skew->older.min_ms);
    bounds.max_ms = MIN(bounds.max_ms, skew->older.max_ms);
    bounds.observations += MIN(skew->older.observations, UINT32_MAX - bounds.observations);
    return bounds;
}

static int64_t round_down(int64_t ms)
{
    int64_t rest = ms % CLOCK_SKEW_ROUND_MS;
    return ms - (rest < 0 ? rest + CLOCK_SKEW_ROUND_MS : rest);
}

struct clock_skew_view clock_skew_view(const struct clock_skew *skew, struct now now)
{
    struct clock_skew_bounds bounds = bounds_of(skew);
    if (bounds.observations == 0)
        return (struct clock_skew_view){0};
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
