/* The SQS and DynamoDB clients on one loop, and a scripted server that is both services. */
#ifndef TESTS_HARNESS_AWS_RIG_H
#define TESTS_HARNESS_AWS_RIG_H

#include "tests/harness/unit.h"

#include "common/aws_client.h"
#include "common/dynamodb.h"
#include "common/sqs.h"
#include "tests/harness/http_script.h"

/* One answer of the server. */
struct aws_play {
    int status;
    const char *body;
    const char *headers; /* more lines, each with its end; NULL: none */
    int64_t date_off_s;  /* a Date header so far from now; 0: none */
    bool close;          /* says nothing and closes */
};

struct aws_rig {
    struct loop *loop;
    struct http *http;
    struct aws_credentials *credentials;
    struct aws_settings settings; /* one attempt a call */
    struct sqs *sqs;
    struct dynamodb *dynamodb;
    struct http_script *script;

    const struct aws_play *plays; /* the last one is repeated; may be exchanged at any time */
    size_t play_count;
    unsigned requests;
    char targets[4][64];     /* X-Amz-Target of the first three requests and of the last */
    struct buf request_body; /* of the last one */

    unsigned done; /* calls of aws_rig_end_call */
};

/* With static keys from the environment. plays are borrowed. */
void aws_rig_init(struct aws_rig *rig, const struct aws_play *plays, size_t play_count);
/* The same with a server of the test's own. */
void aws_rig_init_served(struct aws_rig *rig, http_script_fn *on_request, void *ctx);
/* Cancels what is under way; everything must close. */
void aws_rig_release(struct aws_rig *rig);

/* Notes the request and gives the next answer of the list. */
void aws_rig_play(struct aws_rig *rig, const struct http_script_request *request,
                  struct http_script_answer *answer);
void aws_rig_set_play(struct aws_rig *rig, const struct aws_play *play);

/* For an on_done: lets aws_rig_run return. */
void aws_rig_end_call(struct aws_rig *rig);
/* Runs the loop until one more call has ended; none may have ended before. */
void aws_rig_run(struct aws_rig *rig);

/* Of the client's only operation so far. */
const struct aws_operation_stats *aws_rig_stats(const struct aws_client *client);

/* struct aws_rig rig; AWS_RIG_PLAYS(&rig, {200, "{}"}, {500, ""}); */
#define AWS_RIG_PLAYS(rig, ...)                                                                    \
    static const struct aws_play plays_[] = {__VA_ARGS__};                                         \
    aws_rig_init((rig), plays_, ARRAY_LEN(plays_))

#endif
