#include <inttypes.h>
#include <string.h>

#include "tests/model/sqs_model_internal.h"

#define INVALID_VALUE      400, "InvalidParameterValueException", "InvalidParameterValue"
#define MISSING_PARAMETER  400, "MissingRequiredParameterException", "MissingParameter"
#define NOT_FOR_THIS_QUEUE "The request include parameter that is not valid for this queue type."
#define SHOWN(s)           (int)((s).len < 200 ? (s).len : 200), (const char *)(s).ptr

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static bool all_words(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_word(text.ptr[i]))
            return false;
    }
    return true;
}

bool sqs_model_check_queue_name(struct slice name, bool fifo, struct model_error *reterr)
{
    static const char suffix[] = ".fifo";
    const size_t suffix_len = sizeof(suffix) - 1;
    bool suffixed =
        name.len > suffix_len && memcmp(name.ptr + name.len - suffix_len, suffix, suffix_len) == 0;
    struct slice stem = slice_from(name.ptr, suffixed && fifo ? name.len - suffix_len : name.len);
    if (fifo && !suffixed)
        return model_refuse(reterr, INVALID_VALUE,
                            "The name of a FIFO queue can only include alphanumeric characters, "
                            "hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in "
                            "length.");
    if (name.len == 0 || name.len > 80 || !all_words(stem))
        return model_refuse(reterr, INVALID_VALUE,
                            "Can only include alphanumeric characters, hyphens, or underscores. 1 "
                            "to 80 in length");
    return true;
}

bool sqs_model_check_number(const char *parameter, int64_t value, int64_t least, int64_t most,
                            const char *reason, struct model_error *reterr)
{
    if (value == SQS_MODEL_ABSENT || (value >= least && value <= most))
        return true;
    return model_refuse(reterr, INVALID_VALUE,
                        "Value %" PRId64 " for parameter %s is invalid. Reason: %s", value,
                        parameter, reason);
}

/* XML 1.0's characters in well-formed UTF-8. */
static bool characters_are_valid(struct slice text)
{
    size_t i = 0;
    while (i < text.len) {
        uint32_t c = text.ptr[i];
        size_t more = 0;
        if (c < 0x80) {
            more = 0;
        } else if (c >= 0xc2 && c < 0xe0) {
            more = 1;
            c &= 0x1f;
        } else if (c >= 0xe0 && c < 0xf0) {
            more = 2;
            c &= 0x0f;
        } else if (c >= 0xf0 && c < 0xf5) {
            more = 3;
            c &= 0x07;
        } else {
            return false;
        }
        if (more >= text.len - i)
            return false;
        for (size_t k = 1; k <= more; k++) {
            if ((text.ptr[i + k] & 0xc0) != 0x80)
                return false;
            c = (c << 6) | (text.ptr[i + k] & 0x3fU);
        }
        if ((more == 2 && c < 0x800) || (more == 3 && c < 0x10000))
            return false;
        if (c < 0x20 ? c != 0x9 && c != 0xa && c != 0xd
                     : (c > 0xd7ff && c < 0xe000) || c == 0xfffe || c == 0xffff || c > 0x10ffff)
            return false;
        i += more + 1;
    }
    return true;
}

/* 1-128 letters, digits and ASCII punctuation. */
static bool check_token(const char *parameter, struct slice token, struct model_error *reterr)
{
    if (slice_is_null(token))
        return true;
    bool valid = token.len >= 1 && token.len <= 128;
    for (size_t i = 0; i < token.len && valid; i++)
        valid = token.ptr[i] > 0x20 && token.ptr[i] < 0x7f;
    if (valid)
        return true;
    return model_refuse(reterr, INVALID_VALUE,
                        "Value %.*s for parameter %s is invalid. Reason: %s can only include "
                        "alphanumeric and punctuation characters. 1 to 128 in length.",
                        SHOWN(token), parameter, parameter);
}

static bool check_attributes(const struct sqs_model_send *entry, struct model_error *reterr)
{
    if (entry->attribute_count > SQS_MODEL_ATTRIBUTES_MAX)
        return model_refuse(reterr, INVALID_VALUE,
                            "Number of message attributes [%zu] exceeds the allowed maximum [10].",
                            entry->attribute_count);
    for (size_t i = 0; i < entry->attribute_count; i++) {
        const struct sqs_model_message_attribute *a = &entry->attributes[i];
        bool valid = a->name.len >= 1 && a->name.len <= 256;
        for (size_t k = 0; k < a->name.len && valid; k++)
            valid = is_word(a->name.ptr[k]) || (a->name.ptr[k] == '.' && k > 0);
        if (!valid ||
            (a->name.len >= 4 && strncasecmp((const char *)a->name.ptr, "AWS.", 4) == 0) ||
            (a->name.len >= 7 && strncasecmp((const char *)a->name.ptr, "Amazon.", 7) == 0))
            return model_refuse(reterr, INVALID_VALUE,
                                "Invalid message attribute name: can contain A-Z, a-z, 0-9, "
                                "underscores, hyphens and periods, 1 to 256 in length, and must "
                                "not start with AWS. or Amazon.");
        if (a->data_type.len == 0)
            return model_refuse(reterr, INVALID_VALUE,
                                "The message attribute '%.*s' must contain a non-empty message "
                                "attribute type.",
                                SHOWN(a->name));
        if (a->value.len == 0)
            return model_refuse(reterr, INVALID_VALUE,
                                "Message (user) attribute '%.*s' must contain a non-empty value.",
                                SHOWN(a->name));
        if (!a->binary && !characters_are_valid(a->value))
            return model_refuse(reterr, INVALID_VALUE,
                                "Invalid characters in the value of message attribute '%.*s'.",
                                SHOWN(a->name));
    }
    return true;
}

static bool lacks_deduplication(const struct sqs_model_queue *queue,
                                const struct sqs_model_send *entry)
{
    return slice_is_null(entry->deduplication_id) &&
           queue->numbers[SQS_MODEL_ATTRIBUTE_CONTENT_DEDUPLICATION] == 0;
}

static bool refuse_without_deduplication(struct model_error *reterr)
{
    return model_refuse(reterr, INVALID_VALUE,
                        "The queue should either have ContentBasedDeduplication enabled or "
                        "MessageDeduplicationId provided explicitly");
}

static bool check_fifo(const struct sqs_model_queue *queue, const struct sqs_model_send *entry,
                       struct model_error *reterr)
{
    if (!queue->fifo) {
        if (!slice_is_null(entry->deduplication_id))
            return model_refuse(reterr, INVALID_VALUE,
                                "Value %.*s for parameter MessageDeduplicationId is invalid. "
                                "Reason: %s",
                                SHOWN(entry->deduplication_id), NOT_FOR_THIS_QUEUE);
        return true;
    }
    if (entry->delay_seconds != SQS_MODEL_ABSENT && entry->delay_seconds != 0)
        return model_refuse(reterr, INVALID_VALUE,
                            "Value %" PRId64 " for parameter DelaySeconds is invalid. Reason: %s",
                            entry->delay_seconds, NOT_FOR_THIS_QUEUE);
    if (slice_is_null(entry->group_id))
        return model_refuse(reterr, MISSING_PARAMETER,
                            "The request must contain the parameter MessageGroupId.");
    return !lacks_deduplication(queue, entry) || refuse_without_deduplication(reterr);
}

/* One entry without them refuses its whole batch, and with other codes than a message alone. */
static bool check_fifo_batch(const struct sqs_model_queue *queue,
                             const struct sqs_model_send *entries, size_t count,
                             struct model_error *reterr)
{
    for (size_t i = 0; i < count && queue->fifo; i++) {
        if (slice_is_null(entries[i].group_id))
            return model_refuse(reterr, INVALID_VALUE,
                                "The request must contain the parameter MessageGroupId.");
        if (lacks_deduplication(queue, &entries[i]))
            return refuse_without_deduplication(reterr);
    }
    return true;
}

bool sqs_model_check_send(const struct sqs_model_queue *queue, const struct sqs_model_send *entry,
                          struct model_error *reterr)
{
    if (entry->body.len == 0)
        return model_refuse(reterr, MISSING_PARAMETER,
                            "The request must contain the parameter MessageBody.");
    if (!check_attributes(entry, reterr))
        return false;
    int64_t size_max = queue->numbers[SQS_MODEL_ATTRIBUTE_MAXIMUM_SIZE];
    if ((int64_t)sqs_model_send_bytes(entry) > size_max)
        return model_refuse(reterr, INVALID_VALUE,
                            "One or more parameters are invalid. Reason: Message must be shorter "
                            "than %" PRId64 " bytes.",
                            size_max);
    if (!characters_are_valid(entry->body))
        return model_refuse(reterr, 400, "InvalidMessageContents", NULL,
                            "Invalid characters found. Valid unicode characters are #x9 | #xA | "
                            "#xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF");
    return sqs_model_check_number("DelaySeconds", entry->delay_seconds, 0, 900,
                                  "DelaySeconds must be >= 0 and <= 900.", reterr) &&
           check_token("MessageGroupId", entry->group_id, reterr) &&
           check_token("MessageDeduplicationId", entry->deduplication_id, reterr) &&
           check_fifo(queue, entry, reterr);
}

bool sqs_model_check_receive(const struct sqs_model_queue *queue,
                             const struct sqs_model_receive *spec, struct model_error *reterr)
{
    if (!queue->fifo && !slice_is_null(spec->attempt_id))
        return model_refuse(reterr, INVALID_VALUE,
                            "Value %.*s for parameter ReceiveRequestAttemptId is invalid. Reason: "
                            "%s",
                            SHOWN(spec->attempt_id), NOT_FOR_THIS_QUEUE);
    return sqs_model_check_number("MaxNumberOfMessages", spec->messages_max, 1, SQS_MODEL_BATCH_MAX,
                                  "Must be between 1 and 10, if provided.", reterr) &&
           sqs_model_check_number("WaitTimeSeconds", spec->wait_seconds, 0, 20,
                                  "Must be >= 0 and <= 20, if provided.", reterr) &&
           sqs_model_check_number("VisibilityTimeout", spec->visibility_seconds, 0, 43200,
                                  "Must be between 0 and 43200, if provided.", reterr) &&
           check_token("ReceiveRequestAttemptId", spec->attempt_id, reterr);
}

size_t sqs_model_send_bytes(const struct sqs_model_send *entry)
{
    size_t bytes = entry->body.len;
    for (size_t i = 0; i < entry->attribute_count; i++) {
        const struct sqs_model_message_attribute *a = &entry->attributes[i];
        bytes += a->name.len + a->data_type.len + a->value.len;
    }
    return bytes;
}

bool sqs_model_check_batch_ids(const struct slice *ids, size_t count, const char *element,
                               struct model_error *reterr)
{
    if (count == 0)
        return model_refuse(reterr, 400, "EmptyBatchRequest",
                            "AWS.SimpleQueueService.EmptyBatchRequest",
                            "There should be at least one %s in the request.", element);
    if (count > SQS_MODEL_BATCH_MAX)
        return model_refuse(reterr, 400, "TooManyEntriesInBatchRequest",
                            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
                            "Maximum number of entries per request are 10. You have sent %zu.",
                            count);
    for (size_t i = 0; i < count; i++) {
        if (ids[i].len == 0 || ids[i].len > 80 || !all_words(ids[i]))
            return model_refuse(reterr, 400, "InvalidBatchEntryId",
                                "AWS.SimpleQueueService.InvalidBatchEntryId",
                                "A batch entry id can only contain alphanumeric characters, "
                                "hyphens and underscores. It can be at most 80 letters long.");
        for (size_t k = 0; k < i; k++) {
            if (slice_equal(ids[i], ids[k]))
                return model_refuse(reterr, 400, "BatchEntryIdsNotDistinct",
                                    "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
                                    "Id %.*s repeated.", SHOWN(ids[i]));
        }
    }
    return true;
}

bool sqs_model_check_send_batch(const struct sqs_model_queue *queue,
                                const struct sqs_model_send *entries, size_t count,
                                struct model_error *reterr)
{
    struct slice ids[SQS_MODEL_BATCH_MAX] = {{NULL, 0}};
    for (size_t i = 0; i < count && i < SQS_MODEL_BATCH_MAX; i++)
        ids[i] = entries[i].id;
    if (!sqs_model_check_batch_ids(ids, count, "SendMessageBatchRequestEntry", reterr))
        return false;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += sqs_model_send_bytes(&entries[i]);
    if (bytes > SQS_MODEL_MESSAGE_BYTES_MAX)
        return model_refuse(reterr, 400, "BatchRequestTooLong",
                            "AWS.SimpleQueueService.BatchRequestTooLong",
                            "Batch requests cannot be longer than %d bytes. You have sent %zu "
                            "bytes.",
                            SQS_MODEL_MESSAGE_BYTES_MAX, bytes);
    return check_fifo_batch(queue, entries, count, reterr);
}
