#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/kill_point.h"
#include "common/mem.h"
#include "common/mutant.h"
#include "scheduler/scheduler_shell_internal.h"

#define BUCKET_MAX        INT64_C(999999999999) /* what a bucket's key has digits for */
#define CONDITION_FAILED  "ConditionalCheckFailedException"
#define NO_FENCE_OR_LOWER "fence < :a"
#define FENCE_IS_OURS     (MUTANT_IS(17) ? "fence >= :a" : "fence = :a")

/* A call that would fail for ever for any other reason than a condition is tried again all the
 * same: only a condition says that somebody else has gone on. */
static enum scheduler_result table_result(const struct error *error)
{
    enum scheduler_result result = scheduler_shell_result_of(error);
    if (result == SCHEDULER_REFUSED && strcmp(error->code, CONDITION_FAILED) != 0)
        return SCHEDULER_FAILED;
    return result;
}

static void log_failure(struct scheduler_shell *shell, const char *what, const struct error *error)
{
    if (error->kind != ERROR_NONE && strcmp(error->code, CONDITION_FAILED) != 0)
        log_error(shell->log, what, error);
}

/* --- meta ------------------------------------------------------------------------------------ */

static void on_meta(void *ctx, const struct dynamodb_item *item, const struct error *error)
{
    struct call call = scheduler_shell_call_end(ctx);
    int64_t shards_most = 0;
    KILL_POINT("scheduler.meta_read");
    log_failure(call.shell, "meta_read_failed", error);
    struct scheduler_event event = {
        .kind = SCHEDULER_EVENT_META_READ, .id = call.id, .result = table_result(error)};
    if (event.result == SCHEDULER_DONE) {
        if (item == NULL ||
            dynamodb_item_get_i64(item, TABLE_SHARDS_MOST, &shards_most) != STATUS_OK ||
            shards_most < 1 || shards_most > UINT32_MAX)
            event.result = SCHEDULER_FAILED;
        else
            event.shards_most = (uint32_t)shards_most;
    }
    scheduler_shell_step(call.shell, &event);
}

void scheduler_shell_read_meta(struct scheduler_shell *shell, const struct scheduler_effect *effect)
{
    struct call *call = scheduler_shell_call_begin(shell, effect->id, SCHEDULER_EVENT_META_READ);
    dynamodb_get(shell->aws.dynamodb, shell->config->settings.table, SLICE_LITERAL("meta"),
                 SLICE_LITERAL("-"), on_meta, call);
}

/* --- cursors --------------------------------------------------------------------------------- */

static bool copy_text(const struct dynamodb_item *item, const char *name, char *out, size_t size)
{
    const struct dynamodb_attribute *attribute = dynamodb_item_get(item, name);
    memset(out, 0, size);
    if (attribute == NULL)
        return true;
    if (attribute->type != DYNAMODB_S || attribute->value.len >= size)
        return false;
    memcpy(out, attribute->value.ptr, attribute->value.len);
    return true;
}

static bool read_cursor(const struct dynamodb_item *item, struct scheduler_cursor *ret)
{
    int64_t due_ms;
    struct scheduler_cursor cursor;
    if (dynamodb_item_get_i64(item, TABLE_BUCKET, &cursor.position.bucket) != STATUS_OK ||
        cursor.position.bucket < 0 || cursor.position.bucket > BUCKET_MAX ||
        !copy_text(item, TABLE_PLACE, cursor.position.place, sizeof(cursor.position.place)) ||
        !copy_text(item, TABLE_FENCE, cursor.fence, sizeof(cursor.fence)))
        return false;
    if (cursor.position.place[0] != '\0' &&
        table_parse_sk(scheduler_shell_key_slice(cursor.position.place), &due_ms) != STATUS_OK)
        return false;
    *ret = cursor;
    return true;
}

static void note_cursor(struct call call, const struct dynamodb_item *item,
                        const struct error *error)
{
    struct scheduler_event event = {
        .kind = call.kind, .id = call.id, .result = table_result(error)};
    log_failure(call.shell, "cursor_call_failed", error);
    if (item != NULL)
        event.cursor.present = read_cursor(item, &event.cursor.cursor);
    if (call.kind == SCHEDULER_EVENT_CURSOR_READ && event.result == SCHEDULER_DONE &&
        item != NULL && !event.cursor.present) {
        event.result = SCHEDULER_FAILED; /* somebody has to look at it */
        log_write(call.shell->log, LOG_ERROR, "cursor_unreadable", NULL, 0);
    }
    scheduler_shell_step(call.shell, &event);
}

static void on_cursor_read(void *ctx, const struct dynamodb_item *item, const struct error *error)
{
    KILL_POINT("scheduler.cursor_read");
    note_cursor(scheduler_shell_call_end(ctx), item, error);
}

static void on_fence(void *ctx, const struct dynamodb_item *item, const struct error *error)
{
    KILL_POINT("scheduler.fence_written");
    note_cursor(scheduler_shell_call_end(ctx), item, error);
}

static void on_cursor_moved(void *ctx, const struct dynamodb_item *item, const struct error *error)
{
    KILL_POINT("scheduler.cursor_moved");
    note_cursor(scheduler_shell_call_end(ctx), item, error);
}

void scheduler_shell_read_cursor(struct scheduler_shell *shell,
                                 const struct scheduler_effect *effect)
{
    char pk[TABLE_KEY_SIZE];
    table_cursor_pk(effect->shard, pk);
    struct call *call = scheduler_shell_call_begin(shell, effect->id, SCHEDULER_EVENT_CURSOR_READ);
    dynamodb_get(shell->aws.dynamodb, shell->config->settings.table, slice_from_str(pk),
                 SLICE_LITERAL("-"), on_cursor_read, call);
}

static struct dynamodb_attribute text(const char *name, struct slice value)
{
    return (struct dynamodb_attribute){name, DYNAMODB_S, value};
}

static struct slice fence_slice(const struct scheduler_effect *effect)
{
    return slice_from(effect->cursor.fence, strnlen(effect->cursor.fence, TABLE_FENCE_SIZE));
}

void scheduler_shell_write_fence(struct scheduler_shell *shell,
                                 const struct scheduler_effect *effect)
{
    char pk[TABLE_KEY_SIZE];
    table_cursor_pk(effect->shard, pk);
    const struct dynamodb_write write = {
        .item = {{text(TABLE_PK, slice_from_str(pk)), text(TABLE_SK, SLICE_LITERAL("-")),
                  text(TABLE_FENCE, fence_slice(effect))},
                 3},
        .condition = NO_FENCE_OR_LOWER,
        .values = {text("", fence_slice(effect))},
        .value_count = 1,
    };
    struct call *call =
        scheduler_shell_call_begin(shell, effect->id, SCHEDULER_EVENT_CURSOR_WRITTEN);
    KILL_POINT("scheduler.fence_write");
    dynamodb_update(shell->aws.dynamodb, shell->config->settings.table, &write, on_fence, call);
}

void scheduler_shell_move_cursor(struct scheduler_shell *shell,
                                 const struct scheduler_effect *effect)
{
    char pk[TABLE_KEY_SIZE];
    char bucket[24];
    table_cursor_pk(effect->shard, pk);
    snprintf(bucket, sizeof(bucket), "%" PRId64, effect->cursor.position.bucket);
    const struct dynamodb_write write = {
        .item = {{text(TABLE_PK, slice_from_str(pk)),
                  text(TABLE_SK, SLICE_LITERAL("-")),
                  {TABLE_BUCKET, DYNAMODB_N, slice_from_str(bucket)},
                  text(TABLE_PLACE, scheduler_shell_key_slice(effect->cursor.position.place))},
                 4},
        .condition = FENCE_IS_OURS,
        .values = {text("", fence_slice(effect))},
        .value_count = 1,
    };
    struct call *call =
        scheduler_shell_call_begin(shell, effect->id, SCHEDULER_EVENT_CURSOR_WRITTEN);
    KILL_POINT("scheduler.cursor_move");
    dynamodb_update(shell->aws.dynamodb, shell->config->settings.table, &write, on_cursor_moved,
                    call);
}

/* --- pages ----------------------------------------------------------------------------------- */

/* A key that is too long is none of ours; the highest character behind its beginning takes its
 * place, and passes over nothing that is ours: those differ from it earlier. */
static void copy_key(struct slice key, char out[TABLE_KEY_SIZE])
{
    static const char highest[] = "\xf4\x8f\xbf\xbf"; /* U+10FFFF */
    memset(out, 0, TABLE_KEY_SIZE);
    if (key.len < TABLE_KEY_SIZE) {
        if (key.len > 0)
            memcpy(out, key.ptr, key.len);
        return;
    }
    size_t len = TABLE_KEY_SIZE - sizeof(highest);
    while (len > 0 && (key.ptr[len] & 0xc0) == 0x80)
        len--;
    memcpy(out, key.ptr, len);
    memcpy(out + len, highest, sizeof(highest) - 1);
}

static void on_page(void *ctx, const struct dynamodb_item *items, size_t count, bool more,
                    struct slice more_after, const struct error *error)
{
    struct call call = scheduler_shell_call_end(ctx);
    struct scheduler_shell *shell = call.shell;
    if (count > 0)
        KILL_POINT("scheduler.page_read");
    log_failure(shell, "page_read_failed", error);
    if (shell->pages[call.page].call != call.id)
        return; /* the shard was left meanwhile */
    shell->pages[call.page].call = 0;
    struct scheduler_event event = {
        .kind = SCHEDULER_EVENT_PAGE_READ, .id = call.id, .result = table_result(error)};
    CLEANUP(mem_freep) struct scheduler_item *seen = mem_calloc(count, sizeof(*seen));
    size_t taken = 0; /* a server may give more than was asked for; what is over comes again */
    while (taken < count && event.page.count < shell->limits.page_items) {
        if (scheduler_shell_pages_add(shell, call.page, &items[taken++], &seen[event.page.count]))
            event.page.count++;
    }
    event.page.items = seen;
    event.page.more = (more || taken < count) && !MUTANT_IS(18);
    const struct dynamodb_attribute *last =
        taken == 0 ? NULL : dynamodb_item_get(&items[taken - 1], TABLE_SK);
    copy_key(last == NULL ? more_after : last->value, event.page.after);
    scheduler_shell_step(shell, &event);
}

void scheduler_shell_read_page(struct scheduler_shell *shell, const struct scheduler_effect *effect)
{
    char pk[TABLE_KEY_SIZE];
    scheduler_shell_pages_expect(shell, effect);
    table_bucket_pk(effect->read.bucket, effect->shard, pk);
    struct call *call = scheduler_shell_call_begin(shell, effect->id, SCHEDULER_EVENT_PAGE_READ);
    call->page = effect->read.page;
    const struct dynamodb_query_spec spec = {
        .table = shell->config->settings.table,
        .pk = slice_from_str(pk),
        .sk_after = scheduler_shell_key_slice(effect->read.after),
        .limit = effect->read.limit,
    };
    dynamodb_query(shell->aws.dynamodb, &spec, on_page, call);
}
