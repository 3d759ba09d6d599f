#include "common/dynamodb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "common/table.h"
#include "tests/sim/custody.h"
#include "tests/sim/stand_in.h"
#include "tests/sim/world.h"

#define EXPRESSION_SIZE 256
#define NAME_SIZE       8 /* "#s12" */

struct dynamodb {
    struct aws_client *client;
};

enum operation { BATCH_PUT, GET, PUT, UPDATE, QUERY, DESCRIBE };

/* A call, with deep copies of what it sends and of what it got. */
struct ddb_call {
    struct stand_in_call call;
    struct sim *sim;
    enum operation operation;
    void *ctx;
    union {
        dynamodb_batch_fn *batch;
        dynamodb_item_fn *item;
        dynamodb_query_fn *query;
        dynamodb_table_fn *table;
    } on_done;

    size_t count;
    struct ddb_value *items[DYNAMODB_BATCH_ITEMS_MAX]; /* to write; or the key */
    bool applied[DYNAMODB_BATCH_ITEMS_MAX];
    struct dynamodb_put_result results[DYNAMODB_BATCH_ITEMS_MAX];
    char condition[EXPRESSION_SIZE];
    char update[EXPRESSION_SIZE];
    struct dynamodb_attribute sets[DYNAMODB_ATTRIBUTES_MAX]; /* names only, constant text */
    size_t set_count;
    struct ddb_value *values; /* bound to :a.., a map of placeholders */
    char *pk;
    char *after;
    uint32_t limit;

    struct error error; /* kind ERROR_NONE: done */
    struct ddb_value **got;
    size_t got_count;
    bool more;
    char more_after[TABLE_KEY_SIZE * 2];
};

struct dynamodb *dynamodb_new(struct loop *loop, struct http *http,
                              struct aws_credentials *credentials,
                              const struct aws_settings *settings, uint64_t seed)
{
    struct dynamodb *dynamodb = mem_calloc(1, sizeof(*dynamodb));
    (void)http;
    (void)credentials;
    (void)settings;
    (void)seed;
    dynamodb->client = stand_in_client_new(loop);
    return dynamodb;
}

void dynamodb_free(struct dynamodb *dynamodb)
{
    if (dynamodb == NULL)
        return;
    stand_in_client_close(dynamodb->client);
    mem_free(dynamodb);
}

struct aws_client *dynamodb_client(struct dynamodb *dynamodb)
{
    return dynamodb->client;
}

/* --- calls ----------------------------------------------------------------------------------- */

static struct ddb_call *call_of(struct stand_in_call *call)
{
    return container_of(call, struct ddb_call, call);
}

static void release(struct stand_in_call *base)
{
    struct ddb_call *call = call_of(base);
    for (size_t i = 0; i < call->count; i++)
        mem_free(call->items[i]);
    for (size_t i = 0; i < call->got_count; i++)
        mem_free(call->got[i]);
    mem_free(call->got);
    mem_free(call->values);
    mem_free(call->pk);
    mem_free(call->after);
    mem_free(call);
}

static void apply(struct stand_in_call *base);
static void answer(struct stand_in_call *base, const struct error *failure);

static struct ddb_call *call_new(struct dynamodb *dynamodb, enum operation operation,
                                 const char *name, void *ctx)
{
    struct ddb_call *call = mem_calloc(1, sizeof(*call));
    call->call = (struct stand_in_call){.client = dynamodb->client,
                                        .operation = name,
                                        .apply = apply,
                                        .answer = answer,
                                        .release = release};
    call->sim = dynamodb->client->host->sim;
    call->operation = operation;
    call->ctx = ctx;
    return call;
}

static enum ddb_type type_to_model(enum dynamodb_type type)
{
    return type == DYNAMODB_S ? DDB_S : type == DYNAMODB_N ? DDB_N : DDB_B;
}

static struct ddb_value to_model(const struct dynamodb_attribute *attribute)
{
    return (struct ddb_value){.type = type_to_model(attribute->type), .bytes = attribute->value};
}

static struct ddb_value *copy_item(const struct dynamodb_attribute *attributes, size_t count)
{
    struct ddb_pair pairs[DYNAMODB_ATTRIBUTES_MAX];
    CHECK(count <= DYNAMODB_ATTRIBUTES_MAX);
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct ddb_pair){slice_from_str(attributes[i].name), to_model(&attributes[i])};
    const struct ddb_value map = {.type = DDB_M, .pairs = pairs, .count = count};
    return ddb_value_copy(&map);
}

static struct ddb_value *copy_key(struct slice pk, struct slice sk)
{
    const struct dynamodb_attribute key[] = {{TABLE_PK, DYNAMODB_S, pk},
                                             {TABLE_SK, DYNAMODB_S, sk}};
    return copy_item(key, ARRAY_LEN(key));
}

/* Ended by a NUL, as those of the model are not. */
static const char *known_name(struct slice name)
{
    static const char *const names[] = {
        TABLE_PK,    TABLE_SK,    TABLE_ENVELOPE, TABLE_WRITTEN,     TABLE_EXPIRES,  TABLE_BUCKET,
        TABLE_PLACE, TABLE_FENCE, TABLE_SHARDS,   TABLE_SHARDS_MOST, TABLE_BUCKET_MS};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (slice_equal_str(name, names[i]))
            return names[i];
    UNREACHABLE();
}

/* Borrows. */
static void from_model(const struct ddb_value *from, struct dynamodb_item *ret)
{
    static const enum dynamodb_type types[] = {DYNAMODB_S, DYNAMODB_N, DYNAMODB_B};
    ret->count = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct ddb_pair *pair = &from->pairs[i];
        CHECK(ret->count < DYNAMODB_ATTRIBUTES_MAX && pair->value.type <= DDB_B);
        ret->attributes[ret->count++] = (struct dynamodb_attribute){
            known_name(pair->name), types[pair->value.type], pair->value.bytes};
    }
}

static void keep(struct ddb_call *call, const struct ddb_value *item)
{
    call->got = mem_realloc(call->got, (call->got_count + 1) * sizeof(call->got[0]));
    call->got[call->got_count++] = ddb_value_copy(item);
}

static void refuse(struct error *ret, const struct model_error *error)
{
    stand_in_error(ret, error->http_status, error->code, NULL, error->text, true);
}

/* --- at the table ---------------------------------------------------------------------------- */

static void put_one(struct ddb_call *call, size_t i)
{
    struct sim *sim = call->sim;
    struct dynamodb_put_result *result = &call->results[i];
    struct ddb_written written;
    struct model_error error;
    enum fault_entry fault = faults_entry(sim, FAULT_DYNAMODB);
    /* BatchWriteItem has one way to leave something out: UnprocessedItems. */
    if (fault != FAULT_ENTRY_NONE) {
        error_set(&result->error, ERROR_THROTTLED, "UnprocessedItem", "partial");
        result->outcome = OUTCOME_FAILED;
        return;
    }
    const struct ddb_write write = {.kind = DDB_PUT, .item = call->items[i]};
    if (!dynamodb_model_write(sim->world->table, &write, sim->now_ms, &written, &error)) {
        refuse(&result->error, &error);
        result->outcome = error_outcome(result->error.kind);
        return;
    }
    call->applied[i] = true;
    custody_written(sim, call->call.client->host, call->items[i]);
    if (call->call.plan.failure.kind != ERROR_NONE)
        custody_unsure_item(sim, call->items[i]);
}

static void bind_values(const struct ddb_call *call, struct ddb_bound *bounds,
                        struct ddb_scope *ret)
{
    size_t count = call->values == NULL ? 0 : call->values->count;
    for (size_t i = 0; i < count; i++)
        bounds[i] =
            (struct ddb_bound){call->values->pairs[i].name, &call->values->pairs[i].value, false};
    *ret = (struct ddb_scope){.values = bounds, .value_count = count};
}

static void write_one(struct ddb_call *call)
{
    struct sim *sim = call->sim;
    struct ddb_bound bounds[DYNAMODB_VALUES_MAX + DYNAMODB_ATTRIBUTES_MAX];
    struct ddb_name names[DYNAMODB_ATTRIBUTES_MAX];
    char placeholders[DYNAMODB_ATTRIBUTES_MAX][NAME_SIZE];
    struct ddb_scope scope;
    struct ddb_written written = {0};
    struct model_error error = {0};
    bind_values(call, bounds, &scope);
    for (size_t i = 0; i < call->set_count; i++) {
        snprintf(placeholders[i], NAME_SIZE, "#s%u", (unsigned)i % 10);
        names[i] = (struct ddb_name){slice_from_str(placeholders[i]),
                                     slice_from_str(call->sets[i].name), false};
    }
    scope.names = names;
    scope.name_count = call->set_count;
    const struct ddb_write write = {
        .kind = call->operation == PUT ? DDB_PUT : DDB_UPDATE,
        .item = call->items[0],
        .condition = call->condition[0] == '\0' ? SLICE_NULL : slice_from_str(call->condition),
        .update = call->update[0] == '\0' ? SLICE_NULL : slice_from_str(call->update),
        .scope = &scope,
    };
    bool done = dynamodb_model_write(sim->world->table, &write, sim->now_ms, &written, &error);
    if (!done)
        refuse(&call->error, &error);
    sim_say(sim, call->call.client->host, "%s %.*s%s%s", call->call.operation,
            SLICE_ARG(ddb_value_get(call->items[0], SLICE_LITERAL(TABLE_PK))->bytes),
            done ? "" : " refused: ", done ? "" : error.code);
    if (done)
        custody_written(sim, call->call.client->host, written.new_item);
    if (written.old_item != NULL)
        keep(call, written.old_item);
}

static void get_one(struct ddb_call *call)
{
    const struct ddb_value *item = NULL;
    struct model_error error;
    CHECK(dynamodb_model_get(call->sim->world->table, call->items[0], call->sim->now_ms, &item,
                             &error));
    if (item != NULL)
        keep(call, item);
}

static void query(struct ddb_call *call)
{
    struct sim *sim = call->sim;
    struct ddb_value values[2] = {{.type = DDB_S, .bytes = slice_from_str(call->pk)},
                                  {.type = DDB_S, .bytes = slice_from_str(call->after)}};
    struct ddb_bound bounds[2] = {{SLICE_LITERAL(":p"), &values[0], false},
                                  {SLICE_LITERAL(":s"), &values[1], false}};
    bool from_start = call->after[0] == '\0';
    struct ddb_scope scope = {.values = bounds, .value_count = from_start ? 1 : 2};
    const struct ddb_query spec = {
        .key_condition =
            from_start ? SLICE_LITERAL("pk = :p") : SLICE_LITERAL("pk = :p AND sk > :s"),
        .limit = call->limit,
        .consistent = true,
        .scope = &scope,
        .fault_empty_page =
            !sim->healed && sim_happens(&sim->faults, sim->options.empty_page) && !from_start,
    };
    struct ddb_page page;
    struct model_error error;
    if (!dynamodb_model_query(sim->world->table, &spec, sim->now_ms, &page, &error)) {
        refuse(&call->error, &error);
        return;
    }
    for (size_t i = 0; i < page.count; i++)
        keep(call, page.items[i]);
    call->more = page.last_key != NULL;
    if (call->more) {
        struct slice sk = ddb_value_get(page.last_key, SLICE_LITERAL(TABLE_SK))->bytes;
        snprintf(call->more_after, sizeof(call->more_after), "%.*s", SLICE_ARG(sk));
    }
    if (page.count > 0)
        sim_say(sim, call->call.client->host, "Query %s: %zu items%s", call->pk, page.count,
                call->more ? ", more" : "");
}

static void apply(struct stand_in_call *base)
{
    struct ddb_call *call = call_of(base);
    switch (call->operation) {
    case BATCH_PUT:
        sim_say(call->sim, base->client->host, "BatchWriteItem of %zu", call->count);
        for (size_t i = 0; i < call->count; i++)
            put_one(call, i);
        break;
    case GET:
        get_one(call);
        break;
    case PUT:
    case UPDATE:
        write_one(call);
        break;
    case QUERY:
        query(call);
        break;
    case DESCRIBE:
        break;
    }
    stand_in_call_answer(base);
}

/* --- back home ------------------------------------------------------------------------------- */

/* By the caller's own clock: within what it may hold for the cut-off or later. */
static bool is_late(struct ddb_call *call, const struct ddb_value *item)
{
    const struct options *o = &call->sim->options;
    long long bucket =
        strtoll((const char *)ddb_value_get(item, SLICE_LITERAL(TABLE_PK))->bytes.ptr, NULL, 10);
    return loop_now(call->call.client->loop).wall.ms >=
           bucket * o->bucket_ms - o->handoff_ms - o->cutoff_ms;
}

static void answer_batch(struct ddb_call *call, const struct error *failure)
{
    if (failure->kind != ERROR_NONE)
        dynamodb_wire_fail_batch(failure, call->count, call->results);
    /* An acknowledgement after the cut-off counts as unknown. */
    for (size_t i = 0; i < call->count && failure->kind == ERROR_NONE; i++)
        if (call->applied[i] && is_late(call, call->items[i]))
            custody_unsure_item(call->sim, call->items[i]);
    call->on_done.batch(call->ctx, call->results, call->count);
}

static void answer_item(struct ddb_call *call, const struct error *failure)
{
    struct dynamodb_item item;
    bool has_item = failure->kind == ERROR_NONE && call->got_count > 0;
    const struct error *error = failure->kind != ERROR_NONE ? failure : &call->error;
    if (has_item)
        from_model(call->got[0], &item);
    call->on_done.item(call->ctx, has_item ? &item : NULL, error);
}

static void answer_query(struct ddb_call *call, const struct error *failure)
{
    const struct error *error = failure->kind != ERROR_NONE ? failure : &call->error;
    size_t count = error->kind == ERROR_NONE ? call->got_count : 0;
    CLEANUP(mem_freep) struct dynamodb_item *items = mem_calloc(count, sizeof(*items));
    for (size_t i = 0; i < count; i++)
        from_model(call->got[i], &items[i]);
    call->on_done.query(call->ctx, items, count, call->more,
                        call->more ? slice_from_str(call->more_after) : SLICE_NULL, error);
}

static void answer(struct stand_in_call *base, const struct error *failure)
{
    static const struct dynamodb_table_info table = {
        .active = true, .keys_are_ours = true, .ttl_enabled = true, .ttl_known = true};
    struct ddb_call *call = call_of(base);
    switch (call->operation) {
    case BATCH_PUT:
        answer_batch(call, failure);
        return;
    case GET:
    case PUT:
    case UPDATE:
        answer_item(call, failure);
        return;
    case QUERY:
        answer_query(call, failure);
        return;
    case DESCRIBE:
        call->on_done.table(call->ctx, failure->kind == ERROR_NONE ? &table : NULL, failure);
        return;
    }
}

/* --- dynamodb.h ------------------------------------------------------------------------------ */

void dynamodb_batch_put(struct dynamodb *dynamodb, const char *table,
                        const struct dynamodb_item *items, size_t count, bool is_retry,
                        dynamodb_batch_fn *on_done, void *ctx)
{
    struct ddb_call *call = call_new(dynamodb, BATCH_PUT, "BatchWriteItem", ctx);
    (void)table;
    (void)is_retry;
    CHECK(count >= 1 && count <= DYNAMODB_BATCH_ITEMS_MAX);
    call->on_done.batch = on_done;
    call->count = count;
    for (size_t i = 0; i < count; i++)
        call->items[i] = copy_item(items[i].attributes, items[i].count);
    stand_in_call_start(&call->call, FAULT_DYNAMODB, true);
}

void dynamodb_get(struct dynamodb *dynamodb, const char *table, struct slice pk, struct slice sk,
                  dynamodb_item_fn *on_done, void *ctx)
{
    struct ddb_call *call = call_new(dynamodb, GET, "GetItem", ctx);
    (void)table;
    call->on_done.item = on_done;
    call->count = 1;
    call->items[0] = copy_key(pk, sk);
    stand_in_call_start(&call->call, FAULT_DYNAMODB, false);
}

/* :a, :b, .. of a condition, then :s0, :s1, .. of what is set. */
static void add_bound(struct ddb_call *call, const char *placeholder,
                      const struct dynamodb_attribute *attribute)
{
    size_t count = call->values == NULL ? 0 : call->values->count;
    struct ddb_pair pairs[DYNAMODB_VALUES_MAX + DYNAMODB_ATTRIBUTES_MAX];
    CHECK(count < ARRAY_LEN(pairs));
    for (size_t i = 0; i < count; i++)
        pairs[i] = call->values->pairs[i];
    pairs[count] = (struct ddb_pair){slice_from_str(placeholder), to_model(attribute)};
    const struct ddb_value map = {.type = DDB_M, .pairs = pairs, .count = count + 1};
    struct ddb_value *values = ddb_value_copy(&map);
    mem_free(call->values);
    call->values = values;
}

static void add_condition(struct ddb_call *call, const struct dynamodb_write *write)
{
    static const char *const placeholders[DYNAMODB_VALUES_MAX] = {":a", ":b", ":c", ":d"};
    if (write->condition != NULL)
        snprintf(call->condition, sizeof(call->condition), "%s", write->condition);
    for (size_t i = 0; i < write->value_count; i++) {
        CHECK(write->values[i].name == NULL || write->values[i].name[0] == '\0');
        add_bound(call, placeholders[i], &write->values[i]);
    }
}

void dynamodb_put(struct dynamodb *dynamodb, const char *table, const struct dynamodb_write *write,
                  dynamodb_item_fn *on_done, void *ctx)
{
    struct ddb_call *call = call_new(dynamodb, PUT, "PutItem", ctx);
    (void)table;
    call->on_done.item = on_done;
    call->count = 1;
    call->items[0] = copy_item(write->item.attributes, write->item.count);
    add_condition(call, write);
    stand_in_call_start(&call->call, FAULT_DYNAMODB, true);
}

void dynamodb_update(struct dynamodb *dynamodb, const char *table,
                     const struct dynamodb_write *write, dynamodb_item_fn *on_done, void *ctx)
{
    struct ddb_call *call = call_new(dynamodb, UPDATE, "UpdateItem", ctx);
    int len = snprintf(call->update, sizeof(call->update), "SET ");
    (void)table;
    call->on_done.item = on_done;
    call->count = 1;
    call->items[0] = copy_item(write->item.attributes, 2); /* pk and sk stand first */
    add_condition(call, write);
    for (size_t i = 2; i < write->item.count; i++) {
        char placeholder[NAME_SIZE];
        unsigned n = (unsigned)call->set_count % 10;
        snprintf(placeholder, sizeof(placeholder), ":s%u", n);
        len += snprintf(call->update + len, sizeof(call->update) - (size_t)len, "%s#s%u = %s",
                        n > 0 ? ", " : "", n, placeholder);
        add_bound(call, placeholder, &write->item.attributes[i]);
        call->sets[call->set_count++] = write->item.attributes[i];
    }
    stand_in_call_start(&call->call, FAULT_DYNAMODB, true);
}

void dynamodb_query(struct dynamodb *dynamodb, const struct dynamodb_query_spec *spec,
                    dynamodb_query_fn *on_done, void *ctx)
{
    struct ddb_call *call = call_new(dynamodb, QUERY, "Query", ctx);
    call->on_done.query = on_done;
    call->pk = mem_strndup((const char *)spec->pk.ptr, spec->pk.len);
    call->after = spec->sk_after.len == 0
                      ? mem_strdup("")
                      : mem_strndup((const char *)spec->sk_after.ptr, spec->sk_after.len);
    call->limit = spec->limit;
    stand_in_call_start(&call->call, FAULT_DYNAMODB, false);
}

void dynamodb_describe(struct dynamodb *dynamodb, const char *table, dynamodb_table_fn *on_done,
                       void *ctx)
{
    struct ddb_call *call = call_new(dynamodb, DESCRIBE, "DescribeTable", ctx);
    (void)table;
    call->on_done.table = on_done;
    stand_in_call_start(&call->call, FAULT_DYNAMODB, false);
}
