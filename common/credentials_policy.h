/* When credentials are refreshed, and what is done with the old ones meanwhile. Decisions only: no
 * I/O, no clock, no heap.
 *
 * Keys are refreshed from 15 minutes before they expire, urgently from 10 minutes before; keys that
 * live shorter, from half and two thirds of their life. One refresh at a time. Old keys are used
 * until shortly before they expire, whatever becomes of the refresh, unless the server has refused
 * them. */
#ifndef COMMON_CREDENTIALS_POLICY_H
#define COMMON_CREDENTIALS_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/prng.h"
#include "common/timeval.h"

struct credentials_policy {
    int64_t due_wall_ms;    /* a refresh should begin */
    int64_t urgent_wall_ms; /* and callers that can wait should wait for it */
    int64_t end_wall_ms;    /* the keys are not given out any more */
    int64_t retry_mono_ms;  /* no refresh begins before */
    int64_t refuse_mono_ms; /* the next refusal by a server counts from here on */
    unsigned failures;      /* refreshes in a row */
    unsigned refusals;      /* by a server, in a row */
    bool has_keys;
    bool refused;
    bool refreshing;
    struct prng random;
};

void credentials_policy_init(struct credentials_policy *p, uint64_t seed);

/* The keys may be signed with. */
bool credentials_policy_usable(const struct credentials_policy *p, struct now now);
/* They may be, but who can wait for a refresh that is under way should. */
bool credentials_policy_urgent(const struct credentials_policy *p, struct now now);

/* True once: begin a refresh, which ends in succeeded or failed. */
bool credentials_policy_begin(struct credentials_policy *p, struct now now);
/* expires_ms is later than now; TIME_NEVER: never. */
void credentials_policy_succeeded(struct credentials_policy *p, int64_t expires_ms, struct now now);
void credentials_policy_failed(struct credentials_policy *p, struct now now);

/* Until when keys are tried that had expired already when their endpoint handed them out: it cannot
 * get new ones, which AWS bears with, or this host's clock is ahead. Some other while each time, so
 * that a fleet does not ask as one. */
int64_t credentials_policy_trial_end(struct credentials_policy *p, struct now now);

/* A server said that the keys are expired or unknown. They are not usable until a refresh has
 * succeeded, and that begins at once; but keys that are refused again and again (a disabled user)
 * are not refreshed at every request. */
void credentials_policy_refused(struct credentials_policy *p, struct now now);

#endif
