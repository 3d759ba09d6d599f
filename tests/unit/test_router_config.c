#include "tests/harness/unit.h"

#include "router/router_config.h"

static char delay_topics[] = "delay, orders-delay:orders,bare:audit:90s,noted::5m";
static char dead_letter_topic[] = "delay-dead-letter";
static char allowed[] = "orders*, *-events";

static struct router_config sample(void)
{
    struct router_config c = {.delay_max_ms = 366 * MS_PER_DAY};
    c.settings.delay_topics = delay_topics;
    c.settings.dead_letter_topic = dead_letter_topic;
    c.allowed_targets = allowed;
    return c;
}

static void topics_have_default_targets_and_delays(void **state)
{
    (void)state;
    struct router_config c = sample();
    struct router_topics topics;
    struct buf errors;
    buf_init(&errors, 4096);
    router_topics_init(&topics, &c, &errors);
    assert_string_equal(buf_text(&errors), "");
    assert_int_equal(topics.count, 4);
    const struct router_topic *plain = router_topics_find(&topics, SLICE_LITERAL("delay"));
    assert_true(slice_is_null(plain->rules.default_target));
    assert_int_equal(plain->rules.default_delay_ms, -1);
    const struct router_topic *target = router_topics_find(&topics, SLICE_LITERAL("orders-delay"));
    assert_slice_equal(target->rules.default_target, "orders");
    assert_int_equal(target->rules.default_delay_ms, -1);
    const struct router_topic *both = router_topics_find(&topics, SLICE_LITERAL("bare"));
    assert_slice_equal(both->rules.default_target, "audit");
    assert_int_equal(both->rules.default_delay_ms, 90000);
    const struct router_topic *delay = router_topics_find(&topics, SLICE_LITERAL("noted"));
    assert_true(slice_is_null(delay->rules.default_target));
    assert_int_equal(delay->rules.default_delay_ms, 300000);
    assert_null(router_topics_find(&topics, SLICE_LITERAL("other")));
    router_topics_release(&topics);
    buf_release(&errors);
}

static void targets_are_limited_in_every_topic(void **state)
{
    (void)state;
    struct router_config c = sample();
    struct router_topics topics;
    struct buf errors;
    buf_init(&errors, 4096);
    router_topics_init(&topics, &c, &errors);
    for (size_t i = 0; i < topics.count; i++) {
        const struct delay_rules *rules = &topics.topics[i].rules;
        assert_int_equal(rules->delay_max_ms, c.delay_max_ms);
        assert_int_equal(rules->allow_count, 2);
        assert_slice_equal(rules->allow[1], "*-events");
        assert_int_equal(rules->forbidden_count, 5); /* the dead-letter topic and all four */
        assert_slice_equal(rules->forbidden[0], "delay-dead-letter");
    }
    router_topics_release(&topics);
    buf_release(&errors);
}

static void every_mistake_is_named(void **state)
{
    (void)state;
    char wrong[] = "de lay,ok,ok,a:b c,d:e:soon,f:g:400d,__own,delay-dead-letter";
    struct router_config c = sample();
    c.settings.delay_topics = wrong;
    struct router_topics topics;
    struct buf errors;
    buf_init(&errors, 4096);
    router_topics_init(&topics, &c, &errors);
    const char *const expected[] = {
        "de lay: ",   "ok is named twice",         "a:b c: ",         "d:e:soon: ",
        "f:g:400d: ", "__own: one of Kafka's own", "is a delay topic"};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        if (strstr(buf_text(&errors), expected[i]) == NULL)
            fail_msg("\"%s\" is missing in: %s", expected[i], buf_text(&errors));
    router_topics_release(&topics);
    buf_release(&errors);
}

static void no_topic_is_a_mistake(void **state)
{
    (void)state;
    char none[] = " , ";
    struct router_config c = sample();
    c.settings.delay_topics = none;
    struct router_topics topics;
    struct buf errors;
    buf_init(&errors, 4096);
    router_topics_init(&topics, &c, &errors);
    assert_non_null(strstr(buf_text(&errors), "names no topic"));
    router_topics_release(&topics);
    buf_release(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_have_default_targets_and_delays),
        cmocka_unit_test(targets_are_limited_in_every_topic),
        cmocka_unit_test(every_mistake_is_named),
        cmocka_unit_test(no_topic_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
