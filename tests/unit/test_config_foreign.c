#include "tests/harness/unit.h"

#include "common/config_foreign.h"

static int set_up(void **state)
{
    (void)state;
    return clearenv();
}

static void print(enum config_program program, struct buf *out)
{
    buf_init(out, 64 * 1024);
    config_foreign_print(program, out);
}

static void nothing_set_is_nothing_shown(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out;
    setenv("AWS_PROFILE", "", 1);
    setenv("PATH", "/bin", 1);
    print(CONFIG_ROUTER, &out);
    assert_int_equal(out.len, 0);
}

static void what_is_no_secret_is_shown(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out;
    setenv("AWS_PROFILE", "ops", 1);
    setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    setenv("KAFKA_PROPERTY_SASL_USERNAME", "me", 1);
    setenv("KAFKA_PROPERTY_LINGER_MS", "5\x1b[31m", 1);
    setenv("KAFKA_PROPERTY_SSL_KEY_LOCATION", "/run/key.pem", 1);
    setenv("KAFKA_PROPERTY_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL", "https://idp/t", 1);
    print(CONFIG_RELAY, &out);
    assert_string_equal(buf_text(&out),
                        "AWS_PROFILE=ops\n"
                        "AWS_ACCESS_KEY_ID=AKIDEXAMPLE\n"
                        "KAFKA_PROPERTY_LINGER_MS=5?[31m\n"
                        "KAFKA_PROPERTY_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL=https://idp/t\n"
                        "KAFKA_PROPERTY_SASL_USERNAME=me\n"
                        "KAFKA_PROPERTY_SSL_KEY_LOCATION=/run/key.pem\n");
}

static void secrets_are_never_shown(void **state)
{
    (void)state;
    static const char *const names[] = {
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "KAFKA_PROPERTY_SASL_PASSWORD",
        "KAFKA_PROPERTY_sasl_password",
        "KAFKA_PROPERTY_SSL_KEY_PASSWORD",
        "KAFKA_PROPERTY_SSL_KEYSTORE_PASSWORD",
        "KAFKA_PROPERTY_SSL_KEY_PEM",
        "KAFKA_PROPERTY_SSL_CA_PEM",
        "KAFKA_PROPERTY_SASL_JAAS_CONFIG",
        "KAFKA_PROPERTY_SASL_OAUTHBEARER_CONFIG",
        "KAFKA_PROPERTY_SASL_OAUTHBEARER_CLIENT_SECRET",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        setenv(names[i], "geheim", 1);
    setenv("KAFKA_PROPERTY_SSL_KEY", "-----BEGIN PRIVATE KEY-----\ngeheim", 1);
    setenv("AWS_ENDPOINT_URL_STS", "http://me:geheim@host/", 1);
    CLEANUP(buf_release) struct buf out;
    print(CONFIG_ROUTER, &out);
    assert_null(strstr(buf_text(&out), "geheim"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char line[128];
        snprintf(line, sizeof(line), "%s=***\n", names[i]);
        if (strstr(buf_text(&out), line) == NULL)
            fail_msg("no %s in: %s", names[i], buf_text(&out));
    }
}

static void the_scheduler_has_nothing_to_do_with_kafka(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out;
    setenv("KAFKA_PROPERTY_LINGER_MS", "5", 1);
    print(CONFIG_SCHEDULER, &out);
    assert_int_equal(out.len, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_set_is_nothing_shown),
        TEST(what_is_no_secret_is_shown),
        TEST(secrets_are_never_shown),
        TEST(the_scheduler_has_nothing_to_do_with_kafka),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
