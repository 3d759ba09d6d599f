#include "scheduler/scheduler_core_state.h"

static bool stands_alone(const struct scheduler_item *item, int64_t target_bytes)
{
    return item->alone || (int64_t)item->bytes * 2 >= target_bytes;
}

static int64_t second_of(const struct scheduler_item *item)
{
    return item->due_ms - item->due_ms % MS_PER_SECOND;
}

uint32_t scheduler_pack_first(const struct scheduler_item *items, uint32_t count, bool more,
                              int64_t target_bytes)
{
    if (count == 0)
        return 0;
    if (stands_alone(&items[0], target_bytes))
        return 1;
    int64_t bytes = 0;
    int64_t raw_bytes = 0;
    uint64_t records = 0;
    uint64_t frames = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct scheduler_item *item = &items[i];
        bytes += item->bytes;
        raw_bytes += item->raw_bytes;
        records += item->records;
        frames += item->frames;
        if (i == 0)
            continue; /* whatever it is, it has to go */
        if (stands_alone(item, target_bytes) || second_of(item) != second_of(&items[0]) ||
            bytes > target_bytes || raw_bytes > ENVELOPE_RAW_BYTES_MAX ||
            records > ENVELOPE_RECORDS_MAX || frames > ENVELOPE_FRAMES_MAX)
            return i;
    }
    return more && count <= PAGE_CARRY_MAX ? 0 : count;
}
