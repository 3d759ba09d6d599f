#include "tests/harness/credentials_world.h"

#include "common/num.h"
#include "tests/harness/aws_environment.h"

/* --- loop and HTTP --------------------------------------------------------------------------- */

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
    request->timeout_ms = spec->timeout_ms;
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

const char *world_path(const struct world *w, const char *name)
{
    static struct temp_path path;
    path = temp_dir_at(&w->root, name);
    return path.text;
}

int world_set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    aws_environment_clear();
    temp_dir_init(&w->root);
    temp_dir_mkdir(&w->root, ".aws");
    setenv("HOME", w->root.path, 1);
    w->loop.now = (struct now){{0}, {START_MS}};
    *state = w;
    return 0;
}

int world_tear_down(void **state)
{
    struct world *w = *state;
    aws_credentials_free(w->credentials);
    for (int i = 0; i < TIMERS_MAX; i++)
        assert_false(w->loop.timers[i].used);
    assert_null(w->http.pending);
    temp_dir_release(&w->root);
    free(w);
    return 0;
}

void world_start(struct world *w)
{
    w->credentials = aws_credentials_new(&w->loop, &w->http, NULL);
}

void world_run_due(struct world *w)
{
    for (int i = 0; i < TIMERS_MAX; i++) {
        struct loop_timer *timer = &w->loop.timers[i];
        if (timer->used && timer->at_ms <= w->loop.now.mono.ms) {
            timer->at_ms = TIME_NEVER;
            timer->on_timer(timer->ctx);
        }
    }
}

void world_advance(struct world *w, int64_t ms)
{
    w->loop.now.mono.ms += ms;
    w->loop.now.wall.ms += ms;
    world_run_due(w);
}

struct http_request *world_expect_request(struct world *w, const char *method, const char *url)
{
    if (w->http.pending == NULL)
        fail_msg("no request; expected %s %s", method, url);
    assert_string_equal(w->http.pending->method, method);
    assert_string_equal(w->http.pending->url, url);
    return w->http.pending;
}

static void end_request(struct world *w, const struct http_response *response,
                        const struct error *error)
{
    struct http_request *request = w->http.pending;
    assert_non_null(request);
    w->http.pending = NULL;
    request->on_done(request->ctx, response, error);
    free(request);
    world_run_due(w);
}

void world_respond(struct world *w, int status, const char *body)
{
    struct http_response response = {.status = status, .body = slice_from_str(body)};
    end_request(w, &response, &(struct error){.kind = ERROR_NONE});
}

void world_respond_never(struct world *w, enum error_kind kind)
{
    struct error error;
    error_set(&error, kind, "Silence", "nobody there");
    end_request(w, NULL, &error);
}

void world_on_answer(void *ctx, struct aws_identity *identity, const struct error *error)
{
    struct world_answer *answer = ctx;
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

void world_get(struct world *w)
{
    unsigned before = w->answer.count;
    aws_credentials_get(w->credentials, world_on_answer, &w->answer);
    assert_int_equal(w->answer.count, before); /* never from within */
    world_run_due(w);
}

void world_expect_error(const struct world *w, unsigned count, const char *text)
{
    assert_int_equal(w->answer.count, count);
    assert_string_equal(w->answer.id, "");
    if (strstr(w->answer.error.text, text) == NULL)
        fail_msg("the error is \"%s\", expected \"%s\"", w->answer.error.text, text);
}

void world_expect_failure(struct world *w, const char *text)
{
    world_start(w);
    world_get(w);
    world_expect_error(w, 1, text);
    assert_int_equal(w->http.started, 0);
}

void world_keys_json(char out[WORLD_KEYS_SIZE], const char *id, int64_t expires_ms)
{
    char expiration[NUM_RFC3339_SIZE];
    num_format_rfc3339(expires_ms, expiration);
    snprintf(out, WORLD_KEYS_SIZE,
             "{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s-%s\","
             "\"Token\":\"t-%s\",\"Expiration\":\"%s\"}",
             id, id, id, expiration);
}

void world_start_with_container(struct world *w)
{
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", WORLD_CONTAINER_URL, 1);
    world_start(w);
}

void world_respond_keys(struct world *w, const char *id, int64_t life_ms)
{
    char body[WORLD_KEYS_SIZE];
    world_expect_request(w, "GET", WORLD_CONTAINER_URL);
    world_keys_json(body, id, w->loop.now.wall.ms + life_ms);
    world_respond(w, 200, body);
}
