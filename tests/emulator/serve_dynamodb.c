#include <stdio.h>
#include <string.h>

#include "tests/emulator/emulator_internal.h"

#define KEYS_MAX 2

/* --- what operations share ------------------------------------------------------------------- */

bool ddb_call_table(struct call *call, struct slice name, struct ddb_table **ret)
{
    if (slice_is_null(name))
        return model_refuse(&call->error, 400, "ValidationException", NULL,
                            "The parameter 'TableName' is required but was not present in the "
                            "request");
    if (dynamodb_model_find_table(call->emulator->dynamodb, name, ret, &call->error))
        return true;
    if (strcmp(call->operation->name, "DescribeTable") != 0) /* which alone names the table */
        snprintf(call->error.text, sizeof(call->error.text), "Requested resource not found");
    return false;
}

static bool in_table(struct call *call, struct ddb_table **ret)
{
    struct slice name;
    return in_string(call, call->input, "TableName", &name) && ddb_call_table(call, name, ret);
}

static bool wants_capacity(struct call *call)
{
    struct slice mode;
    return in_string(call, call->input, "ReturnConsumedCapacity", &mode) &&
           (slice_equal_str(mode, "TOTAL") || slice_equal_str(mode, "INDEXES"));
}

void ddb_out_capacity(struct call *call, struct slice table, uint64_t half_units)
{
    if (!wants_capacity(call))
        return;
    json_out_name(&call->out, "ConsumedCapacity");
    json_out_begin_object(&call->out);
    json_out_name(&call->out, "TableName");
    json_out_string(&call->out, table);
    json_out_name(&call->out, "CapacityUnits");
    json_out_halves(&call->out, half_units);
    json_out_end_object(&call->out);
}

/* --- tables ---------------------------------------------------------------------------------- */

static bool in_key_type(struct call *call, struct slice name, enum ddb_type *ret)
{
    const cJSON *definitions;
    const cJSON *item;
    if (!in_array(call, call->input, "AttributeDefinitions", &definitions))
        return false;
    cJSON_ArrayForEach(item, definitions)
    {
        struct slice defined;
        struct slice type;
        if (!in_string(call, item, "AttributeName", &defined) ||
            !in_string(call, item, "AttributeType", &type))
            return false;
        if (!slice_equal(defined, name))
            continue;
        *ret = slice_equal_str(type, "N") ? DDB_N : slice_equal_str(type, "B") ? DDB_B : DDB_S;
        return slice_equal_str(type, ddb_type_name(*ret)) ||
               in_refuse(call, "AttributeType must be S, N or B");
    }
    return model_refuse(&call->error, 400, "ValidationException", NULL,
                        "One or more parameter values were invalid: Some index key attributes are "
                        "not defined in AttributeDefinitions. Keys: [%.*s]",
                        SLICE_ARG(name));
}

static bool in_schema(struct call *call, struct ddb_schema *ret)
{
    const cJSON *keys;
    const cJSON *item;
    *ret = (struct ddb_schema){0};
    if (!in_array(call, call->input, "KeySchema", &keys))
        return false;
    cJSON_ArrayForEach(item, keys)
    {
        struct slice name;
        struct slice type;
        if (!in_string(call, item, "AttributeName", &name) ||
            !in_string(call, item, "KeyType", &type))
            return false;
        if (slice_equal_str(type, "HASH") && slice_is_null(ret->hash_name))
            ret->hash_name = name;
        else if (slice_equal_str(type, "RANGE") && slice_is_null(ret->range_name))
            ret->range_name = name;
        else
            return model_refuse(&call->error, 400, "ValidationException", NULL,
                                "Invalid KeySchema: one HASH and at most one RANGE");
    }
    if (slice_is_null(ret->hash_name))
        return model_refuse(&call->error, 400, "ValidationException", NULL,
                            "No Hash Key specified in schema.");
    return in_key_type(call, ret->hash_name, &ret->hash_type) &&
           (slice_is_null(ret->range_name) || in_key_type(call, ret->range_name, &ret->range_type));
}

static void out_keys(struct json_out *out, const struct ddb_schema *schema)
{
    const struct slice names[KEYS_MAX] = {schema->hash_name, schema->range_name};
    const enum ddb_type types[KEYS_MAX] = {schema->hash_type, schema->range_type};
    size_t count = slice_is_null(schema->range_name) ? 1 : 2;
    json_out_name(out, "AttributeDefinitions");
    json_out_begin_array(out);
    for (size_t i = 0; i < count; i++) {
        json_out_begin_object(out);
        json_out_name(out, "AttributeName");
        json_out_string(out, names[i]);
        json_out_member(out, "AttributeType", ddb_type_name(types[i]));
        json_out_end_object(out);
    }
    json_out_end_array(out);
    json_out_name(out, "KeySchema");
    json_out_begin_array(out);
    for (size_t i = 0; i < count; i++) {
        json_out_begin_object(out);
        json_out_name(out, "AttributeName");
        json_out_string(out, names[i]);
        json_out_member(out, "KeyType", i == 0 ? "HASH" : "RANGE");
        json_out_end_object(out);
    }
    json_out_end_array(out);
}

static void out_description(struct call *call, const char *member, struct ddb_table *table,
                            const char *status)
{
    struct json_out *out = &call->out;
    struct ddb_table_info info = dynamodb_model_table_info(table, emulator_now_ms(call->emulator));
    char arn[400];
    snprintf(arn, sizeof(arn), "arn:aws:dynamodb:%s:" EMULATOR_ACCOUNT ":table/%.*s",
             call->emulator->region, SLICE_ARG(info.name));
    json_out_begin_object(out);
    json_out_name(out, member);
    json_out_begin_object(out);
    json_out_name(out, "TableName");
    json_out_string(out, info.name);
    json_out_member(out, "TableStatus", status);
    json_out_member(out, "TableArn", arn);
    out_keys(out, info.schema);
    json_out_name(out, "CreationDateTime");
    json_out_seconds(out, info.created_ms);
    json_out_member_i64(out, "ItemCount", (int64_t)info.items);
    json_out_member_i64(out, "TableSizeBytes", (int64_t)info.bytes);
    json_out_name(out, "BillingModeSummary");
    json_out_begin_object(out);
    json_out_member(out, "BillingMode", "PAY_PER_REQUEST");
    json_out_end_object(out);
    json_out_end_object(out);
    json_out_end_object(out);
}

static enum progress run_create_table(struct call *call)
{
    struct ddb_schema schema;
    struct slice name;
    struct ddb_table *table;
    if (in_string(call, call->input, "TableName", &name) && in_schema(call, &schema) &&
        dynamodb_model_create_table(call->emulator->dynamodb, name, &schema,
                                    emulator_now_ms(call->emulator), &table, &call->error))
        out_description(call, "TableDescription", table, "CREATING"); /* ACTIVE when next asked */
    return CALL_DONE;
}

static enum progress run_describe_table(struct call *call)
{
    struct ddb_table *table;
    if (in_table(call, &table))
        out_description(call, "Table", table, "ACTIVE");
    return CALL_DONE;
}

static enum progress run_delete_table(struct call *call)
{
    struct ddb_table *table;
    if (!in_table(call, &table))
        return CALL_DONE;
    out_description(call, "TableDescription", table, "DELETING");
    dynamodb_model_delete_table(call->emulator->dynamodb, table);
    return CALL_DONE;
}

static enum progress run_list_tables(struct call *call)
{
    json_out_begin_object(&call->out);
    json_out_name(&call->out, "TableNames");
    json_out_begin_array(&call->out);
    struct ddb_table *table = dynamodb_model_next_table(call->emulator->dynamodb, NULL);
    for (; table != NULL; table = dynamodb_model_next_table(call->emulator->dynamodb, table))
        json_out_string(&call->out,
                        dynamodb_model_table_info(table, emulator_now_ms(call->emulator)).name);
    json_out_end_array(&call->out);
    json_out_end_object(&call->out);
    return CALL_DONE;
}

static enum progress run_update_ttl(struct call *call)
{
    struct ddb_table *table;
    const cJSON *spec;
    struct slice attribute;
    bool enabled;
    if (!in_table(call, &table) ||
        !in_object(call, call->input, "TimeToLiveSpecification", &spec) ||
        !in_string(call, spec, "AttributeName", &attribute) ||
        !in_bool(call, spec, "Enabled", &enabled) ||
        !dynamodb_model_set_ttl(table, attribute, enabled, emulator_now_ms(call->emulator),
                                &call->error))
        return CALL_DONE;
    json_out_begin_object(&call->out);
    json_out_name(&call->out, "TimeToLiveSpecification");
    json_out_begin_object(&call->out);
    json_out_name(&call->out, "AttributeName");
    json_out_string(&call->out, attribute);
    json_out_name(&call->out, "Enabled");
    json_out_bool(&call->out, enabled);
    json_out_end_object(&call->out);
    json_out_end_object(&call->out);
    return CALL_DONE;
}

static enum progress run_describe_ttl(struct call *call)
{
    struct ddb_table *table;
    if (!in_table(call, &table))
        return CALL_DONE;
    struct ddb_table_info info = dynamodb_model_table_info(table, emulator_now_ms(call->emulator));
    json_out_begin_object(&call->out);
    json_out_name(&call->out, "TimeToLiveDescription");
    json_out_begin_object(&call->out);
    json_out_member(&call->out, "TimeToLiveStatus", info.ttl_enabled ? "ENABLED" : "DISABLED");
    if (info.ttl_enabled) {
        json_out_name(&call->out, "AttributeName");
        json_out_string(&call->out, info.ttl_attribute);
    }
    json_out_end_object(&call->out);
    json_out_end_object(&call->out);
    return CALL_DONE;
}

/* --- writing --------------------------------------------------------------------------------- */

static bool check_return_values(struct call *call, enum ddb_write_kind kind, struct slice mode)
{
    bool known = slice_is_null(mode) || slice_equal_str(mode, "NONE") ||
                 slice_equal_str(mode, "ALL_OLD") ||
                 (kind == DDB_UPDATE && slice_equal_str(mode, "ALL_NEW"));
    return known || model_refuse(&call->error, 400, "ValidationException", NULL,
                                 "ReturnValues can only be NONE, ALL_OLD, or (updates) ALL_NEW "
                                 "here");
}

/* The blocking item goes into the error: call_finish puts it behind code and message. */
static void add_blocking_item(struct call *call, const struct ddb_written *written)
{
    struct slice mode;
    if (strcmp(call->error.code, "ConditionalCheckFailedException") != 0 ||
        written->old_item == NULL ||
        !in_string(call, call->input, "ReturnValuesOnConditionCheckFailure", &mode) ||
        !slice_equal_str(mode, "ALL_OLD"))
        return;
    json_out_name(&call->out, "Item");
    ddb_out_map(&call->out, written->old_item, NULL);
}

static enum progress run_write(struct call *call, enum ddb_write_kind kind)
{
    struct ddb_table *table;
    struct ddb_scope scope;
    struct ddb_write write = {.kind = kind, .scope = &scope};
    struct slice mode;
    if (!in_table(call, &table) ||
        !ddb_in_member_map(call, call->input, kind == DDB_PUT ? "Item" : "Key", &write.item) ||
        !ddb_in_scope(call, call->input, &scope) ||
        !in_string(call, call->input, "ConditionExpression", &write.condition) ||
        !in_string(call, call->input, "UpdateExpression", &write.update) ||
        !in_string(call, call->input, "ReturnValues", &mode) ||
        !check_return_values(call, kind, mode))
        return CALL_DONE;
    if (write.item == NULL) {
        model_refuse(&call->error, 400, "ValidationException", NULL,
                     "The parameter '%s' is required but was not present in the request",
                     kind == DDB_PUT ? "Item" : "Key");
        return CALL_DONE;
    }
    struct ddb_written written;
    bool done = dynamodb_model_write(table, &write, emulator_now_ms(call->emulator), &written,
                                     &call->error);
    call->half_units = 2 * written.write_units;
    if (!done) {
        add_blocking_item(call, &written);
        return CALL_DONE;
    }
    const struct ddb_value *shown = slice_equal_str(mode, "ALL_OLD")   ? written.old_item
                                    : slice_equal_str(mode, "ALL_NEW") ? written.new_item
                                                                       : NULL;
    json_out_begin_object(&call->out);
    if (shown != NULL) {
        json_out_name(&call->out, "Attributes");
        ddb_out_map(&call->out, shown, NULL);
    }
    ddb_out_capacity(call, call->resource, call->half_units);
    json_out_end_object(&call->out);
    return CALL_DONE;
}

static enum progress run_put(struct call *call)
{
    return run_write(call, DDB_PUT);
}

static enum progress run_update(struct call *call)
{
    return run_write(call, DDB_UPDATE);
}

static enum progress run_delete(struct call *call)
{
    return run_write(call, DDB_DELETE);
}

/* --- reading --------------------------------------------------------------------------------- */

static enum progress run_get(struct call *call)
{
    struct ddb_table *table;
    struct ddb_scope scope;
    struct ddb_projection projection;
    const struct ddb_value *key;
    const struct ddb_value *item;
    struct slice text;
    bool consistent;
    if (!in_table(call, &table) || !ddb_in_member_map(call, call->input, "Key", &key) ||
        !ddb_in_scope(call, call->input, &scope) ||
        !in_bool(call, call->input, "ConsistentRead", &consistent) ||
        !in_string(call, call->input, "ProjectionExpression", &text) ||
        !ddb_projection_parse(text, &scope, &call->arena, &projection, &call->error) ||
        !ddb_scope_check_all_used(&scope, &call->error))
        return CALL_DONE;
    if (key == NULL) {
        in_refuse(call, "Key is missing");
        return CALL_DONE;
    }
    if (!dynamodb_model_get(table, key, emulator_now_ms(call->emulator), &item, &call->error))
        return CALL_DONE;
    call->half_units =
        dynamodb_model_read_half_units(item == NULL ? 0 : ddb_item_size(item), consistent);
    json_out_begin_object(&call->out);
    if (item != NULL) {
        json_out_name(&call->out, "Item");
        ddb_out_map(&call->out, item, &projection);
    }
    ddb_out_capacity(call, call->resource, call->half_units);
    json_out_end_object(&call->out);
    return CALL_DONE;
}

static bool in_query(struct call *call, bool scan, struct ddb_scope *scope, struct ddb_query *ret)
{
    const cJSON *input = call->input;
    *ret = (struct ddb_query){
        .scan = scan, .scope = scope, .fault_empty_page = call->fault.action == FAULT_EMPTY_PAGE};
    bool has_direction = cJSON_GetObjectItemCaseSensitive(input, "ScanIndexForward") != NULL;
    bool forward;
    if (!in_string(call, input, "KeyConditionExpression", &ret->key_condition) ||
        !in_string(call, input, "FilterExpression", &ret->filter) ||
        !in_string(call, input, "ProjectionExpression", &ret->projection) ||
        !in_bool(call, input, "ScanIndexForward", &forward) ||
        !in_bool(call, input, "ConsistentRead", &ret->consistent) ||
        !in_i64(call, input, "Limit", &ret->limit) ||
        !ddb_in_member_map(call, input, "ExclusiveStartKey", &ret->start_key) ||
        !ddb_in_scope(call, input, scope))
        return false;
    ret->backward = has_direction && !forward;
    if (ret->limit == 0)
        ret->limit = -1; /* given as 0: refused; absent: no limit */
    else if (ret->limit == SQS_MODEL_ABSENT)
        ret->limit = 0;
    if (cJSON_GetObjectItemCaseSensitive(input, "IndexName") != NULL ||
        cJSON_GetObjectItemCaseSensitive(input, "TotalSegments") != NULL)
        return in_refuse(call, "indexes and parallel scans are not modelled");
    return true;
}

static enum progress run_query_or_scan(struct call *call, bool scan)
{
    struct ddb_table *table;
    struct ddb_scope scope;
    struct ddb_query query;
    struct ddb_page page;
    struct slice select;
    if (!in_table(call, &table) || !in_query(call, scan, &scope, &query) ||
        !in_string(call, call->input, "Select", &select) ||
        !dynamodb_model_query(table, &query, emulator_now_ms(call->emulator), &page, &call->error))
        return CALL_DONE;
    struct json_out *out = &call->out;
    call->half_units = page.read_half_units;
    json_out_begin_object(out);
    if (!slice_equal_str(select, "COUNT")) {
        json_out_name(out, "Items");
        json_out_begin_array(out);
        for (size_t i = 0; i < page.count; i++)
            ddb_out_map(out, page.items[i], &page.projection);
        json_out_end_array(out);
    }
    json_out_member_i64(out, "Count", (int64_t)page.count);
    json_out_member_i64(out, "ScannedCount", (int64_t)page.scanned);
    if (page.last_key != NULL) {
        json_out_name(out, "LastEvaluatedKey");
        ddb_out_map(out, page.last_key, NULL);
    }
    ddb_out_capacity(call, call->resource, call->half_units);
    json_out_end_object(out);
    return CALL_DONE;
}

static enum progress run_query(struct call *call)
{
    return run_query_or_scan(call, false);
}

static enum progress run_scan(struct call *call)
{
    return run_query_or_scan(call, true);
}

const struct operation dynamodb_operations[] = {
    {SERVICE_DYNAMODB, "CreateTable", run_create_table},
    {SERVICE_DYNAMODB, "DescribeTable", run_describe_table},
    {SERVICE_DYNAMODB, "DeleteTable", run_delete_table},
    {SERVICE_DYNAMODB, "ListTables", run_list_tables},
    {SERVICE_DYNAMODB, "UpdateTimeToLive", run_update_ttl},
    {SERVICE_DYNAMODB, "DescribeTimeToLive", run_describe_ttl},
    {SERVICE_DYNAMODB, "PutItem", run_put},
    {SERVICE_DYNAMODB, "UpdateItem", run_update},
    {SERVICE_DYNAMODB, "DeleteItem", run_delete},
    {SERVICE_DYNAMODB, "GetItem", run_get},
    {SERVICE_DYNAMODB, "Query", run_query},
    {SERVICE_DYNAMODB, "Scan", run_scan},
    {SERVICE_DYNAMODB, "BatchWriteItem", ddb_run_batch_write},
    {SERVICE_DYNAMODB, "BatchGetItem", ddb_run_batch_get},
};
const size_t dynamodb_operation_count = ARRAY_LEN(dynamodb_operations);
