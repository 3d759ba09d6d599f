#include "tests/harness/unit.h"

#include "common/aws_profile.h"
#include "tests/harness/vectors.h"

static enum status parse(struct aws_profiles *p, const char *config, const char *credentials,
                         struct error *error)
{
    aws_profiles_init(p);
    enum status status = aws_profiles_parse(p, AWS_PROFILE_CONFIG, slice_from_str(config), error);
    if (status == STATUS_OK)
        status = aws_profiles_parse(p, AWS_PROFILE_CREDENTIALS, slice_from_str(credentials), error);
    return status;
}

static struct slice get(const struct aws_profiles *p, const char *profile, const char *property)
{
    const struct aws_profile *found = aws_profiles_find(p, slice_from_str(profile));
    assert_non_null(found);
    return aws_profile_get(found, property);
}

static void merges_both_files(void **state)
{
    (void)state;
    struct aws_profiles p;
    assert_status(parse(&p,
                        "# ours\r\n"
                        "[default]\n"
                        "region = eu-west-1 ; here\n"
                        "AWS_SECRET_ACCESS_KEY = a#b;c\n"
                        "\n"
                        "[profile ops]\n"
                        "region=us-east-1\n"
                        "s3 =\n"
                        "  max = 10\n"
                        "[services x]\n"
                        "sqs =\n"
                        " endpoint_url = http://h\n",
                        "[default]\n"
                        "aws_access_key_id\t=\tAKID\n"
                        "region = eu-north-1\n",
                        NULL),
                  STATUS_OK);
    assert_int_equal(p.count, 2);
    assert_slice_equal(get(&p, "default", "region"), "eu-north-1");
    assert_slice_equal(get(&p, "default", "aws_access_key_id"), "AKID");
    assert_slice_equal(get(&p, "default", "aws_secret_access_key"), "a#b;c");
    assert_slice_equal(get(&p, "ops", "region"), "us-east-1");
    assert_slice_equal(get(&p, "ops", "s3"), "\nmax = 10");
    assert_true(slice_is_null(get(&p, "ops", "sqs")));
    assert_null(aws_profiles_find(&p, SLICE_LITERAL("x")));
    aws_profiles_release(&p);
}

static void services_are_found_by_who_names_them(void **state)
{
    (void)state;
    struct aws_profiles p;
    assert_status(parse(&p,
                        "[services local]\n"
                        "sqs =\n"
                        "  max = 3\n"
                        "  endpoint_url = http://queue:1\n"
                        "dynamodb = \n"
                        "  endpoint_url=http://table:2 \n"
                        "[profile a]\n"
                        "services = local\n"
                        "[profile b]\n"
                        "services = other\n"
                        "[profile c]\n"
                        "endpoint_url = http://all:3\n"
                        "[servicesx]\n"
                        "[services local]\n"
                        "sts =\n"
                        "  endpoint_url = http://token:4\n",
                        "[services local]\nsqs =\n endpoint_url = http://wrong\n", NULL),
                  STATUS_OK);
    assert_int_equal(p.count, 3);
    const struct aws_profile *a = aws_profiles_find(&p, SLICE_LITERAL("a"));
    assert_slice_equal(aws_profile_service_get(a, "sqs", "endpoint_url"), "http://queue:1");
    assert_slice_equal(aws_profile_service_get(a, "dynamodb", "endpoint_url"), "http://table:2");
    assert_slice_equal(aws_profile_service_get(a, "sts", "endpoint_url"), "http://token:4");
    assert_true(slice_is_null(aws_profile_service_get(a, "sqs", "endpoint")));
    assert_true(slice_is_null(aws_profile_service_get(a, "s3", "endpoint_url")));
    assert_true(aws_profile_services_known(a));
    const struct aws_profile *b = aws_profiles_find(&p, SLICE_LITERAL("b"));
    assert_true(slice_is_null(aws_profile_service_get(b, "sqs", "endpoint_url")));
    assert_false(aws_profile_services_known(b));
    const struct aws_profile *c = aws_profiles_find(&p, SLICE_LITERAL("c"));
    assert_true(slice_is_null(aws_profile_service_get(c, "sqs", "endpoint_url")));
    assert_true(aws_profile_services_known(c));
    aws_profiles_release(&p);
}

static void a_prefixed_default_wins_whatever_the_order(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[default]\na = 1\nb = 1\n[profile default]\na = 2\n",
        "[profile default]\na = 2\n[default]\na = 1\nb = 1\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct aws_profiles p;
        assert_status(parse(&p, texts[i], "", NULL), STATUS_OK);
        assert_slice_equal(get(&p, "default", "a"), "2");
        assert_true(slice_is_null(get(&p, "default", "b")));
        aws_profiles_release(&p);
    }
}

static void names_the_line_of_a_mistake(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *line;
    } mistakes[] = {
        {"a = 1", "line 1"},
        {"[default]\n\n# x\nfoo", "line 4"},
        {"[default]\n= 1", "line 2"},
        {"[default", "line 1"},
        {"[", "line 1"},
        {"[default] x", "line 1"},
        {"[default]\n a = 1", "line 2"},
        {" a", "line 1"},
        {"[default]\ns3 =\n x", "line 3"},
        {"[default]\ns3 =\n = x", "line 3"},
    };
    for (size_t i = 0; i < ARRAY_LEN(mistakes); i++) {
        struct aws_profiles p;
        struct error error = {.text = ""};
        if (parse(&p, mistakes[i].text, "", &error) != STATUS_INVALID)
            fail_msg("accepted: %s", mistakes[i].text);
        assert_non_null(strstr(error.text, mistakes[i].line));
        aws_profiles_release(&p);
    }
}

static void bounds_what_it_takes_in(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf text;
    struct aws_profiles p;
    buf_init(&text, 4 * AWS_PROFILE_FILE_BYTES_MAX);
    for (int i = 0; i < AWS_PROFILES_MAX; i++)
        buf_printf(&text, "[profile p%d]\n", i);
    assert_status(parse(&p, buf_text(&text), "", NULL), STATUS_OK);
    aws_profiles_release(&p);
    buf_append_str(&text, "[profile more]\n");
    assert_status(parse(&p, buf_text(&text), "", NULL), STATUS_TOO_LARGE);
    aws_profiles_release(&p);

    buf_clear(&text);
    buf_append_str(&text, "[default]\n");
    for (int i = 0; i <= AWS_PROFILE_PROPERTIES_MAX; i++)
        buf_printf(&text, "p%d = 1\n", i);
    assert_status(parse(&p, buf_text(&text), "", NULL), STATUS_TOO_LARGE);
    aws_profiles_release(&p);

    buf_clear(&text);
    while (text.len <= AWS_PROFILE_FILE_BYTES_MAX)
        buf_append_str(&text, "# comment\n");
    assert_status(parse(&p, buf_text(&text), "", NULL), STATUS_TOO_LARGE);
    aws_profiles_release(&p);
}

static void check_profiles(const char *name, const struct aws_profiles *p, const cJSON *expected)
{
    if ((size_t)cJSON_GetArraySize(expected) != p->count)
        fail_msg("%s: %zu profiles", name, p->count);
    const cJSON *profile;
    cJSON_ArrayForEach(profile, expected)
    {
        const struct aws_profile *found = aws_profiles_find(p, slice_from_str(profile->string));
        if (found == NULL || found->property_count != (size_t)cJSON_GetArraySize(profile))
            fail_msg("%s: profile %s is missing or differs", name, profile->string);
        const cJSON *property;
        cJSON_ArrayForEach(property, profile)
        {
            struct slice value = aws_profile_get(found, property->string);
            if (slice_is_null(value) || !slice_equal_str(value, property->valuestring))
                fail_msg("%s: %s is \"%.*s\"", name, property->string, SLICE_ARG(value));
        }
    }
}

static void agrees_with_the_vectors(void **state)
{
    (void)state;
    CLEANUP(json_freep)
    cJSON *json = vectors_load("credentials/aws-runtime/test-data/profile-parser-tests.json");
    if (json == NULL)
        return;
    const cJSON *tests = json_get_array(json, "tests");
    assert_true(cJSON_GetArraySize(tests) > 50);
    const cJSON *test;
    cJSON_ArrayForEach(test, tests)
    {
        const cJSON *input = json_get_object(test, "input");
        const cJSON *output = json_get_object(test, "output");
        const char *name = vectors_text(test, "name");
        struct slice config = json_get_text(input, "configFile");
        struct slice credentials = json_get_text(input, "credentialsFile");
        struct aws_profiles p;
        struct error error = {.text = ""};
        enum status status =
            parse(&p, slice_is_null(config) ? "" : (const char *)config.ptr,
                  slice_is_null(credentials) ? "" : (const char *)credentials.ptr, &error);
        const cJSON *expected = json_get_object(output, "config");
        if ((status == STATUS_OK) != (expected != NULL))
            fail_msg("%s: %s", name, status == STATUS_OK ? "accepted" : error.text);
        if (expected != NULL)
            check_profiles(name, &p, json_get_object(expected, "profiles"));
        aws_profiles_release(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_both_files),
        cmocka_unit_test(services_are_found_by_who_names_them),
        cmocka_unit_test(a_prefixed_default_wins_whatever_the_order),
        cmocka_unit_test(names_the_line_of_a_mistake),
        cmocka_unit_test(bounds_what_it_takes_in),
        cmocka_unit_test(agrees_with_the_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
