#include <string.h>

#include "common/check.h"
#include "common/kill_point.h"
#include "common/mem.h"
#include "common/mutant.h"
#include "scheduler/scheduler_shell_internal.h"

/* A lease may end before its extension arrives, and an extension lose the race against the delete:
 * the core counts them. */
static bool is_expected(enum scheduler_event_kind kind, const struct error *error)
{
    return (kind == SCHEDULER_EVENT_VISIBILITY_SET || kind == SCHEDULER_EVENT_TICKS_DELETED) &&
           sqs_wire_receipt_ended(error);
}

static void note_batch(struct call call, const struct sqs_entry_result *results, size_t count)
{
    CHECK(count <= SCHEDULER_BATCH_MAX);
    struct scheduler_event event = {.kind = call.kind, .id = call.id};
    const struct error *first = NULL;
    for (size_t i = 0; i < count; i++) {
        event.entries[i] = scheduler_shell_result_of(&results[i].error);
        if (first == NULL && results[i].outcome != OUTCOME_DONE &&
            !is_expected(call.kind, &results[i].error))
            first = &results[i].error;
    }
    if (first != NULL)
        log_error(call.shell->log, "queue_call_failed", first);
    scheduler_shell_step(call.shell, &event);
}

/* --- timer queue ----------------------------------------------------------------------------- */

static void on_ticks_sent(void *ctx, const struct sqs_entry_result *results, size_t count)
{
    KILL_POINT("scheduler.ticks_sent");
    note_batch(scheduler_shell_call_end(ctx), results, count);
}

void scheduler_shell_send_ticks(struct scheduler_shell *shell,
                                const struct scheduler_effect *effect)
{
    struct sqs_send_entry entries[SCHEDULER_BATCH_MAX];
    char bodies[SCHEDULER_BATCH_MAX][TABLE_KEY_SIZE];
    char groups[SCHEDULER_BATCH_MAX][TABLE_KEY_SIZE];
    for (uint32_t i = 0; i < effect->count; i++) {
        table_tick_body(effect->send_ticks.shards[i], effect->send_ticks.bucket, bodies[i]);
        table_tick_group(effect->send_ticks.shards[i], groups[i]);
        entries[i] = (struct sqs_send_entry){
            .body = slice_from_str(bodies[i]),
            .delay_seconds = SQS_DELAY_ABSENT,
            .group_id = slice_from_str(groups[i]),
            .deduplication_id = slice_from_str(bodies[i]),
        };
    }
    KILL_POINT("scheduler.ticks_send");
    struct call *call = scheduler_shell_call_begin(shell, effect->id, SCHEDULER_EVENT_TICKS_SENT);
    sqs_send_batch(shell->aws.sqs, shell->queue_urls[QUEUE_TIMER], entries, effect->count,
                   effect->is_retry, on_ticks_sent, call);
}

static struct scheduler_message read_message(const struct sqs_message *message)
{
    struct scheduler_message tick = {.receive_count = MAX(message->receive_count, 1)};
    tick.is_tick =
        message->body_md5_matches &&
        table_parse_tick(message->body, &tick.shard, &tick.bucket) == STATUS_OK &&
        table_fence(message->sequence_number, tick.receive_count, tick.fence) == STATUS_OK;
    return tick;
}

static void on_received(void *ctx, const struct sqs_message *messages, size_t count,
                        const struct error *error)
{
    struct call call = scheduler_shell_call_end(ctx);
    struct scheduler_message ticks[SCHEDULER_BATCH_MAX];
    CHECK(count <= SCHEDULER_BATCH_MAX);
    if (count > 0)
        KILL_POINT("scheduler.ticks_received");
    for (size_t i = 0; i < count; i++) {
        struct tick_slot *slot = &call.shell->ticks[call.slots[i]];
        mem_free(slot->receipt_handle);
        slot->receipt_handle = mem_strndup((const char *)messages[i].receipt_handle.ptr,
                                           messages[i].receipt_handle.len);
        ticks[i] = read_message(&messages[i]);
    }
    bool held_back = aws_client_held_back(error);
    if (error->kind != ERROR_NONE && !held_back)
        log_error(call.shell->log, "receive_failed", error);
    struct scheduler_event event = {
        .kind = SCHEDULER_EVENT_RECEIVED,
        .id = call.id,
        .result = scheduler_shell_result_of(error),
        .received = {.messages = ticks,
                     .count = (uint32_t)count,
                     .held_back_ms = held_back ? error->retry_after_ms : 0},
    };
    scheduler_shell_step(call.shell, &event);
}

void scheduler_shell_receive(struct scheduler_shell *shell, const struct scheduler_effect *effect)
{
    struct call *call = scheduler_shell_call_begin(shell, effect->id, SCHEDULER_EVENT_RECEIVED);
    memcpy(call->slots, effect->ticks.slots, sizeof(call->slots));
    const struct sqs_receive_spec spec = {
        .queue_url = shell->queue_urls[QUEUE_TIMER],
        .messages_max = effect->count,
        .wait_seconds = (int32_t)(scheduler_config_wait_ms(shell->config) / MS_PER_SECOND),
        .visibility_seconds = (int32_t)(shell->limits.lease_ms / MS_PER_SECOND),
    };
    sqs_receive(shell->aws.sqs, &spec, on_received, call);
}

static void on_visibility_set(void *ctx, const struct sqs_entry_result *results, size_t count)
{
    KILL_POINT("scheduler.lease_extended");
    note_batch(scheduler_shell_call_end(ctx), results, count);
}

void scheduler_shell_set_visibility(struct scheduler_shell *shell,
                                    const struct scheduler_effect *effect)
{
    struct sqs_visibility_entry entries[SCHEDULER_BATCH_MAX];
    for (uint32_t i = 0; i < effect->count; i++) {
        entries[i] = (struct sqs_visibility_entry){
            .receipt_handle = slice_from_str(shell->ticks[effect->ticks.slots[i]].receipt_handle),
            .visibility_seconds = (int32_t)(effect->ticks.visibility_ms / MS_PER_SECOND),
        };
    }
    struct call *call =
        scheduler_shell_call_begin(shell, effect->id, SCHEDULER_EVENT_VISIBILITY_SET);
    sqs_change_visibility_batch(shell->aws.sqs, shell->queue_urls[QUEUE_TIMER], entries,
                                effect->count, on_visibility_set, call);
}

static void on_ticks_deleted(void *ctx, const struct sqs_entry_result *results, size_t count)
{
    KILL_POINT("scheduler.ticks_deleted");
    note_batch(scheduler_shell_call_end(ctx), results, count);
}

void scheduler_shell_delete_ticks(struct scheduler_shell *shell,
                                  const struct scheduler_effect *effect)
{
    struct slice handles[SCHEDULER_BATCH_MAX];
    KILL_POINT("scheduler.ticks_delete");
    for (uint32_t i = 0; i < effect->count; i++)
        handles[i] = slice_from_str(shell->ticks[effect->ticks.slots[i]].receipt_handle);
    struct call *call =
        scheduler_shell_call_begin(shell, effect->id, SCHEDULER_EVENT_TICKS_DELETED);
    sqs_delete_batch(shell->aws.sqs, shell->queue_urls[QUEUE_TIMER], handles, effect->count,
                     on_ticks_deleted, call);
}

/* --- ready queue ----------------------------------------------------------------------------- */

static void on_packs_sent(void *ctx, const struct sqs_entry_result *results, size_t count)
{
    KILL_POINT("scheduler.packs_sent");
    note_batch(scheduler_shell_call_end(ctx), results, count);
}

void scheduler_shell_send_packs(struct scheduler_shell *shell,
                                const struct scheduler_effect *effect)
{
    struct sqs_send_entry entries[SCHEDULER_BATCH_MAX];
    char ids[SCHEDULER_BATCH_MAX][ENVELOPE_ID_HEX_SIZE];
    buf_clear(&shell->joined);
    CHECK(buf_reserve(&shell->joined, SQS_BATCH_BYTES_MAX) !=
          NULL); /* it must not move meanwhile */
    for (uint32_t i = 0; i < effect->count; i++) {
        entries[i] = (struct sqs_send_entry){
            .body = scheduler_shell_pages_message(shell, &effect->packs[i], &shell->joined, ids[i]),
            .base64 = true,
            .delay_seconds = SQS_DELAY_ABSENT,
            .group_id = slice_from_str(ids[i]),
            .deduplication_id = slice_from_str(ids[i]),
        };
        if (MUTANT_IS(22) && effect->is_retry)
            ids[i][0] = 'r';
    }
    KILL_POINT("scheduler.packs_send");
    struct call *call = scheduler_shell_call_begin(shell, effect->id, SCHEDULER_EVENT_PACKS_SENT);
    sqs_send_batch(shell->aws.sqs, shell->queue_urls[QUEUE_READY], entries, effect->count,
                   effect->is_retry, on_packs_sent, call);
}
