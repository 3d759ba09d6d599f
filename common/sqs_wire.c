#include "common/sqs_wire.h"

#include <inttypes.h>
#include <string.h>

#include "common/aws_error.h"
#include "common/check.h"
#include "common/encode.h"
#include "common/num.h"

static_assert(SQS_BATCH_ENTRIES_MAX == 10, "Ids are one digit");

/* --- requests -------------------------------------------------------------------------------- */

static void append_member(struct buf *out, const char *name, struct slice text)
{
    buf_append_str(out, name);
    json_append_string(out, text);
}

static void open_entry(struct buf *out, size_t index)
{
    buf_append_str(out, index == 0 ? "{\"Id\":\"" : ",{\"Id\":\"");
    buf_append_byte(out, (uint8_t)('0' + index));
    buf_append_byte(out, '"');
}

static void open_batch(struct buf *out, const char *queue_url, size_t count)
{
    CHECK(count >= 1 && count <= SQS_BATCH_ENTRIES_MAX);
    append_member(out, "{\"QueueUrl\":", slice_from_str(queue_url));
    buf_append_str(out, ",\"Entries\":[");
}

size_t sqs_wire_body_bytes(const struct sqs_send_entry *entry)
{
    return entry->base64 ? encode_base64_len(entry->body.len) : entry->body.len;
}

static void append_body(struct buf *out, const struct sqs_send_entry *entry)
{
    if (!entry->base64) {
        append_member(out, ",\"MessageBody\":", entry->body);
        return;
    }
    buf_append_str(out, ",\"MessageBody\":\"");
    encode_base64(entry->body, out);
    buf_append_byte(out, '"');
}

void sqs_wire_send_batch(struct buf *out, const char *queue_url,
                         const struct sqs_send_entry *entries, size_t count,
                         struct slice ret_bodies[SQS_BATCH_ENTRIES_MAX])
{
    size_t ends[SQS_BATCH_ENTRIES_MAX]; /* of the bodies, before the closing quotation mark */
    open_batch(out, queue_url, count);
    for (size_t i = 0; i < count; i++) {
        const struct sqs_send_entry *entry = &entries[i];
        open_entry(out, i);
        append_body(out, entry);
        ends[i] = out->len - 1;
        if (entry->delay_seconds != SQS_DELAY_ABSENT) {
            CHECK(entry->delay_seconds >= 0 && entry->delay_seconds <= SQS_DELAY_SECONDS_MAX);
            buf_printf(out, ",\"DelaySeconds\":%" PRId32, entry->delay_seconds);
        }
        if (!slice_is_null(entry->group_id))
            append_member(out, ",\"MessageGroupId\":", entry->group_id);
        if (!slice_is_null(entry->deduplication_id))
            append_member(out, ",\"MessageDeduplicationId\":", entry->deduplication_id);
        buf_append_byte(out, '}');
    }
    buf_append_str(out, "]}");
    for (size_t i = 0; i < count && !out->overflow; i++) { /* now that it moves no more */
        size_t len = sqs_wire_body_bytes(&entries[i]);
        ret_bodies[i] =
            entries[i].base64 ? slice_from(out->ptr + ends[i] - len, len) : entries[i].body;
    }
}

#define SYSTEM_ATTRIBUTES                                                                          \
    "[\"SentTimestamp\",\"ApproximateReceiveCount\",\"SequenceNumber\",\"MessageGroupId\"]"

void sqs_wire_receive(struct buf *out, const struct sqs_receive_spec *spec)
{
    CHECK(spec->messages_max >= 1 && spec->messages_max <= SQS_BATCH_ENTRIES_MAX);
    append_member(out, "{\"QueueUrl\":", slice_from_str(spec->queue_url));
    buf_printf(out,
               ",\"MaxNumberOfMessages\":%" PRIu32 ",\"WaitTimeSeconds\":%" PRId32
               ",\"VisibilityTimeout\":%" PRId32,
               spec->messages_max, spec->wait_seconds, spec->visibility_seconds);
    /* The older name too, for servers that do not know the newer one. */
    buf_append_str(out, ",\"MessageSystemAttributeNames\":" SYSTEM_ATTRIBUTES
                        ",\"AttributeNames\":" SYSTEM_ATTRIBUTES "}");
}

void sqs_wire_delete_batch(struct buf *out, const char *queue_url,
                           const struct slice *receipt_handles, size_t count)
{
    open_batch(out, queue_url, count);
    for (size_t i = 0; i < count; i++) {
        open_entry(out, i);
        append_member(out, ",\"ReceiptHandle\":", receipt_handles[i]);
        buf_append_byte(out, '}');
    }
    buf_append_str(out, "]}");
}

void sqs_wire_change_visibility_batch(struct buf *out, const char *queue_url,
                                      const struct sqs_visibility_entry *entries, size_t count)
{
    open_batch(out, queue_url, count);
    for (size_t i = 0; i < count; i++) {
        open_entry(out, i);
        append_member(out, ",\"ReceiptHandle\":", entries[i].receipt_handle);
        buf_printf(out, ",\"VisibilityTimeout\":%" PRId32 "}", entries[i].visibility_seconds);
    }
    buf_append_str(out, "]}");
}

void sqs_wire_get_queue_attributes(struct buf *out, const char *queue_url)
{
    append_member(out, "{\"QueueUrl\":", slice_from_str(queue_url));
    buf_append_str(out, ",\"AttributeNames\":[\"All\"]}");
}

void sqs_wire_get_queue_url(struct buf *out, const char *queue_name)
{
    append_member(out, "{\"QueueName\":", slice_from_str(queue_name));
    buf_append_byte(out, '}');
}

double sqs_wire_units(size_t payload_bytes)
{
    size_t units = (payload_bytes + SQS_BILLING_UNIT_BYTES - 1) / SQS_BILLING_UNIT_BYTES;
    return units == 0 ? 1 : (double)units;
}

/* --- batches --------------------------------------------------------------------------------- */

static bool md5_is(struct slice hex, const uint8_t md5[DIGEST_MD5_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    if (hex.len != 2 * DIGEST_MD5_SIZE)
        return false;
    for (size_t i = 0; i < DIGEST_MD5_SIZE; i++)
        if (hex.ptr[2 * i] != (uint8_t)digits[md5[i] >> 4] ||
            hex.ptr[2 * i + 1] != (uint8_t)digits[md5[i] & 15])
            return false;
    return true;
}

static void set_unknown(struct sqs_entry_result *result, const char *code, const char *text)
{
    result->outcome = OUTCOME_UNKNOWN;
    error_set(&result->error, ERROR_UNKNOWN, code, "%s", text);
    result->error.http_status = 200;
}

/* The entry that the element of Successful or Failed is about; NULL if it is none of ours, or has
 * been named before: then it is unknown for good. */
static struct sqs_entry_result *find_entry(const cJSON *element, size_t count,
                                           struct sqs_entry_result *results, unsigned *named)
{
    struct slice id = json_get_text(element, "Id");
    if (id.len != 1 || id.ptr[0] < '0' || id.ptr[0] >= '0' + count)
        return NULL;
    size_t index = (size_t)(id.ptr[0] - '0');
    if ((*named & 1U << index) != 0) {
        set_unknown(&results[index], "DoubledId", "the answer names the entry twice");
        return NULL;
    }
    *named |= 1U << index;
    return &results[index];
}

static void take_success(const cJSON *element, const struct sqs_wire_md5 *md5,
                         struct sqs_entry_result *result)
{
    if (md5 != NULL && json_get_text(element, "MessageId").len == 0)
        set_unknown(result, "MissingMessageId", "success without a message id");
    else if (md5 != NULL && !md5_is(json_get_text(element, "MD5OfMessageBody"), md5->bytes))
        set_unknown(result, "Md5Mismatch", "MD5OfMessageBody is not that of the body sent");
    else
        *result = (struct sqs_entry_result){.outcome = OUTCOME_DONE};
}

static void take_failure(const cJSON *element, struct sqs_entry_result *result)
{
    aws_error_read_entry(json_get_text(element, "Code"), json_get_text(element, "Message"),
                         json_get_bool(element, "SenderFault", false), &result->error);
    result->error.http_status = 200;
    result->outcome = OUTCOME_FAILED;
}

void sqs_wire_parse_batch(const cJSON *json, const struct sqs_wire_md5 *body_md5, size_t count,
                          struct sqs_entry_result *results, bool *ret_throttled)
{
    CHECK(count <= SQS_BATCH_ENTRIES_MAX);
    for (size_t i = 0; i < count; i++)
        set_unknown(&results[i], "MissingId", "the answer does not name the entry");
    unsigned named = 0;
    const cJSON *element;
    cJSON_ArrayForEach(element, json_get_array(json, "Successful"))
    {
        struct sqs_entry_result *result = find_entry(element, count, results, &named);
        if (result != NULL)
            take_success(element, body_md5 == NULL ? NULL : &body_md5[result - results], result);
    }
    cJSON_ArrayForEach(element, json_get_array(json, "Failed"))
    {
        struct sqs_entry_result *result = find_entry(element, count, results, &named);
        if (result != NULL)
            take_failure(element, result);
    }
    *ret_throttled = false;
    for (size_t i = 0; i < count; i++)
        if (results[i].error.kind == ERROR_THROTTLED)
            *ret_throttled = true;
}

void sqs_wire_fail_batch(const struct error *error, size_t count, struct sqs_entry_result *results)
{
    for (size_t i = 0; i < count; i++)
        results[i] = (struct sqs_entry_result){error_outcome(error->kind), *error};
}

/* --- other answers --------------------------------------------------------------------------- */

/* All but whether the body is whole. */
static enum status parse_message(const struct json_flat *f, uint32_t value, struct sqs_message *ret)
{
    struct sqs_message message = {
        .message_id = json_flat_get_text(f, value, "MessageId"),
        .receipt_handle = json_flat_get_text(f, value, "ReceiptHandle"),
        .body = json_flat_get_text(f, value, "Body"),
    };
    if (message.message_id.len == 0 || message.receipt_handle.len == 0 ||
        slice_is_null(message.body))
        return STATUS_INVALID;

    uint32_t attributes = json_flat_get(f, value, "Attributes");
    int64_t receive_count = 0;
    status_ignore(json_flat_get_text_i64(f, attributes, "ApproximateReceiveCount", UINT32_MAX,
                                         &receive_count),
                  "0 says that the server did not");
    status_ignore(
        json_flat_get_text_i64(f, attributes, "SentTimestamp", INT64_MAX, &message.sent_ms),
        "0 says that the server did not");
    message.receive_count = (uint32_t)receive_count;
    message.sequence_number = json_flat_get_text(f, attributes, "SequenceNumber");
    message.group_id = json_flat_get_text(f, attributes, "MessageGroupId");
    *ret = message;
    return STATUS_OK;
}

static void check_bodies(struct sqs_message *messages, const struct slice *hex, size_t count)
{
    struct slice bodies[SQS_BATCH_ENTRIES_MAX];
    uint8_t md5[SQS_BATCH_ENTRIES_MAX][DIGEST_MD5_SIZE];
    for (size_t i = 0; i < count; i++)
        bodies[i] = messages[i].body;
    digest_md5_each(bodies, count, md5);
    for (size_t i = 0; i < count; i++)
        messages[i].body_md5_matches = md5_is(hex[i], md5[i]);
}

enum status sqs_wire_parse_receive(const struct json_flat *answer, uint32_t messages_max,
                                   struct sqs_message messages[SQS_BATCH_ENTRIES_MAX],
                                   size_t *ret_count)
{
    uint32_t list = json_flat_get(answer, JSON_ROOT, "Messages");
    struct slice md5[SQS_BATCH_ENTRIES_MAX];
    size_t count = 0;
    if (list != JSON_ABSENT && !json_flat_is_null(answer, list) &&
        !json_flat_is(answer, list, JSON_ARRAY))
        return STATUS_INVALID;
    for (uint32_t at = json_flat_first(answer, list); at != JSON_ABSENT;
         at = json_flat_after(answer, list, at)) {
        if (count == MIN(messages_max, SQS_BATCH_ENTRIES_MAX) ||
            parse_message(answer, at, &messages[count]) != STATUS_OK)
            return STATUS_INVALID;
        md5[count++] = json_flat_get_text(answer, at, "MD5OfBody");
    }
    check_bodies(messages, md5, count);
    *ret_count = count;
    return STATUS_OK;
}

static int64_t read_number(const cJSON *attributes, const char *name)
{
    int64_t value = -1;
    status_ignore(json_get_text_i64(attributes, name, INT64_MAX, &value), "-1: left out");
    return value;
}

enum status sqs_wire_parse_attributes(const cJSON *json, struct sqs_queue_attributes *ret)
{
    const cJSON *attributes = json_get_object(json, "Attributes");
    if (attributes == NULL)
        return STATUS_INVALID;
    *ret = (struct sqs_queue_attributes){
        .fifo = slice_equal_str(json_get_text(attributes, "FifoQueue"), "true"),
        .deduplication_per_group =
            slice_equal_str(json_get_text(attributes, "DeduplicationScope"), "messageGroup"),
        .throughput_per_group =
            slice_equal_str(json_get_text(attributes, "FifoThroughputLimit"), "perMessageGroupId"),
        .throughput_known = json_get_text(attributes, "DeduplicationScope").len > 0 &&
                            json_get_text(attributes, "FifoThroughputLimit").len > 0,
        .redrive_policy = json_get_text(attributes, "RedrivePolicy").len > 0,
        .delay_seconds = read_number(attributes, "DelaySeconds"),
        .visibility_seconds = read_number(attributes, "VisibilityTimeout"),
        .retention_seconds = read_number(attributes, "MessageRetentionPeriod"),
        .maximum_message_bytes = read_number(attributes, "MaximumMessageSize"),
        .visible = read_number(attributes, "ApproximateNumberOfMessages"),
        .in_flight = read_number(attributes, "ApproximateNumberOfMessagesNotVisible"),
        .delayed = read_number(attributes, "ApproximateNumberOfMessagesDelayed"),
    };
    return STATUS_OK;
}

enum status sqs_wire_parse_queue_url(const cJSON *json, const char **ret)
{
    struct slice url = json_get_text(json, "QueueUrl");
    if (url.len == 0)
        return STATUS_INVALID;
    *ret = (const char *)url.ptr; /* cJSON's strings end in NUL, and json.c lets none hold one */
    return STATUS_OK;
}

bool sqs_wire_receipt_ended(const struct error *error)
{
    static const char other[] = "VisibilityTimeout";
    if (error->kind != ERROR_PERMANENT)
        return false;
    if (aws_error_code_is(error->code, "ReceiptHandleIsInvalid") ||
        aws_error_code_is(error->code, "MessageNotInflight"))
        return true;
    /* The text quotes the value before it names the parameter, and a handle may be longer than what
     * is kept of a text: so it is the handle's if it is not the other parameter's. */
    return aws_error_code_is(error->code, "InvalidParameterValueException") &&
           memmem(error->text, strlen(error->text), other, strlen(other)) == NULL;
}
