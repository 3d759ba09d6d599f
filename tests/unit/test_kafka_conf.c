#include "tests/harness/unit.h"

#include "common/kafka_internal.h"
#include "tests/harness/mock_kafka.h"

#define ERRORS_MAX 4096

/* Each case runs in a process of its own: what one puts into the environment stays there. */

static rd_kafka_t *open_handle(rd_kafka_type_t type, const struct kafka_settings *settings)
{
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, ERRORS_MAX);
    rd_kafka_t *rk = kafka_handle_new(type, settings, 0, &errors);
    assert_string_equal(buf_text(&errors), "");
    assert_non_null(rk);
    return rk;
}

static void assert_property(const rd_kafka_t *rk, const char *name, const char *expected)
{
    char text[128];
    size_t size = sizeof(text);
    /* rd_kafka_conf only looks. */
    rd_kafka_conf_res_t found =
        rd_kafka_conf_get(rd_kafka_conf((rd_kafka_t *)(uintptr_t)rk), name, text, &size);
    assert_int_equal(found, RD_KAFKA_CONF_OK);
    assert_string_equal(text, expected);
}

static void assert_refused(rd_kafka_type_t type, const struct kafka_settings *settings,
                           const char *const *lines, size_t count)
{
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, ERRORS_MAX);
    assert_null(kafka_handle_new(type, settings, 0, &errors));
    for (size_t i = 0; i < count; i++) {
        if (strstr(buf_text(&errors), lines[i]) == NULL)
            fail_msg("no \"%s\" in: %s", lines[i], buf_text(&errors));
    }
}

static void the_stronger_goes_before(void **state)
{
    static const struct kafka_property defaults[] = {
        {"retries", "1"}, {"linger.ms", "1"}, {"message.max.bytes", "1001"}, {"acks", "1"}};
    static const struct kafka_property own[] = {
        {"linger.ms", "2"}, {"message.max.bytes", "1002"}, {"acks", "0"}};
    static const struct kafka_property forced[] = {{"acks", "all"}};
    const struct kafka_settings settings = {
        .bootstrap_servers = "localhost:1",
        .defaults = defaults,
        .default_count = ARRAY_LEN(defaults),
        .properties = own,
        .property_count = ARRAY_LEN(own),
        .forced = forced,
        .forced_count = ARRAY_LEN(forced),
    };
    (void)state;
    setenv("KAFKA_PROPERTY_MESSAGE_MAX_BYTES", "1003", 1);
    rd_kafka_t *rk = open_handle(RD_KAFKA_PRODUCER, &settings);
    assert_property(rk, "retries", "1");
    assert_property(rk, "linger.ms", "2");
    assert_property(rk, "message.max.bytes", "1003");
    assert_property(rk, "acks", "-1");
    assert_property(rk, "bootstrap.servers", "localhost:1");
    rd_kafka_destroy(rk);
}

static const struct kafka_settings plain = {.bootstrap_servers = "localhost:1"};

static void each_type_of_client_gets_what_is_its_own(void **state)
{
    (void)state;
    setenv("KAFKA_PROPERTY_SESSION_TIMEOUT_MS", "7000", 1); /* consumers */
    setenv("KAFKA_PROPERTY_LINGER_MS", "70", 1);            /* producers */
    setenv("KAFKA_PROPERTY_COMPRESSION_CODEC", "gzip", 1);  /* producers; of topics, too */
    setenv("KAFKA_PROPERTY_SOCKET_TIMEOUT_MS", "7001", 1);  /* both */
    static const struct kafka_property group[] = {{"group.id", "g"}};
    const struct kafka_settings member = {
        .bootstrap_servers = "localhost:1", .forced = group, .forced_count = 1};
    rd_kafka_t *producer = open_handle(RD_KAFKA_PRODUCER, &plain);
    rd_kafka_t *consumer = open_handle(RD_KAFKA_CONSUMER, &member);
    assert_property(producer, "session.timeout.ms", "45000");
    assert_property(producer, "linger.ms", "70");
    assert_property(producer, "compression.codec", "gzip");
    assert_property(producer, "socket.timeout.ms", "7001");
    assert_property(consumer, "session.timeout.ms", "7000");
    assert_property(consumer, "linger.ms", "5");
    assert_property(consumer, "compression.codec", "none");
    assert_property(consumer, "socket.timeout.ms", "7001");
    rd_kafka_destroy(producer);
    rd_kafka_destroy(consumer);
}

static void a_mistake_is_one_for_everybody(void **state)
{
    static const char *const lines[] = {"KAFKA_PROPERTY_SESSION_TIMEOUT_MS: "};
    (void)state;
    setenv("KAFKA_PROPERTY_SESSION_TIMEOUT_MS", "soon", 1);
    assert_refused(RD_KAFKA_PRODUCER, &plain, lines, 1);
    assert_refused(RD_KAFKA_CONSUMER, &plain, lines, 1);
}

static void every_mistake_is_named(void **state)
{
    static const struct kafka_property own[] = {{"no.such.property", "1"}, {"linger.ms", "soon"}};
    static const char *const lines[] = {"no.such.property: ", "linger.ms: ",
                                        "KAFKA_PROPERTY_NO_SUCH_THING: ", "KAFKA_PROPERTY_AAAAAAAA",
                                        "...: no such property\n"};
    const struct kafka_settings settings = {
        .bootstrap_servers = "localhost:1", .properties = own, .property_count = ARRAY_LEN(own)};
    char variable[256] = "KAFKA_PROPERTY_";
    (void)state;
    memset(variable + strlen(variable), 'A', 200);
    setenv(variable, "1", 1);
    setenv("KAFKA_PROPERTY_NO_SUCH_THING", "1", 1);
    assert_refused(RD_KAFKA_PRODUCER, &settings, lines, ARRAY_LEN(lines));
}

/* What the guarantees stand on, by all its names. */
static void some_properties_are_not_the_users(void **state)
{
    static const char *const names[] = {
        "BOOTSTRAP_SERVERS",
        "METADATA_BROKER_LIST",
        "GROUP_ID",
        "LOG_QUEUE",
        "ACKS",
        "REQUEST_REQUIRED_ACKS",
        "ENABLE_IDEMPOTENCE",
        "ENABLE_AUTO_COMMIT",
        "ENABLE_AUTO_OFFSET_STORE",
        "ENABLE_PARTITION_EOF", /* by this client's own list */
    };
    static const struct kafka_property forced[] = {{"enable.partition.eof", "false"}};
    const struct kafka_settings settings = {
        .bootstrap_servers = "localhost:1", .forced = forced, .forced_count = 1};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char variable[64];
        char line[128];
        const char *lines[] = {line};
        snprintf(variable, sizeof(variable), "KAFKA_PROPERTY_%s", names[i]);
        snprintf(line, sizeof(line), "%s: ", variable);
        setenv(variable, "1", 1);
        assert_refused(RD_KAFKA_CONSUMER, &settings, lines, 1);
        unsetenv(variable);
    }
}

static void what_does_not_go_together_is_said(void **state)
{
    static const struct kafka_property own[] = {{"enable.idempotence", "true"},
                                                {"max.in.flight", "1000"}};
    static const char *const lines[] = {"Kafka: "};
    const struct kafka_settings settings = {
        .bootstrap_servers = "localhost:1", .properties = own, .property_count = ARRAY_LEN(own)};
    (void)state;
    assert_refused(RD_KAFKA_PRODUCER, &settings, lines, 1);
}

static void the_environment_alone_is_checked(void **state)
{
    CLEANUP(buf_release) struct buf errors;
    (void)state;
    buf_init(&errors, ERRORS_MAX);
    setenv("KAFKA_PROPERTY_FETCH_WAIT_MAX_MS", "5", 1);
    setenv("KAFKA_PROPERTY_LINGER_MS", "5", 1);
    kafka_properties_check(false, &errors);
    assert_string_equal(buf_text(&errors), "");
    setenv("KAFKA_PROPERTY_FETCH_WAIT_MAX_MS", "late", 1);
    setenv("KAFKA_PROPERTY_ACKS", "1", 1);
    kafka_properties_check(false, &errors);
    assert_non_null(strstr(buf_text(&errors), "KAFKA_PROPERTY_FETCH_WAIT_MAX_MS: "));
    assert_non_null(
        strstr(buf_text(&errors), "KAFKA_PROPERTY_ACKS: acks is decided by Delayline\n"));
    assert_null(strstr(buf_text(&errors), "LINGER"));
}

/* A property in the environment, and the line that refuses it. */
struct property_set {
    char variable[64];
    char line[128];
};

static void set_property(struct property_set *set, const char *const name_value[2],
                         const char *refusal)
{
    snprintf(set->variable, sizeof(set->variable), "KAFKA_PROPERTY_%s", name_value[0]);
    snprintf(set->line, sizeof(set->line), "%s: %s", set->variable, refusal);
    setenv(set->variable, name_value[1], 1);
}

static void msk_iam_decides_how_clients_come(void **state)
{
    static const char *const refused[][2] = {
        {"SECURITY_PROTOCOL", "PLAINTEXT"},
        {"SECURITY_PROTOCOL", "SASL_SSL"},
        {"SASL_MECHANISM", "SCRAM-SHA-512"},
        {"SASL_MECHANISMS", "OAUTHBEARER"},
        {"SASL_USERNAME", "me"},
        {"SASL_PASSWORD", "geheim"},
        {"SASL_OAUTHBEARER_CONFIG", "principal=me"},
        {"ENABLE_SASL_OAUTHBEARER_UNSECURE_JWT", "true"},
        {"ENABLE_SSL_CERTIFICATE_VERIFICATION", "false"},
        {"SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "none"},
    };
    const struct kafka_settings settings = {.bootstrap_servers = "localhost:1", .iam = true};
    (void)state;
    setenv("KAFKA_PROPERTY_SSL_CIPHER_SUITES", "HIGH", 1);
    rd_kafka_t *rk = open_handle(RD_KAFKA_PRODUCER, &settings);
    assert_property(rk, "security.protocol", "sasl_ssl");
    assert_property(rk, "sasl.mechanisms", "OAUTHBEARER");
    rd_kafka_destroy(rk);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct property_set set;
        CLEANUP(buf_release) struct buf errors;
        buf_init(&errors, ERRORS_MAX);
        set_property(&set, refused[i], "");
        kafka_properties_check(true, &errors);
        assert_non_null(strstr(buf_text(&errors), set.line));
        assert_non_null(strstr(buf_text(&errors), "DELAYLINE_KAFKA_AUTHENTICATION=msk-iam\n"));
        assert_null(strstr(buf_text(&errors), "geheim"));
        unsetenv(set.variable);
    }
}

/* TLS without a verified broker is none; librdkafka's own defaults verify chain and name. */
static void brokers_are_always_verified(void **state)
{
    static const char *const off[][2] = {{"ENABLE_SSL_CERTIFICATE_VERIFICATION", "false"},
                                         {"ENABLE_SSL_CERTIFICATE_VERIFICATION", "0"},
                                         {"SSL_ENDPOINT_IDENTIFICATION_ALGORITHM", "none"}};
    (void)state;
    setenv("KAFKA_PROPERTY_SECURITY_PROTOCOL", "SSL", 1);
    rd_kafka_t *rk = open_handle(RD_KAFKA_PRODUCER, &plain);
    assert_property(rk, "enable.ssl.certificate.verification", "true");
    assert_property(rk, "ssl.endpoint.identification.algorithm", "https");
    rd_kafka_destroy(rk);
    for (size_t i = 0; i < ARRAY_LEN(off); i++) {
        struct property_set set;
        set_property(&set, off[i], "brokers are always verified");
        const char *lines[] = {set.line};
        assert_refused(RD_KAFKA_CONSUMER, &plain, lines, 1);
        assert_refused(RD_KAFKA_PRODUCER, &plain, lines, 1);
        unsetenv(set.variable);
    }
}

/* Clients would wait for ever. */
static void tokens_that_nobody_makes_are_refused(void **state)
{
    static const char *const lines[] = {"KAFKA_PROPERTY_SASL_MECHANISM=OAUTHBEARER needs "};
    (void)state;
    setenv("KAFKA_PROPERTY_SECURITY_PROTOCOL", "SASL_SSL", 1);
    setenv("KAFKA_PROPERTY_SASL_MECHANISM", "OAUTHBEARER", 1);
    assert_refused(RD_KAFKA_PRODUCER, &plain, lines, 1);
    setenv("KAFKA_PROPERTY_ENABLE_SASL_OAUTHBEARER_UNSECURE_JWT", "true", 1);
    rd_kafka_t *rk = open_handle(RD_KAFKA_PRODUCER, &plain);
    rd_kafka_destroy(rk);
}

static void errors_have_kafkas_names(void **state)
{
    struct error error;
    (void)state;
    kafka_error_set(&error, ERROR_RETRY, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, NULL);
    assert_int_equal(error.kind, ERROR_RETRY);
    assert_string_equal(error.code, "MSG_TIMED_OUT");
    assert_string_equal(error.text, "Local: Message timed out");
    kafka_error_set(&error, ERROR_AUTH, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "our words");
    assert_string_equal(error.code, "GROUP_AUTHORIZATION_FAILED");
    assert_string_equal(error.text, "our words");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stronger_goes_before),
        cmocka_unit_test(each_type_of_client_gets_what_is_its_own),
        cmocka_unit_test(a_mistake_is_one_for_everybody),
        cmocka_unit_test(every_mistake_is_named),
        cmocka_unit_test(some_properties_are_not_the_users),
        cmocka_unit_test(what_does_not_go_together_is_said),
        cmocka_unit_test(the_environment_alone_is_checked),
        cmocka_unit_test(msk_iam_decides_how_clients_come),
        cmocka_unit_test(brokers_are_always_verified),
        cmocka_unit_test(tokens_that_nobody_makes_are_refused),
        cmocka_unit_test(errors_have_kafkas_names),
    };
    return run_side_by_side(tests, ARRAY_LEN(tests));
}
