#include "tests/load/ledger.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/compiler.h"

/* state: bits 0-1 enum ack, 2-3 copies delivered, 4-5 copies dead-lettered (both stop at 3). */
#define ACK_MASK        0x03U
#define DELIVERED_SHIFT 2
#define DEAD_SHIFT      4
#define COPIES_MAX      3U

void ledger_init(struct ledger *l, uint64_t records, int64_t start_ms)
{
    *l = (struct ledger){.records = records,
                         .start_ms = start_ms,
                         .ended_ms = INT64_MAX,
                         .judged_until_ms = INT64_MAX};
    l->due_after = calloc(records, sizeof(*l->due_after));
    l->state = calloc(records, sizeof(*l->state));
    CHECK(l->due_after != NULL && l->state != NULL);
}

void ledger_release(struct ledger *l)
{
    free(l->due_after);
    free(l->state);
    free(l->emitted_after);
    free(l->copies);
}

void ledger_keep_times(struct ledger *l)
{
    l->emitted_after = calloc(l->records, sizeof(*l->emitted_after));
    CHECK(l->emitted_after != NULL);
}

void ledger_plan(struct ledger *l, uint64_t id, int64_t due_ms)
{
    int64_t after = due_ms - l->start_ms;
    CHECK(after >= 0 && after <= UINT32_MAX);
    l->due_after[id] = (uint32_t)after;
}

int64_t ledger_due_ms(const struct ledger *l, uint64_t id)
{
    return l->start_ms + l->due_after[id];
}

static unsigned copies(const struct ledger *l, uint64_t id, unsigned shift)
{
    return ((unsigned)l->state[id] >> shift) & COPIES_MAX;
}

static enum ack ack_of(const struct ledger *l, uint64_t id)
{
    return (enum ack)(l->state[id] & ACK_MASK);
}

static bool is_settled(const struct ledger *l, uint64_t id)
{
    return copies(l, id, DELIVERED_SHIFT) + copies(l, id, DEAD_SHIFT) > 0;
}

void ledger_acknowledge(struct ledger *l, uint64_t id, enum ack ack)
{
    CHECK(ack_of(l, id) == ACK_NONE);
    l->state[id] = (uint8_t)(l->state[id] | (unsigned)ack);
    switch (ack) {
    case ACK_YES:
        l->sent++;
        l->settled += is_settled(l, id);
        break;
    case ACK_FAILED:
        l->failed++;
        l->unexpected += is_settled(l, id);
        break;
    case ACK_UNKNOWN:
        l->unknown++;
        break;
    case ACK_NONE:
        UNREACHABLE();
    }
}

static void note_duplicate(struct ledger *l, uint64_t id, int64_t at_ms)
{
    l->duplicated++;
    if (l->emitted_after == NULL)
        return;
    if ((l->copy_count & (l->copy_count - 1)) == 0) { /* full at each power of two */
        size_t capacity = MAX(64, 2 * l->copy_count);
        l->copies = realloc(l->copies, capacity * sizeof(*l->copies));
        CHECK(l->copies != NULL);
    }
    l->copies[l->copy_count++] = (struct ledger_copy){id, at_ms};
}

/* Counts a copy; true if it is the first of all. */
static bool count_copy(struct ledger *l, uint64_t id, unsigned shift, int64_t at_ms)
{
    bool first = !is_settled(l, id);
    if (!first)
        note_duplicate(l, id, at_ms);
    else if (ack_of(l, id) == ACK_YES)
        l->settled++;
    else if (ack_of(l, id) == ACK_FAILED)
        l->unexpected++;
    if (copies(l, id, shift) < COPIES_MAX)
        l->state[id] = (uint8_t)(l->state[id] + (1U << shift));
    return first;
}

void ledger_deliver(struct ledger *l, uint64_t id, int64_t received_ms, int64_t emitted_ms)
{
    int64_t due_ms = ledger_due_ms(l, id);
    if (received_ms < due_ms || emitted_ms < due_ms)
        l->early++;
    if (!count_copy(l, id, DELIVERED_SHIFT, emitted_ms))
        return;
    l->delivered++;
    if (l->emitted_after != NULL)
        l->emitted_after[id] = 1 + (uint32_t)MAX(emitted_ms - due_ms, 0);
    histogram_add(&l->error, received_ms - due_ms);
    histogram_add(&l->emission, emitted_ms - due_ms);
}

void ledger_dead_letter(struct ledger *l, uint64_t id, int64_t received_ms)
{
    if (count_copy(l, id, DEAD_SHIFT, received_ms))
        l->dead_lettered++;
}

bool ledger_emitted_ms(const struct ledger *l, uint64_t id, int64_t *ret_ms)
{
    if (l->emitted_after == NULL || l->emitted_after[id] == 0)
        return false;
    *ret_ms = ledger_due_ms(l, id) + l->emitted_after[id] - 1;
    return true;
}

void ledger_break_off(struct ledger *l, int64_t now_ms, int64_t drain_ms)
{
    l->ended_ms = now_ms;
    l->judged_until_ms = now_ms - drain_ms;
}

static bool is_missing(const struct ledger *l, uint64_t id)
{
    return ack_of(l, id) == ACK_YES && !is_settled(l, id);
}

uint64_t ledger_outstanding(const struct ledger *l, int64_t due_after_ms)
{
    uint64_t count = 0;
    for (uint64_t id = 0; id < l->records; id++)
        count += is_missing(l, id) && ledger_due_ms(l, id) > due_after_ms;
    return count;
}

static bool is_lost(const struct ledger *l, uint64_t id)
{
    return is_missing(l, id) && ledger_due_ms(l, id) <= l->judged_until_ms;
}

uint64_t ledger_lost(const struct ledger *l)
{
    uint64_t missing = l->sent - l->settled;
    return l->judged_until_ms == INT64_MAX ? missing
                                           : missing - ledger_outstanding(l, l->judged_until_ms);
}

void ledger_print_lost(const struct ledger *l, unsigned most, FILE *out)
{
    uint64_t id = 0;
    unsigned printed = 0;
    while (id < l->records) {
        if (!is_lost(l, id)) {
            id++;
            continue;
        }
        uint64_t first = id;
        while (id < l->records && is_lost(l, id))
            id++;
        if (printed++ == most) {
            fprintf(out, ", ...");
            return;
        }
        fprintf(out, "%s%" PRIu64, printed == 1 ? "" : ", ", first);
        if (id - first > 1)
            fprintf(out, "-%" PRIu64, id - 1);
    }
}

bool ledger_is_clean_but_for_duplicates(const struct ledger *l)
{
    return l->sent > 0 && ledger_lost(l) == 0 && l->early == 0 && l->corrupted == 0 &&
           l->misrouted == 0 && l->unexpected == 0;
}

bool ledger_is_clean(const struct ledger *l)
{
    return ledger_is_clean_but_for_duplicates(l) && l->duplicated == 0;
}
