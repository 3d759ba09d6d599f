#include "tests/harness/aws_rig.h"

struct fixture {
    struct aws_rig rig;
    struct dynamodb *dynamodb;
    struct dynamodb_put_result results[DYNAMODB_BATCH_ITEMS_MAX];
    size_t count;
    struct error error;
    bool has_item;
    bool more;
    char text[64];
    struct dynamodb_table_info info;
};

#define PLAYS(f, ...)                                                                              \
    *(f) = (struct fixture){0};                                                                    \
    AWS_RIG_PLAYS(&(f)->rig, __VA_ARGS__);                                                         \
    (f)->dynamodb = (f)->rig.dynamodb

static struct dynamodb_item item(const char *sk)
{
    return (struct dynamodb_item){
        .attributes = {{"pk", DYNAMODB_S, SLICE_LITERAL("p")},
                       {"sk", DYNAMODB_S, slice_from_str(sk)},
                       {"e", DYNAMODB_B, SLICE_LITERAL("\x01\x02")}},
        .count = 3,
    };
}

static void on_batch(void *ctx, const struct dynamodb_put_result *results, size_t count)
{
    struct fixture *f = ctx;
    memcpy(f->results, results, count * sizeof(results[0]));
    f->count = count;
    aws_rig_end_call(&f->rig);
}

static void on_item(void *ctx, const struct dynamodb_item *got, const struct error *error)
{
    struct fixture *f = ctx;
    f->error = *error;
    f->has_item = got != NULL;
    const struct dynamodb_attribute *fence = got == NULL ? NULL : dynamodb_item_get(got, "fence");
    if (fence != NULL)
        snprintf(f->text, sizeof(f->text), "%.*s", SLICE_ARG(fence->value));
    aws_rig_end_call(&f->rig);
}

static void test_batch_with_unprocessed_items(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f,
          {.status = 200,
           .body = "{\"UnprocessedItems\":{\"t\":[{\"PutRequest\":{\"Item\":{\"pk\":{\"S\":\"p\"},"
                   "\"sk\":{\"S\":\"b\"},\"e\":{\"B\":\"AQI=\"}}}}]},"
                   "\"ConsumedCapacity\":[{\"TableName\":\"t\",\"CapacityUnits\":7.0}]}"});
    const struct dynamodb_item items[] = {item("a"), item("b"), item("c")};
    dynamodb_batch_put(f.dynamodb, "t", items, 3, false, on_batch, &f);
    aws_rig_run(&f.rig);
    assert_string_equal(f.rig.targets[0], "DynamoDB_20120810.BatchWriteItem");
    assert_int_equal(f.count, 3);
    assert_int_equal(f.results[0].outcome, OUTCOME_DONE);
    assert_int_equal(f.results[1].outcome, OUTCOME_FAILED);
    assert_int_equal(f.results[1].error.kind, ERROR_THROTTLED);
    assert_int_equal(f.results[2].outcome, OUTCOME_DONE);
    assert_true(aws_rig_stats(dynamodb_client(f.dynamodb))->billable_units == 7.0);
    assert_int_equal(aws_rig_stats(dynamodb_client(f.dynamodb))->throttles, 1);
    aws_rig_release(&f.rig);
}

static void test_failed_batch_fails_every_item(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f,
          {.status = 400, .body = "{\"__type\":\"com.amazon.coral.validate#ValidationException\"}"},
          {.status = 500, .body = "{\"__type\":\"x#InternalServerError\"}"},
          {.status = 200, .body = "{\"UnprocessedItems\":{},\"a\":"});
    const struct dynamodb_item items[] = {item("a"), item("b")};
    static const enum error_kind kinds[] = {ERROR_PERMANENT, ERROR_UNKNOWN, ERROR_UNKNOWN};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        dynamodb_batch_put(f.dynamodb, "t", items, 2, false, on_batch, &f);
        aws_rig_run(&f.rig);
        assert_int_equal(f.results[0].error.kind, kinds[i]);
        assert_int_equal(f.results[1].error.kind, kinds[i]);
    }
    aws_rig_release(&f.rig);
}

static void test_failed_condition_shows_the_item(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f,
          {.status = 400,
           .body =
               "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException\","
               "\"Message\":\"The conditional request failed\","
               "\"Item\":{\"pk\":{\"S\":\"p\"},\"fence\":{\"S\":\"f7\"}}}"},
          {.status = 400, .body = "{\"__type\":\"x#ConditionalCheckFailedException\",\"Item\":7}"});
    struct dynamodb_write write = {.item = item("a"), .condition = "attribute_not_exists(pk)"};
    dynamodb_put(f.dynamodb, "t", &write, on_item, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_PERMANENT);
    assert_string_equal(f.error.code, "ConditionalCheckFailedException");
    assert_true(f.has_item);
    assert_string_equal(f.text, "f7");
    dynamodb_update(f.dynamodb, "t", &write, on_item, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_PERMANENT);
    assert_false(f.has_item);
    assert_string_equal(f.rig.targets[1], "DynamoDB_20120810.UpdateItem");
    aws_rig_release(&f.rig);
}

static void test_written_items(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f, {.status = 200, .body = "{\"ConsumedCapacity\":{\"CapacityUnits\":1}}"},
          {.status = 200, .body = "{\"Attributes\":{\"fence\":{\"S\":\"before\"}}}"},
          {.status = 200, .body = "{\"Attributes\":[]}"});
    struct dynamodb_write write = {.item = item("a")};
    dynamodb_put(f.dynamodb, "t", &write, on_item, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_false(f.has_item);
    dynamodb_put(f.dynamodb, "t", &write, on_item, &f);
    aws_rig_run(&f.rig);
    assert_string_equal(f.text, "before");
    dynamodb_put(f.dynamodb, "t", &write, on_item, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_UNKNOWN);
    assert_true(aws_rig_stats(dynamodb_client(f.dynamodb))->billable_units == 1.0);
    aws_rig_release(&f.rig);
}

static void test_get(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f, {.status = 200, .body = "{}"},
          {.status = 200, .body = "{\"Item\":{\"fence\":{\"S\":\"x\"}}}"},
          {.status = 200, .body = "{\"Item\":3}"});
    dynamodb_get(f.dynamodb, "t", SLICE_LITERAL("p"), SLICE_LITERAL("-"), on_item, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_false(f.has_item);
    dynamodb_get(f.dynamodb, "t", SLICE_LITERAL("p"), SLICE_LITERAL("-"), on_item, &f);
    aws_rig_run(&f.rig);
    assert_true(f.has_item);
    dynamodb_get(f.dynamodb, "t", SLICE_LITERAL("p"), SLICE_LITERAL("-"), on_item, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_RETRY);
    aws_rig_release(&f.rig);
}

static void on_query(void *ctx, const struct dynamodb_item *items, size_t count, bool more,
                     struct slice more_after, const struct error *error)
{
    struct fixture *f = ctx;
    f->error = *error;
    f->count = count;
    f->more = more;
    snprintf(f->text, sizeof(f->text), "%.*s", SLICE_ARG(more_after));
    for (size_t i = 0; i < count; i++)
        assert_slice_equal(dynamodb_item_get(&items[i], "e")->value, "\x01\x02");
    aws_rig_end_call(&f->rig);
}

static void test_query_pages(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(
        &f,
        {.status = 200,
         .body = "{\"Items\":[{\"e\":{\"B\":\"AQI=\"}},{\"e\":{\"B\":\"AQI=\"}}],"
                 "\"LastEvaluatedKey\":{\"pk\":{\"S\":\"p\"},\"sk\":{\"S\":\"k\"}},"
                 "\"ConsumedCapacity\":{\"CapacityUnits\":2.5}}"},
        {.status = 200,
         .body = "{\"Items\":[],\"LastEvaluatedKey\":{\"pk\":{\"S\":\"p\"},\"sk\":{\"S\":\"m\"}}}"},
        {.status = 200, .body = "{\"Items\":[]}"}, {.status = 200, .body = "{}"});
    struct dynamodb_query_spec spec = {.table = "t", .pk = SLICE_LITERAL("p")};
    static const struct {
        size_t count;
        const char *more_after;
        enum error_kind kind;
    } expected[] = {
        {2, "k", ERROR_NONE}, {0, "m", ERROR_NONE}, {0, "", ERROR_NONE}, {0, "", ERROR_RETRY}};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        dynamodb_query(f.dynamodb, &spec, on_query, &f);
        aws_rig_run(&f.rig);
        assert_int_equal(f.error.kind, expected[i].kind);
        assert_int_equal(f.count, expected[i].count);
        assert_int_equal(f.more, expected[i].more_after[0] != '\0');
        assert_string_equal(f.text, expected[i].more_after);
    }
    assert_true(aws_rig_stats(dynamodb_client(f.dynamodb))->billable_units == 2.5);
    aws_rig_release(&f.rig);
}

static void on_table(void *ctx, const struct dynamodb_table_info *info, const struct error *error)
{
    struct fixture *f = ctx;
    f->error = *error;
    f->has_item = info != NULL;
    if (info != NULL)
        f->info = *info;
    aws_rig_end_call(&f->rig);
}

#define TABLE                                                                                      \
    "{\"Table\":{\"TableStatus\":\"ACTIVE\",\"KeySchema\":[{\"AttributeName\":\"pk\","             \
    "\"KeyType\":\"HASH\"},{\"AttributeName\":\"sk\",\"KeyType\":\"RANGE\"}],"                     \
    "\"AttributeDefinitions\":[{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"},"                \
    "{\"AttributeName\":\"sk\",\"AttributeType\":\"S\"}]}}"

struct ttl_case {
    struct aws_play ttl;
    bool known;
    bool enabled;
    enum error_kind kind;
};

static void describe(const struct ttl_case *c)
{
    const struct aws_play plays[] = {{.status = 200, .body = TABLE}, c->ttl};
    struct fixture f = {0};
    aws_rig_init(&f.rig, plays, ARRAY_LEN(plays));
    dynamodb_describe(f.rig.dynamodb, "t", on_table, &f);
    aws_rig_run(&f.rig);
    assert_string_equal(f.rig.targets[0], "DynamoDB_20120810.DescribeTable");
    assert_string_equal(f.rig.targets[1], "DynamoDB_20120810.DescribeTimeToLive");
    assert_int_equal(f.error.kind, c->kind);
    assert_int_equal(f.has_item, c->kind == ERROR_NONE);
    assert_int_equal(f.info.ttl_known, c->known);
    assert_int_equal(f.info.ttl_enabled, c->enabled);
    assert_int_equal(f.info.keys_are_ours, f.has_item);
    aws_rig_release(&f.rig);
}

static void test_describe(void **state)
{
    (void)state;
    static const struct ttl_case cases[] = {
        {{.status = 200,
          .body = "{\"TimeToLiveDescription\":{\"TimeToLiveStatus\":\"ENABLED\","
                  "\"AttributeName\":\"expires\"}}"},
         true,
         true,
         ERROR_NONE},
        {{.status = 400, .body = "{\"__type\":\"x#UnknownOperationException\"}"},
         false,
         false,
         ERROR_NONE},
        {{.status = 400, .body = "{\"__type\":\"x#AccessDeniedException\"}"},
         false,
         false,
         ERROR_NONE},
        {{.status = 500, .body = "{}"}, false, false, ERROR_RETRY},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        describe(&cases[i]);
}

static void test_describe_what_is_not_there(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(&f, {.status = 400, .body = "{\"__type\":\"x#ResourceNotFoundException\"}"});
    dynamodb_describe(f.dynamodb, "t", on_table, &f);
    aws_rig_run(&f.rig);
    assert_int_equal(f.error.kind, ERROR_PERMANENT);
    assert_int_equal(f.rig.requests, 1);
    aws_rig_release(&f.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_with_unprocessed_items),
        cmocka_unit_test(test_failed_batch_fails_every_item),
        cmocka_unit_test(test_failed_condition_shows_the_item),
        cmocka_unit_test(test_written_items),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_query_pages),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_describe_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
