#include "tests/emulator/emulator.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/emulator/emulator_internal.h"

int64_t emulator_now_ms(struct emulator *emulator)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    emulator->last_now_ms = MAX(emulator->last_now_ms, now_ms);
    return emulator->last_now_ms;
}

void emulator_log(struct emulator *emulator, const char *operation, const char *access_key_id,
                  struct slice resource, const char *outcome)
{
    struct log_entry *entry = &emulator->log[emulator->log_next % EMULATOR_LOG_ENTRIES];
    entry->n = emulator->log_next++;
    entry->at_ms = emulator_now_ms(emulator);
    entry->operation = operation;
    snprintf(entry->access_key_id, sizeof(entry->access_key_id), "%s", access_key_id);
    snprintf(entry->resource, sizeof(entry->resource), "%.*s", SLICE_ARG(resource));
    snprintf(entry->outcome, sizeof(entry->outcome), "%s", outcome);
}

void emulator_answer_plain(struct emulator *emulator, struct http_exchange *exchange, int status,
                           const char *content_type, struct buf *body)
{
    (void)emulator;
    char headers[128];
    snprintf(headers, sizeof(headers), "Content-Type: %s\r\n", content_type);
    http_exchange_answer(exchange, &(struct http_answer){.status = status,
                                                         .headers = headers,
                                                         .body = body,
                                                         .cut_at = HTTP_ANSWER_WHOLE});
}

static void on_request(void *ctx, struct http_exchange *exchange)
{
    struct emulator *emulator = ctx;
    if (!control_serve(emulator, exchange) && !credentials_serve(emulator, exchange))
        call_begin(emulator, exchange);
}

static void add_long_lived_key(struct emulator *emulator, const struct emulator_options *options)
{
    struct sts_credentials key = {.expires_ms = INT64_MAX};
    snprintf(key.access_key_id, sizeof(key.access_key_id), "%s", options->access_key_id);
    snprintf(key.secret_access_key, sizeof(key.secret_access_key), "%s",
             options->secret_access_key);
    sts_model_add(emulator->keys, &key);
}

struct emulator *emulator_new(uv_loop_t *loop, const struct emulator_options *options,
                              int *ret_error)
{
    struct emulator *emulator = mem_calloc(1, sizeof(*emulator));
    emulator->server = http_server_new(loop, options->port, on_request, emulator, ret_error);
    if (emulator->server == NULL) {
        mem_free(emulator);
        return NULL;
    }
    emulator->loop = loop;
    emulator->port = http_server_port(emulator->server);
    emulator->session_ms = options->session_seconds * 1000;
    emulator->kafka = options->kafka;
    snprintf(emulator->base_url, sizeof(emulator->base_url), "http://127.0.0.1:%d", emulator->port);
    snprintf(emulator->region, sizeof(emulator->region), "%s", options->region);
    snprintf(emulator->container_token, sizeof(emulator->container_token), "%s",
             options->container_token);
    snprintf(emulator->imds_token, sizeof(emulator->imds_token), "imds-token-%016" PRIx64,
             options->seed);
    emulator->sqs = sqs_model_new(&(struct sqs_model_options){.seed = options->seed});
    emulator->dynamodb = dynamodb_model_new(options->seed + 1);
    emulator->keys = sts_model_new(options->seed + 2);
    add_long_lived_key(emulator, options);
    emulator->faults = faults_new();
    emulator->stats = mem_calloc(call_operation_count(), sizeof(*emulator->stats));
    emulator->log = mem_calloc(EMULATOR_LOG_ENTRIES, sizeof(*emulator->log));
    model_list_init(&emulator->calls);
    model_list_init(&emulator->watches);
    sqs_wait_start(emulator);
    return emulator;
}

int emulator_port(const struct emulator *emulator)
{
    return emulator->port;
}

static void on_wake_closed(uv_handle_t *handle)
{
    struct emulator *emulator = container_of(handle, struct emulator, wake);
    sqs_wait_stop(emulator);
    sqs_model_free(emulator->sqs);
    dynamodb_model_free(emulator->dynamodb);
    sts_model_free(emulator->keys);
    faults_free(emulator->faults);
    mem_free(emulator->stats);
    mem_free(emulator->log);
    mem_free(emulator);
}

void emulator_close(struct emulator *emulator)
{
    call_abandon_all(emulator);
    http_server_close(emulator->server);
    uv_close((uv_handle_t *)&emulator->wake, on_wake_closed);
}

bool emulator_create_queue(struct emulator *emulator, const char *name,
                           const char *const attributes[][2], size_t count, struct buf *text)
{
    struct sqs_model_pair pairs[16];
    struct model_error error;
    CHECK(count <= ARRAY_LEN(pairs));
    for (size_t i = 0; i < count; i++)
        pairs[i] = (struct sqs_model_pair){slice_from_str(attributes[i][0]),
                                           slice_from_str(attributes[i][1])};
    if (sqs_model_create_queue(emulator->sqs, slice_from_str(name), pairs, count,
                               emulator_now_ms(emulator), &error))
        return true;
    buf_printf(text, "queue %s: %s\n", name, error.text);
    return false;
}

bool emulator_create_table(struct emulator *emulator, const char *name, struct buf *text)
{
    struct ddb_schema schema = {.hash_name = SLICE_LITERAL("pk"),
                                .hash_type = DDB_S,
                                .range_name = SLICE_LITERAL("sk"),
                                .range_type = DDB_S};
    struct ddb_table *table;
    struct model_error error;
    int64_t now_ms = emulator_now_ms(emulator);
    if (dynamodb_model_create_table(emulator->dynamodb, slice_from_str(name), &schema, now_ms,
                                    &table, &error) &&
        dynamodb_model_set_ttl(table, SLICE_LITERAL("expires"), true, now_ms, &error))
        return true;
    buf_printf(text, "table %s: %s\n", name, error.text);
    return false;
}
