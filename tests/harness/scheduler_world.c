#include "tests/harness/scheduler_world.h"

#include "tests/harness/scheduler_world_services.h"

int64_t scheduler_world_wall(const struct scheduler_world *w)
{
    return SCHEDULER_WORLD_EPOCH_MS + w->mono - SCHEDULER_WORLD_MONO_MS;
}

struct scheduler_limits scheduler_world_limits(void)
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
        .shards_max = SCHEDULER_WORLD_SHARDS,
        .shards = 1,
        .polls = 1,
        .sends = 4,
        .page_items = 50,
        .history_ids = 512,
    };
}

struct scheduler_world *scheduler_world_new(const struct scheduler_limits *limits, uint64_t seed)
{
    struct scheduler_world *w = calloc(1, sizeof(*w));
    w->pending = calloc(SCHEDULER_WORLD_PENDING, sizeof(*w->pending));
    w->limits = *limits;
    w->shards = limits->shards;
    w->mono = SCHEDULER_WORLD_MONO_MS;
    w->latency_ms = 5;
    w->wait_ms = 5000;
    prng_init(&w->random, seed);
    for (uint32_t i = 0; i < SCHEDULER_WORLD_SHARDS; i++)
        w->cursors[i].position.bucket = SCHEDULER_WORLD_EPOCH_MS / limits->bucket_ms;
    return w;
}

void scheduler_world_crash(struct scheduler_world *w, uint32_t index)
{
    struct scheduler_world_node *node = &w->nodes[index];
    uint32_t life = node->life + 1;
    free(node->storage);
    free(node->handles);
    free(node->page_items);
    free(node->page_counts);
    free(node->page_calls);
    memset(node, 0, sizeof(*node));
    node->life = life;
}

void scheduler_world_free(struct scheduler_world *w)
{
    for (uint32_t i = 0; i < SCHEDULER_WORLD_NODES; i++)
        scheduler_world_crash(w, i);
    free(w->pending);
    free(w);
}

static void scheduler_world_push(struct scheduler_world *w, const struct scheduler_world_pending *p)
{
    assert_true(w->pending_count < SCHEDULER_WORLD_PENDING);
    w->pending[w->pending_count] = *p;
    w->pending[w->pending_count].sequence = ++w->sequence;
    w->pending_count++;
}

static int64_t scheduler_world_latency(struct scheduler_world *w)
{
    return w->latency_ms == 0 ? 0 : 1 + (int64_t)prng_below(&w->random, (uint64_t)w->latency_ms);
}

static void scheduler_world_read_page_begins(struct scheduler_world_node *node, uint32_t row,
                                             const struct scheduler_effect *e)
{
    uint32_t *rows = node->page_items;
    for (uint32_t i = 0; i < e->read.carry_count; i++)
        rows[e->read.page * row + node->page_counts[e->read.page] + i] =
            rows[e->read.carry_page * row + e->read.carry_first + i];
    node->page_counts[e->read.page] += e->read.carry_count;
    node->page_calls[e->read.page] = e->id;
}

/* What leaves with a send is fixed when it is emitted: the bodies are copied then. */
static void scheduler_world_bind(struct scheduler_world *w, struct scheduler_world_node *node,
                                 struct scheduler_world_pending *p)
{
    const struct scheduler_effect *e = &p->effect;
    if (e->kind == SCHEDULER_EFFECT_SEND_PACKS) {
        for (uint32_t i = 0; i < e->count; i++) {
            assert_true(e->packs[i].first + e->packs[i].count <=
                        node->page_counts[e->packs[i].page]);
            for (uint32_t k = 0; k < e->packs[i].count; k++)
                p->rows[p->row_count++] =
                    node->page_items[e->packs[i].page * scheduler_world_row(w) + e->packs[i].first +
                                     k];
        }
    }
    if (e->kind == SCHEDULER_EFFECT_SET_VISIBILITY || e->kind == SCHEDULER_EFFECT_DELETE_TICKS) {
        for (uint32_t i = 0; i < e->count; i++) {
            p->handles[i] = node->handles[e->ticks.slots[i]].message;
            p->messages[i].receive_count = node->handles[e->ticks.slots[i]].receive_count;
        }
    }
}

/* A lease that was extended may end a little sooner than its holder can know: one that came late
 * has this long to be tried. */
#define LEASE_DOUBT_MS 500

static bool holds_lease(const struct scheduler_world *w, const struct scheduler_world_node *node,
                        uint32_t shard)
{
    for (uint32_t i = 0; i < scheduler_core_ticks(&w->limits); i++) {
        const struct scheduler_world_message *m = &w->messages[node->handles[i].message];
        if (node->handles[i].receive_count > 0 && m->shard == shard && !m->deleted &&
            m->visible_at + LEASE_DOUBT_MS > w->mono)
            return true;
    }
    return false;
}

void scheduler_world_check_holder(const struct scheduler_world *w,
                                  const struct scheduler_world_node *node,
                                  const struct scheduler_effect *e)
{
    for (uint32_t i = 0; e->kind == SCHEDULER_EFFECT_SEND_PACKS && i < e->count; i++) {
        uint32_t shard = e->packs[i].page / SCHEDULER_PAGES_A_SHARD;
        if (!node->fenced[shard])
            fail_msg("R1: sent for shard %u before its fence was written", shard);
        if (!holds_lease(w, node, shard))
            fail_msg("R1: sent for shard %u after its lease ended", shard);
    }
}

void scheduler_world_check_time(const struct scheduler_world *w,
                                const struct scheduler_world_node *node,
                                const struct scheduler_effect *e)
{
    if (e->kind == SCHEDULER_EFFECT_READ_PAGE &&
        scheduler_world_wall(w) < e->read.bucket * w->limits.bucket_ms - w->limits.handoff_ms)
        fail_msg("R4: bucket read before its handoff");
    for (uint32_t i = 0; e->kind == SCHEDULER_EFFECT_SEND_PACKS && i < e->count; i++) {
        uint32_t at = e->packs[i].page * scheduler_world_row(w) + e->packs[i].first;
        if (scheduler_world_wall(w) <
            w->items[node->page_items[at]].item.due_ms - w->limits.handoff_ms)
            fail_msg("R4: pack sent before due - handoff");
    }
}

void scheduler_world_step(struct scheduler_world *w, uint32_t index,
                          const struct scheduler_event *event)
{
    struct scheduler_world_node *node = &w->nodes[index];
    struct now now = {{w->mono}, {scheduler_world_wall(w)}};
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
        scheduler_world_check_holder(w, node, e);
        scheduler_world_check_time(w, node, e);
        if (e->kind == SCHEDULER_EFFECT_READ_PAGE)
            scheduler_world_read_page_begins(node, scheduler_world_row(w), e);
        struct scheduler_world_pending p = {0};
        p.at = w->mono + scheduler_world_latency(w);
        if (e->kind == SCHEDULER_EFFECT_SEND_PACKS)
            p.at += w->send_latency_ms;
        p.node = index;
        p.life = node->life;
        p.effect = *e;
        p.stage =
            e->kind == SCHEDULER_EFFECT_RECEIVE ? SCHEDULER_WORLD_POLL : SCHEDULER_WORLD_APPLY;
        p.poll_ends = w->mono + w->wait_ms;
        scheduler_world_bind(w, node, &p);
        scheduler_world_push(w, &p);
    }
}

static void scheduler_world_wake(struct scheduler_world *w, uint32_t index)
{
    scheduler_world_step(w, index, &(struct scheduler_event){.kind = SCHEDULER_EVENT_WAKE});
}

void scheduler_world_stop(struct scheduler_world *w, uint32_t index)
{
    scheduler_world_step(w, index, &(struct scheduler_event){.kind = SCHEDULER_EVENT_STOP});
}

void scheduler_world_start(struct scheduler_world *w, uint32_t index)
{
    struct scheduler_world_node *node = &w->nodes[index];
    uint32_t pages = scheduler_core_pages(&w->limits);
    node->storage = calloc(1, scheduler_core_bytes(&w->limits));
    node->handles = calloc(scheduler_core_ticks(&w->limits), sizeof(*node->handles));
    node->page_items = calloc((size_t)pages * scheduler_world_row(w), sizeof(uint32_t));
    node->page_counts = calloc(pages, sizeof(uint32_t));
    node->page_calls = calloc(pages, sizeof(uint64_t));
    node->core = scheduler_core_init(node->storage, &w->limits, prng_next(&w->random));
    scheduler_world_wake(w, index);
}

const struct scheduler_counters *scheduler_world_counters(const struct scheduler_world *w,
                                                          uint32_t node)
{
    return scheduler_core_counters(w->nodes[node].core);
}

/* One call: applied or not, and what is said about it, which need not agree. */
static void scheduler_world_call(struct scheduler_world *w, struct scheduler_world_pending *p)
{
    const enum scheduler_effect_kind kind = p->effect.kind;
    p->event.id = p->effect.id;
    bool down = (w->ready_down && kind == SCHEDULER_EFFECT_SEND_PACKS) ||
                (w->ticks_down && kind == SCHEDULER_EFFECT_SEND_TICKS) ||
                (w->table_down && scheduler_world_is_table(kind));
    uint64_t dice = prng_below(&w->random, 100);
    bool fault = dice < w->fault_percent;
    uint64_t how = prng_below(&w->random, SCHEDULER_WORLD_FAULTS);
    if (p->answered) { /* reported unknown already; applied late */
        scheduler_world_apply(w, p);
        return;
    }
    w->calls++;
    w->caller = p->node;
    for (size_t i = 0; i < ARRAY_LEN(w->planned); i++) {
        if (w->planned[i].call == w->calls) {
            fault = true;
            how = w->planned[i].how;
        }
    }
    bool polls = kind == SCHEDULER_EFFECT_RECEIVE;
    if (polls && (w->held_back_ms > 0 || (fault && how == 3))) {
        scheduler_world_kind(p);
        p->event.result = SCHEDULER_THROTTLED;
        p->event.received.held_back_ms = MAX(w->held_back_ms, 50);
    } else if (down || (fault && how <= 1)) {
        scheduler_world_kind(p);
        scheduler_world_all(p, how == 0 ? SCHEDULER_FAILED : SCHEDULER_THROTTLED);
    } else if (fault && how == 2) {
        scheduler_world_kind(p);
        scheduler_world_all(p, SCHEDULER_UNKNOWN);
    } else if (fault && how == 3) {
        struct scheduler_world_pending late = *p;
        late.answered = true;
        late.at = w->mono + 50;
        scheduler_world_push(w, &late);
        scheduler_world_kind(p);
        scheduler_world_all(p, SCHEDULER_UNKNOWN);
    } else {
        if (fault && kind == SCHEDULER_EFFECT_SEND_PACKS)
            for (uint32_t i = 0; i < p->effect.count; i += 2)
                p->event.entries[i] = SCHEDULER_FAILED;
        scheduler_world_apply(w, p);
        if ((fault && kind != SCHEDULER_EFFECT_SEND_PACKS) ||
            (w->moves_unknown && kind == SCHEDULER_EFFECT_MOVE_CURSOR))
            scheduler_world_all(p, SCHEDULER_UNKNOWN);
    }
    p->stage = SCHEDULER_WORLD_ANSWER;
    p->at = w->mono + scheduler_world_latency(w);
    scheduler_world_push(w, p);
}

static void scheduler_world_answer(struct scheduler_world *w, struct scheduler_world_pending *p)
{
    struct scheduler_world_node *node = &w->nodes[p->node];
    if (node->core == NULL || node->life != p->life)
        return;
    if (p->event.kind == SCHEDULER_EVENT_RECEIVED) {
        p->event.received.messages = p->messages;
        if (p->event.result == SCHEDULER_DONE)
            for (uint32_t i = 0; i < p->event.received.count; i++)
                node->handles[p->effect.ticks.slots[i]] =
                    (struct scheduler_world_handle){p->handles[i], p->messages[i].receive_count};
    }
    if (p->event.kind == SCHEDULER_EVENT_PAGE_READ) {
        uint32_t page = p->effect.read.page;
        if (node->page_calls[page] != p->effect.id)
            return;
        for (uint32_t i = 0; i < p->row_count && p->event.result == SCHEDULER_DONE; i++) {
            w->answer_items[i] = w->items[p->rows[i]].item;
            node->page_items[page * scheduler_world_row(w) + node->page_counts[page]++] =
                p->rows[i];
        }
        p->event.page.items = w->answer_items;
    }
    scheduler_world_step(w, p->node, &p->event);
}

static void scheduler_world_do(struct scheduler_world *w, uint32_t at)
{
    struct scheduler_world_pending p = w->pending[at];
    w->pending[at] = w->pending[--w->pending_count];
    if (p.stage == SCHEDULER_WORLD_ANSWER) {
        scheduler_world_answer(w, &p);
        return;
    }
    if (p.stage == SCHEDULER_WORLD_POLL) {
        /* Of a dead one too: what it receives is invisible until its time is over. */
        bool any = false;
        for (uint32_t i = 0; i < w->message_count && !any; i++)
            any = !w->messages[i].deleted &&
                  !scheduler_world_group_blocked(w, w->message_count, w->messages[i].shard);
        if (!any && w->mono < p.poll_ends) {
            p.at = MIN(w->mono + 100, p.poll_ends);
            scheduler_world_push(w, &p);
            return;
        }
    }
    scheduler_world_call(w, &p);
}

static int64_t scheduler_world_deadline(const struct scheduler_world *w, uint32_t node)
{
    struct deadline d = scheduler_core_deadline(w->nodes[node].core);
    int64_t wall = d.wall.ms == TIME_NEVER
                       ? TIME_NEVER
                       : d.wall.ms - SCHEDULER_WORLD_EPOCH_MS + SCHEDULER_WORLD_MONO_MS;
    return MAX(MIN(d.mono.ms, wall), w->mono);
}

bool scheduler_world_turn(struct scheduler_world *w, int64_t until)
{
    uint32_t first = UINT32_MAX;
    for (uint32_t i = 0; i < w->pending_count; i++) {
        const struct scheduler_world_pending *p = &w->pending[i];
        const struct scheduler_world_node *node = &w->nodes[p->node];
        if (p->stage == SCHEDULER_WORLD_ANSWER && node->paused && node->life == p->life)
            continue;
        if (first == UINT32_MAX || p->at < w->pending[first].at ||
            (p->at == w->pending[first].at && p->sequence < w->pending[first].sequence))
            first = i;
    }
    uint32_t waker = UINT32_MAX;
    for (uint32_t i = 0; i < SCHEDULER_WORLD_NODES; i++) {
        if (w->nodes[i].core == NULL || w->nodes[i].paused)
            continue;
        if (waker == UINT32_MAX ||
            scheduler_world_deadline(w, i) < scheduler_world_deadline(w, waker))
            waker = i;
    }
    int64_t pending_at = first == UINT32_MAX ? TIME_NEVER : w->pending[first].at;
    int64_t wake_at = waker == UINT32_MAX ? TIME_NEVER : scheduler_world_deadline(w, waker);
    if (MIN(pending_at, wake_at) > until) {
        w->mono = until;
        return false;
    }
    w->mono = MAX(w->mono, MIN(pending_at, wake_at));
    if (pending_at <= wake_at)
        scheduler_world_do(w, first);
    else
        scheduler_world_wake(w, waker);
    return true;
}

void scheduler_world_run(struct scheduler_world *w, int64_t ms)
{
    int64_t until = w->mono + ms;
    int64_t turns = 0;
    while (scheduler_world_turn(w, until)) {
        if (++turns > 2000000)
            fail_msg("the world spins at %lld", (long long)w->mono);
    }
}

int64_t scheduler_world_due(int64_t after_epoch_ms)
{
    return SCHEDULER_WORLD_EPOCH_MS + after_epoch_ms;
}

int64_t scheduler_world_cursor_minute(const struct scheduler_world *w, uint32_t shard)
{
    return w->cursors[shard].position.bucket - SCHEDULER_WORLD_EPOCH_MS / MINUTE;
}

struct now scheduler_world_now(const struct scheduler_world *w)
{
    return (struct now){{w->mono}, {scheduler_world_wall(w)}};
}
