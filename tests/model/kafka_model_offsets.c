/* Groups as the cluster keeps them: where they are coordinated, and what they have committed. */
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/model/kafka_model_internal.h"

#define KEY_SIZE (4 + 249)

struct kafka_model_group *kafka_model_group_find(const struct kafka_model *model, struct slice name)
{
    struct model_map_node *node = model_map_find(&model->groups_by_name, name);
    return node == NULL ? NULL : container_of(node, struct kafka_model_group, by_name);
}

struct kafka_model_group *kafka_model_group_make(struct kafka_model *model, struct slice name)
{
    struct kafka_model_group *group = kafka_model_group_find(model, name);
    if (group != NULL)
        return group;
    group = mem_alloc(sizeof(*group) + name.len);
    *group = (struct kafka_model_group){.model = model,
                                        .state = KAFKA_MODEL_GROUP_EMPTY,
                                        .moving_until_ms = INT64_MIN,
                                        .name_len = name.len};
    memcpy(group->name, name.ptr, name.len);
    group->coordinator = (int32_t)(model_hash(name) % (uint64_t)model->options.brokers);
    model_list_init(&group->members);
    model_list_init(&group->offsets);
    model_map_init(&group->offsets_by_key);
    model_list_append(&model->groups, &group->by_creation);
    model_map_insert(&model->groups_by_name, &group->by_name, slice_from(group->name, name.len));
    return group;
}

enum kafka_model_error kafka_model_group_reach(const struct kafka_model_group *group,
                                               int64_t now_ms)
{
    if (kafka_model_broker_is_down(group->model, group->coordinator, now_ms))
        return KAFKA_MODEL_TRANSPORT;
    return now_ms < group->moving_until_ms ? KAFKA_MODEL_NOT_COORDINATOR : KAFKA_MODEL_NONE;
}

static void forget(struct kafka_model_group *group, struct kafka_model_committed_offset *committed)
{
    model_map_remove(&group->offsets_by_key, &committed->by_key);
    model_list_remove(&committed->by_creation);
    mem_free(committed);
}

static void forget_all(struct kafka_model_group *group)
{
    struct model_list_node *node;
    while ((node = model_list_first(&group->offsets)) != NULL)
        forget(group, container_of(node, struct kafka_model_committed_offset, by_creation));
}

void kafka_model_group_free(struct kafka_model_group *group)
{
    struct model_list_node *node;
    while ((node = model_list_first(&group->members)) != NULL)
        kafka_model_member_free(container_of(node, struct kafka_model_member, by_id));
    forget_all(group);
    model_map_release(&group->offsets_by_key);
    mem_free(group->shares);
    mem_free(group);
}

void kafka_model_group_drop_topic(struct kafka_model_group *group,
                                  const struct kafka_model_topic *topic)
{
    size_t kept = 0;
    for (size_t i = 0; i < group->share_count; i++) {
        if (group->shares[i].topic != topic)
            group->shares[kept++] = group->shares[i];
    }
    group->share_count = kept;
    struct model_list_node *next;
    for (struct model_list_node *node = model_list_first(&group->offsets); node != NULL;
         node = next) {
        struct kafka_model_committed_offset *committed =
            container_of(node, struct kafka_model_committed_offset, by_creation);
        next = model_list_next(&group->offsets, node);
        if (slice_equal(slice_from(committed->key + 4, committed->key_len - 4),
                        kafka_model_topic_name(topic)))
            forget(group, committed);
    }
}

static uint64_t member_digest(const struct kafka_model_member *member)
{
    uint64_t digest = kafka_model_mix(member->id, member->joined);
    digest = kafka_model_mix(digest, (uint64_t)member->told);
    digest = kafka_model_mix(digest, member->joined ? 0 : (uint64_t)member->session.at_ms);
    digest = kafka_model_mix(digest, (uint64_t)member->session_timeout_ms);
    digest = kafka_model_mix(digest, (uint64_t)member->rebalance_timeout_ms);
    for (size_t i = 0; i < member->topic_count; i++)
        digest = kafka_model_mix_slice(digest, member->topics[i]);
    return digest;
}

uint64_t kafka_model_group_digest(const struct kafka_model_group *group)
{
    uint64_t digest =
        kafka_model_mix_slice((uint64_t)group->state, slice_from(group->name, group->name_len));
    digest = kafka_model_mix(digest, group->eager);
    digest = kafka_model_mix(digest, (uint64_t)group->generation);
    digest = kafka_model_mix(digest, (uint64_t)group->coordinator);
    digest = kafka_model_mix(digest, (uint64_t)group->moving_until_ms);
    digest = kafka_model_mix(digest, group->wake.place == 0 ? 0 : (uint64_t)group->wake.at_ms);
    for (struct model_list_node *node = model_list_first(&group->members); node != NULL;
         node = model_list_next(&group->members, node))
        digest = kafka_model_mix(
            digest, member_digest(container_of(node, struct kafka_model_member, by_id)));
    for (size_t i = 0; i < group->share_count; i++) {
        const struct kafka_model_share *share = &group->shares[i];
        digest = kafka_model_mix(digest, share->topic->number);
        digest = kafka_model_mix(digest, (uint64_t)share->partition);
        digest = kafka_model_mix(digest, share->holder);
        digest = kafka_model_mix(digest, share->owner);
        digest = kafka_model_mix(digest, share->former);
    }
    for (struct model_list_node *node = model_list_first(&group->offsets); node != NULL;
         node = model_list_next(&group->offsets, node)) {
        const struct kafka_model_committed_offset *committed =
            container_of(node, struct kafka_model_committed_offset, by_creation);
        digest = kafka_model_mix_slice(digest, slice_from(committed->key, committed->key_len));
        digest = kafka_model_mix(digest, (uint64_t)committed->offset);
    }
    return digest;
}

/* --- committing ------------------------------------------------------------------------------ */

static struct slice key_of(struct slice topic, int32_t partition, uint8_t buffer[KEY_SIZE])
{
    CHECK(4 + topic.len <= KEY_SIZE);
    uint32_t number = (uint32_t)partition;
    for (int i = 0; i < 4; i++)
        buffer[i] = (uint8_t)(number >> (8 * i));
    memcpy(buffer + 4, topic.ptr, topic.len);
    return slice_from(buffer, 4 + topic.len);
}

static void store(struct kafka_model_group *group, const struct kafka_model_position *position)
{
    uint8_t buffer[KEY_SIZE];
    struct slice key = key_of(position->topic, position->partition, buffer);
    struct model_map_node *node = model_map_find(&group->offsets_by_key, key);
    struct kafka_model_committed_offset *committed;
    if (node != NULL) {
        committed = container_of(node, struct kafka_model_committed_offset, by_key);
    } else {
        committed = mem_alloc(sizeof(*committed) + key.len);
        *committed = (struct kafka_model_committed_offset){.key_len = key.len};
        memcpy(committed->key, key.ptr, key.len);
        model_list_append(&group->offsets, &committed->by_creation);
        model_map_insert(&group->offsets_by_key, &committed->by_key,
                         slice_from(committed->key, key.len));
    }
    committed->offset = position->offset;
}

static bool partition_exists(const struct kafka_model *model, struct slice name, int32_t partition)
{
    const struct kafka_model_topic *topic = kafka_model_topic_find(model, name);
    return topic != NULL && partition >= 0 && partition < topic->options.partitions;
}

static enum kafka_model_error check_sender(struct kafka_model_group *group,
                                           const struct kafka_model_commit *spec, int64_t now_ms)
{
    if (spec->member == KAFKA_MODEL_NO_MEMBER)
        return group->member_count == 0 ? KAFKA_MODEL_NONE : KAFKA_MODEL_UNKNOWN_MEMBER_ID;
    struct kafka_model_member *member = kafka_model_member_find(group, spec->member);
    if (member == NULL)
        return KAFKA_MODEL_UNKNOWN_MEMBER_ID;
    if (spec->generation != group->generation)
        return KAFKA_MODEL_ILLEGAL_GENERATION;
    kafka_model_member_alive(member, now_ms);
    return group->state == KAFKA_MODEL_GROUP_SYNCING ? KAFKA_MODEL_REBALANCE_IN_PROGRESS
                                                     : KAFKA_MODEL_NONE;
}

/* What the coordinator does. */
static enum kafka_model_error commit(struct kafka_model_group *group,
                                     const struct kafka_model_commit *spec, int64_t now_ms)
{
    enum kafka_model_error error = check_sender(group, spec, now_ms);
    if (error != KAFKA_MODEL_NONE)
        return error;
    for (size_t i = 0; i < spec->count; i++) {
        if (!partition_exists(group->model, spec->positions[i].topic, spec->positions[i].partition))
            return KAFKA_MODEL_UNKNOWN_TOPIC_OR_PARTITION;
    }
    for (size_t i = 0; i < spec->count; i++)
        store(group, &spec->positions[i]);
    return KAFKA_MODEL_NONE;
}

void kafka_model_commit(struct kafka_model *model, const struct kafka_model_commit *spec,
                        int64_t now_ms, struct kafka_model_committed *ret)
{
    kafka_model_advance(model, now_ms);
    struct kafka_model_group *group = kafka_model_group_make(model, spec->group);
    ret->error = kafka_model_group_reach(group, now_ms);
    if (ret->error == KAFKA_MODEL_NONE && kafka_model_fault_lets_through(&spec->fault, &ret->error))
        ret->error = kafka_model_fault_answer(&spec->fault, commit(group, spec, now_ms));
    ret->answer_ms = kafka_model_fault_answer_ms(&spec->fault, ret->error, now_ms);
}

enum kafka_model_error kafka_model_fetch_committed(struct kafka_model *model, struct slice name,
                                                   struct slice topic, int32_t partition,
                                                   int64_t now_ms, int64_t *ret_offset)
{
    kafka_model_advance(model, now_ms);
    struct kafka_model_group *group = kafka_model_group_make(model, name);
    enum kafka_model_error error = kafka_model_group_reach(group, now_ms);
    if (error != KAFKA_MODEL_NONE)
        return error;
    *ret_offset = KAFKA_MODEL_NO_OFFSET;
    if (!partition_exists(model, topic, partition))
        return KAFKA_MODEL_NONE;
    uint8_t buffer[KEY_SIZE];
    struct model_map_node *node =
        model_map_find(&group->offsets_by_key, key_of(topic, partition, buffer));
    if (node != NULL)
        *ret_offset = container_of(node, struct kafka_model_committed_offset, by_key)->offset;
    return KAFKA_MODEL_NONE;
}

void kafka_model_forget_offsets(struct kafka_model *model, struct slice name)
{
    forget_all(kafka_model_group_make(model, name));
}
