/* Answers of DynamoDB: items read, written and read again; the outcome of each entry of a batch
 * worked out a second time. */
#include "common/dynamodb_wire.h"
#include "common/json.h"
#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

#define TABLE   "t"
#define ENTRIES 4

enum { MODE_ITEM, MODE_QUERY, MODE_BATCH, MODE_TABLE, MODE_TTL, MODES };

static bool is_same_item(const struct dynamodb_item *a, const struct dynamodb_item *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->attributes[i].name, b->attributes[i].name) == 0 &&
               a->attributes[i].type == b->attributes[i].type &&
               slice_equal(a->attributes[i].value, b->attributes[i].value);
    return same;
}

static void write_and_read(const struct dynamodb_item *item)
{
    CLEANUP(buf_release) struct buf out;
    CLEANUP(json_flat_release) struct json_flat json = {.text = SLICE_NULL};
    struct dynamodb_wire_items again = {.count = 0};
    buf_init(&out, (size_t)16 * MIB);
    EXPECT(item->count <= DYNAMODB_ATTRIBUTES_MAX);
    struct dynamodb_write write = {.item = *item};
    dynamodb_wire_put(&out, TABLE, &write);
    EXPECT(json_flat_parse(buf_slice(&out), &json, NULL) == STATUS_OK);
    EXPECT(dynamodb_wire_parse_item(&json, "Item", &again) == STATUS_OK);
    if (item->count > 0)
        EXPECT(again.count == 1 && is_same_item(item, &again.items[0]));
    dynamodb_wire_items_release(&again);
    int64_t number;
    for (size_t i = 0; i < item->count; i++) {
        enum status status = dynamodb_item_get_i64(item, item->attributes[i].name, &number);
        EXPECT(status == STATUS_OK || status == STATUS_INVALID);
    }
}

static void check_items(const cJSON *json, const struct json_flat *flat, bool query)
{
    struct dynamodb_wire_items items = {.count = 0};
    struct slice more = SLICE_NULL;
    enum status status = query ? dynamodb_wire_parse_query(flat, &items, &more)
                               : dynamodb_wire_parse_item(flat, "Item", &items);
    if (status != STATUS_OK) {
        EXPECT(items.items == NULL && items.count == 0);
        return;
    }
    EXPECT(query ? (int)items.count == cJSON_GetArraySize(json_get_array(json, "Items"))
                 : items.count <= 1);
    EXPECT(slice_is_null(more) || more.len > 0);
    for (size_t i = 0; i < items.count; i++)
        write_and_read(&items.items[i]);
    dynamodb_wire_items_release(&items);
}

/* -1: none of ours. */
static int entry_of(const cJSON *element, const char *table)
{
    const cJSON *item = json_get_object(json_get_object(element, "PutRequest"), "Item");
    struct slice pk = json_get_text(json_get_object(item, "pk"), "S");
    struct slice sk = json_get_text(json_get_object(item, "sk"), "S");
    if (strcmp(table, TABLE) != 0 || pk.len != 1 || pk.ptr[0] < '0' || pk.ptr[0] >= '0' + ENTRIES ||
        !slice_equal_str(sk, "s"))
        return -1;
    return pk.ptr[0] - '0';
}

/* False: the answer says nothing for certain. */
static bool find_unprocessed(const cJSON *json, bool left[ENTRIES])
{
    const cJSON *tables = json_get_object(json, "UnprocessedItems");
    const cJSON *table;
    cJSON_ArrayForEach(table, tables)
    {
        const cJSON *element;
        if (!cJSON_IsArray(table))
            return false;
        cJSON_ArrayForEach(element, table)
        {
            int entry = entry_of(element, table->string);
            if (entry < 0)
                return false;
            left[entry] = true;
        }
    }
    return tables != NULL;
}

static void check_batch(const cJSON *json)
{
    struct dynamodb_wire_key keys[ENTRIES];
    struct dynamodb_put_result results[ENTRIES];
    bool left[ENTRIES] = {false};
    bool throttled;
    bool any = false;
    for (size_t i = 0; i < ENTRIES; i++) {
        uint8_t pk = (uint8_t)('0' + i);
        dynamodb_wire_key(TABLE, slice_from(&pk, 1), SLICE_LITERAL("s"), &keys[i]);
    }
    bool certain = find_unprocessed(json, left);
    dynamodb_wire_parse_batch(json, keys, ENTRIES, results, &throttled);
    for (size_t i = 0; i < ENTRIES; i++) {
        enum outcome expected = !certain  ? OUTCOME_UNKNOWN
                                : left[i] ? OUTCOME_FAILED
                                          : OUTCOME_DONE;
        EXPECT(results[i].outcome == expected);
        EXPECT((results[i].error.kind == ERROR_THROTTLED) == (expected == OUTCOME_FAILED));
        any = any || expected == OUTCOME_FAILED;
    }
    EXPECT(throttled == any);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_open(data, size);
    unsigned mode = (fuzz_byte(&in) - (unsigned)'0') % MODES;
    struct slice body = fuzz_rest(&in);
    CLEANUP(json_freep) cJSON *json = NULL;
    CLEANUP(json_flat_release) struct json_flat flat = {.text = SLICE_NULL};
    struct dynamodb_table_info info = {.active = false};
    bool valid = json_parse(body, &json, NULL) == STATUS_OK;
    EXPECT(valid == (json_flat_parse(body, &flat, NULL) == STATUS_OK));
    if (!valid)
        return 0;
    EXPECT(dynamodb_wire_units(json) >= 0 && dynamodb_wire_units_flat(&flat) >= 0);
    if (mode == MODE_ITEM || mode == MODE_QUERY)
        check_items(json, &flat, mode == MODE_QUERY);
    else if (mode == MODE_BATCH)
        check_batch(json);
    else if (mode == MODE_TABLE)
        EXPECT(dynamodb_wire_parse_table(json, &info) == STATUS_OK || !info.active);
    else
        EXPECT(dynamodb_wire_parse_ttl(json, &info) == STATUS_OK || !info.ttl_known);
    return 0;
}
