#include "tests/harness/unit.h"

#include "scheduler/scheduler_config.h"

static struct scheduler_config config_of(int64_t bucket_ms, int64_t handoff_ms)
{
    static char ready[] = "ready.fifo";
    static char timer[] = "timer.fifo";
    return (struct scheduler_config){
        .settings = {.ready_queue = ready,
                     .timer_queue = timer,
                     .shards = 8,
                     .bucket_ms = bucket_ms,
                     .handoff_ms = handoff_ms,
                     .cutoff_ms = 60000,
                     .stop_grace_ms = 9000},
        .cursor_interval_ms = 1000,
        .linger_ms = 100,
        .memory_bytes = MIB,
        .receives = 2,
        .sends = 16,
        .page_items = 500,
    };
}

static void mistakes_of(const struct scheduler_config *config, struct buf *errors)
{
    buf_init(errors, 64 * KIB);
    scheduler_config_validate(config, errors);
}

static void times_follow_the_design_by_default(void **state)
{
    (void)state;
    struct scheduler_config config = config_of(60000, 20000);
    struct scheduler_limits limits = scheduler_config_limits(&config);
    assert_int_equal(limits.tick_ahead_ms, 30000);
    assert_int_equal(limits.lease_ms, 10000);
    assert_int_equal(limits.extend_every_ms, 3000);
    assert_int_equal(limits.straggler_delay_ms, 120000);
    assert_int_equal(scheduler_config_wait_ms(&config), 5000);
    CLEANUP(buf_release) struct buf errors;
    mistakes_of(&config, &errors);
    assert_string_equal(buf_text(&errors), "");
}

static void short_handoffs_shorten_the_rest(void **state)
{
    (void)state;
    for (int64_t handoff_ms = 2000; handoff_ms <= 30000; handoff_ms += 500) {
        struct scheduler_config config = config_of(1000, handoff_ms);
        CLEANUP(buf_release) struct buf errors;
        mistakes_of(&config, &errors);
        assert_string_equal(buf_text(&errors), "");
        struct scheduler_limits limits = scheduler_config_limits(&config);
        assert_true(scheduler_core_bytes(&limits) > 0); /* which checks them */
    }
}

static void every_broken_relation_is_named(void **state)
{
    (void)state;
    struct scheduler_config config = config_of(60000, 20000);
    config.settings.timer_queue = config.settings.ready_queue;
    config.settings.stop_grace_ms = 1000;
    config.tick_ahead_ms = 19000;
    config.lease_ms = 30500;
    config.extend_ms = 20000;
    config.wait_ms = 30500;
    config.linger_ms = 6000;
    CLEANUP(buf_release) struct buf errors;
    mistakes_of(&config, &errors);
    const char *const named[] = {
        "DELAYLINE_SCHEDULER_LEASE must be whole seconds",
        "DELAYLINE_SCHEDULER_WAIT must be whole seconds",
        "DELAYLINE_SCHEDULER_LEASE (2s or more) must not be more than DELAYLINE_HANDOFF",
        "DELAYLINE_SCHEDULER_LEASE must be more than DELAYLINE_SCHEDULER_WAIT",
        "DELAYLINE_SCHEDULER_EXTEND must be at most half",
        "DELAYLINE_SCHEDULER_TICK_AHEAD must be at least",
        "DELAYLINE_SCHEDULER_LINGER must be at most a quarter",
        "DELAYLINE_STOP_GRACE must be more than",
        "must be two queues",
    };
    for (size_t i = 0; i < ARRAY_LEN(named); i++)
        assert_non_null(strstr(buf_text(&errors), named[i]));
}

static void a_handoff_too_short_for_any_lease_is_a_mistake(void **state)
{
    (void)state;
    struct scheduler_config config = config_of(1000, 1900);
    CLEANUP(buf_release) struct buf errors;
    mistakes_of(&config, &errors);
    assert_non_null(strstr(buf_text(&errors), "DELAYLINE_SCHEDULER_LEASE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_follow_the_design_by_default),
        cmocka_unit_test(short_handoffs_shorten_the_rest),
        cmocka_unit_test(every_broken_relation_is_named),
        cmocka_unit_test(a_handoff_too_short_for_any_lease_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
