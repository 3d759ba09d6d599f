/* One server, as our own clients see it: typed calls of sqs.h and dynamodb.h, and raw ones through
 * aws_client for requests that these cannot express. */
#ifndef TESTS_DIFFERENTIAL_TARGET_H
#define TESTS_DIFFERENTIAL_TARGET_H

#include "common/aws_client.h"
#include "common/dynamodb.h"
#include "common/sqs.h"
#include "tests/differential/cases.h"

#define TARGET_REGION        "us-east-1"
#define TARGET_ACCESS_KEY_ID "AKIDDIFFERENTIAL"
#define TARGET_SECRET_KEY    "differential"

struct target {
    enum diff_service service;
    struct loop *loop;
    struct http *http;
    struct aws_credentials *credentials;
    struct aws_client *raw;
    struct sqs *sqs;           /* SQS only */
    struct dynamodb *dynamodb; /* DynamoDB only */
};

/* url: the endpoint. False, and a line in errors, if it is none. Credentials must be in the
 * environment. */
NODISCARD bool target_init(struct target *target, struct loop *loop, enum diff_service service,
                           const char *url, struct buf *errors);
void target_release(struct target *target);

/* answer: {"error": "400 Code", ...} or the body of a success; the callee owns it. */
typedef void target_fn(void *ctx, cJSON *answer);

/* operation: AWS's name is sent with request as its body, a name of ours (send_batch, ...) goes
 * through the typed client. False: neither, or request is not what it takes; a line in errors.
 * Never calls back before it returns. */
NODISCARD bool target_call(struct target *target, const char *operation, const cJSON *request,
                           target_fn *on_answer, void *ctx, struct buf *errors);

/* target_sqs.c, target_dynamodb.c: the typed ones. False: not one of theirs, or wrong. */
NODISCARD bool target_call_sqs(struct target *target, const char *operation, const cJSON *request,
                               target_fn *on_answer, void *ctx);
NODISCARD bool target_call_dynamodb(struct target *target, const char *operation,
                                    const cJSON *request, target_fn *on_answer, void *ctx);

/* A pending typed call. */
struct target_waiter {
    target_fn *on_answer;
    void *ctx;
};
struct target_waiter *target_waiter_new(target_fn *on_answer, void *ctx);
/* Calls back and frees. */
void target_waiter_end(struct target_waiter *waiter, cJSON *answer);

/* {"error": "400 Code", "kind": "permanent"} */
cJSON *target_error(const struct error *error);
void target_add_slice(cJSON *object, const char *name, struct slice text); /* null: left out */
/* A list of {"outcome": ..} with what failed. */
cJSON *target_outcomes_new(void);
void target_add_outcome(cJSON *answer, enum outcome outcome, const struct error *error);

#endif
