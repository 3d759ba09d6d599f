#include <stdio.h>
#include <string.h>

#include "tests/emulator/emulator_internal.h"

#define ENTRIES_READ_MAX 64 /* more than ten are read so that they can be refused by number */

/* --- sending --------------------------------------------------------------------------------- */

static bool in_attribute(struct call *call, const cJSON *item,
                         struct sqs_model_message_attribute *ret)
{
    struct slice text;
    struct slice binary;
    if (!cJSON_IsObject(item))
        return in_refuse(call, "a message attribute must be an object");
    if (!in_string(call, item, "DataType", &ret->data_type) ||
        !in_string(call, item, "StringValue", &text) ||
        !in_string(call, item, "BinaryValue", &binary))
        return false;
    ret->name = slice_from_str(item->string);
    ret->binary = ret->data_type.len >= 6 && memcmp(ret->data_type.ptr, "Binary", 6) == 0;
    ret->value = text;
    return !ret->binary || slice_is_null(binary) || in_base64(call, binary, &ret->value);
}

static bool in_send(struct call *call, const cJSON *object, struct sqs_model_send *ret)
{
    const cJSON *attributes;
    const cJSON *system;
    *ret = (struct sqs_model_send){0};
    if (!in_string(call, object, "Id", &ret->id) ||
        !in_string(call, object, "MessageBody", &ret->body) ||
        !in_i64(call, object, "DelaySeconds", &ret->delay_seconds) ||
        !in_string(call, object, "MessageGroupId", &ret->group_id) ||
        !in_string(call, object, "MessageDeduplicationId", &ret->deduplication_id) ||
        !in_object(call, object, "MessageAttributes", &attributes) ||
        !in_object(call, object, "MessageSystemAttributes", &system))
        return false;
    if (system != NULL)
        return in_refuse(call, "MessageSystemAttributes are not modelled");
    if (attributes == NULL)
        return true;
    size_t count = (size_t)cJSON_GetArraySize(attributes);
    struct sqs_model_message_attribute *list =
        model_arena_take(&call->arena, count * sizeof(*list));
    const cJSON *item;
    cJSON_ArrayForEach(item, attributes)
    {
        if (!in_attribute(call, item, &list[ret->attribute_count++]))
            return false;
    }
    ret->attributes = list;
    return true;
}

static void out_md5(struct call *call, const char *name, const char *md5, size_t index)
{
    char shown[SQS_MODEL_MD5_SIZE];
    memcpy(shown, md5, sizeof(shown));
    if (call->fault.action == FAULT_CORRUPT_MD5 && fault_hits_entry(&call->fault, index))
        shown[0] = shown[0] == '0' ? '1' : '0';
    json_out_member(&call->out, name, shown);
}

static void out_sent(struct call *call, const struct sqs_model_sent *sent, size_t index)
{
    json_out_member(&call->out, "MessageId", sent->message_id);
    out_md5(call, "MD5OfMessageBody", sent->body_md5, index);
    if (sent->attributes_md5[0] != '\0')
        json_out_member(&call->out, "MD5OfMessageAttributes", sent->attributes_md5);
    if (sent->sequence_number[0] != '\0')
        json_out_member(&call->out, "SequenceNumber", sent->sequence_number);
}

enum progress sqs_run_send(struct call *call)
{
    struct sqs_model_queue *queue;
    struct sqs_model_send entry;
    if (!sqs_call_queue(call, &queue) || !in_send(call, call->input, &entry))
        return CALL_DONE;
    struct sqs_model_sent sent;
    sqs_bill(call, sqs_model_send_bytes(&entry));
    sqs_model_send(queue, &entry, emulator_now_ms(call->emulator), &sent);
    if (sent.error.http_status != 0) {
        call->error = sent.error;
        return CALL_DONE;
    }
    json_out_begin_object(&call->out);
    out_sent(call, &sent, 0);
    json_out_end_object(&call->out);
    sqs_wait_serve(call->emulator, queue);
    return CALL_DONE;
}

/* --- batches --------------------------------------------------------------------------------- */

/* What became of each entry; the two lists of the answer are made from it. */
struct entry_result {
    struct slice id;
    bool omitted;
    struct model_error error;
    struct sqs_model_sent sent; /* of sends */
};

static void out_batch(struct call *call, const struct entry_result *results, size_t count,
                      bool sends)
{
    struct json_out *out = &call->out;
    json_out_begin_object(out);
    for (int failed = 0; failed < 2; failed++) {
        bool any = false;
        for (size_t i = 0; i < count; i++) {
            const struct entry_result *r = &results[i];
            if (r->omitted || (r->error.http_status != 0) != (failed == 1))
                continue;
            if (!any) { /* an empty list is left out, as AWS does */
                json_out_name(out, failed ? "Failed" : "Successful");
                json_out_begin_array(out);
            }
            any = true;
            json_out_begin_object(out);
            json_out_name(out, "Id");
            json_out_string(out, r->id);
            if (failed) {
                json_out_name(out, "SenderFault");
                json_out_bool(out, r->error.sender_fault);
                json_out_member(out, "Code", r->error.query_code);
                json_out_member(out, "Message", r->error.text);
            } else if (sends) {
                out_sent(call, &r->sent, i);
            }
            json_out_end_object(out);
        }
        if (any)
            json_out_end_array(out);
    }
    json_out_end_object(out);
}

/* Whether the entry shall be left alone because the script says that it fails or is lost. */
static bool fault_takes_entry(struct call *call, size_t index, struct entry_result *result)
{
    const struct fault_effect *fault = &call->fault;
    if (!fault_hits_entry(fault, index))
        return false;
    if (fault->action == FAULT_OMIT_ENTRIES) {
        result->omitted = true;
        return !fault->applied;
    }
    if (fault->action != FAULT_FAIL_ENTRIES)
        return false;
    return !fault->applied;
}

static void fault_after_entry(struct call *call, size_t index, struct entry_result *result)
{
    const struct fault_effect *fault = &call->fault;
    if (fault->action != FAULT_FAIL_ENTRIES || !fault_hits_entry(fault, index))
        return;
    model_refuse(&result->error, fault->sender_fault ? 400 : 500,
                 fault->code[0] == '\0' ? "InternalError" : fault->code, NULL, "%s", fault->text);
}

static bool in_entries(struct call *call, const cJSON **ret, size_t *ret_count)
{
    if (!in_array(call, call->input, "Entries", ret))
        return false;
    *ret_count = *ret == NULL ? 0 : (size_t)cJSON_GetArraySize(*ret);
    const cJSON *item;
    cJSON_ArrayForEach(item, *ret)
    {
        if (!cJSON_IsObject(item))
            return in_refuse(call, "an entry must be an object");
    }
    return true;
}

enum progress sqs_run_send_batch(struct call *call)
{
    struct sqs_model_queue *queue;
    const cJSON *array;
    size_t count;
    if (!sqs_call_queue(call, &queue) || !in_entries(call, &array, &count))
        return CALL_DONE;
    struct sqs_model_send entries[ENTRIES_READ_MAX];
    struct entry_result *results =
        model_arena_take(&call->arena, SQS_MODEL_BATCH_MAX * sizeof(*results));
    const cJSON *item;
    size_t read = 0;
    size_t bytes = 0;
    cJSON_ArrayForEach(item, array)
    {
        if (read == ENTRIES_READ_MAX)
            break;
        if (!in_send(call, item, &entries[read]))
            return CALL_DONE;
        bytes += sqs_model_send_bytes(&entries[read++]);
    }
    if (!sqs_model_check_send_batch(queue, entries, read, &call->error))
        return CALL_DONE;
    sqs_bill(call, bytes);
    int64_t now_ms = emulator_now_ms(call->emulator);
    for (size_t i = 0; i < count; i++) {
        results[i] = (struct entry_result){.id = entries[i].id};
        if (!fault_takes_entry(call, i, &results[i])) {
            sqs_model_send(queue, &entries[i], now_ms, &results[i].sent);
            results[i].error = results[i].sent.error;
        }
        fault_after_entry(call, i, &results[i]);
    }
    out_batch(call, results, count, true);
    sqs_wait_serve(call->emulator, queue);
    return CALL_DONE;
}

/* Deletes if visibility is NULL, else changes the visibility to what the entry says. */
static bool handle_one(struct call *call, struct sqs_model_queue *queue, const cJSON *object,
                       bool changes, struct model_error *reterr)
{
    struct slice handle;
    int64_t visibility = SQS_MODEL_ABSENT;
    if (!in_string(call, object, "ReceiptHandle", &handle) ||
        (changes && !in_i64(call, object, "VisibilityTimeout", &visibility))) {
        *reterr = call->error;
        return false;
    }
    if (handle.len == 0)
        return model_refuse(reterr, 400, "MissingRequiredParameterException", "MissingParameter",
                            "The request must contain the parameter ReceiptHandle.");
    int64_t now_ms = emulator_now_ms(call->emulator);
    return changes ? sqs_model_change_visibility(queue, handle, visibility, now_ms, reterr)
                   : sqs_model_delete(queue, handle, now_ms, reterr);
}

static enum progress run_handle(struct call *call, bool changes)
{
    struct sqs_model_queue *queue;
    if (!sqs_call_queue(call, &queue) ||
        !handle_one(call, queue, call->input, changes, &call->error))
        return CALL_DONE;
    buf_append_str(&call->body, "{}");
    sqs_wait_serve(call->emulator, queue); /* a group may be free, a message visible */
    return CALL_DONE;
}

static enum progress run_handle_batch(struct call *call, bool changes)
{
    struct sqs_model_queue *queue;
    const cJSON *array;
    size_t count;
    struct slice ids[ENTRIES_READ_MAX];
    struct entry_result *results =
        model_arena_take(&call->arena, SQS_MODEL_BATCH_MAX * sizeof(*results));
    if (!sqs_call_queue(call, &queue) || !in_entries(call, &array, &count))
        return CALL_DONE;
    const cJSON *item;
    size_t read = 0;
    cJSON_ArrayForEach(item, array)
    {
        if (read == ENTRIES_READ_MAX)
            break;
        if (!in_string(call, item, "Id", &ids[read++]))
            return CALL_DONE;
    }
    if (!sqs_model_check_batch_ids(ids, read,
                                   changes ? "ChangeMessageVisibilityBatchRequestEntry"
                                           : "DeleteMessageBatchRequestEntry",
                                   &call->error))
        return CALL_DONE;
    size_t i = 0;
    cJSON_ArrayForEach(item, array)
    {
        results[i] = (struct entry_result){.id = ids[i]};
        if (!fault_takes_entry(call, i, &results[i]) &&
            !handle_one(call, queue, item, changes, &results[i].error))
            call->error = (struct model_error){0}; /* a malformed entry fails alone */
        fault_after_entry(call, i, &results[i]);
        i++;
    }
    out_batch(call, results, count, false);
    sqs_wait_serve(call->emulator, queue);
    return CALL_DONE;
}

enum progress sqs_run_delete(struct call *call)
{
    return run_handle(call, false);
}

enum progress sqs_run_change(struct call *call)
{
    return run_handle(call, true);
}

enum progress sqs_run_delete_batch(struct call *call)
{
    return run_handle_batch(call, false);
}

enum progress sqs_run_change_batch(struct call *call)
{
    return run_handle_batch(call, true);
}

/* --- receiving ------------------------------------------------------------------------------- */

static bool wants(const struct slice *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_str(names[i], name) || slice_equal_str(names[i], "All"))
            return true;
    }
    return false;
}

static void out_i64_text(struct json_out *out, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    json_out_member(out, name, text);
}

static void out_system_attributes(struct call *call, const struct sqs_model_received *m,
                                  const struct slice *names, size_t count)
{
    struct json_out *out = &call->out;
    if (count == 0)
        return;
    json_out_name(out, "Attributes");
    json_out_begin_object(out);
    if (wants(names, count, "SenderId"))
        json_out_member(out, "SenderId", EMULATOR_ACCOUNT);
    if (wants(names, count, "SentTimestamp"))
        out_i64_text(out, "SentTimestamp", m->sent_ms);
    if (wants(names, count, "ApproximateReceiveCount"))
        out_i64_text(out, "ApproximateReceiveCount", m->receive_count);
    if (wants(names, count, "ApproximateFirstReceiveTimestamp"))
        out_i64_text(out, "ApproximateFirstReceiveTimestamp", m->first_receive_ms);
    if (!slice_is_null(m->group_id) && wants(names, count, "MessageGroupId")) {
        json_out_name(out, "MessageGroupId");
        json_out_string(out, m->group_id);
    }
    if (!slice_is_null(m->deduplication_id) && wants(names, count, "MessageDeduplicationId")) {
        json_out_name(out, "MessageDeduplicationId");
        json_out_string(out, m->deduplication_id);
    }
    if (m->sequence_number[0] != '\0' && wants(names, count, "SequenceNumber"))
        json_out_member(out, "SequenceNumber", m->sequence_number);
    json_out_end_object(out);
}

static bool wants_attribute(const struct slice *names, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        struct slice wanted = names[i];
        if (slice_equal_str(wanted, "All") || slice_equal(wanted, name))
            return true;
        if (wanted.len >= 2 && memcmp(wanted.ptr + wanted.len - 2, ".*", 2) == 0 &&
            name.len >= wanted.len - 2 && memcmp(wanted.ptr, name.ptr, wanted.len - 2) == 0)
            return true;
    }
    return false;
}

static void out_message_attributes(struct call *call, const struct sqs_model_received *m,
                                   const struct slice *names, size_t count)
{
    struct sqs_model_message_attribute chosen[SQS_MODEL_ATTRIBUTES_MAX];
    size_t chosen_count = 0;
    for (size_t i = 0; i < m->attribute_count; i++) {
        if (wants_attribute(names, count, m->attributes[i].name))
            chosen[chosen_count++] = m->attributes[i];
    }
    if (chosen_count == 0)
        return;
    struct json_out *out = &call->out;
    char md5[SQS_MODEL_MD5_SIZE];
    sqs_model_attributes_md5(chosen, chosen_count, md5); /* of those given, not of all */
    json_out_member(out, "MD5OfMessageAttributes", md5);
    json_out_name(out, "MessageAttributes");
    json_out_begin_object(out);
    for (size_t i = 0; i < chosen_count; i++) {
        json_out_name_slice(out, chosen[i].name);
        json_out_begin_object(out);
        json_out_name(out, "DataType");
        json_out_string(out, chosen[i].data_type);
        json_out_name(out, chosen[i].binary ? "BinaryValue" : "StringValue");
        if (chosen[i].binary)
            json_out_base64(out, chosen[i].value);
        else
            json_out_string(out, chosen[i].value);
        json_out_end_object(out);
    }
    json_out_end_object(out);
}

void sqs_write_received(struct call *call, const struct sqs_model_received *messages, size_t count)
{
    /* Checked when the call came in, so they can be read. */
    const struct slice *system = NULL;
    const struct slice *older = NULL;
    const struct slice *attributes = NULL;
    size_t system_count = 0;
    size_t older_count = 0;
    size_t attribute_count = 0;
    if (!in_strings(call, call->input, "MessageSystemAttributeNames", &system, &system_count) ||
        !in_strings(call, call->input, "AttributeNames", &older, &older_count) ||
        !in_strings(call, call->input, "MessageAttributeNames", &attributes, &attribute_count))
        return;
    struct json_out *out = &call->out;
    size_t bytes = 0;
    json_out_begin_object(out);
    if (count > 0) {
        json_out_name(out, "Messages");
        json_out_begin_array(out);
    }
    for (size_t i = 0; i < count; i++) {
        const struct sqs_model_received *m = &messages[i];
        bytes += m->body.len;
        json_out_begin_object(out);
        json_out_member(out, "MessageId", m->message_id);
        json_out_member(out, "ReceiptHandle", m->receipt_handle);
        out_md5(call, "MD5OfBody", m->body_md5, i);
        json_out_name(out, "Body");
        json_out_string(out, m->body);
        out_system_attributes(call, m, system_count > 0 ? system : older,
                              system_count > 0 ? system_count : older_count);
        out_message_attributes(call, m, attributes, attribute_count);
        json_out_end_object(out);
    }
    if (count > 0)
        json_out_end_array(out);
    json_out_end_object(out);
    sqs_bill(call, bytes);
}

enum progress sqs_run_receive(struct call *call)
{
    struct sqs_model_receive *spec = &call->receive;
    const struct slice *names;
    size_t name_count;
    if (!sqs_call_queue(call, &call->queue) ||
        !in_i64(call, call->input, "MaxNumberOfMessages", &spec->messages_max) ||
        !in_i64(call, call->input, "VisibilityTimeout", &spec->visibility_seconds) ||
        !in_i64(call, call->input, "WaitTimeSeconds", &spec->wait_seconds) ||
        !in_string(call, call->input, "ReceiveRequestAttemptId", &spec->attempt_id) ||
        !in_strings(call, call->input, "MessageSystemAttributeNames", &names, &name_count) ||
        !in_strings(call, call->input, "AttributeNames", &names, &name_count) ||
        !in_strings(call, call->input, "MessageAttributeNames", &names, &name_count))
        return CALL_DONE;
    spec->duplicate = call->fault.action == FAULT_DUPLICATE;
    struct sqs_model_received messages[SQS_MODEL_BATCH_MAX];
    size_t count = 0;
    int64_t now_ms = emulator_now_ms(call->emulator);
    if (call->fault.action != FAULT_EMPTY_RECEIVE &&
        !sqs_model_receive(call->queue, spec, now_ms, messages, &count, &call->error))
        return CALL_DONE;
    int64_t wait_seconds = spec->wait_seconds == SQS_MODEL_ABSENT
                               ? sqs_model_queue_wait_seconds(call->queue)
                               : spec->wait_seconds;
    if (count == 0 && wait_seconds > 0 && call->fault.action != FAULT_EMPTY_RECEIVE) {
        call->deadline_ms = now_ms + wait_seconds * 1000;
        sqs_wait(call);
        return CALL_PARKED;
    }
    sqs_write_received(call, messages, count);
    return CALL_DONE;
}
