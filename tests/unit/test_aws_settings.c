#include "tests/harness/unit.h"

#include "common/aws_client.h"
#include "tests/harness/aws_environment.h"

static int set_up(void **state)
{
    (void)state;
    aws_environment_clear();
    return 0;
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
    setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://localhost:8000", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "http://localhost:4566");
    assert_string_equal(s.dynamodb.url, "http://localhost:8000");
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
    load(&s);
    assert_string_equal(s.sqs.url, "https://sqs.eu-west-1.amazonaws.com");
}

static void every_mistake_is_named(void **state)
{
    (void)state;
    struct aws_settings s = {.attempts_max = 0};
    struct buf errors;
    buf_init(&errors, 4096);
    setenv("AWS_MAX_ATTEMPTS", "many", 1);
    setenv("AWS_RETRY_MODE", "never", 1);
    setenv("AWS_USE_FIPS_ENDPOINT", "yes", 1);
    setenv("AWS_ENDPOINT_URL_SQS", "localhost", 1);
    assert_status(aws_settings_load(&s, &errors), STATUS_INVALID);
    assert_non_null(strstr(buf_text(&errors), "AWS_MAX_ATTEMPTS=many"));
    assert_non_null(strstr(buf_text(&errors), "AWS_RETRY_MODE"));
    assert_non_null(strstr(buf_text(&errors), "AWS_USE_FIPS_ENDPOINT=yes"));
    assert_non_null(strstr(buf_text(&errors), "localhost"));
    buf_release(&errors);
}

static void no_region_is_a_mistake(void **state)
{
    (void)state;
    struct aws_settings s = {.attempts_max = 0};
    struct buf errors;
    buf_init(&errors, 4096);
    assert_status(aws_settings_load(&s, &errors), STATUS_INVALID);
    assert_non_null(strstr(buf_text(&errors), "AWS_REGION"));
    buf_release(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_region_wins, set_up),
        cmocka_unit_test_setup(a_service_has_its_own_endpoint, set_up),
        cmocka_unit_test_setup(every_mistake_is_named, set_up),
        cmocka_unit_test_setup(no_region_is_a_mistake, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
