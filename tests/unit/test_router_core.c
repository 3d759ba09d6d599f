/* Packing, paths, batches, retries. */
#include "router/router_result.h"
#include "tests/harness/router_rig.h"

#include "common/encode.h"

static void the_horizon_is_exact(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    int64_t just_under = rig_record(rig, 0, RIG_MINUTES(15) - 1, 100);
    int64_t exact = rig_record(rig, 0, RIG_MINUTES(15), 100);
    int64_t just_over = rig_record(rig, 0, RIG_MINUTES(15) + 1, 100);
    rig_settle(rig, RIG_MINUTES(1));
    assert_int_equal(rig_ledger(rig, 0, just_under)->path, DELAY_PATH_SHORT);
    assert_int_equal(rig_ledger(rig, 0, exact)->path, DELAY_PATH_SHORT);
    assert_int_equal(rig_ledger(rig, 0, just_over)->path, DELAY_PATH_LONG);
    assert_int_equal(rig->core->stats.records_stored[DELAY_PATH_SHORT], 2);
    assert_int_equal(rig->core->stats.records_stored[DELAY_PATH_LONG], 1);
    rig_end(rig);
}

static void records_of_one_second_share_an_envelope(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    for (int i = 0; i < 10; i++)
        rig_record(rig, 0, RIG_MINUTES(2) + i * 99, 100);
    rig_record(rig, 0, RIG_MINUTES(2) + 1000, 100); /* the next second */
    rig_settle(rig, RIG_MINUTES(1));
    assert_int_equal(rig->core->stats.envelopes_closed[DELAY_PATH_SHORT], 2);
    rig_end(rig);
}

static void an_envelope_lingers_by_the_remaining_delay(void **state)
{
    (void)state;
    const int64_t cases[][2] = {
        {0, 0},
        {10, 5},
        {39, 19},
        {40, 20},
        {2000, 20},
        {2100, 21},
        {50000, 500},
        {RIG_MINUTES(2), 1000},
        {-5000, 0},
        {RIG_MINUTES(14), 1000},
        {MS_PER_DAY * 300, 1000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig *rig = rig_start(NULL);
        rig_record(rig, 0, cases[i][0], 100);
        if (cases[i][1] > 0)
            rig_sleep(rig, cases[i][1] - 1);
        assert_int_equal(rig->sends, cases[i][1] == 0);
        rig_sleep(rig, 1);
        assert_int_equal(rig->sends, 1);
        rig_end(rig);
    }
}

enum { FULL = 48 }; /* so many records of 1 KiB make an envelope full */

static void fill_envelopes(struct rig *rig, int count, int64_t delay_ms)
{
    for (int i = 0; i < count * FULL; i++)
        rig_record(rig, 0, delay_ms, 1024);
}

static void full_envelopes_wait_for_company_while_they_may(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    fill_envelopes(rig, 9, RIG_MINUTES(2)); /* which may linger for a second */
    assert_int_equal(rig->core->stats.envelopes_closed[DELAY_PATH_SHORT], 9);
    assert_int_equal(rig->sends, 0);
    fill_envelopes(rig, 1, RIG_MINUTES(2));
    assert_int_equal(rig_call(rig, ROUTER_SQS)->count, 10);

    rig_sleep(rig, 500);
    fill_envelopes(rig, 1, RIG_MINUTES(2));
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    rig_sleep(rig, 999);
    assert_int_equal(rig->sends, 1);
    rig_sleep(rig, 1);
    assert_int_equal(rig->sends, 2);
    rig_end(rig);
}

static void no_envelope_waits_for_one_that_may_wait_longer(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    fill_envelopes(rig, 2, RIG_MINUTES(2));
    fill_envelopes(rig, 1, 4000); /* lingers 40 ms */
    rig_sleep(rig, 39);
    assert_int_equal(rig->sends, 0);
    rig_sleep(rig, 1);
    assert_int_equal(rig_call(rig, ROUTER_SQS)->count, 3);
    rig_end(rig);
}

static void a_record_that_is_due_first_shortens_the_wait(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig_record(rig, 0, 900, 100); /* lingers 20 ms */
    rig_record(rig, 0, 10, 100);  /* 5 ms: half of what remains */
    assert_int_equal(rig->core->open, 1);
    rig_sleep(rig, 4);
    assert_int_equal(rig->sends, 0);
    rig_sleep(rig, 1);
    assert_int_equal(rig->sends, 1);
    rig_end(rig);
}

static void packing_learns_how_well_bytes_compress(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig->permille = 250;
    for (int i = 0; i < 2000; i++)
        rig_record(rig, 0, RIG_MINUTES(2), 1000);
    rig_settle(rig, RIG_MINUTES(1));
    assert_in_range(rig->core->ratio_permille, 240, 400);
    uint64_t closed = rig->core->stats.envelopes_closed[DELAY_PATH_SHORT];
    assert_in_range(closed, 2000 * 1000 / 4 / ENVELOPE_TARGET_BYTES, 25); /* 41 without */
    rig_end(rig);
}

static void raw_bytes_and_records_have_hard_limits(void **state)
{
    (void)state;
    struct router_limits limits = rig_limits();
    limits.records_max = 8;
    struct rig *rig = rig_new(&limits);
    rig_assign(rig, 0);
    rig->permille = 10;
    for (int i = 0; i < 64; i++)
        rig_record(rig, 0, RIG_MINUTES(2), 200); /* the rig checks the limits */
    for (int i = 0; i < 64; i++)
        rig_record(rig, 0, RIG_MINUTES(2), ENVELOPE_RECORD_BYTES_MAX);
    rig_end(rig);
}

static void a_full_pool_closes_what_lingers_shortest(void **state)
{
    (void)state;
    struct router_limits limits = rig_limits();
    limits.envelopes_max = 64; /* closes from 56 on, pauses from 60 on */
    struct rig *rig = rig_new(&limits);
    rig_assign(rig, 0);
    rig_record(rig, 0, RIG_MINUTES(2), 100);
    rig_record(rig, 0, 10000, 100); /* lingers 100 ms */
    for (int i = 2; i < 56; i++)
        rig_record(rig, 0, RIG_MINUTES(2) + i * 1000, 100);
    assert_int_equal(rig->sends, 0);
    rig_record(rig, 0, RIG_MINUTES(3), 100);
    assert_int_equal(rig->sends, 1);
    assert_int_equal(rig->core->stats.envelopes_evicted, 1);
    struct rig_call *call = rig_call(rig, ROUTER_SQS);
    assert_int_equal(call->entries[0].first_due_ms, rig_ledger(rig, 0, 1)->due_ms);
    rig_end(rig);
}

/* Thousands are open at once, so that their places in the table collide; closing half of them must
 * not hide the others. */
static void open_envelopes_are_found_again_after_others_have_closed(void **state)
{
    (void)state;
    enum { SECONDS = 6000 };
    struct router_limits limits = rig_limits();
    limits.envelopes_max = ROUTER_ENVELOPES_MAX;
    struct rig *rig = rig_new(&limits);
    rig_assign(rig, 0);
    rig_assign(rig, 1);
    for (int64_t i = 0; i < SECONDS; i++) /* far apart, each in its own second */
        rig_record(rig, (uint32_t)i % 2, RIG_MINUTES(20) + i * i * 1000, 50);
    assert_int_equal(rig->core->open, SECONDS);
    rig_revoke(rig, 1, false);
    assert_int_equal(rig->core->open, SECONDS / 2);
    for (int64_t i = 0; i < SECONDS; i += 2)
        rig_record(rig, 0, RIG_MINUTES(20) + i * i * 1000 + 1, 50);
    assert_int_equal(rig->core->open, SECONDS / 2);
    assert_int_equal(rig->core->stats.envelopes_closed[DELAY_PATH_LONG], SECONDS / 2);
    rig_end(rig);
}

static void batches_fill_while_calls_are_under_way(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig_record(rig, 0, 0, 100); /* nothing under way: alone, at once */
    assert_int_equal(rig_call(rig, ROUTER_SQS)->count, 1);
    for (int i = 1; i <= 9; i++)
        rig_record(rig, 0, -1000 * i, 100);
    assert_int_equal(rig->sends, 1); /* nine wait for company */
    rig_record(rig, 0, -10000, 100);
    assert_int_equal(rig->sends, 2); /* ten do not */
    assert_int_equal(rig->entries, 11);
    rig_record(rig, 0, -11000, 100);
    rig_sleep(rig, rig->limits.batch_linger_ms - 1);
    assert_int_equal(rig->sends, 2);
    rig_sleep(rig, 1);
    assert_int_equal(rig->sends, 3);
    rig_end(rig);
}

static void a_batch_keeps_to_a_mebibyte_of_base64(void **state)
{
    (void)state;
    struct router_limits limits = rig_limits();
    limits.sqs_calls_max = 1;
    struct rig *rig = rig_new(&limits);
    rig_assign(rig, 0);
    rig_record(rig, 0, 0, 100);
    for (int i = 1; i <= 9; i++)
        rig_record(rig, 0, -1000 * i, 200000);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    size_t each = encode_base64_len(200000 + 48);
    assert_int_equal(rig_call(rig, ROUTER_SQS)->count, SQS_BATCH_BYTES_MAX / each);
    rig_end(rig);
}

static void table_batches_take_25(void **state)
{
    (void)state;
    struct router_limits limits = rig_limits();
    limits.table_calls_max = 1;
    struct rig *rig = rig_new(&limits);
    rig_assign(rig, 0);
    for (int i = 0; i < 60; i++)
        rig_record(rig, 0, RIG_MINUTES(20) + 1000 * i, 100);
    rig_sleep(rig, 1000);
    rig_answer(rig, rig_call(rig, ROUTER_TABLE), ROUTER_RESULT_DONE);
    assert_int_equal(rig_call(rig, ROUTER_TABLE)->count, 25);
    rig_end(rig);
}

static void calls_in_flight_are_bounded_and_packing_goes_on_meanwhile(void **state)
{
    (void)state;
    struct router_limits limits = rig_limits();
    limits.sqs_calls_max = 1;
    limits.sqs_entries_max = 1;
    struct rig *rig = rig_new(&limits);
    rig_assign(rig, 0);
    for (int i = 0; i < 500; i++) {
        rig_record(rig, 0, 5000 - rig->now.mono.ms % 1000, 50); /* the same second all the time */
        rig_sleep(rig, 1);
    }
    assert_int_equal(rig->calls_open, 1);
    assert_in_range(rig->core->stats.envelopes_closed[DELAY_PATH_SHORT], 2, 3);
    rig_end(rig);
}

static void only_what_failed_is_sent_again_with_back_off(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig_record(rig, 0, 0, 100);
    for (int i = 1; i <= 10; i++)
        rig_record(rig, 0, -1000 * i, 100);
    rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_DONE);
    struct rig_call *call = rig_call(rig, ROUTER_SQS);
    assert_int_equal(call->count, 10);
    uint64_t failed = call->entries[3].id;
    uint64_t unknown = call->entries[7].id;
    rig->faults = true;
    enum router_result results[10] = {0};
    results[3] = ROUTER_RESULT_THROTTLED;
    results[7] = ROUTER_RESULT_UNKNOWN;
    rig_answer_each(rig, call, results);
    assert_int_equal(rig->calls_open, 0);
    rig_sleep(rig, rig->limits.retry_base_ms / 2 - 1);
    assert_int_equal(rig->calls_open, 0);
    rig_sleep(rig, rig->limits.retry_base_ms);
    uint32_t again = 0;
    for (uint32_t i = 0; i < RIG_CALLS; i++) {
        if (!rig->calls[i].open)
            continue;
        assert_true(rig->calls[i].is_retry);
        for (uint32_t k = 0; k < rig->calls[i].count; k++, again++)
            assert_true(rig->calls[i].entries[k].id == failed ||
                        rig->calls[i].entries[k].id == unknown);
    }
    assert_int_equal(again, 2);
    assert_int_equal(rig->core->stats.throttled[ROUTER_SQS], 1);
    assert_int_equal(rig->core->stats.unknown[ROUTER_SQS], 1);
    rig_end(rig);
}

static void back_off_grows_to_its_cap_and_honours_the_server(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig_record(rig, 0, 0, 100);
    for (int attempt = 0; attempt < 12; attempt++) {
        rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_RETRY);
        int64_t whole = MIN(rig->limits.retry_base_ms << attempt, rig->limits.retry_cap_ms);
        int64_t wait = router_core_deadline(rig->core).mono.ms - rig->now.mono.ms;
        assert_in_range(wait, whole / 2, whole);
        rig_sleep(rig, wait);
        assert_int_equal(rig->calls_open, 1);
    }
    struct rig_call *call = rig_call(rig, ROUTER_SQS);
    struct router_event event = {.type = ROUTER_EVENT_SENT};
    event.sent.call = call->id;
    event.sent.results[0] = ROUTER_RESULT_THROTTLED;
    event.sent.retry_after_ms = 5000;
    call->open = false;
    rig->calls_open--;
    rig_step(rig, &event);
    assert_int_equal(router_core_deadline(rig->core).mono.ms - rig->now.mono.ms, 5000);
    rig_end(rig);
}

/* The client's rate slows down already; a record that is soon due must not wait on top of it. */
static void back_off_stays_short_while_sqs_throttles(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig_record(rig, 0, 0, 100);
    for (int attempt = 0; attempt < 12; attempt++) {
        rig_answer(rig, rig_call(rig, ROUTER_SQS), ROUTER_RESULT_THROTTLED);
        int64_t wait = router_core_deadline(rig->core).mono.ms - rig->now.mono.ms;
        assert_in_range(wait, 1, rig->limits.retry_base_ms * 8);
        rig_sleep(rig, wait);
        assert_int_equal(rig->calls_open, 1);
    }
    rig_end(rig);
}

static void delay_seconds_are_counted_anew_at_every_attempt(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig_record(rig, 0, RIG_MINUTES(10), 100);
    rig_sleep(rig, 1000);
    struct rig_call *call = rig_call(rig, ROUTER_SQS);
    int32_t first = call->entries[0].delay_seconds;
    assert_in_range(first, 590, 598);
    rig_answer(rig, call, ROUTER_RESULT_RETRY);
    rig->now.wall.ms += 100000;
    rig_sleep(rig, 1000);
    assert_in_range(rig_call(rig, ROUTER_SQS)->entries[0].delay_seconds, first - 102, first - 100);
    rig_end(rig);
}

static void shards_are_spread_evenly_and_kept(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    uint32_t seen[8] = {0};
    for (int i = 0; i < 24; i++)
        rig_record(rig, 0, RIG_MINUTES(20) + 1000 * i, 100);
    rig_sleep(rig, 1000);
    for (struct rig_call *call; (call = rig_call(rig, ROUTER_TABLE)) != NULL;) {
        for (uint32_t i = 0; i < call->count; i++)
            seen[call->entries[i].shard]++;
        rig_answer(rig, call, ROUTER_RESULT_DONE);
    }
    for (int i = 0; i < 8; i++)
        assert_int_equal(seen[i], 3);

    rig_record(rig, 0, RIG_MINUTES(20), 100);
    rig_sleep(rig, 1000);
    struct rig_call *call = rig_call(rig, ROUTER_TABLE);
    struct router_send_entry before = call->entries[0];
    rig_answer(rig, call, ROUTER_RESULT_UNKNOWN);
    rig->faults = true;
    rig_sleep(rig, 1000);
    call = rig_call(rig, ROUTER_TABLE);
    assert_int_equal(call->entries[0].shard, before.shard);
    assert_int_equal(call->entries[0].written_ms, before.written_ms); /* of the first try */
    rig_end(rig);
}

static void past_the_cut_off_a_long_envelope_takes_the_short_path(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    /* Its bucket starts at +20 min, so the cut-off is at +18 min 40 s. */
    int64_t offset = rig_record(rig, 0, RIG_MINUTES(20) + 30000, 100);
    rig_sleep(rig, 1000);
    rig_answer(rig, rig_call(rig, ROUTER_TABLE), ROUTER_RESULT_RETRY);
    rig->now.wall.ms = RIG_WALL_MS + RIG_MINUTES(18) + 40000 - 1 - 100;
    rig_sleep(rig, 100); /* one ms before */
    struct rig_call *call = rig_call(rig, ROUTER_TABLE);
    assert_non_null(call);
    rig_answer(rig, call, ROUTER_RESULT_RETRY);
    rig_sleep(rig, 200);
    assert_null(rig_call(rig, ROUTER_TABLE));
    call = rig_call(rig, ROUTER_SQS);
    assert_non_null(call);
    assert_in_range(call->entries[0].delay_seconds, 100, 110);
    assert_int_equal(rig->core->stats.fallbacks, 1);
    assert_int_equal(rig->core->stats.fallback_records, 1);
    rig_answer(rig, call, ROUTER_RESULT_DONE);
    assert_int_equal(rig_ledger(rig, 0, offset)->path, DELAY_PATH_SHORT);
    rig_end(rig);
}

static void an_acknowledgement_after_the_cut_off_counts_as_unknown(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct rig *rig = rig_start(NULL);
        rig_record(rig, 0, RIG_MINUTES(20), 100);
        rig_sleep(rig, 1000);
        struct rig_call *call = rig_call(rig, ROUTER_TABLE);
        rig->now.wall.ms = RIG_WALL_MS + RIG_MINUTES(18) + 40000 - 1 + late;
        rig_answer(rig, call, ROUTER_RESULT_DONE);
        assert_int_equal(rig->core->stats.late_acks, late);
        assert_int_equal(rig->core->stats.fallbacks, late);
        assert_int_equal(rig_call(rig, ROUTER_SQS) != NULL, late);
        rig_end(rig);
    }
}

static void what_waits_in_a_blocked_tables_queue_falls_back_in_time(void **state)
{
    (void)state;
    struct rig *rig = rig_start(NULL);
    rig_record(rig, 0, RIG_MINUTES(20), 100);
    rig_sleep(rig, 1000);
    rig_answer(rig, rig_call(rig, ROUTER_TABLE), ROUTER_RESULT_BLOCKED);
    assert_true(rig->core->services[ROUTER_TABLE].blocked);
    rig->now.wall.ms = RIG_WALL_MS + RIG_MINUTES(18) + 40000;
    rig_sleep(rig, 1000);
    assert_non_null(rig_call(rig, ROUTER_SQS));
    rig_end(rig);
}

static void results_have_one_meaning_each(void **state)
{
    (void)state;
    const struct {
        enum outcome outcome;
        enum error_kind kind;
        int http_status;
        const char *code;
        enum router_result result;
    } cases[] = {
        {OUTCOME_DONE, ERROR_NONE, 200, "", ROUTER_RESULT_DONE},
        {OUTCOME_UNKNOWN, ERROR_UNKNOWN, 0, "Timeout", ROUTER_RESULT_UNKNOWN},
        {OUTCOME_FAILED, ERROR_RETRY, 200, "InternalError", ROUTER_RESULT_RETRY},
        {OUTCOME_FAILED, ERROR_THROTTLED, 403, "RequestThrottled", ROUTER_RESULT_THROTTLED},
        {OUTCOME_FAILED, ERROR_AUTH, 400, "AccessDenied", ROUTER_RESULT_BLOCKED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "QueueDoesNotExist", ROUTER_RESULT_BLOCKED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "ResourceNotFoundException", ROUTER_RESULT_BLOCKED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 200, "InvalidMessageContents", ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 0, "InvalidMessageContents", ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "ValidationException", ROUTER_RESULT_REFUSED},
        /* as SQS spells it in query mode */
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "AWS.SimpleQueueService.BatchRequestTooLong",
         ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "InvalidParameterValue", ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "AWS.SimpleQueueService.NonExistentQueue",
         ROUTER_RESULT_BLOCKED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error;
        error_set(&error, cases[i].kind, cases[i].code, "%s", "");
        error.http_status = cases[i].http_status;
        assert_int_equal(router_result_of(cases[i].outcome, &error), cases[i].result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_horizon_is_exact),
        cmocka_unit_test(records_of_one_second_share_an_envelope),
        cmocka_unit_test(an_envelope_lingers_by_the_remaining_delay),
        cmocka_unit_test(full_envelopes_wait_for_company_while_they_may),
        cmocka_unit_test(no_envelope_waits_for_one_that_may_wait_longer),
        cmocka_unit_test(a_record_that_is_due_first_shortens_the_wait),
        cmocka_unit_test(packing_learns_how_well_bytes_compress),
        cmocka_unit_test(raw_bytes_and_records_have_hard_limits),
        cmocka_unit_test(a_full_pool_closes_what_lingers_shortest),
        cmocka_unit_test(open_envelopes_are_found_again_after_others_have_closed),
        cmocka_unit_test(batches_fill_while_calls_are_under_way),
        cmocka_unit_test(a_batch_keeps_to_a_mebibyte_of_base64),
        cmocka_unit_test(table_batches_take_25),
        cmocka_unit_test(calls_in_flight_are_bounded_and_packing_goes_on_meanwhile),
        cmocka_unit_test(only_what_failed_is_sent_again_with_back_off),
        cmocka_unit_test(back_off_grows_to_its_cap_and_honours_the_server),
        cmocka_unit_test(back_off_stays_short_while_sqs_throttles),
        cmocka_unit_test(delay_seconds_are_counted_anew_at_every_attempt),
        cmocka_unit_test(shards_are_spread_evenly_and_kept),
        cmocka_unit_test(past_the_cut_off_a_long_envelope_takes_the_short_path),
        cmocka_unit_test(an_acknowledgement_after_the_cut_off_counts_as_unknown),
        cmocka_unit_test(what_waits_in_a_blocked_tables_queue_falls_back_in_time),
        cmocka_unit_test(results_have_one_meaning_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
