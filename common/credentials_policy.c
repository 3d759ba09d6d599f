#include "common/credentials_policy.h"

#define DUE_BEFORE_MS    (15 * MS_PER_MINUTE)
#define URGENT_BEFORE_MS (10 * MS_PER_MINUTE)
#define END_BEFORE_MS    (2 * MS_PER_SECOND) /* a request on its way must still find them valid */

#define TRIAL_MS_MIN (17 * MS_PER_MINUTE)
#define TRIAL_MS_MAX (25 * MS_PER_MINUTE)

#define BACKOFF_FIRST_MS      INT64_C(1000)
#define BACKOFF_MS_MAX        (60 * MS_PER_SECOND)
#define BACKOFF_URGENT_MS_MAX (10 * MS_PER_SECOND)
/* An endpoint that gives the same keys until they expire is not asked more often than this. */
#define REFRESH_GAP_MS     INT64_C(250)
#define REFUSALS_FORGET_MS (5 * MS_PER_MINUTE)

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void credentials_policy_init(struct credentials_policy *p, uint64_t seed)
{
    *p = (struct credentials_policy){.retry_mono_ms = INT64_MIN, .refuse_mono_ms = INT64_MIN};
    prng_init(&p->random, seed);
}

bool credentials_policy_usable(const struct credentials_policy *p, struct now now)
{
    return p->has_keys && !p->refused && now.wall.ms < p->end_wall_ms;
}

bool credentials_policy_urgent(const struct credentials_policy *p, struct now now)
{
    return !credentials_policy_usable(p, now) || now.wall.ms >= p->urgent_wall_ms;
}

bool credentials_policy_begin(struct credentials_policy *p, struct now now)
{
    bool due = !credentials_policy_usable(p, now) || now.wall.ms >= p->due_wall_ms;
    if (p->refreshing || !due || now.mono.ms < p->retry_mono_ms)
        return false;
    p->refreshing = true;
    return true;
}

void credentials_policy_succeeded(struct credentials_policy *p, int64_t expires_ms, struct now now)
{
    int64_t life = expires_ms == TIME_NEVER ? TIME_NEVER : time_sub(expires_ms, now.wall.ms);
    p->due_wall_ms = TIME_NEVER;
    p->urgent_wall_ms = TIME_NEVER;
    p->end_wall_ms = TIME_NEVER;
    if (expires_ms != TIME_NEVER) {
        p->due_wall_ms = expires_ms - least(DUE_BEFORE_MS, life / 2);
        p->urgent_wall_ms = expires_ms - least(URGENT_BEFORE_MS, life / 3);
        p->end_wall_ms = expires_ms - least(END_BEFORE_MS, life / 8);
    }
    p->retry_mono_ms = time_add(now.mono.ms, REFRESH_GAP_MS);
    p->has_keys = true;
    p->refused = false;
    p->failures = 0;
    p->refreshing = false;
}

/* Doubles with every time, between half and all of it. */
static int64_t backoff_ms(struct credentials_policy *p, unsigned times, int64_t max)
{
    int64_t full = times >= 16 ? max : least(max, BACKOFF_FIRST_MS << times);
    return full / 2 + (int64_t)prng_below(&p->random, (uint64_t)(full / 2 + 1));
}

void credentials_policy_failed(struct credentials_policy *p, struct now now)
{
    bool urgent = credentials_policy_urgent(p, now);
    int64_t delay = backoff_ms(p, p->failures, urgent ? BACKOFF_URGENT_MS_MAX : BACKOFF_MS_MAX);
    if (credentials_policy_usable(p, now)) {
        /* Several more tries while the old keys last, however short that is. */
        int64_t left = time_sub(p->end_wall_ms, now.wall.ms);
        delay = least(delay, most(left / 2, REFRESH_GAP_MS));
    }
    p->retry_mono_ms = time_add(now.mono.ms, delay);
    p->failures++;
    p->refreshing = false;
}

int64_t credentials_policy_trial_end(struct credentials_policy *p, struct now now)
{
    uint64_t jitter_ms = prng_below(&p->random, TRIAL_MS_MAX - TRIAL_MS_MIN + 1);
    return time_add(now.wall.ms, TRIAL_MS_MIN + (int64_t)jitter_ms);
}

void credentials_policy_refused(struct credentials_policy *p, struct now now)
{
    if (!p->has_keys || p->refused || now.mono.ms < p->refuse_mono_ms)
        return;
    if (now.mono.ms > time_add(p->refuse_mono_ms, REFUSALS_FORGET_MS))
        p->refusals = 0;
    p->refuse_mono_ms = time_add(now.mono.ms, backoff_ms(p, p->refusals, BACKOFF_MS_MAX));
    p->refusals++;
    p->refused = true;
    p->retry_mono_ms = now.mono.ms;
}
