/* Where programs get keys from: STS (web identity), the container endpoint of ECS and EKS, and
 * IMDSv2. All three issue sessions of the configured length. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/emulator/emulator_internal.h"

#define ROLE             "delayline"
#define IMDS_CREDENTIALS "/latest/meta-data/iam/security-credentials/"
#define STS_SECONDS_MIN  900
#define STS_SECONDS_MAX  43200
#define FIELD_MAX        20008 /* a web identity token has at most 20,000 */
#define ANSWER_MAX       16384

static void format_time(int64_t at_ms, char out[32])
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm parts;
    CHECK(gmtime_r(&seconds, &parts) != NULL);
    CHECK(strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
}

static struct sts_credentials issue(struct emulator *emulator, int64_t lifetime_ms)
{
    return sts_model_issue(emulator->keys, emulator_now_ms(emulator), lifetime_ms);
}

static void answer_text(struct emulator *emulator, struct http_exchange *exchange, int status,
                        const char *text)
{
    struct buf body;
    buf_init(&body, ANSWER_MAX);
    buf_append_str(&body, text);
    emulator_answer_plain(emulator, exchange, status, "text/plain", &body);
}

static void answer_keys(struct emulator *emulator, struct http_exchange *exchange, bool imds)
{
    struct sts_credentials keys = issue(emulator, emulator->session_ms);
    char expires[32];
    struct buf body;
    struct json_out out;
    format_time(keys.expires_ms, expires);
    buf_init(&body, ANSWER_MAX);
    json_out_init(&out, &body);
    json_out_begin_object(&out);
    if (imds) {
        json_out_member(&out, "Code", "Success");
        json_out_member(&out, "Type", "AWS-HMAC");
    } else {
        json_out_member(&out, "RoleArn", "arn:aws:iam::" EMULATOR_ACCOUNT ":role/" ROLE);
    }
    json_out_member(&out, "AccessKeyId", keys.access_key_id);
    json_out_member(&out, "SecretAccessKey", keys.secret_access_key);
    json_out_member(&out, "Token", keys.session_token);
    json_out_member(&out, "Expiration", expires);
    json_out_end_object(&out);
    emulator_log(emulator, imds ? "imds" : "container", keys.access_key_id, SLICE_NULL, "ok");
    emulator_answer_plain(emulator, exchange, 200, "application/json", &body);
}

static void serve_container(struct emulator *emulator, struct http_exchange *exchange)
{
    struct slice token = http_request_header(http_exchange_request(exchange), "authorization");
    if (slice_equal_str(token, emulator->container_token))
        answer_keys(emulator, exchange, false);
    else
        answer_text(emulator, exchange, 401, "wrong or missing Authorization");
}

static bool serve_imds(struct emulator *emulator, struct http_exchange *exchange)
{
    const struct http_request *request = http_exchange_request(exchange);
    const size_t prefix = sizeof(IMDS_CREDENTIALS) - 1;
    if (slice_equal_str(request->path, "/latest/api/token")) {
        bool valid = slice_equal_str(request->method, "PUT") &&
                     http_request_header(request, "x-aws-ec2-metadata-token-ttl-seconds").len > 0;
        answer_text(emulator, exchange, valid ? 200 : 400, valid ? emulator->imds_token : "");
        return true;
    }
    if (request->path.len < prefix || memcmp(request->path.ptr, IMDS_CREDENTIALS, prefix) != 0)
        return false;
    struct slice role = slice_from(request->path.ptr + prefix, request->path.len - prefix);
    if (!slice_equal_str(http_request_header(request, "x-aws-ec2-metadata-token"),
                         emulator->imds_token))
        answer_text(emulator, exchange, 401, ""); /* version 1 is off */
    else if (role.len == 0)
        answer_text(emulator, exchange, 200, ROLE);
    else if (slice_equal_str(role, ROLE))
        answer_keys(emulator, exchange, true);
    else
        answer_text(emulator, exchange, 404, "");
    return true;
}

/* --- STS ------------------------------------------------------------------------------------- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A field of an application/x-www-form-urlencoded body, decoded. False: absent or malformed. */
static bool form_field(struct slice form, const char *name, char out[FIELD_MAX])
{
    size_t name_len = strlen(name);
    while (form.len > 0) {
        const uint8_t *end = memchr(form.ptr, '&', form.len);
        size_t len = end == NULL ? form.len : (size_t)(end - form.ptr);
        struct slice pair = slice_from(form.ptr, len);
        form = slice_from(form.ptr + len + (end != NULL), form.len - len - (end != NULL));
        if (pair.len <= name_len || memcmp(pair.ptr, name, name_len) != 0 ||
            pair.ptr[name_len] != '=')
            continue;
        size_t used = 0;
        for (size_t i = name_len + 1; i < pair.len && used + 1 < FIELD_MAX; i++) {
            uint8_t c = pair.ptr[i];
            if (c == '%') {
                int high = i + 2 < pair.len ? hex_digit(pair.ptr[i + 1]) : -1;
                int low = i + 2 < pair.len ? hex_digit(pair.ptr[i + 2]) : -1;
                if (high < 0 || low < 0)
                    return false;
                c = (uint8_t)(high << 4 | low);
                i += 2;
            }
            out[used++] = (char)(pair.ptr[i] == '+' ? ' ' : c);
        }
        out[used] = '\0';
        return true;
    }
    return false;
}

static void sts_refuse(struct emulator *emulator, struct http_exchange *exchange, const char *code,
                       const char *text)
{
    struct buf body;
    buf_init(&body, ANSWER_MAX);
    buf_printf(&body,
               "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n"
               "    <Type>Sender</Type>\n    <Code>%s</Code>\n    <Message>%s</Message>\n"
               "  </Error>\n  <RequestId>00000000-0000-4000-8000-000000000000</RequestId>\n"
               "</ErrorResponse>\n",
               code, text);
    emulator_log(emulator, "AssumeRoleWithWebIdentity", "", SLICE_NULL, code);
    emulator_answer_plain(emulator, exchange, 400, "text/xml", &body);
}

static bool parse_seconds(const char *text, int64_t *ret)
{
    int64_t value = 0;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || value > STS_SECONDS_MAX)
            return false;
        value = value * 10 + (*c - '0');
    }
    *ret = value;
    return text[0] != '\0' && value >= STS_SECONDS_MIN && value <= STS_SECONDS_MAX;
}

/* The fields of one request; too large for the stack. */
struct sts_form {
    char action[FIELD_MAX];
    char version[FIELD_MAX];
    char role[FIELD_MAX];
    char session[FIELD_MAX];
    char duration[FIELD_MAX];
    char token[FIELD_MAX];
};

/* NULL: fine; otherwise the code, and *ret_text. */
static const char *check_form(struct slice body, struct sts_form *form, int64_t *ret_seconds,
                              const char **ret_text)
{
    *ret_text = "AssumeRoleWithWebIdentity of 2011-06-15 is all that is known here";
    if (!form_field(body, "Action", form->action) ||
        strcmp(form->action, "AssumeRoleWithWebIdentity") != 0 ||
        !form_field(body, "Version", form->version) || strcmp(form->version, "2011-06-15") != 0)
        return "InvalidAction";
    *ret_seconds = 3600;
    *ret_text = "DurationSeconds must be 900 to 43200";
    if (form_field(body, "DurationSeconds", form->duration) &&
        !parse_seconds(form->duration, ret_seconds))
        return "ValidationError";
    *ret_text = "RoleArn and a RoleSessionName of 2 to 64 characters are needed";
    if (!form_field(body, "RoleArn", form->role) || strncmp(form->role, "arn:aws", 7) != 0 ||
        !form_field(body, "RoleSessionName", form->session) || strlen(form->session) < 2 ||
        strlen(form->session) > 64)
        return "ValidationError";
    *ret_text = "the token is missing or empty";
    if (!form_field(body, "WebIdentityToken", form->token) || form->token[0] == '\0')
        return "InvalidIdentityToken";
    *ret_text = "the token has expired"; /* what a test puts into its token file */
    return strcmp(form->token, "expired") == 0 ? "ExpiredTokenException" : NULL;
}

static void serve_sts(struct emulator *emulator, struct http_exchange *exchange)
{
    struct sts_form *form = mem_alloc(sizeof(*form));
    const char *text;
    int64_t seconds;
    const char *code = check_form(http_exchange_request(exchange)->body, form, &seconds, &text);
    mem_free(form);
    if (code != NULL) {
        sts_refuse(emulator, exchange, code, text);
        return;
    }
    /* The configured length wins, so that tests can see sessions end. */
    struct sts_credentials keys = issue(emulator, MIN(seconds * 1000, emulator->session_ms));
    char expires[32];
    struct buf body;
    format_time(keys.expires_ms, expires);
    buf_init(&body, ANSWER_MAX);
    buf_printf(&body,
               "<AssumeRoleWithWebIdentityResponse "
               "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n"
               "  <AssumeRoleWithWebIdentityResult>\n    <Credentials>\n"
               "      <AccessKeyId>%s</AccessKeyId>\n"
               "      <SecretAccessKey>%s</SecretAccessKey>\n"
               "      <SessionToken>%s</SessionToken>\n      <Expiration>%s</Expiration>\n"
               "    </Credentials>\n  </AssumeRoleWithWebIdentityResult>\n"
               "</AssumeRoleWithWebIdentityResponse>\n",
               keys.access_key_id, keys.secret_access_key, keys.session_token, expires);
    emulator_log(emulator, "AssumeRoleWithWebIdentity", keys.access_key_id, SLICE_NULL, "ok");
    emulator_answer_plain(emulator, exchange, 200, "text/xml", &body);
}

bool credentials_serve(struct emulator *emulator, struct http_exchange *exchange)
{
    const struct http_request *request = http_exchange_request(exchange);
    struct slice type = http_request_header(request, "content-type");
    static const char form[] = "application/x-www-form-urlencoded";
    if (slice_equal_str(request->method, "GET") && slice_equal_str(request->path, "/credentials")) {
        serve_container(emulator, exchange);
        return true;
    }
    if (serve_imds(emulator, exchange))
        return true;
    if (slice_equal_str(request->method, "POST") && type.len >= sizeof(form) - 1 &&
        memcmp(type.ptr, form, sizeof(form) - 1) == 0) {
        serve_sts(emulator, exchange);
        return true;
    }
    return false;
}
