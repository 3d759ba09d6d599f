#include "common/dynamodb.h"

#include <string.h>

#include "common/aws_error.h"
#include "common/check.h"
#include "common/mem.h"
#include "common/table.h"

/* A batch of 16 MB is not in an hour; an answer that takes longer than this is not coming. */
#define CALL_TIMEOUT_MS (10 * MS_PER_SECOND)

struct dynamodb {
    struct aws_client *client;
    struct buf body; /* of the call being built */
};

/* One call under way; goes with its request. */
struct dynamodb_call {
    struct dynamodb *dynamodb;
    const char *operation;
    enum aws_price price;
    size_t count;
    struct dynamodb_wire_key keys[DYNAMODB_BATCH_ITEMS_MAX];
    char *table; /* of a describe: its second call */
    struct dynamodb_table_info info;
    union {
        dynamodb_batch_fn *batch;
        dynamodb_item_fn *item;
        dynamodb_query_fn *query;
        dynamodb_table_fn *table;
    } on_done;
    void *ctx;
};

struct dynamodb *dynamodb_new(struct loop *loop, struct http *http,
                              struct aws_credentials *credentials,
                              const struct aws_settings *settings, uint64_t seed)
{
    struct dynamodb *dynamodb = mem_calloc(1, sizeof(*dynamodb));
    dynamodb->client = aws_client_new(loop, http, credentials,
                                      &(struct aws_client_options){
                                          .service = ENDPOINT_DYNAMODB,
                                          .endpoint = &settings->dynamodb,
                                          .target_prefix = "DynamoDB_20120810",
                                          .attempts_max = settings->attempts_max,
                                          .without_rate = settings->without_rate,
                                          .seed = seed,
                                      });
    buf_init(&dynamodb->body, HTTP_REQUEST_BYTES_MAX);
    return dynamodb;
}

void dynamodb_free(struct dynamodb *dynamodb)
{
    if (dynamodb == NULL)
        return;
    aws_client_free(dynamodb->client);
    buf_release(&dynamodb->body);
    mem_free(dynamodb);
}

struct aws_client *dynamodb_client(struct dynamodb *dynamodb)
{
    return dynamodb->client;
}

/* --- one call -------------------------------------------------------------------------------- */

static struct dynamodb_call *call_new(struct dynamodb *dynamodb, const char *operation,
                                      enum aws_price price, void *ctx)
{
    struct dynamodb_call *call = mem_calloc(1, sizeof(*call));
    call->dynamodb = dynamodb;
    call->operation = operation;
    call->price = price;
    call->ctx = ctx;
    buf_clear(&dynamodb->body);
    return call;
}

static void call_free(void *ctx)
{
    struct dynamodb_call *call = ctx;
    mem_free(call->table);
    mem_free(call);
}

struct start_spec {
    aws_done_fn *on_done;
    enum aws_answer_form form;
    uint32_t attempts_max;
    bool is_retry;
    bool writes;
};

static void start(struct dynamodb_call *call, const struct start_spec *spec)
{
    struct dynamodb *dynamodb = call->dynamodb;
    CHECK(!dynamodb->body.overflow);
    aws_client_call(dynamodb->client, &(struct aws_call){
                                          .operation = call->operation,
                                          .price = call->price,
                                          .body = &dynamodb->body,
                                          .timeout_ms = CALL_TIMEOUT_MS,
                                          .attempts_max = spec->attempts_max,
                                          .is_retry = spec->is_retry,
                                          .writes = spec->writes,
                                          .form = spec->form,
                                          .on_done = spec->on_done,
                                          .on_release = call_free,
                                          .ctx = call,
                                      });
}

static void count_units(const struct dynamodb_call *call, const struct aws_answer *answer)
{
    double units = answer->json != NULL ? dynamodb_wire_units(answer->json)
                                        : dynamodb_wire_units_flat(answer->flat);
    aws_client_add_units(call->dynamodb->client, call->operation, call->price, units);
}

static void fail_unreadable(const struct dynamodb_call *call, enum error_kind kind,
                            struct error *ret)
{
    error_set(ret, kind, "UnreadableAnswer", "not an answer of %s", call->operation);
    ret->http_status = 200;
}

/* --- writes ---------------------------------------------------------------------------------- */

static void on_batch(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct dynamodb_call *call = ctx;
    struct dynamodb_put_result results[DYNAMODB_BATCH_ITEMS_MAX];
    if (error->kind != ERROR_NONE) {
        dynamodb_wire_fail_batch(error, call->count, results);
    } else {
        bool throttled;
        count_units(call, answer);
        dynamodb_wire_parse_batch(answer->json, call->keys, call->count, results, &throttled);
        if (throttled)
            aws_client_add_throttle(call->dynamodb->client, call->operation, call->price);
    }
    call->on_done.batch(call->ctx, results, call->count);
}

void dynamodb_batch_put(struct dynamodb *dynamodb, const char *table,
                        const struct dynamodb_item *items, size_t count, bool is_retry,
                        dynamodb_batch_fn *on_done, void *ctx)
{
    CHECK(count >= 1 && count <= DYNAMODB_BATCH_ITEMS_MAX);
    struct dynamodb_call *call =
        call_new(dynamodb, "BatchWriteItem", AWS_PRICE_DYNAMODB_WRITE, ctx);
    call->on_done.batch = on_done;
    call->count = count;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += dynamodb_wire_item_bytes(&items[i]);
        const struct dynamodb_attribute *pk = dynamodb_item_get(&items[i], TABLE_PK);
        const struct dynamodb_attribute *sk = dynamodb_item_get(&items[i], TABLE_SK);
        CHECK(pk != NULL && sk != NULL);
        dynamodb_wire_key(table, pk->value, sk->value, &call->keys[i]);
    }
    CHECK(buf_reserve(&dynamodb->body, bytes) != NULL);
    dynamodb_wire_batch_put(&dynamodb->body, table, items, count);
    start(call, &(struct start_spec){
                    .on_done = on_batch, .attempts_max = 1, .is_retry = is_retry, .writes = true});
}

/* Put, update and get: the item is under name, or, of a failed condition, under "Item". */
static void finish_item(struct dynamodb_call *call, const struct aws_answer *answer,
                        const struct error *error, const char *name, enum error_kind unreadable)
{
    CLEANUP(dynamodb_wire_items_release) struct dynamodb_wire_items items = {0};
    CLEANUP(json_flat_release) struct json_flat refusal = {.text = SLICE_NULL};
    struct error failure = *error;
    if (error->kind == ERROR_NONE) {
        count_units(call, answer);
        if (dynamodb_wire_parse_item(answer->flat, name, &items) != STATUS_OK)
            fail_unreadable(call, unreadable, &failure);
    } else if (aws_error_code_is(error->code, "ConditionalCheckFailedException") &&
               answer->json != NULL) {
        struct error ignored;
        count_units(call, answer);
        if (json_flat_parse(answer->body, &refusal, &ignored) == STATUS_OK)
            status_ignore(dynamodb_wire_parse_item(&refusal, "Item", &items),
                          "refused, whatever stands there");
    }
    call->on_done.item(call->ctx, items.count == 1 ? &items.items[0] : NULL, &failure);
}

static void on_written(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    finish_item(ctx, answer, error, "Attributes", ERROR_UNKNOWN);
}

void dynamodb_put(struct dynamodb *dynamodb, const char *table, const struct dynamodb_write *write,
                  dynamodb_item_fn *on_done, void *ctx)
{
    struct dynamodb_call *call = call_new(dynamodb, "PutItem", AWS_PRICE_DYNAMODB_WRITE, ctx);
    call->on_done.item = on_done;
    dynamodb_wire_put(&dynamodb->body, table, write);
    start(call,
          &(struct start_spec){.on_done = on_written, .form = AWS_ANSWER_FLAT, .writes = true});
}

void dynamodb_update(struct dynamodb *dynamodb, const char *table,
                     const struct dynamodb_write *write, dynamodb_item_fn *on_done, void *ctx)
{
    struct dynamodb_call *call = call_new(dynamodb, "UpdateItem", AWS_PRICE_DYNAMODB_WRITE, ctx);
    call->on_done.item = on_done;
    dynamodb_wire_update(&dynamodb->body, table, write);
    start(call,
          &(struct start_spec){.on_done = on_written, .form = AWS_ANSWER_FLAT, .writes = true});
}

/* --- reads ----------------------------------------------------------------------------------- */

static void on_read(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    finish_item(ctx, answer, error, "Item", ERROR_RETRY);
}

void dynamodb_get(struct dynamodb *dynamodb, const char *table, struct slice pk, struct slice sk,
                  dynamodb_item_fn *on_done, void *ctx)
{
    struct dynamodb_call *call = call_new(dynamodb, "GetItem", AWS_PRICE_DYNAMODB_READ, ctx);
    call->on_done.item = on_done;
    dynamodb_wire_get(&dynamodb->body, table, pk, sk);
    start(call, &(struct start_spec){.on_done = on_read, .form = AWS_ANSWER_FLAT});
}

static void on_query(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct dynamodb_call *call = ctx;
    struct dynamodb_wire_items items = {0};
    struct slice more_after = SLICE_NULL;
    struct error failure = *error;
    if (failure.kind == ERROR_NONE) {
        count_units(call, answer);
        if (dynamodb_wire_parse_query(answer->flat, &items, &more_after) != STATUS_OK)
            fail_unreadable(call, ERROR_RETRY, &failure);
    }
    call->on_done.query(call->ctx, items.items, items.count, !slice_is_null(more_after), more_after,
                        &failure);
    dynamodb_wire_items_release(&items);
}

void dynamodb_query(struct dynamodb *dynamodb, const struct dynamodb_query_spec *spec,
                    dynamodb_query_fn *on_done, void *ctx)
{
    struct dynamodb_call *call = call_new(dynamodb, "Query", AWS_PRICE_DYNAMODB_READ, ctx);
    call->on_done.query = on_done;
    dynamodb_wire_query(&dynamodb->body, spec);
    start(call, &(struct start_spec){.on_done = on_query, .form = AWS_ANSWER_FLAT});
}

/* --- the table itself ------------------------------------------------------------------------ */

static void on_ttl(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct dynamodb_call *call = ctx;
    struct error failure = *error;
    if (failure.kind == ERROR_NONE &&
        dynamodb_wire_parse_ttl(answer->json, &call->info) != STATUS_OK)
        fail_unreadable(call, ERROR_RETRY, &failure);
    /* Local servers may not know the operation, and a role may lack the permission. */
    if (failure.kind == ERROR_PERMANENT || failure.kind == ERROR_AUTH)
        failure = (struct error){0};
    call->on_done.table(call->ctx, failure.kind == ERROR_NONE ? &call->info : NULL, &failure);
}

static void on_table(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct dynamodb_call *call = ctx;
    struct dynamodb_call *next = NULL;
    struct error failure = *error;
    struct dynamodb_table_info info = {0};
    if (failure.kind == ERROR_NONE && dynamodb_wire_parse_table(answer->json, &info) != STATUS_OK)
        fail_unreadable(call, ERROR_RETRY, &failure);
    if (failure.kind != ERROR_NONE) {
        call->on_done.table(call->ctx, NULL, &failure);
        return;
    }
    next = call_new(call->dynamodb, "DescribeTimeToLive", AWS_PRICE_NONE, call->ctx);
    next->on_done.table = call->on_done.table;
    next->info = info;
    dynamodb_wire_describe(&call->dynamodb->body, call->table);
    start(next, &(struct start_spec){.on_done = on_ttl});
}

void dynamodb_describe(struct dynamodb *dynamodb, const char *table, dynamodb_table_fn *on_done,
                       void *ctx)
{
    struct dynamodb_call *call = call_new(dynamodb, "DescribeTable", AWS_PRICE_NONE, ctx);
    call->on_done.table = on_done;
    call->table = mem_strdup(table);
    dynamodb_wire_describe(&dynamodb->body, table);
    start(call, &(struct start_spec){.on_done = on_table});
}
