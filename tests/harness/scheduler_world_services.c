/* What the table, the timer queue and the ready queue do with a call, and what they say of it. */
#include "tests/harness/scheduler_world_services.h"

static int scheduler_world_order(const void *a, const void *b)
{
    const struct scheduler_world_item *x = a;
    const struct scheduler_world_item *y = b;
    if (x->shard != y->shard)
        return x->shard < y->shard ? -1 : 1;
    if (x->bucket != y->bucket)
        return x->bucket < y->bucket ? -1 : 1;
    return memcmp(x->item.sk, y->item.sk, sizeof(x->item.sk));
}

struct scheduler_world_item *scheduler_world_add(struct scheduler_world *w, uint32_t shard,
                                                 int64_t due_ms, uint32_t bytes)
{
    assert_true(w->item_count < SCHEDULER_WORLD_ITEMS);
    struct scheduler_world_item *item = &w->items[w->item_count++];
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

void scheduler_world_sort(struct scheduler_world *w)
{
    qsort(w->items, w->item_count, sizeof(w->items[0]), scheduler_world_order);
}

static int scheduler_world_place(const struct scheduler_world_item *item,
                                 const struct scheduler_position *position)
{
    if (item->bucket != position->bucket)
        return item->bucket < position->bucket ? -1 : 1;
    return memcmp(item->item.sk, position->place, sizeof(position->place));
}

void scheduler_world_check_cursor(const struct scheduler_world *w, uint32_t shard)
{
    for (uint32_t i = 0; i < w->item_count; i++) {
        const struct scheduler_world_item *item = &w->items[i];
        if (item->shard != shard || item->straggler)
            continue;
        if (scheduler_world_place(item, &w->cursors[shard].position) <= 0 && item->delivered == 0)
            fail_msg("R2: the cursor of shard %u passed %s, which was not sent", shard,
                     item->item.sk);
    }
}

void scheduler_world_send_tick(struct scheduler_world *w, uint32_t shard, int64_t bucket)
{
    for (uint32_t i = 0; i < w->message_count; i++) {
        const struct scheduler_world_message *m = &w->messages[i];
        if (m->shard == shard && m->bucket == bucket &&
            w->mono - m->sent_at < SCHEDULER_WORLD_DEDUP_MS)
            return;
    }
    assert_true(w->message_count < SCHEDULER_WORLD_MESSAGES);
    w->messages[w->message_count++] = (struct scheduler_world_message){
        .shard = shard, .bucket = bucket, .sent_at = w->mono, .visible_at = w->mono};
}

bool scheduler_world_group_blocked(const struct scheduler_world *w, uint32_t upto, uint32_t shard)
{
    for (uint32_t i = 0; i < upto; i++) {
        const struct scheduler_world_message *m = &w->messages[i];
        if (m->shard == shard && !m->deleted && m->visible_at > w->mono)
            return true;
    }
    return false;
}

static uint32_t scheduler_world_receive(struct scheduler_world *w,
                                        struct scheduler_world_pending *p)
{
    uint32_t count = 0;
    bool blocked[SCHEDULER_WORLD_SHARDS] = {false};
    for (uint32_t i = 0; i < SCHEDULER_WORLD_SHARDS; i++)
        blocked[i] = scheduler_world_group_blocked(w, w->message_count, i);
    uint32_t most = w->receive_max == 0 ? p->effect.count : w->receive_max;
    for (uint32_t i = 0; i < w->message_count && count < most; i++) {
        struct scheduler_world_message *m = &w->messages[i];
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

static void scheduler_world_apply_page(struct scheduler_world *w, struct scheduler_world_pending *p)
{
    const struct scheduler_effect *e = &p->effect;
    uint32_t limit = e->read.limit;
    uint32_t dice = (uint32_t)prng_below(&w->random, w->page_short + 1);
    if (w->page_short > 0)
        limit = MIN(limit, dice);
    p->event.page.more = false;
    memcpy(p->event.page.after, e->read.after, TABLE_KEY_SIZE);
    for (uint32_t i = 0; i < w->item_count; i++) {
        const struct scheduler_world_item *item = &w->items[i];
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
    struct scheduler_world_node *node = &w->nodes[p->node];
    if (p->event.page.more || node->life != p->life)
        return;
    assert_true(node->whole_count < SCHEDULER_WORLD_READS);
    node->whole[node->whole_count++] = (struct scheduler_world_read){e->shard, e->read.bucket};
}

static void scheduler_world_apply_fence(struct scheduler_world *w,
                                        struct scheduler_world_pending *p)
{
    struct scheduler_cursor *cursor = &w->cursors[p->effect.shard];
    w->fences++;
    p->event.cursor.present = true;
    p->event.cursor.cursor = *cursor;
    if (memcmp(cursor->fence, p->effect.cursor.fence, TABLE_FENCE_SIZE) < 0)
        memcpy(cursor->fence, p->effect.cursor.fence, TABLE_FENCE_SIZE);
    else
        p->event.result = SCHEDULER_REFUSED;
    struct scheduler_world_node *node = &w->nodes[p->node];
    if (p->event.result == SCHEDULER_DONE && node->life == p->life)
        node->fenced[p->effect.shard] = true;
}

void scheduler_world_check_passes(const struct scheduler_world *w,
                                  const struct scheduler_world_node *node, uint32_t shard,
                                  int64_t from_bucket, int64_t to_bucket)
{
    int64_t delay_ms = w->limits.straggler_delay_ms;
    int64_t back = (delay_ms + w->limits.bucket_ms - 1) / w->limits.bucket_ms + 1;
    for (int64_t bucket = from_bucket - back; bucket < to_bucket - back; bucket++) {
        bool read = false;
        for (uint32_t i = 0; i < node->whole_count && !read; i++)
            read = node->whole[i].shard == shard && node->whole[i].bucket == bucket;
        if (!read)
            fail_msg("R5: shard %u passed a bucket, bucket %lld has had no straggler pass", shard,
                     (long long)bucket);
    }
}

static void scheduler_world_apply_move(struct scheduler_world *w, struct scheduler_world_pending *p)
{
    struct scheduler_cursor *cursor = &w->cursors[p->effect.shard];
    p->event.cursor.present = true;
    p->event.cursor.cursor = *cursor;
    if (memcmp(cursor->fence, p->effect.cursor.fence, TABLE_FENCE_SIZE) != 0) {
        p->event.result = SCHEDULER_REFUSED;
        return;
    }
    const struct scheduler_world_node *node = &w->nodes[p->node];
    if (node->life == p->life)
        scheduler_world_check_passes(w, node, p->effect.shard, cursor->position.bucket,
                                     p->effect.cursor.position.bucket);
    cursor->position = p->effect.cursor.position;
    scheduler_world_check_cursor(w, p->effect.shard);
}

static uint64_t scheduler_world_pack_id(const struct scheduler_world *w, const uint32_t *rows,
                                        uint32_t count)
{
    uint64_t id = 1;
    for (uint32_t i = 0; i < count; i++)
        id = (id ^ w->items[rows[i]].item.id_hash) * UINT64_C(0x9e3779b97f4a7c15);
    return id;
}

static bool scheduler_world_is_repeat(struct scheduler_world *w, uint64_t pack)
{
    for (uint32_t i = 0; i < w->sent_count; i++) {
        if (w->sent[i].pack == pack && w->mono - w->sent[i].at < SCHEDULER_WORLD_DEDUP_MS)
            return true;
    }
    assert_true(w->sent_count < SCHEDULER_WORLD_ITEMS * 4);
    w->sent[w->sent_count++] = (struct scheduler_world_sent){pack, w->mono};
    return false;
}

static void scheduler_world_apply_pack(struct scheduler_world *w, const uint32_t *rows,
                                       uint32_t count)
{
    uint64_t id = scheduler_world_pack_id(w, rows, count);
    bool repeat = scheduler_world_is_repeat(w, id);
    w->repeats += repeat;
    for (uint32_t i = 0; i < count; i++) {
        struct scheduler_world_item *item = &w->items[rows[i]];
        if (item->pack != 0 && item->pack != id)
            fail_msg("%s went in another pack the second time", item->item.sk);
        item->pack = id;
        if (repeat)
            continue;
        item->delivered++;
        item->sent_ms = scheduler_world_wall(w);
    }
}

static void scheduler_world_apply_visibility(struct scheduler_world *w,
                                             struct scheduler_world_pending *p)
{
    w->extensions += p->effect.ticks.visibility_ms > 0;
    for (uint32_t i = 0; i < p->effect.count; i++) {
        struct scheduler_world_message *m = &w->messages[p->handles[i]];
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

static void scheduler_world_apply_delete(struct scheduler_world *w,
                                         struct scheduler_world_pending *p)
{
    for (uint32_t i = 0; i < p->effect.count; i++) {
        struct scheduler_world_message *m = &w->messages[p->handles[i]];
        if (w->cursors[m->shard].position.bucket <= m->bucket)
            fail_msg("R3: tick of bucket %lld deleted, cursor at %lld", (long long)m->bucket,
                     (long long)w->cursors[m->shard].position.bucket);
        if (m->receive_count == p->messages[i].receive_count && m->visible_at > w->mono)
            m->deleted = true;
        else
            p->event.entries[i] = SCHEDULER_REFUSED;
    }
}

static void scheduler_world_apply_sends(struct scheduler_world *w,
                                        struct scheduler_world_pending *p)
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
            scheduler_world_apply_pack(w, &p->rows[at], p->effect.packs[i].count);
        at += p->effect.packs[i].count;
    }
    assert_true(bytes <= SQS_BATCH_BYTES_MAX);
}

void scheduler_world_apply(struct scheduler_world *w, struct scheduler_world_pending *p)
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
            scheduler_world_send_tick(w, e->send_ticks.shards[i], e->send_ticks.bucket);
        break;
    case SCHEDULER_EFFECT_RECEIVE:
        w->polls++;
        p->event.kind = SCHEDULER_EVENT_RECEIVED;
        p->event.received.count = scheduler_world_receive(w, p);
        break;
    case SCHEDULER_EFFECT_SET_VISIBILITY:
        p->event.kind = SCHEDULER_EVENT_VISIBILITY_SET;
        scheduler_world_apply_visibility(w, p);
        break;
    case SCHEDULER_EFFECT_DELETE_TICKS:
        p->event.kind = SCHEDULER_EVENT_TICKS_DELETED;
        scheduler_world_apply_delete(w, p);
        break;
    case SCHEDULER_EFFECT_READ_CURSOR:
        p->event.kind = SCHEDULER_EVENT_CURSOR_READ;
        p->event.cursor.present = !w->cursor_missing[e->shard];
        p->event.cursor.cursor = w->cursors[e->shard];
        break;
    case SCHEDULER_EFFECT_WRITE_FENCE:
        p->event.kind = SCHEDULER_EVENT_CURSOR_WRITTEN;
        scheduler_world_apply_fence(w, p);
        break;
    case SCHEDULER_EFFECT_MOVE_CURSOR:
        p->event.kind = SCHEDULER_EVENT_CURSOR_WRITTEN;
        scheduler_world_apply_move(w, p);
        break;
    case SCHEDULER_EFFECT_READ_PAGE:
        p->event.kind = SCHEDULER_EVENT_PAGE_READ;
        scheduler_world_apply_page(w, p);
        break;
    case SCHEDULER_EFFECT_SEND_PACKS:
        p->event.kind = SCHEDULER_EVENT_PACKS_SENT;
        scheduler_world_apply_sends(w, p);
        break;
    case SCHEDULER_EFFECT_FREE_PAGE:
    case SCHEDULER_EFFECT_NOTE:
        fail_msg("has no completion");
    }
}

void scheduler_world_kind(struct scheduler_world_pending *p)
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

bool scheduler_world_is_table(enum scheduler_effect_kind kind)
{
    return kind == SCHEDULER_EFFECT_READ_META || kind == SCHEDULER_EFFECT_READ_CURSOR ||
           kind == SCHEDULER_EFFECT_WRITE_FENCE || kind == SCHEDULER_EFFECT_MOVE_CURSOR ||
           kind == SCHEDULER_EFFECT_READ_PAGE;
}

void scheduler_world_all(struct scheduler_world_pending *p, enum scheduler_result result)
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

void scheduler_world_check_delivered(const struct scheduler_world *w)
{
    for (uint32_t i = 0; i < w->item_count; i++) {
        if (w->items[i].delivered != 1)
            fail_msg("%s (shard %u) delivered %u times", w->items[i].item.sk, w->items[i].shard,
                     w->items[i].delivered);
    }
}

void scheduler_world_fill(struct scheduler_world *w, int count, int64_t from_ms, int64_t every_ms,
                          uint32_t bytes)
{
    for (int i = 0; i < count; i++)
        scheduler_world_add(w, 0, scheduler_world_due(from_ms + i * every_ms), bytes);
    scheduler_world_sort(w);
}

uint32_t scheduler_world_row(const struct scheduler_world *w)
{
    return w->limits.page_items + ENVELOPE_FRAMES_MAX;
}
