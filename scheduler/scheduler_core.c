#include "scheduler/scheduler_core.h"

#include <string.h>

#include "common/check.h"
#include "scheduler/scheduler_core_state.h"

/* --- storage --------------------------------------------------------------------------------- */

/* Offsets of the arrays behind the struct. */
struct layout {
    size_t ticks;
    size_t shards;
    size_t histories;
    size_t history_ids;
    size_t pages;
    size_t items;
    size_t packs;
    size_t total;
};

static size_t place(size_t *at, size_t count, size_t size)
{
    const size_t alignment = _Alignof(max_align_t);
    size_t begin = (*at + alignment - 1) / alignment * alignment;
    size_t bytes;
    CHECK(!__builtin_mul_overflow(count, size, &bytes));
    CHECK(!__builtin_add_overflow(begin, bytes, at));
    return begin;
}

static uint32_t page_capacity(const struct scheduler_limits *limits)
{
    return PAGE_CARRY_MAX + limits->page_items;
}

uint32_t scheduler_core_pages(const struct scheduler_limits *limits)
{
    return limits->shards_max * SCHEDULER_PAGES_A_SHARD;
}

uint32_t scheduler_core_ticks(const struct scheduler_limits *limits)
{
    return limits->shards_max * SCHEDULER_TICKS_A_SHARD + limits->polls * SCHEDULER_BATCH_MAX;
}

static void check_limits(const struct scheduler_limits *l)
{
    CHECK(l->bucket_ms > 0 && l->handoff_ms >= 0 && l->cutoff_ms >= 0 && l->tick_ahead_ms >= 0);
    CHECK(l->lease_ms > l->extend_every_ms && l->extend_every_ms > 0);
    CHECK(l->cursor_every_ms >= 0 && l->straggler_delay_ms >= 0 && l->send_linger_ms >= 0);
    CHECK(l->shards_max > 0 && l->shards_max <= SHARDS_MAX && l->shards <= l->shards_max);
    CHECK(l->polls > 0 && l->polls <= SCHEDULER_POLLS_MAX);
    CHECK(l->sends > 0 && l->sends <= SCHEDULER_SENDS_MAX);
    CHECK(l->page_items > 0 && l->page_items <= SCHEDULER_PAGE_ITEMS_MAX);
    CHECK(l->history_ids > 0);
}

static struct layout lay_out(const struct scheduler_limits *limits)
{
    check_limits(limits);
    size_t pages = scheduler_core_pages(limits);
    size_t at = sizeof(struct scheduler_core);
    struct layout layout;
    layout.ticks = place(&at, scheduler_core_ticks(limits), sizeof(struct tick));
    layout.shards = place(&at, limits->shards_max, sizeof(struct shard));
    layout.histories = place(&at, limits->shards_max, sizeof(struct history));
    layout.pages = place(&at, pages, sizeof(struct page));
    layout.history_ids =
        place(&at, (size_t)limits->shards_max * limits->history_ids, sizeof(uint64_t));
    layout.items = place(&at, pages * page_capacity(limits), sizeof(struct scheduler_item));
    layout.packs = place(&at, pages * page_capacity(limits), sizeof(struct pack));
    layout.total = at;
    return layout;
}

size_t scheduler_core_bytes(const struct scheduler_limits *limits)
{
    return lay_out(limits).total;
}

static void *within(void *storage, size_t offset)
{
    return (char *)storage + offset;
}

struct scheduler_core *scheduler_core_init(void *storage, const struct scheduler_limits *limits,
                                           uint64_t seed)
{
    struct layout layout = lay_out(limits);
    struct scheduler_core *c = storage;
    c->limits = *limits;
    prng_init(&c->random, seed);
    c->wake = DEADLINE_NEVER;
    c->shard_count = limits->shards;
    c->ticks = within(storage, layout.ticks);
    c->shards = within(storage, layout.shards);
    c->histories = within(storage, layout.histories);
    c->history_ids = within(storage, layout.history_ids);
    c->pages = within(storage, layout.pages);
    c->items = within(storage, layout.items);
    c->packs = within(storage, layout.packs);
    c->page_capacity = page_capacity(limits);
    scheduler_lease_init(c);
    return c;
}

/* --- what a step works with ------------------------------------------------------------------ */

struct scheduler_effect *scheduler_step_emit(struct step *s, enum scheduler_effect_kind kind,
                                             uint32_t slot, uint32_t shard)
{
    CHECK(s->out->count < SCHEDULER_EFFECTS_MAX);
    CHECK(slot <= 0xffff);
    struct scheduler_effect *effect = &s->out->list[s->out->count++];
    memset(effect, 0, sizeof(*effect));
    effect->kind = kind;
    effect->id = ++s->c->next_sequence << 16 | slot;
    effect->shard = shard;
    return effect;
}

void scheduler_step_note(struct step *s, enum scheduler_note what, uint32_t shard, int64_t bucket,
                         int64_t detail)
{
    if (scheduler_step_room(s) == 0)
        return;
    struct scheduler_effect *effect = scheduler_step_emit(s, SCHEDULER_EFFECT_NOTE, 0, shard);
    effect->note.what = what;
    effect->note.bucket = bucket;
    effect->note.detail = detail;
}

void scheduler_step_wake_mono(struct step *s, int64_t at)
{
    s->c->wake.mono.ms = MIN(s->c->wake.mono.ms, at);
}

void scheduler_step_wake_wall(struct step *s, int64_t at)
{
    s->c->wake.wall.ms = MIN(s->c->wake.wall.ms, at);
}

void scheduler_step_wake_now(struct step *s)
{
    scheduler_step_wake_mono(s, s->now.mono.ms);
}

int64_t scheduler_step_backoff_ms(struct step *s, uint32_t failures)
{
    int64_t most = BACKOFF_FIRST_MS;
    for (uint32_t i = 1; i < failures && most < BACKOFF_MOST_MS; i++)
        most *= 2;
    most = MIN(most, BACKOFF_MOST_MS);
    return most / 2 + (int64_t)prng_below(&s->c->random, (uint64_t)(most / 2 + 1));
}

void scheduler_step_dependency(struct step *s, enum scheduler_dependency which, bool good)
{
    int64_t *since = &s->c->failing_since[which];
    if (good)
        *since = 0;
    else if (*since == 0)
        *since = MAX(s->now.mono.ms, 1);
}

/* --- the step -------------------------------------------------------------------------------- */

static void dispatch(struct step *s, const struct scheduler_event *event)
{
    switch (event->kind) {
    case SCHEDULER_EVENT_WAKE:
        break;
    case SCHEDULER_EVENT_META_READ:
        scheduler_ticks_on_meta(s, event);
        break;
    case SCHEDULER_EVENT_TICKS_SENT:
        scheduler_ticks_on_sent(s, event);
        break;
    case SCHEDULER_EVENT_RECEIVED:
        scheduler_lease_on_received(s, event);
        break;
    case SCHEDULER_EVENT_VISIBILITY_SET:
    case SCHEDULER_EVENT_TICKS_DELETED:
        scheduler_lease_on_called(s, event);
        break;
    case SCHEDULER_EVENT_CURSOR_READ:
        scheduler_cursor_on_read(s, event);
        break;
    case SCHEDULER_EVENT_CURSOR_WRITTEN:
        scheduler_cursor_on_written(s, event);
        break;
    case SCHEDULER_EVENT_PAGE_READ:
        scheduler_page_on_read(s, event);
        break;
    case SCHEDULER_EVENT_PACKS_SENT:
        scheduler_send_on_sent(s, event);
        break;
    case SCHEDULER_EVENT_STOP:
        s->c->stopping = true;
        break;
    }
}

/* What is wanted of a held shard when the program stops: no new reads and sends; when those in
 * flight have ended the cursor is moved once, then the ticks are handed back. */
static void stop_shard(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    if (scheduler_step_room(s) < EFFECTS_OF_A_LOSS) {
        scheduler_step_wake_now(s);
        return;
    }
    if (shard->phase == SHARD_ACTIVE) {
        for (uint32_t i = 0; i < SCHEDULER_PAGES_A_SHARD; i++) {
            if (c->pages[scheduler_page_index(index, i)].sending > 0)
                return;
        }
        scheduler_read_settle(s, index);
        scheduler_cursor_advance(s, index);
        if (shard->call != CURSOR_CALL_NONE)
            return;
    }
    scheduler_lease_hand_back(s, index);
}

static void advance_shard(struct step *s, uint32_t index)
{
    struct shard *shard = &s->c->shards[index];
    if (shard->phase == SHARD_FREE)
        return;
    if (s->c->stopping) {
        stop_shard(s, index);
        return;
    }
    if (shard->phase == SHARD_ACTIVE)
        scheduler_read_advance(s, index);
    if (shard->phase != SHARD_FREE)
        scheduler_cursor_advance(s, index);
}

void scheduler_core_step(struct scheduler_core *c, const struct scheduler_event *event,
                         struct now now, struct scheduler_effects *out)
{
    struct step s = {.c = c, .now = now, .out = out};
    out->count = 0;
    c->wake = DEADLINE_NEVER;
    dispatch(&s, event);
    /* Nothing else happens for a shard whose lease has ended, so this comes first. */
    if (!scheduler_lease_expire(&s)) {
        scheduler_step_wake_now(&s);
        return;
    }
    scheduler_lease_keep(&s);
    for (uint32_t i = 0; i < c->shard_top; i++)
        advance_shard(&s, i);
    scheduler_send_advance(&s);
    scheduler_lease_advance(&s);
    scheduler_ticks_advance(&s);
}

struct deadline scheduler_core_deadline(const struct scheduler_core *c)
{
    return c->wake;
}

bool scheduler_core_idle(const struct scheduler_core *c)
{
    return c->stopping && c->held == 0 && c->sends_in_flight == 0 && scheduler_lease_idle(c) &&
           scheduler_ticks_idle(c);
}

/* --- digest ---------------------------------------------------------------------------------- */

static void fold(uint64_t *hash, uint64_t value)
{
    *hash ^= value;
    *hash *= UINT64_C(0xff51afd7ed558ccd);
    *hash ^= *hash >> 32;
}

static void fold_text(uint64_t *hash, const char *text, size_t size)
{
    for (size_t i = 0; i < size && text[i] != '\0'; i++)
        fold(hash, (uint8_t)text[i]);
}

static void fold_page(uint64_t *hash, const struct scheduler_core *c, uint32_t index)
{
    const struct page *page = &c->pages[index];
    if (!page->used)
        return;
    fold(hash, index);
    fold(hash, page->call);
    fold(hash, page->item_count);
    fold(hash, page->more);
    for (uint32_t i = 0; i < page->pack_count; i++) {
        const struct pack *pack = &scheduler_page_packs(c, index)[i];
        fold(hash, (uint64_t)pack->state << 32 | pack->first);
        fold(hash, (uint64_t)pack->count << 32 | pack->tries);
        fold(hash, (uint64_t)pack->retry_at);
    }
}

static void fold_shard(uint64_t *hash, const struct scheduler_core *c, uint32_t index)
{
    const struct shard *shard = &c->shards[index];
    fold(hash, (uint64_t)shard->phase << 32 | shard->call);
    fold(hash, c->histories[index].ids_total);
    if (shard->phase == SHARD_FREE)
        return;
    fold(hash, shard->call_id);
    fold(hash, (uint64_t)shard->stored.bucket);
    fold_text(hash, shard->stored.place, sizeof(shard->stored.place));
    fold(hash, (uint64_t)shard->safe.bucket);
    fold_text(hash, shard->safe.place, sizeof(shard->safe.place));
    fold(hash, (uint64_t)shard->pass.state << 32 | shard->opened);
    for (uint32_t at = shard->ticks.head; at != ABSENT; at = c->ticks[at].next) {
        fold(hash, (uint64_t)at << 32 | c->ticks[at].serial);
        fold(hash, (uint64_t)c->ticks[at].lease_ends);
    }
    for (uint32_t i = 0; i < SCHEDULER_PAGES_A_SHARD; i++)
        fold_page(hash, c, scheduler_page_index(index, i));
}

uint64_t scheduler_core_digest(const struct scheduler_core *c)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15);
    fold(&hash, c->next_sequence);
    for (size_t i = 0; i < ARRAY_LEN(c->random.s); i++)
        fold(&hash, c->random.s[i]);
    fold(&hash, (uint64_t)c->wake.mono.ms);
    fold(&hash, (uint64_t)c->wake.wall.ms);
    fold(&hash, c->stopping);
    fold(&hash, c->shard_count);
    fold(&hash, c->sends_in_flight);
    fold(&hash, (uint64_t)c->round.bucket);
    for (size_t i = 0; i < SHARD_WORDS; i++)
        fold(&hash, c->round.unsent[i]);
    for (uint32_t i = 0; i < c->shard_top; i++)
        fold_shard(&hash, c, i);
    return hash;
}

/* --- for metrics and readiness --------------------------------------------------------------- */

const struct scheduler_counters *scheduler_core_counters(const struct scheduler_core *c)
{
    return &c->counters;
}

uint32_t scheduler_core_shards(const struct scheduler_core *c)
{
    return MAX(c->shard_count, c->shard_top);
}

bool scheduler_core_holds(const struct scheduler_core *c, uint32_t shard)
{
    return shard < c->shard_top && c->shards[shard].phase != SHARD_FREE;
}

int64_t scheduler_core_lag_ms(const struct scheduler_core *c, uint32_t index, struct now now)
{
    if (!scheduler_core_holds(c, index))
        return 0;
    const struct shard *shard = &c->shards[index];
    if (shard->phase != SHARD_ACTIVE)
        return 0;
    int64_t planned = scheduler_bucket_opens_ms(c, shard->safe.bucket);
    const struct page *page = &c->pages[scheduler_page_index(index, shard->current)];
    if (shard->opened && page->used && page->acked < page->pack_count)
        planned = scheduler_page_packs(c, scheduler_page_index(index, shard->current))[page->acked]
                      .release_ms;
    return MAX(time_sub(now.wall.ms, planned), 0);
}

uint32_t scheduler_core_sends_in_flight(const struct scheduler_core *c)
{
    return c->sends_in_flight;
}

int64_t scheduler_core_page_bytes(const struct scheduler_core *c)
{
    return c->page_bytes;
}

int64_t scheduler_core_failing_ms(const struct scheduler_core *c, enum scheduler_dependency which,
                                  struct now now)
{
    int64_t since = c->failing_since[which];
    return since == 0 ? 0 : MAX(time_sub(now.mono.ms, since), 1);
}
