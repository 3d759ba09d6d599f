/* Rebalances. kafka_rig.h says what the mock cluster's groups are good for. */
#include "tests/harness/unit.h"

#include "tests/harness/kafka_rig.h"

#define ROUND_TRIP_MS 300 /* a follower has so long to answer before its leader */

static const struct kafka_property tells_joins = {"debug", "cgrp"};

/* --- one member ------------------------------------------------------------------------------ */

/* While the group joins, records go on coming and being handed over: the member may not lose its
 * assignment by that, and none of them comes again, neither then nor after a restart. */
static void a_rebalance_repeats_nothing(void **state)
{
    struct kafka_rig *rig = *state;
    struct kafka_member *member = &rig->members[0];
    rig->commits_each = true;
    kafka_rig_join(rig, 0, &tells_joins);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    for (int round = 0; round < 2; round++) {
        kafka_rig_rebalance(rig);
        kafka_rig_produce(rig, 200);
        kafka_rig_run_until(rig, kafka_rig_all_received);
    }
    kafka_rig_leave(rig, 0);
    assert_int_equal(member->losses, 0);
    assert_int_equal(member->revokes, 1);
    kafka_rig_join(rig, 1, NULL);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    assert_int_equal(rig->repeats, 0);
}

/* The commit that leaving itself makes would wait behind the JoinGroup, and be refused then. */
static void leaving_during_a_join_repeats_nothing(void **state)
{
    struct kafka_rig *rig = *state;
    rig->commits_each = true;
    kafka_rig_join(rig, 0, &tells_joins);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    kafka_rig_rebalance(rig);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    kafka_rig_leave(rig, 0);
    kafka_rig_join(rig, 1, NULL);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    assert_int_equal(rig->repeats, 0);
}

static void a_member_that_dies_leaves_no_trace_here(void **state)
{
    struct kafka_rig *rig = *state;
    kafka_rig_produce(rig, 100);
    kafka_rig_join(rig, 0, NULL);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    kafka_consumer_free(rig->members[0].consumer); /* without leaving */
    rig->members[0].consumer = NULL;
}

/* --- two members ----------------------------------------------------------------------------- */

static void share(struct kafka_rig *rig, const struct kafka_property *protocol)
{
    rig->repeats_allowed = true; /* nobody commits here */
    kafka_rig_join(rig, 0, protocol);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    kafka_rig_join(rig, 1, protocol);
    kafka_rig_run_until(rig, kafka_rig_is_shared);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    assert_true(rig->members[1].records > 0);
    kafka_rig_leave(rig, 0);
    assert_true(rig->members[0].revokes >= 2);
    kafka_rig_run_until(rig, kafka_rig_second_has_all);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_all_received);
}

static void two_members_share_cooperatively(void **state)
{
    share(*state, NULL);
}

static void two_members_share_eagerly(void **state)
{
    const struct kafka_property eager = {"partition.assignment.strategy", "range"};
    share(*state, &eager);
}

/* What one gives up the other begins behind the commit. */
static void joining_and_leaving_repeats_nothing(void **state)
{
    struct kafka_rig *rig = *state;
    rig->commits_each = true;
    kafka_rig_join(rig, 0, NULL);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    kafka_rig_slow(rig, ROUND_TRIP_MS);
    kafka_rig_join(rig, 1, NULL);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    kafka_rig_run_until(rig, kafka_rig_is_shared);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    kafka_rig_leave(rig, 0);
    kafka_rig_produce(rig, 200);
    kafka_rig_run_until(rig, kafka_rig_second_has_all);
    kafka_rig_run_until(rig, kafka_rig_all_received);
    assert_int_equal(rig->repeats, 0);
    assert_int_equal(rig->members[0].losses + rig->members[1].losses, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kafka_rig_set_up, kafka_rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rebalance_repeats_nothing),
        TEST(leaving_during_a_join_repeats_nothing),
        TEST(a_member_that_dies_leaves_no_trace_here),
        TEST(two_members_share_cooperatively),
        TEST(two_members_share_eagerly),
        TEST(joining_and_leaving_repeats_nothing),
    };
    return run_side_by_side(tests, ARRAY_LEN(tests));
}
