/* Credentials from STS for a web identity token (EKS service accounts).
 *
 * The happy path is: the token file is read, AssumeRoleWithWebIdentity is sent unsigned, XML with
 * keys comes back. The failure modes are: a file that is missing or empty while it is rotated, a
 * refusal by STS (both: the next refresh reads the file again), no answer or a 5xx (tried three
 * times).
 */
#include "common/aws_credentials_wire.h"

#include <stdio.h>

#include "common/aws_settings.h"
#include "common/endpoint.h"

#define STS_TIMEOUT_MS    INT64_C(5000)
#define STS_ATTEMPTS      3
#define SESSION_NAME_SIZE 65

static void on_answer(void *ctx, const struct http_response *response, const struct error *error)
{
    struct credentials_flight *f = ctx;
    if (response == NULL) {
        credentials_flight_end(f, NULL, error);
        return;
    }
    struct error why;
    struct aws_identity *identity = NULL;
    if (response->status == 200)
        identity = credentials_parse_sts(response->body, &why);
    else
        credentials_parse_sts_error(response->status, response->body, &why);
    credentials_flight_end(f, identity, &why);
}

static enum status sts_url(const struct web_identity *w, struct buf *out, struct error *reterr)
{
    struct endpoint_query query = {
        .service = ENDPOINT_STS,
        .region = w->region,
        .fips = credentials_getenv_true("AWS_USE_FIPS_ENDPOINT"),
        .dualstack = credentials_getenv_true("AWS_USE_DUALSTACK_ENDPOINT"),
        .custom_url = aws_settings_custom_url(w->profile, "AWS_ENDPOINT_URL_STS", "sts"),
    };
    struct endpoint endpoint;
    enum status status = endpoint_resolve(&query, &endpoint, reterr);
    if (status != STATUS_OK)
        return status;
    buf_append_str(out, endpoint.url);
    buf_append_byte(out, '/');
    return STATUS_OK;
}

static enum status load_token(struct slice file, struct buf *text, struct error *reterr)
{
    char path[CREDENTIALS_PATH_SIZE];
    enum status status = credentials_copy_path(file, path);
    if (status == STATUS_OK)
        status = credentials_read_file(path, CREDENTIALS_FILE_BYTES_MAX, text);
    while (text->len > 0 && text->ptr[text->len - 1] <= ' ')
        text->len--;
    if (status == STATUS_OK && text->len > 0)
        return STATUS_OK;
    error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG,
              "the web identity token file is missing, empty, too large or cannot be read");
    return status == STATUS_OK ? STATUS_NOT_FOUND : status;
}

/* The form holds the token: it is built in memory that is wiped and never moves. */
static void make_form(struct credentials_flight *f, const struct web_identity *w,
                      struct slice token)
{
    char name[SESSION_NAME_SIZE];
    struct slice session = w->session_name;
    if (slice_is_null(session)) {
        snprintf(name, sizeof(name), "delayline-%lld", (long long)loop_now(f->loop).wall.ms);
        session = slice_from_str(name);
    }
    struct buf form;
    buf_init(&form, 3 * (w->role_arn.len + session.len + token.len) + 256);
    if (buf_reserve(&form, form.max) != NULL)
        credentials_write_sts(w->role_arn, session, token, &form);
    secret_init(&f->form, buf_slice(&form));
    secret_buf_release(&form);
}

enum source_verdict credentials_assume_role(struct credentials_flight *f,
                                            const struct web_identity *w, struct error *reterr)
{
    if (w->role_arn.len == 0) {
        error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG,
                  "a web identity token file is configured, but no role to assume with it "
                  "(AWS_ROLE_ARN, role_arn)");
        return SOURCE_FAILED;
    }
    if (sts_url(w, &f->url, reterr) != STATUS_OK)
        return SOURCE_FAILED;
    struct buf token;
    buf_init(&token, CREDENTIALS_FILE_BYTES_MAX);
    enum status status = load_token(w->token_file, &token, reterr);
    if (status == STATUS_OK)
        make_form(f, w, buf_slice(&token));
    secret_buf_release(&token);
    if (status != STATUS_OK)
        return SOURCE_FAILED;
    struct credentials_request request = {
        .method = "POST",
        .headers = {{SLICE_LITERAL("Content-Type"),
                     SLICE_LITERAL("application/x-www-form-urlencoded")}},
        .body = secret_reveal(&f->form),
        .timeout_ms = STS_TIMEOUT_MS,
        .attempts = STS_ATTEMPTS,
        .retry_silence = true,
        .on_done = on_answer,
    };
    credentials_fetch(f, &request);
    return SOURCE_STARTED;
}

struct slice credentials_region(const char *region, const struct aws_profile *profile)
{
    if (region != NULL && region[0] != '\0')
        return slice_from_str(region);
    struct slice found = credentials_getenv("AWS_REGION");
    if (slice_is_null(found))
        found = credentials_getenv("AWS_DEFAULT_REGION");
    if (slice_is_null(found) && profile != NULL)
        found = aws_profile_get(profile, "region");
    return found;
}

enum source_verdict credentials_from_web_identity(struct credentials_flight *f,
                                                  const struct aws_profile *profile,
                                                  const char *region, struct error *reterr)
{
    struct web_identity w = {
        .token_file = credentials_getenv("AWS_WEB_IDENTITY_TOKEN_FILE"),
        .role_arn = credentials_getenv("AWS_ROLE_ARN"),
        .session_name = credentials_getenv("AWS_ROLE_SESSION_NAME"),
        .region = credentials_region(region, profile),
        .profile = profile,
    };
    return slice_is_null(w.token_file) ? SOURCE_ABSENT : credentials_assume_role(f, &w, reterr);
}
