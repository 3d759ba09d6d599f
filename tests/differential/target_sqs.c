#include <string.h>

#include "common/mem.h"
#include "tests/differential/target.h"

static const char *text_of(const cJSON *object, const char *name)
{
    return (const char *)json_get_text(object, name).ptr;
}

static int32_t i32_of(const cJSON *object, const char *name, int32_t absent)
{
    return (int32_t)cases_number(object, name, absent);
}

/* --- answers --------------------------------------------------------------------------------- */

static void on_batch(void *ctx, const struct sqs_entry_result *results, size_t count)
{
    cJSON *answer = target_outcomes_new();
    for (size_t i = 0; i < count; i++)
        target_add_outcome(answer, results[i].outcome, &results[i].error);
    target_waiter_end(ctx, answer);
}

static void on_received(void *ctx, const struct sqs_message *messages, size_t count,
                        const struct error *error)
{
    if (error->kind != ERROR_NONE) {
        target_waiter_end(ctx, target_error(error));
        return;
    }
    cJSON *answer = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(answer, "messages");
    for (size_t i = 0; i < count; i++) {
        const struct sqs_message *m = &messages[i];
        cJSON *message = cJSON_CreateObject();
        target_add_slice(message, "body", m->body);
        target_add_slice(message, "message_id", m->message_id);
        target_add_slice(message, "receipt_handle", m->receipt_handle);
        target_add_slice(message, "sequence_number", m->sequence_number);
        target_add_slice(message, "group_id", m->group_id);
        cJSON_AddNumberToObject(message, "receive_count", m->receive_count);
        cJSON_AddNumberToObject(message, "sent_ms", (double)m->sent_ms);
        cJSON_AddBoolToObject(message, "body_md5_matches", m->body_md5_matches);
        cJSON_AddItemToArray(list, message);
    }
    target_waiter_end(ctx, answer);
}

static void on_attributes(void *ctx, const struct sqs_queue_attributes *a,
                          const struct error *error)
{
    if (error->kind != ERROR_NONE) {
        target_waiter_end(ctx, target_error(error));
        return;
    }
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddBoolToObject(answer, "fifo", a->fifo);
    cJSON_AddBoolToObject(answer, "deduplication_per_group", a->deduplication_per_group);
    cJSON_AddBoolToObject(answer, "throughput_per_group", a->throughput_per_group);
    cJSON_AddBoolToObject(answer, "redrive_policy", a->redrive_policy);
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"delay_seconds", a->delay_seconds},
                   {"visibility_seconds", a->visibility_seconds},
                   {"retention_seconds", a->retention_seconds},
                   {"maximum_message_bytes", a->maximum_message_bytes},
                   {"visible", a->visible},
                   {"in_flight", a->in_flight},
                   {"delayed", a->delayed}};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        cJSON_AddNumberToObject(answer, numbers[i].name, (double)numbers[i].value);
    target_waiter_end(ctx, answer);
}

static void on_url(void *ctx, const char *queue_url, const struct error *error)
{
    if (error->kind != ERROR_NONE) {
        target_waiter_end(ctx, target_error(error));
        return;
    }
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddStringToObject(answer, "queue_url", queue_url);
    target_waiter_end(ctx, answer);
}

/* --- requests -------------------------------------------------------------------------------- */

static bool send_batch(struct target *target, const cJSON *request, struct target_waiter *waiter)
{
    struct sqs_send_entry entries[SQS_BATCH_ENTRIES_MAX];
    const cJSON *list = json_get_array(request, "entries");
    const cJSON *item;
    size_t count = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (count == SQS_BATCH_ENTRIES_MAX)
            return false;
        entries[count++] = (struct sqs_send_entry){
            .body = json_get_text(item, "body"),
            .delay_seconds = i32_of(item, "delay_seconds", SQS_DELAY_ABSENT),
            .group_id = json_get_text(item, "group_id"),
            .deduplication_id = json_get_text(item, "deduplication_id")};
    }
    if (count == 0)
        return false;
    sqs_send_batch(target->sqs, text_of(request, "queue"), entries, count, false, on_batch, waiter);
    return true;
}

static bool receive(struct target *target, const cJSON *request, struct target_waiter *waiter)
{
    sqs_receive(
        target->sqs,
        &(struct sqs_receive_spec){.queue_url = text_of(request, "queue"),
                                   .messages_max = (uint32_t)i32_of(request, "messages_max", 10),
                                   .wait_seconds = i32_of(request, "wait_seconds", 0),
                                   .visibility_seconds = i32_of(request, "visibility_seconds", 30)},
        on_received, waiter);
    return true;
}

static bool handles(struct target *target, const cJSON *request, bool changes,
                    struct target_waiter *waiter)
{
    struct slice receipts[SQS_BATCH_ENTRIES_MAX];
    struct sqs_visibility_entry entries[SQS_BATCH_ENTRIES_MAX];
    const cJSON *item;
    size_t count = 0;
    cJSON_ArrayForEach(item, json_get_array(request, "entries"))
    {
        if (count == SQS_BATCH_ENTRIES_MAX)
            return false;
        receipts[count] = json_get_text(item, "receipt_handle");
        entries[count] = (struct sqs_visibility_entry){.receipt_handle = receipts[count],
                                                       .visibility_seconds =
                                                           i32_of(item, "visibility_seconds", 0)};
        count++;
    }
    if (count == 0)
        return false;
    const char *queue = text_of(request, "queue");
    if (changes)
        sqs_change_visibility_batch(target->sqs, queue, entries, count, on_batch, waiter);
    else
        sqs_delete_batch(target->sqs, queue, receipts, count, on_batch, waiter);
    return true;
}

static bool start(struct target *target, const char *operation, const cJSON *request,
                  struct target_waiter *waiter)
{
    const char *queue = text_of(request, "queue");
    if (queue == NULL)
        return false;
    if (strcmp(operation, "send_batch") == 0)
        return send_batch(target, request, waiter);
    if (strcmp(operation, "receive") == 0)
        return receive(target, request, waiter);
    if (strcmp(operation, "delete_batch") == 0)
        return handles(target, request, false, waiter);
    if (strcmp(operation, "change_visibility_batch") == 0)
        return handles(target, request, true, waiter);
    if (strcmp(operation, "get_queue_attributes") == 0) {
        sqs_get_queue_attributes(target->sqs, queue, on_attributes, waiter);
        return true;
    }
    if (strcmp(operation, "get_queue_url") == 0) {
        sqs_get_queue_url(target->sqs, queue, on_url, waiter);
        return true;
    }
    return false;
}

bool target_call_sqs(struct target *target, const char *operation, const cJSON *request,
                     target_fn *on_answer, void *ctx)
{
    struct target_waiter *waiter = target_waiter_new(on_answer, ctx);
    bool started = start(target, operation, request, waiter);
    if (!started)
        mem_free(waiter);
    return started;
}
