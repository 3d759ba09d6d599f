#include "common/table_setup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/config.h"
#include "common/mem.h"
#include "common/mutant.h"
#include "common/table.h"

#define CALLS_MAX   16 /* a cursor each */
#define NUMBER_SIZE 24

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

static int64_t meta_number(const struct dynamodb_item *item, const char *name)
{
    int64_t number = 0;
    return dynamodb_item_get_i64(item, name, &number) == STATUS_INVALID ? -1 : number;
}

struct table_meta table_setup_meta(const struct dynamodb_item *item)
{
    if (item == NULL)
        return (struct table_meta){0};
    return (struct table_meta){
        .shards = meta_number(item, TABLE_SHARDS),
        .shards_most = meta_number(item, TABLE_SHARDS_MOST),
        .bucket_ms = meta_number(item, TABLE_BUCKET_MS),
    };
}

void table_setup_explain(struct buf *out, const struct table_meta *meta)
{
    buf_append_str(out, "the table was set up with buckets of ");
    config_print_duration(out, meta->bucket_ms);
    buf_append_str(out, " (its item pk=meta, sk=-), and what one program writes another would look "
                        "for elsewhere; set DELAYLINE_BUCKET=");
    config_print_duration(out, meta->bucket_ms);
    buf_append_str(out, ", or take a new table");
}

static void take_mismatch(struct table_setup *s, const struct table_meta *meta)
{
    CLEANUP(buf_release) struct buf line;
    buf_init(&line, ERROR_TEXT_SIZE);
    buf_append_str(&line, "DELAYLINE_BUCKET=");
    config_print_duration(&line, s->bucket_ms);
    buf_append_str(&line, ": ");
    table_setup_explain(&line, meta);
    error_set(&s->error, ERROR_PERMANENT, TABLE_SETUP_CODE_MISMATCH, "%s", buf_text(&line));
}

static void on_meta(void *ctx, const struct dynamodb_item *item, const struct error *error)
{
    struct table_setup *s = ctx;
    s->open--;
    struct table_meta meta = table_setup_meta(item);
    if (error->kind != ERROR_NONE)
        take_error(s, error);
    else
        table_setup_core_on_meta(&s->core, item != NULL, &meta);
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

/* digits holds the text as long as the attribute is used. */
static struct dynamodb_attribute number(const char *name, int64_t value, char digits[NUMBER_SIZE])
{
    snprintf(digits, NUMBER_SIZE, "%" PRId64, value);
    return (struct dynamodb_attribute){name, DYNAMODB_N, slice_from_str(digits)};
}

static void put_cursor(struct table_setup *s, uint32_t shard)
{
    char pk[TABLE_KEY_SIZE];
    char bucket[NUMBER_SIZE];
    int64_t first = table_bucket(loop_now(s->loop).wall.ms, s->bucket_ms) + 20 * MUTANT_IS(14);
    table_cursor_pk(shard, pk);
    struct dynamodb_write write = {
        .item = {{text(TABLE_PK, pk), text(TABLE_SK, "-"), number(TABLE_BUCKET, first, bucket),
                  text(TABLE_PLACE, ""), text(TABLE_FENCE, "")},
                 5},
        .condition = "attribute_not_exists(" TABLE_PK ")",
    };
    dynamodb_put(s->dynamodb, s->table, &write, on_cursor, s);
}

static void put_meta(struct table_setup *s, const struct table_meta *meta)
{
    char digits[3][NUMBER_SIZE];
    struct dynamodb_write write = {
        .item = {{text(TABLE_PK, TABLE_META), text(TABLE_SK, "-"),
                  number(TABLE_SHARDS, meta->shards, digits[0]),
                  number(TABLE_SHARDS_MOST, meta->shards_most, digits[1]),
                  number(TABLE_BUCKET_MS, meta->bucket_ms, digits[2])},
                 5},
        .condition = "attribute_not_exists(" TABLE_PK ")",
    };
    dynamodb_put(s->dynamodb, s->table, &write, on_meta_written, s);
}

static void update_meta(struct table_setup *s, const struct table_meta *meta,
                        const struct table_meta *old)
{
    char digits[6][NUMBER_SIZE];
    bool named = old->bucket_ms != 0;
    struct dynamodb_write write = {
        .item = {{text(TABLE_PK, TABLE_META), text(TABLE_SK, "-"),
                  number(TABLE_SHARDS, meta->shards, digits[0]),
                  number(TABLE_SHARDS_MOST, meta->shards_most, digits[1]),
                  number(TABLE_BUCKET_MS, meta->bucket_ms, digits[2])},
                 5},
        .condition = named ? TABLE_SHARDS " = :a AND " TABLE_SHARDS_MOST
                                          " = :b AND " TABLE_BUCKET_MS " = :c"
                           : TABLE_SHARDS " = :a AND " TABLE_SHARDS_MOST
                                          " = :b AND attribute_not_exists(" TABLE_BUCKET_MS ")",
        .values = {number("", old->shards, digits[3]), number("", old->shards_most, digits[4]),
                   number("", old->bucket_ms, digits[5])},
        .value_count = named ? 3 : 2,
    };
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
            dynamodb_get(s->dynamodb, s->table, SLICE_LITERAL(TABLE_META), SLICE_LITERAL("-"),
                         on_meta, s);
            continue;
        case TABLE_SETUP_PUT_CURSOR:
            s->open++;
            put_cursor(s, step.shard);
            continue;
        case TABLE_SETUP_PUT_META:
            s->open++;
            put_meta(s, &step.meta);
            continue;
        case TABLE_SETUP_UPDATE_META:
            s->open++;
            update_meta(s, &step.meta, &step.old);
            continue;
        case TABLE_SETUP_WAIT:
            CHECK(s->open > 0);
            return;
        case TABLE_SETUP_DONE:
            end(s);
            return;
        case TABLE_SETUP_MISMATCH:
            take_mismatch(s, &step.old);
            continue;
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
    table_setup_core_init(&s->core, shards, bucket_ms);
    go_on(s);
    return s;
}

void table_setup_cancel(struct table_setup *setup)
{
    mem_free(setup);
}
