/* kafka.h's consumer, as librdkafka's cooperative one behaves: joins, heartbeats, hands over what
 * it is assigned and waits for the release of what it must give back, commits what was handed over
 * every half second and before it gives back.
 *
 * `work` is what librdkafka's threads do, aside of the process's turns; they stand still while the
 * process is stopped. What concerns the program comes in turns of its own. */
#include <string.h>

#include "common/check.h"
#include "common/kafka.h"
#include "common/mem.h"
#include "tests/sim/custody.h"
#include "tests/sim/environment.h"
#include "tests/sim/ledger.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/stand_in.h"
#include "tests/sim/stand_in_consumer.h"
#include "tests/sim/world.h"

#define PARTITIONS_MAX    16
#define RECORDS_PER_TURN  20
#define COMMIT_EVERY_MS   500 /* KAFKA_COMMIT_INTERVAL_MS */
#define AGAIN_MS          100
#define PENDING_MS        20
#define LEAVE_WAIT_MS     7500
#define REBALANCE_TIMEOUT 300000 /* max.poll.interval.ms */

enum member_state {
    MEMBER_OUT,     /* is to join */
    MEMBER_JOINING, /* has joined, waits for the assignment */
    MEMBER_STABLE,
    MEMBER_REVOKING, /* waits for the release */
    MEMBER_LEFT,
};

enum partition_state { PARTITION_FREE, PARTITION_ACTIVE, PARTITION_REVOKED };

struct assignment {
    enum partition_state state;
    int32_t partition;
    int64_t position;
    int64_t stored;    /* -1: none */
    int64_t committed; /* -1: none */
};

struct kafka_consumer {
    struct kafka_consumer *next; /* of the world */
    struct host *host;
    struct sim *sim;
    uint64_t life;
    struct kafka_consumer_callbacks callbacks;
    void *ctx;

    enum member_state state;
    uint64_t member;
    int32_t generation;
    bool abandons;        /* the next join: what was held is gone */
    int64_t heartbeat_ms; /* next */
    int64_t commit_ms;    /* next */
    struct sim_event work;
    struct sim_event fetch;
    bool fetching; /* a turn for records is on its way */

    struct assignment assignments[PARTITIONS_MAX];
    int32_t added[PARTITIONS_MAX]; /* by the assignment at hand, until they are handed over */
    uint32_t added_count;
    int32_t revoked[PARTITIONS_MAX];
    uint32_t revoked_count;
    bool lost;
    uint32_t unreleased;

    bool paused;
    bool leaves;
    bool leaving; /* the last revoke is under way */
    int64_t leave_by_ms;
    loop_fn *on_closed;
    bool closed;
    uint32_t refs;
};

static const struct slice topic = {(const uint8_t *)SIM_DELAY_TOPIC, sizeof(SIM_DELAY_TOPIC) - 1};
static const struct slice group = {(const uint8_t *)SIM_GROUP, sizeof(SIM_GROUP) - 1};

/* --- small things ---------------------------------------------------------------------------- */

static void unref(struct kafka_consumer *c)
{
    if (--c->refs == 0)
        mem_free(c);
}

static void drop(void *ctx)
{
    unref(ctx);
}

static bool is_gone(const struct kafka_consumer *c)
{
    return c->closed || c->host->life != c->life;
}

/* fn in a turn of the process. */
static void post(struct kafka_consumer *c, sim_fn *fn)
{
    c->refs++;
    host_post(c->host, c->life, faults_latency_ms(c->sim), fn, drop, c);
}

static void work_in(struct kafka_consumer *c, int64_t delay_ms)
{
    sim_set(c->sim, &c->work, c->sim->now_ms + delay_ms);
}

static struct kafka_partition to_partition(const struct kafka_consumer *c, uint32_t index)
{
    return (struct kafka_partition){.topic = topic,
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
    unref(c);
    mem_free(news);
}

static void drop_commit(void *ctx)
{
    struct commit_news *news = ctx;
    unref(news->consumer);
    mem_free(news);
}

/* What stands there now is what was applied, whatever the answer says. */
static void note_committed(struct kafka_consumer *c, const struct kafka_model_position *positions,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t offset;
        CHECK(kafka_model_fetch_committed(c->sim->world->kafka, group, topic,
                                          positions[i].partition, c->sim->now_ms,
                                          &offset) == KAFKA_MODEL_NONE);
        custody_committed(c->sim, positions[i].partition, offset);
    }
}

static void commit(struct kafka_consumer *c, enum partition_state state)
{
    struct kafka_model_position positions[PARTITIONS_MAX];
    struct kafka_model_commit spec = {
        .group = group, .member = c->member, .generation = c->generation, .positions = positions};
    for (uint32_t i = 0; i < PARTITIONS_MAX; i++) {
        const struct assignment *a = &c->assignments[i];
        if (a->state == state && a->stored > a->committed)
            positions[spec.count++] = (struct kafka_model_position){topic, a->partition, a->stored};
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

/* --- records --------------------------------------------------------------------------------- */

static void fetch_in(struct kafka_consumer *c, int64_t delay_ms)
{
    if (!c->fetching)
        sim_set(c->sim, &c->fetch, c->sim->now_ms + delay_ms);
}

static void give(struct kafka_consumer *c, uint32_t index, const struct kafka_model_record *from)
{
    static const size_t headers_max = 64;
    struct record_header headers[64];
    struct assignment *a = &c->assignments[index];
    CHECK(from->header_count <= headers_max);
    for (size_t i = 0; i < from->header_count; i++)
        headers[i] = (struct record_header){from->headers[i].name, from->headers[i].value};
    const struct kafka_record record = {
        .partition_index = index,
        .topic = topic,
        .partition = a->partition,
        .offset = from->offset,
        .timestamp_ms = from->timestamp_ms,
        .key = from->key,
        .value = from->value,
        .headers = headers,
        .header_count = from->header_count,
    };
    struct ledger_record *known = ledger_find(c->sim->ledger, a->partition, from->offset);
    if (known != NULL)
        known->consumed++;
    a->position = from->offset + 1;
    c->callbacks.on_record(c->ctx, &record);
}

/* True: there is more. */
static bool fetch_partition(struct kafka_consumer *c, uint32_t index)
{
    struct kafka_model_record records[RECORDS_PER_TURN];
    struct kafka_model_fetched fetched;
    const struct kafka_model_fetch spec = {.topic = topic,
                                           .partition = c->assignments[index].partition,
                                           .offset = c->assignments[index].position,
                                           .records_max = RECORDS_PER_TURN,
                                           .bytes_max = SIZE_MAX};
    kafka_model_fetch(c->sim->world->kafka, &spec, c->sim->now_ms, records, &fetched);
    if (fetched.error != KAFKA_MODEL_NONE)
        return true;
    if (fetched.count > 0)
        sim_say(c->sim, c->host, "takes %zu records of partition %d from %lld", fetched.count,
                (int)spec.partition, (long long)spec.offset);
    for (size_t i = 0; i < fetched.count && !c->host->dying; i++) {
        if (c->paused || c->leaves || c->assignments[index].state != PARTITION_ACTIVE)
            return false;
        give(c, index, &records[i]);
    }
    return fetched.count == RECORDS_PER_TURN;
}

static void take_records(void *ctx)
{
    struct kafka_consumer *c = ctx;
    bool more = false;
    c->fetching = false;
    for (uint32_t i = 0; i < PARTITIONS_MAX && !c->closed; i++)
        if (c->assignments[i].state == PARTITION_ACTIVE && !c->paused && !c->leaves)
            more |= fetch_partition(c, i);
    if (more && !c->closed)
        fetch_in(c, AGAIN_MS);
    unref(c);
}

static void on_fetch(void *ctx)
{
    struct kafka_consumer *c = ctx;
    if (is_gone(c) || c->fetching || nemesis_outage(c->sim->nemesis, FAULT_KAFKA) != NEMESIS_WELL) {
        if (!is_gone(c) && !c->fetching)
            fetch_in(c, AGAIN_MS);
        return;
    }
    c->fetching = true;
    post(c, take_records);
}

void kafka_consumer_pause(struct kafka_consumer *c, bool paused)
{
    c->paused = paused;
    if (!paused)
        fetch_in(c, 0);
}

void stand_in_consumers_wake(struct sim *sim)
{
    for (struct kafka_consumer *c = sim->world->consumers; c != NULL; c = c->next)
        if (c->fetch.node.place == 0)
            fetch_in(c, faults_latency_ms(sim));
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
        if (kafka_model_fetch_committed(c->sim->world->kafka, group, topic, c->added[i],
                                        c->sim->now_ms, &offset) != KAFKA_MODEL_NONE)
            offset = 0;
        c->assignments[index] =
            (struct assignment){PARTITION_ACTIVE, c->added[i], MAX(offset, 0), -1, -1};
        partitions[count++] = to_partition(c, index);
    }
    c->added_count = 0;
    if (count > 0) {
        sim_say(c->sim, c->host, "is assigned %u partitions", count);
        c->callbacks.on_assigned(c->ctx, partitions, count);
        fetch_in(c, faults_latency_ms(c->sim));
    }
    unref(c);
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
        work_in(c, 0);
    }
    unref(c);
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
        work_in(c, 0);
}

static void begin_revoke(struct kafka_consumer *c, bool lost)
{
    c->state = MEMBER_REVOKING;
    c->lost = lost;
    c->unreleased = UINT32_MAX; /* until the program has been told */
    post(c, tell_revoked);
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
    const struct kafka_model_join spec = {.group = group,
                                          .member = c->member,
                                          .topics = &topic,
                                          .topic_count = 1,
                                          .session_timeout_ms = c->sim->options.session_ms,
                                          .rebalance_timeout_ms = REBALANCE_TIMEOUT,
                                          .abandons = c->abandons};
    enum kafka_model_error error =
        kafka_model_join(c->sim->world->kafka, &spec, c->sim->now_ms, &c->member);
    if (error == KAFKA_MODEL_NONE) {
        c->state = MEMBER_JOINING;
        c->abandons = false;
        work_in(c, PENDING_MS);
    } else if (error == KAFKA_MODEL_UNKNOWN_MEMBER_ID || error == KAFKA_MODEL_ILLEGAL_GENERATION) {
        c->member = KAFKA_MODEL_NO_MEMBER;
        revoke_all(c, true);
    } else {
        work_in(c, AGAIN_MS);
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
    enum kafka_model_error error = kafka_model_assignment(c->sim->world->kafka, group, c->member,
                                                          c->sim->now_ms, on_claim, c, &membership);
    if (error == KAFKA_MODEL_UNKNOWN_MEMBER_ID || error == KAFKA_MODEL_ILLEGAL_GENERATION) {
        lose(c);
    } else if (error == KAFKA_MODEL_REBALANCE_IN_PROGRESS) {
        join(c);
    } else if (error != KAFKA_MODEL_NONE || membership.pending) {
        work_in(c, error != KAFKA_MODEL_NONE ? AGAIN_MS : PENDING_MS);
    } else {
        c->generation = membership.generation;
        c->state = MEMBER_STABLE;
        c->heartbeat_ms = c->sim->now_ms + c->sim->options.session_ms / 3;
        if (c->revoked_count > 0)
            begin_revoke(c, false);
        else if (c->added_count > 0)
            post(c, tell_assigned);
        work_in(c, PENDING_MS);
    }
}

static void heartbeat(struct kafka_consumer *c)
{
    if (c->sim->now_ms < c->heartbeat_ms)
        return;
    c->heartbeat_ms = c->sim->now_ms + c->sim->options.session_ms / 3;
    enum kafka_model_error error = kafka_model_heartbeat(c->sim->world->kafka, group, c->member,
                                                         c->generation, c->sim->now_ms);
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
    unref(c);
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
        kafka_model_leave(c->sim->world->kafka, group, c->member, c->sim->now_ms);
        c->state = MEMBER_LEFT;
        post(c, tell_closed);
        return;
    }
    if (c->added_count > 0)
        post(c, tell_assigned);
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
        c->leaving = true;
        revoke_all(c, false);
        return;
    }
    int64_t next_ms = is_dirty(c) ? MIN(c->heartbeat_ms, c->commit_ms) : c->heartbeat_ms;
    work_in(c, MAX(next_ms - sim->now_ms, c->leaves ? PENDING_MS : 1));
}

static void work(void *ctx)
{
    struct kafka_consumer *c = ctx;
    if (is_gone(c))
        return;
    if (c->host->paused) {
        work_in(c, AGAIN_MS);
        return;
    }
    switch (c->state) {
    case MEMBER_OUT:
        join(c);
        return;
    case MEMBER_JOINING:
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
            work_in(c, MAX(c->heartbeat_ms - c->sim->now_ms, AGAIN_MS));
        return;
    case MEMBER_LEFT:
        return;
    }
    UNREACHABLE();
}

/* --- life ------------------------------------------------------------------------------------ */

struct kafka_consumer *
kafka_consumer_new(struct loop *loop, const char *bootstrap_servers, const char *group_id,
                   const char *const *topics, size_t topic_count,
                   const struct kafka_property *properties, size_t property_count,
                   const struct kafka_consumer_callbacks *callbacks, void *ctx, struct buf *errors)
{
    struct kafka_consumer *c = mem_calloc(1, sizeof(*c));
    (void)bootstrap_servers;
    (void)properties;
    (void)property_count;
    (void)errors;
    CHECK(slice_equal_str(group, group_id) && topic_count == 1 &&
          slice_equal_str(topic, topics[0]));
    c->host = stand_in_loop_host(loop);
    c->sim = c->host->sim;
    c->life = c->host->life;
    c->callbacks = *callbacks;
    c->ctx = ctx;
    c->refs = 1;
    c->work = (struct sim_event){.fn = work, .ctx = c};
    c->fetch = (struct sim_event){.fn = on_fetch, .ctx = c};
    c->next = c->sim->world->consumers;
    c->sim->world->consumers = c;
    work_in(c, faults_latency_ms(c->sim));
    return c;
}

void kafka_consumer_close(struct kafka_consumer *c, loop_fn *on_closed)
{
    c->leaves = true;
    c->on_closed = on_closed;
    c->leave_by_ms = c->sim->now_ms + LEAVE_WAIT_MS;
    work_in(c, 0);
}

void kafka_consumer_free(struct kafka_consumer *c)
{
    if (c == NULL)
        return;
    struct kafka_consumer **link = &c->sim->world->consumers;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    sim_cancel(c->sim, &c->work);
    sim_cancel(c->sim, &c->fetch);
    c->closed = true;
    unref(c);
}

int64_t kafka_consumer_lag(const struct kafka_consumer *c)
{
    (void)c;
    return 0;
}

bool kafka_consumer_is_reachable(const struct kafka_consumer *c)
{
    (void)c;
    return true;
}

enum status kafka_check(const char *bootstrap_servers, const struct kafka_property *properties,
                        size_t property_count, const char *const *topics, int32_t *ret_partitions,
                        size_t topic_count, int64_t timeout_ms, struct error *reterr)
{
    (void)bootstrap_servers;
    (void)properties;
    (void)property_count;
    (void)topics;
    (void)timeout_ms;
    (void)reterr;
    for (size_t i = 0; i < topic_count; i++)
        ret_partitions[i] = 1;
    return STATUS_OK;
}
