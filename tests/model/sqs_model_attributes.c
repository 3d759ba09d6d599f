#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "tests/model/sqs_model_internal.h"

enum rule_kind {
    RULE_NUMBER, /* least..most */
    RULE_BOOL,
    RULE_CHOICE, /* one of two words: 0 and 1 */
    RULE_TEXT,
};

struct rule {
    const char *name;
    enum rule_kind kind;
    int64_t least; /* of a number */
    int64_t most;
    int64_t default_number;
    const char *words[2]; /* of a choice */
    bool fifo_only;
};

static const struct rule rules[SQS_MODEL_ATTRIBUTE_COUNT] = {
    [SQS_MODEL_ATTRIBUTE_VISIBILITY] =
        {"VisibilityTimeout", RULE_NUMBER, 0, 43200, 30, {NULL}, false},
    [SQS_MODEL_ATTRIBUTE_DELAY] = {"DelaySeconds", RULE_NUMBER, 0, 900, 0, {NULL}, false},
    [SQS_MODEL_ATTRIBUTE_RETENTION] =
        {"MessageRetentionPeriod", RULE_NUMBER, 60, 1209600, 345600, {NULL}, false},
    [SQS_MODEL_ATTRIBUTE_WAIT] =
        {"ReceiveMessageWaitTimeSeconds", RULE_NUMBER, 0, 20, 0, {NULL}, false},
    [SQS_MODEL_ATTRIBUTE_MAXIMUM_SIZE] =
        {"MaximumMessageSize", RULE_NUMBER, 1024, 1048576, 1048576, {NULL}, false},
    [SQS_MODEL_ATTRIBUTE_FIFO] = {"FifoQueue", RULE_BOOL, 0, 0, 0, {NULL}, true},
    [SQS_MODEL_ATTRIBUTE_CONTENT_DEDUPLICATION] =
        {"ContentBasedDeduplication", RULE_BOOL, 0, 0, 0, {NULL}, true},
    [SQS_MODEL_ATTRIBUTE_DEDUPLICATION_SCOPE] =
        {"DeduplicationScope", RULE_CHOICE, 0, 0, 0, {"queue", "messageGroup"}, true},
    [SQS_MODEL_ATTRIBUTE_THROUGHPUT_LIMIT] =
        {"FifoThroughputLimit", RULE_CHOICE, 0, 0, 0, {"perQueue", "perMessageGroupId"}, true},
    [SQS_MODEL_ATTRIBUTE_POLICY] = {"Policy", RULE_TEXT, 0, 0, 0, {NULL}, false},
    [SQS_MODEL_ATTRIBUTE_REDRIVE_POLICY] = {"RedrivePolicy", RULE_TEXT, 0, 0, 0, {NULL}, false},
    [SQS_MODEL_ATTRIBUTE_REDRIVE_ALLOW_POLICY] =
        {"RedriveAllowPolicy", RULE_TEXT, 0, 0, 0, {NULL}, false},
    [SQS_MODEL_ATTRIBUTE_KMS_KEY] = {"KmsMasterKeyId", RULE_TEXT, 0, 0, 0, {NULL}, false},
    [SQS_MODEL_ATTRIBUTE_KMS_REUSE] =
        {"KmsDataKeyReusePeriodSeconds", RULE_NUMBER, 60, 86400, 300, {NULL}, false},
    [SQS_MODEL_ATTRIBUTE_MANAGED_SSE] = {"SqsManagedSseEnabled", RULE_BOOL, 0, 0, 1, {NULL}, false},
};

static bool find_rule(struct slice name, size_t *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (slice_equal_str(name, rules[i].name)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool parse_digits(struct slice text, int64_t *ret)
{
    if (text.len == 0 || text.len > 12)
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (text.ptr[i] - '0');
    }
    *ret = value;
    return true;
}

static bool parse_value(const struct rule *rule, struct slice value, int64_t *ret)
{
    switch (rule->kind) {
    case RULE_NUMBER:
        return parse_digits(value, ret) && *ret >= rule->least && *ret <= rule->most;
    case RULE_BOOL:
        *ret = slice_equal_str(value, "true");
        return *ret == 1 || slice_equal_str(value, "false");
    case RULE_CHOICE:
        *ret = slice_equal_str(value, rule->words[1]);
        return *ret == 1 || slice_equal_str(value, rule->words[0]);
    case RULE_TEXT:
        *ret = 0;
        return true;
    }
    return false;
}

static bool check_pair(const struct sqs_model_pair *pair, bool fifo, bool creating,
                       size_t *ret_index, int64_t *ret_number, struct model_error *reterr)
{
    bool known = find_rule(pair->name, ret_index);
    if (!known || (*ret_index == SQS_MODEL_ATTRIBUTE_FIFO && !creating && !fifo))
        return model_refuse(reterr, 400, "InvalidAttributeName", NULL, "Unknown Attribute %.*s.",
                            SLICE_ARG(pair->name));
    const struct rule *rule = &rules[*ret_index];
    if (!parse_value(rule, pair->value, ret_number))
        return model_refuse(reterr, 400, "InvalidAttributeValue", NULL,
                            "Invalid value for the parameter %s.", rule->name);
    if (*ret_index == SQS_MODEL_ATTRIBUTE_FIFO && *ret_number == 0 && !creating)
        return model_refuse(reterr, 400, "InvalidAttributeValue", NULL,
                            "Invalid value for the parameter FifoQueue. Reason: Modifying queue "
                            "type is not supported.");
    if (*ret_index == SQS_MODEL_ATTRIBUTE_FIFO && *ret_number == 0)
        return model_refuse(reterr, 400, "InvalidAttributeName", NULL,
                            "Unknown Attribute FifoQueue.");
    if (rule->fifo_only && !fifo)
        return model_refuse(reterr, 400, "InvalidAttributeName", NULL,
                            "You can specify the %s only when FifoQueue is set to true.",
                            rule->name);
    return true;
}

static void store_pair(struct sqs_model_queue *queue, size_t index, int64_t number,
                       struct slice text)
{
    mem_free(queue->texts[index]);
    /* An empty text takes a policy away. */
    queue->texts[index] = text.len == 0 ? NULL : mem_strndup((const char *)text.ptr, text.len);
    queue->numbers[index] = number;
}

static bool check_throughput(int64_t limit, int64_t scope, struct model_error *reterr)
{
    if (limit == 1 && scope != 1)
        return model_refuse(reterr, 400, "InvalidAttributeValue", NULL,
                            "The perMessageGroupId value is allowed only when the value for "
                            "DeduplicationScope is messageGroup.");
    return true;
}

static bool apply(struct sqs_model_queue *queue, const struct sqs_model_pair *attributes,
                  size_t count, bool creating, struct model_error *reterr)
{
    int64_t numbers[SQS_MODEL_ATTRIBUTE_COUNT];
    memcpy(numbers, queue->numbers, sizeof(numbers));
    for (size_t i = 0; i < count; i++) { /* all are checked before the first is set */
        size_t index;
        int64_t number;
        if (!check_pair(&attributes[i], queue->fifo, creating, &index, &number, reterr))
            return false;
        numbers[index] = number;
    }
    if (!check_throughput(numbers[SQS_MODEL_ATTRIBUTE_THROUGHPUT_LIMIT],
                          numbers[SQS_MODEL_ATTRIBUTE_DEDUPLICATION_SCOPE], reterr))
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t index;
        if (find_rule(attributes[i].name, &index))
            store_pair(queue, index, numbers[index], attributes[i].value);
    }
    return true;
}

bool sqs_model_attributes_create(struct sqs_model_queue *queue,
                                 const struct sqs_model_pair *attributes, size_t count,
                                 struct model_error *reterr)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        queue->numbers[i] = rules[i].default_number;
    if (!apply(queue, attributes, count, true, reterr))
        return false;
    queue->deduplicates_per_group = queue->numbers[SQS_MODEL_ATTRIBUTE_DEDUPLICATION_SCOPE] == 1;
    return true;
}

bool sqs_model_attributes_equal(const struct sqs_model_queue *queue,
                                const struct sqs_model_pair *attributes, size_t count,
                                struct model_error *reterr)
{
    for (size_t i = 0; i < count; i++) {
        size_t index;
        int64_t number;
        if (!check_pair(&attributes[i], queue->fifo, true, &index, &number, reterr))
            return false;
        bool same = rules[index].kind == RULE_TEXT
                        ? slice_equal_str(attributes[i].value, queue->texts[index])
                        : number == queue->numbers[index];
        if (!same)
            return model_refuse(reterr, 400, "QueueNameExists", "QueueAlreadyExists",
                                "A queue already exists with the same name and a different value "
                                "for attribute %s",
                                rules[index].name);
    }
    return true;
}

void sqs_model_attributes_release(struct sqs_model_queue *queue)
{
    for (size_t i = 0; i < ARRAY_LEN(queue->texts); i++)
        mem_free(queue->texts[i]);
}

bool sqs_model_set_attributes(struct sqs_model_queue *queue,
                              const struct sqs_model_pair *attributes, size_t count, int64_t now_ms,
                              struct model_error *reterr)
{
    sqs_model_store_advance(queue, now_ms);
    int64_t delay_before = queue->numbers[SQS_MODEL_ATTRIBUTE_DELAY];
    if (!apply(queue, attributes, count, false, reterr))
        return false;
    queue->modified_ms = now_ms;
    if (queue->fifo && queue->numbers[SQS_MODEL_ATTRIBUTE_DELAY] != delay_before)
        sqs_model_store_apply_fifo_delay(queue, now_ms);
    sqs_model_store_advance(queue, now_ms); /* a shorter retention holds at once */
    return true;
}

int64_t sqs_model_queue_wait_seconds(const struct sqs_model_queue *queue)
{
    return queue->numbers[SQS_MODEL_ATTRIBUTE_WAIT];
}

static bool wanted(const struct slice *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal_str(names[i], name) || slice_equal_str(names[i], "All"))
            return true;
    }
    return false;
}

static void give_number(const struct slice *names, size_t count, const char *name, int64_t value,
                        sqs_model_attribute_fn *on_attribute, void *ctx)
{
    if (!wanted(names, count, name))
        return;
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, value);
    on_attribute(ctx, name, text);
}

static void give_setting(const struct sqs_model_queue *queue, size_t index,
                         sqs_model_attribute_fn *on_attribute, void *ctx)
{
    const struct rule *rule = &rules[index];
    char text[24];
    switch (rule->kind) {
    case RULE_NUMBER:
        if (index == SQS_MODEL_ATTRIBUTE_KMS_REUSE && queue->texts[index] == NULL)
            return;
        snprintf(text, sizeof(text), "%" PRId64, queue->numbers[index]);
        on_attribute(ctx, rule->name, text);
        break;
    case RULE_BOOL:
        on_attribute(ctx, rule->name, queue->numbers[index] != 0 ? "true" : "false");
        break;
    case RULE_CHOICE:
        on_attribute(ctx, rule->name, rule->words[queue->numbers[index] != 0]);
        break;
    case RULE_TEXT:
        if (queue->texts[index] != NULL)
            on_attribute(ctx, rule->name, queue->texts[index]);
        break;
    }
}

bool sqs_model_get_attributes(struct sqs_model_queue *queue, const struct slice *names,
                              size_t count, int64_t now_ms, sqs_model_attribute_fn *on_attribute,
                              void *ctx, struct model_error *reterr)
{
    static const char *const computed[] = {
        "All",
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
        "QueueArn",
    };
    for (size_t i = 0; i < count; i++) {
        size_t index;
        bool known = find_rule(names[i], &index);
        for (size_t k = 0; k < ARRAY_LEN(computed) && !known; k++)
            known = slice_equal_str(names[i], computed[k]);
        if (!known)
            return model_refuse(reterr, 400, "InvalidAttributeName", NULL,
                                "Unknown Attribute %.*s.", SLICE_ARG(names[i]));
    }
    struct sqs_model_depth depth = sqs_model_depth(queue, now_ms);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (wanted(names, count, rules[i].name) && (queue->fifo || !rules[i].fifo_only))
            give_setting(queue, i, on_attribute, ctx);
    }
    give_number(names, count, computed[1], (int64_t)depth.visible, on_attribute, ctx);
    give_number(names, count, computed[2], (int64_t)depth.in_flight, on_attribute, ctx);
    give_number(names, count, computed[3], (int64_t)depth.delayed, on_attribute, ctx);
    give_number(names, count, computed[4], queue->created_ms / 1000, on_attribute, ctx);
    give_number(names, count, computed[5], queue->modified_ms / 1000, on_attribute, ctx);
    return true;
}
