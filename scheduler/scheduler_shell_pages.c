#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "scheduler/scheduler_shell_internal.h"

static void item_release(struct stored_item *item)
{
    mem_free(item->bytes);
    item->bytes = NULL;
}

static struct stored_item *append(struct page_slot *slot)
{
    if (slot->count == slot->capacity) {
        slot->capacity = MAX(slot->capacity * 2, 16);
        slot->items = mem_realloc(slot->items, slot->capacity * sizeof(*slot->items));
    }
    return &slot->items[slot->count++];
}

void scheduler_shell_pages_expect(struct scheduler_shell *shell,
                                  const struct scheduler_effect *effect)
{
    struct page_slot *slot = &shell->pages[effect->read.page];
    slot->call = effect->id;
    if (effect->read.carry_count == 0)
        return;
    struct page_slot *from = &shell->pages[effect->read.carry_page];
    CHECK(from != slot && effect->read.carry_first + effect->read.carry_count <= from->count);
    for (uint32_t i = 0; i < effect->read.carry_count; i++) {
        struct stored_item *item = &from->items[effect->read.carry_first + i];
        *append(slot) = *item;
        item->bytes = NULL;
    }
}

void scheduler_shell_pages_free(struct scheduler_shell *shell, uint32_t page)
{
    struct page_slot *slot = &shell->pages[page];
    for (uint32_t i = 0; i < slot->count; i++)
        item_release(&slot->items[i]);
    mem_free(slot->items);
    *slot = (struct page_slot){.call = 0};
}

void scheduler_shell_pages_release(struct scheduler_shell *shell)
{
    for (uint32_t i = 0; i < scheduler_core_pages(&shell->limits); i++)
        scheduler_shell_pages_free(shell, i);
}

/* An envelope that cannot be read is forwarded as it is, alone, under the id of its sort key: the
 * relay parks it with a reason. Nobody here guesses what is in it. */
static void look(struct scheduler_shell *shell, struct slice bytes, struct scheduler_item *item,
                 char id_hex[ENVELOPE_ID_HEX_SIZE])
{
    struct envelope_info info;
    enum status status = envelope_peek(bytes, &info);
    int64_t second_ms = item->due_ms - item->due_ms % MS_PER_SECOND;
    if (status == STATUS_OK && info.second_ms == second_ms) {
        item->raw_bytes = (uint32_t)MIN(info.raw_bytes, UINT32_MAX);
        item->records = info.records;
        item->frames = info.frames;
        item->alone = info.blob;
        envelope_id_hex(&info.id, id_hex);
        return;
    }
    item->raw_bytes = item->bytes;
    item->records = 0;
    item->frames = 1;
    item->alone = true;
    shell->items_unreadable++;
    log_event(shell->log, LOG_ERROR, "unreadable_envelope_forwarded", LOG_STR("sk", item->sk),
              LOG_STR("status", status_name(status == STATUS_OK ? STATUS_CORRUPT : status)));
}

static uint64_t hash_of(const char *id_hex)
{
    uint64_t hash = 0;
    for (int i = 0; i < 16; i++) {
        char c = id_hex[i];
        hash = hash << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return hash;
}

bool scheduler_shell_pages_add(struct scheduler_shell *shell, uint32_t page,
                               const struct dynamodb_item *item, struct scheduler_item *ret_item)
{
    const struct dynamodb_attribute *sk = dynamodb_item_get(item, TABLE_SK);
    const struct dynamodb_attribute *envelope = dynamodb_item_get(item, TABLE_ENVELOPE);
    int64_t due_ms;
    if (sk == NULL || table_parse_sk(sk->value, &due_ms) != STATUS_OK || envelope == NULL ||
        envelope->type != DYNAMODB_B || envelope->value.len == 0 ||
        envelope->value.len > DYNAMODB_ITEM_BYTES_MAX) {
        shell->items_foreign++;
        log_event(shell->log, LOG_ERROR, "foreign_item_left_in_table",
                  LOG_TEXT("sk", sk == NULL ? SLICE_NULL : sk->value));
        return false;
    }
    *ret_item = (struct scheduler_item){.due_ms = due_ms};
    memcpy(ret_item->sk, sk->value.ptr, sk->value.len);
    ret_item->bytes = (uint32_t)envelope->value.len;
    status_ignore(dynamodb_item_get_i64(item, TABLE_WRITTEN, &ret_item->written_ms),
                  "0: it does not say");

    struct stored_item *stored = append(&shell->pages[page]);
    *stored =
        (struct stored_item){.bytes = mem_alloc(envelope->value.len), .len = envelope->value.len};
    memcpy(stored->bytes, envelope->value.ptr, envelope->value.len);
    /* table_parse_sk has seen that the sort key ends in an id. */
    const char *id_hex = ret_item->sk + sk->value.len - (ENVELOPE_ID_HEX_SIZE - 1);
    memcpy(stored->id_hex, id_hex, ENVELOPE_ID_HEX_SIZE);
    ret_item->id_hash = hash_of(id_hex);
    look(shell, envelope->value, ret_item, stored->id_hex);
    return true;
}

struct slice scheduler_shell_pages_message(const struct scheduler_shell *shell,
                                           const struct scheduler_pack_ref *ref, struct buf *joined,
                                           char id_hex[ENVELOPE_ID_HEX_SIZE])
{
    const struct page_slot *slot = &shell->pages[ref->page];
    CHECK(ref->count > 0 && ref->first + ref->count <= slot->count);
    const struct stored_item *items = &slot->items[ref->first];
    if (ref->count == 1) {
        memcpy(id_hex, items[0].id_hex, ENVELOPE_ID_HEX_SIZE);
        return slice_from(items[0].bytes, items[0].len);
    }
    size_t begin = joined->len;
    for (uint32_t i = 0; i < ref->count; i++)
        buf_append(joined, items[i].bytes, items[i].len);
    CHECK(!joined->overflow);
    struct slice message = slice_from(joined->ptr + begin, joined->len - begin);
    struct envelope_info info;
    CHECK(envelope_peek(message, &info) == STATUS_OK);
    envelope_id_hex(&info.id, id_hex);
    return message;
}
