#include "tests/unit/kafka_model_world.h"

#define PARTITIONS 4

static int set_up(void **state)
{
    *state = make_model(PARTITIONS);
    return 0;
}

/* By partition: '.' not mine, 'k' kept, 'a' added, 'r' revoked. */
struct claims {
    char types[PARTITIONS + 1];
    struct kafka_model_membership membership;
};

static void on_claim(void *ctx, const struct kafka_model_claim *claim)
{
    struct claims *claims = ctx;
    claims->types[claim->partition] = "kar"[claim->type];
}

static struct claims claims_of(struct kafka_model *model, uint64_t member, int64_t now_ms)
{
    struct claims claims = {.types = "...."};
    assert_kafka(
        kafka_model_assignment(model, GROUP, member, now_ms, on_claim, &claims, &claims.membership),
        NONE);
    return claims;
}

static uint64_t join(struct kafka_model *model, uint64_t member, int64_t now_ms)
{
    struct kafka_model_join spec = membership(member);
    uint64_t id = 0;
    assert_kafka(kafka_model_join(model, &spec, now_ms, &id), NONE);
    return id;
}

static void assert_claims(struct kafka_model *model, uint64_t member, int64_t now_ms,
                          const char *types)
{
    assert_string_equal(claims_of(model, member, now_ms).types, types);
}

static enum kafka_model_error commit(struct kafka_model *model, uint64_t member, int32_t generation,
                                     int64_t offset, enum kafka_model_fault_type fault,
                                     int64_t now_ms)
{
    struct kafka_model_position position = {TOPIC, 0, offset};
    struct kafka_model_commit spec = {
        .group = GROUP,
        .member = member,
        .generation = generation,
        .positions = &position,
        .count = 1,
        .fault = {.type = fault, .error = KAFKA_MODEL_REQUEST_TIMED_OUT}};
    struct kafka_model_committed committed;
    kafka_model_commit(model, &spec, now_ms, &committed);
    return committed.error;
}

static int64_t committed(struct kafka_model *model, int64_t now_ms)
{
    int64_t offset = 0;
    assert_kafka(kafka_model_fetch_committed(model, GROUP, TOPIC, 0, now_ms, &offset), NONE);
    return offset;
}

static void test_cooperative_moves_in_two_phases(void **state)
{
    struct kafka_model *model = *state;
    uint64_t a = join(model, 0, T0);
    assert_claims(model, a, T0, "aaaa");
    assert_claims(model, a, T0, "kkkk");
    uint64_t b = join(model, 0, T0);
    assert_true(claims_of(model, b, T0).membership.pending);
    assert_kafka(kafka_model_heartbeat(model, GROUP, a, 1, T0), REBALANCE_IN_PROGRESS);
    join(model, a, T0 + 1);
    assert_claims(model, b, T0 + 1, "....");
    assert_claims(model, a, T0 + 1, "kkrr");
    assert_kafka(kafka_model_heartbeat(model, GROUP, a, 2, T0 + 1), NONE);
    join(model, a, T0 + 2);
    assert_kafka(kafka_model_heartbeat(model, GROUP, b, 2, T0 + 2), REBALANCE_IN_PROGRESS);
    join(model, b, T0 + 2);
    assert_claims(model, a, T0 + 2, "kk..");
    assert_claims(model, b, T0 + 2, "..aa");
    assert_int_equal(claims_of(model, b, T0 + 2).membership.generation, 3);
}

/* It may hold what it has not been told to give up. */
static void test_nothing_moves_from_a_member_that_was_not_told(void **state)
{
    struct kafka_model *model = *state;
    uint64_t a = join(model, 0, T0);
    assert_claims(model, a, T0, "aaaa");
    uint64_t b = join(model, 0, T0);
    join(model, a, T0);
    join(model, b, T0);
    join(model, a, T0);
    assert_claims(model, b, T0, "....");
    assert_claims(model, a, T0, "kkrr");
}

static void test_eager_gives_everything_back_first(void **state)
{
    struct kafka_model *model = *state;
    struct kafka_model_join spec = membership(KAFKA_MODEL_NO_MEMBER);
    spec.eager = true;
    uint64_t a;
    uint64_t b;
    assert_kafka(kafka_model_join(model, &spec, T0, &a), NONE);
    assert_claims(model, a, T0, "aaaa");
    assert_kafka(kafka_model_join(model, &spec, T0, &b), NONE);
    spec.member = a;
    assert_kafka(kafka_model_join(model, &spec, T0, &a), NONE);
    assert_claims(model, a, T0, "aa..");
    assert_claims(model, b, T0, "..aa");
    spec = membership(KAFKA_MODEL_NO_MEMBER);
    assert_kafka(kafka_model_join(model, &spec, T0, &a), INCONSISTENT_GROUP_PROTOCOL);
}

static void test_leaving_frees_at_once(void **state)
{
    struct kafka_model *model = *state;
    uint64_t a = join(model, 0, T0);
    uint64_t b = join(model, 0, T0);
    join(model, a, T0);
    assert_claims(model, a, T0, "aa..");
    assert_claims(model, b, T0, "..aa");
    assert_kafka(kafka_model_leave(model, GROUP, a, T0), NONE);
    assert_kafka(kafka_model_leave(model, GROUP, a, T0), UNKNOWN_MEMBER_ID);
    join(model, b, T0);
    assert_claims(model, b, T0, "aakk");
}

static void test_session_timeout(void **state)
{
    struct kafka_model *model = *state;
    uint64_t a = join(model, 0, T0);
    uint64_t b = join(model, 0, T0);
    join(model, a, T0);
    assert_claims(model, a, T0, "aa..");
    assert_claims(model, b, T0, "..aa");
    assert_int_equal(kafka_model_next_ms(model), T0 + 10 * SECOND);
    assert_kafka(kafka_model_heartbeat(model, GROUP, b, 2, T0 + 9 * SECOND), NONE);
    assert_kafka(kafka_model_heartbeat(model, GROUP, b, 2, T0 + 10 * SECOND),
                 REBALANCE_IN_PROGRESS);
    assert_kafka(kafka_model_heartbeat(model, GROUP, a, 2, T0 + 10 * SECOND), UNKNOWN_MEMBER_ID);
    join(model, b, T0 + 10 * SECOND);
    assert_claims(model, b, T0 + 10 * SECOND, "aakk");
}

static void test_rebalance_timeout(void **state)
{
    struct kafka_model *model = *state;
    uint64_t a = join(model, 0, T0);
    assert_claims(model, a, T0, "aaaa");
    uint64_t b = join(model, 0, T0);
    for (int64_t now = T0; now < T0 + 60 * SECOND; now += SECOND)
        assert_kafka(kafka_model_heartbeat(model, GROUP, a, 1, now), REBALANCE_IN_PROGRESS);
    assert_kafka(kafka_model_heartbeat(model, GROUP, a, 1, T0 + 60 * SECOND), UNKNOWN_MEMBER_ID);
    assert_claims(model, b, T0 + 60 * SECOND, "aaaa");
    struct kafka_model_join spec = membership(a);
    assert_kafka(kafka_model_join(model, &spec, T0 + 60 * SECOND, &a), UNKNOWN_MEMBER_ID);
}

static void test_waits(void **state)
{
    (void)state;
    struct kafka_model *model = kafka_model_new(&(struct kafka_model_options){
        .auto_create = PARTITIONS, .first_rebalance_ms = 3 * SECOND, .sync_ms = 20});
    int32_t partitions;
    assert_kafka(kafka_model_metadata(model, TOPIC, &partitions), NONE);
    uint64_t a = join(model, 0, T0);
    uint64_t b = join(model, 0, T0 + SECOND);
    assert_int_equal(kafka_model_next_ms(model), T0 + 3 * SECOND);
    int64_t start = T0 + 3 * SECOND;
    assert_int_equal(claims_of(model, a, start - 1).membership.generation, 0);
    struct claims claims = claims_of(model, a, start);
    assert_true(claims.membership.pending);
    assert_int_equal(claims.membership.generation, 1);
    assert_kafka(commit(model, a, 1, 5, KAFKA_MODEL_FAULT_NONE, start), REBALANCE_IN_PROGRESS);
    assert_claims(model, a, start + 20, "a.a.");
    assert_claims(model, b, start + 20, ".a.a");
    kafka_model_free(model);
}

static void test_commits(void **state)
{
    struct kafka_model *model = *state;
    assert_int_equal(committed(model, T0), KAFKA_MODEL_NO_OFFSET);
    assert_kafka(commit(model, KAFKA_MODEL_NO_MEMBER, 0, 1, KAFKA_MODEL_FAULT_NONE, T0), NONE);
    uint64_t a = join(model, 0, T0);
    assert_claims(model, a, T0, "aaaa");
    assert_kafka(commit(model, KAFKA_MODEL_NO_MEMBER, 0, 2, KAFKA_MODEL_FAULT_NONE, T0),
                 UNKNOWN_MEMBER_ID);
    assert_kafka(commit(model, a + 1, 1, 2, KAFKA_MODEL_FAULT_NONE, T0), UNKNOWN_MEMBER_ID);
    assert_kafka(commit(model, a, 0, 2, KAFKA_MODEL_FAULT_NONE, T0), ILLEGAL_GENERATION);
    assert_int_equal(committed(model, T0), 1);
    uint64_t b = join(model, 0, T0);
    assert_kafka(commit(model, a, 1, 2, KAFKA_MODEL_FAULT_NONE, T0), NONE); /* while joining */
    assert_int_equal(committed(model, T0), 2);
    join(model, a, T0);
    assert_kafka(commit(model, a, 1, 3, KAFKA_MODEL_FAULT_NONE, T0), ILLEGAL_GENERATION);
    assert_kafka(commit(model, a, 2, 4, KAFKA_MODEL_FAULT_LOSE_REQUEST, T0), UNANSWERED);
    assert_int_equal(committed(model, T0), 2);
    assert_kafka(commit(model, a, 2, 5, KAFKA_MODEL_FAULT_LOSE_ANSWER, T0), UNANSWERED);
    assert_int_equal(committed(model, T0), 5);
    assert_kafka(commit(model, a, 2, 6, KAFKA_MODEL_FAULT_REFUSE, T0), REQUEST_TIMED_OUT);
    assert_int_equal(committed(model, T0), 5);
    assert_kafka(commit(model, b, 2, 4, KAFKA_MODEL_FAULT_NONE, T0), NONE); /* nobody looks */
    assert_int_equal(committed(model, T0), 4);
    kafka_model_forget_offsets(model, GROUP);
    assert_int_equal(committed(model, T0), KAFKA_MODEL_NO_OFFSET);
    assert_kafka(commit(model, b, 2, 4, KAFKA_MODEL_FAULT_NONE, T0), NONE);
    assert_kafka(kafka_model_delete_topic(model, TOPIC), NONE);
    assert_int_equal(committed(model, T0), KAFKA_MODEL_NO_OFFSET);
    assert_kafka(commit(model, b, 2, 4, KAFKA_MODEL_FAULT_NONE, T0), UNKNOWN_TOPIC_OR_PARTITION);
}

static void test_coordinator_moves_and_stops(void **state)
{
    struct kafka_model *model = *state;
    uint64_t a = join(model, 0, T0);
    kafka_model_move_coordinator(model, GROUP, 1, T0 + SECOND);
    assert_kafka(commit(model, a, 1, 2, KAFKA_MODEL_FAULT_NONE, T0), NOT_COORDINATOR);
    assert_kafka(commit(model, a, 1, 2, KAFKA_MODEL_FAULT_NONE, T0 + SECOND), NONE);
    kafka_model_stop_broker(model, 1, T0 + 3 * SECOND);
    assert_kafka(kafka_model_heartbeat(model, GROUP, a, 1, T0 + 2 * SECOND), TRANSPORT);
    assert_kafka(kafka_model_heartbeat(model, GROUP, a, 1, T0 + 3 * SECOND), NONE);
    assert_int_equal(committed(model, T0 + 3 * SECOND), 2);
}

static void test_new_partitions_come_with_the_next_rebalance(void **state)
{
    struct kafka_model *model = *state;
    assert_kafka(kafka_model_delete_topic(model, TOPIC), NONE);
    uint64_t a = join(model, 0, T0);
    assert_claims(model, a, T0, "....");
    struct kafka_model_topic_options options = {.partitions = 2};
    assert_kafka(kafka_model_create_topic(model, TOPIC, &options), NONE);
    join(model, a, T0);
    assert_claims(model, a, T0, "aa..");
    assert_kafka(kafka_model_add_partitions(model, TOPIC, 4), NONE);
    assert_claims(model, a, T0, "kk..");
    join(model, a, T0);
    assert_claims(model, a, T0, "kkaa");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_cooperative_moves_in_two_phases),
        TEST(test_nothing_moves_from_a_member_that_was_not_told),
        TEST(test_eager_gives_everything_back_first),
        TEST(test_leaving_frees_at_once),
        TEST(test_session_timeout),
        TEST(test_rebalance_timeout),
        cmocka_unit_test(test_waits),
        TEST(test_commits),
        TEST(test_coordinator_moves_and_stops),
        TEST(test_new_partitions_come_with_the_next_rebalance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
