#include <string.h>

#include "common/check.h"
#include "common/mark.h"
#include "common/mutant.h"
#include "scheduler/scheduler_core_state.h"

/* --- what was sent --------------------------------------------------------------------------- */

static struct history_bucket *newest(struct history *history)
{
    CHECK(history->buckets_total > 0);
    return &history->buckets[(history->buckets_total - 1) % SCHEDULER_HISTORY_MAX];
}

void scheduler_history_open(struct scheduler_core *c, uint32_t shard, int64_t bucket,
                            const char *from)
{
    struct history *history = &c->histories[shard];
    history->buckets_total++;
    struct history_bucket *b = newest(history);
    *b = (struct history_bucket){
        .bucket = bucket, .begin = history->ids_total, .end = history->ids_total};
    memcpy(b->from, from, sizeof(b->from));
}

void scheduler_history_add(struct scheduler_core *c, uint32_t shard, uint64_t id_hash)
{
    struct history *history = &c->histories[shard];
    uint64_t *ring = &c->history_ids[(size_t)shard * c->limits.history_ids];
    ring[history->ids_total % c->limits.history_ids] = id_hash;
    history->ids_total++;
}

static bool is_remembered(const struct scheduler_core *c, uint32_t shard,
                          const struct history_bucket *b)
{
    return c->histories[shard].ids_total - b->begin <= c->limits.history_ids;
}

void scheduler_history_close(struct step *s, uint32_t shard)
{
    struct history *history = &s->c->histories[shard];
    struct history_bucket *b = newest(history);
    b->end = history->ids_total;
    b->complete = true;
}

void scheduler_history_abandon(struct scheduler_core *c, uint32_t shard)
{
    struct history *history = &c->histories[shard];
    if (history->buckets_total > 0 && !newest(history)->complete)
        history->buckets_total--;
}

static const struct history_bucket *find(const struct scheduler_core *c, uint32_t shard,
                                         int64_t bucket)
{
    const struct history *history = &c->histories[shard];
    uint64_t count = MIN(history->buckets_total, SCHEDULER_HISTORY_MAX);
    for (uint64_t i = 0; i < count; i++) {
        const struct history_bucket *b =
            &history->buckets[(history->buckets_total - 1 - i) % SCHEDULER_HISTORY_MAX];
        if (b->bucket == bucket && b->complete)
            return b;
    }
    return NULL;
}

/* --- the second reading ---------------------------------------------------------------------- */

/* The bucket that is read again while `dispatched_bucket` is dispatched: the last one whose
 * dispatch began at least straggler_delay + a bucket before. Tied to the cursor, every bucket gets
 * its turn, whoever holds the shard by then. */
void scheduler_straggler_begin(struct step *s, uint32_t index, int64_t dispatched_bucket)
{
    static const char start[TABLE_KEY_SIZE];
    struct scheduler_core *c = s->c;
    struct pass *pass = &c->shards[index].pass;
    int64_t delay = c->limits.straggler_delay_ms;
    int64_t back = (delay + c->limits.bucket_ms - 1) / c->limits.bucket_ms + 1;
    *pass = (struct pass){.state = PASS_DONE, .bucket = dispatched_bucket - back};
    if (pass->bucket < 0 || MUTANT_IS(20))
        return; /* before the epoch there is nothing */
    pass->known = find(c, index, pass->bucket);
    if (pass->known != NULL)
        pass->next = pass->known->begin;
    pass->state = PASS_READING;
    scheduler_page_query(s, scheduler_page_index(index, PAGE_OF_PASS), start);
}

/* Items behind the cursor come in the order in which they were sent, so the next one is nearly
 * always the one expected. */
static bool was_sent(const struct scheduler_core *c, uint32_t index, struct pass *pass,
                     const struct scheduler_item *item)
{
    const uint64_t *ring = &c->history_ids[(size_t)index * c->limits.history_ids];
    for (uint64_t at = pass->next; at < pass->known->end; at++) {
        if (ring[at % c->limits.history_ids] == item->id_hash) {
            pass->next = at + 1;
            return true;
        }
    }
    return false;
}

static bool is_straggler(const struct scheduler_core *c, uint32_t index, struct pass *pass,
                         const struct scheduler_item *item)
{
    if (pass->known != NULL && memcmp(item->sk, pass->known->from, sizeof(item->sk)) > 0)
        return !was_sent(c, index, pass, item);
    int64_t written_by = time_sub(scheduler_bucket_opens_ms(c, pass->bucket), c->limits.cutoff_ms);
    return item->written_ms > written_by;
}

void scheduler_straggler_on_page(struct step *s, uint32_t index, uint32_t first_item)
{
    struct scheduler_core *c = s->c;
    struct pass *pass = &c->shards[index].pass;
    uint32_t page = scheduler_page_index(index, PAGE_OF_PASS);
    if (pass->known != NULL && !is_remembered(c, index, pass->known)) {
        pass->known = NULL;
        c->counters.histories_lost++;
        scheduler_step_note(s, SCHEDULER_NOTE_HISTORY_LOST, index, pass->bucket, 0);
    }
    uint64_t found = 0;
    for (uint32_t i = first_item; i < c->pages[page].item_count; i++) {
        if (!is_straggler(c, index, pass, &scheduler_page_items(c, page)[i]))
            continue;
        MARK("scheduler.straggler");
        scheduler_page_add_pack(s, page, i, 1);
        found++;
    }
    c->pages[page].packed = c->pages[page].item_count;
    c->counters.stragglers += found;
    pass->found += found;
}

void scheduler_straggler_advance(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    struct shard *shard = &c->shards[index];
    struct pass *pass = &shard->pass;
    uint32_t page = scheduler_page_index(index, PAGE_OF_PASS);
    if (pass->state != PASS_READING || !scheduler_page_finished(&c->pages[page]))
        return;
    if (c->pages[page].more) {
        char after[TABLE_KEY_SIZE];
        memcpy(after, c->pages[page].after, sizeof(after));
        scheduler_page_free(s, page);
        scheduler_page_query(s, page, after);
        return;
    }
    scheduler_page_free(s, page);
    pass->state = PASS_DONE;
    c->counters.straggler_passes++;
    if (pass->found > 0)
        scheduler_step_note(s, SCHEDULER_NOTE_STRAGGLERS, index, pass->bucket,
                            (int64_t)pass->found);
}
