/* The provider over the real loop and HTTP: what goes over the wire, and that everything closes. */
#include "tests/harness/unit.h"

#include "common/aws_credentials.h"
#include "tests/harness/aws_environment.h"
#include "tests/harness/http_script.h"
#include "tests/harness/temp_dir.h"

struct live {
    struct loop *loop;
    struct http *http;
    struct http_script *script;
    struct aws_credentials *credentials;
    struct temp_dir folder;
    struct temp_path token_file;
    unsigned answers;
    char id[160];
    struct error error;
};

static void reply_keys(struct http_script_answer *answer)
{
    char body[256];
    snprintf(body, sizeof(body),
             "{\"AccessKeyId\":\"AKLIVE\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
             "\"Expiration\":\"2099-01-01T00:00:00Z\"}");
    http_script_reply(answer, 200, "", body);
}

static void on_request(void *ctx, const struct http_script_request *request,
                       struct http_script_answer *answer)
{
    (void)ctx;
    struct slice token = http_script_header(request, "X-aws-ec2-metadata-token");
    struct slice authorization = http_script_header(request, "Authorization");
    if (slice_equal_str(request->line, "PUT /latest/api/token HTTP/1.1") &&
        request->body.len == 0 &&
        slice_equal_str(http_script_header(request, "X-aws-ec2-metadata-token-ttl-seconds"),
                        "21600"))
        http_script_reply(answer, 200, "", "imds-token");
    else if (slice_equal_str(request->line,
                             "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1") &&
             slice_equal_str(token, "imds-token"))
        http_script_reply(answer, 200, "", "role");
    else if (slice_equal_str(request->line,
                             "GET /latest/meta-data/iam/security-credentials/role HTTP/1.1") &&
             slice_equal_str(token, "imds-token"))
        reply_keys(answer);
    else if (slice_equal_str(request->line, "GET /container?x=1 HTTP/1.1") &&
             slice_equal_str(authorization, "file-token"))
        reply_keys(answer);
    else if (slice_equal_str(request->line, "POST / HTTP/1.1") && slice_is_null(authorization) &&
             slice_equal_str(request->body,
                             "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=role&"
                             "RoleSessionName=name&WebIdentityToken=file-token"))
        http_script_reply(
            answer, 200, "",
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
            "<AccessKeyId>AKLIVE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>");
    else
        http_script_reply(answer, 418, "", "");
}

static int set_up(void **state)
{
    aws_environment_clear();
    unsetenv("HOME");
    struct live *live = calloc(1, sizeof(*live));
    assert_non_null(live);
    live->loop = loop_new();
    live->http = http_new(live->loop,
                          &(struct http_options){.connections_max = 4, .connect_timeout_ms = 2000});
    live->script = http_script_new(live->loop, on_request, live);
    live->credentials = aws_credentials_new(live->loop, live->http, "eu-west-1");
    temp_dir_init(&live->folder);
    temp_dir_write(&live->folder, "token", "file-token");
    live->token_file = temp_dir_at(&live->folder, "token");
    *state = live;
    return 0;
}

static int tear_down(void **state)
{
    struct live *live = *state;
    aws_credentials_free(live->credentials);
    http_free(live->http);
    http_script_free(live->script);
    assert_status(loop_free(live->loop), STATUS_OK);
    temp_dir_release(&live->folder);
    free(live);
    return 0;
}

static void on_identity(void *ctx, struct aws_identity *identity, const struct error *error)
{
    struct live *live = ctx;
    live->answers++;
    if (identity != NULL)
        snprintf(live->id, sizeof(live->id), "%s", identity->access_key_id);
    else
        live->error = *error;
    loop_stop(live->loop);
}

static void expect_keys(struct live *live, const char *source)
{
    aws_credentials_get(live->credentials, on_identity, live);
    assert_int_equal(live->answers, 0);
    loop_run(live->loop);
    assert_int_equal(live->answers, 1);
    if (strcmp(live->id, "AKLIVE") != 0)
        fail_msg("no keys: %s", live->error.text);
    assert_string_equal(aws_credentials_source(live->credentials), source);
}

static void from_the_container_endpoint(void **state)
{
    struct live *live = *state;
    char url[128];
    snprintf(url, sizeof(url), "%s/container?x=1", http_script_url(live->script));
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", live->token_file.text, 1);
    expect_keys(live, "container");
}

static void from_instance_metadata(void **state)
{
    struct live *live = *state;
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", http_script_url(live->script), 1);
    expect_keys(live, "instance metadata");
}

static void from_sts(void **state)
{
    struct live *live = *state;
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", live->token_file.text, 1);
    setenv("AWS_ROLE_ARN", "role", 1);
    setenv("AWS_ROLE_SESSION_NAME", "name", 1);
    setenv("AWS_ENDPOINT_URL_STS", http_script_url(live->script), 1);
    expect_keys(live, "web identity");
}

static void closes_with_a_request_under_way(void **state)
{
    struct live *live = *state;
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", http_script_url(live->script), 1);
    aws_credentials_get(live->credentials, on_identity, live);
    assert_null(aws_credentials_peek(live->credentials));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(from_the_container_endpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(from_instance_metadata, set_up, tear_down),
        cmocka_unit_test_setup_teardown(from_sts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closes_with_a_request_under_way, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
