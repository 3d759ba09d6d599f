#include <string.h>

#include "common/check.h"
#include "common/mark.h"
#include "common/mutant.h"
#include "scheduler/scheduler_core_state.h"

/* A batch that is being put together. */
struct draft {
    struct send send;
    int64_t bytes;
    int64_t oldest_ms; /* wall: first release among its packs */
    bool again;        /* has packs that were tried before: no lingering */
    bool full;
};

static int64_t wire_bytes(const struct pack *pack)
{
    return (pack->bytes + 2) / 3 * 4; /* base64 */
}

/* The first pack of the page that may go now; ABSENT: none, and the step wakes for the next. */
static uint32_t next_ready(struct step *s, uint32_t index)
{
    struct scheduler_core *c = s->c;
    const struct page *page = &c->pages[index];
    if (!page->used)
        return ABSENT;
    const struct pack *packs = scheduler_page_packs(c, index);
    for (uint32_t i = page->acked; page->failed > 0 && i < page->unsent; i++) {
        if (packs[i].state != PACK_WAITING)
            continue;
        if (packs[i].retry_at <= s->now.mono.ms)
            return i;
        scheduler_step_wake_mono(s, packs[i].retry_at);
    }
    for (uint32_t i = page->unsent; i < page->pack_count; i++) {
        if (packs[i].state != PACK_WAITING)
            continue;
        if (packs[i].release_ms <= s->now.wall.ms)
            return i;
        scheduler_step_wake_wall(s, packs[i].release_ms);
        break;
    }
    return ABSENT;
}

/* At most one pack of the shard, so that no shard waits for another. */
static bool draft_add(struct step *s, struct draft *draft, uint32_t shard)
{
    struct scheduler_core *c = s->c;
    if (c->shards[shard].phase != SHARD_ACTIVE)
        return false;
    const uint32_t order[] = {c->shards[shard].current, 1 - c->shards[shard].current, PAGE_OF_PASS};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        uint32_t index = scheduler_page_index(shard, order[i]);
        uint32_t at = next_ready(s, index);
        if (at == ABSENT)
            continue;
        struct pack *pack = &scheduler_page_packs(c, index)[at];
        if (draft->send.count > 0 && draft->bytes + wire_bytes(pack) > SQS_BATCH_BYTES_MAX) {
            draft->full = true;
            return false;
        }
        pack->state = PACK_PICKED;
        draft->send.entries[draft->send.count++] =
            (struct send_entry){.page = index, .serial = c->pages[index].serial, .pack = at};
        draft->bytes += wire_bytes(pack);
        draft->oldest_ms = MIN(draft->oldest_ms, pack->release_ms);
        draft->again = draft->again || pack->tries > 0;
        draft->full = draft->full || draft->send.count == SCHEDULER_BATCH_MAX;
        return true;
    }
    return false;
}

static void draft_fill(struct step *s, struct draft *draft)
{
    struct scheduler_core *c = s->c;
    bool any = true;
    while (any && !draft->full) {
        any = false;
        for (uint32_t i = 0; i < c->shard_top && !draft->full; i++)
            any = draft_add(s, draft, (c->rotor + i) % c->shard_top) || any;
    }
}

static void draft_drop(struct scheduler_core *c, const struct draft *draft)
{
    for (uint32_t i = 0; i < draft->send.count; i++) {
        const struct send_entry *entry = &draft->send.entries[i];
        scheduler_page_packs(c, entry->page)[entry->pack].state = PACK_WAITING;
    }
}

static void mark_sending(struct scheduler_core *c, const struct send_entry *entry)
{
    struct page *page = &c->pages[entry->page];
    struct pack *packs = scheduler_page_packs(c, entry->page);
    packs[entry->pack].state = PACK_SENDING;
    page->sending++;
    if (entry->pack < page->unsent)
        page->failed--;
    while (page->unsent < page->pack_count && packs[page->unsent].state == PACK_SENDING)
        page->unsent++;
}

static void draft_send(struct step *s, struct draft *draft, uint32_t slot)
{
    struct scheduler_core *c = s->c;
    struct scheduler_effect *effect = scheduler_step_emit(s, SCHEDULER_EFFECT_SEND_PACKS, slot, 0);
    effect->count = draft->send.count;
    effect->is_retry = draft->again;
    for (uint32_t i = 0; i < draft->send.count; i++) {
        const struct send_entry *entry = &draft->send.entries[i];
        const struct pack *pack = &scheduler_page_packs(c, entry->page)[entry->pack];
        effect->packs[i] = (struct scheduler_pack_ref){
            .page = entry->page, .first = pack->first, .count = pack->count};
    }
    /* In order of the packs of each page, so that `unsent` moves over all of them. */
    for (uint32_t i = 0; i < draft->send.count; i++)
        mark_sending(c, &draft->send.entries[i]);
    draft->send.id = effect->id;
    c->sends[slot] = draft->send;
    c->sends_in_flight++;
    c->rotor = (draft->send.entries[draft->send.count - 1].page / SCHEDULER_PAGES_A_SHARD + 1) %
               c->shard_top;
}

static uint32_t free_slot(const struct scheduler_core *c)
{
    for (uint32_t i = 0; i < c->limits.sends; i++) {
        if (c->sends[i].id == 0)
            return i;
    }
    return ABSENT;
}

void scheduler_send_advance(struct step *s)
{
    struct scheduler_core *c = s->c;
    if (c->stopping || c->shard_top == 0)
        return;
    if (c->send_pause_ends > s->now.mono.ms) {
        scheduler_step_wake_mono(s, c->send_pause_ends);
        return;
    }
    for (;;) {
        uint32_t slot = free_slot(c);
        if (slot == ABSENT)
            return; /* a completion comes by here */
        struct draft draft = {.oldest_ms = TIME_NEVER};
        draft_fill(s, &draft);
        if (draft.send.count == 0)
            return;
        int64_t goes_at = time_add(draft.oldest_ms, c->limits.send_linger_ms);
        if (!draft.full && !draft.again && goes_at > s->now.wall.ms) {
            draft_drop(c, &draft);
            scheduler_step_wake_wall(s, goes_at);
            return;
        }
        if (scheduler_step_room(s) == 0) {
            draft_drop(c, &draft);
            scheduler_step_wake_now(s);
            return;
        }
        draft_send(s, &draft, slot);
    }
}

/* --- completions ----------------------------------------------------------------------------- */

static void on_acked(struct scheduler_core *c, struct page *page, struct pack *pack, uint32_t index)
{
    pack->state = PACK_ACKED;
    const struct pack *packs = scheduler_page_packs(c, index);
    while (page->acked < page->pack_count && packs[page->acked].state == PACK_ACKED)
        page->acked++;
    c->counters.packs_sent++;
    if (pack->count > 1)
        c->counters.items_joined += pack->count;
    const struct scheduler_item *items = scheduler_page_items(c, index);
    for (uint32_t i = pack->first; i < pack->first + pack->count; i++)
        c->counters.records_sent += items[i].records;
}

static void on_entry(struct step *s, const struct send_entry *entry, enum scheduler_result result)
{
    struct scheduler_core *c = s->c;
    switch (result) {
    case SCHEDULER_DONE:
        break;
    case SCHEDULER_FAILED:
    case SCHEDULER_THROTTLED:
    case SCHEDULER_REFUSED: /* tried again all the same: nothing is ever skipped */
        c->counters.packs_failed++;
        break;
    case SCHEDULER_UNKNOWN: /* sent again under the same id; at most one gets through */
        MARK("scheduler.send_unknown");
        c->counters.packs_unknown++;
        break;
    }
    struct page *page = &c->pages[entry->page];
    if (!page->used || page->serial != entry->serial)
        return; /* the shard was left meanwhile */
    struct pack *pack = &scheduler_page_packs(c, entry->page)[entry->pack];
    CHECK(pack->state == PACK_SENDING && page->sending > 0);
    page->sending--;
    if (result == SCHEDULER_DONE || (MUTANT_IS(21) && result == SCHEDULER_FAILED)) {
        on_acked(c, page, pack, entry->page);
        return;
    }
    pack->state = PACK_WAITING;
    pack->tries++;
    pack->retry_at = time_add(s->now.mono.ms, scheduler_step_backoff_ms(s, pack->tries));
    page->failed++;
}

void scheduler_send_on_sent(struct step *s, const struct scheduler_event *event)
{
    struct scheduler_core *c = s->c;
    uint32_t slot = scheduler_id_slot(event->id);
    if (event->id == 0 || slot >= SCHEDULER_SENDS_MAX || c->sends[slot].id != event->id)
        return;
    struct send send = c->sends[slot];
    c->sends[slot].id = 0;
    c->sends_in_flight--;
    bool good = false;
    bool throttled = false;
    bool refused = true;
    for (uint32_t i = 0; i < send.count; i++) {
        enum scheduler_result result = event->entries[i];
        good = good || result == SCHEDULER_DONE;
        throttled = throttled || result == SCHEDULER_THROTTLED;
        refused = refused && result == SCHEDULER_REFUSED;
        on_entry(s, &send.entries[i], result);
    }
    scheduler_step_dependency(s, SCHEDULER_DEPENDS_READY_QUEUE, good);
    /* A queue that is down or wants fewer calls is left alone for a while; one that refuses a
     * single message must not hold up the others. */
    if (throttled || (!good && !refused)) {
        c->send_failures++;
        c->send_pause_ends =
            time_add(s->now.mono.ms, scheduler_step_backoff_ms(s, c->send_failures));
    } else {
        c->send_failures = 0;
        c->send_pause_ends = 0;
    }
}
