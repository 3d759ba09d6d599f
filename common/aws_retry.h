/* The AWS SDKs' standard retry mode: attempts, delays and the quota that all calls of a client
 * share. Pure: time and randomness are arguments. The rules are those announced as default for
 * 2026; aws_retry_standard_2025 is what SDKs did before.
 *
 * A caller that decides about each attempt itself (the delay may be another by then) draws with
 * aws_retry_draw. Its work is never given up, so an empty quota must not stop it for ever: one
 * probe every AWS_RETRY_PROBE_INTERVAL_MS goes out without paying, and its success refills. */
#ifndef COMMON_AWS_RETRY_H
#define COMMON_AWS_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/compiler.h"
#include "common/timeval.h"

#define AWS_RETRY_QUOTA             500
#define AWS_RETRY_PROBE_INTERVAL_MS 200
#define AWS_RETRY_HINT_SPAN_MS      5000 /* a server's hint delays by at most this much more */
#define AWS_RETRY_SUCCESS_INCREMENT 1

struct aws_retry_policy {
    uint32_t attempts_max;
    int64_t base_ms;
    int64_t throttled_base_ms;
    int64_t cap_ms;
    int32_t cost;
    int32_t throttled_cost;
    int32_t timeout_cost;
    bool takes_hints;         /* x-amz-retry-after */
    bool long_polls_back_off; /* also with an empty quota, before the call fails */
};
extern const struct aws_retry_policy aws_retry_standard_2026;
extern const struct aws_retry_policy aws_retry_dynamodb_2026;
extern const struct aws_retry_policy aws_retry_standard_2025;

struct aws_retry_quota {
    int32_t tokens;
    struct mono_ms next_probe;
};
void aws_retry_quota_init(struct aws_retry_quota *quota);

/* One call's share: zero-initialised before its first attempt. */
struct aws_retry_call {
    uint32_t attempts; /* that have failed */
    int32_t paid;      /* for the last retry: refunded when it succeeds */
};

/* How an attempt failed, as far as the decision asks. */
struct aws_retry_failure {
    bool retryable;
    bool throttled;
    bool timed_out;
    int64_t hint_ms; /* 0: none */
};

enum aws_retry_verdict {
    AWS_RETRY_AGAIN, /* after delay_ms; paid for */
    AWS_RETRY_NEVER, /* not retryable */
    AWS_RETRY_ATTEMPTS_ENDED,
    AWS_RETRY_QUOTA_EMPTY, /* fails, after delay_ms */
};
struct aws_retry_decision {
    enum aws_retry_verdict verdict;
    int64_t delay_ms;
};

/* random: all of its range, evenly; UINT32_MAX is the longest delay. */
struct aws_retry_decision aws_retry_decide(const struct aws_retry_policy *policy,
                                           struct aws_retry_quota *quota,
                                           struct aws_retry_call *call,
                                           const struct aws_retry_failure *failure, bool long_poll,
                                           uint32_t random);

/* Pays for a retry that the caller decided on. false: nothing left and no probe is due. */
NODISCARD bool aws_retry_draw(const struct aws_retry_policy *policy, struct aws_retry_quota *quota,
                              struct aws_retry_call *call, struct mono_ms now);

/* The call succeeded: gives back what its last retry cost, or a little if it needed none. */
void aws_retry_succeeded(struct aws_retry_quota *quota, const struct aws_retry_call *call);

#endif
