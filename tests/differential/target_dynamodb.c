#include <string.h>

#include "common/encode.h"
#include "common/mem.h"
#include "tests/differential/target.h"

/* What a request needs until the call returns. */
struct arguments {
    struct dynamodb_item items[DYNAMODB_BATCH_ITEMS_MAX];
    struct buf binary[DYNAMODB_BATCH_ITEMS_MAX]; /* one B an item is enough here */
    struct dynamodb_write write;
};

/* --- answers --------------------------------------------------------------------------------- */

static void add_item(cJSON *object, const struct dynamodb_item *item)
{
    static const char *const types[] = {[DYNAMODB_S] = "S", [DYNAMODB_N] = "N", [DYNAMODB_B] = "B"};
    for (size_t i = 0; i < item->count; i++) {
        const struct dynamodb_attribute *a = &item->attributes[i];
        cJSON *value = cJSON_AddObjectToObject(object, a->name);
        CLEANUP(buf_release) struct buf text;
        buf_init(&text, (size_t)2 * DYNAMODB_ITEM_BYTES_MAX);
        if (a->type == DYNAMODB_B)
            encode_base64(a->value, &text);
        else
            buf_append_slice(&text, a->value);
        target_add_slice(value, types[a->type], buf_slice(&text));
    }
}

static void on_item(void *ctx, const struct dynamodb_item *item, const struct error *error)
{
    cJSON *answer = error->kind == ERROR_NONE ? cJSON_CreateObject() : target_error(error);
    if (item != NULL)
        add_item(cJSON_AddObjectToObject(answer, "item"), item);
    target_waiter_end(ctx, answer);
}

static void on_batch(void *ctx, const struct dynamodb_put_result *results, size_t count)
{
    cJSON *answer = target_outcomes_new();
    for (size_t i = 0; i < count; i++)
        target_add_outcome(answer, results[i].outcome, &results[i].error);
    target_waiter_end(ctx, answer);
}

static void on_query(void *ctx, const struct dynamodb_item *items, size_t count, bool more,
                     struct slice more_after, const struct error *error)
{
    if (error->kind != ERROR_NONE) {
        target_waiter_end(ctx, target_error(error));
        return;
    }
    cJSON *answer = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(answer, "items");
    for (size_t i = 0; i < count; i++) {
        cJSON *shown = cJSON_CreateObject();
        add_item(shown, &items[i]);
        cJSON_AddItemToArray(list, shown);
    }
    cJSON_AddBoolToObject(answer, "more", more);
    target_add_slice(answer, "more_after", more_after);
    target_waiter_end(ctx, answer);
}

static void on_table(void *ctx, const struct dynamodb_table_info *info, const struct error *error)
{
    if (error->kind != ERROR_NONE) {
        target_waiter_end(ctx, target_error(error));
        return;
    }
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddBoolToObject(answer, "active", info->active);
    cJSON_AddBoolToObject(answer, "keys_are_ours", info->keys_are_ours);
    cJSON_AddBoolToObject(answer, "ttl_enabled", info->ttl_enabled);
    cJSON_AddBoolToObject(answer, "ttl_known", info->ttl_known);
    target_waiter_end(ctx, answer);
}

/* --- requests -------------------------------------------------------------------------------- */

static bool read_value(const cJSON *json, const char *name, struct dynamodb_attribute *ret,
                       struct buf *binary)
{
    static const struct {
        const char *name;
        enum dynamodb_type type;
    } types[] = {{"S", DYNAMODB_S}, {"N", DYNAMODB_N}, {"B", DYNAMODB_B}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct slice text = json_get_text(json, types[i].name);
        if (slice_is_null(text))
            continue;
        *ret = (struct dynamodb_attribute){name, types[i].type, text};
        if (types[i].type != DYNAMODB_B)
            return true;
        buf_init(binary, (size_t)2 * DYNAMODB_ITEM_BYTES_MAX);
        if (decode_base64(text, binary) != STATUS_OK)
            return false;
        ret->value = buf_slice(binary);
        return true;
    }
    return false;
}

static bool read_item(const cJSON *json, struct dynamodb_item *ret, struct buf *binary)
{
    const cJSON *member;
    ret->count = 0;
    cJSON_ArrayForEach(member, json)
    {
        if (ret->count == DYNAMODB_ATTRIBUTES_MAX ||
            !read_value(member, member->string, &ret->attributes[ret->count++], binary))
            return false;
    }
    return dynamodb_item_get(ret, "pk") != NULL && dynamodb_item_get(ret, "sk") != NULL;
}

static bool read_write(const cJSON *request, struct arguments *arguments)
{
    struct dynamodb_write *write = &arguments->write;
    if (!read_item(json_get_object(request, "item"), &write->item, &arguments->binary[0]))
        return false;
    write->condition = (const char *)json_get_text(request, "condition").ptr;
    const cJSON *value;
    cJSON_ArrayForEach(value, json_get_array(request, "values"))
    {
        const char *name = (const char *)json_get_text(value, "name").ptr;
        if (write->value_count == DYNAMODB_VALUES_MAX ||
            !read_value(value, name, &write->values[write->value_count++], &arguments->binary[1]))
            return false;
    }
    return true;
}

static bool batch_put(struct target *target, const char *table, const cJSON *request,
                      struct arguments *arguments, struct target_waiter *waiter)
{
    const cJSON *item;
    size_t count = 0;
    cJSON_ArrayForEach(item, json_get_array(request, "items"))
    {
        if (count == DYNAMODB_BATCH_ITEMS_MAX ||
            !read_item(item, &arguments->items[count], &arguments->binary[count]))
            return false;
        count++;
    }
    if (count == 0)
        return false;
    dynamodb_batch_put(target->dynamodb, table, arguments->items, count, false, on_batch, waiter);
    return true;
}

static bool start(struct target *target, const char *operation, const cJSON *request,
                  struct arguments *arguments, struct target_waiter *waiter)
{
    const char *table = (const char *)json_get_text(request, "table").ptr;
    struct dynamodb *dynamodb = target->dynamodb;
    if (table == NULL)
        return false;
    if (strcmp(operation, "batch_put") == 0)
        return batch_put(target, table, request, arguments, waiter);
    if (strcmp(operation, "get") == 0) {
        dynamodb_get(dynamodb, table, json_get_text(request, "pk"), json_get_text(request, "sk"),
                     on_item, waiter);
    } else if (strcmp(operation, "put") == 0 && read_write(request, arguments)) {
        dynamodb_put(dynamodb, table, &arguments->write, on_item, waiter);
    } else if (strcmp(operation, "update") == 0 && read_write(request, arguments)) {
        dynamodb_update(dynamodb, table, &arguments->write, on_item, waiter);
    } else if (strcmp(operation, "query") == 0) {
        int64_t limit = cases_number(request, "limit", 0);
        dynamodb_query(dynamodb,
                       &(struct dynamodb_query_spec){.table = table,
                                                     .pk = json_get_text(request, "pk"),
                                                     .sk_after = json_get_text(request, "after"),
                                                     .limit = (uint32_t)limit},
                       on_query, waiter);
    } else if (strcmp(operation, "describe") == 0) {
        dynamodb_describe(dynamodb, table, on_table, waiter);
    } else {
        return false;
    }
    return true;
}

bool target_call_dynamodb(struct target *target, const char *operation, const cJSON *request,
                          target_fn *on_answer, void *ctx)
{
    struct target_waiter *waiter = target_waiter_new(on_answer, ctx);
    struct arguments *arguments = mem_calloc(1, sizeof(*arguments));
    bool started = start(target, operation, request, arguments, waiter);
    for (size_t i = 0; i < ARRAY_LEN(arguments->binary); i++)
        buf_release(&arguments->binary[i]);
    mem_free(arguments);
    if (!started)
        mem_free(waiter);
    return started;
}
