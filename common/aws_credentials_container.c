/* Credentials from the endpoint of ECS or EKS Pod Identity.
 *
 * The happy path is: GET with the authorization token, JSON with keys. The failure modes are: a URL
 * that must not have the token, a token that is no header value (both refused before anything is
 * sent), no answer or a 5xx (tried three times), an answer without keys.
 */
#include "common/aws_credentials_wire.h"

#define CONTAINER_TIMEOUT_MS INT64_C(2000)
#define CONTAINER_ATTEMPTS   3

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
        identity = credentials_parse_json(response->body, &why);
    else
        error_set(&why, ERROR_AUTH, CREDENTIALS_ENDPOINT, "the container endpoint answered %d",
                  response->status);
    credentials_flight_end(f, identity, &why);
}

static enum source_verdict fail(struct error *reterr, const char *text)
{
    error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG, "%s", text);
    return SOURCE_FAILED;
}

/* The file is read at every refresh, since EKS rotates it. The token goes out as it is, so one with
 * a line break would be two headers. */
static enum source_verdict load_token(struct credentials_flight *f, struct error *reterr)
{
    struct slice path = credentials_getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    struct buf text;
    buf_init(&text, CREDENTIALS_FILE_BYTES_MAX);
    struct slice token = credentials_getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    enum status status = STATUS_OK;
    if (!slice_is_null(path)) {
        char name[CREDENTIALS_PATH_SIZE];
        status = credentials_copy_path(path, name);
        if (status == STATUS_OK)
            status = credentials_read_file(name, CREDENTIALS_FILE_BYTES_MAX, &text);
        token = buf_slice(&text);
    }
    enum source_verdict verdict = SOURCE_STARTED;
    if (status != STATUS_OK || (!slice_is_null(path) && token.len == 0))
        verdict = fail(reterr, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is empty or cannot be read");
    else if (!credentials_header_value_valid(token))
        verdict = fail(reterr, "the container authorization token has a line break or another "
                               "character that no header has");
    else
        secret_init(&f->token, token);
    secret_buf_release(&text);
    return verdict;
}

enum source_verdict credentials_from_container(struct credentials_flight *f, struct error *reterr)
{
    struct slice relative = credentials_getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    struct slice full = credentials_getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (slice_is_null(relative) && slice_is_null(full))
        return SOURCE_ABSENT;
    if (credentials_container_url(relative, full, &f->url, reterr) != STATUS_OK)
        return SOURCE_FAILED;
    if (load_token(f, reterr) != SOURCE_STARTED)
        return SOURCE_FAILED;
    struct credentials_request request = {
        .method = "GET",
        .headers = {{SLICE_LITERAL("Accept"), SLICE_LITERAL("application/json")}},
        .timeout_ms = CONTAINER_TIMEOUT_MS,
        .attempts = CONTAINER_ATTEMPTS,
        .retry_silence = true,
        .on_done = on_answer,
    };
    if (f->token.len > 0)
        request.headers[1] =
            (struct http_header){SLICE_LITERAL("Authorization"), secret_reveal(&f->token)};
    credentials_fetch(f, &request);
    return SOURCE_STARTED;
}
