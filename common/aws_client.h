/* One AWS JSON 1.0 service: signs, sends, classifies, retries, keeps the client-side rate.
 * Everything that SQS and DynamoDB have in common.
 *
 * The happy path is: aws_client_call, credentials at hand, rate open, signed, sent, 200 with a JSON
 * object, on_done. The failure modes are: throttled or transient (retried here while attempts and
 * quota last, unless the caller decides anew at every attempt: attempts_max 1), expired credentials
 * or a wrong clock (put right once, then retried), an answer that cannot be read or did not come
 * (unknown).
 */
#ifndef COMMON_AWS_CLIENT_H
#define COMMON_AWS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/aws_answer.h"
#include "common/aws_credentials.h"
#include "common/aws_settings.h"
#include "common/buf.h"
#include "common/endpoint.h"
#include "common/http.h"
#include "common/json.h"
#include "common/loop.h"
#include "common/rate.h"
#include "common/slice.h"
#include "common/status.h"

struct aws_client;

/* What a billable unit of a call is. */
enum aws_price {
    AWS_PRICE_NONE,
    AWS_PRICE_SQS_STANDARD,   /* a request of up to 64 KB */
    AWS_PRICE_SQS_FIFO,       /* the same */
    AWS_PRICE_DYNAMODB_WRITE, /* a write request unit */
    AWS_PRICE_DYNAMODB_READ,  /* a read request unit */
};

/* Counted per operation and price, read by aws_metrics. */
struct aws_operation_stats {
    const char *operation; /* "SendMessageBatch" */
    uint64_t calls;        /* attempts that went out */
    uint64_t retries;
    uint64_t throttles;
    uint64_t failures; /* completions that were not done */
    uint64_t unknowns;
    enum aws_price price;
    double billable_units;
};

struct aws_client_options {
    enum endpoint_service service;
    const struct endpoint *endpoint;
    const char *target_prefix; /* "AmazonSQS" or "DynamoDB_20120810" */
    uint32_t attempts_max;
    bool without_rate; /* as in struct aws_settings */
    uint64_t seed;     /* for jitter */
};

struct aws_client *aws_client_new(struct loop *loop, struct http *http,
                                  struct aws_credentials *credentials,
                                  const struct aws_client_options *options);
/* Cancels without calling back; the last handles close on the loop's next turns. http and
 * credentials must still be there. */
void aws_client_free(struct aws_client *client);

/* Gone after the call. json: NULL unless the body is a JSON object; of errors too, some of which
 * tell more (ConditionalCheckFailedException brings the item). flat: in place of json where the
 * call asked for it, all zero else. */
struct aws_answer {
    const cJSON *json;
    const struct json_flat *flat;
    struct slice body;
};

/* error->kind is ERROR_NONE for a 200 with a JSON object as body; else json may be NULL. */
typedef void aws_done_fn(void *ctx, const struct aws_answer *answer, const struct error *error);

struct aws_call {
    const char *operation; /* constant text */
    enum aws_price price;  /* of its billable units */
    struct buf *body;      /* JSON; taken, so it is empty afterwards */
    int64_t timeout_ms;    /* one attempt */
    uint32_t attempts_max; /* 0: the client's; 1: the caller decides about the next attempt */
    bool is_retry;         /* with attempts_max 1: draws on the retry quota like a retry of ours */
    bool writes;           /* a 5xx, a cut or a time-out is then ERROR_UNKNOWN, and is never tried
                              again here: after it, no later attempt can say "surely not done" */
    enum aws_answer_form form;
    enum rate_class rate;  /* a spare call that finds no room is held back: it fails */
    double billable_units; /* counted per attempt that reached the server; DynamoDB adds its own
                              later */
    aws_done_fn *on_done;
    /* NULL: none. Called once when the request is over in any way, cancelled too: ctx may go. */
    void (*on_release)(void *ctx);
    void *ctx;
};

struct aws_request;
/* Never calls back before it returns. */
struct aws_request *aws_client_call(struct aws_client *client, const struct aws_call *call);
void aws_request_cancel(struct aws_request *request); /* no on_done */

/* Of a call that failed: it was never sent, since the client's rate had no room for it;
 * error->retry_after_ms tells when to ask again. */
bool aws_client_held_back(const struct error *error);

/* How long ordinary calls wait at present because the service throttles; 0: not at all. */
int64_t aws_client_backpressure_ms(const struct aws_client *client);

/* What Date headers say about the host's clock, given what it shows: correction to add for judging
 * due times (0 unless it is off by more than 3 s for certain), and the bounds of (true - local) in
 * ms. */
struct aws_clock_view {
    bool known;
    int64_t offset_min_ms;
    int64_t offset_max_ms;
    int64_t correction_ms;
};
struct aws_clock_view aws_client_clock(const struct aws_client *client, struct now host);

size_t aws_client_stats(const struct aws_client *client,
                        const struct aws_operation_stats **ret_stats);
/* For typed calls that learn the units from the answer (ConsumedCapacity). */
void aws_client_add_units(struct aws_client *client, const char *operation, enum aws_price price,
                          double units);
/* For typed calls whose 200 says that part of it was throttled. */
void aws_client_add_throttle(struct aws_client *client, const char *operation,
                             enum aws_price price);

#endif
