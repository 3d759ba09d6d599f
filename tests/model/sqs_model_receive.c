#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/model/sqs_model_internal.h"

#define INVALID_VALUE 400, "InvalidParameterValueException", "InvalidParameterValue"

/* What a receipt handle says. */
struct receipt {
    uint32_t queue_id;
    uint32_t slot;
    uint64_t number;
    uint32_t receipt;
};

#define HANDLE_PREFIX "AQEB"
#define HANDLE_LEN    (sizeof(HANDLE_PREFIX) - 1 + 8 + 8 + 16 + 8 + 16)

static uint64_t receipt_check(const struct sqs_model *model, const struct receipt *r)
{
    uint64_t parts[4] = {r->queue_id, r->slot, r->number, r->receipt};
    return model_hash(slice_from(parts, sizeof(parts))) ^ model->handle_key;
}

static void write_handle(const struct sqs_model_queue *queue,
                         const struct sqs_model_message *message, char out[SQS_MODEL_HANDLE_SIZE])
{
    struct receipt r = {queue->id, message->slot, message->number, message->receipt};
    int len =
        snprintf(out, SQS_MODEL_HANDLE_SIZE,
                 HANDLE_PREFIX "%08" PRIx32 "%08" PRIx32 "%016" PRIx64 "%08" PRIx32 "%016" PRIx64,
                 r.queue_id, r.slot, r.number, r.receipt, receipt_check(queue->model, &r));
    CHECK(len == (int)HANDLE_LEN);
}

static bool read_hex(struct slice text, size_t at, size_t digits, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = at; i < at + digits; i++) {
        uint8_t c = text.ptr[i];
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret = value;
    return true;
}

static bool read_handle(const struct sqs_model_queue *queue, struct slice text, struct receipt *ret,
                        struct model_error *reterr)
{
    uint64_t part[5];
    const size_t prefix = sizeof(HANDLE_PREFIX) - 1;
    bool valid = text.len == HANDLE_LEN && memcmp(text.ptr, HANDLE_PREFIX, prefix) == 0 &&
                 read_hex(text, prefix, 8, &part[0]) && read_hex(text, prefix + 8, 8, &part[1]) &&
                 read_hex(text, prefix + 16, 16, &part[2]) &&
                 read_hex(text, prefix + 32, 8, &part[3]) &&
                 read_hex(text, prefix + 40, 16, &part[4]);
    if (valid) {
        *ret = (struct receipt){(uint32_t)part[0], (uint32_t)part[1], part[2], (uint32_t)part[3]};
        valid = ret->queue_id == queue->id && receipt_check(queue->model, ret) == part[4];
    }
    if (!valid)
        return model_refuse(reterr, 404, "ReceiptHandleIsInvalid", NULL,
                            "The input receipt handle \"%.*s\" is not a valid receipt handle.",
                            (int)(text.len < 100 ? text.len : 100),
                            text.ptr == NULL ? "" : (const char *)text.ptr);
    return true;
}

/* NULL: the message is no more. */
static struct sqs_model_message *message_of(const struct sqs_model_queue *queue, uint32_t slot,
                                            uint64_t number)
{
    struct sqs_model_message *message = slot < queue->slot_count ? queue->slots[slot] : NULL;
    return message != NULL && message->number == number ? message : NULL;
}

static bool refuse_expired(struct slice handle, struct model_error *reterr)
{
    return model_refuse(reterr, INVALID_VALUE,
                        "Value %.*s for parameter ReceiptHandle is invalid. Reason: The receipt "
                        "handle has expired.",
                        SLICE_ARG(handle));
}

bool sqs_model_delete(struct sqs_model_queue *queue, struct slice receipt_handle, int64_t now_ms,
                      struct model_error *reterr)
{
    sqs_model_store_advance(queue, now_ms);
    struct receipt receipt;
    if (!read_handle(queue, receipt_handle, &receipt, reterr))
        return false;
    struct sqs_model_message *message = message_of(queue, receipt.slot, receipt.number);
    if (message == NULL)
        return true; /* deleting twice is fine */
    bool newest = message->receipt == receipt.receipt;
    if (queue->fifo && (!newest || message->state != SQS_MODEL_IN_FLIGHT))
        return refuse_expired(receipt_handle, reterr);
    if (newest) /* a stale handle of a standard queue: 200, and the message returns */
        sqs_model_store_remove(queue, message);
    return true;
}

bool sqs_model_change_visibility(struct sqs_model_queue *queue, struct slice receipt_handle,
                                 int64_t visibility_seconds, int64_t now_ms,
                                 struct model_error *reterr)
{
    sqs_model_store_advance(queue, now_ms);
    struct receipt receipt;
    if (visibility_seconds == SQS_MODEL_ABSENT)
        return model_refuse(reterr, 400, "MissingRequiredParameterException", "MissingParameter",
                            "The request must contain the parameter VisibilityTimeout.");
    if (!sqs_model_check_number("VisibilityTimeout", visibility_seconds, 0, 43200,
                                "VisibilityTimeout must be an integer between 0 and 43200",
                                reterr) ||
        !read_handle(queue, receipt_handle, &receipt, reterr))
        return false;
    struct sqs_model_message *message = message_of(queue, receipt.slot, receipt.number);
    if (message == NULL)
        return model_refuse(reterr, INVALID_VALUE,
                            "Value %.*s for parameter ReceiptHandle is invalid. Reason: Message "
                            "does not exist or is not available for visibility timeout change.",
                            SLICE_ARG(receipt_handle));
    bool newest = message->receipt == receipt.receipt;
    if (queue->fifo && (!newest || message->state != SQS_MODEL_IN_FLIGHT))
        return refuse_expired(receipt_handle, reterr);
    if (!newest)
        return true; /* a 200 that proves nothing: somebody else has it */
    if (message->state != SQS_MODEL_IN_FLIGHT)
        return model_refuse(reterr, 400, "MessageNotInflight",
                            "AWS.SimpleQueueService.MessageNotInflight",
                            "The specified message isn't in flight.");
    if (now_ms - message->received_ms + visibility_seconds * 1000 > SQS_MODEL_VISIBILITY_MS_MAX)
        return model_refuse(reterr, INVALID_VALUE,
                            "Value %" PRId64 " for parameter VisibilityTimeout is invalid. Reason: "
                            "Total VisibilityTimeout for the message is beyond the limit [43200 "
                            "seconds].",
                            visibility_seconds);
    message->touches++;
    if (visibility_seconds == 0)
        sqs_model_store_hand_back(queue, message, now_ms);
    else
        sqs_model_store_set_state(queue, message, SQS_MODEL_IN_FLIGHT,
                                  now_ms + visibility_seconds * 1000);
    return true;
}

static void give(const struct sqs_model_queue *queue, const struct sqs_model_message *message,
                 struct sqs_model_received *ret)
{
    *ret = (struct sqs_model_received){.body = message->body,
                                       .group_id = message->group_id,
                                       .deduplication_id = message->deduplication_id,
                                       .attributes = message->attributes,
                                       .attribute_count = message->attribute_count,
                                       .receive_count = message->receive_count,
                                       .sent_ms = message->sent_ms,
                                       .first_receive_ms = message->first_receive_ms};
    memcpy(ret->message_id, message->message_id, sizeof(ret->message_id));
    memcpy(ret->body_md5, message->body_md5, sizeof(ret->body_md5));
    memcpy(ret->attributes_md5, message->attributes_md5, sizeof(ret->attributes_md5));
    memcpy(ret->sequence_number, message->sequence_number, sizeof(ret->sequence_number));
    write_handle(queue, message, ret->receipt_handle);
}

static void take(struct sqs_model_queue *queue, struct sqs_model_message *message,
                 int64_t visibility_ms, int64_t now_ms)
{
    message->receipt++;
    message->touches = 0;
    message->receive_count++;
    message->received_ms = now_ms;
    if (message->receive_count == 1)
        message->first_receive_ms = now_ms;
    sqs_model_store_set_state(queue, message, SQS_MODEL_IN_FLIGHT, now_ms + visibility_ms);
    if (visibility_ms == 0)
        sqs_model_store_hand_back(queue, message, now_ms);
}

static size_t pick_standard(struct sqs_model_queue *queue, uint32_t skip, size_t most,
                            struct sqs_model_message **picked)
{
    struct model_list_node *node = model_list_first(&queue->ready);
    for (; skip > 0 && node != NULL && queue->depth.visible > skip; skip--)
        node = model_list_next(&queue->ready, node);
    size_t count = 0;
    for (; node != NULL && count < most; node = model_list_next(&queue->ready, node))
        picked[count++] = container_of(node, struct sqs_model_message, place);
    return count;
}

/* As many of one group as there are, then the next group. */
static size_t pick_fifo(struct sqs_model_queue *queue, size_t most,
                        struct sqs_model_message **picked)
{
    size_t count = 0;
    struct model_list_node *at = model_list_first(&queue->ready);
    for (; at != NULL && count < most; at = model_list_next(&queue->ready, at)) {
        struct sqs_model_group *group = container_of(at, struct sqs_model_group, ready);
        struct model_list_node *node = model_list_first(&group->messages);
        for (; node != NULL && count < most; node = model_list_next(&group->messages, node)) {
            struct sqs_model_message *message = container_of(node, struct sqs_model_message, place);
            if (message->state != SQS_MODEL_VISIBLE)
                break;
            picked[count++] = message;
        }
    }
    return count;
}

static struct sqs_model_attempt *find_attempt(const struct sqs_model_queue *queue, struct slice id)
{
    struct model_map_node *node = slice_is_null(id) ? NULL : model_map_find(&queue->attempts, id);
    return node == NULL ? NULL : container_of(node, struct sqs_model_attempt, by_id);
}

/* The same messages again under the same handles, with their time-out begun anew. */
static bool repeat_attempt(struct sqs_model_queue *queue, const struct sqs_model_attempt *attempt,
                           int64_t visibility_ms, int64_t now_ms, struct sqs_model_received *ret,
                           size_t *ret_count, struct model_error *reterr)
{
    struct sqs_model_message *messages[SQS_MODEL_BATCH_MAX];
    for (size_t i = 0; i < attempt->count; i++) {
        struct sqs_model_message *message =
            message_of(queue, attempt->messages[i].slot, attempt->messages[i].number);
        if (message == NULL || message->state != SQS_MODEL_IN_FLIGHT || message->touches != 0 ||
            message->receipt != attempt->messages[i].receipt)
            return model_refuse(reterr, INVALID_VALUE,
                                "Value %.*s for parameter ReceiveRequestAttemptId is invalid. "
                                "Reason: Messages of this attempt were deleted, changed or became "
                                "visible.",
                                SLICE_ARG(attempt->by_id.key));
        messages[i] = message;
    }
    for (size_t i = 0; i < attempt->count; i++) {
        sqs_model_store_set_state(queue, messages[i], SQS_MODEL_IN_FLIGHT, now_ms + visibility_ms);
        give(queue, messages[i], &ret[i]);
    }
    *ret_count = attempt->count;
    return true;
}

static void remember_attempt(struct sqs_model_queue *queue, struct slice id,
                             struct sqs_model_message *const *messages, size_t count,
                             int64_t now_ms)
{
    struct sqs_model_attempt *attempt = mem_alloc(sizeof(*attempt) + id.len);
    *attempt = (struct sqs_model_attempt){.expires_ms = now_ms + SQS_MODEL_DEDUPLICATION_MS,
                                          .count = count};
    for (size_t i = 0; i < count; i++) {
        attempt->messages[i].slot = messages[i]->slot;
        attempt->messages[i].receipt = messages[i]->receipt;
        attempt->messages[i].number = messages[i]->number;
    }
    memcpy(attempt->id, id.ptr, id.len);
    model_map_insert(&queue->attempts, &attempt->by_id, slice_from(attempt->id, id.len));
    model_list_append(&queue->attempts_by_age, &attempt->by_age);
}

bool sqs_model_receive(struct sqs_model_queue *queue, const struct sqs_model_receive *spec,
                       int64_t now_ms, struct sqs_model_received *ret, size_t *ret_count,
                       struct model_error *reterr)
{
    sqs_model_store_advance(queue, now_ms);
    if (!sqs_model_check_receive(queue, spec, reterr))
        return false;
    int64_t visibility_ms = 1000 * (spec->visibility_seconds == SQS_MODEL_ABSENT
                                        ? queue->numbers[SQS_MODEL_ATTRIBUTE_VISIBILITY]
                                        : spec->visibility_seconds);
    const struct sqs_model_attempt *attempt = find_attempt(queue, spec->attempt_id);
    if (attempt != NULL)
        return repeat_attempt(queue, attempt, visibility_ms, now_ms, ret, ret_count, reterr);

    size_t most = spec->messages_max == SQS_MODEL_ABSENT ? 1 : (size_t)spec->messages_max;
    size_t room = queue->depth.in_flight >= queue->model->in_flight_max
                      ? 0
                      : queue->model->in_flight_max - queue->depth.in_flight;
    int64_t wait_seconds = spec->wait_seconds == SQS_MODEL_ABSENT
                               ? queue->numbers[SQS_MODEL_ATTRIBUTE_WAIT]
                               : spec->wait_seconds;
    if (room == 0 && !queue->fifo && wait_seconds == 0)
        return model_refuse(reterr, 403, "OverLimit", NULL, "Too many messages in flight: %zu.",
                            queue->depth.in_flight);
    most = MIN(most, room);
    struct sqs_model_message *picked[SQS_MODEL_BATCH_MAX];
    size_t count = queue->fifo ? pick_fifo(queue, most, picked)
                               : pick_standard(queue, spec->skip, most, picked);
    for (size_t i = 0; i < count; i++) {
        take(queue, picked[i], visibility_ms, now_ms);
        give(queue, picked[i], &ret[i]);
        if (spec->duplicate && !queue->fifo) { /* the very next receive gets it too */
            sqs_model_store_hand_back(queue, picked[i], now_ms);
            model_list_remove(&picked[i]->place);
            model_list_prepend(&queue->ready, &picked[i]->place);
        }
    }
    if (count > 0 && !slice_is_null(spec->attempt_id))
        remember_attempt(queue, spec->attempt_id, picked, count, now_ms);
    *ret_count = count;
    return true;
}
