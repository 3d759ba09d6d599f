#include "tests/harness/router_rig.h"

#include "common/encode.h"
#include "common/mem.h"
#include "common/table.h"

#define MONO_START_MS 1000

struct router_limits rig_limits(void)
{
    struct router_limits limits = router_limits_default();
    limits.nodes_max = 32768;
    limits.envelopes_max = 512;
    return limits;
}

struct rig *rig_new(const struct router_limits *limits)
{
    struct rig *rig = mem_calloc(1, sizeof(*rig));
    rig->limits = *limits;
    rig->core = mem_calloc(1, sizeof(*rig->core));
    rig->out = mem_calloc(1, sizeof(*rig->out));
    rig->records = mem_calloc((size_t)RIG_PARTITIONS * RIG_OFFSETS, sizeof(*rig->records));
    rig->bodies = mem_calloc(ROUTER_ENVELOPES_MAX, sizeof(*rig->bodies));
    rig->now = (struct now){{MONO_START_MS}, {RIG_WALL_MS}};
    rig->permille = 1000;
    rig->large_bytes = BLOB_PART_BYTES_MAX * 2 + 1;
    for (int i = 0; i < RIG_PARTITIONS; i++)
        rig->committed[i] = -1;
    router_core_init(rig->core, limits, 7);
    return rig;
}

void rig_free(struct rig *rig)
{
    for (uint32_t i = 0; i < ROUTER_ENVELOPES_MAX; i++)
        mem_free(rig->bodies[i].refs);
    mem_free(rig->bodies);
    mem_free(rig->records);
    mem_free(rig->core);
    mem_free(rig->out);
    mem_free(rig);
}

struct rig_record *rig_ledger(struct rig *rig, uint32_t partition, int64_t offset)
{
    assert_true(partition < RIG_PARTITIONS && offset >= 0 && offset < RIG_OFFSETS);
    return &rig->records[partition * RIG_OFFSETS + offset];
}

/* --- effects --------------------------------------------------------------------------------- */

static void append(struct rig *rig, struct rig_body *body, const struct router_event *event)
{
    assert_int_equal(event->type, ROUTER_EVENT_RECORD);
    if (body->count == body->capacity) {
        body->capacity = body->capacity == 0 ? 8 : body->capacity * 2;
        body->refs = mem_realloc(body->refs, body->capacity * sizeof(*body->refs));
    }
    body->refs[body->count++] =
        (struct rig_ref){event->record.partition, event->record.offset, event->record.due_ms};
    body->raw_bytes += event->record.bytes;
    assert_true(body->raw_bytes <= rig->limits.raw_bytes_max || body->large || body->kept);
    assert_true(body->count <= rig->limits.records_max);
    if (!body->kept)
        assert_int_equal(event->record.due_ms / 1000, body->refs[0].due_ms / 1000);
}

static int by_due(const void *a, const void *b)
{
    const struct rig_ref *x = a;
    const struct rig_ref *y = b;
    if (x->due_ms != y->due_ms)
        return x->due_ms < y->due_ms ? -1 : 1;
    if (x->partition != y->partition)
        return 0;
    return x->offset < y->offset ? -1 : 1;
}

/* Stable, as the envelope's decoder is: insertion sort. */
static void sort_refs(struct rig_body *body)
{
    for (uint32_t i = 1; i < body->count; i++) {
        struct rig_ref ref = body->refs[i];
        uint32_t at = i;
        for (; at > 0 && body->refs[at - 1].due_ms > ref.due_ms; at--)
            body->refs[at] = body->refs[at - 1];
        body->refs[at] = ref;
    }
    for (uint32_t i = 1; i < body->count; i++)
        assert_true(by_due(&body->refs[i - 1], &body->refs[i]) <= 0);
}

static void check_entry(struct rig *rig, const struct rig_call *call,
                        const struct router_send_entry *entry)
{
    const struct rig_body *body = &rig->bodies[router_slot(entry->id)];
    assert_true(body->encoded && body->count > 0);
    if (entry->part != ROUTER_WHOLE) {
        assert_int_equal(call->service, ROUTER_TABLE);
        assert_true(body->large && entry->part < body->parts);
        return;
    }
    for (uint32_t part = 0; part < body->parts; part++)
        assert_true(body->parts_acked[part / 64] >> part % 64 & 1);
    int64_t first_due_ms = INT64_MAX;
    for (uint32_t i = 0; i < body->count; i++)
        first_due_ms = MIN(first_due_ms, body->refs[i].due_ms);
    assert_int_equal(entry->first_due_ms, first_due_ms);
    if (call->service == ROUTER_SQS) {
        assert_in_range(entry->delay_seconds, 0, SQS_DELAY_SECONDS_MAX);
        return;
    }
    int64_t bucket_ms = rig->limits.bucket_ms;
    int64_t start_ms = table_bucket(entry->first_due_ms, bucket_ms) * bucket_ms;
    assert_true(rig->now.wall.ms < start_ms - rig->limits.handoff_ms - rig->limits.cutoff_ms);
    assert_true(entry->written_ms > 0 && entry->written_ms <= rig->now.wall.ms);
    assert_true(entry->shard < rig->limits.shards);
}

static void take_call(struct rig *rig, const struct router_effect *effect)
{
    struct rig_call *call = NULL;
    for (uint32_t i = 0; i < RIG_CALLS && call == NULL; i++)
        if (!rig->calls[i].open)
            call = &rig->calls[i];
    assert_non_null(call);
    *call = (struct rig_call){
        .open = true,
        .id = effect->id,
        .service = effect->service,
        .is_retry = effect->is_retry,
        .count = effect->count,
    };
    bool sqs = effect->service == ROUTER_SQS;
    uint32_t entries_max = sqs ? rig->limits.sqs_entries_max : rig->limits.table_items_max;
    assert_in_range(effect->count, 1, entries_max);
    for (uint32_t i = 0; i < effect->count; i++) {
        call->entries[i] = rig->out->entries[effect->first + i];
        check_entry(rig, call, &call->entries[i]);
        for (uint32_t k = 0; k < i; k++)
            assert_true(call->entries[k].id != call->entries[i].id ||
                        call->entries[k].part != call->entries[i].part);
    }
    uint32_t of_service = 0;
    for (uint32_t i = 0; i < RIG_CALLS; i++)
        of_service += rig->calls[i].open && rig->calls[i].service == effect->service;
    assert_true(of_service <= (sqs ? rig->limits.sqs_calls_max : rig->limits.table_calls_max));
    rig->calls_open++;
    rig->sends++;
    rig->entries += effect->count;
}

/* An offset may be committed only when everything taken before it has ended. */
static void take_commits(struct rig *rig, uint64_t id)
{
    assert_int_equal(rig->commit_id, 0);
    assert_true(rig->out->commit_count > 0);
    rig->commit_id = id;
    for (uint32_t i = 0; i < rig->out->commit_count; i++) {
        const struct router_commit *commit = &rig->out->commits[i];
        assert_true(rig->assigned[commit->partition]);
        assert_true(commit->offset > rig->committed[commit->partition]);
        rig->committed[commit->partition] = commit->offset;
        for (int64_t offset = 0; offset < commit->offset; offset++) {
            const struct rig_record *r = rig_ledger(rig, commit->partition, offset);
            assert_true(!r->taken || r->stored + r->dead > 0);
        }
    }
}

static void take_effect(struct rig *rig, const struct router_event *event,
                        const struct router_effect *effect)
{
    struct rig_body *body = &rig->bodies[router_slot(effect->id) % ROUTER_ENVELOPES_MAX];
    switch (effect->type) {
    case ROUTER_EFFECT_APPEND:
        assert_true(body->count == 0 || body->open);
        body->open = true;
        append(rig, body, event);
        return;
    case ROUTER_EFFECT_CLOSE:
        assert_true(body->open);
        body->open = false;
        body->window = body->count;
        rig->encode_ids[rig->encode_count++] = effect->id;
        return;
    case ROUTER_EFFECT_STORE_LARGE:
        assert_int_equal(body->count, 0);
        body->large = true;
        append(rig, body, event);
        body->window = 1;
        rig->encode_ids[rig->encode_count++] = effect->id;
        return;
    case ROUTER_EFFECT_KEEP:
        assert_int_equal(body->count, 0);
        body->kept = true;
        append(rig, body, event);
        return;
    case ROUTER_EFFECT_RECODE:
        assert_true(body->encoded && effect->count > 0);
        assert_true(effect->first + effect->count <= body->count);
        sort_refs(body);
        body->first = effect->first;
        body->window = effect->count;
        body->encoded = false;
        rig->encode_ids[rig->encode_count++] = effect->id;
        return;
    case ROUTER_EFFECT_SEND:
        take_call(rig, effect);
        return;
    case ROUTER_EFFECT_DEAD_LETTER:
        assert_true(body->count > 0);
        assert_int_equal(effect->first == ROUTER_WHOLE, body->kept);
        rig->dead_ids[rig->dead_count] = effect->id;
        rig->dead_firsts[rig->dead_count++] = body->kept ? 0 : effect->first;
        return;
    case ROUTER_EFFECT_FREE:
        assert_true(body->count > 0 && !body->open);
        mem_free(body->refs);
        *body = (struct rig_body){0};
        return;
    case ROUTER_EFFECT_COMMIT:
        take_commits(rig, effect->id);
        return;
    case ROUTER_EFFECT_RELEASE:
        rig->released++;
        for (int i = 0; i < RIG_PARTITIONS; i++)
            if (rig->core->partitions[i].state == ROUTER_PARTITION_FREE)
                rig->assigned[i] = false;
        return;
    case ROUTER_EFFECT_PAUSE:
    case ROUTER_EFFECT_RESUME:
        assert_int_equal(rig->paused, effect->type == ROUTER_EFFECT_RESUME);
        rig->paused = effect->type == ROUTER_EFFECT_PAUSE;
        return;
    }
}

static void one_step(struct rig *rig, const struct router_event *event)
{
    router_core_step(rig->core, event, rig->now, rig->out);
    for (uint32_t i = 0; i < rig->out->count; i++)
        take_effect(rig, event, &rig->out->effects[i]);
}

void rig_encode(struct rig *rig)
{
    uint32_t count = rig->encode_count;
    uint64_t *ids = mem_alloc(count * sizeof(*ids) + 1);
    if (count > 0)
        memcpy(ids, rig->encode_ids, count * sizeof(*ids));
    rig->encode_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct rig_body *body = &rig->bodies[router_slot(ids[i])];
        struct router_event event = {.type = ROUTER_EVENT_ENCODED};
        event.encoded.id = ids[i];
        event.encoded.frame_bytes = body->raw_bytes / 1000 * rig->permille + 48;
        if (body->large) {
            event.encoded.frame_bytes = 200;
            event.encoded.blob_bytes = rig->large_bytes;
            body->parts = (rig->large_bytes + BLOB_PART_BYTES_MAX - 1) / BLOB_PART_BYTES_MAX;
        }
        body->encoded = true;
        one_step(rig, &event);
    }
    mem_free(ids);
}

void rig_step(struct rig *rig, const struct router_event *event)
{
    one_step(rig, event);
    for (int turn = 0; turn < 100000; turn++) {
        bool due = router_core_deadline(rig->core).mono.ms <= rig->now.mono.ms;
        if (rig->encode_count > 0 && !rig->hold_encoded)
            rig_encode(rig);
        else if (rig->dead_count > 0 && !rig->hold_dead)
            rig_report_dead(rig, OUTCOME_DONE);
        else if (rig->commit_id != 0 && !rig->hold_commits)
            rig_commit_ends(rig, true);
        else if (due)
            one_step(rig, &(struct router_event){.type = ROUTER_EVENT_TICK});
        else
            return;
    }
    fail_msg("the core spins");
}

void rig_tick(struct rig *rig)
{
    rig_step(rig, &(struct router_event){.type = ROUTER_EVENT_TICK});
}

void rig_sleep(struct rig *rig, int64_t ms)
{
    int64_t end_ms = rig->now.mono.ms + ms;
    while (rig->now.mono.ms < end_ms) {
        int64_t next_ms = MIN(router_core_deadline(rig->core).mono.ms, end_ms);
        next_ms = MAX(next_ms, rig->now.mono.ms);
        rig->now.wall.ms += next_ms - rig->now.mono.ms;
        rig->now.mono.ms = next_ms;
        rig_tick(rig);
    }
}

/* --- events ---------------------------------------------------------------------------------- */

void rig_assign(struct rig *rig, uint32_t partition)
{
    struct router_event event = {.type = ROUTER_EVENT_ASSIGNED};
    event.assigned.partition = partition;
    rig->assigned[partition] = true;
    rig_step(rig, &event);
}

void rig_revoke(struct rig *rig, uint32_t partition, bool lost)
{
    struct router_event event = {.type = ROUTER_EVENT_REVOKED};
    event.revoked.partitions = &partition;
    event.revoked.count = 1;
    event.revoked.lost = lost;
    rig_step(rig, &event);
}

void rig_stop(struct rig *rig)
{
    rig_step(rig, &(struct router_event){.type = ROUTER_EVENT_STOP});
}

int64_t rig_record(struct rig *rig, uint32_t partition, int64_t delay_ms, uint32_t bytes)
{
    return rig_record_verdict(rig, partition, delay_ms, bytes, ROUTER_RECORD_ACCEPTED);
}

int64_t rig_record_verdict(struct rig *rig, uint32_t partition, int64_t delay_ms, uint32_t bytes,
                           enum router_verdict verdict)
{
    struct router_event event = {.type = ROUTER_EVENT_RECORD};
    int64_t offset = rig->next_offset[partition]++;
    event.record.partition = partition;
    event.record.offset = offset;
    event.record.verdict = verdict;
    event.record.bytes = bytes;
    event.record.due_ms = rig->now.wall.ms + delay_ms;
    struct rig_record *r = rig_ledger(rig, partition, offset);
    r->taken = true;
    r->rejected = verdict == ROUTER_RECORD_REJECTED;
    r->due_ms = event.record.due_ms;
    rig_step(rig, &event);
    return offset;
}

struct rig_call *rig_call(struct rig *rig, enum router_service service)
{
    struct rig_call *oldest = NULL;
    for (uint32_t i = 0; i < RIG_CALLS; i++) {
        struct rig_call *call = &rig->calls[i];
        if (call->open && call->service == service && (oldest == NULL || call->id < oldest->id))
            oldest = call;
    }
    return oldest;
}

static void acknowledge(struct rig *rig, const struct rig_call *call,
                        const struct router_send_entry *entry)
{
    struct rig_body *body = &rig->bodies[router_slot(entry->id)];
    if (entry->part != ROUTER_WHOLE) {
        body->parts_acked[entry->part / 64] |= UINT64_C(1) << entry->part % 64;
        return;
    }
    int64_t bucket_ms = rig->limits.bucket_ms;
    int64_t start_ms = table_bucket(entry->first_due_ms, bucket_ms) * bucket_ms;
    int64_t cutoff_ms = start_ms - rig->limits.handoff_ms - rig->limits.cutoff_ms;
    if (call->service == ROUTER_TABLE && rig->now.wall.ms >= cutoff_ms)
        return; /* too late to count */
    for (uint32_t i = body->first; i < body->first + body->window; i++) {
        struct rig_record *r = rig_ledger(rig, body->refs[i].partition, body->refs[i].offset);
        r->stored++;
        r->path = call->service == ROUTER_SQS ? DELAY_PATH_SHORT : DELAY_PATH_LONG;
        assert_false(r->guilty);
        assert_true(rig->faults || r->stored == 1);
    }
}

void rig_answer_each(struct rig *rig, struct rig_call *call, const enum router_result *results)
{
    struct router_event event = {.type = ROUTER_EVENT_SENT};
    assert_true(call->open);
    event.sent.call = call->id;
    for (uint32_t i = 0; i < call->count; i++) {
        event.sent.results[i] = results[i];
        if (results[i] == ROUTER_RESULT_DONE)
            acknowledge(rig, call, &call->entries[i]);
    }
    call->open = false;
    rig->calls_open--;
    rig_step(rig, &event);
}

void rig_answer(struct rig *rig, struct rig_call *call, enum router_result result)
{
    enum router_result results[DYNAMODB_BATCH_ITEMS_MAX];
    assert_non_null(call);
    for (int i = 0; i < DYNAMODB_BATCH_ITEMS_MAX; i++)
        results[i] = result;
    rig_answer_each(rig, call, results);
}

void rig_answer_honestly(struct rig *rig, struct rig_call *call)
{
    enum router_result results[DYNAMODB_BATCH_ITEMS_MAX] = {ROUTER_RESULT_DONE};
    for (uint32_t i = 0; i < call->count; i++) {
        const struct rig_body *body = &rig->bodies[router_slot(call->entries[i].id)];
        results[i] = ROUTER_RESULT_DONE;
        for (uint32_t k = body->first; k < body->first + body->window; k++)
            if (rig_ledger(rig, body->refs[k].partition, body->refs[k].offset)->guilty)
                results[i] = ROUTER_RESULT_REFUSED;
    }
    rig_answer_each(rig, call, results);
}

void rig_commit_ends(struct rig *rig, bool done)
{
    struct router_event event = {.type = ROUTER_EVENT_COMMITTED};
    event.committed.id = rig->commit_id;
    event.committed.done = done;
    assert_true(rig->commit_id != 0);
    rig->commit_id = 0;
    if (!done)
        for (int i = 0; i < RIG_PARTITIONS; i++)
            rig->committed[i] = -1; /* the same again is right */
    one_step(rig, &event);
}

void rig_report_dead(struct rig *rig, enum outcome outcome)
{
    struct router_event event = {.type = ROUTER_EVENT_DEAD_LETTERED};
    assert_true(rig->dead_count > 0);
    event.dead_lettered.id = rig->dead_ids[0];
    event.dead_lettered.outcome = outcome;
    const struct rig_ref *ref =
        &rig->bodies[router_slot(event.dead_lettered.id)].refs[rig->dead_firsts[0]];
    rig->dead_count--;
    memmove(rig->dead_ids, rig->dead_ids + 1, rig->dead_count * sizeof(rig->dead_ids[0]));
    memmove(rig->dead_firsts, rig->dead_firsts + 1, rig->dead_count * sizeof(rig->dead_firsts[0]));
    if (outcome == OUTCOME_DONE)
        rig_ledger(rig, ref->partition, ref->offset)->dead++;
    one_step(rig, &event);
}

void rig_settle(struct rig *rig, int64_t limit_ms)
{
    int64_t end_ms = rig->now.mono.ms + limit_ms;
    while (rig->now.mono.ms < end_ms) {
        struct rig_call *call = rig_call(rig, ROUTER_TABLE);
        if (call == NULL)
            call = rig_call(rig, ROUTER_SQS);
        if (call != NULL) {
            rig_answer_honestly(rig, call);
            continue;
        }
        int64_t next_ms = router_core_deadline(rig->core).mono.ms;
        if (next_ms == TIME_NEVER)
            return;
        rig_sleep(rig, MAX(next_ms - rig->now.mono.ms, 1));
    }
    fail_msg("not settled within %lld ms", (long long)limit_ms);
}

void rig_expect_all_ended(const struct rig *rig)
{
    for (uint32_t i = 0; i < RIG_PARTITIONS * RIG_OFFSETS; i++) {
        const struct rig_record *r = &rig->records[i];
        uint32_t stored = r->taken && !r->rejected && !r->guilty;
        uint32_t dead = r->taken && !stored;
        if (r->dead != dead || (rig->faults ? (r->stored > 0) != stored : r->stored != stored))
            fail_msg("record %u: stored %u times, dead-lettered %u times", i, r->stored, r->dead);
    }
}

struct rig *rig_start(const struct router_limits *limits)
{
    struct router_limits usual = rig_limits();
    struct rig *rig = rig_new(limits == NULL ? &usual : limits);
    rig_assign(rig, 0);
    return rig;
}

void rig_end(struct rig *rig)
{
    rig_settle(rig, RIG_MINUTES(30));
    rig_expect_all_ended(rig);
    assert_int_equal(rig->core->envelopes_used, 0);
    assert_int_equal(rig->core->nodes_used, 0);
    assert_int_equal(rig->core->bytes, 0);
    rig_free(rig);
}
