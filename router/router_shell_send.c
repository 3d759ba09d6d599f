/* Sends and dead letters: from the slots' bodies to SQS, DynamoDB and the dead-letter topic, and
 * their results back as events. */
#include <stdio.h>

#include "common/check.h"
#include "common/kill_point.h"
#include "common/mutant.h"
#include "common/num.h"
#include "router/router_shell_internal.h"
#include "router/router_result.h"

/* --- results --------------------------------------------------------------------------------- */

/* Due times are judged by the corrected clock from the next turn on. */
static void note(struct router_shell *s, enum router_service service, enum outcome outcome,
                 const struct error *error)
{
    if (outcome == OUTCOME_DONE) {
        s->last_error[service].kind = ERROR_NONE;
        return;
    }
    s->last_error[service] = *error;
    if (router_shell_may_log(s, &s->send_log))
        log_error(s->log, service == ROUTER_SQS ? "sqs_send_failed" : "table_write_failed", error);
}

static void add_result(struct router_shell *s, struct router_event *event, size_t i,
                       enum router_service service, enum outcome outcome, const struct error *error)
{
    CHECK(i < ARRAY_LEN(event->sent.results));
    event->sent.results[i] = router_result_of(outcome, error);
    if (outcome != OUTCOME_DONE)
        event->sent.retry_after_ms = MAX(event->sent.retry_after_ms, error->retry_after_ms);
    note(s, service, outcome, error);
}

static void on_sqs(void *ctx, const struct sqs_entry_result *results, size_t count)
{
    const struct router_call_ctx *call = ctx;
    struct router_event event = {.type = ROUTER_EVENT_SENT};
    KILL_POINT("router.sqs_answered");
    event.sent.call = call->call;
    for (size_t i = 0; i < count; i++)
        add_result(call->shell, &event, i, ROUTER_SQS, results[i].outcome, &results[i].error);
    aws_services_follow_clock(&call->shell->aws);
    router_shell_run(call->shell, &event);
    KILL_POINT("router.sqs_noted");
}

static void on_table(void *ctx, const struct dynamodb_put_result *results, size_t count)
{
    const struct router_call_ctx *call = ctx;
    struct router_event event = {.type = ROUTER_EVENT_SENT};
    KILL_POINT("router.table_answered");
    event.sent.call = call->call;
    for (size_t i = 0; i < count; i++)
        add_result(call->shell, &event, i, ROUTER_TABLE, results[i].outcome, &results[i].error);
    aws_services_follow_clock(&call->shell->aws);
    router_shell_run(call->shell, &event);
    KILL_POINT("router.table_noted");
}

/* --- sends ----------------------------------------------------------------------------------- */

static void send_sqs(struct router_shell *s, const struct router_effect *effect,
                     struct router_call_ctx *call)
{
    struct sqs_send_entry entries[SQS_BATCH_ENTRIES_MAX];
    CHECK(effect->count <= SQS_BATCH_ENTRIES_MAX);
    for (uint32_t i = 0; i < effect->count; i++) {
        const struct router_send_entry *entry = &s->effects->entries[effect->first + i];
        entries[i] = (struct sqs_send_entry){
            .body = router_bodies_frame(s->bodies, router_slot(entry->id)),
            .base64 = true,
            .delay_seconds = entry->delay_seconds,
        };
    }
    sqs_send_batch(s->aws.sqs, s->delay_queue_url, entries, effect->count, effect->is_retry, on_sqs,
                   call);
}

/* What an item is made of, as text. */
struct item_text {
    char pk[TABLE_KEY_SIZE];
    char sk[TABLE_KEY_SIZE];
    char written[NUM_DECIMAL_SIZE];
    char expires[NUM_DECIMAL_SIZE];
};

static struct slice spell(int64_t number, char text[NUM_DECIMAL_SIZE])
{
    return slice_from(text, num_format_i64(number, text));
}

static void add(struct dynamodb_item *item, const char *name, enum dynamodb_type type,
                struct slice value)
{
    CHECK(item->count < DYNAMODB_ATTRIBUTES_MAX);
    item->attributes[item->count++] = (struct dynamodb_attribute){name, type, value};
}

static void make_item(const struct router_shell *s, const struct router_send_entry *entry,
                      struct item_text *text, struct dynamodb_item *ret)
{
    const struct settings *settings = &s->config->settings;
    uint32_t slot = router_slot(entry->id);
    const struct envelope_id *id = router_bodies_id(s->bodies, slot);
    bool whole = entry->part == ROUTER_WHOLE;
    struct slice body = whole ? router_bodies_frame(s->bodies, slot)
                              : router_bodies_part(s->bodies, slot, entry->part);
    int64_t retention_ms = MUTANT_IS(11) ? -settings->handoff_ms : settings->retention_ms;
    int64_t expires_ms = time_add(entry->first_due_ms + ENVELOPE_SPAN_MS, retention_ms);
    if (whole) {
        int64_t bucket = table_bucket(entry->first_due_ms, settings->bucket_ms);
        table_bucket_pk(bucket, entry->shard, text->pk);
        table_envelope_sk(entry->first_due_ms, id, text->sk);
    } else {
        table_blob_pk(id, text->pk);
        table_blob_sk(entry->part, text->sk);
    }
    *ret = (struct dynamodb_item){.count = 0};
    add(ret, TABLE_PK, DYNAMODB_S, slice_from_str(text->pk));
    add(ret, TABLE_SK, DYNAMODB_S, slice_from_str(text->sk));
    add(ret, TABLE_ENVELOPE, DYNAMODB_B, body);
    if (whole)
        add(ret, TABLE_WRITTEN, DYNAMODB_N, spell(entry->written_ms, text->written));
    add(ret, TABLE_EXPIRES, DYNAMODB_N, spell(expires_ms / MS_PER_SECOND + 1, text->expires));
}

static void send_table(struct router_shell *s, const struct router_effect *effect,
                       struct router_call_ctx *call)
{
    struct dynamodb_item items[DYNAMODB_BATCH_ITEMS_MAX];
    struct item_text texts[DYNAMODB_BATCH_ITEMS_MAX];
    CHECK(effect->count <= DYNAMODB_BATCH_ITEMS_MAX);
    for (uint32_t i = 0; i < effect->count; i++)
        make_item(s, &s->effects->entries[effect->first + i], &texts[i], &items[i]);
    dynamodb_batch_put(s->aws.dynamodb, s->config->settings.table, items, effect->count,
                       effect->is_retry, on_table, call);
}

void router_shell_send(struct router_shell *s, const struct router_effect *effect)
{
    CHECK(router_slot(effect->id) < ARRAY_LEN(s->calls));
    struct router_call_ctx *call = &s->calls[router_slot(effect->id)];
    *call = (struct router_call_ctx){s, effect->id, effect->service};
    if (effect->service == ROUTER_SQS) {
        KILL_POINT("router.sqs_send");
        send_sqs(s, effect, call);
    } else {
        KILL_POINT("router.table_send");
        send_table(s, effect, call);
    }
}

/* --- dead letters ---------------------------------------------------------------------------- */

static void dead_lettered(struct router_event *event, uint64_t id, enum outcome outcome)
{
    *event = (struct router_event){.type = ROUTER_EVENT_DEAD_LETTERED};
    event->dead_lettered.id = id;
    event->dead_lettered.outcome = outcome;
}

static void note_dead_letter(struct router_shell *s, enum outcome outcome,
                             const struct error *error)
{
    if (outcome == OUTCOME_DONE)
        return;
    s->last_dead_letter_error = *error;
    if (router_shell_may_log(s, &s->send_log))
        log_error(s->log, "dead_letter_failed", error);
}

void router_shell_on_report(void *ctx, uint64_t id, enum outcome outcome, const struct error *error)
{
    struct router_shell *s = ctx;
    struct router_event event;
    KILL_POINT("router.dead_letter_reported");
    note_dead_letter(s, outcome, error);
    dead_lettered(&event, id, outcome);
    router_shell_run(s, &event);
}

static void produce(struct router_shell *s, uint64_t id, const struct router_dead_letter *letter)
{
    const struct kafka_message message = {
        .topic = slice_from_str(s->config->settings.dead_letter_topic),
        .key = letter->key,
        .value = letter->value,
        .headers = letter->headers,
        .header_count = letter->header_count,
        .timestamp_ms = letter->timestamp_ms < 0 ? loop_now(s->loop).wall.ms : letter->timestamp_ms,
        .id = id,
    };
    struct error error;
    if (kafka_produce(s->producer, &message, &error) == STATUS_OK) {
        KILL_POINT("router.dead_letter_produced");
        return;
    }
    struct router_event event;
    note_dead_letter(s, OUTCOME_FAILED, &error);
    dead_lettered(&event, id, OUTCOME_FAILED);
    router_shell_push(s, &event);
}

void router_shell_dead_letter(struct router_shell *s, const struct router_effect *effect)
{
    uint32_t slot = router_slot(effect->id);
    struct router_dead_letter letter;
    if (effect->first == ROUTER_WHOLE) {
        router_bodies_kept(s->bodies, slot, &letter);
        produce(s, effect->id, &letter);
        return;
    }
    bool table = s->core->envelopes[slot].path == DELAY_PATH_LONG;
    const struct error *error = &s->last_error[table ? ROUTER_TABLE : ROUTER_SQS];
    char detail[ERROR_CODE_SIZE + ERROR_TEXT_SIZE + 8];
    snprintf(detail, sizeof(detail), "%s: %s", error->code, error->text);
    router_bodies_refused(s->bodies, slot, effect->first, detail, &letter);
    if (router_shell_may_log(s, &s->record_log))
        log_event(s->log, LOG_WARN, "record_refused", LOG_TEXT("topic", letter.source_topic),
                  LOG_NUMBER("partition", letter.source_partition),
                  LOG_NUMBER("offset", letter.source_offset), LOG_STR("detail", detail));
    produce(s, effect->id, &letter);
}
