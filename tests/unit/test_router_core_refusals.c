/* Large records, rejected records, refused records, paths at fault; and a random world. */
#include "tests/harness/router_rig.h"

static int64_t large(struct rig *rig, int64_t delay_ms)
{
    return rig_record_verdict(rig, 0, delay_ms, rig->large_bytes, ROUTER_RECORD_LARGE);
}

static void parts_come_before_the_reference(void **state)
{
    (void)state;
    for (int far = 0; far < 2; far++) {
        struct rig *rig = rig_start(NULL);
        large(rig, far ? RIG_MINUTES(20) : RIG_MINUTES(1));
        struct rig_call *call = rig_call(rig, ROUTER_TABLE);
        assert_int_equal(call->count, 3);
        rig_sleep(rig, 5000);
        assert_int_equal(rig->sends, 1); /* the rig checks that no reference goes first */
        rig_answer(rig, call, ROUTER_RESULT_DONE);
        assert_int_equal(rig->core->stats.parts_stored, 3);
        call = rig_call(rig, far ? ROUTER_TABLE : ROUTER_SQS);
        assert_int_equal(call->entries[0].part, ROUTER_WHOLE);
        rig_end(rig);
    }
}

static void failed_parts_are_sent_again_alone(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    large(rig, RIG_MINUTES(1));
    enum router_result results[3] = {ROUTER_RESULT_DONE, ROUTER_RESULT_THROTTLED,
                                     ROUTER_RESULT_UNKNOWN};
    rig_answer_each(rig, rig_call(rig, ROUTER_TABLE), results);
    rig_sleep(rig, 1000);
    struct rig_call *call = rig_call(rig, ROUTER_TABLE);
    assert_int_equal(call->count, 2);
    assert_int_equal(call->entries[0].part, 1);
    assert_int_equal(call->entries[1].part, 2);
    assert_null(rig_call(rig, ROUTER_SQS));
    rig_end(rig);
}

static void many_parts_take_several_calls(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig->large_bytes = BLOB_PART_BYTES_MAX * 60;
    large(rig, RIG_MINUTES(1));
    assert_int_equal(rig->calls_open, 3);
    assert_int_equal(rig->entries, 60);
    rig_end(rig);
}

static void a_refused_part_dead_letters_its_record(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    int64_t offset = large(rig, RIG_MINUTES(1));
    rig_ledger(rig, 0, offset)->guilty = true;
    enum router_result results[3] = {ROUTER_RESULT_DONE, ROUTER_RESULT_REFUSED, ROUTER_RESULT_DONE};
    rig_answer_each(rig, rig_call(rig, ROUTER_TABLE), results);
    struct rig_call *call = rig_call(rig, ROUTER_TABLE);
    assert_int_equal(call->count, 1); /* alone, to be sure */
    assert_int_equal(call->entries[0].part, 1);
    rig_answer(rig, call, ROUTER_RESULT_REFUSED);
    assert_int_equal(rig_ledger(rig, 0, offset)->dead, 1);
    rig_end(rig);
}

static void a_rejected_record_is_dead_lettered_and_blocks_nobody(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig->hold_dead = true;
    rig_record_verdict(rig, 0, 0, 100, ROUTER_RECORD_REJECTED);
    rig_record(rig, 0, 0, 100);
    assert_int_equal(rig->dead_count, 1);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    rig_sleep(rig, 2000);
    assert_int_equal(rig->committed[0], -1);
    rig_report_dead(rig, OUTCOME_FAILED);
    assert_true(rig->core->dead_letter_blocked);
    assert_int_equal(rig->dead_count, 0);
    rig_sleep(rig, 1000);
    assert_int_equal(rig->dead_count, 1); /* again */
    rig_report_dead(rig, OUTCOME_UNKNOWN);
    rig_sleep(rig, 1000);
    rig_report_dead(rig, OUTCOME_DONE);
    assert_false(rig->core->dead_letter_blocked);
    rig_sleep(rig, 1000);
    assert_int_equal(rig->committed[0], 2);
    rig_end(rig);
}

static void splitting_finds_the_guilty_record(void **state)
{
    (void)state;
    const int64_t guilty[][2] = {{0, 0}, {63, 63}, {17, 17}, {3, 40}, {10, 11}};
    for (size_t i = 0; i < ARRAY_LEN(guilty); i++) {
        struct rig *rig = rig_start(NULL);
        for (int k = 0; k < 64; k++) /* not in due order */
            rig_record(rig, 0, RIG_MINUTES(2) + k * 37 % 64, 100);
        for (int k = 0; k < 2; k++)
            rig_ledger(rig, 0, guilty[i][k])->guilty = true;
        rig_settle(rig, RIG_MINUTES(1));
        assert_int_equal(rig_ledger(rig, 0, guilty[i][0])->dead, 1);
        assert_int_equal(rig_ledger(rig, 0, guilty[i][1])->dead, 1);
        assert_int_equal(rig->committed[0], 64);
        assert_true(rig->sends < 40);
        rig_end(rig);
    }
}

static void the_parts_of_a_split_long_envelope_are_items_of_their_own(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig_record(rig, 0, RIG_MINUTES(30), 100);
    rig_record(rig, 0, RIG_MINUTES(30), 100);
    rig_ledger(rig, 0, 1)->guilty = true;
    rig_sleep(rig, 1000);
    struct rig_call *call = rig_call(rig, ROUTER_TABLE);
    int64_t written_ms = call->entries[0].written_ms;
    rig_answer(rig, call, ROUTER_RESULT_RETRY);
    rig_sleep(rig, 1000);
    call = rig_call(rig, ROUTER_TABLE);
    assert_int_equal(call->entries[0].written_ms, written_ms); /* the same item */
    rig_answer_honestly(rig, call);
    assert_true(rig_call(rig, ROUTER_TABLE)->entries[0].written_ms > written_ms);
    rig_end(rig);
}

static void a_refusal_in_company_is_tried_alone_before_it_is_believed(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig_record(rig, 0, 0, 100);
    for (int i = 1; i <= 10; i++)
        rig_record(rig, 0, -1000 * i, 100);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_REFUSED); /* the whole call */
    for (uint32_t i = 0; i < RIG_CALLS; i++)
        assert_true(!rig->calls[i].open || rig->calls[i].count == 1);
    rig_end(rig); /* none was guilty: none is dead-lettered */
}

static void a_path_at_fault_stops_and_nothing_is_dead_lettered(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    for (int i = 0; i < 200; i++)
        rig_record(rig, 0, -1000 * i, 100);
    for (struct rig_call *call; (call = rig_call(rig, ROUTER_SQS)) != NULL;)
        rig_answer(rig, call, ROUTER_RESULT_BLOCKED);
    assert_true(rig->core->services[ROUTER_SQS].blocked);
    uint64_t sends = rig->sends;
    rig_sleep(rig, rig->limits.blocked_retry_ms - 1);
    assert_int_equal(rig->sends, sends);
    rig_sleep(rig, 1);
    assert_int_equal(rig->sends, sends + 1); /* one probe */
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_BLOCKED);
    assert_int_equal(rig->calls_open, 0);
    rig_sleep(rig, rig->limits.blocked_retry_ms);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    assert_false(rig->core->services[ROUTER_SQS].blocked);
    assert_true(rig->calls_open > 1);
    assert_int_equal(rig->core->stats.dead_lettered, 0);
    rig_end(rig);
}

static void when_everything_is_refused_only_a_few_are_believed(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    for (int i = 0; i < 200; i++) {
        int64_t offset = rig_record(rig, 0, -1000 * i, 100);
        rig_ledger(rig, 0, offset)->guilty = true;
    }
    for (int64_t until = rig->now.mono.ms + 1000; rig->now.mono.ms < until;) {
        struct rig_call *call = rig_call(rig, ROUTER_SQS);
        if (call != NULL)
            rig_answer(rig, call, ROUTER_RESULT_REFUSED);
        else
            rig_sleep(rig, 1);
    }
    assert_int_equal(rig->core->stats.dead_lettered, ROUTER_REFUSALS_MAX);
    assert_true(rig->core->services[ROUTER_SQS].blocked);
    rig_end(rig); /* in the end all are, one in five seconds */
}

/* Faults of every kind for a while, then none: all must end. */
static void random_world(uint64_t seed, bool with_faults)
{
    struct prng random;
    prng_init(&random, seed);
    struct router_limits limits = rig_limits();
    limits.envelopes_max = 16u << prng_below(&random, 5);
    limits.nodes_max = 64u << prng_below(&random, 6);
    limits.sqs_calls_max = 1 + (uint32_t)prng_below(&random, 4);
    limits.table_calls_max = 1 + (uint32_t)prng_below(&random, 4);
    limits.sqs_entries_max = 1 + (uint32_t)prng_below(&random, 10);
    limits.table_items_max = 1 + (uint32_t)prng_below(&random, 25);
    limits.in_flight_bytes_max = 1 * MIB << prng_below(&random, 4);
    struct rig *rig = rig_new(&limits);
    rig->faults = with_faults;
    rig->permille = 20 + (uint32_t)prng_below(&random, 980);
    for (uint32_t i = 0; i < RIG_PARTITIONS; i++)
        rig_assign(rig, i);
    for (int turn = 0; turn < 3000; turn++) {
        uint64_t dice = prng_below(&random, 100);
        struct rig_call *call = rig_call(rig, prng_below(&random, 2) ? ROUTER_SQS : ROUTER_TABLE);
        if (dice < 60 && !rig->paused && router_core_accepts(rig->core)) {
            static const int64_t scales[] = {1, 1000, RIG_MINUTES(20), MS_PER_DAY * 7};
            int64_t delay_ms =
                (int64_t)prng_below(&random, (uint64_t)scales[prng_below(&random, 4)]);
            uint32_t partition = (uint32_t)prng_below(&random, RIG_PARTITIONS);
            uint64_t kind = prng_below(&random, 50);
            if (kind == 0)
                large(rig, delay_ms);
            else if (kind == 1)
                rig_record_verdict(rig, partition, 0, 500, ROUTER_RECORD_REJECTED);
            else
                rig_record(rig, partition, delay_ms, 50 + (uint32_t)prng_below(&random, 5000));
            if (kind == 2 && with_faults)
                rig_ledger(rig, partition, rig->next_offset[partition] - 1)->guilty = true;
        } else if (dice < 85 && call != NULL) {
            uint64_t fault = with_faults ? prng_below(&random, 6) : 0;
            if (fault < 3)
                rig_answer_honestly(rig, call);
            else if (fault == 3)
                rig_answer(rig, call, ROUTER_RESULT_THROTTLED);
            else
                rig_answer(rig, call, ROUTER_RESULT_UNKNOWN);
        } else if (dice < 99) {
            rig_sleep(rig, (int64_t)prng_below(&random, 20));
        } else if (with_faults) {
            rig->now.wall.ms += (int64_t)prng_below(&random, 20 * MS_PER_MINUTE);
            rig_tick(rig);
        }
    }
    rig_stop(rig);
    rig_settle(rig, RIG_MINUTES(30));
    rig_expect_all_ended(rig);
    assert_true(router_core_idle(rig->core));
    for (uint32_t i = 0; i < RIG_PARTITIONS; i++)
        assert_int_equal(rig->committed[i], rig->next_offset[i] == 0 ? -1 : rig->next_offset[i]);
    rig_free(rig);
}

static void in_a_good_world_every_record_ends_exactly_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        random_world(seed, false);
}

static void in_a_bad_world_every_record_ends(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++)
        random_world(seed, true);
}

static void the_same_events_give_the_same_state_also_in_a_copy(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    for (int i = 0; i < 200; i++)
        rig_record(rig, 0, 300 * i, 100);
    struct router_core *copy = malloc(sizeof(*copy));
    struct router_effects *out = malloc(sizeof(*out));
    assert_non_null(copy);
    assert_non_null(out);
    memcpy(copy, rig->core, sizeof(*copy));
    rig->hold_encoded = true;
    struct router_event tick = {.type = ROUTER_EVENT_TICK};
    struct now later = {{rig->now.mono.ms + 100}, {rig->now.wall.ms + 100}};
    router_core_step(copy, &tick, later, out);
    assert_true(router_core_digest(copy) != router_core_digest(rig->core));
    struct router_core *original = rig->core;
    router_core_step(original, &tick, later, rig->out);
    assert_true(router_core_digest(copy) == router_core_digest(original));
    assert_int_equal(out->count, rig->out->count);
    free(copy);
    free(out);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_before_the_reference),
        cmocka_unit_test(failed_parts_are_sent_again_alone),
        cmocka_unit_test(many_parts_take_several_calls),
        cmocka_unit_test(a_refused_part_dead_letters_its_record),
        cmocka_unit_test(a_rejected_record_is_dead_lettered_and_blocks_nobody),
        cmocka_unit_test(splitting_finds_the_guilty_record),
        cmocka_unit_test(the_parts_of_a_split_long_envelope_are_items_of_their_own),
        cmocka_unit_test(a_refusal_in_company_is_tried_alone_before_it_is_believed),
        cmocka_unit_test(a_path_at_fault_stops_and_nothing_is_dead_lettered),
        cmocka_unit_test(when_everything_is_refused_only_a_few_are_believed),
        cmocka_unit_test(in_a_good_world_every_record_ends_exactly_once),
        cmocka_unit_test(in_a_bad_world_every_record_ends),
        cmocka_unit_test(the_same_events_give_the_same_state_also_in_a_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
