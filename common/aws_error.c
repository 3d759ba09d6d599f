#include "common/aws_error.h"

#include <stdio.h>
#include <string.h>

#include "common/num.h"
#include "common/timeval.h"

/* A server may ask for no more than this; aws_retry bounds it further. */
#define RETRY_AFTER_MS_MAX (5 * MS_PER_MINUTE)

struct code_class {
    const char *code;
    enum aws_error_class class;
};

static const struct code_class code_classes[] = {
    /* The SDKs' list of throttling codes, then what SQS adds. */
    {"Throttling", AWS_ERROR_THROTTLING},
    {"ThrottlingException", AWS_ERROR_THROTTLING},
    {"ThrottledException", AWS_ERROR_THROTTLING},
    {"RequestThrottledException", AWS_ERROR_THROTTLING},
    {"RequestThrottled", AWS_ERROR_THROTTLING},
    {"TooManyRequestsException", AWS_ERROR_THROTTLING},
    {"ProvisionedThroughputExceededException", AWS_ERROR_THROTTLING},
    {"TransactionInProgressException", AWS_ERROR_THROTTLING},
    {"RequestLimitExceeded", AWS_ERROR_THROTTLING},
    {"BandwidthLimitExceeded", AWS_ERROR_THROTTLING},
    {"LimitExceededException", AWS_ERROR_THROTTLING},
    {"SlowDown", AWS_ERROR_THROTTLING},
    {"PriorRequestNotComplete", AWS_ERROR_THROTTLING},
    {"EC2ThrottledException", AWS_ERROR_THROTTLING},
    {"OverLimit", AWS_ERROR_THROTTLING}, /* 120,000 in flight */
    {"KmsThrottled", AWS_ERROR_THROTTLING},
    {"KMS.ThrottlingException", AWS_ERROR_THROTTLING},

    {"RequestTimeout", AWS_ERROR_TRANSIENT},
    {"RequestTimeoutException", AWS_ERROR_TRANSIENT},
    {"IDPCommunicationError", AWS_ERROR_TRANSIENT},
    {"InternalError", AWS_ERROR_TRANSIENT},
    {"InternalFailure", AWS_ERROR_TRANSIENT},
    {"InternalServerError", AWS_ERROR_TRANSIENT},
    {"ServiceUnavailable", AWS_ERROR_TRANSIENT},
    {"ReplicatedWriteConflictException", AWS_ERROR_TRANSIENT},

    {"ExpiredToken", AWS_ERROR_CREDENTIALS},
    {"ExpiredTokenException", AWS_ERROR_CREDENTIALS},
    {"InvalidClientTokenId", AWS_ERROR_CREDENTIALS},
    {"InvalidAccessKeyId", AWS_ERROR_CREDENTIALS},
    {"UnrecognizedClient", AWS_ERROR_CREDENTIALS},
    {"UnrecognizedClientException", AWS_ERROR_CREDENTIALS},

    {"RequestTimeTooSkewed", AWS_ERROR_SKEW},
    {"RequestExpired", AWS_ERROR_SKEW},
    {"RequestInTheFuture", AWS_ERROR_SKEW},
    {"InvalidSignatureException", AWS_ERROR_SIGNATURE},
    {"SignatureDoesNotMatch", AWS_ERROR_SIGNATURE},
    {"AuthFailure", AWS_ERROR_SIGNATURE},

    {"AccessDenied", AWS_ERROR_DENIED},
    {"AccessDeniedException", AWS_ERROR_DENIED},
    {"NotAuthorized", AWS_ERROR_DENIED},
    {"UnauthorizedOperation", AWS_ERROR_DENIED},
    {"IncompleteSignature", AWS_ERROR_DENIED},
    {"IncompleteSignatureException", AWS_ERROR_DENIED},
    {"MissingAuthenticationToken", AWS_ERROR_DENIED},
    {"MissingAuthenticationTokenException", AWS_ERROR_DENIED},
    {"InvalidSecurity", AWS_ERROR_DENIED},
    {"OptInRequired", AWS_ERROR_DENIED},
    {"KmsAccessDenied", AWS_ERROR_DENIED},
    {"KMS.AccessDeniedException", AWS_ERROR_DENIED},
    {"KmsOptInRequired", AWS_ERROR_DENIED},
    {"KMS.OptInRequired", AWS_ERROR_DENIED},
};

static const char legacy_prefix[] = "AWS.SimpleQueueService.";

/* Names whose legacy spelling is more than the prefix. */
static const struct {
    const char *name;
    const char *legacy;
} respelled[] = {
    {"QueueDoesNotExist", "NonExistentQueue"},
    {"QueueNameExists", "QueueAlreadyExists"},
    {"InvalidParameterValueException", "InvalidParameterValue"},
    {"MissingRequiredParameterException", "MissingParameter"},
    {"KmsAccessDenied", "KMS.AccessDeniedException"},
    {"KmsDisabled", "KMS.DisabledException"},
    {"KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException"},
    {"KmsInvalidState", "KMS.InvalidStateException"},
    {"KmsNotFound", "KMS.NotFoundException"},
    {"KmsOptInRequired", "KMS.OptInRequired"},
    {"KmsThrottled", "KMS.ThrottlingException"},
};

static const char *without_prefix(const char *code)
{
    size_t len = sizeof(legacy_prefix) - 1;
    return strncmp(code, legacy_prefix, len) == 0 ? code + len : code;
}

bool aws_error_code_is(const char *code, const char *name)
{
    code = without_prefix(code);
    if (strcmp(code, name) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(respelled); i++)
        if (strcmp(respelled[i].name, name) == 0 && strcmp(respelled[i].legacy, code) == 0)
            return true;
    return false;
}

static const struct code_class *find_class(const char *code)
{
    code = without_prefix(code);
    for (size_t i = 0; i < ARRAY_LEN(code_classes); i++)
        if (strcmp(code_classes[i].code, code) == 0)
            return &code_classes[i];
    return NULL;
}

/* Copies what of the raw code counts; leaves code alone if nothing does. Codes go into metrics'
 * labels and logs, so only printable ASCII is a code. */
static void take_code(struct slice raw, char code[ERROR_CODE_SIZE])
{
    for (size_t i = 0; i < raw.len; i++)
        if (raw.ptr[i] == ':') {
            raw.len = i;
            break;
        }
    for (size_t i = raw.len; i > 0; i--)
        if (raw.ptr[i - 1] == '#') {
            raw = slice_from(raw.ptr + i, raw.len - i);
            break;
        }
    while (raw.len > 0 && (raw.ptr[0] == ' ' || raw.ptr[0] == '\t'))
        raw = slice_from(raw.ptr + 1, raw.len - 1);
    while (raw.len > 0 && (raw.ptr[raw.len - 1] == ' ' || raw.ptr[raw.len - 1] == '\t'))
        raw.len--;
    if (raw.len == 0 || raw.len >= ERROR_CODE_SIZE)
        return;
    for (size_t i = 0; i < raw.len; i++)
        if (raw.ptr[i] <= ' ' || raw.ptr[i] >= 0x7f)
            return;
    memcpy(code, raw.ptr, raw.len);
    code[raw.len] = '\0';
}

/* The code of "CODE;FAULT"; null if the header is anything else. */
static struct slice query_error_code(struct slice header)
{
    const uint8_t *end = header.len == 0 ? NULL : memchr(header.ptr, ';', header.len);
    if (end == NULL || end == header.ptr)
        return SLICE_NULL;
    size_t len = (size_t)(end - header.ptr);
    if (len + 1 == header.len || memchr(end + 1, ';', header.len - len - 1) != NULL)
        return SLICE_NULL;
    return slice_from(header.ptr, len);
}

/* Cut between two characters, not within one. */
static void take_text(struct slice message, char text[ERROR_TEXT_SIZE])
{
    size_t len = MIN(message.len, (size_t)ERROR_TEXT_SIZE - 1);
    if (len < message.len)
        while (len > 0 && (message.ptr[len] & 0xc0) == 0x80)
            len--;
    if (len > 0)
        memcpy(text, message.ptr, len);
    text[len] = '\0';
}

static int64_t read_hint_ms(const struct aws_error_answer *answer)
{
    int64_t value;
    if (num_parse_i64(answer->retry_after_ms, INT64_MAX, &value) == STATUS_OK)
        return MIN(value, RETRY_AFTER_MS_MAX);
    if (num_parse_i64(answer->retry_after_seconds, INT64_MAX / MS_PER_SECOND, &value) == STATUS_OK)
        return MIN(value * MS_PER_SECOND, RETRY_AFTER_MS_MAX);
    return 0;
}

static enum aws_error_class class_by_status(int status)
{
    switch (status) {
    case 429: /* SDKs leave these two alone in standard mode; they say throttling all the same */
    case 509:
        return AWS_ERROR_THROTTLING;
    case 408: /* the server gave up waiting for the request: it has not seen it whole */
    case 500:
    case 502:
    case 503:
    case 504:
        return AWS_ERROR_TRANSIENT;
    case 401:
    case 403:
        return AWS_ERROR_DENIED;
    default:
        return status >= 500 ? AWS_ERROR_SERVER : AWS_ERROR_PERMANENT;
    }
}

static enum aws_error_class classify(const char *code, const char *shape, int status)
{
    const struct code_class *known = find_class(code);
    if (known == NULL)
        known = find_class(shape);
    return known == NULL ? class_by_status(status) : known->class;
}

static enum error_kind kind_of(enum aws_error_class class, int status, bool writes)
{
    switch (class) {
    case AWS_ERROR_THROTTLING:
        return ERROR_THROTTLED;
    case AWS_ERROR_TRANSIENT:
    case AWS_ERROR_SERVER:
        return status >= 500 && writes ? ERROR_UNKNOWN : ERROR_RETRY;
    case AWS_ERROR_CREDENTIALS:
    case AWS_ERROR_SKEW:
    case AWS_ERROR_SIGNATURE:
    case AWS_ERROR_DENIED:
        return ERROR_AUTH;
    case AWS_ERROR_PERMANENT:
        return ERROR_PERMANENT;
    }
    return ERROR_UNKNOWN;
}

enum aws_error_class aws_error_read(const struct aws_error_answer *answer, bool writes,
                                    struct error *ret)
{
    char shape[ERROR_CODE_SIZE];
    snprintf(shape, sizeof(shape), "%d", answer->status);
    struct slice raw = json_get_text(answer->json, "__type");
    if (slice_is_null(raw))
        raw = answer->error_type;
    if (slice_is_null(raw))
        raw = json_get_text(answer->json, "code");
    take_code(raw, shape);

    memset(ret, 0, sizeof(*ret));
    memcpy(ret->code, shape, sizeof(shape));
    take_code(query_error_code(answer->query_error), ret->code);
    struct slice message = json_get_text(answer->json, "message");
    if (slice_is_null(message))
        message = json_get_text(answer->json, "Message");
    take_text(message, ret->text);
    if (ret->text[0] == '\0')
        snprintf(ret->text, sizeof(ret->text), "HTTP status %d", answer->status);
    ret->http_status = answer->status;
    ret->retry_after_ms = read_hint_ms(answer);

    enum aws_error_class class = classify(ret->code, shape, answer->status);
    ret->kind = kind_of(class, answer->status, writes);
    return class;
}

void aws_error_read_entry(struct slice code, struct slice message, bool sender_fault,
                          struct error *ret)
{
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->code, "NoCode", sizeof("NoCode"));
    take_code(code, ret->code);
    take_text(message, ret->text);
    const struct code_class *known = find_class(ret->code);
    /* SQS names KMS throttles a fault of the sender; the code is the better witness. */
    if (known != NULL)
        ret->kind = kind_of(known->class, 0, false);
    else
        ret->kind = sender_fault ? ERROR_PERMANENT : ERROR_RETRY;
}
