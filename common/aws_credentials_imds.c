/* Credentials of the instance's role from the EC2 metadata service.
 *
 * The happy path is: PUT for a session token, GET the role's name, GET its keys. The failure modes
 * are: nobody there (not on EC2: no credentials), a service that knows no session tokens (asked
 * without one, unless that is switched off), no role, a 5xx (tried again).
 */
#include "common/aws_credentials_wire.h"

#include <stdio.h>

#include "common/endpoint.h"
#include "common/num.h"

#define IMDS_TIMEOUT_MS    INT64_C(1000)
#define IMDS_ATTEMPTS      3
#define IMDS_ATTEMPTS_MAX  10
#define IMDS_TIMEOUT_S_MAX 60
#define ROLE_BYTES_MAX     256 /* IAM allows 64 */
#define KEYS_PATH          "/latest/meta-data/iam/security-credentials/"

static void fail(struct credentials_flight *f, enum error_kind kind, const char *text)
{
    struct error error;
    error_set(&error, kind, CREDENTIALS_ENDPOINT, "instance metadata: %s", text);
    credentials_flight_end(f, NULL, &error);
}

static void fail_status(struct credentials_flight *f, const char *step, int http_status)
{
    char text[128];
    snprintf(text, sizeof(text), "%s answered %d", step, http_status);
    fail(f, ERROR_AUTH, text);
}

static void set_url(struct credentials_flight *f, const char *path, struct slice name)
{
    buf_clear(&f->url);
    buf_append_slice(&f->url, buf_slice(&f->imds_base));
    buf_append_str(&f->url, path);
    buf_append_slice(&f->url, name);
}

/* The time-out and attempts stay those of the first request. */
static void fetch(struct credentials_flight *f, credentials_fetch_fn *on_done)
{
    struct credentials_request request = {
        .method = "GET",
        .timeout_ms = f->imds_timeout_ms,
        .attempts = f->imds_attempts,
        .on_done = on_done,
    };
    if (f->token.len > 0)
        request.headers[0] = (struct http_header){SLICE_LITERAL("X-aws-ec2-metadata-token"),
                                                  secret_reveal(&f->token)};
    credentials_fetch(f, &request);
}

static void on_keys(void *ctx, const struct http_response *response, const struct error *error)
{
    struct credentials_flight *f = ctx;
    if (response == NULL) {
        credentials_flight_end(f, NULL, error);
    } else if (response->status != 200) {
        fail_status(f, "the role's credentials", response->status);
    } else {
        struct error why;
        struct aws_identity *identity = credentials_parse_json(response->body, &why);
        credentials_flight_end(f, identity, &why);
    }
}

static struct slice first_line(struct slice text)
{
    size_t len = 0;
    while (len < text.len && text.ptr[len] != '\n' && text.ptr[len] != '\r')
        len++;
    return slice_from(text.ptr, len);
}

static bool is_role_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && (c == '\0' || strchr("+=,.@_-", c) == NULL))
            return false;
    }
    return name.len > 0 && name.len <= ROLE_BYTES_MAX;
}

static void on_role(void *ctx, const struct http_response *response, const struct error *error)
{
    struct credentials_flight *f = ctx;
    if (response == NULL) {
        credentials_flight_end(f, NULL, error);
        return;
    }
    struct slice role = first_line(response->body);
    if (response->status == 404) {
        fail(f, ERROR_AUTH, "the instance has no role");
    } else if (response->status != 200) {
        fail_status(f, "the role's name", response->status);
    } else if (!is_role_name(role)) {
        fail(f, ERROR_RETRY, "the answer is not a role's name");
    } else {
        set_url(f, KEYS_PATH, role);
        fetch(f, on_keys);
    }
}

static void on_token(void *ctx, const struct http_response *response, const struct error *error)
{
    struct credentials_flight *f = ctx;
    /* Old stand-ins of the service do not know tokens; behind a container's extra hop the answer to
     * a PUT is dropped. */
    bool without = response == NULL ? error->kind == ERROR_UNKNOWN && error->http_status == 0
                                    : response->status == 403 || response->status == 404 ||
                                          response->status == 405;
    if (response != NULL && response->status == 200) {
        if (response->body.len == 0 || !credentials_header_value_valid(response->body)) {
            fail(f, ERROR_RETRY, "the session token is empty or has characters that no header has");
            return;
        }
        secret_init(&f->token, response->body);
    } else if (!without) {
        if (response == NULL)
            fail(f, ERROR_RETRY, error->text);
        else
            fail_status(f, "the session token", response->status);
        return;
    } else if (f->imds_v1_disabled) {
        fail(f, ERROR_AUTH, "it gives no session token, and the use without one is disabled");
        return;
    }
    set_url(f, KEYS_PATH, SLICE_LITERAL(""));
    fetch(f, on_role);
}

/* Environment before profile; null if neither has it. */
static struct slice setting(const char *variable, const struct aws_profile *profile,
                            const char *property)
{
    struct slice value = credentials_getenv(variable);
    if (slice_is_null(value) && profile != NULL)
        value = aws_profile_get(profile, property);
    return value.len == 0 ? SLICE_NULL : value;
}

static enum status set_base(struct credentials_flight *f, const struct aws_profile *profile,
                            struct error *reterr)
{
    struct slice url =
        setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", profile, "ec2_metadata_service_endpoint");
    struct slice mode = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", profile,
                                "ec2_metadata_service_endpoint_mode");
    bool ipv6 = credentials_equal_any_case(mode, "ipv6");
    if (!ipv6 && !slice_is_null(mode) && !credentials_equal_any_case(mode, "ipv4")) {
        error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG,
                  "the metadata service's endpoint mode is neither IPv4 nor IPv6");
        return STATUS_INVALID;
    }
    if (slice_is_null(url))
        url = ipv6 ? SLICE_LITERAL("http://[fd00:ec2::254]")
                   : SLICE_LITERAL("http://169.254.169.254");
    struct endpoint_query query = {.service = ENDPOINT_STS, .custom_url = url};
    struct endpoint endpoint;
    enum status status = endpoint_resolve(&query, &endpoint, reterr);
    if (status == STATUS_OK)
        buf_append_str(&f->imds_base, endpoint.url);
    return status;
}

static enum status get_number(const char *name, int64_t max, int64_t absent, int64_t *ret,
                              struct error *reterr)
{
    struct slice text = credentials_getenv(name);
    int64_t value = absent;
    if (!slice_is_null(text) && (num_parse_i64(text, max, &value) != STATUS_OK || value < 1)) {
        error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG, "%s is not a number from 1 to %lld", name,
                  (long long)max);
        return STATUS_INVALID;
    }
    *ret = value;
    return STATUS_OK;
}

enum source_verdict credentials_from_imds(struct credentials_flight *f,
                                          const struct aws_profile *profile, struct error *reterr)
{
    if (credentials_getenv_true("AWS_EC2_METADATA_DISABLED"))
        return SOURCE_ABSENT;
    int64_t timeout_s;
    int64_t attempts;
    if (set_base(f, profile, reterr) != STATUS_OK ||
        get_number("AWS_METADATA_SERVICE_TIMEOUT", IMDS_TIMEOUT_S_MAX,
                   IMDS_TIMEOUT_MS / MS_PER_SECOND, &timeout_s, reterr) != STATUS_OK ||
        get_number("AWS_METADATA_SERVICE_NUM_ATTEMPTS", IMDS_ATTEMPTS_MAX, IMDS_ATTEMPTS, &attempts,
                   reterr) != STATUS_OK)
        return SOURCE_FAILED;
    f->imds_timeout_ms = timeout_s * MS_PER_SECOND;
    f->imds_attempts = (unsigned)attempts;
    f->imds_v1_disabled = credentials_equal_any_case(
        setting("AWS_EC2_METADATA_V1_DISABLED", profile, "ec2_metadata_v1_disabled"), "true");
    set_url(f, "/latest/api/token", SLICE_LITERAL(""));
    struct credentials_request request = {
        .method = "PUT",
        .headers = {{SLICE_LITERAL("X-aws-ec2-metadata-token-ttl-seconds"),
                     SLICE_LITERAL("21600")}},
        .body = SLICE_LITERAL(""),
        .timeout_ms = f->imds_timeout_ms,
        .attempts = f->imds_attempts,
        .on_done = on_token,
    };
    credentials_fetch(f, &request);
    return SOURCE_STARTED;
}
