#include "tests/model/kafka_model.h"

#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/model/kafka_model_internal.h"

#define TOPIC_NAME_MAX 249

const char *kafka_model_error_name(enum kafka_model_error error)
{
    switch (error) {
#define X(name, code)                                                                              \
    case KAFKA_MODEL_##name:                                                                       \
        return #name;
        KAFKA_MODEL_ERRORS(X)
#undef X
    }
    UNREACHABLE();
}

bool kafka_model_error_is_unknown(enum kafka_model_error error)
{
    return error == KAFKA_MODEL_UNANSWERED || error == KAFKA_MODEL_REQUEST_TIMED_OUT ||
           error == KAFKA_MODEL_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
}

struct kafka_model *kafka_model_new(const struct kafka_model_options *options)
{
    struct kafka_model *model = mem_alloc(sizeof(*model));
    *model = (struct kafka_model){
        .options = *options, .next_topic = 1, .next_producer = 1, .next_member = 1};
    if (model->options.brokers == 0)
        model->options.brokers = 1;
    model->brokers_down_until_ms =
        mem_alloc((size_t)model->options.brokers * sizeof(*model->brokers_down_until_ms));
    for (int32_t i = 0; i < model->options.brokers; i++)
        model->brokers_down_until_ms[i] = INT64_MIN;
    model_list_init(&model->topics);
    model_map_init(&model->topics_by_name);
    model_list_init(&model->groups);
    model_map_init(&model->groups_by_name);
    model_heap_init(&model->sessions);
    model_heap_init(&model->wakes);
    return model;
}

static void free_topic(struct kafka_model_topic *topic)
{
    for (int32_t i = 0; i < topic->options.partitions; i++)
        kafka_model_partition_release(&topic->partitions[i]);
    mem_free(topic->partitions);
    mem_free(topic);
}

void kafka_model_free(struct kafka_model *model)
{
    if (model == NULL)
        return;
    struct model_list_node *node;
    while ((node = model_list_first(&model->groups)) != NULL) {
        model_list_remove(node);
        kafka_model_group_free(container_of(node, struct kafka_model_group, by_creation));
    }
    while ((node = model_list_first(&model->topics)) != NULL) {
        model_list_remove(node);
        free_topic(container_of(node, struct kafka_model_topic, by_creation));
    }
    model_map_release(&model->topics_by_name);
    model_map_release(&model->groups_by_name);
    model_heap_release(&model->sessions);
    model_heap_release(&model->wakes);
    mem_free(model->brokers_down_until_ms);
    mem_free(model);
}

static uint64_t topic_digest(const struct kafka_model_topic *topic)
{
    uint64_t digest = kafka_model_mix_slice(topic->number, kafka_model_topic_name(topic));
    digest = kafka_model_mix(digest, topic->options.message_bytes_max);
    digest = kafka_model_mix(digest, (uint64_t)topic->options.retention_ms);
    digest = kafka_model_mix(digest, topic->options.compacted);
    digest = kafka_model_mix(digest, (uint64_t)(int64_t)topic->refusal);
    digest = kafka_model_mix(digest, (uint64_t)topic->refused_until_ms);
    for (int32_t i = 0; i < topic->options.partitions; i++)
        digest = kafka_model_mix(digest, kafka_model_partition_digest(&topic->partitions[i]));
    return digest;
}

uint64_t kafka_model_digest(const struct kafka_model *model)
{
    uint64_t digest = kafka_model_mix(model->next_topic, model->next_producer);
    digest = kafka_model_mix(digest, model->next_member);
    for (int32_t i = 0; i < model->options.brokers; i++)
        digest = kafka_model_mix(digest, (uint64_t)model->brokers_down_until_ms[i]);
    for (struct model_list_node *node = model_list_first(&model->topics); node != NULL;
         node = model_list_next(&model->topics, node))
        digest = kafka_model_mix(
            digest, topic_digest(container_of(node, struct kafka_model_topic, by_creation)));
    for (struct model_list_node *node = model_list_first(&model->groups); node != NULL;
         node = model_list_next(&model->groups, node))
        digest = kafka_model_mix(digest, kafka_model_group_digest(container_of(
                                             node, struct kafka_model_group, by_creation)));
    return digest;
}

struct kafka_model_topic *kafka_model_topic_find(const struct kafka_model *model, struct slice name)
{
    struct model_map_node *node = model_map_find(&model->topics_by_name, name);
    return node == NULL ? NULL : container_of(node, struct kafka_model_topic, by_name);
}

static bool is_topic_name(struct slice name)
{
    if (name.len == 0 || name.len > TOPIC_NAME_MAX || slice_equal_str(name, ".") ||
        slice_equal_str(name, ".."))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

/* New partitions' leaders go round the brokers. */
static void grow_topic(struct kafka_model *model, struct kafka_model_topic *topic, int32_t count)
{
    topic->partitions = mem_realloc(topic->partitions, (size_t)count * sizeof(*topic->partitions));
    for (int32_t i = topic->options.partitions; i < count; i++) {
        uint64_t leader = (topic->number + (uint64_t)i) % (uint64_t)model->options.brokers;
        kafka_model_partition_init(&topic->partitions[i], (int32_t)leader);
    }
    topic->options.partitions = count;
}

enum kafka_model_error kafka_model_create_topic(struct kafka_model *model, struct slice name,
                                                const struct kafka_model_topic_options *options)
{
    if (!is_topic_name(name))
        return KAFKA_MODEL_INVALID_TOPIC_EXCEPTION;
    if (kafka_model_topic_find(model, name) != NULL)
        return KAFKA_MODEL_TOPIC_ALREADY_EXISTS;
    struct kafka_model_topic *topic = mem_alloc(sizeof(*topic) + name.len);
    *topic = (struct kafka_model_topic){.number = model->next_topic++,
                                        .options = *options,
                                        .refused_until_ms = INT64_MIN,
                                        .name_len = name.len};
    memcpy(topic->name, name.ptr, name.len);
    if (topic->options.message_bytes_max == 0)
        topic->options.message_bytes_max = KAFKA_MODEL_MESSAGE_BYTES_MAX;
    topic->options.partitions = 0;
    grow_topic(model, topic, options->partitions == 0 ? 1 : options->partitions);
    model_list_append(&model->topics, &topic->by_creation);
    model_map_insert(&model->topics_by_name, &topic->by_name, kafka_model_topic_name(topic));
    return KAFKA_MODEL_NONE;
}

enum kafka_model_error kafka_model_delete_topic(struct kafka_model *model, struct slice name)
{
    struct kafka_model_topic *topic = kafka_model_topic_find(model, name);
    if (topic == NULL)
        return KAFKA_MODEL_UNKNOWN_TOPIC_OR_PARTITION;
    for (struct model_list_node *node = model_list_first(&model->groups); node != NULL;
         node = model_list_next(&model->groups, node))
        kafka_model_group_drop_topic(container_of(node, struct kafka_model_group, by_creation),
                                     topic);
    model_map_remove(&model->topics_by_name, &topic->by_name);
    model_list_remove(&topic->by_creation);
    free_topic(topic);
    return KAFKA_MODEL_NONE;
}

/* NULL with *reterr. */
static struct kafka_model_topic *find_or_create(struct kafka_model *model, struct slice name,
                                                enum kafka_model_error *reterr)
{
    struct kafka_model_topic *topic = kafka_model_topic_find(model, name);
    *reterr = KAFKA_MODEL_NONE;
    if (topic != NULL)
        return topic;
    if (model->options.auto_create == 0) {
        *reterr = is_topic_name(name) ? KAFKA_MODEL_UNKNOWN_TOPIC_OR_PARTITION
                                      : KAFKA_MODEL_INVALID_TOPIC_EXCEPTION;
        return NULL;
    }
    *reterr = kafka_model_create_topic(
        model, name, &(struct kafka_model_topic_options){.partitions = model->options.auto_create});
    return kafka_model_topic_find(model, name);
}

enum kafka_model_error kafka_model_add_partitions(struct kafka_model *model, struct slice name,
                                                  int32_t partitions)
{
    struct kafka_model_topic *topic = kafka_model_topic_find(model, name);
    if (topic == NULL)
        return KAFKA_MODEL_UNKNOWN_TOPIC_OR_PARTITION;
    CHECK(partitions >= topic->options.partitions);
    grow_topic(model, topic, partitions);
    return KAFKA_MODEL_NONE;
}

enum kafka_model_error kafka_model_metadata(struct kafka_model *model, struct slice name,
                                            int32_t *ret_partitions)
{
    enum kafka_model_error error;
    struct kafka_model_topic *topic = find_or_create(model, name, &error);
    if (topic != NULL)
        *ret_partitions = topic->options.partitions;
    return error;
}

int32_t kafka_model_partition_of(struct slice key, int32_t partitions)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t hash = UINT32_C(0x9747b28c) ^ (uint32_t)key.len;
    size_t i = 0;
    for (; i + 4 <= key.len; i += 4) {
        uint32_t k = (uint32_t)key.ptr[i] | (uint32_t)key.ptr[i + 1] << 8 |
                     (uint32_t)key.ptr[i + 2] << 16 | (uint32_t)key.ptr[i + 3] << 24;
        k *= m;
        k ^= k >> 24;
        hash = (hash * m) ^ (k * m);
    }
    if (i < key.len) {
        for (size_t at = key.len; at-- > i;)
            hash ^= (uint32_t)key.ptr[at] << (8 * (at - i));
        hash *= m;
    }
    hash ^= hash >> 13;
    hash *= m;
    hash ^= hash >> 15;
    return (int32_t)((hash & INT32_MAX) % (uint32_t)partitions);
}

struct kafka_model_partition *kafka_model_locate(struct kafka_model *model, struct slice name,
                                                 int32_t partition,
                                                 struct kafka_model_topic **ret_topic,
                                                 enum kafka_model_error *reterr)
{
    struct kafka_model_topic *topic = find_or_create(model, name, reterr);
    if (topic == NULL)
        return NULL;
    if (partition < 0 || partition >= topic->options.partitions) {
        *reterr = KAFKA_MODEL_UNKNOWN_TOPIC_OR_PARTITION;
        return NULL;
    }
    *ret_topic = topic;
    return &topic->partitions[partition];
}

/* --- faults ---------------------------------------------------------------------------------- */

static bool is_broker(const struct kafka_model *model, int32_t broker)
{
    return broker >= 0 && broker < model->options.brokers;
}

void kafka_model_stop_broker(struct kafka_model *model, int32_t broker, int64_t until_ms)
{
    CHECK(is_broker(model, broker));
    model->brokers_down_until_ms[broker] = until_ms;
}

bool kafka_model_broker_is_down(const struct kafka_model *model, int32_t broker, int64_t now_ms)
{
    return now_ms < model->brokers_down_until_ms[broker];
}

enum kafka_model_error kafka_model_move_leader(struct kafka_model *model, struct slice name,
                                               int32_t partition, int32_t broker, int64_t until_ms)
{
    struct kafka_model_topic *topic;
    enum kafka_model_error error;
    struct kafka_model_partition *p = kafka_model_locate(model, name, partition, &topic, &error);
    CHECK(is_broker(model, broker));
    if (p != NULL) {
        p->leader = broker;
        p->moving_until_ms = until_ms;
    }
    return error;
}

void kafka_model_move_coordinator(struct kafka_model *model, struct slice name, int32_t broker,
                                  int64_t until_ms)
{
    CHECK(is_broker(model, broker));
    struct kafka_model_group *group = kafka_model_group_make(model, name);
    group->coordinator = broker;
    group->moving_until_ms = until_ms;
}

enum kafka_model_error kafka_model_refuse_topic(struct kafka_model *model, struct slice name,
                                                enum kafka_model_error refusal, int64_t until_ms)
{
    enum kafka_model_error error;
    struct kafka_model_topic *topic = find_or_create(model, name, &error);
    if (topic != NULL) {
        topic->refusal = refusal;
        topic->refused_until_ms = until_ms;
    }
    return error;
}

bool kafka_model_fault_lets_through(const struct kafka_model_fault *fault,
                                    enum kafka_model_error *reterr)
{
    switch (fault->type) {
    case KAFKA_MODEL_FAULT_REFUSE:
        *reterr = fault->error;
        return false;
    case KAFKA_MODEL_FAULT_LOSE_REQUEST:
        *reterr = KAFKA_MODEL_UNANSWERED;
        return false;
    case KAFKA_MODEL_FAULT_NONE:
    case KAFKA_MODEL_FAULT_REFUSE_DONE:
    case KAFKA_MODEL_FAULT_LOSE_ANSWER:
        return true;
    }
    UNREACHABLE();
}

enum kafka_model_error kafka_model_fault_answer(const struct kafka_model_fault *fault,
                                                enum kafka_model_error result)
{
    if (fault->type == KAFKA_MODEL_FAULT_LOSE_ANSWER && result != KAFKA_MODEL_TRANSPORT)
        return KAFKA_MODEL_UNANSWERED;
    if (fault->type == KAFKA_MODEL_FAULT_REFUSE_DONE && result == KAFKA_MODEL_NONE)
        return fault->error;
    return result;
}

int64_t kafka_model_fault_answer_ms(const struct kafka_model_fault *fault,
                                    enum kafka_model_error answer, int64_t now_ms)
{
    return answer == KAFKA_MODEL_UNANSWERED ? KAFKA_MODEL_NEVER : now_ms + fault->delay_ms;
}
