/* The credentials provider: one refresh at a time, whoever asks waits for the same one.
 *
 * The happy path is: get or peek notices that keys are missing or due, the first source that is
 * configured answers, everybody who waits gets the new identity. The failure modes are: nothing is
 * configured, a source answers nonsense or not at all (all of them: callers get the old identity
 * while it is valid, else the error; the next refresh begins after a back-off, when somebody asks).
 */
#include "common/aws_credentials.h"

#include <stdio.h>

#include "common/aws_credentials_source.h"
#include "common/credentials_policy.h"
#include "common/endpoint.h"
#include "common/mem.h"

struct waiter {
    struct waiter *next;
    uint64_t number;
    aws_credentials_fn *on_done;
    void *ctx;
};

struct aws_credentials {
    struct loop *loop;
    struct credentials_policy policy;
    struct aws_identity *identity; /* the last that a source gave, even when it has expired */
    struct error error;            /* of the last refresh that failed */
    const char *source;
    const char *asked; /* the source that the refresh under way has come to */
    char region[ENDPOINT_REGION_SIZE];
    struct credentials_flight flight;
    struct waiter *waiters;
    struct waiter **waiters_end;
    uint64_t next_number;
    struct loop_timer *delivery; /* armed: waiters can be answered */
};

/* --- waiters --------------------------------------------------------------------------------- */

static void arm_delivery(struct aws_credentials *c)
{
    loop_timer_set(c->delivery, (struct deadline){loop_now(c->loop).mono, {TIME_NEVER}});
}

/* Whether waiters can be answered now, and not after the refresh that is under way. */
static bool answer_is_known(const struct aws_credentials *c, struct now now)
{
    return !c->policy.refreshing || !credentials_policy_urgent(&c->policy, now);
}

static void on_delivery(void *ctx)
{
    struct aws_credentials *c = ctx;
    struct now now = loop_now(c->loop);
    if (c->waiters == NULL || !answer_is_known(c, now))
        return;
    struct aws_identity *identity =
        credentials_policy_usable(&c->policy, now) ? aws_identity_ref(c->identity) : NULL;
    struct error error = c->error;
    if (identity == NULL && error.kind == ERROR_NONE)
        error_set(&error, ERROR_RETRY, CREDENTIALS_ABSENT, "the credentials have expired");
    uint64_t end = c->next_number; /* those that callbacks add wait for the next time */
    while (c->waiters != NULL && c->waiters->number < end) {
        struct waiter *waiter = c->waiters;
        c->waiters = waiter->next;
        if (c->waiters == NULL)
            c->waiters_end = &c->waiters;
        waiter->on_done(waiter->ctx, identity, identity == NULL ? &error : NULL);
        mem_free(waiter);
    }
    aws_identity_unref(identity);
}

/* --- refresh --------------------------------------------------------------------------------- */

static void refresh_failed(struct aws_credentials *c, const struct error *error)
{
    /* To the caller's request, which was not even sent, nothing worse than this has happened. */
    bool passing = error->kind == ERROR_RETRY || error->kind == ERROR_THROTTLED ||
                   error->kind == ERROR_UNKNOWN;
    error_set(&c->error, passing ? ERROR_RETRY : ERROR_AUTH, error->code, "%s: %s", c->asked,
              error->text);
    c->error.http_status = error->http_status;
    credentials_policy_failed(&c->policy, loop_now(c->loop));
    arm_delivery(c);
}

/* Takes the reference. */
static void refresh_done(struct aws_credentials *c, struct aws_identity *identity)
{
    struct now now = loop_now(c->loop);
    if (identity->expires_ms <= now.wall.ms) {
        aws_identity_unref(identity);
        struct error error;
        error_set(&error, ERROR_AUTH, CREDENTIALS_ANSWER,
                  "the credentials that came have expired already");
        refresh_failed(c, &error);
        return;
    }
    aws_identity_unref(c->identity);
    c->identity = identity;
    c->source = c->asked;
    c->error = (struct error){.kind = ERROR_NONE};
    credentials_policy_succeeded(&c->policy, identity->expires_ms, now);
    arm_delivery(c);
}

static void on_flight_done(void *ctx, struct aws_identity *identity, const struct error *error)
{
    struct aws_credentials *c = ctx;
    if (identity == NULL) {
        refresh_failed(c, error);
        return;
    }
    struct now now = loop_now(c->loop);
    if (identity->expires_ms <= now.wall.ms)
        identity->expires_ms = credentials_policy_trial_end(&c->policy, now);
    refresh_done(c, identity);
}

/* The order is that of most of AWS's SDKs: a profile that says how to get keys goes before web
 * identity in the environment. */
static enum source_verdict ask_sources(struct aws_credentials *c, struct aws_profiles *profiles,
                                       struct aws_identity **ret_identity, struct error *reterr)
{
    c->asked = "environment";
    enum source_verdict verdict = credentials_from_environment(ret_identity, reterr);
    if (verdict != SOURCE_ABSENT)
        return verdict;
    c->asked = "profile";
    const struct aws_profile *profile;
    if (credentials_load_profile(profiles, &profile, reterr) != STATUS_OK)
        return SOURCE_FAILED;
    verdict = credentials_from_profile(&c->flight, profile, c->region, ret_identity, reterr);
    if (verdict != SOURCE_ABSENT)
        return verdict;
    c->asked = "web identity";
    verdict = credentials_from_web_identity(&c->flight, profile, c->region, reterr);
    if (verdict != SOURCE_ABSENT)
        return verdict;
    c->asked = "container";
    verdict = credentials_from_container(&c->flight, reterr);
    if (verdict != SOURCE_ABSENT)
        return verdict;
    c->asked = "instance metadata";
    return credentials_from_imds(&c->flight, profile, reterr);
}

static void refresh_if_due(struct aws_credentials *c)
{
    if (!credentials_policy_begin(&c->policy, loop_now(c->loop)))
        return;
    struct aws_identity *identity = NULL;
    struct error error;
    CLEANUP(aws_profiles_release) struct aws_profiles profiles;
    aws_profiles_init(&profiles);
    switch (ask_sources(c, &profiles, &identity, &error)) {
    case SOURCE_READY:
        refresh_done(c, identity);
        break;
    case SOURCE_ABSENT:
        c->asked = "no AWS credentials";
        error_set(&error, ERROR_AUTH, CREDENTIALS_ABSENT,
                  "none in the environment, the shared files, as web identity, container or "
                  "instance role");
        refresh_failed(c, &error);
        break;
    case SOURCE_FAILED:
        credentials_flight_reset(&c->flight);
        refresh_failed(c, &error);
        break;
    case SOURCE_STARTED:
        break;
    }
}

/* --- the contract ---------------------------------------------------------------------------- */

struct aws_credentials *aws_credentials_new(struct loop *loop, struct http *http,
                                            const char *region)
{
    struct aws_credentials *c = mem_calloc(1, sizeof(*c));
    c->loop = loop;
    c->source = "none";
    c->waiters_end = &c->waiters;
    credentials_policy_init(&c->policy, loop_random_seed());
    c->delivery = loop_timer_new(loop, on_delivery, c);
    if (region != NULL)
        snprintf(c->region, sizeof(c->region), "%s", region);
    credentials_flight_init(&c->flight, loop, http);
    c->flight.on_done = on_flight_done;
    c->flight.ctx = c;
    return c;
}

void aws_credentials_free(struct aws_credentials *c)
{
    if (c == NULL)
        return;
    credentials_flight_release(&c->flight);
    loop_timer_free(c->delivery);
    while (c->waiters != NULL) {
        struct waiter *next = c->waiters->next;
        mem_free(c->waiters);
        c->waiters = next;
    }
    aws_identity_unref(c->identity);
    mem_free(c);
}

void aws_credentials_get(struct aws_credentials *c, aws_credentials_fn *on_done, void *ctx)
{
    struct waiter *waiter = mem_alloc(sizeof(*waiter));
    *waiter = (struct waiter){.number = c->next_number++, .on_done = on_done, .ctx = ctx};
    *c->waiters_end = waiter;
    c->waiters_end = &waiter->next;
    refresh_if_due(c);
    if (answer_is_known(c, loop_now(c->loop)))
        arm_delivery(c);
}

void aws_credentials_forget(struct aws_credentials *c, void *ctx)
{
    struct waiter **link = &c->waiters;
    while (*link != NULL) {
        struct waiter *waiter = *link;
        if (waiter->ctx == ctx) {
            *link = waiter->next;
            mem_free(waiter);
        } else {
            link = &waiter->next;
        }
    }
    c->waiters_end = link;
}

struct aws_identity *aws_credentials_peek(struct aws_credentials *c)
{
    refresh_if_due(c);
    return credentials_policy_usable(&c->policy, loop_now(c->loop)) ? c->identity : NULL;
}

void aws_credentials_invalidate(struct aws_credentials *c, const struct aws_identity *identity)
{
    if (identity != c->identity || identity == NULL)
        return; /* keys of an earlier refresh: newer ones are here already */
    credentials_policy_refused(&c->policy, loop_now(c->loop));
    refresh_if_due(c);
}

const char *aws_credentials_source(const struct aws_credentials *c)
{
    return c->source;
}
