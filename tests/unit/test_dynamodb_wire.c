#include "tests/harness/unit.h"

#include "common/dynamodb_wire.h"

#define CAPACITY "\"ReturnConsumedCapacity\":\"TOTAL\"}"

static cJSON *parse(const char *text)
{
    cJSON *json = NULL;
    assert_status(json_parse(slice_from_str(text), &json, NULL), STATUS_OK);
    return json;
}

static struct json_flat flat(const char *text)
{
    struct json_flat json;
    assert_status(json_flat_parse(slice_from_str(text), &json, NULL), STATUS_OK);
    return json;
}

/* SLICE_LITERAL is no constant expression in C17. */
#define CONSTANT(text)                                                                             \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static const struct dynamodb_item envelope = {
    .attributes = {{"pk", DYNAMODB_S, CONSTANT("000029166666#3")},
                   {"sk", DYNAMODB_S, CONSTANT("s\"k")},
                   {"e", DYNAMODB_B, CONSTANT("\x00\x01\xfe\xff")},
                   {"expires", DYNAMODB_N, CONSTANT("1749629350")}},
    .count = 4,
};

/* --- requests -------------------------------------------------------------------------------- */

#define ENVELOPE_JSON                                                                              \
    "{\"pk\":{\"S\":\"000029166666#3\"},\"sk\":{\"S\":\"s\\\"k\"},\"e\":{\"B\":\"AAH+/w==\"},"     \
    "\"expires\":{\"N\":\"1749629350\"}}"

static void test_batch_put_request(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 64 * KIB);
    const struct dynamodb_item items[] = {envelope, envelope};
    dynamodb_wire_batch_put(&out, "t", items, 2);
    assert_string_equal(buf_text(&out),
                        "{\"RequestItems\":{\"t\":[{\"PutRequest\":{\"Item\":" ENVELOPE_JSON
                        "}},{\"PutRequest\":{\"Item\":" ENVELOPE_JSON "}}]}," CAPACITY);
}

static void test_put_request(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 64 * KIB);
    struct dynamodb_write write = {.item = envelope};
    dynamodb_wire_put(&out, "t", &write);
    assert_string_equal(buf_text(&out), "{\"TableName\":\"t\",\"Item\":" ENVELOPE_JSON
                                        ",\"ReturnValues\":\"ALL_OLD\"," CAPACITY);
    buf_clear(&out);
    write.condition = "attribute_not_exists(pk)";
    dynamodb_wire_put(&out, "t", &write);
    assert_string_equal(buf_text(&out), "{\"TableName\":\"t\",\"Item\":" ENVELOPE_JSON
                                        ",\"ConditionExpression\":\"attribute_not_exists(pk)\""
                                        ",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\""
                                        ",\"ReturnValues\":\"ALL_OLD\"," CAPACITY);
}

static void test_update_request(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 64 * KIB);
    struct dynamodb_write write = {
        .item = {{{"pk", DYNAMODB_S, SLICE_LITERAL("cursor#1")},
                  {"bucket", DYNAMODB_N, SLICE_LITERAL("7")},
                  {"sk", DYNAMODB_S, SLICE_LITERAL("-")},
                  {"place", DYNAMODB_S, SLICE_LITERAL("")}},
                 4},
        .condition = "fence <= :a AND #b = :b",
        .values = {{NULL, DYNAMODB_S, SLICE_LITERAL("f")},
                   {"owner", DYNAMODB_N, SLICE_LITERAL("9")}},
        .value_count = 2,
    };
    dynamodb_wire_update(&out, "t", &write);
    assert_string_equal(
        buf_text(&out),
        "{\"TableName\":\"t\",\"Key\":{\"pk\":{\"S\":\"cursor#1\"},\"sk\":{\"S\":\"-\"}},"
        "\"UpdateExpression\":\"SET #s1=:s1,#s3=:s3\","
        "\"ExpressionAttributeNames\":{\"#s1\":\"bucket\",\"#s3\":\"place\",\"#b\":\"owner\"},"
        "\"ExpressionAttributeValues\":{\":s1\":{\"N\":\"7\"},\":s3\":{\"S\":\"\"},"
        "\":a\":{\"S\":\"f\"},\":b\":{\"N\":\"9\"}},"
        "\"ConditionExpression\":\"fence <= :a AND #b = :b\","
        "\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\",\"ReturnValues\":\"ALL_"
        "OLD\"," CAPACITY);
}

static void test_read_requests(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 64 * KIB);
    dynamodb_wire_get(&out, "t", SLICE_LITERAL("p"), SLICE_LITERAL("s"));
    assert_string_equal(buf_text(&out),
                        "{\"TableName\":\"t\",\"Key\":{\"pk\":{\"S\":\"p\"},\"sk\":{\"S\":\"s\"}},"
                        "\"ConsistentRead\":true," CAPACITY);
    buf_clear(&out);
    struct dynamodb_query_spec spec = {.table = "t", .pk = SLICE_LITERAL("p")};
    dynamodb_wire_query(&out, &spec);
    assert_string_equal(buf_text(&out), "{\"TableName\":\"t\",\"KeyConditionExpression\":\"pk=:p\","
                                        "\"ExpressionAttributeValues\":{\":p\":{\"S\":\"p\"}},"
                                        "\"ConsistentRead\":true," CAPACITY);
    buf_clear(&out);
    spec.sk_after = SLICE_LITERAL("s");
    spec.limit = 25;
    dynamodb_wire_query(&out, &spec);
    assert_string_equal(buf_text(&out),
                        "{\"TableName\":\"t\",\"KeyConditionExpression\":\"pk=:p AND sk>:s\","
                        "\"ExpressionAttributeValues\":{\":p\":{\"S\":\"p\"},\":s\":{\"S\":\"s\"}},"
                        "\"Limit\":25,\"ConsistentRead\":true," CAPACITY);
}

/* --- batches --------------------------------------------------------------------------------- */

#define UNPROCESSED(pk, sk)                                                                        \
    "{\"PutRequest\":{\"Item\":{\"pk\":{\"S\":\"" pk "\"},\"sk\":{\"S\":\"" sk "\"}}}}"

struct batch_case {
    const char *body;
    enum error_kind kind[3];
};

static const struct batch_case batch_cases[] = {
    {"{\"UnprocessedItems\":{}}", {ERROR_NONE, ERROR_NONE, ERROR_NONE}},
    {"{\"UnprocessedItems\":{\"t\":[]}}", {ERROR_NONE, ERROR_NONE, ERROR_NONE}},
    {"{\"UnprocessedItems\":{\"t\":[" UNPROCESSED("p", "2") "]}}",
     {ERROR_NONE, ERROR_NONE, ERROR_THROTTLED}},
    {"{\"UnprocessedItems\":{\"t\":[" UNPROCESSED("p", "2") "," UNPROCESSED(
         "p", "0") "," UNPROCESSED("p", "1") "]}}",
     {ERROR_THROTTLED, ERROR_THROTTLED, ERROR_THROTTLED}},
    /* Of what nobody sent: then nothing is certain. */
    {"{\"UnprocessedItems\":{\"t\":[" UNPROCESSED("p", "2") "," UNPROCESSED("p", "9") "]}}",
     {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{\"UnprocessedItems\":{\"u\":[" UNPROCESSED("p", "2") "]}}",
     {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{\"UnprocessedItems\":{\"t\":[{\"DeleteRequest\":{\"Key\":{\"pk\":{\"S\":\"p\"},"
     "\"sk\":{\"S\":\"2\"}}}}]}}",
     {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{\"UnprocessedItems\":{\"t\":[null]}}", {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{\"UnprocessedItems\":{\"t\":{}}}", {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{\"UnprocessedItems\":[]}", {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{\"UnprocessedItems\":null}", {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
    {"{}", {ERROR_UNKNOWN, ERROR_UNKNOWN, ERROR_UNKNOWN}},
};

static void test_batch_answers(void **state)
{
    (void)state;
    struct dynamodb_wire_key keys[3];
    static const char *const sks[] = {"0", "1", "2"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        dynamodb_wire_key("t", SLICE_LITERAL("p"), slice_from_str(sks[i]), &keys[i]);
    for (size_t i = 0; i < ARRAY_LEN(batch_cases); i++) {
        CLEANUP(json_freep) cJSON *json = parse(batch_cases[i].body);
        struct dynamodb_put_result results[3];
        bool throttled;
        bool expected_throttled = false;
        dynamodb_wire_parse_batch(json, keys, 3, results, &throttled);
        for (size_t k = 0; k < 3; k++) {
            if (results[k].error.kind != batch_cases[i].kind[k])
                fail_msg("case %zu, item %zu: %s", i, k, error_kind_name(results[k].error.kind));
            assert_int_equal(results[k].outcome, error_outcome(results[k].error.kind));
            expected_throttled = expected_throttled || results[k].error.kind == ERROR_THROTTLED;
        }
        assert_int_equal(throttled, expected_throttled);
    }
}

static void test_keys_do_not_run_together(void **state)
{
    (void)state;
    struct dynamodb_wire_key a;
    struct dynamodb_wire_key b;
    dynamodb_wire_key("t", SLICE_LITERAL("ab"), SLICE_LITERAL("c"), &a);
    dynamodb_wire_key("t", SLICE_LITERAL("a"), SLICE_LITERAL("bc"), &b);
    assert_memory_not_equal(a.hash, b.hash, sizeof(a.hash));
}

static void test_whole_call_failed(void **state)
{
    (void)state;
    struct error error;
    struct dynamodb_put_result results[25];
    error_set(&error, ERROR_PERMANENT, "ValidationException", "x");
    dynamodb_wire_fail_batch(&error, 25, results);
    assert_int_equal(results[24].outcome, OUTCOME_FAILED);
    assert_int_equal(results[24].error.kind, ERROR_PERMANENT);
    error_set(&error, ERROR_UNKNOWN, "RequestTimeout", "x");
    dynamodb_wire_fail_batch(&error, 25, results);
    assert_int_equal(results[0].outcome, OUTCOME_UNKNOWN);
}

/* --- items ----------------------------------------------------------------------------------- */

static void test_item_round_trip(void **state)
{
    (void)state;
    CLEANUP(json_flat_release) struct json_flat json = flat("{\"Item\":" ENVELOPE_JSON "}");
    CLEANUP(dynamodb_wire_items_release) struct dynamodb_wire_items items = {0};
    assert_status(dynamodb_wire_parse_item(&json, "Item", &items), STATUS_OK);
    assert_int_equal(items.count, 1);
    const struct dynamodb_item *item = &items.items[0];
    assert_int_equal(item->count, envelope.count);
    for (size_t i = 0; i < envelope.count; i++) {
        const struct dynamodb_attribute *expected = &envelope.attributes[i];
        const struct dynamodb_attribute *got = dynamodb_item_get(item, expected->name);
        assert_non_null(got);
        assert_int_equal(got->type, expected->type);
        assert_true(slice_equal(got->value, expected->value));
    }
    int64_t number;
    assert_status(dynamodb_item_get_i64(item, "expires", &number), STATUS_OK);
    assert_int_equal(number, 1749629350);
    assert_status(dynamodb_item_get_i64(item, "absent", &number), STATUS_NOT_FOUND);
    assert_status(dynamodb_item_get_i64(item, "pk", &number), STATUS_INVALID);
    assert_null(dynamodb_item_get(item, "absent"));
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status status;
        int64_t value;
    } cases[] = {
        {"0", STATUS_OK, 0},
        {"-5", STATUS_OK, -5},
        {"9223372036854775807", STATUS_OK, INT64_MAX},
        {"9223372036854775808", STATUS_INVALID, 0},
        {"1E+3", STATUS_INVALID, 0},
        {"1.5", STATUS_INVALID, 0},
        {"", STATUS_INVALID, 0},
        {"-", STATUS_INVALID, 0},
        {"--1", STATUS_INVALID, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dynamodb_item item = {{{"n", DYNAMODB_N, slice_from_str(cases[i].text)}}, 1};
        int64_t value = 0;
        assert_status(dynamodb_item_get_i64(&item, "n", &value), cases[i].status);
        assert_int_equal(value, cases[i].value);
    }
}

static void test_absent_and_foreign_items(void **state)
{
    (void)state;
    CLEANUP(dynamodb_wire_items_release) struct dynamodb_wire_items items = {0};
    CLEANUP(json_flat_release)
    struct json_flat none = flat("{\"ConsumedCapacity\":{\"CapacityUnits\":0.5}}");
    assert_status(dynamodb_wire_parse_item(&none, "Item", &items), STATUS_OK);
    assert_int_equal(items.count, 0);
    CLEANUP(json_flat_release) struct json_flat empty = flat("{\"Item\":{}}");
    assert_status(dynamodb_wire_parse_item(&empty, "Item", &items), STATUS_OK);
    assert_int_equal(items.count, 0);
    CLEANUP(json_flat_release)
    struct json_flat foreign =
        flat("{\"Item\":{\"l\":{\"L\":[]},\"z\":{\"NULL\":true},\"zz\":{\"ZZ\":\"1\"},"
             "\"pk\":{\"S\":\"p\"}}}");
    assert_status(dynamodb_wire_parse_item(&foreign, "Item", &items), STATUS_OK);
    assert_int_equal(items.items[0].count, 1);
    assert_string_equal(items.items[0].attributes[0].name, "pk");
    dynamodb_wire_items_release(&items);

    CLEANUP(json_flat_release)
    struct json_flat wide =
        flat("{\"Item\":{\"a\":{\"S\":\"1\"},\"b\":{\"S\":\"1\"},\"c\":{\"S\":\"1\"},"
             "\"d\":{\"S\":\"1\"},\"e\":{\"S\":\"1\"},\"f\":{\"S\":\"1\"},\"g\":{\"S\":\"1\"},"
             "\"h\":{\"S\":\"1\"},\"i\":{\"S\":\"1\"}}}");
    assert_status(dynamodb_wire_parse_item(&wide, "Item", &items), STATUS_OK);
    assert_int_equal(items.items[0].count, DYNAMODB_ATTRIBUTES_MAX);
}

static void test_broken_items(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "{\"Item\":[]}",
        "{\"Item\":null}",
        "{\"Item\":\"x\"}",
        "{\"Item\":{\"a\":null}}",
        "{\"Item\":{\"a\":{}}}",
        "{\"Item\":{\"a\":{\"S\":\"x\",\"N\":\"1\"}}}",
        "{\"Item\":{\"a\":{\"S\":1}}}",
        "{\"Item\":{\"a\":{\"N\":1}}}",
        "{\"Item\":{\"a\":{\"N\":\"\"}}}",
        "{\"Item\":{\"a\":{\"B\":\"not base64!!\"}}}",
        "{\"Item\":{\"a\":{\"B\":null}}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        CLEANUP(json_flat_release) struct json_flat json = flat(broken[i]);
        struct dynamodb_wire_items items = {0};
        if (dynamodb_wire_parse_item(&json, "Item", &items) != STATUS_INVALID)
            fail_msg("%s is taken", broken[i]);
        assert_null(items.items);
    }
}

static void test_query_answers(void **state)
{
    (void)state;
    struct slice more_after = SLICE_LITERAL("untouched");
    CLEANUP(dynamodb_wire_items_release) struct dynamodb_wire_items items = {0};
    const char *page = "{\"Items\":[" ENVELOPE_JSON ",{\"pk\":{\"S\":\"p\"},\"sk\":{\"S\":\"z\"},"
                       "\"e\":{\"B\":\"\"}}],\"Count\":2,"
                       "\"LastEvaluatedKey\":{\"pk\":{\"S\":\"p\"},\"sk\":{\"S\":\"z\"}}}";
    CLEANUP(json_flat_release) struct json_flat json = flat(page);
    assert_status(dynamodb_wire_parse_query(&json, &items, &more_after), STATUS_OK);
    assert_int_equal(items.count, 2);
    assert_slice_equal(more_after, "z");
    assert_slice_equal(dynamodb_item_get(&items.items[1], "sk")->value, "z");
    assert_int_equal(dynamodb_item_get(&items.items[1], "e")->value.len, 0);
    assert_memory_equal(dynamodb_item_get(&items.items[0], "e")->value.ptr, "\x00\x01\xfe\xff", 4);
    dynamodb_wire_items_release(&items);

    CLEANUP(json_flat_release)
    struct json_flat empty =
        flat("{\"Items\":[],\"LastEvaluatedKey\":{\"pk\":{\"S\":\"p\"},\"sk\":{\"S\":\"m\"}}}");
    assert_status(dynamodb_wire_parse_query(&empty, &items, &more_after), STATUS_OK);
    assert_int_equal(items.count, 0);
    assert_slice_equal(more_after, "m");
    dynamodb_wire_items_release(&items);

    CLEANUP(json_flat_release) struct json_flat last = flat("{\"Items\":[]}");
    assert_status(dynamodb_wire_parse_query(&last, &items, &more_after), STATUS_OK);
    assert_true(slice_is_null(more_after));
    dynamodb_wire_items_release(&items);

    static const char *const broken[] = {
        "{}",
        "{\"Items\":{}}",
        "{\"Items\":null}",
        "{\"Items\":[1]}",
        "{\"Items\":[],\"LastEvaluatedKey\":{}}",
        "{\"Items\":[],\"LastEvaluatedKey\":{\"pk\":{\"S\":\"p\"}}}",
        "{\"Items\":[],\"LastEvaluatedKey\":7}",
        "{\"Items\":[{\"e\":{\"B\":\"####\"}}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        CLEANUP(json_flat_release) struct json_flat bad = flat(broken[i]);
        if (dynamodb_wire_parse_query(&bad, &items, &more_after) != STATUS_INVALID)
            fail_msg("%s is taken", broken[i]);
    }
}

/* Many binary values: none moves when the next is decoded. */
static void test_large_page(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf page;
    buf_init(&page, 4 * MIB);
    buf_append_str(&page, "{\"Items\":[");
    for (int i = 0; i < 2000; i++)
        buf_printf(&page, "%s{\"sk\":{\"S\":\"%05d\"},\"e\":{\"B\":\"QUJDREVGR0hJSktMTU5PUA==\"}}",
                   i == 0 ? "" : ",", i);
    buf_append_str(&page, "]}");
    CLEANUP(json_flat_release) struct json_flat json = flat(buf_text(&page));
    CLEANUP(dynamodb_wire_items_release) struct dynamodb_wire_items items = {0};
    struct slice more_after;
    assert_status(dynamodb_wire_parse_query(&json, &items, &more_after), STATUS_OK);
    assert_int_equal(items.count, 2000);
    for (size_t i = 0; i < items.count; i++)
        assert_slice_equal(dynamodb_item_get(&items.items[i], "e")->value, "ABCDEFGHIJKLMNOP");
}

/* --- tables ---------------------------------------------------------------------------------- */

#define TABLE(status, range, type)                                                                 \
    "{\"Table\":{\"TableStatus\":\"" status "\",\"KeySchema\":[{\"AttributeName\":\"pk\","         \
    "\"KeyType\":\"HASH\"},{\"AttributeName\":\"" range "\",\"KeyType\":\"RANGE\"}],"              \
    "\"AttributeDefinitions\":[{\"AttributeName\":\"sk\",\"AttributeType\":\"" type "\"},"         \
    "{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"}]}}"

static void test_table_answers(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool active;
        bool ours;
    } cases[] = {
        {TABLE("ACTIVE", "sk", "S"), true, true},    {TABLE("UPDATING", "sk", "S"), true, true},
        {TABLE("CREATING", "sk", "S"), false, true}, {TABLE("ACTIVE", "other", "S"), true, false},
        {TABLE("ACTIVE", "sk", "N"), true, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) cJSON *json = parse(cases[i].body);
        struct dynamodb_table_info info = {0};
        assert_status(dynamodb_wire_parse_table(json, &info), STATUS_OK);
        assert_int_equal(info.active, cases[i].active);
        assert_int_equal(info.keys_are_ours, cases[i].ours);
        assert_false(info.ttl_known);
    }
    CLEANUP(json_freep) cJSON *nothing = parse("{\"Table\":{}}");
    struct dynamodb_table_info info = {0};
    assert_status(dynamodb_wire_parse_table(nothing, &info), STATUS_INVALID);
}

static void test_ttl_answers(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool enabled;
    } cases[] = {
        {"{\"TimeToLiveDescription\":{\"TimeToLiveStatus\":\"ENABLED\","
         "\"AttributeName\":\"expires\"}}",
         true},
        {"{\"TimeToLiveDescription\":{\"TimeToLiveStatus\":\"ENABLED\","
         "\"AttributeName\":\"ttl\"}}",
         false},
        {"{\"TimeToLiveDescription\":{\"TimeToLiveStatus\":\"DISABLED\"}}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) cJSON *json = parse(cases[i].body);
        struct dynamodb_table_info info = {0};
        assert_status(dynamodb_wire_parse_ttl(json, &info), STATUS_OK);
        assert_true(info.ttl_known);
        assert_int_equal(info.ttl_enabled, cases[i].enabled);
    }
    CLEANUP(json_freep) cJSON *nothing = parse("{}");
    struct dynamodb_table_info info = {0};
    assert_status(dynamodb_wire_parse_ttl(nothing, &info), STATUS_INVALID);
}

static void test_units(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        double units;
    } cases[] = {
        {"{\"ConsumedCapacity\":{\"CapacityUnits\":2.5}}", 2.5},
        {"{\"ConsumedCapacity\":[{\"CapacityUnits\":3},{\"CapacityUnits\":0.5}]}", 3.5},
        {"{\"ConsumedCapacity\":{\"CapacityUnits\":-1}}", 0},
        {"{\"ConsumedCapacity\":{\"CapacityUnits\":\"x\"}}", 0},
        {"{}", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_freep) cJSON *json = parse(cases[i].body);
        double units = dynamodb_wire_units(json);
        assert_true(units >= cases[i].units && units <= cases[i].units);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_put_request), cmocka_unit_test(test_put_request),
        cmocka_unit_test(test_update_request),    cmocka_unit_test(test_read_requests),
        cmocka_unit_test(test_batch_answers),     cmocka_unit_test(test_keys_do_not_run_together),
        cmocka_unit_test(test_whole_call_failed), cmocka_unit_test(test_item_round_trip),
        cmocka_unit_test(test_numbers),           cmocka_unit_test(test_absent_and_foreign_items),
        cmocka_unit_test(test_broken_items),      cmocka_unit_test(test_query_answers),
        cmocka_unit_test(test_large_page),        cmocka_unit_test(test_table_answers),
        cmocka_unit_test(test_ttl_answers),       cmocka_unit_test(test_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
