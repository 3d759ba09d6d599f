#include "tests/harness/relay_world.h"

#include "common/mem.h"

#define POLL_WAIT_MS 5000
#define POLL_LOOK_MS 50

static const struct relay_limits limits = {
    .slots = RELAY_WORLD_SLOTS,
    .window_records = 100,
    .polls_max = 3,
    .done_ids = 256,
    .budget_bytes = 8 * MIB,
    .unpacked_bytes = 4 * MIB,
    .poll_bytes = 1 * MIB,
    .hold_ms = 3000,
    .lead_ms = 2000,
    .unpack_ms = 500,
    .visibility_ms = 10000,
    .margin_ms = 1000,
    .receive_max_ms = 43195 * MS_PER_SECOND,
    .linger_ms = 50,
    .park_ms = 5000,
    .park_max_ms = 60000,
    .stop_hold_ms = 1000,
    .done_ttl_ms = 15 * MS_PER_MINUTE,
};

static bool happens(struct relay_world *w, uint32_t per_mille)
{
    if (w->enumerate) {
        w->occasions += per_mille > 0;
        return per_mille > 0 && (w->occasions == w->fires[0] || w->occasions == w->fires[1]);
    }
    return prng_below(&w->random, 1000) < per_mille;
}

int64_t relay_world_between(struct relay_world *w, int64_t least, int64_t most)
{
    return least + (int64_t)prng_below(&w->random, (uint64_t)(most - least + 1));
}

static struct now now_of(const struct relay_world *w)
{
    return (struct now){{w->mono}, {RELAY_WORLD_WALL_MS + w->mono}};
}

static struct relay_world_queued *schedule(struct relay_world *w, uint32_t node, int64_t delay_ms)
{
    assert_true(w->queue_len < RELAY_WORLD_QUEUED);
    struct relay_world_queued *q = &w->queue[w->queue_len++];
    *q = (struct relay_world_queued){.at = w->mono + delay_ms,
                                     .sequence = w->sequence++,
                                     .node = node,
                                     .life = w->nodes[node].life};
    return q;
}

static struct relay_world_queued pop_earliest(struct relay_world *w)
{
    size_t best = 0;
    for (size_t i = 1; i < w->queue_len; i++) {
        const struct relay_world_queued *a = &w->queue[i];
        const struct relay_world_queued *b = &w->queue[best];
        if (a->at < b->at || (a->at == b->at && a->sequence < b->sequence))
            best = i;
    }
    struct relay_world_queued q = w->queue[best];
    w->queue[best] = w->queue[--w->queue_len];
    return q;
}

/* --- what Kafka does ------------------------------------------------------------------------- */

/* Half of the messages have a target that refuses whole batches, be but one record to blame. */
static bool batch_is_refused(const struct relay_world_message *m, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++)
        if (m->refused[i])
            return m->second_ms / 1000 % 2 == 0;
    return false;
}

static void produce(struct relay_world *w, uint32_t node, struct relay_ref slot, uint32_t record,
                    bool batch_refused)
{
    struct relay_world_message *m = w->nodes[node].slots[slot.index].message;
    int64_t late = RELAY_WORLD_WALL_MS + w->mono - (m->second_ms + m->due_offsets[record]);
    assert_true(late >= 0); /* never early */
    w->worst_late_ms = MAX(w->worst_late_ms, late);
    struct relay_report report = {.slot = slot, .record = record};
    if (batch_refused) {
        report.outcome = OUTCOME_FAILED;
        report.refusal = RELAY_REFUSED_TARGET_REFUSED;
        report.in_company = true;
    } else if (m->refused[record]) {
        report.outcome = OUTCOME_FAILED;
        report.refusal = RELAY_REFUSED_TARGET_UNKNOWN;
    } else if (happens(w, w->faults.report_failed)) {
        report.outcome = OUTCOME_FAILED;
    } else if (happens(w, w->faults.report_unknown)) {
        report.outcome = OUTCOME_UNKNOWN;
        m->delivered[record] += happens(w, 500);
    } else {
        m->delivered[record]++;
    }
    struct relay_world_queued *q = schedule(w, node, relay_world_between(w, 0, 40));
    q->event = (struct relay_event){.type = RELAY_REPORT, .report = report};
}

static void on_emit(struct relay_world *w, uint32_t node, const struct relay_emit *emit)
{
    uint32_t taken = emit->count;
    bool full = happens(w, w->faults.full);
    if (full)
        taken = (uint32_t)prng_below(&w->random, emit->count);
    const struct relay_world_message *m = w->nodes[node].slots[emit->slot.index].message;
    bool refused = batch_is_refused(m, emit->first, taken);
    for (uint32_t i = 0; i < taken; i++)
        produce(w, node, emit->slot, emit->first + i, refused);
    struct relay_world_queued *q = schedule(w, node, relay_world_between(w, 0, 1));
    q->event = (struct relay_event){.type = RELAY_EMITTED,
                                    .emitted = {.slot = emit->slot, .taken = taken, .full = full}};
}

static void on_dead_letter(struct relay_world *w, uint32_t node,
                           const struct relay_dead_letter *dead)
{
    struct relay_world_message *m = w->nodes[node].slots[dead->slot.index].message;
    struct relay_report report = {.slot = dead->slot,
                                  .record = dead->record,
                                  .dead_letter = true,
                                  .refusal = dead->refusal,
                                  .detail = dead->detail};
    if (happens(w, w->faults.full)) {
        report.full = true;
        report.outcome = OUTCOME_FAILED;
    } else if (happens(w, w->faults.report_failed)) {
        report.outcome = OUTCOME_FAILED;
    } else {
        for (uint32_t i = 0; i < m->records; i++)
            m->dead[i] += i == dead->record || m->unreadable;
    }
    struct relay_world_queued *q = schedule(w, node, relay_world_between(w, 0, 40));
    q->event = (struct relay_event){.type = RELAY_REPORT, .report = report};
}

/* --- what SQS does --------------------------------------------------------------------------- */

static void change_one(struct relay_world *w, struct relay_world_message *m, uint32_t handle,
                       bool is_delete, int32_t seconds, struct relay_call_result *result)
{
    bool stale = handle != m->receives || m->deleted;
    if (happens(w, w->faults.call_failed)) {
        *result = (struct relay_call_result){.outcome = OUTCOME_FAILED, .kind = ERROR_RETRY};
        return;
    }
    if (happens(w, w->faults.throttled)) {
        *result = (struct relay_call_result){.outcome = OUTCOME_FAILED, .kind = ERROR_THROTTLED};
        return;
    }
    bool unknown = happens(w, w->faults.call_unknown);
    if (stale) {
        *result = (struct relay_call_result){
            .outcome = OUTCOME_FAILED, .kind = ERROR_PERMANENT, .receipt_ended = true};
    } else if (!unknown || happens(w, 500)) {
        if (is_delete)
            m->deleted = true;
        else
            m->visible_at = w->mono + seconds * MS_PER_SECOND;
    }
    if (unknown)
        *result = (struct relay_call_result){.outcome = OUTCOME_UNKNOWN, .kind = ERROR_UNKNOWN};
}

static void on_batch(struct relay_world *w, uint32_t node, const struct relay_batch *batch,
                     bool is_delete)
{
    struct relay_world_queued *q = schedule(w, node, relay_world_between(w, 1, 50));
    q->event = (struct relay_event){.type = RELAY_CALLED,
                                    .called = {.batch = batch->batch, .count = batch->count}};
    assert_in_range(batch->count, 1, 10);
    for (uint32_t i = 0; i < batch->count; i++) {
        uint32_t slot = batch->slots[i].index;
        struct relay_world_message *m = w->nodes[node].slots[slot].message;
        assert_non_null(m);
        assert_int_equal(m->queue, batch->queue);
        for (uint32_t r = 0; is_delete && r < m->records; r++)
            assert_true(m->delivered[r] + m->dead[r] > 0); /* P2: only after the reports */
        change_one(w, m, w->nodes[node].slots[slot].handle, is_delete, batch->seconds[i],
                   &q->event.called.results[i]);
    }
}

/* --- a relay's shell ------------------------------------------------------------------------- */

static void on_decode(struct relay_world *w, uint32_t node, struct relay_ref slot)
{
    struct relay_world_message *m = w->nodes[node].slots[slot.index].message;
    struct relay_world_queued *q = schedule(w, node, relay_world_between(w, 0, 1));
    q->event = (struct relay_event){.type = RELAY_DECODED,
                                    .decoded = {.slot = slot,
                                                .records = m->records,
                                                .second_ms = m->second_ms,
                                                .due_offsets = m->due_offsets,
                                                .bytes = 1000,
                                                .blob_bytes = m->blob ? 256 * KIB : 0}};
}

static void act(struct relay_world *w, uint32_t node, const struct relay_effect *effect)
{
    struct relay_world_node *n = &w->nodes[node];
    struct relay_world_queued *q;
    switch (effect->type) {
    case RELAY_POLL:
        q = schedule(w, node, relay_world_between(w, 1, 20));
        if (happens(w, w->faults.throttled)) {
            q->event =
                (struct relay_event){.type = RELAY_POLLED,
                                     .polled = {.poll = effect->poll.poll,
                                                .outcome = OUTCOME_FAILED,
                                                .held_back_ms = relay_world_between(w, 1, 300)}};
            break;
        }
        q->is_poll = true;
        q->poll_until = w->mono + POLL_WAIT_MS;
        q->queue = effect->poll.queue;
        q->event =
            (struct relay_event){.type = RELAY_POLLED, .polled = {.poll = effect->poll.poll}};
        break;
    case RELAY_HOLD:
        break;
    case RELAY_DECODE:
        on_decode(w, node, effect->slot);
        break;
    case RELAY_REHANDLE:
        n->slots[effect->rehandle.to.index] = n->slots[effect->rehandle.from];
        break;
    case RELAY_FETCH:
        q = schedule(w, node, relay_world_between(w, 5, 100));
        q->event = (struct relay_event){
            .type = RELAY_FETCHED,
            .fetched = {.slot = effect->slot, .attached = !happens(w, w->faults.blob_failed)}};
        break;
    case RELAY_EMIT:
        on_emit(w, node, &effect->emit);
        break;
    case RELAY_DEAD_LETTER:
        on_dead_letter(w, node, &effect->dead_letter);
        break;
    case RELAY_CHANGE_VISIBILITY:
        on_batch(w, node, &effect->batch, false);
        break;
    case RELAY_DELETE:
        on_batch(w, node, &effect->batch, true);
        break;
    case RELAY_FREE:
        n->slots[effect->slot.index].message = NULL;
        break;
    }
}

static void feed(struct relay_world *w, uint32_t node, const struct relay_event *ev)
{
    relay_core_step(&w->nodes[node].core, ev, now_of(w), &w->out);
    struct relay_effects effects = w->out;
    for (uint32_t i = 0; i < effects.count; i++)
        act(w, node, &effects.items[i]);
    assert_true(w->nodes[node].core.window_used <= limits.window_records);
}

static void run_due(struct relay_world *w, uint32_t node)
{
    for (int i = 0;; i++) {
        struct deadline at = relay_core_deadline(&w->nodes[node].core);
        if (at.mono.ms > w->mono && at.wall.ms > RELAY_WORLD_WALL_MS + w->mono)
            return;
        assert_true(i < 1000); /* every tick does something or moves the deadline */
        feed(w, node, &(struct relay_event){.type = RELAY_TICK});
    }
}

static void receive(struct relay_world *w, uint32_t node, struct relay_world_message *m)
{
    struct relay_world_node *n = &w->nodes[node];
    m->receives++;
    m->visible_at = happens(w, w->faults.twice) ? w->mono + 1 : w->mono + limits.visibility_ms;
    uint32_t slot = relay_core_free_slot(&n->core);
    assert_null(n->slots[slot].message);
    n->slots[slot].message = m;
    n->slots[slot].handle = m->receives;
    struct relay_event ev = {.type = RELAY_RECEIVED,
                             .received = {.slot = slot,
                                          .queue = m->queue,
                                          .verdict = m->unreadable ? RELAY_CORRUPT : RELAY_READABLE,
                                          .id = m->id,
                                          .first_due_ms = m->second_ms + m->due_offsets[0],
                                          .records = m->records,
                                          .blob = m->blob,
                                          .bytes = 300,
                                          .unpacked_bytes = 700,
                                          .received_at = {w->mono},
                                          .sent_ms = RELAY_WORLD_WALL_MS + m->sent_at,
                                          .receive_count = m->receives}};
    feed(w, node, &ev);
}

/* A long poll: answers when there is something, or when its time is over. */
static void on_poll(struct relay_world *w, struct relay_world_queued *q)
{
    uint32_t got = 0;
    for (size_t i = 0; i < RELAY_WORLD_MESSAGES && got < 10; i++) {
        struct relay_world_message *m = &w->messages[i];
        if (m->deleted || m->queue != q->queue || m->visible_at > w->mono)
            continue;
        receive(w, q->node, m);
        got++;
    }
    if (got == 0 && w->mono < q->poll_until) {
        struct relay_world_queued again = *q;
        again.at = MIN(q->poll_until, w->mono + POLL_LOOK_MS);
        again.sequence = w->sequence++;
        assert_true(w->queue_len < RELAY_WORLD_QUEUED);
        w->queue[w->queue_len++] = again;
        return;
    }
    q->event.polled.messages = got;
    q->event.polled.outcome = OUTCOME_DONE;
    feed(w, q->node, &q->event);
}

void relay_world_begin_life(struct relay_world *w, uint32_t node)
{
    struct relay_world_node *n = &w->nodes[node];
    n->life++;
    n->stopping = false;
    n->asleep_until = 0;
    memset(n->storage, 0, n->storage_bytes);
    memset(n->slots, 0, sizeof(n->slots));
    relay_core_init(&n->core, &limits, n->storage, prng_next(&w->random));
}

void relay_world_stop(struct relay_world *w, uint32_t node)
{
    feed(w, node, &(struct relay_event){.type = RELAY_STOP});
    run_due(w, node);
}

/* --- the world ------------------------------------------------------------------------------- */

static void make_messages(struct relay_world *w)
{
    for (uint32_t i = 0; i < RELAY_WORLD_MESSAGES; i++) {
        struct relay_world_message *m = &w->messages[i];
        memset(m, 0, sizeof(*m));
        memcpy(m->id.bytes, &i, sizeof(i));
        m->second_ms = RELAY_WORLD_WALL_MS + 1000 * relay_world_between(w, 5, 60);
        m->records = (uint32_t)relay_world_between(w, 1, RELAY_WORLD_RECORDS);
        uint16_t offset = (uint16_t)relay_world_between(w, 0, 300);
        for (uint32_t r = 0; r < m->records; r++) {
            m->due_offsets[r] = offset;
            offset = (uint16_t)(offset + relay_world_between(w, 0, 50));
            m->refused[r] = happens(w, w->faults.refused);
        }
        m->unreadable = happens(w, w->faults.unreadable);
        m->blob = !m->unreadable && happens(w, w->faults.blob);
        m->records = m->blob ? 1 : m->records;
        m->queue = happens(w, 500) ? RELAY_QUEUE_DELAY : RELAY_QUEUE_READY;
        m->visible_at =
            relay_world_between(w, 0, m->second_ms - RELAY_WORLD_WALL_MS - limits.lead_ms);
    }
}

struct relay_world *relay_world_new(uint64_t seed, const struct relay_world_faults *faults)
{
    struct relay_world *w = mem_calloc(1, sizeof(*w));
    prng_init(&w->random, seed);
    w->faults = *faults;
    make_messages(w);
    for (uint32_t i = 0; i < RELAY_WORLD_NODES; i++) {
        w->nodes[i].storage_bytes = relay_core_storage_bytes(&limits);
        w->nodes[i].storage = mem_calloc(1, w->nodes[i].storage_bytes);
        relay_world_begin_life(w, i);
    }
    return w;
}

void relay_world_free(struct relay_world *w)
{
    for (uint32_t i = 0; i < RELAY_WORLD_NODES; i++)
        mem_free(w->nodes[i].storage);
    mem_free(w);
}

void relay_world_keep(struct relay_world *w, uint32_t count, uint32_t records)
{
    for (uint32_t i = 0; i < RELAY_WORLD_MESSAGES; i++) {
        struct relay_world_message *m = &w->messages[i];
        m->records = i < count ? MIN(m->records, records) : 0;
        m->deleted = i >= count;
    }
}

static int64_t next_wake(const struct relay_world *w)
{
    int64_t at = TIME_NEVER;
    for (size_t i = 0; i < w->queue_len; i++)
        at = MIN(at, w->queue[i].at);
    for (uint32_t i = 0; i < RELAY_WORLD_NODES; i++) {
        struct deadline d = relay_core_deadline(&w->nodes[i].core);
        int64_t by_wall = d.wall.ms == TIME_NEVER ? TIME_NEVER : d.wall.ms - RELAY_WORLD_WALL_MS;
        at = MIN(at, MAX(MIN(d.mono.ms, by_wall), w->nodes[i].asleep_until));
    }
    return at;
}

static void misfortune(struct relay_world *w)
{
    for (uint32_t i = 0; i < RELAY_WORLD_NODES; i++) {
        if (happens(w, w->faults.crash))
            relay_world_begin_life(w, i);
        if (happens(w, w->faults.sleep))
            w->nodes[i].asleep_until = w->mono + relay_world_between(w, 1000, 30000);
    }
}

static bool asleep(const struct relay_world *w, uint32_t node)
{
    return w->nodes[node].asleep_until > w->mono;
}

/* False: nothing is left to happen at this instant. */
static bool happen_next(struct relay_world *w)
{
    if (w->queue_len == 0)
        return false;
    struct relay_world_queued q = pop_earliest(w);
    struct relay_world_node *n = &w->nodes[q.node];
    if (q.at <= w->mono && q.life == n->life && asleep(w, q.node)) {
        q.at = n->asleep_until;
        w->queue[w->queue_len++] = q;
        return true;
    }
    if (q.at > w->mono) {
        w->queue[w->queue_len++] = q;
        return false;
    }
    if (q.life != n->life)
        return true;
    if (q.is_poll)
        on_poll(w, &q);
    else
        feed(w, q.node, &q.event);
    run_due(w, q.node);
    return true;
}

void relay_world_run_until(struct relay_world *w, int64_t end)
{
    while (w->mono < end) {
        int64_t second = w->mono / 1000;
        w->mono = MAX(w->mono, MIN(end, next_wake(w)));
        if (w->mono / 1000 != second)
            misfortune(w);
        while (happen_next(w)) {
        }
        for (uint32_t i = 0; i < RELAY_WORLD_NODES; i++)
            if (!asleep(w, i))
                run_due(w, i);
    }
}

struct relay_world_tally relay_world_count(const struct relay_world *w)
{
    struct relay_world_tally t = {0};
    for (size_t i = 0; i < RELAY_WORLD_MESSAGES; i++) {
        const struct relay_world_message *m = &w->messages[i];
        t.undeleted += !m->deleted;
        for (uint32_t r = 0; r < m->records; r++) {
            uint32_t copies = m->delivered[r] + m->dead[r];
            t.missing += copies == 0;
            t.extra += copies > 1 ? copies - 1 : 0;
            t.both += m->delivered[r] > 0 && m->dead[r] > 0;
            if (m->refused[r] || m->unreadable)
                assert_int_equal(m->delivered[r], 0);
            else
                assert_int_equal(m->dead[r], 0);
        }
    }
    return t;
}

void relay_world_check_done(const struct relay_world *w, bool once)
{
    struct relay_world_tally t = relay_world_count(w);
    assert_int_equal(t.missing, 0);
    assert_int_equal(t.both, 0);
    assert_int_equal(t.undeleted, 0);
    if (once)
        assert_int_equal(t.extra, 0);
    for (uint32_t i = 0; i < RELAY_WORLD_NODES; i++) {
        assert_int_equal(w->nodes[i].core.slots_used, 0);
        assert_int_equal(w->nodes[i].core.window_used, 0);
        assert_int_equal(w->nodes[i].core.bytes, 0);
        assert_int_equal(w->nodes[i].core.waiting_records, 0);
        assert_int_equal(w->nodes[i].core.blobs, 0);
    }
}

/* Swarm: which faults exist, and how strong, is drawn first. */
static void draw(struct prng *random, uint32_t *rate, uint32_t most)
{
    *rate = prng_below(random, 2) == 0 ? 0 : (uint32_t)prng_below(random, most + 1);
}

struct relay_world_faults relay_world_draw_faults(uint64_t seed)
{
    struct prng random;
    prng_init(&random, seed ^ 0x5eed);
    struct relay_world_faults f;
    draw(&random, &f.report_failed, 300);
    draw(&random, &f.report_unknown, 300);
    draw(&random, &f.refused, 300);
    draw(&random, &f.full, 300);
    draw(&random, &f.call_failed, 300);
    draw(&random, &f.call_unknown, 300);
    draw(&random, &f.throttled, 500);
    draw(&random, &f.twice, 200);
    draw(&random, &f.unreadable, 200);
    draw(&random, &f.blob, 200);
    draw(&random, &f.blob_failed, 500);
    draw(&random, &f.crash, 50);
    draw(&random, &f.sleep, 50);
    return f;
}
