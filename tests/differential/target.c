#include "tests/differential/target.h"

#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "common/mem.h"

#define CONNECTIONS_MAX    64
#define CONNECT_TIMEOUT_MS 5000
#define CALL_TIMEOUT_MS    60000

/* Of raw calls: the client keeps the name for as long as it lives. */
static const char *const operations[2][16] = {
    [DIFF_SQS] = {"CreateQueue", "DeleteQueue", "GetQueueUrl", "ListQueues", "GetQueueAttributes",
                  "SetQueueAttributes", "PurgeQueue", "SendMessage", "SendMessageBatch",
                  "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch",
                  "ChangeMessageVisibility", "ChangeMessageVisibilityBatch", "NoSuchOperation"},
    [DIFF_DYNAMODB] = {"CreateTable", "DeleteTable", "DescribeTable", "ListTables",
                       "UpdateTimeToLive", "DescribeTimeToLive", "PutItem", "UpdateItem",
                       "DeleteItem", "GetItem", "Query", "Scan", "BatchWriteItem", "BatchGetItem",
                       "NoSuchOperation"},
};

bool target_init(struct target *target, struct loop *loop, enum diff_service service,
                 const char *url, struct buf *errors)
{
    bool sqs = service == DIFF_SQS;
    struct aws_settings settings = {.attempts_max = 1};
    struct endpoint *endpoint = sqs ? &settings.sqs : &settings.dynamodb;
    struct endpoint_query query = {.service = sqs ? ENDPOINT_SQS : ENDPOINT_DYNAMODB,
                                   .region = SLICE_LITERAL(TARGET_REGION),
                                   .custom_url = slice_from_str(url)};
    struct error error;
    *target = (struct target){.service = service, .loop = loop};
    if (endpoint_resolve(&query, endpoint, &error) != STATUS_OK) {
        buf_printf(errors, "%s: %s\n", url, error.text);
        return false;
    }
    target->http = http_new(loop, &(struct http_options){.connections_max = CONNECTIONS_MAX,
                                                         .connect_timeout_ms = CONNECT_TIMEOUT_MS});
    target->credentials = aws_credentials_new(loop, target->http, TARGET_REGION);
    target->raw = aws_client_new(loop, target->http, target->credentials,
                                 &(struct aws_client_options){
                                     .service = query.service,
                                     .endpoint = endpoint,
                                     .target_prefix = sqs ? "AmazonSQS" : "DynamoDB_20120810",
                                     .attempts_max = 1,
                                     .seed = 1,
                                 });
    if (sqs)
        target->sqs = sqs_new(loop, target->http, target->credentials, &settings, 1);
    else
        target->dynamodb = dynamodb_new(loop, target->http, target->credentials, &settings, 1);
    return true;
}

void target_release(struct target *target)
{
    if (target->http == NULL)
        return;
    sqs_free(target->sqs);
    dynamodb_free(target->dynamodb);
    aws_client_free(target->raw);
    aws_credentials_free(target->credentials);
    http_free(target->http);
    *target = (struct target){0};
}

/* --- what the typed calls share -------------------------------------------------------------- */

struct target_waiter *target_waiter_new(target_fn *on_answer, void *ctx)
{
    struct target_waiter *waiter = mem_alloc(sizeof(*waiter));
    *waiter = (struct target_waiter){on_answer, ctx};
    return waiter;
}

void target_waiter_end(struct target_waiter *waiter, cJSON *answer)
{
    waiter->on_answer(waiter->ctx, answer);
    mem_free(waiter);
}

static void add_error(cJSON *object, const struct error *error)
{
    char text[ERROR_CODE_SIZE + 16];
    snprintf(text, sizeof(text), "%d %s", error->http_status, error->code);
    cJSON_AddStringToObject(object, "error", text);
    cJSON_AddStringToObject(object, "kind", error_kind_name(error->kind));
}

cJSON *target_error(const struct error *error)
{
    cJSON *answer = cJSON_CreateObject();
    add_error(answer, error);
    return answer;
}

void target_add_slice(cJSON *object, const char *name, struct slice text)
{
    if (slice_is_null(text))
        return;
    char *copy = mem_strndup((const char *)text.ptr, text.len);
    cJSON_AddStringToObject(object, name, copy);
    mem_free(copy);
}

cJSON *target_outcomes_new(void)
{
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddArrayToObject(answer, "results");
    return answer;
}

void target_add_outcome(cJSON *answer, enum outcome outcome, const struct error *error)
{
    cJSON *result = cJSON_CreateObject();
    cJSON_AddStringToObject(result, "outcome", outcome_name(outcome));
    if (outcome != OUTCOME_DONE)
        add_error(result, error);
    cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(answer, "results"), result);
}

/* --- raw calls ------------------------------------------------------------------------------- */

/* The code in the body is another spelling than the one that our client shows. */
static void add_type(cJSON *answer, const cJSON *body)
{
    struct slice type = json_get_text(body, "__type");
    const uint8_t *hash = type.len == 0 ? NULL : memchr(type.ptr, '#', type.len);
    if (hash != NULL)
        type = slice_from(hash + 1, type.len - (size_t)(hash + 1 - type.ptr));
    target_add_slice(answer, "type", type);
}

/* Operations without an output answer 200 and nothing, or {}: AWS's protocol allows both. */
static bool is_empty_success(const struct aws_answer *answer, const struct error *error)
{
    return error->http_status == 200 && answer->json == NULL && answer->body.len == 0;
}

static void on_raw(void *ctx, const struct aws_answer *answer, const struct error *error)
{
    struct target_waiter *waiter = ctx;
    if (error->kind == ERROR_NONE) {
        waiter->on_answer(waiter->ctx, cJSON_Duplicate(answer->json, true));
        return;
    }
    if (is_empty_success(answer, error)) {
        waiter->on_answer(waiter->ctx, cJSON_CreateObject());
        return;
    }
    cJSON *shown = target_error(error);
    add_type(shown, answer->json);
    const cJSON *item = json_get_object(answer->json, "Item"); /* that blocks a condition */
    if (item != NULL)
        cJSON_AddItemToObject(shown, "Item", cJSON_Duplicate(item, true));
    waiter->on_answer(waiter->ctx, shown);
}

static const char *find_operation(enum diff_service service, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(operations[service]); i++)
        if (operations[service][i] != NULL && strcmp(operations[service][i], name) == 0)
            return operations[service][i];
    return NULL;
}

bool target_call(struct target *target, const char *operation, const cJSON *request,
                 target_fn *on_answer, void *ctx, struct buf *errors)
{
    const char *raw = find_operation(target->service, operation);
    if (raw == NULL) {
        bool known = target->service == DIFF_SQS
                         ? target_call_sqs(target, operation, request, on_answer, ctx)
                         : target_call_dynamodb(target, operation, request, on_answer, ctx);
        if (!known)
            buf_printf(errors, "%s: no such operation, or not what it takes\n", operation);
        return known;
    }
    char *text = cJSON_PrintUnformatted(request);
    struct buf body;
    buf_init(&body, HTTP_REQUEST_BYTES_MAX);
    buf_append_str(&body, text);
    cJSON_free(text);
    aws_client_call(target->raw, &(struct aws_call){
                                     .operation = raw,
                                     .price = AWS_PRICE_NONE,
                                     .body = &body,
                                     .timeout_ms = CALL_TIMEOUT_MS,
                                     .attempts_max = 1,
                                     .on_done = on_raw,
                                     .on_release = mem_free,
                                     .ctx = target_waiter_new(on_answer, ctx),
                                 });
    return true;
}
