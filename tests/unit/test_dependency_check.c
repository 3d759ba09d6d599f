#include "tests/harness/aws_rig.h"

#include "common/dependency_check.h"
#include "common/log.h"
#include "common/mem.h"

#define BUCKET_MS 60000

/* The test stands in for the program: these two are all that a check asks of it. */
struct program {
    struct log *log;
    struct loop *loop;
    unsigned checked;
    enum program_check result;
    struct buf problems;
};

struct log *program_log(struct program *program)
{
    return program->log;
}

void program_checked(struct program *program, enum program_check result, const struct buf *problems)
{
    program->checked++;
    program->result = result;
    buf_clear(&program->problems);
    buf_append_slice(&program->problems, buf_slice(problems));
    loop_stop(program->loop);
}

/* What the servers answer with status 200; else `failure`, with `status`. */
struct world {
    struct program program;
    struct dependency_check check;
    struct aws_rig rig;
    int status;
    const char *failure;
    const char *attributes; /* of every queue */
    const char *table_status;
    const char *ttl_status;
    const char *meta; /* "Item", or nothing */
    char *url;
    struct dependency_queue queue;
};

static PRINTF_LIKE(2, 3) void reply_json(struct http_script_answer *answer, const char *format, ...)
{
    char body[1024];
    va_list args;
    va_start(args, format);
    assert_in_range(vsnprintf(body, sizeof(body), format, args), 2, sizeof(body) - 1);
    va_end(args);
    http_script_reply(answer, 200, "", body);
}

static void on_request(void *ctx, const struct http_script_request *request,
                       struct http_script_answer *answer)
{
    const struct world *w = ctx;
    struct slice target = http_script_header(request, "X-Amz-Target");
    if (w->status != 200)
        http_script_reply(answer, w->status, "", w->failure);
    else if (slice_equal_str(target, "AmazonSQS.GetQueueUrl"))
        reply_json(answer, "{\"QueueUrl\":\"%s/1/q\"}", http_script_url(w->rig.script));
    else if (slice_equal_str(target, "AmazonSQS.GetQueueAttributes"))
        reply_json(answer, "{\"Attributes\":{%s}}", w->attributes);
    else if (slice_equal_str(target, "DynamoDB_20120810.DescribeTable"))
        reply_json(answer,
                   "{\"Table\":{\"TableStatus\":\"%s\",\"KeySchema\":[{\"AttributeName\":\"pk\","
                   "\"KeyType\":\"HASH\"},{\"AttributeName\":\"sk\",\"KeyType\":\"RANGE\"}],"
                   "\"AttributeDefinitions\":[{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"},"
                   "{\"AttributeName\":\"sk\",\"AttributeType\":\"S\"}]}}",
                   w->table_status);
    else if (slice_equal_str(target, "DynamoDB_20120810.GetItem"))
        reply_json(answer, "{%s}", w->meta);
    else
        reply_json(answer,
                   "{\"TimeToLiveDescription\":{\"TimeToLiveStatus\":\"%s\","
                   "\"AttributeName\":\"expires\"}}",
                   w->ttl_status);
}

static int set_up(void **state)
{
    struct world *w = mem_calloc(1, sizeof(*w));
    w->status = 200;
    w->attributes = "";
    w->table_status = "ACTIVE";
    w->ttl_status = "ENABLED";
    w->meta = "";
    aws_rig_init_served(&w->rig, on_request, w);
    w->program = (struct program){.log = log_new("test", LOG_ERROR), .loop = w->rig.loop};
    buf_init(&w->program.problems, 64 * KIB);
    dependency_check_init(&w->check, &w->program);
    w->queue = (struct dependency_queue){.variable = "QUEUE", .name = "q", .url = &w->url};
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    aws_rig_release(&w->rig);
    log_free(w->program.log);
    dependency_check_release(&w->check);
    buf_release(&w->program.problems);
    mem_free(w->url);
    mem_free(w);
    return 0;
}

static void ask(struct world *w, int64_t bucket_ms)
{
    unsigned before = w->program.checked;
    dependency_check_begin(&w->check, NULL, NULL);
    dependency_check_queue(&w->check, w->rig.sqs, &w->queue);
    dependency_check_table(&w->check, w->rig.dynamodb, "t", bucket_ms);
    dependency_check_asked(&w->check);
    assert_int_equal(w->program.checked, before);
    loop_run(w->rig.loop);
    assert_int_equal(w->program.checked, before + 1);
}

#define FIFO "\"FifoQueue\":\"true\""
#define PER_GROUP                                                                                  \
    FIFO ",\"DeduplicationScope\":\"messageGroup\",\"FifoThroughputLimit\":\"perMessageGroupId\""
#define PER_QUEUE FIFO ",\"DeduplicationScope\":\"queue\",\"FifoThroughputLimit\":\"perQueue\""

static void queues_are_judged(void **state)
{
    struct world *w = *state;
    static const struct {
        bool is_fifo;
        bool is_per_group;
        bool is_large;
        const char *attributes;
        const char *problem; /* NULL: none */
    } cases[] = {
        {false, false, true, "\"MaximumMessageSize\":\"1048576\"", NULL},
        {false, false, true, "\"MaximumMessageSize\":\"262144\"", "MaximumMessageSize"},
        {false, false, false, "\"MaximumMessageSize\":\"262144\"", NULL},
        {false, false, false, FIFO, "standard queue is needed"},
        {false, false, false, "\"DelaySeconds\":\"5\"", NULL}, /* each message names its own */
        {false, false, false, "\"RedrivePolicy\":\"{}\"", "redrive policy"},
        {true, false, false, "", "FIFO queue is needed"},
        {true, false, false, FIFO, NULL},
        {true, true, false, FIFO, NULL}, /* a server that does not tell */
        {true, true, false, PER_QUEUE, "high-throughput"},
        {true, true, false, PER_GROUP, NULL},
        {true, false, false, FIFO ",\"DelaySeconds\":\"5\"", "DelaySeconds"},
        {true, false, false, FIFO ",\"RedrivePolicy\":\"{}\"", "redrive policy"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        w->attributes = cases[i].attributes;
        w->queue.is_fifo = cases[i].is_fifo;
        w->queue.is_per_group = cases[i].is_per_group;
        w->queue.is_large = cases[i].is_large;
        ask(w, BUCKET_MS);
        const char *problems = buf_text(&w->program.problems);
        bool is_good = cases[i].problem == NULL;
        if (w->program.result != (is_good ? PROGRAM_CHECK_OK : PROGRAM_CHECK_CONFIG) ||
            (is_good ? *problems != '\0' : strstr(problems, cases[i].problem) == NULL))
            fail_msg("case %zu: %d, %s", i, w->program.result, problems);
        assert_string_equal(w->url + strlen(http_script_url(w->rig.script)), "/1/q");
    }
}

static void the_table_is_judged_by_who_writes_it(void **state)
{
    struct world *w = *state;
    w->table_status = "CREATING";
    ask(w, BUCKET_MS);
    assert_int_equal(w->program.result, PROGRAM_CHECK_UNAVAILABLE);
    w->ttl_status = "DISABLED";
    ask(w, BUCKET_MS);
    assert_int_equal(w->program.result, PROGRAM_CHECK_CONFIG); /* the worse of the two */
    assert_non_null(strstr(buf_text(&w->program.problems), "not active"));
    assert_non_null(strstr(buf_text(&w->program.problems), "TTL"));
    ask(w, 0);
    assert_int_equal(w->program.result, PROGRAM_CHECK_OK);
}

#define META(more) "\"Item\":{\"pk\":{\"S\":\"meta\"},\"shards\":{\"N\":\"8\"}" more "}"

static void a_table_with_other_buckets_is_refused(void **state)
{
    struct world *w = *state;
    w->meta = META(",\"bucket_ms\":{\"N\":\"90000\"}");
    ask(w, BUCKET_MS);
    assert_int_equal(w->program.result, PROGRAM_CHECK_CONFIG);
    const char *problems = buf_text(&w->program.problems);
    assert_non_null(strstr(problems, "DELAYLINE_BUCKET=1m: "));
    assert_non_null(strstr(problems, "set DELAYLINE_BUCKET=90s"));
    ask(w, 90000);
    assert_int_equal(w->program.result, PROGRAM_CHECK_OK);
    ask(w, 0); /* the relay reads no bucket */
    assert_int_equal(w->program.result, PROGRAM_CHECK_OK);
    w->meta = META(""); /* set up before meta named it */
    ask(w, BUCKET_MS);
    assert_int_equal(w->program.result, PROGRAM_CHECK_OK);
}

static void what_does_not_exist_is_a_mistake_and_all_else_may_pass(void **state)
{
    struct world *w = *state;
    static const struct {
        int status;
        const char *failure;
        enum program_check result;
    } cases[] = {
        {400, "{\"__type\":\"x#QueueDoesNotExist\"}", PROGRAM_CHECK_CONFIG},
        {403, "{\"__type\":\"x#AccessDenied\"}", PROGRAM_CHECK_UNAVAILABLE},
        {503, "", PROGRAM_CHECK_UNAVAILABLE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        w->status = cases[i].status;
        w->failure = cases[i].failure;
        ask(w, BUCKET_MS);
        assert_int_equal(w->program.result, cases[i].result);
        assert_non_null(strstr(buf_text(&w->program.problems), "QUEUE=q: "));
        assert_non_null(strstr(buf_text(&w->program.problems), "DELAYLINE_TABLE=t: "));
    }
    w->status = 200;
    ask(w, BUCKET_MS);
    assert_int_equal(w->program.result, PROGRAM_CHECK_OK);
    assert_string_equal(buf_text(&w->program.problems), "");
}

static void find_more(void *ctx)
{
    struct world *w = ctx;
    struct error error;
    assert_int_equal(w->program.checked, 0);
    error_set(&error, ERROR_RETRY, "DOWN", "first line\nsecond line");
    dependency_check_error(&w->check, "BROKERS", "b", &error);
}

static void what_blocks_comes_last_and_a_problem_is_one_line(void **state)
{
    struct world *w = *state;
    dependency_check_begin(&w->check, find_more, w);
    dependency_check_queue(&w->check, w->rig.sqs, &w->queue);
    dependency_check_asked(&w->check);
    loop_run(w->rig.loop);
    assert_int_equal(w->program.checked, 1);
    assert_int_equal(w->program.result, PROGRAM_CHECK_UNAVAILABLE);
    assert_string_equal(buf_text(&w->program.problems), "BROKERS=b: DOWN: first line\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(queues_are_judged),
        TEST(the_table_is_judged_by_who_writes_it),
        TEST(a_table_with_other_buckets_is_refused),
        TEST(what_does_not_exist_is_a_mistake_and_all_else_may_pass),
        TEST(what_blocks_comes_last_and_a_problem_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
