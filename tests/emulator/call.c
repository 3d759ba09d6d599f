#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/emulator/emulator_internal.h"
#include "tests/emulator/signature.h"

#define HEADERS_BYTES_MAX 4096
#define CONTENT_TYPE      "application/x-amz-json-1.0"

struct service_traits {
    const char *target_prefix;
    const char *signing_name;
    const char *type_prefix; /* of modelled errors */
    const char *throttle_code;
    int throttle_status;
};

static const struct service_traits traits[] = {
    [SERVICE_SQS] = {"AmazonSQS.", "sqs", "com.amazonaws.sqs", "RequestThrottled", 403},
    [SERVICE_DYNAMODB] = {"DynamoDB_20120810.", "dynamodb", "com.amazonaws.dynamodb.v20120810",
                          "ThrottlingException", 400},
};

/* --- operations ------------------------------------------------------------------------------ */

size_t call_operation_count(void)
{
    return sqs_operation_count + dynamodb_operation_count;
}

const struct operation *call_operation(size_t index)
{
    return index < sqs_operation_count ? &sqs_operations[index]
                                       : &dynamodb_operations[index - sqs_operation_count];
}

const struct operation *call_find_operation(enum service service, struct slice name)
{
    for (size_t i = 0; i < call_operation_count(); i++) {
        const struct operation *operation = call_operation(i);
        if (operation->service == service && slice_equal_str(name, operation->name))
            return operation;
    }
    return NULL;
}

static struct operation_stats *stats_of(struct call *call)
{
    for (size_t i = 0; i < call_operation_count(); i++) {
        if (call_operation(i) == call->operation)
            return &call->emulator->stats[i];
    }
    UNREACHABLE();
}

/* --- answers --------------------------------------------------------------------------------- */

static void append_date(struct buf *headers, int64_t now_ms)
{
    char text[40];
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts;
    CHECK(gmtime_r(&seconds, &parts) != NULL);
    CHECK(strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts) > 0);
    buf_printf(headers, "Date: %s\r\n", text);
}

static void append_common_headers(struct emulator *emulator, enum service service,
                                  const char *content_type, struct buf *headers)
{
    (void)service;
    append_date(headers, emulator_now_ms(emulator) + emulator->clock_offset_ms);
    buf_printf(headers,
               "x-amzn-RequestId: 00000000-0000-4000-8000-%012" PRIx64 "\r\nContent-Type: %s\r\n",
               emulator->next_request_id++, content_type);
}

static void append_crc(struct buf *headers, const struct buf *body, bool corrupt)
{
    unsigned long crc = crc32(0, body->ptr, (unsigned)body->len);
    buf_printf(headers, "x-amz-crc32: %lu\r\n", corrupt ? crc ^ 1 : crc);
}

static const char *type_prefix(enum service service, const char *code)
{
    static const char *const coral[] = {
        "SerializationException",
        "UnknownOperationException",
        "MissingAuthenticationTokenException",
        "IncompleteSignatureException",
        "UnrecognizedClientException",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "InternalFailure",
    };
    if (strcmp(code, "ValidationException") == 0)
        return "com.amazon.coral.validate";
    for (size_t i = 0; i < ARRAY_LEN(coral); i++) {
        if (strcmp(code, coral[i]) == 0)
            return "com.amazon.coral.service";
    }
    return traits[service].type_prefix;
}

/* The error's JSON begins; more members may follow. */
static void begin_error(struct json_out *out, enum service service, const char *code,
                        struct slice text)
{
    char type[160];
    snprintf(type, sizeof(type), "%s#%s", type_prefix(service, code), code);
    json_out_begin_object(out);
    json_out_member(out, "__type", type);
    /* DynamoDB spells it so for what is checked before the operation. */
    json_out_name(out, service == SERVICE_DYNAMODB &&
                               strcmp(code, "ConditionalCheckFailedException") == 0
                           ? "Message"
                           : "message");
    json_out_string(out, text);
}

static void append_query_error(struct buf *headers, const struct http_request *request,
                               enum service service, const char *query_code, bool sender_fault)
{
    if (service == SERVICE_SQS &&
        slice_equal_str(http_request_header(request, "x-amzn-query-mode"), "true"))
        buf_printf(headers, "x-amzn-query-error: %s;%s\r\n", query_code,
                   sender_fault ? "Sender" : "Receiver");
}

/* Refuses before there is a call. */
static void refuse(struct emulator *emulator, struct http_exchange *exchange, enum service service,
                   int status, const char *code, const char *query_code, struct slice text)
{
    struct buf body;
    struct buf headers;
    struct json_out out;
    buf_init(&body, EMULATOR_ANSWER_BYTES_MAX);
    buf_init(&headers, HEADERS_BYTES_MAX);
    json_out_init(&out, &body);
    begin_error(&out, service, code, text);
    json_out_end_object(&out);
    append_common_headers(emulator, service, CONTENT_TYPE, &headers);
    append_query_error(&headers, http_exchange_request(exchange), service, query_code, true);
    if (service == SERVICE_DYNAMODB)
        append_crc(&headers, &body, false);
    http_exchange_answer(exchange, &(struct http_answer){.status = status,
                                                         .headers = buf_text(&headers),
                                                         .body = &body,
                                                         .cut_at = HTTP_ANSWER_WHOLE});
    buf_release(&headers);
    buf_release(&body);
}

/* --- the end of a call ----------------------------------------------------------------------- */

static void free_call(struct call *call)
{
    model_list_remove(&call->by_emulator);
    model_list_remove(&call->waiting);
    cJSON_Delete(call->input);
    model_arena_release(&call->arena);
    buf_release(&call->body);
    buf_release(&call->headers);
    mem_free(call);
}

static void on_call_gone(void *ctx)
{
    struct call *call = ctx;
    call->exchange = NULL;
    if (model_list_linked(&call->waiting))
        free_call(call); /* a delayed one is freed by its timer */
}

static void send_answer(struct call *call)
{
    call->answer.headers = buf_text(&call->headers);
    call->answer.body = &call->body;
    if (call->exchange != NULL)
        http_exchange_answer(call->exchange, &call->answer);
    call->exchange = NULL;
}

static void on_delay_closed(uv_handle_t *handle)
{
    free_call(container_of(handle, struct call, delay));
}

static void on_delay(uv_timer_t *timer)
{
    struct call *call = container_of(timer, struct call, delay);
    send_answer(call);
    uv_close((uv_handle_t *)timer, on_delay_closed);
}

static void write_error(struct call *call)
{
    enum service service = call->operation->service;
    struct buf blocking = call->body; /* what an operation adds to its error: a JSON member */
    buf_init(&call->body, EMULATOR_ANSWER_BYTES_MAX);
    json_out_init(&call->out, &call->body);
    begin_error(&call->out, service, call->error.code, slice_from_str(call->error.text));
    if (strcmp(call->error.code, "ConditionalCheckFailedException") == 0 && blocking.len > 0) {
        buf_append_byte(&call->body, ',');
        buf_append_slice(&call->body, buf_slice(&blocking));
    }
    json_out_end_object(&call->out);
    buf_release(&blocking);
    if (call->exchange != NULL)
        append_query_error(&call->headers, http_exchange_request(call->exchange), service,
                           call->error.query_code, call->error.sender_fault);
}

static void set_fault_error(struct call *call, const char *code, int status)
{
    const struct fault_effect *fault = &call->fault;
    model_refuse(&call->error, fault->status != 0 ? fault->status : status,
                 fault->code[0] != '\0' ? fault->code : code, NULL, "%s", fault->text);
}

static const char *outcome_of(const struct call *call)
{
    switch (call->fault.action) {
    case FAULT_DROP:
        return "dropped";
    case FAULT_APPLY_THEN_DROP:
        return "applied, then dropped";
    case FAULT_APPLY_THEN_ERROR:
        return "applied, then refused";
    case FAULT_TRUNCATE:
        return "applied, then cut";
    case FAULT_RAW:
        return "raw answer";
    case FAULT_NONE:
    case FAULT_ERROR:
    case FAULT_THROTTLE:
    case FAULT_CORRUPT_CRC:
    case FAULT_CORRUPT_MD5:
    case FAULT_UNPROCESSED:
    case FAULT_FAIL_ENTRIES:
    case FAULT_OMIT_ENTRIES:
    case FAULT_DUPLICATE:
    case FAULT_EMPTY_PAGE:
    case FAULT_EMPTY_RECEIVE:
        break;
    }
    return call->error.http_status != 0 ? call->error.code : "ok";
}

static bool is_fifo(struct slice resource)
{
    static const char suffix[] = ".fifo";
    const size_t len = sizeof(suffix) - 1;
    return resource.len > len && memcmp(resource.ptr + resource.len - len, suffix, len) == 0;
}

static void count_call(struct call *call)
{
    struct operation_stats *stats = stats_of(call);
    bool before = call->fault.action == FAULT_ERROR || call->fault.action == FAULT_THROTTLE ||
                  call->fault.action == FAULT_RAW || call->fault.action == FAULT_DROP;
    stats->calls++;
    stats->half_units += call->half_units;
    if (is_fifo(call->resource))
        stats->fifo_half_units += call->half_units;
    stats->throttled += call->fault.action == FAULT_THROTTLE;
    stats->faults += call->fault.action != FAULT_NONE || call->fault.delay_ms > 0;
    if (before)
        return;
    stats->applied += call->error.http_status == 0;
    stats->errors += call->error.http_status != 0;
}

void call_finish(struct call *call)
{
    struct emulator *emulator = call->emulator;
    const struct fault_effect *fault = &call->fault;
    count_call(call);
    emulator_log(emulator, call->operation->name, call->access_key_id, call->resource,
                 outcome_of(call));
    if (fault->action == FAULT_APPLY_THEN_ERROR)
        set_fault_error(call, "InternalFailure", 500);
    const char *content_type = fault->action == FAULT_RAW ? fault->content_type : CONTENT_TYPE;
    append_common_headers(emulator, call->operation->service, content_type, &call->headers);
    if (call->error.http_status != 0)
        write_error(call);
    if (fault->retry_after_ms > 0)
        buf_printf(&call->headers, "x-amz-retry-after: %" PRId64 "\r\nRetry-After: %" PRId64 "\r\n",
                   fault->retry_after_ms, (fault->retry_after_ms + 999) / 1000);
    if (call->operation->service == SERVICE_DYNAMODB && fault->action != FAULT_RAW)
        append_crc(&call->headers, &call->body, fault->action == FAULT_CORRUPT_CRC);
    bool drops = fault->action == FAULT_DROP || fault->action == FAULT_APPLY_THEN_DROP;
    call->answer = (struct http_answer){
        .status = fault->action == FAULT_RAW && fault->status != 0 ? fault->status
                  : call->error.http_status != 0                   ? call->error.http_status
                                                                   : 200,
        .cut_at = drops                             ? 0
                  : fault->action == FAULT_TRUNCATE ? fault->cut_at
                                                    : HTTP_ANSWER_WHOLE,
        .reset = drops || fault->reset};
    if (fault->delay_ms > 0) {
        CHECK(uv_timer_init(emulator->loop, &call->delay) == 0);
        CHECK(uv_timer_start(&call->delay, on_delay, (uint64_t)fault->delay_ms, 0) == 0);
        return;
    }
    send_answer(call);
    free_call(call);
}

void call_abandon_all(struct emulator *emulator)
{
    struct model_list_node *node;
    while ((node = model_list_first(&emulator->calls)) != NULL) {
        struct call *call = container_of(node, struct call, by_emulator);
        call->exchange = NULL;
        if (model_list_linked(&call->waiting)) {
            free_call(call);
        } else {
            model_list_remove(node);
            uv_close((uv_handle_t *)&call->delay, on_delay_closed);
        }
    }
}

/* --- the beginning --------------------------------------------------------------------------- */

static bool check_signature(struct emulator *emulator, struct http_exchange *exchange,
                            enum service service, const char *operation,
                            char access_key_id[STS_ACCESS_KEY_SIZE])
{
    static const struct {
        const char *code;
        const char *query_code;
    } verdicts[] = {
        [SIGNATURE_MISSING] = {"MissingAuthenticationTokenException", "MissingAuthenticationToken"},
        [SIGNATURE_INCOMPLETE] = {"IncompleteSignatureException", "IncompleteSignature"},
        [SIGNATURE_UNKNOWN_KEY] = {"UnrecognizedClientException", "InvalidClientTokenId"},
        [SIGNATURE_EXPIRED_TOKEN] = {"ExpiredTokenException", "ExpiredToken"},
        [SIGNATURE_SKEWED] = {"InvalidSignatureException", "RequestTimeTooSkewed"},
        [SIGNATURE_MISMATCH] = {"InvalidSignatureException", "SignatureDoesNotMatch"},
    };
    struct signature_result result;
    signature_verify(http_exchange_request(exchange), emulator->keys, emulator->region,
                     traits[service].signing_name,
                     emulator_now_ms(emulator) + emulator->clock_offset_ms, &result);
    memcpy(access_key_id, result.access_key_id, STS_ACCESS_KEY_SIZE);
    if (result.verdict != SIGNATURE_OK) {
        emulator->refused_signatures++;
        const char *code = verdicts[result.verdict].code;
        const char *query_code = verdicts[result.verdict].query_code;
        emulator_log(emulator, operation, access_key_id, SLICE_NULL, query_code);
        refuse(emulator, exchange, service, service == SERVICE_SQS ? 403 : 400, code, query_code,
               buf_slice(&result.text));
    }
    buf_release(&result.text);
    return result.verdict == SIGNATURE_OK;
}

/* Queue or table, where the input names one at the top. */
static struct slice resource_of(const cJSON *input)
{
    const cJSON *url = cJSON_GetObjectItemCaseSensitive(input, "QueueUrl");
    const cJSON *table = cJSON_GetObjectItemCaseSensitive(input, "TableName");
    if (cJSON_IsString(url)) {
        const char *slash = strrchr(url->valuestring, '/');
        return slice_from_str(slash == NULL ? url->valuestring : slash + 1);
    }
    if (cJSON_IsString(table))
        return slice_from_str(table->valuestring);
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(input, "RequestItems");
    return items != NULL && items->child != NULL ? slice_from_str(items->child->string)
                                                 : SLICE_NULL;
}

/* cJSON cuts a string at \u0000, which no service takes anyway. */
static bool has_escaped_nul(struct slice text)
{
    const uint8_t *at = text.ptr;
    size_t left = text.len;
    const uint8_t *found;
    while (left > 0 && (found = memmem(at, left, "\\u0000", 6)) != NULL) {
        size_t backslashes = 0;
        while (found - backslashes > text.ptr && found[-1 - (ptrdiff_t)backslashes] == '\\')
            backslashes++;
        if (backslashes % 2 == 0)
            return true;
        left -= (size_t)(found + 6 - at);
        at = found + 6;
    }
    return false;
}

static bool parse_input(struct call *call)
{
    struct slice body = http_exchange_request(call->exchange)->body;
    const char *end = NULL;
    if (has_escaped_nul(body))
        return call->operation->service == SERVICE_SQS
                   ? model_refuse(&call->error, 400, "InvalidMessageContents", NULL,
                                  "Invalid characters found: #x0")
                   : in_refuse(call, "U+0000 is not supported here");
    call->input = cJSON_ParseWithLengthOpts((const char *)body.ptr, body.len, &end, false);
    if (!cJSON_IsObject(call->input))
        return in_refuse(call, "the body is not a JSON object");
    for (const uint8_t *at = (const uint8_t *)end; at < body.ptr + body.len; at++) {
        if (strchr(" \t\r\n", *at) == NULL || *at == '\0')
            return in_refuse(call, "text behind the JSON object");
    }
    call->resource = resource_of(call->input);
    return true;
}

/* False: the fault has taken the place of the operation. */
static bool apply_fault_before(struct call *call)
{
    const struct service_traits *t = &traits[call->operation->service];
    switch (call->fault.action) {
    case FAULT_ERROR:
        set_fault_error(call, "InternalFailure", 500);
        return false;
    case FAULT_THROTTLE:
        set_fault_error(call, t->throttle_code, t->throttle_status);
        return false;
    case FAULT_RAW:
        buf_append_str(&call->body, call->fault.body);
        return false;
    case FAULT_DROP:
        return false;
    case FAULT_NONE:
    case FAULT_APPLY_THEN_DROP:
    case FAULT_APPLY_THEN_ERROR:
    case FAULT_TRUNCATE:
    case FAULT_CORRUPT_CRC:
    case FAULT_CORRUPT_MD5:
    case FAULT_UNPROCESSED:
    case FAULT_FAIL_ENTRIES:
    case FAULT_OMIT_ENTRIES:
    case FAULT_DUPLICATE:
    case FAULT_EMPTY_PAGE:
    case FAULT_EMPTY_RECEIVE:
        return true;
    }
    UNREACHABLE();
}

static void run_call(struct call *call)
{
    enum progress progress = CALL_DONE;
    if (parse_input(call)) {
        call->fault = faults_decide(call->emulator->faults, call->operation->name, call->resource,
                                    emulator_now_ms(call->emulator));
        if (apply_fault_before(call))
            progress = call->operation->run(call);
    }
    if (progress == CALL_DONE)
        call_finish(call);
}

void call_begin(struct emulator *emulator, struct http_exchange *exchange)
{
    const struct http_request *request = http_exchange_request(exchange);
    struct slice target = http_request_header(request, "x-amz-target");
    enum service service = SERVICE_SQS;
    if (target.len > strlen(traits[SERVICE_DYNAMODB].target_prefix) &&
        memcmp(target.ptr, "Dyn", 3) == 0)
        service = SERVICE_DYNAMODB;
    size_t prefix_len = strlen(traits[service].target_prefix);
    struct slice name = SLICE_LITERAL("");
    if (target.len > prefix_len &&
        memcmp(target.ptr, traits[service].target_prefix, prefix_len) == 0)
        name = slice_from(target.ptr + prefix_len, target.len - prefix_len);
    const struct operation *operation = call_find_operation(service, name);
    char access_key_id[STS_ACCESS_KEY_SIZE];
    if (!check_signature(emulator, exchange, service, operation == NULL ? "?" : operation->name,
                         access_key_id))
        return;
    if (operation == NULL || !slice_equal_str(request->method, "POST") ||
        !slice_equal_str(http_request_header(request, "content-type"), CONTENT_TYPE)) {
        refuse(emulator, exchange, service, 400, "UnknownOperationException", "InvalidAction",
               SLICE_LITERAL(
                   "POST with an X-Amz-Target that is known here and Content-Type " CONTENT_TYPE
                   " is needed"));
        return;
    }
    struct call *call = mem_calloc(1, sizeof(*call));
    call->emulator = emulator;
    call->exchange = exchange;
    call->operation = operation;
    memcpy(call->access_key_id, access_key_id, sizeof(access_key_id));
    model_arena_init(&call->arena);
    buf_init(&call->body, EMULATOR_ANSWER_BYTES_MAX);
    buf_init(&call->headers, HEADERS_BYTES_MAX);
    json_out_init(&call->out, &call->body);
    model_list_append(&emulator->calls, &call->by_emulator);
    http_exchange_on_gone(exchange, on_call_gone, call);
    run_call(call);
}
