/* kafka.h's consumer, as librdkafka's cooperative one behaves, towards the group: joins,
 * heartbeats, waits for the release of what it must give back, commits what was handed over every
 * half second and before it gives back.
 *
 * `work` is what librdkafka's threads do, aside of the process's turns; they stand still while the
 * process is stopped. What concerns the program comes in turns of its own. */
#include "common/check.h"
#include "common/mem.h"
#include "tests/sim/custody.h"
#include "tests/sim/stand_in_consumer_internal.h"
#include "tests/sim/world.h"

#define COMMIT_EVERY_MS   500 /* KAFKA_COMMIT_INTERVAL_MS */
#define AGAIN_MS          100
#define PENDING_MS        20
#define REBALANCE_TIMEOUT 300000 /* max.poll.interval.ms */

/* --- small things ---------------------------------------------------------------------------- */

void stand_in_member_wake(struct kafka_consumer *c, int64_t delay_ms)
{
    sim_set(c->sim, &c->work, c->sim->now_ms + delay_ms);
}

static struct kafka_partition to_partition(const struct kafka_consumer *c, uint32_t index)
{
    return (struct kafka_partition){.topic = stand_in_topic,
                                    .partition = c->assignments[index].partition,
                                    .index = index,
                                    .offset = c->assignments[index].position};
}

static struct assignment *find(struct kafka_consumer *c, int32_t partition)
{
    for (uint32_t i = 0; i < PARTITIONS_MAX; i++)
        if (c->assignments[i].state != PARTITION_FREE && c->assignments[i].partition == partition)
            return &c->assignments[i];
    return NULL;
}

/* --- commits --------------------------------------------------------------------------------- */

/* What a commit's answer tells the program, in a turn. */
struct commit_news {
    struct kafka_consumer *consumer;
    struct error error;
};

static void tell_commit(void *ctx)
{
    struct commit_news *news = ctx;
    struct kafka_consumer *c = news->consumer;
    if (!c->closed)
        c->callbacks.on_committed(c->ctx, NULL, 0,
                                  news->error.kind == ERROR_NONE ? NULL : &news->error);
    stand_in_consumer_unref(c);
    mem_free(news);
}

static void drop_commit(void *ctx)
{
    struct commit_news *news = ctx;
    stand_in_consumer_unref(news->consumer);
    mem_free(news);
}

/* What stands there now is what was applied, whatever the answer says. */
static void note_committed(struct kafka_consumer *c, const struct kafka_model_position *positions,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t offset;
        CHECK(kafka_model_fetch_committed(c->sim->world->kafka, stand_in_group, stand_in_topic,
                                          positions[i].partition, c->sim->now_ms,
                                          &offset) == KAFKA_MODEL_NONE);
        custody_committed(c->sim, positions[i].partition, offset);
    }
}

static void commit(struct kafka_consumer *c, enum partition_state state)
{
    struct kafka_model_position positions[PARTITIONS_MAX];
    struct kafka_model_commit spec = {.group = stand_in_group,
                                      .member = c->member,
                                      .generation = c->generation,
                                      .positions = positions};
    for (uint32_t i = 0; i < PARTITIONS_MAX; i++) {
        const struct assignment *a = &c->assignments[i];
        if (a->state == state && a->stored > a->committed)
            positions[spec.count++] =
                (struct kafka_model_position){stand_in_topic, a->partition, a->stored};
    }
    if (spec.count == 0 || !host_acts(c->host))
        return;
    spec.fault = faults_kafka(c->sim);
    struct kafka_model_committed committed;
    kafka_model_commit(c->sim->world->kafka, &spec, c->sim->now_ms, &committed);
    sim_say(c->sim, c->host, "commits %zu: %s", spec.count,
            kafka_model_error_name(committed.error));
    if (committed.error != KAFKA_MODEL_TRANSPORT && committed.error != KAFKA_MODEL_NOT_COORDINATOR)
        note_committed(c, positions, spec.count);
    for (size_t i = 0; i < spec.count && committed.error == KAFKA_MODEL_NONE; i++)
        find(c, positions[i].partition)->committed = positions[i].offset;
    struct commit_news *news = mem_calloc(1, sizeof(*news));
    news->consumer = c;
    if (committed.error != KAFKA_MODEL_NONE)
        stand_in_kafka_error(&news->error, ERROR_RETRY, committed.error);
    c->refs++;
    host_post(c->host, c->life, spec.fault.delay_ms, tell_commit, drop_commit, news);
}

static bool is_dirty(const struct kafka_consumer *c)
{
    for (uint32_t i = 0; i < PARTITIONS_MAX; i++)
        if (c->assignments[i].state == PARTITION_ACTIVE &&
            c->assignments[i].stored > c->assignments[i].committed)
            return true;
    return false;
}

enum status kafka_consumer_commit(struct kafka_consumer *c,
                                  const struct kafka_partition *partitions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct assignment *a = find(c, partitions[i].partition);
        if (a == NULL)
            return STATUS_INVALID;
        a->stored = partitions[i].offset;
    }
    if (c->work.node.place == 0 || c->work.node.at_ms > c->commit_ms)
        sim_set(c->sim, &c->work, c->commit_ms);
    return STATUS_OK;
}

/* --- rebalances ------------------------------------------------------------------------------ */

static void tell_assigned(void *ctx)
{
    struct kafka_consumer *c = ctx;
    struct kafka_partition partitions[PARTITIONS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->added_count && !c->closed; i++) {
        uint32_t index = 0;
        while (c->assignments[index].state != PARTITION_FREE)
            index++;
        int64_t offset;
        if (kafka_model_fetch_committed(c->sim->world->kafka, stand_in_group, stand_in_topic,
                                        c->added[i], c->sim->now_ms, &offset) != KAFKA_MODEL_NONE)
            offset = 0;
        c->assignments[index] =
            (struct assignment){PARTITION_ACTIVE, c->added[i], MAX(offset, 0), -1, -1};
        partitions[count++] = to_partition(c, index);
    }
    c->added_count = 0;
    if (count > 0) {
        sim_say(c->sim, c->host, "is assigned %u partitions", count);
        c->callbacks.on_assigned(c->ctx, partitions, count);
        stand_in_consumer_fetch(c, faults_latency_ms(c->sim));
    }
    stand_in_consumer_unref(c);
}

static void tell_revoked(void *ctx)
{
    struct kafka_consumer *c = ctx;
    struct kafka_partition partitions[PARTITIONS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->revoked_count && !c->closed; i++) {
        struct assignment *a = find(c, c->revoked[i]);
        if (a == NULL)
            continue;
        a->state = PARTITION_REVOKED;
        partitions[count++] = to_partition(c, (uint32_t)(a - c->assignments));
    }
    c->unreleased = count;
    if (count > 0) {
        sim_say(c->sim, c->host, "must give back %u partitions%s", count, c->lost ? ", lost" : "");
        c->callbacks.on_revoked(c->ctx, partitions, count, c->lost);
    } else if (!c->closed) {
        stand_in_member_wake(c, 0);
    }
    stand_in_consumer_unref(c);
}

void kafka_consumer_release(struct kafka_consumer *c, const struct kafka_partition *partitions,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct assignment *a = find(c, partitions[i].partition);
        if (a != NULL && a->state == PARTITION_REVOKED && c->unreleased > 0)
            c->unreleased--;
    }
    if (c->unreleased == 0)
        stand_in_member_wake(c, 0);
}

static void begin_revoke(struct kafka_consumer *c, bool lost)
{
    c->state = MEMBER_REVOKING;
    c->lost = lost;
    c->unreleased = UINT32_MAX; /* until the program has been told */
    stand_in_consumer_post(c, tell_revoked);
}

static void revoke_all(struct kafka_consumer *c, bool lost)
{
    c->revoked_count = 0;
    for (uint32_t i = 0; i < PARTITIONS_MAX; i++)
        if (c->assignments[i].state == PARTITION_ACTIVE)
            c->revoked[c->revoked_count++] = c->assignments[i].partition;
    begin_revoke(c, lost);
}

static void on_claim(void *ctx, const struct kafka_model_claim *claim)
{
    struct kafka_consumer *c = ctx;
    CHECK(claim->partition < PARTITIONS_MAX);
    if (claim->type == KAFKA_MODEL_CLAIM_ADDED)
        c->added[c->added_count++] = claim->partition;
    else if (claim->type == KAFKA_MODEL_CLAIM_REVOKED)
        c->revoked[c->revoked_count++] = claim->partition;
}

/* --- the member ------------------------------------------------------------------------------ */

static void join(struct kafka_consumer *c)
{
    const struct kafka_model_join spec = {.group = stand_in_group,
                                          .member = c->member,
                                          .topics = &stand_in_topic,
                                          .topic_count = 1,
                                          .session_timeout_ms = c->sim->options.session_ms,
                                          .rebalance_timeout_ms = REBALANCE_TIMEOUT,
                                          .abandons = c->abandons};
    enum kafka_model_error error =
        kafka_model_join(c->sim->world->kafka, &spec, c->sim->now_ms, &c->member);
    if (error == KAFKA_MODEL_NONE) {
        c->state = MEMBER_JOINING;
        c->abandons = false;
        stand_in_member_wake(c, PENDING_MS);
    } else if (error == KAFKA_MODEL_UNKNOWN_MEMBER_ID || error == KAFKA_MODEL_ILLEGAL_GENERATION) {
        c->member = KAFKA_MODEL_NO_MEMBER;
        revoke_all(c, true);
    } else {
        stand_in_member_wake(c, AGAIN_MS);
    }
}

static void lose(struct kafka_consumer *c)
{
    c->member = KAFKA_MODEL_NO_MEMBER;
    c->added_count = 0;
    revoke_all(c, true);
}

static void ask(struct kafka_consumer *c)
{
    struct kafka_model_membership membership = {0};
    c->added_count = 0;
    c->revoked_count = 0;
    enum kafka_model_error error = kafka_model_assignment(
        c->sim->world->kafka, stand_in_group, c->member, c->sim->now_ms, on_claim, c, &membership);
    if (error == KAFKA_MODEL_UNKNOWN_MEMBER_ID || error == KAFKA_MODEL_ILLEGAL_GENERATION) {
        lose(c);
    } else if (error == KAFKA_MODEL_REBALANCE_IN_PROGRESS) {
        join(c);
    } else if (error != KAFKA_MODEL_NONE || membership.pending) {
        stand_in_member_wake(c, error != KAFKA_MODEL_NONE ? AGAIN_MS : PENDING_MS);
    } else {
        c->generation = membership.generation;
        c->state = MEMBER_STABLE;
        c->heartbeat_ms = c->sim->now_ms + c->sim->options.session_ms / 3;
        if (c->revoked_count > 0)
            begin_revoke(c, false);
        else if (c->added_count > 0)
            stand_in_consumer_post(c, tell_assigned);
        stand_in_member_wake(c, PENDING_MS);
    }
}

static void heartbeat(struct kafka_consumer *c)
{
    if (c->sim->now_ms < c->heartbeat_ms)
        return;
    c->heartbeat_ms = c->sim->now_ms + c->sim->options.session_ms / 3;
    enum kafka_model_error error = kafka_model_heartbeat(c->sim->world->kafka, stand_in_group,
                                                         c->member, c->generation, c->sim->now_ms);
    if (c->state != MEMBER_STABLE)
        return; /* it will be found out by the next join */
    if (error == KAFKA_MODEL_REBALANCE_IN_PROGRESS)
        join(c);
    else if (error == KAFKA_MODEL_UNKNOWN_MEMBER_ID || error == KAFKA_MODEL_ILLEGAL_GENERATION)
        lose(c);
}

static void tell_closed(void *ctx)
{
    struct kafka_consumer *c = ctx;
    if (!c->closed)
        c->on_closed(c->ctx);
    stand_in_consumer_unref(c);
}

static void begin_leave(struct kafka_consumer *c)
{
    c->leaving = true;
    revoke_all(c, false);
}

/* The program has let go. */
static void finish_revoke(struct kafka_consumer *c)
{
    if (!c->lost)
        commit(c, PARTITION_REVOKED);
    for (uint32_t i = 0; i < PARTITIONS_MAX; i++)
        if (c->assignments[i].state == PARTITION_REVOKED)
            c->assignments[i].state = PARTITION_FREE;
    c->abandons = c->lost;
    if (c->leaving) {
        kafka_model_leave(c->sim->world->kafka, stand_in_group, c->member, c->sim->now_ms);
        c->state = MEMBER_LEFT;
        stand_in_consumer_post(c, tell_closed);
        return;
    }
    if (c->added_count > 0)
        stand_in_consumer_post(c, tell_assigned);
    join(c);
}

static void steady(struct kafka_consumer *c)
{
    struct sim *sim = c->sim;
    heartbeat(c);
    if (c->state != MEMBER_STABLE)
        return;
    if (is_dirty(c) && sim->now_ms >= c->commit_ms) {
        c->commit_ms = sim->now_ms + COMMIT_EVERY_MS;
        commit(c, PARTITION_ACTIVE);
    }
    if (c->leaves && c->added_count == 0 && (!is_dirty(c) || sim->now_ms >= c->leave_by_ms)) {
        begin_leave(c);
        return;
    }
    int64_t next_ms = is_dirty(c) ? MIN(c->heartbeat_ms, c->commit_ms) : c->heartbeat_ms;
    stand_in_member_wake(c, MAX(next_ms - sim->now_ms, c->leaves ? PENDING_MS : 1));
}

void stand_in_member_work(void *ctx)
{
    struct kafka_consumer *c = ctx;
    if (stand_in_consumer_is_gone(c))
        return;
    if (c->host->paused) {
        stand_in_member_wake(c, AGAIN_MS);
        return;
    }
    switch (c->state) {
    case MEMBER_OUT:
        join(c);
        return;
    case MEMBER_JOINING: /* which lasts as long as a silent member is believed to live */
        if (c->leaves && c->sim->now_ms >= c->leave_by_ms)
            begin_leave(c);
        else
            ask(c);
        return;
    case MEMBER_STABLE:
        steady(c);
        return;
    case MEMBER_REVOKING:
        heartbeat(c);
        if (c->unreleased == 0)
            finish_revoke(c);
        else
            stand_in_member_wake(c, MAX(c->heartbeat_ms - c->sim->now_ms, AGAIN_MS));
        return;
    case MEMBER_LEFT:
        return;
    }
    UNREACHABLE();
}
