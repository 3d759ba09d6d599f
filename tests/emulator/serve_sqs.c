#include <stdio.h>
#include <string.h>

#include "tests/emulator/emulator_internal.h"

#define PAIRS_MAX 32
#define NAMES_MAX 1000 /* ListQueues */

void sqs_bill(struct call *call, size_t bytes)
{
    size_t units = bytes == 0 ? 1 : (bytes + SQS_UNIT_BYTES - 1) / SQS_UNIT_BYTES;
    call->half_units = 2 * units;
}

static bool missing(struct call *call, const char *name)
{
    return model_refuse(&call->error, 400, "MissingRequiredParameterException", "MissingParameter",
                        "The request must contain the parameter %s.", name);
}

bool sqs_call_queue(struct call *call, struct sqs_model_queue **ret)
{
    struct slice url;
    sqs_bill(call, 0);
    if (!in_string(call, call->input, "QueueUrl", &url))
        return false;
    if (url.len == 0)
        return missing(call, "QueueUrl");
    if (strncmp((const char *)url.ptr, "http", 4) != 0 ||
        strstr((const char *)url.ptr, "/" EMULATOR_ACCOUNT "/") == NULL)
        return model_refuse(&call->error, 404, "InvalidAddress", NULL,
                            "The address %.100s is not valid for this endpoint.", url.ptr);
    return sqs_model_find_queue(call->emulator->sqs, call->resource, ret, &call->error);
}

static void out_url(struct call *call, struct slice name)
{
    char url[200];
    snprintf(url, sizeof(url), "%s/" EMULATOR_ACCOUNT "/%.*s", call->emulator->base_url,
             SLICE_ARG(name));
    json_out_string(&call->out, slice_from_str(url));
}

static bool in_pairs(struct call *call, struct sqs_model_pair pairs[PAIRS_MAX], size_t *ret_count)
{
    const cJSON *object;
    const cJSON *item;
    size_t count = 0;
    if (!in_object(call, call->input, "Attributes", &object))
        return false;
    cJSON_ArrayForEach(item, object)
    {
        if (!cJSON_IsString(item) || count == PAIRS_MAX)
            return in_refuse(call, "Attributes must be an object of few strings");
        pairs[count++] = (struct sqs_model_pair){slice_from_str(item->string),
                                                 slice_from_str(item->valuestring)};
    }
    *ret_count = count;
    return true;
}

static enum progress run_create(struct call *call)
{
    struct sqs_model_pair pairs[PAIRS_MAX];
    size_t count;
    struct slice name;
    sqs_bill(call, 0);
    if (!in_string(call, call->input, "QueueName", &name) || !in_pairs(call, pairs, &count))
        return CALL_DONE;
    if (slice_is_null(name)) {
        missing(call, "QueueName");
        return CALL_DONE;
    }
    if (!sqs_model_create_queue(call->emulator->sqs, name, pairs, count,
                                emulator_now_ms(call->emulator), &call->error))
        return CALL_DONE;
    json_out_begin_object(&call->out);
    json_out_name(&call->out, "QueueUrl");
    out_url(call, name);
    json_out_end_object(&call->out);
    return CALL_DONE;
}

static enum progress run_get_url(struct call *call)
{
    struct slice name;
    struct sqs_model_queue *queue;
    sqs_bill(call, 0);
    if (!in_string(call, call->input, "QueueName", &name))
        return CALL_DONE;
    if (slice_is_null(name)) {
        missing(call, "QueueName");
        return CALL_DONE;
    }
    if (!sqs_model_find_queue(call->emulator->sqs, name, &queue, &call->error))
        return CALL_DONE;
    json_out_begin_object(&call->out);
    json_out_name(&call->out, "QueueUrl");
    out_url(call, name);
    json_out_end_object(&call->out);
    return CALL_DONE;
}

static enum progress run_list(struct call *call)
{
    struct slice prefix;
    sqs_bill(call, 0);
    if (!in_string(call, call->input, "QueueNamePrefix", &prefix))
        return CALL_DONE;
    json_out_begin_object(&call->out);
    bool any = false;
    size_t count = 0;
    struct sqs_model_queue *queue = sqs_model_next_queue(call->emulator->sqs, NULL);
    for (; queue != NULL && count < NAMES_MAX;
         queue = sqs_model_next_queue(call->emulator->sqs, queue)) {
        struct slice name = sqs_model_queue_name(queue);
        if (name.len < prefix.len || !slice_equal(slice_from(name.ptr, prefix.len), prefix))
            continue;
        if (!any) {
            json_out_name(&call->out, "QueueUrls");
            json_out_begin_array(&call->out);
        }
        any = true;
        out_url(call, name);
        count++;
    }
    if (any)
        json_out_end_array(&call->out);
    json_out_end_object(&call->out);
    return CALL_DONE;
}

static void on_attribute(void *ctx, const char *name, const char *value)
{
    json_out_member(ctx, name, value);
}

static enum progress run_get_attributes(struct call *call)
{
    struct sqs_model_queue *queue;
    const struct slice *names;
    size_t count;
    if (!sqs_call_queue(call, &queue) ||
        !in_strings(call, call->input, "AttributeNames", &names, &count))
        return CALL_DONE;
    json_out_begin_object(&call->out);
    if (count > 0) {
        json_out_name(&call->out, "Attributes");
        json_out_begin_object(&call->out);
        if (!sqs_model_get_attributes(queue, names, count, emulator_now_ms(call->emulator),
                                      on_attribute, &call->out, &call->error))
            return CALL_DONE;
        for (size_t i = 0; i < count; i++) {
            if (!slice_equal_str(names[i], "All") && !slice_equal_str(names[i], "QueueArn"))
                continue;
            char arn[200];
            snprintf(arn, sizeof(arn), "arn:aws:sqs:%s:" EMULATOR_ACCOUNT ":%.*s",
                     call->emulator->region, SLICE_ARG(sqs_model_queue_name(queue)));
            json_out_member(&call->out, "QueueArn", arn);
            break;
        }
        json_out_end_object(&call->out);
    }
    json_out_end_object(&call->out);
    return CALL_DONE;
}

static enum progress run_set_attributes(struct call *call)
{
    struct sqs_model_queue *queue;
    struct sqs_model_pair pairs[PAIRS_MAX];
    size_t count;
    if (!sqs_call_queue(call, &queue) || !in_pairs(call, pairs, &count) ||
        !sqs_model_set_attributes(queue, pairs, count, emulator_now_ms(call->emulator),
                                  &call->error))
        return CALL_DONE;
    buf_append_str(&call->body, "{}");
    sqs_wait_serve(call->emulator, queue); /* a FIFO delay taken away frees what is queued */
    return CALL_DONE;
}

static enum progress run_delete_queue(struct call *call)
{
    struct sqs_model_queue *queue;
    if (!sqs_call_queue(call, &queue))
        return CALL_DONE;
    sqs_wait_queue_gone(call->emulator, queue);
    sqs_model_delete_queue(call->emulator->sqs, queue, emulator_now_ms(call->emulator));
    buf_append_str(&call->body, "{}");
    return CALL_DONE;
}

static enum progress run_purge(struct call *call)
{
    struct sqs_model_queue *queue;
    if (sqs_call_queue(call, &queue) &&
        sqs_model_purge_queue(queue, emulator_now_ms(call->emulator), &call->error))
        buf_append_str(&call->body, "{}");
    return CALL_DONE;
}

const struct operation sqs_operations[] = {
    {SERVICE_SQS, "CreateQueue", run_create},
    {SERVICE_SQS, "GetQueueUrl", run_get_url},
    {SERVICE_SQS, "ListQueues", run_list},
    {SERVICE_SQS, "GetQueueAttributes", run_get_attributes},
    {SERVICE_SQS, "SetQueueAttributes", run_set_attributes},
    {SERVICE_SQS, "DeleteQueue", run_delete_queue},
    {SERVICE_SQS, "PurgeQueue", run_purge},
    {SERVICE_SQS, "SendMessage", sqs_run_send},
    {SERVICE_SQS, "SendMessageBatch", sqs_run_send_batch},
    {SERVICE_SQS, "ReceiveMessage", sqs_run_receive},
    {SERVICE_SQS, "DeleteMessage", sqs_run_delete},
    {SERVICE_SQS, "DeleteMessageBatch", sqs_run_delete_batch},
    {SERVICE_SQS, "ChangeMessageVisibility", sqs_run_change},
    {SERVICE_SQS, "ChangeMessageVisibilityBatch", sqs_run_change_batch},
};
const size_t sqs_operation_count = ARRAY_LEN(sqs_operations);
