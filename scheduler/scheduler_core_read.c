#include <string.h>

#include "common/check.h"
#include "common/mutant.h"
#include "scheduler/scheduler_core_state.h"

int64_t scheduler_bucket_opens_ms(const struct scheduler_core *c, int64_t bucket)
{
    int64_t start;
    if (__builtin_mul_overflow(bucket, c->limits.bucket_ms, &start))
        return bucket < 0 ? INT64_MIN : TIME_NEVER;
    return time_sub(start, c->limits.handoff_ms);
}

/* --- pages ----------------------------------------------------------------------------------- */

struct scheduler_item *scheduler_page_items(const struct scheduler_core *c, uint32_t page)
{
    return &c->items[(size_t)page * c->page_capacity];
}

struct pack *scheduler_page_packs(const struct scheduler_core *c, uint32_t page)
{
    return &c->packs[(size_t)page * c->page_capacity];
}

bool scheduler_page_finished(const struct page *page)
{
    return page->used && page->loaded && page->acked == page->pack_count;
}

static bool is_pass(uint32_t page)
{
    return page % SCHEDULER_PAGES_A_SHARD == PAGE_OF_PASS;
}

void scheduler_page_add_pack(struct step *s, uint32_t index, uint32_t first, uint32_t count)
{
    struct scheduler_core *c = s->c;
    struct page *page = &c->pages[index];
    const struct scheduler_item *items = scheduler_page_items(c, index);
    struct pack *pack = &scheduler_page_packs(c, index)[page->pack_count++];
    *pack = (struct pack){.state = PACK_WAITING, .first = first, .count = count};
    pack->release_ms = time_sub(items[first].due_ms, c->limits.handoff_ms);
    for (uint32_t i = first; i < first + count; i++)
        pack->bytes += items[i].bytes;
}

static void query(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct page *page = &c->pages[index];
    uint32_t shard = index / SCHEDULER_PAGES_A_SHARD;
    if (page->retry_at > s->now.mono.ms) {
        scheduler_step_wake_mono(s, page->retry_at);
        return;
    }
    if (scheduler_step_room(s) == 0) {
        scheduler_step_wake_now(s);
        return;
    }
    struct scheduler_effect *effect =
        scheduler_step_emit(s, SCHEDULER_EFFECT_READ_PAGE, index, shard);
    effect->is_retry = page->failures > 0;
    effect->read.page = index;
    effect->read.bucket =
        is_pass(index) ? c->shards[shard].pass.bucket : c->shards[shard].safe.bucket;
    memcpy(effect->read.after, page->after, sizeof(page->after));
    effect->read.limit = c->limits.page_items;
    effect->read.carry_page = page->carry_page;
    effect->read.carry_first = page->carry_first;
    effect->read.carry_count = page->carry_count;
    page->carry_count = 0; /* once */
    page->call = effect->id;
}

void scheduler_page_query(struct step *s, uint32_t index, const char *after)
{
    struct page *page = &s->c->pages[index];
    CHECK(page->call == 0);
    if (!page->used) {
        uint32_t serial = page->serial + 1;
        *page = (struct page){.used = true, .serial = serial};
    }
    page->loaded = false;
    page->retry_at = s->now.mono.ms;
    page->failures = 0;
    if (after != page->after)
        memcpy(page->after, after, sizeof(page->after));
    query(s, index);
}

/* The items of the open pack at the end of one page become the beginning of the next: what is
 * joined does not depend on where pages end. */
static void query_next(struct step *s, uint32_t from_index, uint32_t to_index)
{
    struct scheduler_core *c = s->c;
    const struct page *from = &c->pages[from_index];
    struct page *to = &c->pages[to_index];
    uint32_t serial = to->serial + 1;
    *to = (struct page){.used = true, .serial = serial};
    to->carry_page = from_index;
    to->carry_first = from->packed;
    to->carry_count = from->item_count - from->packed;
    to->item_count = to->carry_count;
    CHECK(to->item_count <= PAGE_CARRY_MAX);
    const struct scheduler_item *items = scheduler_page_items(c, from_index);
    for (uint32_t i = 0; i < to->carry_count; i++) {
        scheduler_page_items(c, to_index)[i] = items[from->packed + i];
        to->bytes += items[from->packed + i].bytes;
    }
    c->page_bytes += to->bytes;
    scheduler_page_query(s, to_index, from->after);
    CHECK(to->call != 0); /* the items must move before their page is freed */
}

void scheduler_page_free(struct step *s, uint32_t index)
{
    struct page *page = &s->c->pages[index];
    if (!page->used)
        return;
    scheduler_step_emit(s, SCHEDULER_EFFECT_FREE_PAGE, 0, index / SCHEDULER_PAGES_A_SHARD)
        ->free_page = index;
    s->c->page_bytes -= page->bytes;
    *page = (struct page){.serial = page->serial + 1};
}

static void close_packs(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct page *page = &c->pages[index];
    const struct scheduler_item *items = scheduler_page_items(c, index);
    for (;;) {
        uint32_t count = scheduler_pack_first(&items[page->packed], page->item_count - page->packed,
                                              page->more, ENVELOPE_TARGET_BYTES);
        if (count == 0)
            return;
        scheduler_page_add_pack(s, index, page->packed, count);
        for (uint32_t i = 0; i < count; i++)
            scheduler_history_add(c, index / SCHEDULER_PAGES_A_SHARD,
                                  items[page->packed + i].id_hash);
        page->packed += count;
    }
}

static void take_page(struct step *s, uint32_t index, const struct scheduler_event *event)
{
    struct scheduler_core *c = s->c;
    struct page *page = &c->pages[index];
    uint32_t count = event->page.count;
    uint32_t first = page->item_count;
    CHECK(count <= c->limits.page_items && first + count <= c->page_capacity);
    struct scheduler_item *items = scheduler_page_items(c, index);
    int64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        items[first + i] = event->page.items[i];
        bytes += event->page.items[i].bytes;
    }
    page->item_count += count;
    page->bytes += bytes;
    c->page_bytes += bytes;
    page->more = event->page.more;
    page->loaded = true;
    page->failures = 0;
    memcpy(page->after, event->page.after, sizeof(page->after));
    c->counters.pages_read++;
    if (is_pass(index)) {
        scheduler_straggler_on_page(s, index / SCHEDULER_PAGES_A_SHARD, first);
        return;
    }
    c->counters.items_read += count;
    close_packs(s, index);
}

void scheduler_page_on_read(struct step *s, const struct scheduler_event *event)
{
    struct scheduler_core *c = s->c;
    uint32_t index = scheduler_id_slot(event->id);
    if (event->id == 0 || index >= scheduler_core_pages(&c->limits) ||
        c->pages[index].call != event->id)
        return;
    struct page *page = &c->pages[index];
    page->call = 0;
    bool good = event->result == SCHEDULER_DONE;
    scheduler_step_dependency(s, SCHEDULER_DEPENDS_TABLE, good);
    if (good) {
        take_page(s, index, event);
        return;
    }
    page->failures++;
    page->retry_at = time_add(s->now.mono.ms, scheduler_step_backoff_ms(s, page->failures));
}

/* --- a shard's bucket ------------------------------------------------------------------------ */

static void open_bucket(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    if (shard->safe.bucket > shard->last_bucket)
        return; /* the end of the run; the cursor follows */
    int64_t opens = scheduler_bucket_opens_ms(c, shard->safe.bucket);
    if (opens > s->now.wall.ms) {
        scheduler_step_wake_wall(s, opens);
        return;
    }
    if (scheduler_step_room(s) < EFFECTS_OF_A_READ) {
        scheduler_step_wake_now(s);
        return;
    }
    shard->opened = true;
    shard->current = 0;
    scheduler_history_open(c, index, shard->safe.bucket, shard->safe.place);
    scheduler_page_query(s, scheduler_page_index(index, 0), shard->safe.place);
    scheduler_straggler_begin(s, index, shard->safe.bucket);
}

static void note_acked(struct scheduler_core *c, struct shard *shard, uint32_t index)
{
    const struct page *page = &c->pages[index];
    uint32_t passed = MUTANT_IS(16) ? page->unsent : page->acked;
    if (passed == 0)
        return;
    const struct pack *last = &scheduler_page_packs(c, index)[passed - 1];
    const char *sk = scheduler_page_items(c, index)[last->first + last->count - 1].sk;
    memcpy(shard->safe.place, sk, sizeof(shard->safe.place));
}

/* The page after the last one, as soon as half of that one has been sent, memory allowing. */
static void prefetch(struct step *s, const struct shard *shard, uint32_t current, uint32_t other)
{
    struct scheduler_core *c = s->c;
    struct page *page = &c->pages[current];
    if (!page->loaded || !page->more || c->pages[other].used)
        return;
    CHECK(shard->opened);
    if (page->pack_count == 0) { /* nothing but an open pack, or nothing at all */
        scheduler_page_query(s, current, page->after);
        return;
    }
    bool used_up = page->acked == page->pack_count;
    bool half_sent = page->unsent * 2 >= page->pack_count;
    if (used_up || (half_sent && c->page_bytes < c->limits.memory_bytes))
        query_next(s, current, other);
}

static void finish_bucket(struct step *s, uint32_t index)
{
    struct shard *shard = &s->c->shards[index];
    scheduler_history_close(s, index);
    scheduler_page_free(s, scheduler_page_index(index, shard->current));
    shard->opened = false;
    shard->safe.bucket++;
    memset(shard->safe.place, 0, sizeof(shard->safe.place));
}

void scheduler_read_advance(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    if (!shard->opened)
        open_bucket(s, index);
    while (shard->opened) {
        if (scheduler_step_room(s) < EFFECTS_OF_A_READ) {
            scheduler_step_wake_now(s);
            return;
        }
        uint32_t current = scheduler_page_index(index, shard->current);
        uint32_t other = scheduler_page_index(index, 1 - shard->current);
        scheduler_straggler_advance(s, index);
        for (uint32_t i = 0; i < SCHEDULER_PAGES_A_SHARD; i++) {
            uint32_t at = scheduler_page_index(index, i);
            if (c->pages[at].used && !c->pages[at].loaded && c->pages[at].call == 0)
                query(s, at);
        }
        note_acked(c, shard, current);
        prefetch(s, shard, current, other);
        if (!scheduler_page_finished(&c->pages[current]))
            return;
        if (c->pages[other].used) {
            scheduler_page_free(s, current);
            shard->current = 1 - shard->current;
        } else if (shard->pass.state == PASS_DONE) {
            finish_bucket(s, index);
            open_bucket(s, index); /* behind: the next one at once */
        } else {
            return;
        }
    }
}

void scheduler_read_settle(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    if (!shard->opened)
        return;
    uint32_t current = scheduler_page_index(index, shard->current);
    uint32_t other = scheduler_page_index(index, 1 - shard->current);
    note_acked(c, shard, current);
    if (scheduler_page_finished(&c->pages[current]) && c->pages[other].used)
        note_acked(c, shard, other);
}

void scheduler_read_stop(struct step *s, uint32_t index)
{
    for (uint32_t i = 0; i < SCHEDULER_PAGES_A_SHARD; i++)
        scheduler_page_free(s, scheduler_page_index(index, i));
}
