/* SQS: receives messages into slots, changes their visibility, deletes them.
 *
 * The happy path is: a long poll answers, each message is decoded as far as its headers and given
 * to the core, which has it deferred or held. The failure modes are: the poll fails (the core backs
 * off, /readyz says so), a message that cannot be read (kept as it is, parked by the core), entries
 * of a batch that fail (the core decides on each). */
#include <string.h>

#include "common/check.h"
#include "common/encode.h"
#include "common/kill_point.h"
#include "common/mem.h"
#include "relay/relay_shell_internal.h"

#define BYTES_PER_SLOT   1024 /* receipt, allocator, the slot itself */
#define BYTES_PER_RECORD 8    /* of an unpacked envelope beyond its payload; an estimate */
/* For a poll's way there and back; less than what the core keeps as a margin. */
#define ANSWER_MARGIN_MS 300
/* Receives of a queue that fail in a row before it counts as failing. */
#define FAILURES_TOLERATED 3

/* --- slots ----------------------------------------------------------------------------------- */

static void keep_receipt(struct relay_held *h, struct slice receipt)
{
    if (receipt.len > h->receipt_capacity) {
        h->receipt = mem_realloc(h->receipt, receipt.len);
        h->receipt_capacity = receipt.len;
    }
    if (receipt.len > 0)
        memcpy(h->receipt, receipt.ptr, receipt.len);
    h->receipt_len = receipt.len;
}

void relay_shell_rehandle(struct relay_shell *s, uint32_t to, uint32_t from)
{
    struct relay_held *h = &s->held[to];
    keep_receipt(h, slice_from(s->held[from].receipt, s->held[from].receipt_len));
    h->queue = s->held[from].queue;
}

void relay_shell_unload(struct relay_shell *s, uint32_t slot)
{
    struct relay_held *h = &s->held[slot];
    mem_free(h->frames);
    h->frames = NULL;
    envelope_free(h->envelope);
    h->envelope = NULL;
    buf_release(&h->body);
}

void relay_shell_forget(struct relay_shell *s, uint32_t slot)
{
    relay_shell_unload(s, slot);
    s->held[slot].receipt_len = 0;
}

/* --- messages -------------------------------------------------------------------------------- */

static enum relay_verdict verdict_of(enum status status)
{
    if (status == STATUS_OK)
        return RELAY_READABLE;
    return status == STATUS_UNSUPPORTED ? RELAY_UNSUPPORTED : RELAY_CORRUPT;
}

/* It comes again every half minute: the first time is news. */
static enum log_level level_of(uint32_t receive_count)
{
    return receive_count <= 1 ? LOG_WARN : LOG_DEBUG;
}

static void log_unreadable(struct relay_shell *s, const struct sqs_message *m, const char *reason)
{
    if (relay_shell_may_log(s))
        log_event(s->log, level_of(m->receive_count), "message_unreadable",
                  LOG_TEXT("message_id", m->message_id), LOG_STR("reason", reason),
                  LOG_NUMBER("receive_count", m->receive_count), LOG_NUMBER("sent_ms", m->sent_ms));
}

static void log_undecodable(struct relay_shell *s, const struct relay_held *h,
                            const struct error *error)
{
    struct envelope_info info;
    char id[ENVELOPE_ID_HEX_SIZE] = "";
    if (envelope_peek(slice_from(h->frames, h->frames_len), &info) == STATUS_OK)
        envelope_id_hex(&info.id, id);
    if (relay_shell_may_log(s))
        log_event(s->log, level_of(h->receive_count), "envelope_undecodable",
                  LOG_STR("envelope_id", id), LOG_STR("code", error->code),
                  LOG_STR("text", error->text), LOG_NUMBER("receive_count", h->receive_count));
}

/* Fills verdict and what only readable ones have; the frames are in s->raw afterwards. */
static void look_into(struct relay_shell *s, const struct sqs_message *m,
                      struct relay_received *received)
{
    struct envelope_info info;
    buf_clear(&s->raw);
    if (!m->body_md5_matches) {
        received->verdict = RELAY_GARBLED;
        log_unreadable(s, m, "its MD5 is not that of SQS");
        return;
    }
    if (decode_base64(m->body, &s->raw) != STATUS_OK) {
        received->verdict = RELAY_CORRUPT;
        log_unreadable(s, m, "not base64");
        return;
    }
    enum status status = envelope_peek(buf_slice(&s->raw), &info);
    received->verdict = verdict_of(status);
    if (status != STATUS_OK) {
        log_unreadable(s, m, status_name(status));
        return;
    }
    received->id = info.id;
    received->first_due_ms = info.first_due_ms;
    received->records = info.records;
    received->blob = info.blob;
    received->bytes = (int64_t)(s->raw.len + BYTES_PER_SLOT);
    received->unpacked_bytes = (int64_t)(info.raw_bytes + (size_t)info.records * BYTES_PER_RECORD);
}

/* When SQS hid the messages that have just come. A call that took longer than its wait was repeated
 * or crawled in, and who knows for how long: half of the visibility is taken as gone, so that it is
 * extended first of all. */
static struct mono_ms hidden_since(struct relay_shell *s, const struct relay_shell_poll *poll)
{
    struct mono_ms now = loop_now(s->loop).mono;
    bool in_time = now.ms - poll->started_at.ms <= s->config->wait_ms + ANSWER_MARGIN_MS;
    return in_time ? now : mono_add(now, -s->limits.visibility_ms / 2);
}

static void take_message(struct relay_shell *s, const struct relay_shell_poll *poll,
                         struct mono_ms received_at, const struct sqs_message *m)
{
    uint32_t slot = relay_core_free_slot(s->core);
    struct relay_held *h = &s->held[slot];
    struct relay_event event = {.type = RELAY_RECEIVED,
                                .received = {.slot = slot,
                                             .queue = poll->queue,
                                             .received_at = received_at,
                                             .sent_ms = m->sent_ms,
                                             .receive_count = m->receive_count}};
    look_into(s, m, &event.received);
    keep_receipt(h, m->receipt_handle);
    h->queue = poll->queue;
    h->receive_count = m->receive_count;
    s->received[poll->queue]++;
    buf_init(&h->body, SQS_MESSAGE_BYTES_MAX);
    if (event.received.verdict != RELAY_READABLE)
        buf_append_slice(&h->body, m->body);
    CHECK(!s->inside); /* s->raw is this message's until the event has been dealt with */
    relay_shell_feed(s, &event);
    KILL_POINT("relay.message_taken");
}

/* For /readyz. A throttle or a reset connection now and then is no failure of the queue. */
static void note_outcome(struct relay_shell *s, struct relay_shell_queue *queue,
                         const struct error *error)
{
    bool passing = error->kind == ERROR_THROTTLED || error->kind == ERROR_RETRY;
    queue->failures = error->kind == ERROR_NONE ? 0 : queue->failures + 1;
    if (passing && queue->failures < FAILURES_TOLERATED)
        return;
    if (error->kind != ERROR_NONE && queue->last_error.kind == ERROR_NONE)
        log_error(s->log, "receive_failed", error);
    queue->last_error = *error;
}

static void on_received(void *ctx, const struct sqs_message *messages, size_t count,
                        const struct error *error)
{
    struct relay_shell_poll *poll = ctx;
    struct relay_shell *s = poll->shell;
    struct relay_shell_queue *queue = &s->queues[poll->queue];
    size_t taken = error->kind == ERROR_NONE ? MIN(count, RELAY_POLL_MESSAGES) : 0;
    struct mono_ms received_at = hidden_since(s, poll); /* before work on the first of them */
    if (taken > 0)
        KILL_POINT("relay.received");
    for (size_t i = 0; i < taken; i++)
        take_message(s, poll, received_at, &messages[i]);
    bool held_back = aws_client_held_back(error);
    if (!held_back)
        note_outcome(s, queue, error);
    relay_shell_alarms(s);
    struct relay_event event = {.type = RELAY_POLLED,
                                .polled = {.poll = poll->ref,
                                           .outcome = error_outcome(error->kind),
                                           .messages = (uint32_t)taken,
                                           .throttled = error->kind == ERROR_THROTTLED,
                                           .held_back_ms = held_back ? error->retry_after_ms : 0}};
    relay_shell_feed(s, &event);
    if (taken > 0)
        KILL_POINT("relay.poll_noted");
}

void relay_shell_poll(struct relay_shell *s, const struct relay_poll *effect)
{
    struct relay_shell_poll *poll = &s->polls[effect->poll.index];
    *poll = (struct relay_shell_poll){s, effect->poll, effect->queue, loop_now(s->loop).mono};
    const struct sqs_receive_spec spec = {
        .queue_url = s->queues[effect->queue].url,
        .messages_max = RELAY_POLL_MESSAGES,
        .wait_seconds = (int32_t)(s->config->wait_ms / MS_PER_SECOND),
        .visibility_seconds = (int32_t)(s->limits.visibility_ms / MS_PER_SECOND),
    };
    sqs_receive(s->aws.sqs, &spec, on_received, poll);
}

void relay_shell_hold(struct relay_shell *s, uint32_t slot)
{
    struct relay_held *h = &s->held[slot];
    h->frames = mem_alloc(s->raw.len);
    h->frames_len = s->raw.len;
    memcpy(h->frames, s->raw.ptr, s->raw.len);
    KILL_POINT("relay.held");
}

void relay_shell_decode(struct relay_shell *s, struct relay_ref slot)
{
    struct relay_held *h = &s->held[slot.index];
    struct relay_event event = {.type = RELAY_DECODED, .decoded = {.slot = slot}};
    struct error error;
    struct slice frames = slice_from(h->frames, h->frames_len);
    enum status status = envelope_decode(frames, &h->envelope, &error);
    event.decoded.verdict = verdict_of(status);
    if (status == STATUS_OK) {
        const struct envelope_info *info = envelope_get_info(h->envelope);
        const struct blob_ref *blob = envelope_blob_ref(h->envelope);
        event.decoded.records = info->records;
        event.decoded.second_ms = info->second_ms;
        event.decoded.due_offsets = envelope_due_offsets(h->envelope);
        event.decoded.bytes = (int64_t)(envelope_memory_bytes(h->envelope) + BYTES_PER_SLOT);
        event.decoded.blob_bytes = blob == NULL ? 0 : blob->total_bytes;
    } else {
        encode_base64(frames, &h->body);
        log_undecodable(s, h, &error);
    }
    mem_free(h->frames);
    h->frames = NULL;
    loop_now_forget(s->loop); /* this took its time, and the next record may be due */
    KILL_POINT("relay.decoded");
    relay_shell_feed(s, &event);
}

/* --- batches --------------------------------------------------------------------------------- */

static void note_called(struct relay_shell_batch *batch, const struct sqs_entry_result *results,
                        size_t count)
{
    struct relay_event event = {.type = RELAY_CALLED,
                                .called = {.batch = batch->ref, .count = (uint32_t)count}};
    for (size_t i = 0; i < count; i++)
        event.called.results[i] =
            (struct relay_call_result){.outcome = results[i].outcome,
                                       .kind = results[i].error.kind,
                                       .receipt_ended = sqs_wire_receipt_ended(&results[i].error)};
    relay_shell_feed(batch->shell, &event);
}

static void on_deleted(void *ctx, const struct sqs_entry_result *results, size_t count)
{
    KILL_POINT("relay.deleted");
    note_called(ctx, results, count);
}

static void on_visibility_changed(void *ctx, const struct sqs_entry_result *results, size_t count)
{
    KILL_POINT("relay.visibility_changed");
    note_called(ctx, results, count);
}

void relay_shell_call(struct relay_shell *s, const struct relay_batch *effect, bool is_delete)
{
    struct relay_shell_batch *batch = &s->batches[effect->batch.index];
    *batch = (struct relay_shell_batch){s, effect->batch};
    struct slice receipts[SQS_BATCH_ENTRIES_MAX];
    struct sqs_visibility_entry entries[SQS_BATCH_ENTRIES_MAX];
    for (uint32_t i = 0; i < effect->count; i++) {
        const struct relay_held *h = &s->held[effect->slots[i].index];
        receipts[i] = slice_from(h->receipt, h->receipt_len);
        entries[i] = (struct sqs_visibility_entry){receipts[i], effect->seconds[i]};
    }
    const char *url = s->queues[effect->queue].url;
    if (is_delete) {
        KILL_POINT("relay.delete");
        sqs_delete_batch(s->aws.sqs, url, receipts, effect->count, on_deleted, batch);
    } else {
        KILL_POINT("relay.change_visibility");
        sqs_change_visibility_batch(s->aws.sqs, url, entries, effect->count, on_visibility_changed,
                                    batch);
    }
}
