/* The assignor: balanced, moving as little as it can, and in two phases. */
#include "common/mem.h"
#include "tests/model/kafka_model_internal.h"

static bool reads(const struct kafka_model_member *member, const struct kafka_model_topic *topic)
{
    for (size_t i = 0; i < member->topic_count; i++) {
        if (slice_equal(member->topics[i], kafka_model_topic_name(topic)))
            return true;
    }
    return false;
}

/* Who reads the topic and has least; the older of equals. NULL: nobody reads it. */
static struct kafka_model_member *least_loaded(const struct kafka_model_group *group,
                                               const struct kafka_model_topic *topic)
{
    struct kafka_model_member *least = NULL;
    for (struct model_list_node *node = model_list_first(&group->members); node != NULL;
         node = model_list_next(&group->members, node)) {
        struct kafka_model_member *member = container_of(node, struct kafka_model_member, by_id);
        if (reads(member, topic) && (least == NULL || member->load < least->load))
            least = member;
    }
    return least;
}

/* Every partition that somebody reads or still holds; what was known of it stays. */
static void list_shares(struct kafka_model_group *group)
{
    struct kafka_model_share *old = group->shares;
    struct kafka_model_share *old_end = old + group->share_count;
    struct kafka_model_share *shares = NULL;
    size_t count = 0;
    size_t capacity = 0;
    for (struct model_list_node *node = model_list_first(&group->model->topics); node != NULL;
         node = model_list_next(&group->model->topics, node)) {
        struct kafka_model_topic *topic = container_of(node, struct kafka_model_topic, by_creation);
        bool is_read = least_loaded(group, topic) != NULL;
        for (int32_t i = 0; i < topic->options.partitions; i++) {
            struct kafka_model_share share = {.topic = topic, .partition = i};
            if (old < old_end && old->topic == topic && old->partition == i)
                share = *old++;
            if (!is_read && share.holder == KAFKA_MODEL_NO_MEMBER)
                continue;
            if (count == capacity) {
                capacity = capacity == 0 ? 16 : 2 * capacity;
                shares = mem_realloc(shares, capacity * sizeof(*shares));
            }
            shares[count++] = share;
        }
    }
    mem_free(group->shares);
    group->shares = shares;
    group->share_count = count;
}

/* Moves from the loaded to the less loaded until no move helps; each lowers the sum of squares. */
static void balance(struct kafka_model_group *group, struct kafka_model_member **targets)
{
    bool moved = true;
    while (moved) {
        moved = false;
        for (size_t i = group->share_count; i-- > 0;) {
            if (targets[i] == NULL)
                continue;
            struct kafka_model_member *least = least_loaded(group, group->shares[i].topic);
            if (targets[i]->load < least->load + 2)
                continue;
            targets[i]->load--;
            least->load++;
            targets[i] = least;
            moved = true;
        }
    }
}

void kafka_model_assign(struct kafka_model_group *group)
{
    list_shares(group);
    struct kafka_model_member **targets = mem_calloc(group->share_count, sizeof(*targets));
    for (struct model_list_node *node = model_list_first(&group->members); node != NULL;
         node = model_list_next(&group->members, node))
        container_of(node, struct kafka_model_member, by_id)->load = 0;
    for (size_t i = 0; i < group->share_count; i++) {
        const struct kafka_model_share *share = &group->shares[i];
        struct kafka_model_member *stays = kafka_model_member_find(
            group, share->holder != KAFKA_MODEL_NO_MEMBER ? share->holder : share->former);
        if (stays != NULL && reads(stays, share->topic)) {
            targets[i] = stays;
            stays->load++;
        }
    }
    for (size_t i = 0; i < group->share_count; i++) {
        if (targets[i] == NULL)
            targets[i] = least_loaded(group, group->shares[i].topic);
        else
            continue;
        if (targets[i] != NULL)
            targets[i]->load++;
    }
    balance(group, targets);
    for (size_t i = 0; i < group->share_count; i++) {
        struct kafka_model_share *share = &group->shares[i];
        uint64_t target = targets[i] == NULL ? KAFKA_MODEL_NO_MEMBER : targets[i]->id;
        bool must_wait = share->holder != KAFKA_MODEL_NO_MEMBER && share->holder != target;
        share->former = target;
        share->owner = must_wait ? KAFKA_MODEL_NO_MEMBER : target;
    }
    mem_free(targets);
}
