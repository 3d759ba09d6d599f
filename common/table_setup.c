#include "common/table_setup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "common/table.h"
#include "common/table_setup_core.h"

#define CALLS_MAX 16 /* a cursor each */

struct table_setup {
    struct table_setup_core core;
    struct loop *loop;
    struct dynamodb *dynamodb;
    const char *table;
    int64_t bucket_ms;
    table_setup_fn *on_done;
    void *ctx;
    uint32_t open;      /* calls without an answer */
    struct error error; /* the first; kind ERROR_NONE: none */
};

static void go_on(struct table_setup *s);

static bool condition_failed(const struct error *error)
{
    return strcmp(error->code, "ConditionalCheckFailedException") == 0;
}

static void take_error(struct table_setup *s, const struct error *error)
{
    if (s->error.kind == ERROR_NONE)
        s->error = *error;
}

static void on_meta(void *ctx, const struct dynamodb_item *item, const struct error *error)
{
    struct table_setup *s = ctx;
    s->open--;
    int64_t shards = 0;
    int64_t most = 0;
    if (error->kind != ERROR_NONE) {
        take_error(s, error);
    } else {
        /* What cannot be read counts as 0, which the core refuses. */
        if (item != NULL) {
            status_ignore(dynamodb_item_get_i64(item, TABLE_SHARDS, &shards), "0 is refused");
            status_ignore(dynamodb_item_get_i64(item, TABLE_SHARDS_MOST, &most), "0 is refused");
        }
        table_setup_core_on_meta(&s->core, item != NULL, shards, most);
    }
    go_on(s);
}

static void on_cursor(void *ctx, const struct dynamodb_item *item, const struct error *error)
{
    struct table_setup *s = ctx;
    (void)item;
    s->open--;
    if (error->kind != ERROR_NONE && !condition_failed(error))
        take_error(s, error);
    else
        table_setup_core_on_cursor(&s->core);
    go_on(s);
}

static void on_meta_written(void *ctx, const struct dynamodb_item *item, const struct error *error)
{
    struct table_setup *s = ctx;
    (void)item;
    s->open--;
    if (error->kind != ERROR_NONE && !condition_failed(error))
        take_error(s, error);
    else
        table_setup_core_on_meta_written(&s->core, error->kind == ERROR_NONE);
    go_on(s);
}

static struct dynamodb_attribute text(const char *name, const char *value)
{
    return (struct dynamodb_attribute){name, DYNAMODB_S, slice_from_str(value)};
}

static struct dynamodb_attribute number(const char *name, const char *digits)
{
    return (struct dynamodb_attribute){name, DYNAMODB_N, slice_from_str(digits)};
}

static void put_cursor(struct table_setup *s, uint32_t shard)
{
    char pk[TABLE_KEY_SIZE];
    char bucket[24];
    int64_t first = table_bucket(loop_now(s->loop).wall.ms, s->bucket_ms);
    table_cursor_pk(shard, pk);
    snprintf(bucket, sizeof(bucket), "%" PRId64, first);
    struct dynamodb_write write = {
        .item = {{text(TABLE_PK, pk), text(TABLE_SK, "-"), number(TABLE_BUCKET, bucket),
                  text(TABLE_PLACE, ""), text(TABLE_FENCE, "")},
                 5},
        .condition = "attribute_not_exists(" TABLE_PK ")",
    };
    dynamodb_put(s->dynamodb, s->table, &write, on_cursor, s);
}

static void write_meta(struct table_setup *s, const struct table_setup_step *step)
{
    char shards[24];
    char most[24];
    char old_shards[24];
    char old_most[24];
    snprintf(shards, sizeof(shards), "%" PRIu32, step->shards);
    snprintf(most, sizeof(most), "%" PRIu32, step->shards_most);
    snprintf(old_shards, sizeof(old_shards), "%" PRIu32, step->old_shards);
    snprintf(old_most, sizeof(old_most), "%" PRIu32, step->old_most);
    struct dynamodb_write write = {
        .item = {{text(TABLE_PK, "meta"), text(TABLE_SK, "-"), number(TABLE_SHARDS, shards),
                  number(TABLE_SHARDS_MOST, most)},
                 4},
        .condition = "attribute_not_exists(" TABLE_PK ")",
    };
    if (step->action == TABLE_SETUP_PUT_META) {
        dynamodb_put(s->dynamodb, s->table, &write, on_meta_written, s);
        return;
    }
    write.condition = TABLE_SHARDS " = :a AND " TABLE_SHARDS_MOST " = :b";
    write.values[0] = number("", old_shards);
    write.values[1] = number("", old_most);
    write.value_count = 2;
    dynamodb_update(s->dynamodb, s->table, &write, on_meta_written, s);
}

/* Gives the verdict once nothing is under way any more, so that the storage can go with it. */
static void end(struct table_setup *s)
{
    struct table_setup_result result = {s->core.wanted, table_setup_core_most(&s->core)};
    struct error error = s->error;
    table_setup_fn *on_done = s->on_done;
    void *ctx = s->ctx;
    mem_free(s);
    on_done(ctx, error.kind == ERROR_NONE ? &result : NULL, &error);
}

static void go_on(struct table_setup *s)
{
    while (s->error.kind == ERROR_NONE) {
        struct table_setup_step step = table_setup_core_next(&s->core, CALLS_MAX);
        switch (step.action) {
        case TABLE_SETUP_READ_META:
            s->open++;
            dynamodb_get(s->dynamodb, s->table, SLICE_LITERAL("meta"), SLICE_LITERAL("-"), on_meta,
                         s);
            continue;
        case TABLE_SETUP_PUT_CURSOR:
            s->open++;
            put_cursor(s, step.shard);
            continue;
        case TABLE_SETUP_PUT_META:
        case TABLE_SETUP_UPDATE_META:
            s->open++;
            write_meta(s, &step);
            continue;
        case TABLE_SETUP_WAIT:
            CHECK(s->open > 0);
            return;
        case TABLE_SETUP_DONE:
            end(s);
            return;
        case TABLE_SETUP_FAILED:
            error_set(&s->error, ERROR_PERMANENT, "TableSetup",
                      "the table's item \"meta\" makes no sense or changes all the time");
            continue;
        }
        UNREACHABLE();
    }
    if (s->open == 0)
        end(s);
}

struct table_setup *table_setup_start(struct loop *loop, struct dynamodb *dynamodb,
                                      const char *table, uint32_t shards, int64_t bucket_ms,
                                      table_setup_fn *on_done, void *ctx)
{
    struct table_setup *s = mem_calloc(1, sizeof(*s));
    s->loop = loop;
    s->dynamodb = dynamodb;
    s->table = table;
    s->bucket_ms = bucket_ms;
    s->on_done = on_done;
    s->ctx = ctx;
    table_setup_core_init(&s->core, shards);
    go_on(s);
    return s;
}

void table_setup_cancel(struct table_setup *setup)
{
    mem_free(setup);
}
