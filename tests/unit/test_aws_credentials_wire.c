#include "tests/harness/unit.h"

#include "common/aws_credentials_wire.h"
#include "tests/harness/vectors.h"

static const struct {
    const char *relative;
    const char *full;
    const char *url; /* NULL: refused */
} container_urls[] = {
    {"/v2/credentials/x?a=1", NULL, "http://169.254.170.2/v2/credentials/x?a=1"},
    {"/a", "http://localhost/b", "http://169.254.170.2/a"},
    {"a", NULL, NULL},
    {"", NULL, NULL},
    {"/a\r\nX: 1", NULL, NULL},
    {"/a b", NULL, NULL},
    {NULL, "https://keys.example.com:8443/k?x=y", "https://keys.example.com:8443/k?x=y"},
    {NULL, "http://localhost:8080/k", "http://localhost:8080/k"},
    {NULL, "http://LOCALHOST", "http://localhost/"},
    {NULL, "http://127.0.0.1/k", "http://127.0.0.1/k"},
    {NULL, "http://127.255.3.9:80/k", "http://127.255.3.9/k"},
    {NULL, "http://[::1]:9/k", "http://[::1]:9/k"},
    {NULL, "http://169.254.170.2/k", "http://169.254.170.2/k"},
    {NULL, "http://169.254.170.23/v1/credentials", "http://169.254.170.23/v1/credentials"},
    {NULL, "http://[fd00:ec2::23]/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"},
    {NULL, "http://169.254.170.23?x=1", "http://169.254.170.23/?x=1"},
    {NULL, "/credentials", NULL},
    {NULL, "http://192.168.0.1/k", NULL},
    {NULL, "http://169.254.170.234/k", NULL},
    {NULL, "http://169.254.170.2.evil.com/k", NULL},
    {NULL, "http://169.254.169.254/k", NULL},
    {NULL, "http://127.0.0.1.evil.com/k", NULL},
    {NULL, "http://127.evil.com/k", NULL},
    {NULL, "http://127.1/k", NULL},
    {NULL, "http://127.0.0.256/k", NULL},
    {NULL, "http://127.0.0.01/k", NULL},
    {NULL, "http://localhost.evil.com/k", NULL},
    {NULL, "http://localhost@evil.com/k", NULL},
    {NULL, "http://evil.com\\@localhost/k", NULL},
    {NULL, "http://evil.com#@localhost/k", NULL},
    {NULL, "http://localhost/k#f", NULL},
    {NULL, "http://[fd00:ec2::23].evil.com/k", NULL},
    {NULL, "ftp://localhost/k", NULL},
    {NULL, "http://localhost/\r\nX: 1", NULL},
};

static void the_token_goes_to_known_hosts_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(container_urls); i++) {
        CLEANUP(buf_release) struct buf url;
        buf_init(&url, 1024);
        struct error error = {.text = ""};
        enum status status =
            credentials_container_url(slice_from_str(container_urls[i].relative),
                                      slice_from_str(container_urls[i].full), &url, &error);
        if (container_urls[i].url == NULL) {
            if (status != STATUS_INVALID || error.kind != ERROR_AUTH)
                fail_msg("row %zu was accepted as %s", i, buf_text(&url));
        } else if (status != STATUS_OK || strcmp(buf_text(&url), container_urls[i].url) != 0) {
            fail_msg("row %zu: %s", i, status == STATUS_OK ? buf_text(&url) : error.text);
        }
    }
}

static void agrees_with_the_ecs_vectors(void **state)
{
    (void)state;
    CLEANUP(json_freep)
    cJSON *json = vectors_load("credentials/aws-config/test-data/ecs-tests.json");
    if (json == NULL)
        return;
    const cJSON *test;
    cJSON_ArrayForEach(test, json_get_array(json, "tests"))
    {
        const cJSON *env = json_get_object(test, "env");
        struct slice relative = json_get_text(env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        struct slice full = json_get_text(env, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
        struct slice url = json_get_text(json_get_object(test, "result"), "Ok");
        if (slice_is_null(relative) && slice_is_null(full))
            continue; /* not configured: the provider does not come here */
        CLEANUP(buf_release) struct buf got;
        buf_init(&got, 1024);
        enum status status = credentials_container_url(relative, full, &got, NULL);
        if ((status == STATUS_OK) == slice_is_null(url) ||
            (status == STATUS_OK && !slice_equal(buf_slice(&got), url)))
            fail_msg("%s: %s", vectors_text(test, "docs"), buf_text(&got));
    }
}

static const struct {
    const char *xml;
    enum status status;
    const char *text;
} documents[] = {
    {"<a><b>x</b></a>", STATUS_OK, "x"},
    {"<?xml version='1.0'?>\n<!-- - --><a q=\"1\">\n <b z='2' >x</b >\n</a>\n", STATUS_OK, "x"},
    {"<a><b/></a>", STATUS_OK, ""},
    {"<a><b></b><c><b>n</b></c></a>", STATUS_OK, ""},
    {"<a><b>x<!-- y -->z</b></a>", STATUS_OK, "xz"},
    {"<a><b>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;</b></a>", STATUS_OK, "<>&\"'AB"},
    {"<a><c>x</c></a>", STATUS_NOT_FOUND, NULL},
    {"<b><a>x</a></b>", STATUS_NOT_FOUND, NULL},
    {"<a><b>x</b><b>y</b></a>", STATUS_CORRUPT, NULL},
    {"<a><b>x</b></a><a/>", STATUS_CORRUPT, NULL},
    {"<a><b>x</b>", STATUS_CORRUPT, NULL},
    {"<a><b>x</a></b>", STATUS_CORRUPT, NULL},
    {"<a><b>x</b></a>junk", STATUS_CORRUPT, NULL},
    {"junk<a><b>x</b></a>", STATUS_CORRUPT, NULL},
    {"<a><b>x</b", STATUS_CORRUPT, NULL},
    {"<a><b>&x;</b></a>", STATUS_CORRUPT, NULL},
    {"<a><b>&amp</b></a>", STATUS_CORRUPT, NULL},
    {"<a><b>&#0;</b></a>", STATUS_CORRUPT, NULL},
    {"<a><b>&#10;</b></a>", STATUS_CORRUPT, NULL},
    {"<a><b>&#x0a;</b></a>", STATUS_CORRUPT, NULL},
    {"<a><b>&#233;</b></a>", STATUS_CORRUPT, NULL},
    {"<!DOCTYPE a [<!ENTITY x 'y'>]><a><b>&x;</b></a>", STATUS_CORRUPT, NULL},
    {"<a><b><![CDATA[x]]></b></a>", STATUS_CORRUPT, NULL},
    {"<a><!-- <b>x</b></a>", STATUS_CORRUPT, NULL},
    {"<a><>x</></a>", STATUS_CORRUPT, NULL},
    {"</a>", STATUS_CORRUPT, NULL},
    {"<", STATUS_CORRUPT, NULL},
    {"", STATUS_CORRUPT, NULL},
};

static void reads_xml_strictly(void **state)
{
    (void)state;
    static const char *const path[] = {"a", "b", NULL};
    for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
        CLEANUP(buf_release) struct buf text;
        buf_init(&text, 64);
        enum status status = credentials_xml_text(slice_from_str(documents[i].xml), path, &text);
        if (status != documents[i].status)
            fail_msg("%s: %s", documents[i].xml, status_name(status));
        if (status == STATUS_OK)
            assert_string_equal(buf_text(&text), documents[i].text);
    }
}

/* Every beginning of a good document ends inside memory, and none is taken for the whole. */
static void every_cut_answer_is_refused(void **state)
{
    (void)state;
    static const char xml[] =
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        "<AccessKeyId>AK&#73;D</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
        "<SessionToken>t</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration>"
        "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    size_t len = strlen(xml);
    for (size_t i = 0; i <= len; i++) {
        char *copy = malloc(i + 1);
        assert_non_null(copy);
        memcpy(copy, xml, i);
        struct error error;
        struct aws_identity *identity = credentials_parse_sts(slice_from(copy, i), &error);
        assert_true((identity != NULL) == (i == len));
        if (identity != NULL)
            assert_string_equal(identity->access_key_id, "AKID");
        aws_identity_unref(identity);
        free(copy);
    }
}

static void bounds_depth_and_length(void **state)
{
    (void)state;
    static const char *const path[] = {"a", NULL};
    CLEANUP(buf_release) struct buf xml;
    CLEANUP(buf_release) struct buf text;
    buf_init(&xml, 1024 * 1024);
    buf_init(&text, 64);
    for (int i = 0; i < 100000; i++)
        buf_append_str(&xml, "<a>");
    assert_status(credentials_xml_text(buf_slice(&xml), path, &text), STATUS_CORRUPT);

    buf_clear(&xml);
    buf_append_str(&xml, "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>"
                         "<Credentials><AccessKeyId>");
    for (int i = 0; i < CREDENTIALS_TOKEN_BYTES_MAX + 1; i++)
        buf_append_byte(&xml, 'A');
    buf_append_str(&xml,
                   "</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"
                   "</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials>"
                   "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>");
    assert_null(credentials_parse_sts(buf_slice(&xml), NULL));
}

static void an_error_of_sts_is_told(void **state)
{
    (void)state;
    struct error error;
    credentials_parse_sts_error(403,
                                SLICE_LITERAL("<ErrorResponse><Error><Code>AccessDenied</Code>"
                                              "<Message>no</Message></Error></ErrorResponse>"),
                                &error);
    assert_int_equal(error.kind, ERROR_AUTH);
    assert_int_equal(error.http_status, 403);
    assert_non_null(strstr(error.text, "AccessDenied: no"));
    credentials_parse_sts_error(502, SLICE_LITERAL("<html>"), &error);
    assert_int_equal(error.kind, ERROR_RETRY);
    assert_non_null(strstr(error.text, "502"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_token_goes_to_known_hosts_only),
        cmocka_unit_test(agrees_with_the_ecs_vectors),
        cmocka_unit_test(reads_xml_strictly),
        cmocka_unit_test(every_cut_answer_is_refused),
        cmocka_unit_test(bounds_depth_and_length),
        cmocka_unit_test(an_error_of_sts_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
