#include <inttypes.h>
#include <string.h>

#include "tests/emulator/emulator_internal.h"

#define ERRORS_MAX 4096

static void answer_json(struct emulator *emulator, struct http_exchange *exchange, struct buf *body)
{
    emulator_answer_plain(emulator, exchange, 200, "application/json", body);
}

static void answer_error(struct emulator *emulator, struct http_exchange *exchange, int status,
                         const char *text)
{
    struct buf body;
    struct json_out out;
    buf_init(&body, EMULATOR_ANSWER_BYTES_MAX);
    json_out_init(&out, &body);
    json_out_begin_object(&out);
    json_out_member(&out, "error", text);
    json_out_end_object(&out);
    emulator_answer_plain(emulator, exchange, status, "application/json", &body);
}

static void answer_ok(struct emulator *emulator, struct http_exchange *exchange)
{
    struct buf body;
    buf_init(&body, EMULATOR_ANSWER_BYTES_MAX);
    buf_append_str(&body, "{}");
    answer_json(emulator, exchange, &body);
}

/* --- statistics ------------------------------------------------------------------------------ */

static void out_operations(struct emulator *emulator, struct json_out *out)
{
    json_out_name(out, "operations");
    json_out_begin_object(out);
    for (size_t i = 0; i < call_operation_count(); i++) {
        const struct operation_stats *s = &emulator->stats[i];
        if (s->calls == 0)
            continue;
        json_out_name(out, call_operation(i)->name);
        json_out_begin_object(out);
        json_out_member_i64(out, "calls", (int64_t)s->calls);
        json_out_member_i64(out, "applied", (int64_t)s->applied);
        json_out_member_i64(out, "errors", (int64_t)s->errors);
        json_out_member_i64(out, "throttled", (int64_t)s->throttled);
        json_out_member_i64(out, "faults", (int64_t)s->faults);
        json_out_name(out, "units");
        json_out_halves(out, s->half_units);
        json_out_name(out, "fifo_units");
        json_out_halves(out, s->fifo_half_units);
        json_out_end_object(out);
    }
    json_out_end_object(out);
}

static void out_queues(struct emulator *emulator, struct json_out *out)
{
    int64_t now_ms = emulator_now_ms(emulator);
    json_out_name(out, "queues");
    json_out_begin_object(out);
    struct sqs_model_queue *queue = sqs_model_next_queue(emulator->sqs, NULL);
    for (; queue != NULL; queue = sqs_model_next_queue(emulator->sqs, queue)) {
        struct sqs_model_depth depth = sqs_model_depth(queue, now_ms);
        json_out_name_slice(out, sqs_model_queue_name(queue));
        json_out_begin_object(out);
        json_out_member_i64(out, "visible", (int64_t)depth.visible);
        json_out_member_i64(out, "in_flight", (int64_t)depth.in_flight);
        json_out_member_i64(out, "delayed", (int64_t)depth.delayed);
        json_out_end_object(out);
    }
    json_out_end_object(out);
}

static void out_tables(struct emulator *emulator, struct json_out *out)
{
    int64_t now_ms = emulator_now_ms(emulator);
    json_out_name(out, "tables");
    json_out_begin_object(out);
    struct ddb_table *table = dynamodb_model_next_table(emulator->dynamodb, NULL);
    for (; table != NULL; table = dynamodb_model_next_table(emulator->dynamodb, table)) {
        struct ddb_table_info info = dynamodb_model_table_info(table, now_ms);
        json_out_name_slice(out, info.name);
        json_out_begin_object(out);
        json_out_member_i64(out, "items", (int64_t)info.items);
        json_out_member_i64(out, "bytes", (int64_t)info.bytes);
        json_out_member_i64(out, "expired", (int64_t)info.expired);
        json_out_end_object(out);
    }
    json_out_end_object(out);
}

static void on_fault(void *ctx, const char *operation, const char *action, uint64_t seen,
                     uint64_t fired)
{
    struct json_out *out = ctx;
    json_out_begin_object(out);
    json_out_member(out, "operation", operation);
    json_out_member(out, "action", action);
    json_out_member_i64(out, "seen", (int64_t)seen);
    json_out_member_i64(out, "fired", (int64_t)fired);
    json_out_end_object(out);
}

static void serve_stats(struct emulator *emulator, struct http_exchange *exchange)
{
    struct buf body;
    struct json_out out;
    buf_init(&body, EMULATOR_ANSWER_BYTES_MAX);
    json_out_init(&out, &body);
    json_out_begin_object(&out);
    out_operations(emulator, &out);
    out_queues(emulator, &out);
    out_tables(emulator, &out);
    json_out_member_i64(&out, "refused_signatures", (int64_t)emulator->refused_signatures);
    json_out_name(&out, "faults");
    json_out_begin_array(&out);
    faults_each(emulator->faults, on_fault, &out);
    json_out_end_array(&out);
    json_out_end_object(&out);
    answer_json(emulator, exchange, &body);
}

static uint64_t query_number(struct slice query, const char *name)
{
    size_t len = strlen(name);
    uint64_t value = 0;
    if (query.len <= len || memcmp(query.ptr, name, len) != 0 || query.ptr[len] != '=')
        return 0;
    for (size_t i = len + 1; i < query.len && query.ptr[i] >= '0' && query.ptr[i] <= '9'; i++)
        value = value * 10 + (uint64_t)(query.ptr[i] - '0');
    return value;
}

static void serve_requests(struct emulator *emulator, struct http_exchange *exchange)
{
    uint64_t since = query_number(http_exchange_request(exchange)->query, "since");
    uint64_t oldest =
        emulator->log_next > EMULATOR_LOG_ENTRIES ? emulator->log_next - EMULATOR_LOG_ENTRIES : 0;
    struct buf body;
    struct json_out out;
    buf_init(&body, EMULATOR_ANSWER_BYTES_MAX);
    json_out_init(&out, &body);
    json_out_begin_object(&out);
    json_out_member_i64(&out, "next", (int64_t)emulator->log_next);
    json_out_member_i64(&out, "oldest", (int64_t)oldest);
    json_out_name(&out, "requests");
    json_out_begin_array(&out);
    for (uint64_t n = MAX(since, oldest); n < emulator->log_next; n++) {
        const struct log_entry *entry = &emulator->log[n % EMULATOR_LOG_ENTRIES];
        json_out_begin_object(&out);
        json_out_member_i64(&out, "n", (int64_t)n);
        json_out_member_i64(&out, "at_ms", entry->at_ms);
        json_out_member(&out, "operation", entry->operation);
        json_out_member(&out, "access_key", entry->access_key_id);
        json_out_member(&out, "resource", entry->resource);
        json_out_member(&out, "outcome", entry->outcome);
        json_out_end_object(&out);
    }
    json_out_end_array(&out);
    json_out_end_object(&out);
    answer_json(emulator, exchange, &body);
}

/* What a session's keys are, for who has to judge a signature that is not on a request to us. */
static void serve_keys(struct emulator *emulator, struct http_exchange *exchange)
{
    static const char name[] = "access_key=";
    struct slice query = http_exchange_request(exchange)->query;
    const size_t len = sizeof(name) - 1;
    bool named = query.len > len && memcmp(query.ptr, name, len) == 0;
    const struct sts_credentials *keys =
        named ? sts_model_find(emulator->keys, slice_from(query.ptr + len, query.len - len)) : NULL;
    if (keys == NULL) {
        answer_error(emulator, exchange, 404, "no such access key");
        return;
    }
    struct buf body;
    struct json_out out;
    buf_init(&body, EMULATOR_ANSWER_BYTES_MAX);
    json_out_init(&out, &body);
    json_out_begin_object(&out);
    json_out_member(&out, "secret_access_key", keys->secret_access_key);
    json_out_member(&out, "session_token", keys->session_token);
    json_out_member_i64(&out, "expires_ms", keys->expires_ms);
    json_out_end_object(&out);
    answer_json(emulator, exchange, &body);
}

/* --- commands -------------------------------------------------------------------------------- */

static bool run_command(struct emulator *emulator, struct slice name, const cJSON *command,
                        struct buf *errors)
{
    if (slice_equal_str(name, "faults"))
        return faults_load(emulator->faults, command, emulator_now_ms(emulator), errors);
    if (slice_equal_str(name, "kafka") && emulator->kafka != NULL)
        return kafka_mock_control(emulator->kafka, command, errors);
    const cJSON *value = NULL;
    if (slice_equal_str(name, "clock")) {
        value = cJSON_GetObjectItemCaseSensitive(command, "offset_ms");
        if (cJSON_IsNumber(value))
            emulator->clock_offset_ms = faults_integer(value->valuedouble);
    } else if (slice_equal_str(name, "sessions")) {
        value = cJSON_GetObjectItemCaseSensitive(command, "seconds");
        if (cJSON_IsNumber(value))
            emulator->session_ms = faults_integer(value->valuedouble) * 1000;
    } else {
        buf_append_str(errors, "no such command");
        return false;
    }
    if (!cJSON_IsNumber(value))
        buf_append_str(errors, "\"offset_ms\" (clock) or \"seconds\" (sessions) must be a number");
    return cJSON_IsNumber(value);
}

static void serve_command(struct emulator *emulator, struct http_exchange *exchange,
                          struct slice name)
{
    const struct http_request *request = http_exchange_request(exchange);
    cJSON *command = cJSON_ParseWithLength((const char *)request->body.ptr, request->body.len);
    struct buf errors;
    buf_init(&errors, ERRORS_MAX);
    if (command == NULL)
        answer_error(emulator, exchange, 400, "the body is not JSON");
    else if (run_command(emulator, name, command, &errors))
        answer_ok(emulator, exchange);
    else
        answer_error(emulator, exchange, 400, buf_text(&errors));
    buf_release(&errors);
    cJSON_Delete(command);
}

bool control_serve(struct emulator *emulator, struct http_exchange *exchange)
{
    static const char prefix[] = "/_emulator/";
    const struct http_request *request = http_exchange_request(exchange);
    const size_t len = sizeof(prefix) - 1;
    if (request->path.len < len || memcmp(request->path.ptr, prefix, len) != 0)
        return false;
    struct slice name = slice_from(request->path.ptr + len, request->path.len - len);
    bool get = slice_equal_str(request->method, "GET");
    if (get && slice_equal_str(name, "stats")) {
        serve_stats(emulator, exchange);
    } else if (get && slice_equal_str(name, "requests")) {
        serve_requests(emulator, exchange);
    } else if (get && slice_equal_str(name, "keys")) {
        serve_keys(emulator, exchange);
    } else if (slice_equal_str(request->method, "DELETE") && slice_equal_str(name, "faults")) {
        faults_clear(emulator->faults);
        answer_ok(emulator, exchange);
    } else if (slice_equal_str(request->method, "POST")) {
        serve_command(emulator, exchange, name);
    } else {
        answer_error(emulator, exchange, 404, "no such route");
    }
    return true;
}
