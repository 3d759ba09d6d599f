/* The credentials provider under virtual time: this header stands in for the loop and for HTTP, so
 * that a day of refreshing takes a millisecond and nothing depends on the host. For one test binary
 * each. */
#ifndef TESTS_UNIT_CREDENTIALS_WORLD_H
#define TESTS_UNIT_CREDENTIALS_WORLD_H

#include "tests/harness/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/aws_credentials.h"

#define START_MS   INT64_C(1700000000000)
#define TIMERS_MAX 4

struct loop_timer {
    struct loop *loop;
    int64_t at_ms;
    loop_fn *on_timer;
    void *ctx;
    bool used;
};

struct loop {
    struct now now;
    struct loop_timer timers[TIMERS_MAX];
};

struct http_request {
    struct http *http;
    http_done_fn *on_done;
    void *ctx;
    char method[8];
    char url[512];
    char headers[2048]; /* "name: value\n" */
    char body[8192];
};

struct http {
    struct http_request *pending; /* the provider has one at a time */
    unsigned started;
    unsigned cancelled;
};

struct now loop_now(struct loop *loop)
{
    return loop->now;
}

uint64_t loop_random_seed(void)
{
    return 11;
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *on_timer, void *ctx)
{
    for (int i = 0; i < TIMERS_MAX; i++)
        if (!loop->timers[i].used) {
            loop->timers[i] = (struct loop_timer){loop, TIME_NEVER, on_timer, ctx, true};
            return &loop->timers[i];
        }
    fail_msg("too many timers");
    return NULL;
}

void loop_timer_set(struct loop_timer *timer, struct deadline at)
{
    assert_true(timer->used);
    timer->at_ms = at.mono.ms;
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer != NULL)
        timer->used = false;
}

struct http_request *http_start(struct http *http, const struct http_spec *spec)
{
    assert_null(http->pending);
    assert_true(spec->timeout_ms > 0 && spec->response_bytes_max > 0);
    struct http_request *request = calloc(1, sizeof(*request));
    assert_non_null(request);
    request->http = http;
    request->on_done = spec->on_done;
    request->ctx = spec->ctx;
    snprintf(request->method, sizeof(request->method), "%s", spec->method);
    snprintf(request->url, sizeof(request->url), "%s", spec->url);
    size_t len = 0;
    for (size_t i = 0; i < spec->header_count; i++)
        len +=
            (size_t)snprintf(request->headers + len, sizeof(request->headers) - len, "%.*s: %.*s\n",
                             SLICE_ARG(spec->headers[i].name), SLICE_ARG(spec->headers[i].value));
    snprintf(request->body, sizeof(request->body), "%.*s", SLICE_ARG(spec->body));
    http->pending = request;
    http->started++;
    return request;
}

void http_cancel(struct http_request *request)
{
    request->http->pending = NULL;
    request->http->cancelled++;
    free(request);
}

/* --- world ----------------------------------------------------------------------------------- */

struct answer {
    unsigned count; /* callbacks */
    char id[160];
    char secret[160];
    char token[256];
    int64_t expires_ms;
    struct error error;
};

struct world {
    struct loop loop;
    struct http http;
    struct aws_credentials *credentials;
    struct answer answer;
    char root[64]; /* a folder for files */
};

static const char *const variables[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_V1_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_METADATA_SERVICE_TIMEOUT",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
};

static const char *in_root(const struct world *w, const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s%s", w->root, name);
    return path;
}

static inline void write_file(const struct world *w, const char *name, const char *text)
{
    FILE *file = fopen(in_root(w, name), "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* A host without any credentials, and a HOME with an empty .aws. */
static inline int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        unsetenv(variables[i]);
    snprintf(w->root, sizeof(w->root), "/tmp/delayline-test-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    assert_int_equal(mkdir(in_root(w, "/.aws"), 0700), 0);
    setenv("HOME", w->root, 1);
    w->loop.now = (struct now){{0}, {START_MS}};
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
{
    static const char *const files[] = {"/.aws/config", "/.aws/credentials", "/.aws",
                                        "/token",       "/token.jwt",        ""};
    struct world *w = *state;
    aws_credentials_free(w->credentials);
    for (int i = 0; i < TIMERS_MAX; i++)
        assert_false(w->loop.timers[i].used);
    assert_null(w->http.pending);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        remove(in_root(w, files[i]));
    assert_int_not_equal(access(w->root, F_OK), 0);
    free(w);
    return 0;
}

static inline void start(struct world *w)
{
    w->credentials = aws_credentials_new(&w->loop, &w->http, NULL);
}

static inline void run_due(struct world *w)
{
    for (int i = 0; i < TIMERS_MAX; i++) {
        struct loop_timer *timer = &w->loop.timers[i];
        if (timer->used && timer->at_ms <= w->loop.now.mono.ms) {
            timer->at_ms = TIME_NEVER;
            timer->on_timer(timer->ctx);
        }
    }
}

static inline void advance(struct world *w, int64_t ms)
{
    w->loop.now.mono.ms += ms;
    w->loop.now.wall.ms += ms;
    run_due(w);
}

static inline struct http_request *expect_request(struct world *w, const char *method,
                                                  const char *url)
{
    if (w->http.pending == NULL)
        fail_msg("no request; expected %s %s", method, url);
    assert_string_equal(w->http.pending->method, method);
    assert_string_equal(w->http.pending->url, url);
    return w->http.pending;
}

static inline void respond(struct world *w, int status, const char *body)
{
    struct http_request *request = w->http.pending;
    assert_non_null(request);
    w->http.pending = NULL;
    struct http_response response = {.status = status, .body = slice_from_str(body)};
    struct error none = {.kind = ERROR_NONE};
    request->on_done(request->ctx, &response, &none);
    free(request);
    run_due(w);
}

static inline void respond_never(struct world *w, enum error_kind kind)
{
    struct http_request *request = w->http.pending;
    assert_non_null(request);
    w->http.pending = NULL;
    struct error error;
    error_set(&error, kind, "Silence", "nobody there");
    request->on_done(request->ctx, NULL, &error);
    free(request);
    run_due(w);
}

static inline void on_answer(void *ctx, struct aws_identity *identity, const struct error *error)
{
    struct answer *answer = ctx;
    answer->count++;
    answer->id[0] = '\0';
    if (identity == NULL) {
        assert_true(error->kind == ERROR_AUTH || error->kind == ERROR_RETRY);
        assert_int_not_equal(error->code[0], '\0');
        answer->error = *error;
        return;
    }
    struct slice secret = secret_reveal(&identity->secret_access_key);
    struct slice token = secret_reveal(&identity->session_token);
    snprintf(answer->id, sizeof(answer->id), "%s", identity->access_key_id);
    snprintf(answer->secret, sizeof(answer->secret), "%.*s", SLICE_ARG(secret));
    snprintf(answer->token, sizeof(answer->token), "%.*s", SLICE_ARG(token));
    answer->expires_ms = identity->expires_ms;
}

static inline void get(struct world *w)
{
    unsigned before = w->answer.count;
    aws_credentials_get(w->credentials, on_answer, &w->answer);
    assert_int_equal(w->answer.count, before); /* never from within */
    run_due(w);
}

#endif
