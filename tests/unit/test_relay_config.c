#include "tests/harness/unit.h"

#include "common/limits.h"
#include "relay/relay_config.h"

static struct relay_config usual(void)
{
    static char delay[] = "delay";
    static char ready[] = "ready.fifo";
    static char dead[] = "dead";
    return (struct relay_config){
        .settings = {.delay_queue = delay,
                     .ready_queue = ready,
                     .dead_letter_topic = dead,
                     .handoff_ms = 20000,
                     .lead_ms = 2000,
                     .stop_grace_ms = 9000},
        .budget_bytes = 256 * MIB,
        .slots = 16384,
        .window_records = 100000,
        .polls = 4,
        .wait_ms = 5000,
        .linger_ms = 50,
        .park_ms = 30000,
        .park_max_ms = MS_PER_DAY,
    };
}

/* Lines that validation complains about; each must name the variable. */
static size_t complaints(const struct relay_config *config, const char *variable)
{
    struct buf errors;
    buf_init(&errors, 64 * KIB);
    relay_config_validate(config, &errors);
    size_t lines = 0;
    for (size_t i = 0; i < errors.len; i++)
        lines += errors.ptr[i] == '\n';
    if (variable != NULL)
        assert_non_null(strstr(buf_text(&errors), variable));
    buf_release(&errors);
    return lines;
}

static void the_defaults_follow_the_shared_times(void **state)
{
    (void)state;
    struct relay_config config = usual();
    assert_int_equal(complaints(&config, NULL), 0);
    struct relay_limits limits = relay_config_limits(&config);
    assert_int_equal(limits.visibility_ms, 10000);
    assert_int_equal(limits.hold_ms, 3000);
    assert_int_equal(limits.margin_ms, 1000);
    assert_int_equal(limits.unpack_ms, 1000);
    assert_int_equal(limits.unpacked_bytes, limits.budget_bytes / 2);

    config.settings.handoff_ms = 3000;
    config.settings.lead_ms = 1000;
    assert_int_equal(complaints(&config, NULL), 0);
    limits = relay_config_limits(&config);
    assert_int_equal(limits.visibility_ms, 2000); /* whole seconds, less than the handoff */
    assert_int_equal(limits.hold_ms, 2000);
    assert_int_equal(limits.margin_ms, 400);

    config.visibility_ms = 2000;
    config.hold_ms = 5000;
    limits = relay_config_limits(&config);
    assert_int_equal(limits.visibility_ms, 2000);
    assert_int_equal(limits.hold_ms, 5000);
}

static void each_broken_relation_is_named(void **state)
{
    (void)state;
    const struct relay_config good = usual();
    struct relay_config config = good;
    config.wait_ms = 1500;
    assert_int_equal(complaints(&config, "DELAYLINE_RELAY_WAIT"), 1);
    config = good;
    config.visibility_ms = 20000;
    assert_int_equal(complaints(&config, "DELAYLINE_HANDOFF"), 1);
    config.visibility_ms = 19000;
    assert_int_equal(complaints(&config, NULL), 0);
    config.visibility_ms = 9500;
    assert_int_equal(complaints(&config, "DELAYLINE_RELAY_VISIBILITY"), 1);
    config.visibility_ms = 1000;
    assert_int_equal(complaints(&config, "DELAYLINE_RELAY_VISIBILITY"), 1);
    config = good;
    config.hold_ms = 2999;
    assert_int_equal(complaints(&config, "DELAYLINE_RELAY_HOLD"), 1);
    config = good;
    config.linger_ms = 501;
    assert_int_equal(complaints(&config, "DELAYLINE_RELAY_LINGER"), 1);
    config = good;
    config.settings.stop_grace_ms = 5000;
    assert_int_equal(complaints(&config, "DELAYLINE_STOP_GRACE"), 1);
    config = good;
    config.park_ms = 1500;
    assert_int_equal(complaints(&config, "DELAYLINE_RELAY_PARK"), 1);
    config = good;
    config.settings.ready_queue = config.settings.delay_queue;
    assert_int_equal(complaints(&config, "must be two queues"), 1);
    config = good;
    char illegal[] = "no/topic";
    config.settings.dead_letter_topic = illegal;
    assert_int_equal(complaints(&config, "DELAYLINE_DEAD_LETTER_TOPIC"), 1);
}

static void all_are_named_in_one_go(void **state)
{
    (void)state;
    struct relay_config config = usual();
    config.wait_ms = 9500;
    config.hold_ms = 100;
    config.settings.handoff_ms = 1000;
    assert_int_equal(complaints(&config, NULL), 4);
}

static void the_limits_suit_the_core(void **state)
{
    (void)state;
    struct relay_config config = usual();
    struct relay_limits limits = relay_config_limits(&config);
    static struct relay_core core;
    void *storage = calloc(1, relay_core_storage_bytes(&limits));
    assert_non_null(storage);
    relay_core_init(&core, &limits, storage, 1);
    assert_true(relay_core_storage_bytes(&limits) < 64 * MIB);
    free(storage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_follow_the_shared_times),
        cmocka_unit_test(each_broken_relation_is_named),
        cmocka_unit_test(all_are_named_in_one_go),
        cmocka_unit_test(the_limits_suit_the_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
