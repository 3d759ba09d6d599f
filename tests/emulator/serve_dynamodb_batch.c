#include <string.h>

#include "tests/emulator/emulator_internal.h"

/* One request of a batch, in the order of the input. */
struct entry {
    struct ddb_table *table;
    struct slice table_name;
    const cJSON *request; /* the write request, or the key: goes back as it came if left undone */
    struct ddb_value map;
    const struct ddb_value *key; /* of reads */
    uint64_t half_units;
    bool undone;
};

static bool refuse(struct call *call, const char *text)
{
    return model_refuse(&call->error, 400, "ValidationException", NULL, "%s", text);
}

/* Unprocessed requests are given back as they came. */
static void out_json(struct call *call, const cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);
    buf_append_str(&call->body, text);
    cJSON_free(text);
    call->out.comma = true;
}

static void out_capacities(struct call *call, const struct entry *entries, size_t count)
{
    struct slice mode;
    if (!in_string(call, call->input, "ReturnConsumedCapacity", &mode) ||
        !(slice_equal_str(mode, "TOTAL") || slice_equal_str(mode, "INDEXES")))
        return;
    struct json_out *out = &call->out;
    json_out_name(out, "ConsumedCapacity");
    json_out_begin_array(out);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && entries[i].table == entries[i - 1].table)
            continue;
        uint64_t half_units = 0;
        for (size_t k = i; k < count && entries[k].table == entries[i].table; k++)
            half_units += entries[k].half_units;
        json_out_begin_object(out);
        json_out_name(out, "TableName");
        json_out_string(out, entries[i].table_name);
        json_out_name(out, "CapacityUnits");
        json_out_halves(out, half_units);
        json_out_end_object(out);
    }
    json_out_end_array(out);
}

/* Entries of one table stand together. */
static bool table_begins(const struct entry *entries, size_t i)
{
    return i == 0 || entries[i].table != entries[i - 1].table;
}

static bool any_undone(const struct entry *entries, size_t first, size_t count)
{
    for (size_t i = first; i < count && entries[i].table == entries[first].table; i++) {
        if (entries[i].undone)
            return true;
    }
    return false;
}

/* --- BatchWriteItem -------------------------------------------------------------------------- */

static bool in_write_request(struct call *call, struct entry *entry, struct ddb_write *write)
{
    const cJSON *put;
    const cJSON *delete;
    const struct ddb_value *map;
    if (!cJSON_IsObject(entry->request) || cJSON_GetArraySize(entry->request) != 1)
        return refuse(call, "Supplied AttributeValue must contain exactly one of PutRequest and "
                            "DeleteRequest");
    if (!in_object(call, entry->request, "PutRequest", &put) ||
        !in_object(call, entry->request, "DeleteRequest", &delete) ||
        !ddb_in_member_map(call, put != NULL ? put : delete, put != NULL ? "Item" : "Key", &map))
        return false;
    if (map == NULL)
        return refuse(call, "a write request needs an Item or a Key");
    entry->map = *map;
    *write = (struct ddb_write){.kind = put != NULL ? DDB_PUT : DDB_DELETE, .item = &entry->map};
    return true;
}

static void out_unprocessed_writes(struct call *call, const struct entry *entries, size_t count)
{
    struct json_out *out = &call->out;
    json_out_name(out, "UnprocessedItems");
    json_out_begin_object(out);
    for (size_t i = 0; i < count; i++) {
        if (!table_begins(entries, i) || !any_undone(entries, i, count))
            continue;
        json_out_name_slice(out, entries[i].table_name);
        json_out_begin_array(out);
        for (size_t k = i; k < count && entries[k].table == entries[i].table; k++) {
            if (!entries[k].undone)
                continue;
            if (out->comma)
                buf_append_byte(&call->body, ',');
            out_json(call, entries[k].request);
        }
        json_out_end_array(out);
    }
    json_out_end_object(out);
}

static bool read_writes(struct call *call, struct entry *entries, struct ddb_write *writes,
                        size_t most, size_t *ret_count)
{
    const cJSON *items;
    const cJSON *list;
    const cJSON *request;
    size_t count = 0;
    if (!in_object(call, call->input, "RequestItems", &items))
        return false;
    cJSON_ArrayForEach(list, items)
    {
        struct ddb_table *table;
        if (!cJSON_IsArray(list) || list->child == NULL)
            return refuse(call, "The batch write request list for a table cannot be null or empty");
        if (!ddb_call_table(call, slice_from_str(list->string), &table))
            return false;
        cJSON_ArrayForEach(request, list)
        {
            if (count == most)
                return refuse(call, "Too many items requested for the BatchWriteItem call");
            entries[count] = (struct entry){
                .table = table, .table_name = slice_from_str(list->string), .request = request};
            if (!in_write_request(call, &entries[count], &writes[count]))
                return false;
            count++;
        }
    }
    *ret_count = count;
    return true;
}

/* Nothing at all written is a throttle, as on AWS. */
static bool refuse_if_nothing_done(struct call *call, const struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!entries[i].undone)
            return false;
    }
    model_refuse(&call->error, 400, "ProvisionedThroughputExceededException", NULL,
                 "The level of configured provisioned throughput for the table was exceeded. "
                 "Consider increasing your provisioning level with the UpdateTable API.");
    return true;
}

enum progress ddb_run_batch_write(struct call *call)
{
    struct entry *entries = model_arena_take(&call->arena, DDB_BATCH_WRITE_MAX * sizeof(*entries));
    struct ddb_write writes[DDB_BATCH_WRITE_MAX];
    struct ddb_table *tables[DDB_BATCH_WRITE_MAX];
    size_t count = 0;
    if (!read_writes(call, entries, writes, DDB_BATCH_WRITE_MAX, &count))
        return CALL_DONE;
    for (size_t i = 0; i < count; i++)
        tables[i] = entries[i].table;
    if (!dynamodb_model_check_batch(tables, writes, count, &call->error))
        return CALL_DONE;
    int64_t now_ms = emulator_now_ms(call->emulator);
    for (size_t i = 0; i < count; i++) {
        entries[i].undone =
            call->fault.action == FAULT_UNPROCESSED && fault_hits_entry(&call->fault, i);
        struct ddb_written written;
        if (entries[i].undone ||
            !dynamodb_model_write(entries[i].table, &writes[i], now_ms, &written, &call->error))
            continue;
        entries[i].half_units = 2 * written.write_units;
        call->half_units += entries[i].half_units;
    }
    if (refuse_if_nothing_done(call, entries, count))
        return CALL_DONE;
    json_out_begin_object(&call->out);
    out_unprocessed_writes(call, entries, count);
    out_capacities(call, entries, count);
    json_out_end_object(&call->out);
    return CALL_DONE;
}

/* --- BatchGetItem ---------------------------------------------------------------------------- */

static bool read_keys(struct call *call, struct entry *entries, size_t most, size_t *ret_count)
{
    const cJSON *items;
    const cJSON *spec;
    const cJSON *key;
    size_t count = 0;
    if (!in_object(call, call->input, "RequestItems", &items))
        return false;
    cJSON_ArrayForEach(spec, items)
    {
        struct ddb_table *table;
        const cJSON *keys;
        if (!cJSON_IsObject(spec) || !in_array(call, spec, "Keys", &keys))
            return in_refuse(call, "RequestItems must hold Keys");
        if (!ddb_call_table(call, slice_from_str(spec->string), &table))
            return false;
        cJSON_ArrayForEach(key, keys)
        {
            if (count == most)
                return refuse(call, "Too many items requested for the BatchGetItem call");
            struct entry *entry = &entries[count];
            *entry = (struct entry){
                .table = table, .table_name = slice_from_str(spec->string), .request = key};
            if (!ddb_in_map(call, key, &entry->map))
                return false;
            entry->key = &entry->map;
            for (size_t i = 0; i < count; i++) {
                if (entries[i].table == table && ddb_value_equal(entries[i].key, entry->key))
                    return refuse(call, "Provided list of item keys contains duplicates");
            }
            count++;
        }
    }
    *ret_count = count;
    return count > 0 || refuse(call, "RequestItems must not be empty");
}

static bool out_items(struct call *call, struct entry *entries, size_t count)
{
    struct json_out *out = &call->out;
    json_out_name(out, "Responses");
    json_out_begin_object(out);
    for (size_t i = 0; i < count; i++) {
        struct entry *e = &entries[i];
        bool consistent = false;
        if (table_begins(entries, i)) {
            json_out_name_slice(out, e->table_name);
            json_out_begin_array(out);
        }
        const cJSON *items = cJSON_GetObjectItemCaseSensitive(call->input, "RequestItems");
        const cJSON *spec =
            cJSON_GetObjectItemCaseSensitive(items, (const char *)e->table_name.ptr);
        if (!in_bool(call, spec, "ConsistentRead", &consistent))
            return false;
        e->undone = call->fault.action == FAULT_UNPROCESSED && fault_hits_entry(&call->fault, i);
        const struct ddb_value *item = NULL;
        if (!e->undone && !dynamodb_model_get(e->table, e->key, emulator_now_ms(call->emulator),
                                              &item, &call->error))
            return false;
        if (!e->undone)
            e->half_units =
                dynamodb_model_read_half_units(item == NULL ? 0 : ddb_item_size(item), consistent);
        call->half_units += e->half_units;
        if (item != NULL)
            ddb_out_map(out, item, NULL);
        if (i + 1 == count || entries[i + 1].table != e->table)
            json_out_end_array(out);
    }
    json_out_end_object(out);
    return true;
}

static void out_unprocessed_keys(struct call *call, const struct entry *entries, size_t count)
{
    struct json_out *out = &call->out;
    json_out_name(out, "UnprocessedKeys");
    json_out_begin_object(out);
    for (size_t i = 0; i < count; i++) {
        if (!table_begins(entries, i) || !any_undone(entries, i, count))
            continue;
        json_out_name_slice(out, entries[i].table_name);
        json_out_begin_object(out);
        json_out_name(out, "Keys");
        json_out_begin_array(out);
        for (size_t k = i; k < count && entries[k].table == entries[i].table; k++) {
            if (entries[k].undone)
                ddb_out_map(out, entries[k].key, NULL);
        }
        json_out_end_array(out);
        json_out_end_object(out);
    }
    json_out_end_object(out);
}

enum progress ddb_run_batch_get(struct call *call)
{
    struct entry *entries = model_arena_take(&call->arena, DDB_BATCH_GET_MAX * sizeof(*entries));
    size_t count = 0;
    if (!read_keys(call, entries, DDB_BATCH_GET_MAX, &count))
        return CALL_DONE;
    json_out_begin_object(&call->out);
    if (!out_items(call, entries, count) || refuse_if_nothing_done(call, entries, count))
        return CALL_DONE;
    out_unprocessed_keys(call, entries, count);
    out_capacities(call, entries, count);
    json_out_end_object(&call->out);
    return CALL_DONE;
}
