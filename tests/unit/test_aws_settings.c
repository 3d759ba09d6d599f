#include "tests/harness/unit.h"

#include "common/aws_client.h"
#include "tests/harness/aws_environment.h"
#include "tests/harness/temp_dir.h"

/* No shared files but those that a test writes. */
static struct temp_dir home;

static int set_up(void **state)
{
    (void)state;
    aws_environment_clear();
    temp_dir_init(&home);
    return setenv("HOME", home.path, 1);
}

static int tear_down(void **state)
{
    (void)state;
    temp_dir_release(&home);
    return 0;
}

static void write_config(const char *text)
{
    temp_dir_mkdir(&home, ".aws");
    temp_dir_write(&home, ".aws/config", text);
}

static void load(struct aws_settings *ret)
{
    struct buf errors;
    buf_init(&errors, 4096);
    memset(ret, 0, sizeof(*ret));
    if (aws_settings_load(ret, &errors) != STATUS_OK)
        fail_msg("refused: %s", buf_text(&errors));
    buf_release(&errors);
}

static void the_first_region_wins(void **state)
{
    (void)state;
    struct aws_settings s;
    setenv("AWS_DEFAULT_REGION", "eu-west-1", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "https://sqs.eu-west-1.amazonaws.com");
    setenv("AWS_REGION", "eu-central-1", 1);
    load(&s);
    assert_string_equal(s.dynamodb.url, "https://dynamodb.eu-central-1.amazonaws.com");
}

static void a_service_has_its_own_endpoint(void **state)
{
    (void)state;
    struct aws_settings s;
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("AWS_ENDPOINT_URL", "http://localhost:4566", 1);
    setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://localhost:8000/x/", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "http://localhost:4566");
    assert_string_equal(s.dynamodb.url, "http://localhost:8000/x");
    assert_string_equal(s.dynamodb.path, "/x");
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "https://sqs.eu-west-1.amazonaws.com");
}

static void the_rest_is_taken_over(void **state)
{
    (void)state;
    struct aws_settings s;
    struct temp_dir folder;
    temp_dir_init(&folder);
    temp_dir_write(&folder, "ca.pem", "");
    setenv("AWS_REGION", "us-gov-west-1", 1);
    setenv("AWS_MAX_ATTEMPTS", "7", 1);
    setenv("AWS_RETRY_MODE", "Adaptive", 1);
    setenv("AWS_USE_FIPS_ENDPOINT", "true", 1);
    setenv("AWS_USE_DUALSTACK_ENDPOINT", "False", 1);
    setenv("AWS_CA_BUNDLE", temp_dir_at(&folder, "ca.pem").text, 1);
    load(&s);
    assert_string_equal(s.region, "us-gov-west-1");
    assert_string_equal(s.dynamodb.signing_region, "us-gov-west-1");
    assert_non_null(strstr(s.dynamodb.url, "us-gov-west-1"));
    assert_int_equal(s.attempts_max, 7);
    assert_string_equal(s.ca_bundle, temp_dir_at(&folder, "ca.pem").text);
    temp_dir_release(&folder);
}

/* As in the SDKs. */
static void an_empty_variable_is_unset(void **state)
{
    (void)state;
    static const char *const names[] = {"AWS_REGION",       "AWS_ENDPOINT_URL",
                                        "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE",
                                        "AWS_CA_BUNDLE",    "AWS_USE_FIPS_ENDPOINT"};
    struct aws_settings s;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        setenv(names[i], "", 1);
    setenv("AWS_DEFAULT_REGION", "eu-west-1", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "https://sqs.eu-west-1.amazonaws.com");
    assert_int_equal(s.attempts_max, 0);
    assert_string_equal(s.ca_bundle, "");
}

static void every_mistake_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *variable;
        const char *value;
        const char *text; /* in the errors, all at once */
    } cases[] = {
        {"AWS_MAX_ATTEMPTS", "many", "AWS_MAX_ATTEMPTS=many"},
        {"AWS_MAX_ATTEMPTS", "0", "AWS_MAX_ATTEMPTS=0"},
        {"AWS_MAX_ATTEMPTS", "4294967297", "AWS_MAX_ATTEMPTS=4294967297"},
        {"AWS_RETRY_MODE", "often", "AWS_RETRY_MODE=often"},
        {"AWS_USE_FIPS_ENDPOINT", "yes", "AWS_USE_FIPS_ENDPOINT=yes"},
        {"AWS_USE_DUALSTACK_ENDPOINT", "1", "AWS_USE_DUALSTACK_ENDPOINT=1"},
        {"AWS_CA_BUNDLE", "/nowhere/at/all.pem", "AWS_CA_BUNDLE=/nowhere"},
        {"AWS_ENDPOINT_URL_SQS", "gopher://x", "AWS_ENDPOINT_URL_SQS=gopher"},
        {"AWS_ENDPOINT_URL_SQS", "localhost", "AWS_ENDPOINT_URL_SQS=localhost"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct aws_settings s = {.attempts_max = 5};
        CLEANUP(buf_release) struct buf errors;
        buf_init(&errors, 4 * 1024);
        setenv(cases[i].variable, cases[i].value, 1);
        assert_status(aws_settings_load(&s, &errors), STATUS_INVALID);
        assert_int_equal(s.attempts_max, 5); /* untouched */
        for (size_t seen = 0; seen <= i; seen++)
            if (strcmp(getenv(cases[seen].variable), cases[seen].value) == 0 &&
                strstr(buf_text(&errors), cases[seen].text) == NULL)
                fail_msg("%s is not in:\n%s", cases[seen].text, buf_text(&errors));
        assert_non_null(strstr(buf_text(&errors), "AWS_REGION: must be set"));
    }
}

static void too_long_is_a_mistake(void **state)
{
    (void)state;
    static const char *const names[] = {"AWS_REGION", "AWS_CA_BUNDLE"};
    char value[1024];
    memset(value, 'a', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct aws_settings s = {.attempts_max = 0};
        CLEANUP(buf_release) struct buf errors;
        buf_init(&errors, 4096);
        setenv("AWS_REGION", "eu-west-1", 1);
        setenv(names[i], value, 1);
        assert_status(aws_settings_load(&s, &errors), STATUS_INVALID);
        assert_non_null(strstr(buf_text(&errors), names[i]));
        assert_non_null(strstr(buf_text(&errors), "longer than"));
    }
}

/* What is shown goes to a log. */
static void a_password_is_not_shown(void **state)
{
    (void)state;
    struct aws_settings s = {.attempts_max = 0};
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, 4096);
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("AWS_ENDPOINT_URL", "http://me:geheim@localhost/", 1);
    assert_status(aws_settings_load(&s, &errors), STATUS_INVALID);
    assert_non_null(strstr(buf_text(&errors), "AWS_ENDPOINT_URL="));
    assert_null(strstr(buf_text(&errors), "geheim"));
}

static void refuse(const char *const *expected, size_t count)
{
    struct aws_settings s = {.attempts_max = 0};
    struct buf errors;
    buf_init(&errors, 4096);
    assert_status(aws_settings_load(&s, &errors), STATUS_INVALID);
    for (size_t i = 0; i < count; i++)
        if (strstr(buf_text(&errors), expected[i]) == NULL)
            fail_msg("no %s in: %s", expected[i], buf_text(&errors));
    buf_release(&errors);
}
#define REFUSE(...)                                                                                \
    refuse((const char *const[]){__VA_ARGS__}, ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static void no_region_is_a_mistake_with_endpoints_too(void **state)
{
    (void)state;
    REFUSE("AWS_REGION: must be set");
    setenv("AWS_ENDPOINT_URL", "http://localhost:4566", 1);
    REFUSE("AWS_REGION: must be set");
    setenv("AWS_ENDPOINT_URL", "nonsense", 1);
    REFUSE("AWS_REGION: must be set", "AWS_ENDPOINT_URL=nonsense");
}

static void a_profile_sets_what_the_environment_does_not(void **state)
{
    (void)state;
    struct aws_settings s;
    write_config("[default]\nregion = eu-west-3\n"
                 "[profile p]\nregion = eu-west-1\nmax_attempts = 7\nretry_mode = standard\n"
                 "use_dualstack_endpoint = true\n");
    load(&s);
    assert_string_equal(s.region, "eu-west-3");
    assert_false(s.without_rate);
    setenv("AWS_PROFILE", "p", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "https://sqs.eu-west-1.api.aws");
    assert_int_equal(s.attempts_max, 7);
    assert_true(s.without_rate);
    setenv("AWS_DEFAULT_REGION", "eu-west-2", 1);
    setenv("AWS_MAX_ATTEMPTS", "2", 1);
    setenv("AWS_RETRY_MODE", "adaptive", 1);
    setenv("AWS_USE_DUALSTACK_ENDPOINT", "false", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "https://sqs.eu-west-2.amazonaws.com");
    assert_int_equal(s.attempts_max, 2);
    assert_false(s.without_rate);
}

/* The order of AWS's page "Service-specific endpoints". */
static void endpoints_have_an_order(void **state)
{
    (void)state;
    struct aws_settings s;
    write_config("[default]\nregion = eu-west-1\nendpoint_url = http://profile:1\n"
                 "services = s\n[services s]\nsqs =\n  endpoint_url = http://section:2\n");
    load(&s);
    assert_string_equal(s.sqs.url, "http://section:2");
    assert_string_equal(s.dynamodb.url, "http://profile:1");
    setenv("AWS_ENDPOINT_URL", "http://all:3", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "http://all:3");
    assert_string_equal(s.dynamodb.url, "http://all:3");
    setenv("AWS_ENDPOINT_URL_SQS", "http://sqs:4", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "http://sqs:4");
    assert_string_equal(s.dynamodb.url, "http://all:3");
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "https://sqs.eu-west-1.amazonaws.com");
}

static void a_profile_can_ignore_endpoints_and_the_environment_can_undo_it(void **state)
{
    (void)state;
    struct aws_settings s;
    write_config("[default]\nregion = eu-west-1\nendpoint_url = http://profile:1\n"
                 "ignore_configured_endpoint_urls = true\n");
    setenv("AWS_ENDPOINT_URL_SQS", "http://sqs:4", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "https://sqs.eu-west-1.amazonaws.com");
    assert_string_equal(s.dynamodb.url, "https://dynamodb.eu-west-1.amazonaws.com");
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "http://sqs:4");
    assert_string_equal(s.dynamodb.url, "http://profile:1");
}

static void mistakes_in_a_profile_name_it(void **state)
{
    (void)state;
    write_config("[default]\nregion = eu-west-1\nservices = none\nendpoint_url = ftp://x\n"
                 "max_attempts = many\nretry_mode = never\n");
    REFUSE("profile default, services=none", "profile default, endpoint_url=ftp://x",
           "profile default, max_attempts=many", "profile default, retry_mode=never");
    setenv("AWS_PROFILE", "absent", 1);
    REFUSE("AWS_PROFILE is absent");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_first_region_wins),
        CASE(a_service_has_its_own_endpoint),
        CASE(the_rest_is_taken_over),
        CASE(an_empty_variable_is_unset),
        CASE(every_mistake_is_named),
        CASE(too_long_is_a_mistake),
        CASE(a_password_is_not_shown),
        CASE(no_region_is_a_mistake_with_endpoints_too),
        CASE(a_profile_sets_what_the_environment_does_not),
        CASE(endpoints_have_an_order),
        CASE(a_profile_can_ignore_endpoints_and_the_environment_can_undo_it),
        CASE(mistakes_in_a_profile_name_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
