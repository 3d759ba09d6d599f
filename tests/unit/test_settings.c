/* The relations between the shared times: each broken one is named, the design's own hold. */
#include "tests/harness/unit.h"

#include "common/settings.h"
#include "common/timeval.h"

static struct settings of_the_design(void)
{
    static char authentication[] = "properties";
    return (struct settings){
        .kafka_authentication = authentication,
        .horizon_ms = 15 * MS_PER_MINUTE,
        .bucket_ms = MS_PER_MINUTE,
        .handoff_ms = 20 * MS_PER_SECOND,
        .cutoff_ms = MS_PER_MINUTE,
        .lead_ms = 2 * MS_PER_SECOND,
        .retention_ms = 7 * MS_PER_DAY,
    };
}

static void the_design_holds(void **state)
{
    (void)state;
    struct settings s = of_the_design();
    struct buf errors;
    buf_init(&errors, 4096);
    assert_status(settings_check(&s, CONFIG_ROUTER, &errors), STATUS_OK);
    assert_status(settings_check(&s, CONFIG_SCHEDULER, &errors), STATUS_OK);
    assert_status(settings_check(&s, CONFIG_RELAY, &errors), STATUS_OK);
    assert_int_equal(errors.len, 0);
    buf_release(&errors);
}

static void expect(const struct settings *s, enum config_program program, const char *named)
{
    struct buf errors;
    buf_init(&errors, 4096);
    assert_status(settings_check(s, program, &errors), STATUS_INVALID);
    if (strstr(buf_text(&errors), named) == NULL)
        fail_msg("\"%s\" does not name %s", buf_text(&errors), named);
    buf_release(&errors);
}

static void brokers_are_hosts_and_ports(void **state)
{
    (void)state;
    static char fine[][32] = {
        "b-1.example:9092", "localhost",          "a:1,b:65535", "a:1, b:2",
        "[::1]:9092",       "PLAINTEXT://a:9092", "[::1]",       "SASL_SSL://[fe80::1]:1,b"};
    static char wrong[][32] = {
        "",      ",,,", " ",     "a:abc", "a:99999", "a:0",  "a:1,,b:2", "a:1,",
        ":9092", "a:",  "a b:1", "a:1 ",  "SSL://",  "a:-1", "[::1]:x"};
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        struct settings s = of_the_design();
        struct buf errors;
        buf_init(&errors, 4096);
        s.bootstrap_servers = fine[i];
        assert_status(settings_check(&s, CONFIG_RELAY, &errors), STATUS_OK);
        assert_string_equal(buf_text(&errors), "");
        buf_release(&errors);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct settings s = of_the_design();
        s.bootstrap_servers = wrong[i];
        expect(&s, CONFIG_ROUTER, "KAFKA_BOOTSTRAP_SERVERS must be host:port");
    }
}

static void clients_come_in_one_of_two_ways(void **state)
{
    (void)state;
    static char iam[] = "msk-iam";
    static char wrong[][16] = {"", "MSK-IAM", "scram"};
    struct settings s = of_the_design();
    assert_false(settings_want_msk_iam(&s));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        s.kafka_authentication = wrong[i];
        expect(&s, CONFIG_ROUTER, "DELAYLINE_KAFKA_AUTHENTICATION must be properties or msk-iam");
    }
    s.kafka_authentication = iam;
    assert_true(settings_want_msk_iam(&s));
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, 4096);
    assert_status(settings_check(&s, CONFIG_RELAY, &errors), STATUS_OK);
}

static void each_broken_relation_is_named(void **state)
{
    (void)state;
    struct settings s = of_the_design();
    s.horizon_ms = s.bucket_ms + s.handoff_ms + s.cutoff_ms; /* must be more */
    expect(&s, CONFIG_ROUTER, "DELAYLINE_HORIZON must be more than DELAYLINE_BUCKET");
    expect(&s, CONFIG_SCHEDULER, "DELAYLINE_HORIZON must be more than DELAYLINE_BUCKET");

    s = of_the_design();
    s.bucket_ms = 7 * MS_PER_SECOND;
    expect(&s, CONFIG_ROUTER, "divide a day");

    s = of_the_design();
    s.retention_ms = s.bucket_ms;
    expect(&s, CONFIG_SCHEDULER, "DELAYLINE_RETENTION");

    s = of_the_design();
    s.handoff_ms = s.lead_ms;
    expect(&s, CONFIG_RELAY, "DELAYLINE_HANDOFF must be more than DELAYLINE_LEAD");
}

static void all_broken_relations_at_once(void **state)
{
    (void)state;
    struct settings s = of_the_design();
    s.horizon_ms = MS_PER_SECOND;
    s.bucket_ms = 7 * MS_PER_SECOND;
    s.retention_ms = 1;
    expect(&s, CONFIG_ROUTER, "DELAYLINE_HORIZON must be more than DELAYLINE_BUCKET");
    expect(&s, CONFIG_ROUTER, "divide a day");
    expect(&s, CONFIG_ROUTER, "DELAYLINE_RETENTION");
    expect(&s, CONFIG_ROUTER, "DELAYLINE_HORIZON must be more than DELAYLINE_LEAD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_design_holds),
        cmocka_unit_test(brokers_are_hosts_and_ports),
        cmocka_unit_test(clients_come_in_one_of_two_ways),
        cmocka_unit_test(each_broken_relation_is_named),
        cmocka_unit_test(all_broken_relations_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
