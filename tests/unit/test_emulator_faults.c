#include "tests/harness/unit.h"

#include "tests/emulator/faults.h"

#define T0 INT64_C(1800000000000)

static struct faults *load(const char *script)
{
    struct faults *faults = faults_new();
    struct buf errors;
    buf_init(&errors, 1024);
    cJSON *json = cJSON_Parse(script);
    assert_non_null(json);
    if (!faults_load(faults, json, T0, &errors))
        fail_msg("%s", buf_text(&errors));
    cJSON_Delete(json);
    buf_release(&errors);
    return faults;
}

static enum fault_action ask(struct faults *faults, const char *operation, int64_t now_ms)
{
    return faults_decide(faults, operation, SLICE_LITERAL("queue"), now_ms).action;
}

static void the_nth_call_alone(void **state)
{
    (void)state;
    struct faults *faults =
        load("{\"faults\":[{\"operation\":\"PutItem\",\"nth\":3,\"action\":\"drop\"}]}");
    for (int i = 1; i <= 6; i++) {
        assert_int_equal(ask(faults, "GetItem", T0), FAULT_NONE); /* does not count */
        assert_int_equal(ask(faults, "PutItem", T0), i == 3 ? FAULT_DROP : FAULT_NONE);
    }
    faults_free(faults);
}

static void from_the_nth_call_on_for_a_count(void **state)
{
    (void)state;
    struct faults *faults = load("{\"faults\":[{\"nth\":2,\"count\":3,\"action\":\"error\"}]}");
    for (int i = 1; i <= 6; i++)
        assert_int_equal(ask(faults, "Any", T0), i >= 2 && i <= 4 ? FAULT_ERROR : FAULT_NONE);
    faults_free(faults);
}

static void each_cut_is_a_step_later(void **state)
{
    (void)state;
    struct faults *faults =
        load("{\"faults\":[{\"action\":\"truncate\",\"at\":5,\"step\":2,\"count\":3}]}");
    for (size_t i = 0; i < 3; i++) {
        struct fault_effect effect = faults_decide(faults, "Any", SLICE_LITERAL("queue"), T0);
        assert_int_equal(effect.action, FAULT_TRUNCATE);
        assert_int_equal(effect.cut_at, 5 + 2 * i);
    }
    assert_int_equal(ask(faults, "Any", T0), FAULT_NONE);
    faults_free(faults);
}

static void chance_is_seeded_and_near_its_mark(void **state)
{
    (void)state;
    int hits[2] = {0, 0};
    for (int run = 0; run < 2; run++) {
        struct faults *faults =
            load("{\"seed\":4,\"faults\":[{\"per_mille\":100,\"action\":\"throttle\"}]}");
        for (int i = 0; i < 10000; i++)
            hits[run] += ask(faults, "Any", T0) == FAULT_THROTTLE;
        faults_free(faults);
    }
    assert_int_equal(hits[0], hits[1]);
    assert_in_range(hits[0], 850, 1150);
}

static void the_first_that_fires_wins_and_all_count(void **state)
{
    (void)state;
    struct faults *faults = load("{\"faults\":[{\"nth\":1,\"action\":\"drop\"},"
                                 "{\"nth\":2,\"action\":\"truncate\",\"at\":7}]}");
    assert_int_equal(ask(faults, "Any", T0), FAULT_DROP);
    struct fault_effect effect = faults_decide(faults, "Any", SLICE_NULL, T0);
    assert_int_equal(effect.action, FAULT_TRUNCATE);
    assert_int_equal(effect.cut_at, 7);
    assert_int_equal(ask(faults, "Any", T0), FAULT_NONE);
    faults_free(faults);
}

static void resource_and_time_bound_it(void **state)
{
    (void)state;
    struct faults *faults =
        load("{\"faults\":[{\"resource\":\"queue\",\"for_ms\":100,\"action\":\"drop\"}]}");
    assert_int_equal(ask(faults, "Any", T0), FAULT_DROP);
    assert_int_equal(faults_decide(faults, "Any", SLICE_LITERAL("other"), T0).action, FAULT_NONE);
    assert_int_equal(ask(faults, "Any", T0 + 99), FAULT_DROP);
    assert_int_equal(ask(faults, "Any", T0 + 100), FAULT_NONE);
    faults_clear(faults);
    assert_int_equal(ask(faults, "Any", T0), FAULT_NONE);
    faults_free(faults);
}

static void entries_are_chosen_by_index(void **state)
{
    (void)state;
    struct faults *faults = load("{\"faults\":[{\"action\":\"fail_entries\",\"entries\":[0,9],"
                                 "\"code\":\"InternalError\"}]}");
    struct fault_effect effect = faults_decide(faults, "Any", SLICE_NULL, T0);
    assert_true(fault_hits_entry(&effect, 0));
    assert_false(fault_hits_entry(&effect, 1));
    assert_true(fault_hits_entry(&effect, 9));
    assert_false(fault_hits_entry(&effect, 40));
    assert_false(effect.applied);
    assert_string_equal(effect.code, "InternalError");
    faults_free(faults);
}

static void a_bad_script_is_refused_and_the_old_one_stays(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}",
        "{\"faults\":{}}",
        "{\"faults\":[1]}",
        "{\"faults\":[{\"action\":\"explode\"}]}",
        "{\"faults\":[{\"action\":\"drop\",\"operatoin\":\"PutItem\"}]}",
    };
    struct faults *faults = load("{\"faults\":[{\"action\":\"drop\"}]}");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct buf errors;
        buf_init(&errors, 1024);
        cJSON *json = cJSON_Parse(bad[i]);
        assert_non_null(json);
        assert_false(faults_load(faults, json, T0, &errors));
        assert_true(errors.len > 0);
        assert_int_equal(ask(faults, "Any", T0), FAULT_DROP);
        cJSON_Delete(json);
        buf_release(&errors);
    }
    faults_free(faults);
}

/* Found by the fuzz target "control": these were undefined behaviour. */
static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    static const char *const members[] = {"\"for_ms\":1e300", "\"nth\":-1", "\"delay_ms\":-5",
                                          "\"at\":1e16"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        char script[128];
        struct faults *faults = faults_new();
        struct buf errors;
        buf_init(&errors, 1024);
        snprintf(script, sizeof(script), "{\"faults\":[{\"action\":\"drop\",%s}]}", members[i]);
        cJSON *json = cJSON_Parse(script);
        assert_false(faults_load(faults, json, T0, &errors));
        assert_non_null(strstr(buf_text(&errors), "must be 0 to 1e15"));
        cJSON_Delete(json);
        buf_release(&errors);
        faults_free(faults);
    }
    faults_free(load("{\"seed\":1e300,\"faults\":[]}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nth_call_alone),
        cmocka_unit_test(from_the_nth_call_on_for_a_count),
        cmocka_unit_test(each_cut_is_a_step_later),
        cmocka_unit_test(chance_is_seeded_and_near_its_mark),
        cmocka_unit_test(the_first_that_fires_wins_and_all_count),
        cmocka_unit_test(resource_and_time_bound_it),
        cmocka_unit_test(entries_are_chosen_by_index),
        cmocka_unit_test(a_bad_script_is_refused_and_the_old_one_stays),
        cmocka_unit_test(numbers_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
