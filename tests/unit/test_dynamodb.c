#include "tests/harness/unit.h"

#include "common/dynamodb.h"
#include "tests/harness/http_script.h"

struct play {
    int status;
    const char *body;
};

struct fixture {
    struct loop *loop;
    struct http *http;
    struct aws_credentials *credentials;
    struct dynamodb *dynamodb;
    struct http_script *script;
    const struct play *plays; /* the last one is repeated */
    size_t play_count;
    unsigned requests;
    char targets[4][64];

    unsigned done;
    struct dynamodb_put_result results[DYNAMODB_BATCH_ITEMS_MAX];
    size_t count;
    struct error error;
    bool has_item;
    bool more;
    char text[64];
    struct dynamodb_table_info info;
};

static void on_script(void *ctx, const struct http_script_request *request,
                      struct http_script_answer *answer)
{
    struct fixture *f = ctx;
    const struct play *play = &f->plays[MIN(f->requests, f->play_count - 1)];
    snprintf(f->targets[MIN(f->requests, 3)], sizeof(f->targets[0]), "%.*s",
             SLICE_ARG(http_script_header(request, "X-Amz-Target")));
    f->requests++;
    http_script_reply(answer, play->status, "", play->body);
}

static void fixture_init(struct fixture *f, const struct play *plays, size_t play_count)
{
    *f = (struct fixture){.plays = plays, .play_count = play_count};
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    f->loop = loop_new();
    f->http =
        http_new(f->loop, &(struct http_options){.connections_max = 8, .connect_timeout_ms = 2000});
    f->credentials = aws_credentials_new(f->loop, f->http, "eu-west-1");
    f->script = http_script_new(f->loop, on_script, f);
    struct aws_settings settings = {.attempts_max = 1};
    struct endpoint_query query = {
        .service = ENDPOINT_DYNAMODB,
        .region = SLICE_LITERAL("eu-west-1"),
        .custom_url = slice_from_str(http_script_url(f->script)),
    };
    assert_status(endpoint_resolve(&query, &settings.dynamodb, NULL), STATUS_OK);
    f->dynamodb = dynamodb_new(f->loop, f->http, f->credentials, &settings, 1);
}

#define PLAYS(f, ...)                                                                              \
    static const struct play plays_[] = {__VA_ARGS__};                                             \
    fixture_init(&(f), plays_, ARRAY_LEN(plays_))

static void fixture_end(struct fixture *f)
{
    dynamodb_free(f->dynamodb);
    aws_credentials_free(f->credentials);
    http_free(f->http);
    http_script_free(f->script);
    assert_status(loop_free(f->loop), STATUS_OK);
}

static void end(struct fixture *f)
{
    f->done++;
    loop_stop(f->loop);
}

static void run(struct fixture *f)
{
    unsigned before = f->done;
    loop_run(f->loop);
    assert_int_equal(f->done, before + 1);
}

static double units(const struct fixture *f)
{
    const struct aws_operation_stats *stats;
    assert_true(aws_client_stats(dynamodb_client(f->dynamodb), &stats) >= 1);
    return stats->billable_units;
}

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
    end(f);
}

static void on_item(void *ctx, const struct dynamodb_item *got, const struct error *error)
{
    struct fixture *f = ctx;
    f->error = *error;
    f->has_item = got != NULL;
    const struct dynamodb_attribute *fence = got == NULL ? NULL : dynamodb_item_get(got, "fence");
    if (fence != NULL)
        snprintf(f->text, sizeof(f->text), "%.*s", SLICE_ARG(fence->value));
    end(f);
}

static void test_batch_with_unprocessed_items(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, {200, "{\"UnprocessedItems\":{\"t\":[{\"PutRequest\":{\"Item\":{\"pk\":{\"S\":\"p\"},"
                   "\"sk\":{\"S\":\"b\"},\"e\":{\"B\":\"AQI=\"}}}}]},"
                   "\"ConsumedCapacity\":[{\"TableName\":\"t\",\"CapacityUnits\":7.0}]}"});
    const struct dynamodb_item items[] = {item("a"), item("b"), item("c")};
    dynamodb_batch_put(f.dynamodb, "t", items, 3, false, on_batch, &f);
    run(&f);
    assert_string_equal(f.targets[0], "DynamoDB_20120810.BatchWriteItem");
    assert_int_equal(f.count, 3);
    assert_int_equal(f.results[0].outcome, OUTCOME_DONE);
    assert_int_equal(f.results[1].outcome, OUTCOME_FAILED);
    assert_int_equal(f.results[1].error.kind, ERROR_THROTTLED);
    assert_int_equal(f.results[2].outcome, OUTCOME_DONE);
    assert_true(units(&f) == 7.0);
    const struct aws_operation_stats *stats;
    aws_client_stats(dynamodb_client(f.dynamodb), &stats);
    assert_int_equal(stats->throttles, 1);
    fixture_end(&f);
}

static void test_failed_batch_fails_every_item(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, {400, "{\"__type\":\"com.amazon.coral.validate#ValidationException\"}"},
          {500, "{\"__type\":\"x#InternalServerError\"}"},
          {200, "{\"UnprocessedItems\":{},\"a\":"});
    const struct dynamodb_item items[] = {item("a"), item("b")};
    static const enum error_kind kinds[] = {ERROR_PERMANENT, ERROR_UNKNOWN, ERROR_UNKNOWN};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        dynamodb_batch_put(f.dynamodb, "t", items, 2, false, on_batch, &f);
        run(&f);
        assert_int_equal(f.results[0].error.kind, kinds[i]);
        assert_int_equal(f.results[1].error.kind, kinds[i]);
    }
    fixture_end(&f);
}

static void test_failed_condition_shows_the_item(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f,
          {400, "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException\","
                "\"Message\":\"The conditional request failed\","
                "\"Item\":{\"pk\":{\"S\":\"p\"},\"fence\":{\"S\":\"f7\"}}}"},
          {400, "{\"__type\":\"x#ConditionalCheckFailedException\",\"Item\":7}"});
    struct dynamodb_write write = {.item = item("a"), .condition = "attribute_not_exists(pk)"};
    dynamodb_put(f.dynamodb, "t", &write, on_item, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_PERMANENT);
    assert_string_equal(f.error.code, "ConditionalCheckFailedException");
    assert_true(f.has_item);
    assert_string_equal(f.text, "f7");
    dynamodb_update(f.dynamodb, "t", &write, on_item, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_PERMANENT);
    assert_false(f.has_item);
    assert_string_equal(f.targets[1], "DynamoDB_20120810.UpdateItem");
    fixture_end(&f);
}

static void test_written_items(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, {200, "{\"ConsumedCapacity\":{\"CapacityUnits\":1}}"},
          {200, "{\"Attributes\":{\"fence\":{\"S\":\"before\"}}}"}, {200, "{\"Attributes\":[]}"});
    struct dynamodb_write write = {.item = item("a")};
    dynamodb_put(f.dynamodb, "t", &write, on_item, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_false(f.has_item);
    dynamodb_put(f.dynamodb, "t", &write, on_item, &f);
    run(&f);
    assert_string_equal(f.text, "before");
    dynamodb_put(f.dynamodb, "t", &write, on_item, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_UNKNOWN);
    assert_true(units(&f) == 1.0);
    fixture_end(&f);
}

static void test_get(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f, {200, "{}"}, {200, "{\"Item\":{\"fence\":{\"S\":\"x\"}}}"}, {200, "{\"Item\":3}"});
    dynamodb_get(f.dynamodb, "t", SLICE_LITERAL("p"), SLICE_LITERAL("-"), on_item, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_NONE);
    assert_false(f.has_item);
    dynamodb_get(f.dynamodb, "t", SLICE_LITERAL("p"), SLICE_LITERAL("-"), on_item, &f);
    run(&f);
    assert_true(f.has_item);
    dynamodb_get(f.dynamodb, "t", SLICE_LITERAL("p"), SLICE_LITERAL("-"), on_item, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_RETRY);
    fixture_end(&f);
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
    end(f);
}

static void test_query_pages(void **state)
{
    (void)state;
    struct fixture f;
    PLAYS(f,
          {200, "{\"Items\":[{\"e\":{\"B\":\"AQI=\"}},{\"e\":{\"B\":\"AQI=\"}}],"
                "\"LastEvaluatedKey\":{\"pk\":{\"S\":\"p\"},\"sk\":{\"S\":\"k\"}},"
                "\"ConsumedCapacity\":{\"CapacityUnits\":2.5}}"},
          {200, "{\"Items\":[],\"LastEvaluatedKey\":{\"pk\":{\"S\":\"p\"},\"sk\":{\"S\":\"m\"}}}"},
          {200, "{\"Items\":[]}"}, {200, "{}"});
    struct dynamodb_query_spec spec = {.table = "t", .pk = SLICE_LITERAL("p")};
    static const struct {
        size_t count;
        const char *more_after;
        enum error_kind kind;
    } expected[] = {
        {2, "k", ERROR_NONE}, {0, "m", ERROR_NONE}, {0, "", ERROR_NONE}, {0, "", ERROR_RETRY}};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        dynamodb_query(f.dynamodb, &spec, on_query, &f);
        run(&f);
        assert_int_equal(f.error.kind, expected[i].kind);
        assert_int_equal(f.count, expected[i].count);
        assert_int_equal(f.more, expected[i].more_after[0] != '\0');
        assert_string_equal(f.text, expected[i].more_after);
    }
    assert_true(units(&f) == 2.5);
    fixture_end(&f);
}

static void on_table(void *ctx, const struct dynamodb_table_info *info, const struct error *error)
{
    struct fixture *f = ctx;
    f->error = *error;
    f->has_item = info != NULL;
    if (info != NULL)
        f->info = *info;
    end(f);
}

#define TABLE                                                                                      \
    "{\"Table\":{\"TableStatus\":\"ACTIVE\",\"KeySchema\":[{\"AttributeName\":\"pk\","             \
    "\"KeyType\":\"HASH\"},{\"AttributeName\":\"sk\",\"KeyType\":\"RANGE\"}],"                     \
    "\"AttributeDefinitions\":[{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"},"                \
    "{\"AttributeName\":\"sk\",\"AttributeType\":\"S\"}]}}"

static void test_describe(void **state)
{
    (void)state;
    static const struct {
        struct play ttl;
        bool known;
        bool enabled;
        enum error_kind kind;
    } cases[] = {
        {{200, "{\"TimeToLiveDescription\":{\"TimeToLiveStatus\":\"ENABLED\","
               "\"AttributeName\":\"expires\"}}"},
         true,
         true,
         ERROR_NONE},
        {{400, "{\"__type\":\"x#UnknownOperationException\"}"}, false, false, ERROR_NONE},
        {{400, "{\"__type\":\"x#AccessDeniedException\"}"}, false, false, ERROR_NONE},
        {{500, "{}"}, false, false, ERROR_RETRY},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fixture f;
        const struct play plays[] = {{200, TABLE}, cases[i].ttl};
        fixture_init(&f, plays, 2);
        dynamodb_describe(f.dynamodb, "t", on_table, &f);
        run(&f);
        assert_string_equal(f.targets[0], "DynamoDB_20120810.DescribeTable");
        assert_string_equal(f.targets[1], "DynamoDB_20120810.DescribeTimeToLive");
        assert_int_equal(f.error.kind, cases[i].kind);
        assert_int_equal(f.has_item, cases[i].kind == ERROR_NONE);
        assert_int_equal(f.info.ttl_known, cases[i].known);
        assert_int_equal(f.info.ttl_enabled, cases[i].enabled);
        assert_int_equal(f.info.keys_are_ours, f.has_item);
        fixture_end(&f);
    }
    struct fixture f;
    PLAYS(f, {400, "{\"__type\":\"x#ResourceNotFoundException\"}"});
    dynamodb_describe(f.dynamodb, "t", on_table, &f);
    run(&f);
    assert_int_equal(f.error.kind, ERROR_PERMANENT);
    assert_int_equal(f.requests, 1);
    fixture_end(&f);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
