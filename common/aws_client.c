#include "common/aws_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/aws_answer.h"
#include "common/aws_error.h"
#include "common/aws_retry.h"
#include "common/check.h"
#include "common/clock_skew.h"
#include "common/digest.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/prng.h"
#include "common/rate.h"
#include "common/sigv4.h"

#define REQUEST_MAGIC UINT32_C(0x61777372)
/* A signature is refused when its time is off by 5 minutes: from here on the clock is suspected. */
#define SIGNATURE_OFF_MS (4 * MS_PER_MINUTE)
#define TARGET_SIZE      96
#define UUID_SIZE        37
#define HEADERS_MAX      9

/* What the timer of a request goes on with. */
enum next_step {
    STEP_NONE,
    STEP_ADMIT, /* after a back-off */
    STEP_SEND,  /* after waiting for the rate */
    STEP_FAIL,  /* with request->error */
};

struct aws_request {
    uint32_t magic;
    struct aws_client *client;
    struct aws_request *next;
    struct aws_request *previous;

    struct aws_call call; /* its body is taken into body */
    struct buf body;
    uint8_t body_sha256[DIGEST_SHA256_SIZE];
    char target[TARGET_SIZE];
    char invocation_id[UUID_SIZE];
    struct aws_operation_stats *stats;

    struct aws_retry_policy policy;
    struct aws_retry_call retry;
    uint32_t attempt;    /* under way, from 1 */
    bool refreshed;      /* credentials, once */
    bool time_put_right; /* once */
    struct mono_ms sent;
    int64_t signed_ms;

    struct aws_identity *identity; /* that it is signed with */
    bool waits_for_credentials;
    struct http_request *http;
    uv_timer_t timer; /* opened by the first wait */
    bool timer_open;
    enum next_step step;
    struct error error;
};

struct aws_client {
    struct loop *loop;
    struct http *http;
    struct aws_credentials *credentials;
    struct aws_client_options options;
    struct endpoint endpoint;
    const struct aws_retry_policy *policy;

    struct aws_request *requests;
    struct aws_retry_quota quota;
    struct rate rate;
    struct clock_skew skew;
    struct prng prng;
    struct sigv4_key_cache key_cache;
    struct buf authorization;
    struct aws_operation_stats stats[CLIENT_OPERATIONS_MAX];
    size_t stats_count;
};

static void admit(struct aws_request *request);
static void send_attempt(struct aws_request *request);

/* --- life ------------------------------------------------------------------------------------ */

struct aws_client *aws_client_new(struct loop *loop, struct http *http,
                                  struct aws_credentials *credentials,
                                  const struct aws_client_options *options)
{
    struct aws_client *client = mem_calloc(1, sizeof(*client));
    client->loop = loop;
    client->http = http;
    client->credentials = credentials;
    client->options = *options;
    client->endpoint = *options->endpoint;
    client->options.endpoint = &client->endpoint;
    client->policy =
        options->service == ENDPOINT_DYNAMODB ? &aws_retry_dynamodb_2026 : &aws_retry_standard_2026;
    aws_retry_quota_init(&client->quota);
    rate_init(&client->rate, CLIENT_RATE_LEAST_PER_S, loop_now(loop).mono);
    clock_skew_init(&client->skew);
    prng_init(&client->prng, options->seed);
    buf_init(&client->authorization, 4 * KIB);
    return client;
}

void aws_client_free(struct aws_client *client)
{
    if (client == NULL)
        return;
    while (client->requests != NULL)
        aws_request_cancel(client->requests);
    sigv4_key_cache_release(&client->key_cache);
    buf_release(&client->authorization);
    mem_free(client);
}

/* operation is constant text, so that the address mostly tells. */
static struct aws_operation_stats *find_stats(struct aws_client *client, const char *operation,
                                              enum aws_price price)
{
    for (size_t i = 0; i < client->stats_count; i++)
        if (client->stats[i].price == price && (client->stats[i].operation == operation ||
                                                strcmp(client->stats[i].operation, operation) == 0))
            return &client->stats[i];
    CHECK(client->stats_count < CLIENT_OPERATIONS_MAX);
    struct aws_operation_stats *stats = &client->stats[client->stats_count++];
    stats->operation = operation;
    stats->price = price;
    return stats;
}

size_t aws_client_stats(const struct aws_client *client,
                        const struct aws_operation_stats **ret_stats)
{
    *ret_stats = client->stats;
    return client->stats_count;
}

void aws_client_add_units(struct aws_client *client, const char *operation, enum aws_price price,
                          double units)
{
    find_stats(client, operation, price)->billable_units += units;
}

void aws_client_add_throttle(struct aws_client *client, const char *operation, enum aws_price price)
{
    find_stats(client, operation, price)->throttles++;
    if (!client->options.without_rate)
        rate_throttle(&client->rate, loop_now(client->loop).mono);
}

int64_t aws_client_backpressure_ms(const struct aws_client *client)
{
    return rate_wait_ms(&client->rate, RATE_ORDINARY, loop_now(client->loop).mono);
}

struct aws_clock_view aws_client_clock(const struct aws_client *client, struct now host)
{
    struct clock_skew_view view = clock_skew_view(&client->skew, host);
    return (struct aws_clock_view){view.known, view.offset_min_ms, view.offset_max_ms,
                                   view.correction_ms};
}

/* --- the end of a request -------------------------------------------------------------------- */

static void request_delete(struct aws_request *request)
{
    buf_release(&request->body);
    request->magic = 0;
    mem_free(request);
}

static void on_timer_closed(uv_handle_t *handle)
{
    request_delete(container_of(handle, struct aws_request, timer));
}

/* Everything that a request holds but its memory and its ctx. */
static void request_detach(struct aws_request *request)
{
    struct aws_client *client = request->client;
    if (request->previous == NULL)
        client->requests = request->next;
    else
        request->previous->next = request->next;
    if (request->next != NULL)
        request->next->previous = request->previous;
    if (request->waits_for_credentials)
        aws_credentials_forget(client->credentials, request);
    if (request->http != NULL)
        http_cancel(request->http);
    request->http = NULL;
    aws_identity_unref(request->identity);
    request->identity = NULL;
}

static void request_release(struct aws_request *request)
{
    if (request->call.on_release != NULL)
        request->call.on_release(request->call.ctx);
    if (request->timer_open)
        uv_close((uv_handle_t *)&request->timer, on_timer_closed);
    else
        request_delete(request);
}

void aws_request_cancel(struct aws_request *request)
{
    CHECK(request->magic == REQUEST_MAGIC);
    request_detach(request);
    request_release(request);
}

/* The client may be gone when on_done returns. */
static void finish(struct aws_request *request, const struct aws_answer *answer,
                   const struct error *error)
{
    switch (error_outcome(error->kind)) {
    case OUTCOME_DONE:
        aws_retry_succeeded(&request->client->quota, &request->retry);
        break;
    case OUTCOME_FAILED:
        request->stats->failures++;
        break;
    case OUTCOME_UNKNOWN:
        request->stats->unknowns++;
        break;
    }
    request_detach(request);
    request->call.on_done(request->call.ctx, answer, error);
    request_release(request);
}

/* --- waiting --------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct aws_request *request = container_of(timer, struct aws_request, timer);
    CHECK(request->magic == REQUEST_MAGIC);
    enum next_step step = request->step;
    request->step = STEP_NONE;
    switch (step) {
    case STEP_ADMIT:
        admit(request);
        return;
    case STEP_SEND:
        send_attempt(request);
        return;
    case STEP_FAIL:
        finish(request, &(struct aws_answer){0}, &request->error);
        return;
    case STEP_NONE:
        break;
    }
    UNREACHABLE();
}

/* Goes on with step after the time, in a later turn also if that is 0. */
static void wait(struct aws_request *request, int64_t wait_ms, enum next_step step)
{
    if (!request->timer_open) {
        CHECK(uv_timer_init(loop_uv(request->client->loop), &request->timer) == 0);
        request->timer_open = true;
    }
    CHECK(request->step == STEP_NONE);
    request->step = step;
    uv_update_time(loop_uv(request->client->loop));
    CHECK(uv_timer_start(&request->timer, on_timer, (uint64_t)wait_ms, 0) == 0);
}

/* --- sending an attempt ---------------------------------------------------------------------- */

struct headers {
    struct http_header items[HEADERS_MAX];
    size_t count;
};

static void add(struct headers *headers, const char *name, struct slice value)
{
    CHECK(headers->count < HEADERS_MAX);
    headers->items[headers->count++] = (struct http_header){slice_from_str(name), value};
}

/* All of these are signed, and host. */
static void add_signed_headers(const struct aws_request *request, const char *date,
                               struct headers *headers)
{
    const struct aws_client *client = request->client;
    add(headers, "Content-Type", SLICE_LITERAL("application/x-amz-json-1.0"));
    add(headers, "X-Amz-Date", slice_from_str(date));
    add(headers, "X-Amz-Target", slice_from_str(request->target));
    if (client->options.service == ENDPOINT_SQS)
        add(headers, "x-amzn-query-mode", SLICE_LITERAL("true"));
    if (request->identity->session_token.len > 0)
        add(headers, "X-Amz-Security-Token", secret_reveal(&request->identity->session_token));
}

static enum status sign(struct aws_request *request, const struct headers *headers)
{
    struct aws_client *client = request->client;
    struct sigv4_header to_sign[HEADERS_MAX + 1];
    for (size_t i = 0; i < headers->count; i++)
        to_sign[i] = (struct sigv4_header){headers->items[i].name, headers->items[i].value};
    to_sign[headers->count] =
        (struct sigv4_header){SLICE_LITERAL("host"), slice_from_str(client->endpoint.host)};
    struct sigv4_request what = {
        .method = SLICE_LITERAL("POST"),
        .path = slice_from_str(client->endpoint.path),
        .query = SLICE_LITERAL(""),
        .headers = to_sign,
        .header_count = headers->count + 1,
        .normalize_path = true,
        .double_encode_path = true,
    };
    memcpy(what.payload_sha256, request->body_sha256, sizeof(what.payload_sha256));
    struct sigv4_credentials credentials = {
        .access_key_id = slice_from_str(request->identity->access_key_id),
        .secret_access_key = secret_reveal(&request->identity->secret_access_key),
        .session_token = SLICE_NULL, /* a header like the others */
    };
    struct sigv4_scope scope = {
        .region = slice_from_str(client->endpoint.signing_region),
        .service = client->options.service == ENDPOINT_SQS ? SLICE_LITERAL("sqs")
                                                           : SLICE_LITERAL("dynamodb"),
        .time_ms = request->signed_ms,
    };
    buf_clear(&client->authorization);
    return sigv4_sign_headers(&what, &credentials, &scope, &client->key_cache,
                              &client->authorization);
}

static void on_answer(void *ctx, const struct http_response *response, const struct error *error);

static void transmit(struct aws_request *request)
{
    struct aws_client *client = request->client;
    struct now now = loop_now(client->loop);
    char date[NUM_AMZ_DATE_SIZE];
    char attempt[48];
    struct headers headers = {.count = 0};
    request->sent = now.mono;
    request->signed_ms = clock_skew_signing_ms(&client->skew, now);
    num_format_amz_date(request->signed_ms, date);
    add_signed_headers(request, date, &headers);
    if (sign(request, &headers) != STATUS_OK) {
        error_set(&request->error, ERROR_AUTH, "InvalidCredentials",
                  "the credentials cannot be used for signing");
        wait(request, 0, STEP_FAIL);
        return;
    }
    snprintf(attempt, sizeof(attempt), "attempt=%" PRIu32 "; max=%" PRIu32, request->attempt,
             request->policy.attempts_max);
    add(&headers, "Authorization", buf_slice(&client->authorization));
    add(&headers, "amz-sdk-invocation-id", slice_from_str(request->invocation_id));
    add(&headers, "amz-sdk-request", slice_from_str(attempt));
    request->stats->calls++;
    request->http = http_start(client->http, &(struct http_spec){
                                                 .method = "POST",
                                                 .url = client->endpoint.url,
                                                 .headers = headers.items,
                                                 .header_count = headers.count,
                                                 .body = buf_slice(&request->body),
                                                 .timeout_ms = request->call.timeout_ms,
                                                 .response_bytes_max = HTTP_RESPONSE_BYTES_MAX,
                                                 .once = request->call.writes,
                                                 .on_done = on_answer,
                                                 .ctx = request,
                                             });
}

static void on_credentials(void *ctx, struct aws_identity *identity, const struct error *error)
{
    struct aws_request *request = ctx;
    CHECK(request->magic == REQUEST_MAGIC);
    request->waits_for_credentials = false;
    if (identity == NULL) {
        request->error = *error;
        finish(request, &(struct aws_answer){0}, &request->error);
        return;
    }
    request->identity = aws_identity_ref(identity);
    transmit(request);
}

static void send_attempt(struct aws_request *request)
{
    struct aws_client *client = request->client;
    aws_identity_unref(request->identity);
    request->identity = aws_credentials_peek(client->credentials);
    if (request->identity != NULL) {
        aws_identity_ref(request->identity);
        transmit(request);
        return;
    }
    request->waits_for_credentials = true;
    aws_credentials_get(client->credentials, on_credentials, request);
}

static const char held_back_code[] = "ClientRateExceeded";

bool aws_client_held_back(const struct error *error)
{
    return error->kind == ERROR_THROTTLED && error->http_status == 0 &&
           strcmp(error->code, held_back_code) == 0;
}

static void hold_back(struct aws_request *request, int64_t wait_ms)
{
    error_set(&request->error, ERROR_THROTTLED, held_back_code,
              "%s was throttled; the next call may go out in %" PRId64 " ms",
              request->client->options.target_prefix, wait_ms);
    request->error.retry_after_ms = wait_ms;
    wait(request, 0, STEP_FAIL);
}

/* What a call waits for its turn at most: one whose caller decides anew is soon back. */
static int64_t longest_wait_ms(const struct aws_request *request)
{
    if (request->call.rate == RATE_SPARE)
        return 0;
    return request->policy.attempts_max == 1 ? CLIENT_RATE_WAIT_MAX_MS : CLIENT_RATE_DEBT_MAX_MS;
}

/* One attempt passes the rate or waits for it; when that is too long it fails, which costs nothing
 * and lets the caller decide anew. */
static void admit(struct aws_request *request)
{
    struct aws_client *client = request->client;
    struct mono_ms now = loop_now(client->loop).mono;
    int64_t longest_ms = longest_wait_ms(request);
    int64_t wait_ms = rate_wait_ms(&client->rate, request->call.rate, now);
    if (wait_ms <= longest_ms || request->call.rate == RATE_SPARE)
        wait_ms = rate_take(&client->rate, request->call.rate, now);
    if (wait_ms > longest_ms) {
        hold_back(request, wait_ms);
        return;
    }
    request->attempt++;
    if (wait_ms > 0)
        wait(request, wait_ms, STEP_SEND);
    else
        send_attempt(request);
}

/* --- what came back -------------------------------------------------------------------------- */

static void observe_date(struct aws_client *client, const struct aws_request *request,
                         const struct http_response *response)
{
    int64_t date_s;
    /* Read anew: this turn's reading may be from before the answer's last byte. */
    if (num_parse_http_date(http_response_header(response, "Date"), &date_s) == STATUS_OK)
        clock_skew_observe(&client->skew, date_s, request->sent, loop_now_fresh(client->loop).mono);
}

/* Failures that are put right at once, each once: it was surely not done, and the next attempt has
 * what this one lacked. */
static bool put_right(struct aws_request *request, enum aws_error_class class)
{
    struct aws_client *client = request->client;
    if (class == AWS_ERROR_CREDENTIALS && !request->refreshed) {
        request->refreshed = true;
        aws_credentials_invalidate(client->credentials, request->identity);
        aws_identity_unref(request->identity);
        request->identity = NULL;
        request->waits_for_credentials = true;
        request->attempt++;
        request->stats->retries++;
        aws_credentials_get(client->credentials, on_credentials, request);
        return true;
    }
    if ((class != AWS_ERROR_SKEW && class != AWS_ERROR_SIGNATURE) || request->time_put_right)
        return false;
    struct now now = loop_now(client->loop);
    int64_t elapsed_ms = time_sub(now.mono.ms, request->sent.ms);
    int64_t off_ms = time_sub(clock_skew_signing_ms(&client->skew, now),
                              time_add(request->signed_ms, elapsed_ms));
    if (off_ms < 0)
        off_ms = -off_ms;
    if (off_ms < (class == AWS_ERROR_SKEW ? MS_PER_SECOND : SIGNATURE_OFF_MS))
        return false;
    request->time_put_right = true;
    request->attempt++;
    request->stats->retries++;
    send_attempt(request);
    return true;
}

static void settle_failure(struct aws_request *request, enum aws_error_class class,
                           const struct aws_answer *answer, const struct error *error)
{
    struct aws_client *client = request->client;
    if (put_right(request, class))
        return;
    struct aws_retry_failure failure = {
        .retryable = class != AWS_ERROR_SERVER &&
                     (error->kind == ERROR_RETRY || error->kind == ERROR_THROTTLED),
        .throttled = error->kind == ERROR_THROTTLED,
        .timed_out = error->http_status == 0 && strstr(error->code, "Timeout") != NULL,
        .hint_ms = error->retry_after_ms,
    };
    struct aws_retry_decision decision = aws_retry_decide(
        &request->policy, &client->quota, &request->retry, &failure,
        false /* long polls have one attempt here */, (uint32_t)prng_next(&client->prng));
    switch (decision.verdict) {
    case AWS_RETRY_AGAIN:
        request->stats->retries++;
        wait(request, decision.delay_ms, STEP_ADMIT);
        return;
    case AWS_RETRY_QUOTA_EMPTY:
        if (decision.delay_ms > 0) {
            request->error = *error;
            wait(request, decision.delay_ms, STEP_FAIL);
            return;
        }
        break;
    case AWS_RETRY_NEVER:
    case AWS_RETRY_ATTEMPTS_ENDED:
        break;
    }
    finish(request, answer, error);
}

static void on_answer(void *ctx, const struct http_response *response, const struct error *error)
{
    struct aws_request *request = ctx;
    CHECK(request->magic == REQUEST_MAGIC);
    struct aws_client *client = request->client;
    request->http = NULL;
    if (response != NULL || error->kind == ERROR_UNKNOWN)
        request->stats->billable_units += request->call.billable_units;

    struct error failure = *error;
    if (response == NULL) {
        if (failure.kind == ERROR_UNKNOWN && !request->call.writes)
            failure.kind = ERROR_RETRY;
        settle_failure(request, AWS_ERROR_TRANSIENT, &(struct aws_answer){0}, &failure);
        return;
    }
    observe_date(client, request, response);
    CLEANUP(aws_answer_body_release) struct aws_answer_body body;
    enum aws_error_class class =
        aws_answer_read(response, request->call.writes, request->call.form, &body, &failure);
    struct aws_answer answer = {body.json, &body.flat, response->body};
    bool slows = failure.kind == ERROR_THROTTLED && !client->options.without_rate;
    rate_update(&client->rate, slows, loop_now(client->loop).mono);
    if (failure.kind == ERROR_THROTTLED)
        request->stats->throttles++;
    if (failure.kind == ERROR_NONE)
        finish(request, &answer, &failure);
    else
        settle_failure(request, class, &answer, &failure);
}

/* --- calls ----------------------------------------------------------------------------------- */

/* RFC 9562, version 4; random enough for finding a call in a log. */
static void make_uuid(struct prng *prng, char out[UUID_SIZE])
{
    uint64_t a = prng_next(prng);
    uint64_t b = prng_next(prng);
    snprintf(out, UUID_SIZE, "%08" PRIx32 "-%04x-4%03x-%04x-%012" PRIx64, (uint32_t)(a >> 32),
             (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
             (unsigned)(0x8000 | (b >> 48 & 0x3fff)), b & UINT64_C(0xffffffffffff));
}

struct aws_request *aws_client_call(struct aws_client *client, const struct aws_call *call)
{
    struct aws_request *request = mem_calloc(1, sizeof(*request));
    request->magic = REQUEST_MAGIC;
    request->client = client;
    request->call = *call;
    request->call.body = NULL;
    CHECK(!call->body->overflow && call->body->len <= HTTP_REQUEST_BYTES_MAX);
    request->body = *call->body;
    buf_init(call->body, request->body.max);
    digest_sha256(buf_slice(&request->body), request->body_sha256);
    CHECK(snprintf(request->target, sizeof(request->target), "%s.%s", client->options.target_prefix,
                   call->operation) < TARGET_SIZE);
    make_uuid(&client->prng, request->invocation_id);
    request->stats = find_stats(client, call->operation, call->price);
    request->policy = *client->policy;
    if (client->options.attempts_max > 0)
        request->policy.attempts_max = client->options.attempts_max;
    if (call->attempts_max > 0)
        request->policy.attempts_max = call->attempts_max;
    request->next = client->requests;
    if (request->next != NULL)
        request->next->previous = request;
    client->requests = request;

    if (call->is_retry) {
        request->stats->retries++;
        if (!aws_retry_draw(&request->policy, &client->quota, &request->retry,
                            loop_now(client->loop).mono)) {
            error_set(&request->error, ERROR_THROTTLED, "RetryQuotaExceeded",
                      "too many attempts fail at present");
            wait(request, 0, STEP_FAIL);
            return request;
        }
    }
    admit(request);
    return request;
}
