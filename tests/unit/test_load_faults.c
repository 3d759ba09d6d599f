/* What explains a duplicate and what does not, on both sides of each edge. */
#include "tests/harness/unit.h"

#include "tests/harness/temp_dir.h"
#include "tests/load/faults.h"

#define RECORDS 4
#define START   INT64_C(1000000)
#define DELAY   5000
#define DUE     (START + DELAY)
#define WAIT    300

static const struct plan plan = {.seed = 1,
                                 .run = "00000000000000aa",
                                 .records = RECORDS,
                                 .delay_min_ms = DELAY,
                                 .delay_max_ms = DELAY,
                                 .targets = 1,
                                 .target_base = "orders"};

/* All sent at START, due and delivered once at DUE; then one more copy of the first at at_ms. */
static void set_up(struct ledger *l, int64_t at_ms)
{
    ledger_init(l, RECORDS, START);
    ledger_keep_times(l);
    for (uint64_t id = 0; id < RECORDS; id++) {
        ledger_plan(l, id, DUE);
        ledger_acknowledge(l, id, ACK_YES);
        ledger_deliver(l, id, DUE, DUE);
    }
    ledger_deliver(l, 0, at_ms, at_ms);
}

static bool judge(int64_t at_ms, struct fault fault)
{
    static struct ledger l;
    static struct judgement judgement; /* large */
    const struct faults faults = {&fault, 1};
    set_up(&l, at_ms);
    faults_judge(&faults, &l, &plan, &judgement);
    assert_int_equal(judgement.explained + judgement.unexplained, 1);
    bool good = judgement_is_good(&judgement, &l);
    ledger_release(&l);
    return good;
}

static bool is_good(int64_t at_ms, int64_t begin_ms, int64_t end_ms, uint64_t records)
{
    return judge(at_ms, (struct fault){"a fault", begin_ms, end_ms, WAIT, records});
}

static void a_fault_in_the_records_life_explains(void **state)
{
    (void)state;
    assert_true(is_good(DUE, START + 10, START + 20, 1));
    assert_true(is_good(DUE, START - 10, START, 1));       /* it was there when it was sent */
    assert_false(is_good(DUE, START - 10, START - 1, 1));  /* it was over before */
    assert_true(is_good(DUE + 9, DUE + 9, DUE + 9, 1));    /* it began with the copy */
    assert_false(is_good(DUE + 9, DUE + 10, DUE + 20, 1)); /* or after it */
}

static void a_copy_comes_within_the_wait(void **state)
{
    (void)state;
    assert_true(is_good(DUE + WAIT, START, START + 1, 1)); /* counted from due if that is later */
    assert_false(is_good(DUE + WAIT + 1, START, START + 1, 1));
    assert_true(is_good(DUE + 7 + WAIT, START, DUE + 7, 1)); /* else from the end of the fault */
    assert_false(is_good(DUE + 7 + WAIT + 1, START, DUE + 7, 1));
}

static void no_more_than_the_bound(void **state)
{
    (void)state;
    assert_false(is_good(DUE, START, START + 1, 0));
}

static void duplicates_alone_are_excused(void **state)
{
    (void)state;
    static struct ledger l;
    static struct judgement judgement; /* large */
    struct fault fault = {"a fault", START, DUE, WAIT, 9};
    set_up(&l, DUE);
    faults_judge(&(struct faults){&fault, 1}, &l, &plan, &judgement);
    assert_true(judgement_is_good(&judgement, &l));
    l.early++;
    assert_false(judgement_is_good(&judgement, &l));
    l.early--;
    l.sent++;
    assert_int_equal(ledger_lost(&l), 1);
    assert_false(judgement_is_good(&judgement, &l));
    ledger_release(&l);
}

static void a_copy_whose_time_is_not_known_is_not_excused(void **state)
{
    (void)state;
    static struct ledger l;
    static struct judgement judgement; /* large */
    struct fault fault = {"a fault", START, DUE, WAIT, 9};
    set_up(&l, DUE);
    l.duplicated++;
    faults_judge(&(struct faults){&fault, 1}, &l, &plan, &judgement);
    assert_false(judgement_is_good(&judgement, &l));
    ledger_release(&l);
}

/* More copies than the list begins with. */
static void every_copy_is_kept(void **state)
{
    (void)state;
    static struct ledger l;
    static struct judgement judgement; /* large */
    struct fault fault = {"a fault", START, DUE, WAIT, 1000};
    set_up(&l, DUE);
    for (int i = 1; i < 1000; i++)
        ledger_deliver(&l, 1, DUE + i, DUE + i);
    faults_judge(&(struct faults){&fault, 1}, &l, &plan, &judgement);
    assert_int_equal(judgement.explained, 1 + WAIT);
    assert_int_equal(judgement.unexplained, 1000 - 1 - WAIT);
    ledger_release(&l);
}

static void lateness_before_during_and_after(void **state)
{
    (void)state;
    static const int64_t due[RECORDS] = {DUE, DUE + 100, DUE + 500, DUE + 900};
    static const int64_t error[RECORDS] = {3, 1400, 1200, 7};
    static struct ledger l;
    static struct judgement judgement; /* large */
    struct fault fault = {"a fault", DUE + 50, DUE + 200, WAIT, 0};
    ledger_init(&l, RECORDS, START);
    ledger_keep_times(&l);
    for (uint64_t id = 0; id < RECORDS; id++) {
        ledger_plan(&l, id, due[id]);
        ledger_acknowledge(&l, id, ACK_YES);
        ledger_deliver(&l, id, due[id] + error[id], due[id] + error[id]);
    }
    faults_judge(&(struct faults){&fault, 1}, &l, &plan, &judgement);
    assert_int_equal(judgement.before.max_ms, 3);
    assert_int_equal(judgement.before.total, 1);
    assert_int_equal(judgement.during.max_ms, 1400);
    assert_int_equal(judgement.during.total, 2);
    assert_int_equal(judgement.after.max_ms, 7);
    assert_int_equal(judgement.recovered_after_ms, 500 + 1200 - 200);
    ledger_release(&l);
}

/* Late, but sent when the fault was over. */
static void what_came_later_is_no_backlog(void **state)
{
    (void)state;
    static struct ledger l;
    static struct judgement judgement; /* large */
    struct fault fault = {"a fault", START - 20, START - 1, WAIT, 0};
    set_up(&l, DUE);
    l.emitted_after[2] = 1 + 5000;
    faults_judge(&(struct faults){&fault, 1}, &l, &plan, &judgement);
    assert_int_equal(judgement.after.max_ms, 5000);
    assert_int_equal(judgement.recovered_after_ms, 0);
    fault.end_ms = START;
    faults_judge(&(struct faults){&fault, 1}, &l, &plan, &judgement);
    assert_int_equal(judgement.recovered_after_ms, DELAY + 5000);
    ledger_release(&l);
}

static void a_file_has_a_fault_a_line(void **state)
{
    (void)state;
    static const char good[] = "{\"what\":\"kill -9\",\"begin_ms\":1,\"end_ms\":2,\"wait_ms\":3,"
                               "\"records\":4}\n";
    static const char *const bad[] = {
        "{\"what\":\"kill -9\",\"begin_ms\":3,\"end_ms\":2,\"wait_ms\":3,\"records\":4}\n",
        "{\"what\":\"kill -9\",\"begin_ms\":1,\"end_ms\":2,\"wait_ms\":3}\n", "\n", "{\n"};
    struct faults faults;
    struct temp_dir dir;
    temp_dir_init(&dir);
    struct temp_path path = temp_dir_at(&dir, "faults");
    temp_dir_write(&dir, "faults", good);
    assert_true(faults_read(path.text, &faults));
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.list[0].what, "kill -9");
    assert_int_equal(faults.list[0].wait_ms, 3);
    assert_int_equal(faults.list[0].records, 4);
    faults_release(&faults);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        temp_dir_write(&dir, "faults", bad[i]);
        assert_false(faults_read(path.text, &faults));
        faults_release(&faults);
    }
    assert_false(faults_read(temp_dir_at(&dir, "missing").text, &faults));
    faults_release(&faults);
    temp_dir_release(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_in_the_records_life_explains),
        cmocka_unit_test(a_copy_comes_within_the_wait),
        cmocka_unit_test(no_more_than_the_bound),
        cmocka_unit_test(duplicates_alone_are_excused),
        cmocka_unit_test(a_copy_whose_time_is_not_known_is_not_excused),
        cmocka_unit_test(every_copy_is_kept),
        cmocka_unit_test(lateness_before_during_and_after),
        cmocka_unit_test(what_came_later_is_no_backlog),
        cmocka_unit_test(a_file_has_a_fault_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
