/* A small world around scheduler cores, in virtual time: a table, a timer queue and a ready queue
 * in memory, calls that take time and fail in every way that the core knows. It checks the order
 * rules of scheduler_core.h (R1..R5) wherever an effect is applied. */
#ifndef TESTS_UNIT_SCHEDULER_WORLD_H
#define TESTS_UNIT_SCHEDULER_WORLD_H

#include "tests/harness/unit.h"

#include "common/prng.h"
#include "scheduler/scheduler_core.h"

#define WORLD_ITEMS    4096
#define WORLD_MESSAGES 4096
#define WORLD_PENDING  1024
#define WORLD_NODES    3
#define WORLD_SHARDS   8
#define WORLD_DEDUP_MS (5 * MS_PER_MINUTE)
#define WORLD_EPOCH_MS INT64_C(1800000000000) /* wall clock when the monotonic one is at 1000 */
#define WORLD_MONO_MS  INT64_C(1000)

#define SECOND MS_PER_SECOND
#define MINUTE MS_PER_MINUTE

struct world_item {
    uint32_t shard;
    int64_t bucket;
    struct scheduler_item item;
    uint64_t pack; /* id of the message that it went in, 0: not yet */
    int64_t sent_ms;
    uint32_t delivered; /* messages that got past the deduplication */
    bool straggler;     /* came behind the cursor */
};

struct world_message {
    uint32_t shard;
    int64_t bucket;
    uint32_t receive_count;
    int64_t sent_at;
    int64_t visible_at;
    bool deleted;
    bool foreign;
};

struct world_sent {
    uint64_t pack;
    int64_t at;
};

/* A message as a node holds it. */
struct world_handle {
    uint32_t message;
    uint32_t receive_count;
};

struct world_node {
    void *storage;
    struct scheduler_core *core;
    uint32_t life; /* completions of an earlier one are dropped */
    bool paused;
    struct world_handle *handles;
    uint32_t *page_items; /* indexes, a row a page */
    uint32_t *page_counts;
    uint64_t *page_calls;
    uint32_t notes[SCHEDULER_NOTE_SHARDS_TOO_MANY + 1];
};

enum world_stage { WORLD_APPLY, WORLD_POLL, WORLD_ANSWER };

struct world_pending {
    int64_t at;
    uint64_t sequence;
    enum world_stage stage;
    uint32_t node;
    uint32_t life;
    bool answered; /* an unknown outcome was reported before it is applied */
    int64_t poll_ends;
    struct scheduler_effect effect;
    struct scheduler_event event;
    struct scheduler_message messages[SCHEDULER_BATCH_MAX];
    uint32_t handles[SCHEDULER_BATCH_MAX];
    uint32_t rows[SCHEDULER_PAGE_ITEMS_MAX];
    uint32_t row_count;
};

struct world {
    struct scheduler_limits limits;
    struct prng random;
    int64_t mono;
    uint32_t shards;
    struct world_item items[WORLD_ITEMS];
    uint32_t item_count;
    struct world_message messages[WORLD_MESSAGES];
    uint32_t message_count;
    struct world_sent sent[WORLD_ITEMS * 4];
    uint32_t sent_count;
    uint32_t repeats;
    struct scheduler_cursor cursors[WORLD_SHARDS];
    bool cursor_missing[WORLD_SHARDS];
    struct world_node nodes[WORLD_NODES];
    struct world_pending *pending;
    uint32_t pending_count;
    uint64_t sequence;
    struct scheduler_effects effects;
    /* Knobs. */
    uint32_t page_short; /* pages hold at most so many items; 0: as asked for */
    uint32_t fault_percent;
    int64_t latency_ms;   /* at most, each way */
    int64_t wait_ms;      /* of a long poll */
    int64_t held_back_ms; /* > 0: polls are, for so long each */
    bool ready_down;
    bool table_down;
    bool extend_down;
    bool ticks_down;
    uint32_t receive_max;    /* messages that a receive gives at most; 0: as asked for */
    int64_t send_latency_ms; /* more for calls to the ready queue */
    bool moves_unknown;      /* applied, the answer lost */
    uint32_t sends;          /* calls */
    uint32_t extensions;
    uint32_t fences;
};

static inline int64_t world_wall(const struct world *w)
{
    return WORLD_EPOCH_MS + w->mono - WORLD_MONO_MS;
}

static inline struct scheduler_limits world_limits(void)
{
    return (struct scheduler_limits){
        .bucket_ms = MS_PER_MINUTE,
        .handoff_ms = 20 * MS_PER_SECOND,
        .cutoff_ms = MS_PER_MINUTE,
        .tick_ahead_ms = 30 * MS_PER_SECOND,
        .lease_ms = 10 * MS_PER_SECOND,
        .extend_every_ms = 3 * MS_PER_SECOND,
        .cursor_every_ms = MS_PER_SECOND,
        .straggler_delay_ms = 2 * MS_PER_MINUTE,
        .memory_bytes = 64 * MIB,
        .shards_max = WORLD_SHARDS,
        .shards = 1,
        .polls = 1,
        .sends = 4,
        .page_items = 50,
        .history_ids = 512,
    };
}

static inline struct world *world_new(const struct scheduler_limits *limits, uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));
    w->pending = calloc(WORLD_PENDING, sizeof(*w->pending));
    w->limits = *limits;
    w->shards = limits->shards;
    w->mono = WORLD_MONO_MS;
    w->latency_ms = 5;
    w->wait_ms = 5000;
    prng_init(&w->random, seed);
    for (uint32_t i = 0; i < WORLD_SHARDS; i++)
        w->cursors[i].position.bucket = WORLD_EPOCH_MS / limits->bucket_ms;
    return w;
}

static inline void world_crash(struct world *w, uint32_t index)
{
    struct world_node *node = &w->nodes[index];
    uint32_t life = node->life + 1;
    free(node->storage);
    free(node->handles);
    free(node->page_items);
    free(node->page_counts);
    free(node->page_calls);
    memset(node, 0, sizeof(*node));
    node->life = life;
}

static inline void world_free(struct world *w)
{
    for (uint32_t i = 0; i < WORLD_NODES; i++)
        world_crash(w, i);
    free(w->pending);
    free(w);
}

/* --- table ----------------------------------------------------------------------------------- */

static inline int world_order(const void *a, const void *b)
{
    const struct world_item *x = a;
    const struct world_item *y = b;
    if (x->shard != y->shard)
        return x->shard < y->shard ? -1 : 1;
    if (x->bucket != y->bucket)
        return x->bucket < y->bucket ? -1 : 1;
    return memcmp(x->item.sk, y->item.sk, sizeof(x->item.sk));
}

/* Adds an item of `bytes` with a random id. Only while no page holds indexes, or at the end. */
static inline struct world_item *world_add(struct world *w, uint32_t shard, int64_t due_ms,
                                           uint32_t bytes)
{
    assert_true(w->item_count < WORLD_ITEMS);
    struct world_item *item = &w->items[w->item_count++];
    struct envelope_id id;
    for (size_t i = 0; i < sizeof(id.bytes); i++)
        id.bytes[i] = (uint8_t)prng_next(&w->random);
    memset(item, 0, sizeof(*item));
    item->shard = shard;
    item->bucket = table_bucket(due_ms, w->limits.bucket_ms);
    table_envelope_sk(due_ms, &id, item->item.sk);
    item->item.due_ms = due_ms;
    item->item.written_ms = due_ms - 20 * MS_PER_MINUTE;
    memcpy(&item->item.id_hash, id.bytes, sizeof(item->item.id_hash));
    item->item.bytes = bytes;
    item->item.raw_bytes = bytes;
    item->item.records = 1;
    item->item.frames = 1;
    return item;
}

/* Sorted order is what queries give; call once after adding. */
static inline void world_sort(struct world *w)
{
    qsort(w->items, w->item_count, sizeof(w->items[0]), world_order);
}

static inline int world_place(const struct world_item *item,
                              const struct scheduler_position *position)
{
    if (item->bucket != position->bucket)
        return item->bucket < position->bucket ? -1 : 1;
    return memcmp(item->item.sk, position->place, sizeof(position->place));
}

static inline void world_check_cursor(const struct world *w, uint32_t shard)
{
    for (uint32_t i = 0; i < w->item_count; i++) {
        const struct world_item *item = &w->items[i];
        if (item->shard != shard || item->straggler)
            continue;
        if (world_place(item, &w->cursors[shard].position) <= 0 && item->delivered == 0)
            fail_msg("R2: the cursor of shard %u passed %s, which was not sent", shard,
                     item->item.sk);
    }
}

/* --- timer queue ----------------------------------------------------------------------------- */

static inline void world_send_tick(struct world *w, uint32_t shard, int64_t bucket)
{
    for (uint32_t i = 0; i < w->message_count; i++) {
        const struct world_message *m = &w->messages[i];
        if (m->shard == shard && m->bucket == bucket && w->mono - m->sent_at < WORLD_DEDUP_MS)
            return;
    }
    assert_true(w->message_count < WORLD_MESSAGES);
    w->messages[w->message_count++] = (struct world_message){
        .shard = shard, .bucket = bucket, .sent_at = w->mono, .visible_at = w->mono};
}

static inline bool world_group_blocked(const struct world *w, uint32_t upto, uint32_t shard)
{
    for (uint32_t i = 0; i < upto; i++) {
        const struct world_message *m = &w->messages[i];
        if (m->shard == shard && !m->deleted && m->visible_at > w->mono)
            return true;
    }
    return false;
}

static inline uint32_t world_receive(struct world *w, struct world_pending *p)
{
    uint32_t count = 0;
    bool blocked[WORLD_SHARDS] = {false};
    for (uint32_t i = 0; i < WORLD_SHARDS; i++)
        blocked[i] = world_group_blocked(w, w->message_count, i);
    uint32_t most = w->receive_max == 0 ? p->effect.count : w->receive_max;
    for (uint32_t i = 0; i < w->message_count && count < most; i++) {
        struct world_message *m = &w->messages[i];
        if (m->deleted || blocked[m->shard])
            continue;
        m->visible_at = w->mono + w->limits.lease_ms;
        m->receive_count++;
        struct scheduler_message *message = &p->messages[count];
        memset(message, 0, sizeof(*message));
        message->is_tick = !m->foreign;
        message->shard = m->shard;
        message->bucket = m->bucket;
        message->receive_count = m->receive_count;
        char digits[24];
        snprintf(digits, sizeof(digits), "%u", 1000 + i);
        assert_status(table_fence(slice_from_str(digits), m->receive_count, message->fence),
                      STATUS_OK);
        p->handles[count++] = i;
    }
    return count;
}

/* --- nodes ----------------------------------------------------------------------------------- */

static inline void world_push(struct world *w, const struct world_pending *p)
{
    assert_true(w->pending_count < WORLD_PENDING);
    w->pending[w->pending_count] = *p;
    w->pending[w->pending_count].sequence = ++w->sequence;
    w->pending_count++;
}

static inline int64_t world_latency(struct world *w)
{
    return w->latency_ms == 0 ? 0 : 1 + (int64_t)prng_below(&w->random, (uint64_t)w->latency_ms);
}

static inline void world_read_page_begins(struct world_node *node, uint32_t row,
                                          const struct scheduler_effect *e)
{
    uint32_t *rows = node->page_items;
    for (uint32_t i = 0; i < e->read.carry_count; i++)
        rows[e->read.page * row + node->page_counts[e->read.page] + i] =
            rows[e->read.carry_page * row + e->read.carry_first + i];
    node->page_counts[e->read.page] += e->read.carry_count;
    node->page_calls[e->read.page] = e->id;
}

static inline uint32_t world_row(const struct world *w)
{
    return w->limits.page_items + ENVELOPE_FRAMES_MAX;
}

/* What leaves with a send is fixed when it is emitted: the bodies are copied then. */
static inline void world_bind(struct world *w, struct world_node *node, struct world_pending *p)
{
    const struct scheduler_effect *e = &p->effect;
    if (e->kind == SCHEDULER_EFFECT_SEND_PACKS) {
        for (uint32_t i = 0; i < e->count; i++) {
            assert_true(e->packs[i].first + e->packs[i].count <=
                        node->page_counts[e->packs[i].page]);
            for (uint32_t k = 0; k < e->packs[i].count; k++)
                p->rows[p->row_count++] =
                    node->page_items[e->packs[i].page * world_row(w) + e->packs[i].first + k];
        }
    }
    if (e->kind == SCHEDULER_EFFECT_SET_VISIBILITY || e->kind == SCHEDULER_EFFECT_DELETE_TICKS) {
        for (uint32_t i = 0; i < e->count; i++) {
            p->handles[i] = node->handles[e->ticks.slots[i]].message;
            p->messages[i].receive_count = node->handles[e->ticks.slots[i]].receive_count;
        }
    }
}

/* R4, at the very moment in which it is decided. */
static inline void world_check_time(const struct world *w, const struct world_node *node,
                                    const struct scheduler_effect *e)
{
    if (e->kind == SCHEDULER_EFFECT_READ_PAGE &&
        world_wall(w) < e->read.bucket * w->limits.bucket_ms - w->limits.handoff_ms)
        fail_msg("R4: bucket read before its handoff");
    for (uint32_t i = 0; e->kind == SCHEDULER_EFFECT_SEND_PACKS && i < e->count; i++) {
        uint32_t at = e->packs[i].page * world_row(w) + e->packs[i].first;
        if (world_wall(w) < w->items[node->page_items[at]].item.due_ms - w->limits.handoff_ms)
            fail_msg("R4: pack sent before due - handoff");
    }
}

static inline void world_step(struct world *w, uint32_t index, const struct scheduler_event *event)
{
    struct world_node *node = &w->nodes[index];
    struct now now = {{w->mono}, {world_wall(w)}};
    scheduler_core_step(node->core, event, now, &w->effects);
    for (uint32_t i = 0; i < w->effects.count; i++) {
        const struct scheduler_effect *e = &w->effects.list[i];
        if (e->kind == SCHEDULER_EFFECT_NOTE) {
            node->notes[e->note.what]++;
            continue;
        }
        if (e->kind == SCHEDULER_EFFECT_FREE_PAGE) {
            node->page_counts[e->free_page] = 0;
            node->page_calls[e->free_page] = 0;
            continue;
        }
        world_check_time(w, node, e);
        if (e->kind == SCHEDULER_EFFECT_READ_PAGE)
            world_read_page_begins(node, world_row(w), e);
        static struct world_pending p;
        memset(&p, 0, sizeof(p));
        p.at = w->mono + world_latency(w);
        if (e->kind == SCHEDULER_EFFECT_SEND_PACKS)
            p.at += w->send_latency_ms;
        p.node = index;
        p.life = node->life;
        p.effect = *e;
        p.stage = e->kind == SCHEDULER_EFFECT_RECEIVE ? WORLD_POLL : WORLD_APPLY;
        p.poll_ends = w->mono + w->wait_ms;
        world_bind(w, node, &p);
        world_push(w, &p);
    }
}

static inline void world_wake(struct world *w, uint32_t index)
{
    world_step(w, index, &(struct scheduler_event){.kind = SCHEDULER_EVENT_WAKE});
}

static inline void world_stop(struct world *w, uint32_t index)
{
    world_step(w, index, &(struct scheduler_event){.kind = SCHEDULER_EVENT_STOP});
}

static inline void world_start(struct world *w, uint32_t index)
{
    struct world_node *node = &w->nodes[index];
    uint32_t pages = scheduler_core_pages(&w->limits);
    node->storage = calloc(1, scheduler_core_bytes(&w->limits));
    node->handles = calloc(scheduler_core_ticks(&w->limits), sizeof(*node->handles));
    node->page_items = calloc((size_t)pages * world_row(w), sizeof(uint32_t));
    node->page_counts = calloc(pages, sizeof(uint32_t));
    node->page_calls = calloc(pages, sizeof(uint64_t));
    node->core = scheduler_core_init(node->storage, &w->limits, prng_next(&w->random));
    world_wake(w, index);
}

static inline const struct scheduler_counters *world_counters(const struct world *w, uint32_t node)
{
    return scheduler_core_counters(w->nodes[node].core);
}

/* --- applying -------------------------------------------------------------------------------- */

static inline void world_apply_page(struct world *w, struct world_pending *p)
{
    const struct scheduler_effect *e = &p->effect;
    uint32_t limit = e->read.limit;
    uint32_t dice = (uint32_t)prng_below(&w->random, w->page_short + 1);
    if (w->page_short > 0)
        limit = MIN(limit, dice);
    p->event.page.more = false;
    memcpy(p->event.page.after, e->read.after, TABLE_KEY_SIZE);
    for (uint32_t i = 0; i < w->item_count; i++) {
        const struct world_item *item = &w->items[i];
        if (item->shard != e->shard || item->bucket != e->read.bucket ||
            memcmp(item->item.sk, e->read.after, TABLE_KEY_SIZE) <= 0)
            continue;
        if (p->row_count == limit) {
            p->event.page.more = true;
            break;
        }
        memcpy(p->event.page.after, item->item.sk, TABLE_KEY_SIZE);
        p->rows[p->row_count++] = i;
    }
    p->event.page.count = p->row_count;
}

static inline void world_apply_fence(struct world *w, struct world_pending *p)
{
    struct scheduler_cursor *cursor = &w->cursors[p->effect.shard];
    w->fences++;
    p->event.cursor.present = true;
    p->event.cursor.cursor = *cursor;
    if (memcmp(cursor->fence, p->effect.cursor.fence, TABLE_FENCE_SIZE) < 0)
        memcpy(cursor->fence, p->effect.cursor.fence, TABLE_FENCE_SIZE);
    else
        p->event.result = SCHEDULER_REFUSED;
}

static inline void world_apply_move(struct world *w, struct world_pending *p)
{
    struct scheduler_cursor *cursor = &w->cursors[p->effect.shard];
    p->event.cursor.present = true;
    p->event.cursor.cursor = *cursor;
    if (memcmp(cursor->fence, p->effect.cursor.fence, TABLE_FENCE_SIZE) != 0) {
        p->event.result = SCHEDULER_REFUSED;
        return;
    }
    cursor->position = p->effect.cursor.position;
    world_check_cursor(w, p->effect.shard);
}

static inline uint64_t world_pack_id(const struct world *w, const uint32_t *rows, uint32_t count)
{
    uint64_t id = 1;
    for (uint32_t i = 0; i < count; i++)
        id = (id ^ w->items[rows[i]].item.id_hash) * UINT64_C(0x9e3779b97f4a7c15);
    return id;
}

static inline bool world_is_repeat(struct world *w, uint64_t pack)
{
    for (uint32_t i = 0; i < w->sent_count; i++) {
        if (w->sent[i].pack == pack && w->mono - w->sent[i].at < WORLD_DEDUP_MS)
            return true;
    }
    assert_true(w->sent_count < WORLD_ITEMS * 4);
    w->sent[w->sent_count++] = (struct world_sent){pack, w->mono};
    return false;
}

static inline void world_apply_pack(struct world *w, const uint32_t *rows, uint32_t count)
{
    uint64_t id = world_pack_id(w, rows, count);
    bool repeat = world_is_repeat(w, id);
    w->repeats += repeat;
    for (uint32_t i = 0; i < count; i++) {
        struct world_item *item = &w->items[rows[i]];
        if (item->pack != 0 && item->pack != id)
            fail_msg("%s went in another pack the second time", item->item.sk);
        item->pack = id;
        if (repeat)
            continue;
        item->delivered++;
        item->sent_ms = world_wall(w);
    }
}

static inline void world_apply_visibility(struct world *w, struct world_pending *p)
{
    w->extensions += p->effect.ticks.visibility_ms > 0;
    for (uint32_t i = 0; i < p->effect.count; i++) {
        struct world_message *m = &w->messages[p->handles[i]];
        bool ours = m->receive_count == p->messages[i].receive_count && m->visible_at > w->mono;
        if (w->extend_down && p->effect.ticks.visibility_ms > 0) {
            p->event.entries[i] = SCHEDULER_UNKNOWN;
        } else if (m->deleted || !ours) {
            p->event.entries[i] = SCHEDULER_REFUSED;
        } else {
            m->visible_at = w->mono + p->effect.ticks.visibility_ms;
        }
    }
}

static inline void world_apply_delete(struct world *w, struct world_pending *p)
{
    for (uint32_t i = 0; i < p->effect.count; i++) {
        struct world_message *m = &w->messages[p->handles[i]];
        if (w->cursors[m->shard].position.bucket <= m->bucket)
            fail_msg("R3: tick of bucket %lld deleted, cursor at %lld", (long long)m->bucket,
                     (long long)w->cursors[m->shard].position.bucket);
        if (m->receive_count == p->messages[i].receive_count && m->visible_at > w->mono)
            m->deleted = true;
        else
            p->event.entries[i] = SCHEDULER_REFUSED;
    }
}

static inline void world_apply_sends(struct world *w, struct world_pending *p)
{
    uint32_t at = 0;
    w->sends++;
    int64_t bytes = 0;
    for (uint32_t i = 0; i < p->effect.count; i++) {
        int64_t raw = 0;
        for (uint32_t k = 0; k < p->effect.packs[i].count; k++)
            raw += w->items[p->rows[at + k]].item.bytes;
        bytes += (raw + 2) / 3 * 4;
        if (p->event.entries[i] == SCHEDULER_DONE)
            world_apply_pack(w, &p->rows[at], p->effect.packs[i].count);
        at += p->effect.packs[i].count;
    }
    assert_true(bytes <= SQS_BATCH_BYTES_MAX);
}

/* Does what the effect asks for and makes the answer of it. */
static inline void world_apply(struct world *w, struct world_pending *p)
{
    const struct scheduler_effect *e = &p->effect;
    switch (e->kind) {
    case SCHEDULER_EFFECT_READ_META:
        p->event.kind = SCHEDULER_EVENT_META_READ;
        p->event.shards_most = w->shards;
        break;
    case SCHEDULER_EFFECT_SEND_TICKS:
        p->event.kind = SCHEDULER_EVENT_TICKS_SENT;
        for (uint32_t i = 0; i < e->count; i++)
            world_send_tick(w, e->send_ticks.shards[i], e->send_ticks.bucket);
        break;
    case SCHEDULER_EFFECT_RECEIVE:
        p->event.kind = SCHEDULER_EVENT_RECEIVED;
        p->event.received.count = world_receive(w, p);
        break;
    case SCHEDULER_EFFECT_SET_VISIBILITY:
        p->event.kind = SCHEDULER_EVENT_VISIBILITY_SET;
        world_apply_visibility(w, p);
        break;
    case SCHEDULER_EFFECT_DELETE_TICKS:
        p->event.kind = SCHEDULER_EVENT_TICKS_DELETED;
        world_apply_delete(w, p);
        break;
    case SCHEDULER_EFFECT_READ_CURSOR:
        p->event.kind = SCHEDULER_EVENT_CURSOR_READ;
        p->event.cursor.present = !w->cursor_missing[e->shard];
        p->event.cursor.cursor = w->cursors[e->shard];
        break;
    case SCHEDULER_EFFECT_WRITE_FENCE:
        p->event.kind = SCHEDULER_EVENT_CURSOR_WRITTEN;
        world_apply_fence(w, p);
        break;
    case SCHEDULER_EFFECT_MOVE_CURSOR:
        p->event.kind = SCHEDULER_EVENT_CURSOR_WRITTEN;
        world_apply_move(w, p);
        break;
    case SCHEDULER_EFFECT_READ_PAGE:
        p->event.kind = SCHEDULER_EVENT_PAGE_READ;
        world_apply_page(w, p);
        break;
    case SCHEDULER_EFFECT_SEND_PACKS:
        p->event.kind = SCHEDULER_EVENT_PACKS_SENT;
        world_apply_sends(w, p);
        break;
    case SCHEDULER_EFFECT_FREE_PAGE:
    case SCHEDULER_EFFECT_NOTE:
        fail_msg("has no completion");
    }
}

/* The kind of answer that a call which is not applied gets. */
static inline void world_kind(struct world_pending *p)
{
    static const enum scheduler_event_kind kinds[] = {
        [SCHEDULER_EFFECT_READ_META] = SCHEDULER_EVENT_META_READ,
        [SCHEDULER_EFFECT_SEND_TICKS] = SCHEDULER_EVENT_TICKS_SENT,
        [SCHEDULER_EFFECT_RECEIVE] = SCHEDULER_EVENT_RECEIVED,
        [SCHEDULER_EFFECT_SET_VISIBILITY] = SCHEDULER_EVENT_VISIBILITY_SET,
        [SCHEDULER_EFFECT_DELETE_TICKS] = SCHEDULER_EVENT_TICKS_DELETED,
        [SCHEDULER_EFFECT_READ_CURSOR] = SCHEDULER_EVENT_CURSOR_READ,
        [SCHEDULER_EFFECT_WRITE_FENCE] = SCHEDULER_EVENT_CURSOR_WRITTEN,
        [SCHEDULER_EFFECT_MOVE_CURSOR] = SCHEDULER_EVENT_CURSOR_WRITTEN,
        [SCHEDULER_EFFECT_READ_PAGE] = SCHEDULER_EVENT_PAGE_READ,
        [SCHEDULER_EFFECT_SEND_PACKS] = SCHEDULER_EVENT_PACKS_SENT,
    };
    p->event.kind = kinds[p->effect.kind];
}

static inline bool world_is_table(enum scheduler_effect_kind kind)
{
    return kind == SCHEDULER_EFFECT_READ_META || kind == SCHEDULER_EFFECT_READ_CURSOR ||
           kind == SCHEDULER_EFFECT_WRITE_FENCE || kind == SCHEDULER_EFFECT_MOVE_CURSOR ||
           kind == SCHEDULER_EFFECT_READ_PAGE;
}

static inline void world_all(struct world_pending *p, enum scheduler_result result)
{
    p->event.result = result;
    if (p->event.kind == SCHEDULER_EVENT_TICKS_SENT ||
        p->event.kind == SCHEDULER_EVENT_VISIBILITY_SET ||
        p->event.kind == SCHEDULER_EVENT_TICKS_DELETED ||
        p->event.kind == SCHEDULER_EVENT_PACKS_SENT) {
        for (uint32_t i = 0; i < p->effect.count; i++)
            p->event.entries[i] = result;
    }
}

/* One call: applied or not, and what is said about it, which need not agree. */
static inline void world_call(struct world *w, struct world_pending *p)
{
    const enum scheduler_effect_kind kind = p->effect.kind;
    p->event.id = p->effect.id;
    bool down = (w->ready_down && kind == SCHEDULER_EFFECT_SEND_PACKS) ||
                (w->ticks_down && kind == SCHEDULER_EFFECT_SEND_TICKS) ||
                (w->table_down && world_is_table(kind));
    uint64_t dice = prng_below(&w->random, 100);
    bool fault = dice < w->fault_percent;
    uint64_t how = prng_below(&w->random, 5);
    if (p->answered) { /* reported unknown already; applied late */
        world_apply(w, p);
        return;
    }
    bool polls = kind == SCHEDULER_EFFECT_RECEIVE;
    if (polls && (w->held_back_ms > 0 || (fault && how == 3))) {
        world_kind(p);
        p->event.result = SCHEDULER_THROTTLED;
        p->event.received.held_back_ms = MAX(w->held_back_ms, 50);
    } else if (down || (fault && how <= 1)) {
        world_kind(p);
        world_all(p, how == 0 ? SCHEDULER_FAILED : SCHEDULER_THROTTLED);
    } else if (fault && how == 2) {
        world_kind(p);
        world_all(p, SCHEDULER_UNKNOWN);
    } else if (fault && how == 3) {
        static struct world_pending late;
        late = *p;
        late.answered = true;
        late.at = w->mono + 50;
        world_push(w, &late);
        world_kind(p);
        world_all(p, SCHEDULER_UNKNOWN);
    } else {
        if (fault && kind == SCHEDULER_EFFECT_SEND_PACKS)
            for (uint32_t i = 0; i < p->effect.count; i += 2)
                p->event.entries[i] = SCHEDULER_FAILED;
        world_apply(w, p);
        if ((fault && kind != SCHEDULER_EFFECT_SEND_PACKS) ||
            (w->moves_unknown && kind == SCHEDULER_EFFECT_MOVE_CURSOR))
            world_all(p, SCHEDULER_UNKNOWN);
    }
    p->stage = WORLD_ANSWER;
    p->at = w->mono + world_latency(w);
    world_push(w, p);
}

static inline void world_answer(struct world *w, struct world_pending *p)
{
    struct world_node *node = &w->nodes[p->node];
    if (node->core == NULL || node->life != p->life)
        return;
    static struct scheduler_item items[SCHEDULER_PAGE_ITEMS_MAX];
    if (p->event.kind == SCHEDULER_EVENT_RECEIVED) {
        p->event.received.messages = p->messages;
        if (p->event.result == SCHEDULER_DONE)
            for (uint32_t i = 0; i < p->event.received.count; i++)
                node->handles[p->effect.ticks.slots[i]] =
                    (struct world_handle){p->handles[i], p->messages[i].receive_count};
    }
    if (p->event.kind == SCHEDULER_EVENT_PAGE_READ) {
        uint32_t page = p->effect.read.page;
        if (node->page_calls[page] != p->effect.id)
            return;
        for (uint32_t i = 0; i < p->row_count && p->event.result == SCHEDULER_DONE; i++) {
            items[i] = w->items[p->rows[i]].item;
            node->page_items[page * world_row(w) + node->page_counts[page]++] = p->rows[i];
        }
        p->event.page.items = items;
    }
    world_step(w, p->node, &p->event);
}

static inline void world_do(struct world *w, uint32_t at)
{
    static struct world_pending p;
    p = w->pending[at];
    w->pending[at] = w->pending[--w->pending_count];
    if (p.stage == WORLD_ANSWER) {
        world_answer(w, &p);
        return;
    }
    if (p.stage == WORLD_POLL) {
        /* Of a dead one too: what it receives is invisible until its time is over. */
        bool any = false;
        for (uint32_t i = 0; i < w->message_count && !any; i++)
            any = !w->messages[i].deleted &&
                  !world_group_blocked(w, w->message_count, w->messages[i].shard);
        if (!any && w->mono < p.poll_ends) {
            p.at = MIN(w->mono + 100, p.poll_ends);
            world_push(w, &p);
            return;
        }
    }
    world_call(w, &p);
}

/* --- running --------------------------------------------------------------------------------- */

static inline int64_t world_deadline(const struct world *w, uint32_t node)
{
    struct deadline d = scheduler_core_deadline(w->nodes[node].core);
    int64_t wall =
        d.wall.ms == TIME_NEVER ? TIME_NEVER : d.wall.ms - WORLD_EPOCH_MS + WORLD_MONO_MS;
    return MAX(MIN(d.mono.ms, wall), w->mono);
}

/* To the next thing that happens, but not beyond `until`. */
static inline bool world_turn(struct world *w, int64_t until)
{
    uint32_t first = UINT32_MAX;
    for (uint32_t i = 0; i < w->pending_count; i++) {
        const struct world_pending *p = &w->pending[i];
        const struct world_node *node = &w->nodes[p->node];
        if (p->stage == WORLD_ANSWER && node->paused && node->life == p->life)
            continue;
        if (first == UINT32_MAX || p->at < w->pending[first].at ||
            (p->at == w->pending[first].at && p->sequence < w->pending[first].sequence))
            first = i;
    }
    uint32_t waker = UINT32_MAX;
    for (uint32_t i = 0; i < WORLD_NODES; i++) {
        if (w->nodes[i].core == NULL || w->nodes[i].paused)
            continue;
        if (waker == UINT32_MAX || world_deadline(w, i) < world_deadline(w, waker))
            waker = i;
    }
    int64_t pending_at = first == UINT32_MAX ? TIME_NEVER : w->pending[first].at;
    int64_t wake_at = waker == UINT32_MAX ? TIME_NEVER : world_deadline(w, waker);
    if (MIN(pending_at, wake_at) > until) {
        w->mono = until;
        return false;
    }
    w->mono = MAX(w->mono, MIN(pending_at, wake_at));
    if (pending_at <= wake_at)
        world_do(w, first);
    else
        world_wake(w, waker);
    return true;
}

static inline void world_run(struct world *w, int64_t ms)
{
    int64_t until = w->mono + ms;
    int64_t turns = 0;
    while (world_turn(w, until)) {
        if (++turns > 2000000)
            fail_msg("the world spins at %lld", (long long)w->mono);
    }
}

/* WORLD_EPOCH_MS is the start of a bucket: minute 0. */
static inline int64_t world_due(int64_t after_epoch_ms)
{
    return WORLD_EPOCH_MS + after_epoch_ms;
}

static inline int64_t world_cursor_minute(const struct world *w, uint32_t shard)
{
    return w->cursors[shard].position.bucket - WORLD_EPOCH_MS / MINUTE;
}

static inline struct now world_now(const struct world *w)
{
    return (struct now){{w->mono}, {world_wall(w)}};
}

/* count items of shard 0, `every_ms` apart, the first due at from_ms. */
static inline void world_fill(struct world *w, int count, int64_t from_ms, int64_t every_ms,
                              uint32_t bytes)
{
    for (int i = 0; i < count; i++)
        world_add(w, 0, world_due(from_ms + i * every_ms), bytes);
    world_sort(w);
}

static inline void world_check_delivered(const struct world *w)
{
    for (uint32_t i = 0; i < w->item_count; i++) {
        if (w->items[i].delivered != 1)
            fail_msg("%s (shard %u) delivered %u times", w->items[i].item.sk, w->items[i].shard,
                     w->items[i].delivered);
    }
}

#endif
