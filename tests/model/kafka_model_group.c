/* Members: joining, the generations they make, what time does to both.
 *
 * EMPTY -> JOINING -> SYNCING -> STABLE, and from everywhere back to JOINING when somebody joins or
 * goes. A partition changes hands only where its holder is known to have let go: when it joins
 * again after it was told, or when it is out. */
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/model/kafka_model_internal.h"

static struct kafka_model_member *member_at(struct model_list_node *node)
{
    return container_of(node, struct kafka_model_member, by_id);
}

struct kafka_model_member *kafka_model_member_find(const struct kafka_model_group *group,
                                                   uint64_t id)
{
    for (struct model_list_node *node = model_list_first(&group->members); node != NULL;
         node = model_list_next(&group->members, node)) {
        if (member_at(node)->id == id)
            return member_at(node);
    }
    return NULL;
}

void kafka_model_member_alive(struct kafka_model_member *member, int64_t now_ms)
{
    if (!member->joined)
        model_heap_set(&member->group->model->sessions, &member->session,
                       now_ms + member->session_timeout_ms);
}

void kafka_model_member_free(struct kafka_model_member *member)
{
    model_list_remove(&member->by_id);
    model_heap_remove(&member->group->model->sessions, &member->session);
    mem_free(member->topics);
    mem_free(member);
}

/* Whatever it holds is free from now on. */
static void expel(struct kafka_model_member *member)
{
    struct kafka_model_group *group = member->group;
    for (size_t i = 0; i < group->share_count; i++) {
        struct kafka_model_share *share = &group->shares[i];
        if (share->holder == member->id)
            share->holder = KAFKA_MODEL_NO_MEMBER;
        if (share->owner == member->id)
            share->owner = KAFKA_MODEL_NO_MEMBER;
    }
    group->member_count--;
    kafka_model_member_free(member);
}

static void set_state(struct kafka_model_group *group, enum kafka_model_group_state state,
                      int64_t wake_ms)
{
    group->state = state;
    if (wake_ms == KAFKA_MODEL_NEVER)
        model_heap_remove(&group->model->wakes, &group->wake);
    else
        model_heap_set(&group->model->wakes, &group->wake, wake_ms);
}

/* The new generation begins with those who have joined. */
static void begin_generation(struct kafka_model_group *group, int64_t now_ms)
{
    struct model_list_node *next;
    for (struct model_list_node *node = model_list_first(&group->members); node != NULL;
         node = next) {
        struct kafka_model_member *member = member_at(node);
        next = model_list_next(&group->members, node);
        if (!member->joined) {
            expel(member);
            continue;
        }
        member->joined = false;
        kafka_model_member_alive(member, now_ms);
    }
    group->generation++;
    group->gathering = false;
    if (group->member_count == 0) {
        set_state(group, KAFKA_MODEL_GROUP_EMPTY, KAFKA_MODEL_NEVER);
        return;
    }
    kafka_model_assign(group);
    int64_t sync_ms = group->model->options.sync_ms;
    set_state(group, sync_ms > 0 ? KAFKA_MODEL_GROUP_SYNCING : KAFKA_MODEL_GROUP_STABLE,
              sync_ms > 0 ? now_ms + sync_ms : KAFKA_MODEL_NEVER);
}

static void begin_if_complete(struct kafka_model_group *group, int64_t now_ms)
{
    if (group->gathering)
        return;
    for (struct model_list_node *node = model_list_first(&group->members); node != NULL;
         node = model_list_next(&group->members, node)) {
        if (!member_at(node)->joined)
            return;
    }
    begin_generation(group, now_ms);
}

static void start_joining(struct kafka_model_group *group, int64_t now_ms)
{
    int64_t wait_ms = group->model->options.first_rebalance_ms;
    group->gathering = group->state == KAFKA_MODEL_GROUP_EMPTY && wait_ms > 0;
    for (struct model_list_node *node = model_list_first(&group->members);
         node != NULL && !group->gathering; node = model_list_next(&group->members, node))
        wait_ms = MAX(wait_ms, member_at(node)->rebalance_timeout_ms);
    set_state(group, KAFKA_MODEL_GROUP_JOINING, now_ms + wait_ms);
}

/* After somebody has joined or gone. */
static void rebalance(struct kafka_model_group *group, int64_t now_ms)
{
    if (group->state != KAFKA_MODEL_GROUP_JOINING)
        start_joining(group, now_ms);
    begin_if_complete(group, now_ms);
}

static void on_wake(struct kafka_model_group *group, int64_t now_ms)
{
    switch (group->state) {
    case KAFKA_MODEL_GROUP_JOINING:
        begin_generation(group, now_ms);
        return;
    case KAFKA_MODEL_GROUP_SYNCING:
        set_state(group, KAFKA_MODEL_GROUP_STABLE, KAFKA_MODEL_NEVER);
        return;
    case KAFKA_MODEL_GROUP_EMPTY:
    case KAFKA_MODEL_GROUP_STABLE:
        break; /* these set no wake */
    }
    UNREACHABLE();
}

static void on_session_over(struct kafka_model_member *member, int64_t now_ms)
{
    struct kafka_model_group *group = member->group;
    expel(member);
    rebalance(group, now_ms);
}

int64_t kafka_model_next_ms(const struct kafka_model *model)
{
    return MIN(model_heap_next_ms(&model->sessions), model_heap_next_ms(&model->wakes));
}

void kafka_model_advance(struct kafka_model *model, int64_t now_ms)
{
    int64_t at_ms;
    while ((at_ms = kafka_model_next_ms(model)) <= now_ms) {
        struct model_heap_node *node = model_heap_pop(&model->wakes, at_ms);
        if (node != NULL)
            on_wake(container_of(node, struct kafka_model_group, wake), at_ms);
        else if ((node = model_heap_pop(&model->sessions, at_ms)) != NULL)
            on_session_over(container_of(node, struct kafka_model_member, session), at_ms);
    }
}

/* --- calls ----------------------------------------------------------------------------------- */

static void set_topics(struct kafka_model_member *member, const struct slice *topics, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += topics[i].len;
    mem_free(member->topics);
    member->topics = mem_alloc(count * sizeof(*topics) + bytes);
    member->topic_count = count;
    uint8_t *at = (uint8_t *)(member->topics + count);
    for (size_t i = 0; i < count; i++) {
        memcpy(at, topics[i].ptr, topics[i].len);
        member->topics[i] = slice_from(at, topics[i].len);
        at += topics[i].len;
    }
}

/* By joining again a member says that it holds what it was told last, and no more. */
static void hand_back(const struct kafka_model_member *member, bool everything)
{
    struct kafka_model_group *group = member->group;
    for (size_t i = 0; i < group->share_count; i++) {
        struct kafka_model_share *share = &group->shares[i];
        bool told_to = member->told == group->generation && share->owner != member->id;
        if (share->holder == member->id && (everything || told_to))
            share->holder = KAFKA_MODEL_NO_MEMBER;
    }
}

enum kafka_model_error kafka_model_join(struct kafka_model *model,
                                        const struct kafka_model_join *spec, int64_t now_ms,
                                        uint64_t *ret_member)
{
    kafka_model_advance(model, now_ms);
    struct kafka_model_group *group = kafka_model_group_make(model, spec->group);
    enum kafka_model_error error = kafka_model_group_reach(group, now_ms);
    if (error != KAFKA_MODEL_NONE)
        return error;
    struct kafka_model_member *member = kafka_model_member_find(group, spec->member);
    if (member == NULL && spec->member != KAFKA_MODEL_NO_MEMBER)
        return KAFKA_MODEL_UNKNOWN_MEMBER_ID;
    if (group->member_count > 0 && group->eager != spec->eager)
        return KAFKA_MODEL_INCONSISTENT_GROUP_PROTOCOL;
    if (member == NULL) {
        member = mem_alloc(sizeof(*member));
        *member = (struct kafka_model_member){.group = group, .id = model->next_member++};
        model_list_append(&group->members, &member->by_id);
        group->member_count++;
        group->eager = spec->eager;
    }
    set_topics(member, spec->topics, spec->topic_count);
    member->session_timeout_ms = spec->session_timeout_ms;
    member->rebalance_timeout_ms = spec->rebalance_timeout_ms;
    hand_back(member, spec->eager || spec->abandons);
    member->joined = true;
    model_heap_remove(&model->sessions, &member->session);
    *ret_member = member->id;
    rebalance(group, now_ms);
    return KAFKA_MODEL_NONE;
}

/* The member, if the coordinator is there and knows it; NULL with *reterr. */
static struct kafka_model_member *reach(struct kafka_model *model, struct slice name, uint64_t id,
                                        int64_t now_ms, enum kafka_model_error *reterr)
{
    kafka_model_advance(model, now_ms);
    struct kafka_model_group *group = kafka_model_group_make(model, name);
    *reterr = kafka_model_group_reach(group, now_ms);
    if (*reterr != KAFKA_MODEL_NONE)
        return NULL;
    struct kafka_model_member *member = kafka_model_member_find(group, id);
    if (member == NULL)
        *reterr = KAFKA_MODEL_UNKNOWN_MEMBER_ID;
    return member;
}

static void tell(struct kafka_model_member *member, kafka_model_claim_fn *on_claim, void *ctx)
{
    struct kafka_model_group *group = member->group;
    for (size_t i = 0; i < group->share_count; i++) {
        struct kafka_model_share *share = &group->shares[i];
        bool held = share->holder == member->id;
        bool owned = share->owner == member->id;
        if (!held && !owned)
            continue;
        if (owned)
            share->holder = member->id;
        on_claim(ctx, &(struct kafka_model_claim){.topic = kafka_model_topic_name(share->topic),
                                                  .partition = share->partition,
                                                  .type = !owned ? KAFKA_MODEL_CLAIM_REVOKED
                                                          : held ? KAFKA_MODEL_CLAIM_KEPT
                                                                 : KAFKA_MODEL_CLAIM_ADDED});
    }
    member->told = group->generation;
}

enum kafka_model_error kafka_model_assignment(struct kafka_model *model, struct slice name,
                                              uint64_t id, int64_t now_ms,
                                              kafka_model_claim_fn *on_claim, void *ctx,
                                              struct kafka_model_membership *ret)
{
    enum kafka_model_error error;
    struct kafka_model_member *member = reach(model, name, id, now_ms, &error);
    if (member == NULL)
        return error;
    const struct kafka_model_group *group = member->group;
    kafka_model_member_alive(member, now_ms);
    if (group->state == KAFKA_MODEL_GROUP_JOINING && !member->joined)
        return KAFKA_MODEL_REBALANCE_IN_PROGRESS;
    ret->pending = group->state != KAFKA_MODEL_GROUP_STABLE;
    ret->generation = member->joined ? 0 : group->generation;
    if (!ret->pending)
        tell(member, on_claim, ctx);
    return KAFKA_MODEL_NONE;
}

enum kafka_model_error kafka_model_heartbeat(struct kafka_model *model, struct slice name,
                                             uint64_t id, int32_t generation, int64_t now_ms)
{
    enum kafka_model_error error;
    struct kafka_model_member *member = reach(model, name, id, now_ms, &error);
    if (member == NULL)
        return error;
    if (generation != member->group->generation)
        return KAFKA_MODEL_ILLEGAL_GENERATION;
    kafka_model_member_alive(member, now_ms);
    return member->group->state == KAFKA_MODEL_GROUP_JOINING ? KAFKA_MODEL_REBALANCE_IN_PROGRESS
                                                             : KAFKA_MODEL_NONE;
}

enum kafka_model_error kafka_model_leave(struct kafka_model *model, struct slice name, uint64_t id,
                                         int64_t now_ms)
{
    enum kafka_model_error error;
    struct kafka_model_member *member = reach(model, name, id, now_ms, &error);
    if (member == NULL)
        return error;
    struct kafka_model_group *group = member->group;
    expel(member);
    rebalance(group, now_ms);
    return KAFKA_MODEL_NONE;
}
