#include "common/aws_retry.h"

const struct aws_retry_policy aws_retry_standard_2026 = {
    .attempts_max = 3,
    .base_ms = 50,
    .throttled_base_ms = 1000,
    .cap_ms = 20000,
    .cost = 14,
    .throttled_cost = 5,
    .timeout_cost = 14,
    .takes_hints = true,
    .long_polls_back_off = true,
};

const struct aws_retry_policy aws_retry_dynamodb_2026 = {
    .attempts_max = 4,
    .base_ms = 25,
    .throttled_base_ms = 1000,
    .cap_ms = 20000,
    .cost = 14,
    .throttled_cost = 5,
    .timeout_cost = 14,
    .takes_hints = true,
    .long_polls_back_off = true,
};

const struct aws_retry_policy aws_retry_standard_2025 = {
    .attempts_max = 3,
    .base_ms = 1000,
    .throttled_base_ms = 1000,
    .cap_ms = 20000,
    .cost = 5,
    .throttled_cost = 5,
    .timeout_cost = 10,
};

void aws_retry_quota_init(struct aws_retry_quota *quota)
{
    *quota = (struct aws_retry_quota){.tokens = AWS_RETRY_QUOTA};
}

/* Before the attempt after `failed` ones: the base doubled each time, capped, times random. */
static int64_t backoff_ms(const struct aws_retry_policy *policy,
                          const struct aws_retry_failure *failure, uint32_t failed, uint32_t random)
{
    int64_t longest_ms = failure->throttled ? policy->throttled_base_ms : policy->base_ms;
    for (uint32_t i = 1; i < failed && longest_ms < policy->cap_ms; i++)
        longest_ms *= 2;
    if (longest_ms > policy->cap_ms)
        longest_ms = policy->cap_ms;
    int64_t delay_ms = (int64_t)(((uint64_t)longest_ms * ((uint64_t)random + 1)) >> 32);
    if (!policy->takes_hints || failure->hint_ms <= delay_ms)
        return delay_ms;
    return MIN(failure->hint_ms, delay_ms + AWS_RETRY_HINT_SPAN_MS);
}

static int32_t cost_of(const struct aws_retry_policy *policy,
                       const struct aws_retry_failure *failure)
{
    if (failure->throttled)
        return policy->throttled_cost;
    return failure->timed_out ? policy->timeout_cost : policy->cost;
}

struct aws_retry_decision aws_retry_decide(const struct aws_retry_policy *policy,
                                           struct aws_retry_quota *quota,
                                           struct aws_retry_call *call,
                                           const struct aws_retry_failure *failure, bool long_poll,
                                           uint32_t random)
{
    call->attempts++;
    if (!failure->retryable)
        return (struct aws_retry_decision){AWS_RETRY_NEVER, 0};
    if (call->attempts >= policy->attempts_max)
        return (struct aws_retry_decision){AWS_RETRY_ATTEMPTS_ENDED, 0};
    int64_t delay_ms = backoff_ms(policy, failure, call->attempts, random);
    int32_t cost = cost_of(policy, failure);
    if (quota->tokens < cost) {
        bool waits = long_poll && policy->long_polls_back_off;
        return (struct aws_retry_decision){AWS_RETRY_QUOTA_EMPTY, waits ? delay_ms : 0};
    }
    quota->tokens -= cost;
    call->paid = cost;
    return (struct aws_retry_decision){AWS_RETRY_AGAIN, delay_ms};
}

bool aws_retry_draw(const struct aws_retry_policy *policy, struct aws_retry_quota *quota,
                    struct aws_retry_call *call, struct mono_ms now)
{
    if (quota->tokens >= policy->cost) {
        quota->tokens -= policy->cost;
    } else if (now.ms >= quota->next_probe.ms) {
        quota->next_probe = mono_add(now, AWS_RETRY_PROBE_INTERVAL_MS);
    } else {
        return false;
    }
    call->paid = policy->cost; /* a probe that succeeds gives what it did not pay: the way out */
    return true;
}

void aws_retry_succeeded(struct aws_retry_quota *quota, const struct aws_retry_call *call)
{
    int32_t refund = call->paid > 0 ? call->paid : AWS_RETRY_SUCCESS_INCREMENT;
    quota->tokens = MIN(quota->tokens + refund, AWS_RETRY_QUOTA);
}
