/* One request to a credential endpoint, repeated a few times.
 *
 * The happy path is: sent, answered, on_done. The failure modes are: a 5xx, or (where the caller
 * wants it) no answer: tried again a second later while attempts last, then on_done gets the error.
 */
#include "common/aws_credentials_source.h"

#define RETRY_MS INT64_C(1000)

static void send_once(struct credentials_flight *f);

static void on_retry(void *ctx)
{
    send_once(ctx);
}

static void on_response(void *ctx, const struct http_response *response, const struct error *error)
{
    struct credentials_flight *f = ctx;
    struct credentials_request *request = &f->request;
    f->under_way = NULL;
    bool answered = response != NULL;
    if (answered && response->status < 500) {
        request->on_done(f, response, NULL);
        return;
    }
    request->attempts--;
    if (request->attempts > 0 && (answered || request->retry_silence)) {
        struct mono_ms at = mono_add(loop_now(f->loop).mono, RETRY_MS);
        loop_timer_set(f->retry, (struct deadline){at, {TIME_NEVER}});
        return;
    }
    struct error final;
    if (answered)
        error_set(&final, ERROR_RETRY, CREDENTIALS_ENDPOINT, "the endpoint answered %d",
                  response->status);
    else
        final = *error;
    request->on_done(f, NULL, &final);
}

static void send_once(struct credentials_flight *f)
{
    const struct credentials_request *request = &f->request;
    size_t count = 0;
    while (count < ARRAY_LEN(request->headers) && !slice_is_null(request->headers[count].name))
        count++;
    struct http_spec spec = {
        .method = request->method,
        .url = buf_text(&f->url),
        .headers = request->headers,
        .header_count = count,
        .body = request->body,
        .timeout_ms = request->timeout_ms,
        .response_bytes_max = CREDENTIALS_ANSWER_BYTES_MAX,
        .on_done = on_response,
        .ctx = f,
    };
    f->under_way = http_start(f->http, &spec);
}

void credentials_fetch(struct credentials_flight *f, const struct credentials_request *request)
{
    f->request = *request;
    send_once(f);
}

void credentials_flight_init(struct credentials_flight *f, struct loop *loop, struct http *http)
{
    *f = (struct credentials_flight){.loop = loop, .http = http};
    buf_init(&f->url, CREDENTIALS_ANSWER_BYTES_MAX);
    buf_init(&f->imds_base, CREDENTIALS_ANSWER_BYTES_MAX);
    f->retry = loop_timer_new(loop, on_retry, f);
}

void credentials_flight_reset(struct credentials_flight *f)
{
    buf_clear(&f->url);
    buf_clear(&f->imds_base);
    secret_release(&f->token);
    secret_release(&f->form);
}

void credentials_flight_release(struct credentials_flight *f)
{
    if (f->under_way != NULL)
        http_cancel(f->under_way);
    f->under_way = NULL;
    loop_timer_free(f->retry);
    f->retry = NULL;
    credentials_flight_reset(f);
    buf_release(&f->url);
    buf_release(&f->imds_base);
}

void credentials_flight_end(struct credentials_flight *f, struct aws_identity *identity,
                            const struct error *error)
{
    credentials_flight_reset(f);
    f->on_done(f->ctx, identity, error);
}
