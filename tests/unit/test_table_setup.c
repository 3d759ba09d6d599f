/* The calls behind table_setup_core, against a table of the test's own. */
#include "tests/harness/aws_rig.h"

#include "common/table.h"
#include "common/table_setup.h"
#include "tests/harness/vectors.h"

#define SHARDS    5
#define BUCKET_MS INT64_C(60000)

#define CONDITION_FAILED "{\"__type\":\"x#ConditionalCheckFailedException\"}"

struct fixture {
    struct aws_rig rig;
    struct table_setup *setup;

    const char *meta;             /* what GetItem gives */
    const char *meta_later;       /* from the second GetItem on; NULL: the same */
    const char *cursor_failure;   /* of the cursor of shard 1; NULL: put */
    const char *others_failure;   /* of all other cursors */
    unsigned meta_writes_refused; /* so many find that another program was faster */

    unsigned reads;
    unsigned cursors; /* a bit for each that was put */
    unsigned meta_writes;
    char meta_operation[64];
    struct buf meta_body;

    struct table_setup_result result;
    bool has_result;
    struct error error;
};

static void reply_item(struct http_script_answer *answer, const char *item)
{
    CLEANUP(buf_release) struct buf body;
    buf_init(&body, 4096);
    buf_printf(&body, "{%s}", item);
    http_script_reply(answer, 200, "", buf_text(&body));
}

static void serve_cursor(struct fixture *f, const cJSON *item, struct http_script_answer *answer)
{
    const char *pk = vectors_text(json_get_object(item, TABLE_PK), "S");
    unsigned shard = (unsigned)(pk[strlen("cursor#")] - '0');
    assert_memory_equal(pk, "cursor#", strlen("cursor#"));
    assert_true(shard < 10 && (f->cursors & 1U << shard) == 0);
    assert_int_equal(f->meta_writes, 0); /* meta comes after all of them */
    assert_string_equal(vectors_text(json_get_object(item, TABLE_SK), "S"), "-");
    assert_string_equal(vectors_text(json_get_object(item, TABLE_PLACE), "S"), "");
    assert_string_equal(vectors_text(json_get_object(item, TABLE_FENCE), "S"), "");
    int64_t bucket = strtoll(vectors_text(json_get_object(item, TABLE_BUCKET), "N"), NULL, 10);
    assert_in_range(table_bucket(loop_now(f->rig.loop).wall.ms, BUCKET_MS) - bucket, 0, 1);
    f->cursors |= 1U << shard;
    const char *failure = shard == 1 ? f->cursor_failure : f->others_failure;
    http_script_reply(answer, failure == NULL ? 200 : 400, "", failure == NULL ? "{}" : failure);
}

static void serve_meta_write(struct fixture *f, const char *operation, struct slice body,
                             struct http_script_answer *answer)
{
    f->meta_writes++;
    snprintf(f->meta_operation, sizeof(f->meta_operation), "%s", operation);
    buf_clear(&f->meta_body);
    buf_append_slice(&f->meta_body, body);
    if (f->meta_writes <= f->meta_writes_refused) {
        f->cursors = 0; /* the round begins anew */
        f->meta_writes_refused--;
        f->meta_writes = 0;
        http_script_reply(answer, 400, "", CONDITION_FAILED);
    } else {
        http_script_reply(answer, 200, "", "{}");
    }
}

static void on_request(void *ctx, const struct http_script_request *request,
                       struct http_script_answer *answer)
{
    struct fixture *f = ctx;
    CLEANUP(json_freep) cJSON *body = NULL;
    assert_status(json_parse(request->body, &body, NULL), STATUS_OK);
    assert_string_equal(vectors_text(body, "TableName"), "t");
    struct slice target = http_script_header(request, "X-Amz-Target");
    const cJSON *item = json_get_object(body, "Item");
    if (slice_equal_str(target, "DynamoDB_20120810.GetItem")) {
        assert_true(json_get_bool(body, "ConsistentRead", false));
        reply_item(answer, f->reads++ > 0 && f->meta_later != NULL ? f->meta_later : f->meta);
    } else if (slice_equal_str(target, "DynamoDB_20120810.UpdateItem")) {
        serve_meta_write(f, "UpdateItem", request->body, answer);
    } else {
        assert_slice_equal(target, "DynamoDB_20120810.PutItem");
        assert_string_equal(vectors_text(body, "ConditionExpression"),
                            "attribute_not_exists(" TABLE_PK ")");
        if (strcmp(vectors_text(json_get_object(item, TABLE_PK), "S"), "meta") == 0)
            serve_meta_write(f, "PutItem", request->body, answer);
        else
            serve_cursor(f, item, answer);
    }
}

static void on_done(void *ctx, const struct table_setup_result *result, const struct error *error)
{
    struct fixture *f = ctx;
    f->setup = NULL;
    f->error = *error;
    assert_int_equal(result == NULL, error->kind != ERROR_NONE);
    f->has_result = result != NULL;
    if (result != NULL)
        f->result = *result;
    aws_rig_end_call(&f->rig);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->meta = "";
    buf_init(&f->meta_body, 4096);
    aws_rig_init_served(&f->rig, on_request, f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    dynamodb_free(f->rig.dynamodb);
    f->rig.dynamodb = NULL;
    table_setup_cancel(f->setup);
    aws_rig_release(&f->rig);
    buf_release(&f->meta_body);
    free(f);
    return 0;
}

static void start(struct fixture *f)
{
    f->setup = table_setup_start(f->rig.loop, f->rig.dynamodb, "t", SHARDS, BUCKET_MS, on_done, f);
    assert_int_equal(f->rig.done, 0); /* never from within */
}

static void run(struct fixture *f)
{
    start(f);
    aws_rig_run(&f->rig);
}

#define META(shards, most, bucket)                                                                 \
    "\"Item\":{\"pk\":{\"S\":\"meta\"},\"sk\":{\"S\":\"-\"},\"shards\":{\"N\":\"" shards           \
    "\"},\"shards_most\":{\"N\":\"" most "\"}" bucket "}"
#define BUCKET(ms) ",\"" TABLE_BUCKET_MS "\":{\"N\":\"" ms "\"}"

static void a_new_table_gets_cursors_then_meta(void **state)
{
    struct fixture *f = *state;
    run(f);
    assert_int_equal(f->error.kind, ERROR_NONE);
    assert_int_equal(f->result.shards, SHARDS);
    assert_int_equal(f->result.shards_most, SHARDS);
    assert_int_equal(f->cursors, (1U << SHARDS) - 1);
    assert_int_equal(f->meta_writes, 1);
    assert_string_equal(f->meta_operation, "PutItem");
    assert_non_null(strstr(buf_text(&f->meta_body), "\"shards\":{\"N\":\"5\"}"));
    assert_non_null(strstr(buf_text(&f->meta_body), "\"shards_most\":{\"N\":\"5\"}"));
    assert_non_null(strstr(buf_text(&f->meta_body), "\"" TABLE_BUCKET_MS "\":{\"N\":\"60000\"}"));
}

/* Cursors that stand are left alone; those of shards that are no longer written to are made sure of
 * too. */
static void what_stands_is_left_alone(void **state)
{
    struct fixture *f = *state;
    f->meta = META("5", "7", BUCKET("60000"));
    f->cursor_failure = f->others_failure = CONDITION_FAILED;
    run(f);
    assert_int_equal(f->error.kind, ERROR_NONE);
    assert_int_equal(f->result.shards, SHARDS);
    assert_int_equal(f->result.shards_most, 7);
    assert_int_equal(f->cursors, (1U << 7) - 1);
    assert_int_equal(f->meta_writes, 0);
}

static void another_number_of_shards_is_written_under_what_was_read(void **state)
{
    struct fixture *f = *state;
    f->meta = META("3", "4", BUCKET("60000"));
    run(f);
    assert_int_equal(f->error.kind, ERROR_NONE);
    assert_int_equal(f->result.shards_most, SHARDS);
    assert_string_equal(f->meta_operation, "UpdateItem");
    const char *body = buf_text(&f->meta_body);
    assert_non_null(strstr(body, "shards = :a AND shards_most = :b"));
    assert_non_null(strstr(body, "{\"N\":\"3\"}"));
    assert_non_null(strstr(body, "{\"N\":\"4\"}"));
    assert_non_null(strstr(body, "{\"N\":\"5\"}"));
}

static void another_program_was_faster(void **state)
{
    struct fixture *f = *state;
    f->meta_writes_refused = 1;
    f->meta_later = META("5", "6", BUCKET("60000"));
    run(f);
    assert_int_equal(f->error.kind, ERROR_NONE);
    assert_int_equal(f->reads, 2);
    assert_int_equal(f->result.shards_most, 6);
    assert_int_equal(f->cursors, (1U << 6) - 1);
}

static void a_failure_ends_it_when_all_have_answered(void **state)
{
    struct fixture *f = *state;
    f->cursor_failure = "{\"__type\":\"x#AccessDeniedException\",\"message\":\"no\"}";
    run(f);
    assert_int_equal(f->error.kind, ERROR_AUTH);
    assert_string_equal(f->error.code, "AccessDeniedException");
    assert_int_equal(f->cursors, (1U << SHARDS) - 1);
    assert_int_equal(f->meta_writes, 0);
    f->cursor_failure = NULL; /* it may be started anew */
    f->cursors = 0;
    f->rig.done = 0;
    run(f);
    assert_int_equal(f->error.kind, ERROR_NONE);
}

static void a_meta_that_makes_no_sense_is_refused(void **state)
{
    static const char *const metas[] = {
        META("0", "4", ""),
        META("5", "4", ""),
        META("5", "100000", ""),
        META("-1", "4", ""),
        META("5", "1e1", ""),
        META("5", "6", BUCKET("-3")),
        "\"Item\":{\"pk\":{\"S\":\"meta\"},\"sk\":{\"S\":\"-\"}}",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(metas); i++) {
        f->meta = metas[i];
        f->rig.done = 0;
        run(f);
        if (f->error.kind != ERROR_PERMANENT || strcmp(f->error.code, "TableSetup") != 0)
            fail_msg("%s: %s %s", metas[i], error_kind_name(f->error.kind), f->error.code);
        assert_int_equal(f->cursors, 0);
    }
}

static void another_bucket_is_told_to_whoever_configured_it(void **state)
{
    struct fixture *f = *state;
    f->meta = META("5", "5", BUCKET("30000"));
    run(f);
    assert_int_equal(f->error.kind, ERROR_PERMANENT);
    assert_string_equal(f->error.code, TABLE_SETUP_CODE_MISMATCH);
    assert_non_null(strstr(f->error.text, "DELAYLINE_BUCKET=1m"));
    assert_non_null(strstr(f->error.text, "30s"));
    assert_int_equal(f->cursors + f->meta_writes, 0);
}

static void cancelled_it_says_nothing(void **state)
{
    struct fixture *f = *state;
    start(f); /* tear_down frees the client with a call under way, and cancels */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_table_gets_cursors_then_meta),
        TEST(what_stands_is_left_alone),
        TEST(another_number_of_shards_is_written_under_what_was_read),
        TEST(another_program_was_faster),
        TEST(a_failure_ends_it_when_all_have_answered),
        TEST(a_meta_that_makes_no_sense_is_refused),
        TEST(another_bucket_is_told_to_whoever_configured_it),
        TEST(cancelled_it_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
