/* The checker must notice: each way of going wrong is played into the ledger and must be counted
 * under its own name, and under no other. */
#include "tests/harness/unit.h"

#include "tests/load/histogram.h"
#include "tests/load/ledger.h"
#include "tests/load/plan.h"

#define RECORDS 8
#define START   INT64_C(1000000)
#define DUE     (START + 5000)

static void set_up(struct ledger *l)
{
    ledger_init(l, RECORDS, START);
    for (uint64_t id = 0; id < RECORDS; id++) {
        ledger_plan(l, id, DUE);
        ledger_acknowledge(l, id, ACK_YES);
    }
}

static void deliver_from(struct ledger *l, uint64_t first)
{
    for (uint64_t id = first; id < RECORDS; id++)
        ledger_deliver(l, id, DUE + 2, DUE + 1);
}

static void a_good_run_is_clean(void **state)
{
    (void)state;
    struct ledger l;
    set_up(&l);
    deliver_from(&l, 0);
    assert_true(ledger_is_clean(&l));
    assert_int_equal(l.delivered, RECORDS);
    assert_int_equal(histogram_percentile(&l.error, 99000), 2);
    assert_int_equal(histogram_percentile(&l.emission, 50000), 1);
    ledger_release(&l);
}

static void nothing_sent_is_not_clean(void **state)
{
    (void)state;
    struct ledger l;
    ledger_init(&l, RECORDS, START);
    assert_false(ledger_is_clean(&l));
    ledger_release(&l);
}

static void a_missing_record_is_lost_and_named(void **state)
{
    (void)state;
    struct ledger l;
    set_up(&l);
    deliver_from(&l, 3);
    ledger_deliver(&l, 1, DUE, DUE);
    assert_int_equal(ledger_lost(&l), 2);
    assert_false(ledger_is_clean(&l));
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    ledger_print_lost(&l, 10, out);
    fclose(out);
    assert_string_equal(text, "0, 2");
    free(text);
    ledger_release(&l);
}

static void a_second_copy_is_a_duplicate(void **state)
{
    (void)state;
    struct ledger l;
    set_up(&l);
    deliver_from(&l, 0);
    ledger_deliver(&l, 4, DUE + 9, DUE + 9);
    ledger_dead_letter(&l, 5, DUE + 9);
    assert_int_equal(l.duplicated, 2);
    assert_int_equal(l.delivered, RECORDS);
    assert_false(ledger_is_clean(&l));
    ledger_release(&l);
}

static void one_millisecond_early_is_early(void **state)
{
    (void)state;
    struct ledger l;
    set_up(&l);
    deliver_from(&l, 2);
    ledger_deliver(&l, 0, DUE - 1, DUE - 1);
    ledger_deliver(&l, 1, DUE, DUE - 1);
    assert_int_equal(l.early, 2);
    assert_false(ledger_is_clean(&l));
    ledger_release(&l);
}

static void unknown_may_come_and_failed_must_not(void **state)
{
    (void)state;
    struct ledger l;
    ledger_init(&l, 4, START);
    for (uint64_t id = 0; id < 4; id++)
        ledger_plan(&l, id, DUE);
    ledger_acknowledge(&l, 0, ACK_YES);
    ledger_acknowledge(&l, 1, ACK_UNKNOWN);
    ledger_acknowledge(&l, 2, ACK_UNKNOWN);
    ledger_acknowledge(&l, 3, ACK_FAILED);
    ledger_deliver(&l, 0, DUE, DUE);
    ledger_deliver(&l, 1, DUE, DUE);
    assert_true(ledger_is_clean(&l));
    ledger_deliver(&l, 3, DUE, DUE);
    assert_int_equal(l.unexpected, 1);
    ledger_release(&l);
}

static void a_copy_before_its_acknowledgement_counts_once(void **state)
{
    (void)state;
    struct ledger l;
    ledger_init(&l, 1, START);
    ledger_plan(&l, 0, DUE);
    ledger_deliver(&l, 0, DUE, DUE);
    ledger_acknowledge(&l, 0, ACK_YES);
    assert_int_equal(ledger_lost(&l), 0);
    assert_true(ledger_is_clean(&l));
    ledger_release(&l);
}

static void percentiles_are_within_one_part_in_32(void **state)
{
    (void)state;
    struct histogram h = {.total = 0};
    for (int64_t ms = 1; ms <= 100000; ms++)
        histogram_add(&h, ms);
    int64_t p99 = histogram_percentile(&h, 99000);
    assert_in_range(p99, 99000, 99000 + 99000 / 32);
    assert_int_equal(histogram_percentile(&h, 10), 10);
    assert_int_equal(h.max_ms, 100000);
}

static void a_record_follows_from_seed_and_id(void **state)
{
    (void)state;
    struct plan plan = {.seed = 5,
                        .run = "00000000000000aa",
                        .records = 1000,
                        .delay_max_ms = 30000,
                        .targets = 3,
                        .target_base = "orders",
                        .poison_per_mille = 100,
                        .value_bytes = 900};
    struct planned a = {.id = 0}, b = {.id = 0};
    unsigned poisoned = 0;
    for (uint64_t id = 0; id < plan.records; id++) {
        plan_record(&plan, id, 1700000000000, &a);
        plan_record(&plan, id, 1700000000000, &b);
        assert_int_equal(a.value_len, b.value_len);
        if (a.value_len > 0)
            assert_memory_equal(a.value, b.value, a.value_len);
        assert_int_equal(a.header_count, b.header_count);
        assert_in_range(a.delay_ms, 0, 30000);
        poisoned += a.poison != POISON_NONE;
        uint64_t parsed;
        assert_true(plan_parse_id(&plan, a.id_text, strlen(a.id_text), &parsed));
        assert_int_equal(parsed, id);
    }
    assert_in_range(poisoned, 50, 200);
    assert_false(plan_parse_id(&plan, "00000000000000ab:1", 18, &(uint64_t){0}));
    planned_release(&a);
    planned_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_run_is_clean),
        cmocka_unit_test(nothing_sent_is_not_clean),
        cmocka_unit_test(a_missing_record_is_lost_and_named),
        cmocka_unit_test(a_second_copy_is_a_duplicate),
        cmocka_unit_test(one_millisecond_early_is_early),
        cmocka_unit_test(unknown_may_come_and_failed_must_not),
        cmocka_unit_test(a_copy_before_its_acknowledgement_counts_once),
        cmocka_unit_test(percentiles_are_within_one_part_in_32),
        cmocka_unit_test(a_record_follows_from_seed_and_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
