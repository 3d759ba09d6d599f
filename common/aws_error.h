/* What an AWS JSON answer that is not a success means: code, text and kind. Pure.
 *
 * The code is the body's __type, else the header X-Amzn-Errortype, else the body's code; cut at the
 * first ':', without what stands before the last '#'. A header x-amzn-query-error of the form
 * CODE;FAULT replaces it (SQS speaks two spellings: QueueDoesNotExist and
 * AWS.SimpleQueueService.NonExistentQueue; aws_error_code_is knows both). Without any of them the
 * code is the HTTP status. */
#ifndef COMMON_AWS_ERROR_H
#define COMMON_AWS_ERROR_H

#include <stdbool.h>

#include "common/compiler.h"
#include "common/json.h"
#include "common/slice.h"
#include "common/status.h"

/* What a failed attempt calls for. */
enum aws_error_class {
    AWS_ERROR_THROTTLING,  /* fewer calls */
    AWS_ERROR_TRANSIENT,   /* the same call again, soon */
    AWS_ERROR_SERVER,      /* a 5xx that SDKs do not repeat: whoever sent it decides */
    AWS_ERROR_CREDENTIALS, /* fresh credentials, once */
    AWS_ERROR_SKEW,        /* the right time, once */
    AWS_ERROR_SIGNATURE,   /* the right time, once, if ours was far off */
    AWS_ERROR_DENIED,      /* somebody grants a permission */
    AWS_ERROR_PERMANENT,   /* another call */
};

/* Headers are null slices where the answer has none. */
struct aws_error_answer {
    int status;
    const cJSON *json;                /* the body if it is a JSON object, else NULL */
    struct slice error_type;          /* X-Amzn-Errortype */
    struct slice query_error;         /* x-amzn-query-error */
    struct slice retry_after_ms;      /* x-amz-retry-after */
    struct slice retry_after_seconds; /* Retry-After, if it is a number */
};

/* Fills *ret for an answer that is no success (any status but 200) and says its class. writes: a
 * 5xx that is no throttle leaves open what was done, kind is ERROR_UNKNOWN then. */
enum aws_error_class aws_error_read(const struct aws_error_answer *answer, bool writes,
                                    struct error *ret);

/* One entry of a batch that was refused: code (either spelling) and SenderFault of its own. */
void aws_error_read_entry(struct slice code, struct slice message, bool sender_fault,
                          struct error *ret);

/* True if code is name or its legacy spelling: aws_error_code_is(e->code, "QueueDoesNotExist"). */
bool aws_error_code_is(const char *code, const char *name);

#endif
