#include "common/sqs.h"

#include <string.h>

#include "common/check.h"
#include "common/mem.h"

/* A batch that takes longer than this is not coming back: 1 MiB up a slow line, and some. */
#define CALL_TIMEOUT_MS (10 * MS_PER_SECOND)
/* Over what a long poll was asked to wait. */
#define RECEIVE_MARGIN_MS (5 * MS_PER_SECOND)
/* JSON around the bodies, which base64 does not grow. */
#define BODY_BYTES_MAX (SQS_BATCH_BYTES_MAX * 6 + 64 * KIB)
#define ENVIRONS_BYTES (4 * KIB) /* about what JSON stands around a batch's bodies */

struct sqs {
    struct aws_client *client;
    struct loop *loop;
    struct buf body;             /* of the call being built */
    struct sqs_call *known_urls; /* get_queue_url calls that need no server, until they call back */
};

/* One call under way; goes with its request. */
struct sqs_call {
    struct sqs *sqs;
    const char *operation;
    enum aws_price price;
    size_t count;
    bool has_bodies;
    struct sqs_wire_md5 body_md5[SQS_BATCH_ENTRIES_MAX];
    uint32_t messages_max;
    char *known_url; /* of a get_queue_url that was given one */
    struct sqs_call *next_known;
    union {
        sqs_batch_fn *batch;
        sqs_receive_fn *receive;
        sqs_attributes_fn *attributes;
        sqs_url_fn *url;
    } on_done;
    void *ctx;
};

struct sqs *sqs_new(struct loop *loop, struct http *http, struct aws_credentials *credentials,
                    const struct aws_settings *settings, uint64_t seed)
{
    struct sqs *sqs = mem_calloc(1, sizeof(*sqs));
    sqs->loop = loop;
    sqs->client = aws_client_new(loop, http, credentials,
                                 &(struct aws_client_options){
                                     .service = ENDPOINT_SQS,
                                     .endpoint = &settings->sqs,
                                     .target_prefix = "AmazonSQS",
                                     .attempts_max = settings->attempts_max,
                                     .without_rate = settings->without_rate,
                                     .seed = seed,
                                 });
    buf_init(&sqs->body, BODY_BYTES_MAX);
    return sqs;
}

void sqs_free(struct sqs *sqs)
{
    if (sqs == NULL)
        return;
    aws_client_free(sqs->client);
    for (struct sqs_call *call = sqs->known_urls; call != NULL; call = call->next_known)
        call->sqs = NULL;
    buf_release(&sqs->body);
    mem_free(sqs);
}

struct aws_client *sqs_client(struct sqs *sqs)
{
    return sqs->client;
}

/* FIFO queues have other prices, and the name tells: it ends in .fifo. */
static enum aws_price price_of(const char *queue)
{
    size_t len = strlen(queue);
    bool fifo = len >= strlen(".fifo") && strcmp(queue + len - strlen(".fifo"), ".fifo") == 0;
    return fifo ? AWS_PRICE_SQS_FIFO : AWS_PRICE_SQS_STANDARD;
}

/* queue: its URL or name. */
static struct sqs_call *call_new(struct sqs *sqs, const char *operation, const char *queue,
                                 void *ctx)
{
    struct sqs_call *call = mem_calloc(1, sizeof(*call));
    call->sqs = sqs;
    call->operation = operation;
    call->price = price_of(queue);
    call->ctx = ctx;
    buf_clear(&sqs->body);
    return call;
}

static void fail_unreadable(const char *operation, struct error *ret)
{
    error_set(ret, ERROR_RETRY, "UnreadableAnswer", "not an answer of %s", operation);
    ret->http_status = 200;
}

/* --- batches --------------------------------------------------------------------------------- */

static void on_batch(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct sqs_call *call = ctx;
    struct sqs_entry_result results[SQS_BATCH_ENTRIES_MAX];
    if (error->kind != ERROR_NONE) {
        sqs_wire_fail_batch(error, call->count, results);
    } else {
        bool throttled;
        sqs_wire_parse_batch(answer->json, call->has_bodies ? call->body_md5 : NULL, call->count,
                             results, &throttled);
        if (throttled)
            aws_client_add_throttle(call->sqs->client, call->operation, call->price);
    }
    call->on_done.batch(call->ctx, results, call->count);
}

struct batch_spec {
    enum rate_class rate;
    bool is_retry;
    size_t payload_bytes;
};

static void start_batch(struct sqs_call *call, const struct batch_spec *spec)
{
    struct sqs *sqs = call->sqs;
    CHECK(!sqs->body.overflow);
    aws_client_call(sqs->client, &(struct aws_call){
                                     .operation = call->operation,
                                     .price = call->price,
                                     .body = &sqs->body,
                                     .timeout_ms = CALL_TIMEOUT_MS,
                                     .attempts_max = 1,
                                     .is_retry = spec->is_retry,
                                     .rate = spec->rate,
                                     .writes = true,
                                     .billable_units = sqs_wire_units(spec->payload_bytes),
                                     .on_done = on_batch,
                                     .on_release = mem_free,
                                     .ctx = call,
                                 });
}

void sqs_send_batch(struct sqs *sqs, const char *queue_url, const struct sqs_send_entry *entries,
                    size_t count, bool is_retry, sqs_batch_fn *on_done, void *ctx)
{
    CHECK(count >= 1 && count <= SQS_BATCH_ENTRIES_MAX);
    struct sqs_call *call = call_new(sqs, "SendMessageBatch", queue_url, ctx);
    struct batch_spec spec = {.rate = RATE_ORDINARY, .is_retry = is_retry};
    call->on_done.batch = on_done;
    call->count = count;
    call->has_bodies = true;
    for (size_t i = 0; i < count; i++)
        spec.payload_bytes += sqs_wire_body_bytes(&entries[i]);
    CHECK(spec.payload_bytes <= SQS_BATCH_BYTES_MAX);
    CHECK(buf_reserve(&sqs->body, spec.payload_bytes + ENVIRONS_BYTES) != NULL);
    struct slice bodies[SQS_BATCH_ENTRIES_MAX];
    sqs_wire_send_batch(&sqs->body, queue_url, entries, count, bodies);
    CHECK(!sqs->body.overflow);
    uint8_t md5[SQS_BATCH_ENTRIES_MAX][DIGEST_MD5_SIZE];
    digest_md5_each(bodies, count, md5);
    for (size_t i = 0; i < count; i++)
        memcpy(call->body_md5[i].bytes, md5[i], DIGEST_MD5_SIZE);
    start_batch(call, &spec);
}

void sqs_delete_batch(struct sqs *sqs, const char *queue_url, const struct slice *receipt_handles,
                      size_t count, sqs_batch_fn *on_done, void *ctx)
{
    struct sqs_call *call = call_new(sqs, "DeleteMessageBatch", queue_url, ctx);
    call->on_done.batch = on_done;
    call->count = count;
    sqs_wire_delete_batch(&sqs->body, queue_url, receipt_handles, count);
    start_batch(call, &(struct batch_spec){.rate = RATE_ORDINARY});
}

void sqs_change_visibility_batch(struct sqs *sqs, const char *queue_url,
                                 const struct sqs_visibility_entry *entries, size_t count,
                                 sqs_batch_fn *on_done, void *ctx)
{
    struct sqs_call *call = call_new(sqs, "ChangeMessageVisibilityBatch", queue_url, ctx);
    call->on_done.batch = on_done;
    call->count = count;
    sqs_wire_change_visibility_batch(&sqs->body, queue_url, entries, count);
    /* A lease or a receive that runs out cannot be had again: these go before all others. */
    start_batch(call, &(struct batch_spec){.rate = RATE_URGENT});
}

/* --- receive --------------------------------------------------------------------------------- */

static void on_receive(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct sqs_call *call = ctx;
    struct sqs_message messages[SQS_BATCH_ENTRIES_MAX];
    size_t count = 0;
    struct error failure = *error;
    if (failure.kind == ERROR_NONE) {
        /* One is counted already; whatever came is billed, read or not. */
        aws_client_add_units(call->sqs->client, call->operation, call->price,
                             sqs_wire_units(answer->body.len) - 1);
        if (sqs_wire_parse_receive(answer->flat, call->messages_max, messages, &count) != STATUS_OK)
            fail_unreadable(call->operation, &failure);
    }
    call->on_done.receive(call->ctx, messages, count, &failure);
}

void sqs_receive(struct sqs *sqs, const struct sqs_receive_spec *spec, sqs_receive_fn *on_done,
                 void *ctx)
{
    CHECK(spec->wait_seconds >= 0 && spec->wait_seconds <= SQS_WAIT_SECONDS_MAX);
    struct sqs_call *call = call_new(sqs, "ReceiveMessage", spec->queue_url, ctx);
    call->on_done.receive = on_done;
    call->messages_max = spec->messages_max;
    sqs_wire_receive(&sqs->body, spec);
    aws_client_call(sqs->client,
                    &(struct aws_call){
                        .operation = call->operation,
                        .price = call->price,
                        .body = &sqs->body,
                        .timeout_ms = spec->wait_seconds * MS_PER_SECOND + RECEIVE_MARGIN_MS,
                        .attempts_max = 1,
                        .form = AWS_ANSWER_FLAT,
                        .rate = RATE_SPARE,
                        .billable_units = 1,
                        .on_done = on_receive,
                        .on_release = mem_free,
                        .ctx = call,
                    });
}

/* --- queues ---------------------------------------------------------------------------------- */

static void start_query(struct sqs_call *call, aws_done_fn *on_done)
{
    struct sqs *sqs = call->sqs;
    aws_client_call(sqs->client, &(struct aws_call){
                                     .operation = call->operation,
                                     .price = call->price,
                                     .body = &sqs->body,
                                     .timeout_ms = CALL_TIMEOUT_MS,
                                     .billable_units = 1,
                                     .on_done = on_done,
                                     .on_release = mem_free,
                                     .ctx = call,
                                 });
}

static void on_attributes(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct sqs_call *call = ctx;
    struct sqs_queue_attributes attributes;
    struct error failure = *error;
    if (failure.kind == ERROR_NONE &&
        sqs_wire_parse_attributes(answer->json, &attributes) != STATUS_OK)
        fail_unreadable(call->operation, &failure);
    call->on_done.attributes(call->ctx, failure.kind == ERROR_NONE ? &attributes : NULL, &failure);
}

void sqs_get_queue_attributes(struct sqs *sqs, const char *queue_url, sqs_attributes_fn *on_done,
                              void *ctx)
{
    struct sqs_call *call = call_new(sqs, "GetQueueAttributes", queue_url, ctx);
    call->on_done.attributes = on_done;
    sqs_wire_get_queue_attributes(&sqs->body, queue_url);
    start_query(call, on_attributes);
}

static void on_url(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct sqs_call *call = ctx;
    const char *url = NULL;
    struct error failure = *error;
    if (failure.kind == ERROR_NONE && sqs_wire_parse_queue_url(answer->json, &url) != STATUS_OK)
        fail_unreadable(call->operation, &failure);
    call->on_done.url(call->ctx, url, &failure);
}

static void on_known_url(void *ctx)
{
    struct sqs_call *call = ctx;
    if (call->sqs != NULL) {
        struct sqs_call **at = &call->sqs->known_urls;
        while (*at != call)
            at = &(*at)->next_known;
        *at = call->next_known;
        call->on_done.url(call->ctx, call->known_url, &(struct error){0});
    }
    mem_free(call->known_url);
    mem_free(call);
}

static bool is_url(const char *text)
{
    return strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0;
}

void sqs_get_queue_url(struct sqs *sqs, const char *queue_name, sqs_url_fn *on_done, void *ctx)
{
    struct sqs_call *call = call_new(sqs, "GetQueueUrl", queue_name, ctx);
    call->on_done.url = on_done;
    if (is_url(queue_name)) {
        call->known_url = mem_strdup(queue_name);
        call->next_known = sqs->known_urls;
        sqs->known_urls = call;
        loop_defer(sqs->loop, on_known_url, call);
        return;
    }
    sqs_wire_get_queue_url(&sqs->body, queue_name);
    start_query(call, on_url);
}
