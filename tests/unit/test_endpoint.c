#include "tests/harness/unit.h"

#include "common/endpoint.h"
#include "tests/harness/vectors.h"

struct expectation {
    enum endpoint_service service;
    const char *region; /* NULL: none */
    const char *custom_url;
    bool fips;
    bool dualstack;
    const char *url; /* NULL: refused */
    const char *signing_region;
    const char *host;
    const char *path;
};

#define AWS(s, r, f, d, u)                                                                         \
    {                                                                                              \
        (s), (r), NULL, (f), (d), (u), (r), (u) + sizeof("https://") - 1, "/"                      \
    }
#define CUSTOM(s, r, in, out, h, p)                                                                \
    {                                                                                              \
        (s), (r), (in), false, false, (out), (r), (h), (p)                                         \
    }
#define REFUSED(s, r, in, f, d)                                                                    \
    {                                                                                              \
        (s), (r), (in), (f), (d), NULL, NULL, NULL, NULL                                           \
    }
#define BAD_URL(in) REFUSED(ENDPOINT_SQS, "eu-west-1", in, false, false)

static const struct expectation expectations[] = {
    AWS(ENDPOINT_SQS, "eu-west-1", false, false, "https://sqs.eu-west-1.amazonaws.com"),
    AWS(ENDPOINT_SQS, "eu-west-1", true, false, "https://sqs-fips.eu-west-1.amazonaws.com"),
    AWS(ENDPOINT_SQS, "eu-west-1", false, true, "https://sqs.eu-west-1.api.aws"),
    AWS(ENDPOINT_SQS, "eu-west-1", true, true, "https://sqs-fips.eu-west-1.api.aws"),
    AWS(ENDPOINT_DYNAMODB, "zz-future-7", false, false,
        "https://dynamodb.zz-future-7.amazonaws.com"),
    AWS(ENDPOINT_STS, "cn-north-1", false, false, "https://sts.cn-north-1.amazonaws.com.cn"),
    AWS(ENDPOINT_STS, "aws-cn-global", false, false, "https://sts.aws-cn-global.amazonaws.com.cn"),
    AWS(ENDPOINT_SQS, "cn-new-9", true, true,
        "https://sqs-fips.cn-new-9.api.amazonwebservices.com.cn"),
    AWS(ENDPOINT_SQS, "cn-north", false, false, "https://sqs.cn-north.amazonaws.com"),
    AWS(ENDPOINT_SQS, "us-gov-west-1", true, false, "https://sqs.us-gov-west-1.amazonaws.com"),
    AWS(ENDPOINT_SQS, "us-gov-west-1", true, true, "https://sqs-fips.us-gov-west-1.api.aws"),
    AWS(ENDPOINT_SQS, "aws-us-gov-global", true, false,
        "https://sqs.aws-us-gov-global.amazonaws.com"),
    AWS(ENDPOINT_DYNAMODB, "eusc-de-east-1", false, false,
        "https://dynamodb.eusc-de-east-1.amazonaws.eu"),
    AWS(ENDPOINT_DYNAMODB, "eusc-de-east-1", false, true,
        "https://dynamodb.eusc-de-east-1.api.amazonwebservices.eu"),
    AWS(ENDPOINT_SQS, "us-iso-east-1", false, false, "https://sqs.us-iso-east-1.c2s.ic.gov"),
    AWS(ENDPOINT_SQS, "us-isob-east-1", false, true, "https://sqs.us-isob-east-1.api.aws.scloud"),
    AWS(ENDPOINT_SQS, "eu-isoe-west-1", false, false, "https://sqs.eu-isoe-west-1.cloud.adc-e.uk"),
    AWS(ENDPOINT_SQS, "us-isof-south-1", false, true,
        "https://sqs.us-isof-south-1.api.aws.hci.ic.gov"),
    AWS(ENDPOINT_STS, "aws-global", true, false, "https://sts-fips.aws-global.amazonaws.com"),
    {ENDPOINT_STS, "aws-global", NULL, false, false, "https://sts.amazonaws.com", "us-east-1",
     "sts.amazonaws.com", "/"},
    {ENDPOINT_DYNAMODB, "local", NULL, false, false, "http://localhost:8000", "us-east-1",
     "localhost:8000", "/"},
    CUSTOM(ENDPOINT_SQS, "eu-west-1", "http://127.0.0.1:4566", "http://127.0.0.1:4566",
           "127.0.0.1:4566", "/"),
    CUSTOM(ENDPOINT_SQS, "eu-west-1", "HTTPS://VPCE.Example.com:443/", "https://vpce.example.com",
           "vpce.example.com", "/"),
    CUSTOM(ENDPOINT_SQS, "eu-west-1", "http://h:80/a%20b//", "http://h/a%20b", "h", "/a%20b"),
    CUSTOM(ENDPOINT_SQS, "eu-west-1", "http://h:443", "http://h:443", "h:443", "/"),
    CUSTOM(ENDPOINT_SQS, "eu-west-1", "http://[::1]:9324/q", "http://[::1]:9324/q", "[::1]:9324",
           "/q"),
    CUSTOM(ENDPOINT_DYNAMODB, "eu-west-1", "https://dynamodb.eu-central-1.api.aws",
           "https://dynamodb.eu-central-1.api.aws", "dynamodb.eu-central-1.api.aws", "/"),
    {ENDPOINT_SQS, NULL, "http://localhost:4566", false, false, "http://localhost:4566",
     "us-east-1", "localhost:4566", "/"},
    REFUSED(ENDPOINT_DYNAMODB, "local", NULL, true, false),
    REFUSED(ENDPOINT_DYNAMODB, "eu-west-1", "https://dynamodb.eu-west-1.api.aws:443/", false,
            false),
    REFUSED(ENDPOINT_SQS, NULL, NULL, false, false),
    REFUSED(ENDPOINT_SQS, "", NULL, false, false),
    REFUSED(ENDPOINT_SQS, "eu west", NULL, false, false),
    REFUSED(ENDPOINT_SQS, "evil.com/", NULL, false, false),
    REFUSED(ENDPOINT_SQS, "-eu-west-1", NULL, false, false),
    REFUSED(ENDPOINT_SQS, "12345", NULL, false, false),
    REFUSED(ENDPOINT_SQS, "eu-west-1", "http://h", true, false),
    REFUSED(ENDPOINT_SQS, "eu-west-1", "http://h", false, true),
    BAD_URL(""),
    BAD_URL("localhost:4566"),
    BAD_URL("ftp://h"),
    BAD_URL("http://"),
    BAD_URL("http:///path"),
    BAD_URL("http://user:secret@h"),
    BAD_URL("http://h:0"),
    BAD_URL("http://h:65536"),
    BAD_URL("http://h:"),
    BAD_URL("http://h:80x"),
    BAD_URL("http://h/?q=1"),
    BAD_URL("http://h/#f"),
    BAD_URL("http://h/a b"),
    BAD_URL("http\x1a\x0f\x0fh"),
    BAD_URL("http://h/\r\nX: y"),
    BAD_URL("http://[::1"),
    BAD_URL("http://[]:80"),
    BAD_URL("http://[::1]x"),
    BAD_URL("http://a..b"),
};

static void resolves_by_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(expectations); i++) {
        const struct expectation *e = &expectations[i];
        struct endpoint_query query = {.service = e->service,
                                       .region = slice_from_str(e->region),
                                       .fips = e->fips,
                                       .dualstack = e->dualstack,
                                       .custom_url = slice_from_str(e->custom_url)};
        struct endpoint endpoint;
        struct error error = {.kind = ERROR_NONE};
        enum status status = endpoint_resolve(&query, &endpoint, &error);
        if (e->url == NULL) {
            if (status != STATUS_INVALID || error.text[0] == '\0')
                fail_msg("row %zu (region %s, URL %s) was accepted", i,
                         e->region == NULL ? "-" : e->region,
                         e->custom_url == NULL ? "-" : e->custom_url);
            continue;
        }
        if (status != STATUS_OK)
            fail_msg("row %zu (%s) was refused: %s", i, e->url, error.text);
        assert_string_equal(endpoint.url, e->url);
        assert_string_equal(endpoint.signing_region, e->signing_region);
        assert_string_equal(endpoint.host, e->host);
        assert_string_equal(endpoint.path, e->path);
    }
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    char url[ENDPOINT_URL_SIZE + 1] = "http://";
    memset(url + 7, 'a', sizeof(url) - 8);
    url[sizeof(url) - 1] = '\0';
    struct endpoint_query query = {.service = ENDPOINT_SQS, .custom_url = slice_from_str(url)};
    struct endpoint endpoint;
    assert_status(endpoint_resolve(&query, &endpoint, NULL), STATUS_INVALID);
    query.custom_url.len--;
    assert_status(endpoint_resolve(&query, &endpoint, NULL), STATUS_OK);
    assert_int_equal(strlen(endpoint.url), ENDPOINT_URL_SIZE - 1);

    char region[ENDPOINT_REGION_SIZE];
    memset(region, 'a', sizeof(region));
    query = (struct endpoint_query){.service = ENDPOINT_SQS,
                                    .region = slice_from(region, sizeof(region))};
    assert_status(endpoint_resolve(&query, &endpoint, NULL), STATUS_INVALID);
    query.region.len--;
    assert_status(endpoint_resolve(&query, &endpoint, NULL), STATUS_OK);
}

static void check_case(enum endpoint_service service, const cJSON *test)
{
    struct endpoint_query query = {
        .service = service,
        .region = json_get_text(test, "region"),
        .fips = json_get_bool(test, "fips", false),
        .dualstack = json_get_bool(test, "dualstack", false),
        .custom_url = json_get_text(test, "endpoint"),
    };
    struct slice doc = json_get_text(test, "doc");
    struct slice url = json_get_text(test, "url");
    struct endpoint endpoint;
    struct error error;
    enum status status = endpoint_resolve(&query, &endpoint, &error);
    if (slice_is_null(url)) {
        if (status != STATUS_INVALID)
            fail_msg("%.*s: accepted", SLICE_ARG(doc));
        return;
    }
    if (status != STATUS_OK || !slice_equal_str(url, endpoint.url))
        fail_msg("%.*s: %s", SLICE_ARG(doc), status == STATUS_OK ? endpoint.url : error.text);
    struct slice region = json_get_text(json_get_object(test, "auth_scheme"), "signingRegion");
    if (!slice_is_null(region) && !slice_equal_str(region, endpoint.signing_region))
        fail_msg("%.*s: signed for %s", SLICE_ARG(doc), endpoint.signing_region);
}

static void agrees_with_the_vectors(void **state)
{
    (void)state;
    static const struct {
        enum endpoint_service service;
        const char *file;
    } files[] = {{ENDPOINT_SQS, "endpoints/sqs-core.json"},
                 {ENDPOINT_DYNAMODB, "endpoints/dynamodb-core.json"},
                 {ENDPOINT_STS, "endpoints/sts-core.json"}};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        CLEANUP(json_freep) cJSON *json = vectors_load(files[i].file);
        if (json == NULL)
            continue;
        const cJSON *cases = json_get_array(json, "cases");
        assert_true(cJSON_GetArraySize(cases) > 10);
        const cJSON *test;
        cJSON_ArrayForEach(test, cases) check_case(files[i].service, test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolves_by_the_table),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(agrees_with_the_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
