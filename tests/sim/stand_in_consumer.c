/* kafka.h's consumer, as librdkafka's cooperative one behaves, towards the program: hands over the
 * records of what it is assigned. The member of the group it is stands in stand_in_member.c. */
#include "common/check.h"
#include "common/mem.h"
#include "tests/sim/ledger.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/stand_in_consumer_internal.h"
#include "tests/sim/world.h"

#define RECORDS_PER_TURN 20
#define AGAIN_MS         100
#define LEAVE_WAIT_MS    7500

/* --- small things ---------------------------------------------------------------------------- */

void stand_in_consumer_unref(struct kafka_consumer *c)
{
    if (--c->refs == 0)
        mem_free(c);
}

static void drop(void *ctx)
{
    stand_in_consumer_unref(ctx);
}

bool stand_in_consumer_is_gone(const struct kafka_consumer *c)
{
    return c->closed || c->host->life != c->life;
}

void stand_in_consumer_post(struct kafka_consumer *c, sim_fn *fn)
{
    c->refs++;
    host_post(c->host, c->life, faults_latency_ms(c->sim), fn, drop, c);
}

/* --- records --------------------------------------------------------------------------------- */

void stand_in_consumer_fetch(struct kafka_consumer *c, int64_t delay_ms)
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
        .topic = stand_in_topic,
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
    const struct kafka_model_fetch spec = {.topic = stand_in_topic,
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
        stand_in_consumer_fetch(c, AGAIN_MS);
    stand_in_consumer_unref(c);
}

static void on_fetch(void *ctx)
{
    struct kafka_consumer *c = ctx;
    if (stand_in_consumer_is_gone(c) || c->fetching ||
        nemesis_outage(c->sim->nemesis, FAULT_KAFKA) != NEMESIS_WELL) {
        if (!stand_in_consumer_is_gone(c) && !c->fetching)
            stand_in_consumer_fetch(c, AGAIN_MS);
        return;
    }
    c->fetching = true;
    stand_in_consumer_post(c, take_records);
}

void kafka_consumer_pause(struct kafka_consumer *c, bool paused)
{
    c->paused = paused;
    if (!paused)
        stand_in_consumer_fetch(c, 0);
}

void stand_in_consumers_wake(struct sim *sim)
{
    for (struct kafka_consumer *c = sim->world->consumers; c != NULL; c = c->next)
        if (c->fetch.node.place == 0)
            stand_in_consumer_fetch(c, faults_latency_ms(sim));
}

/* --- life ------------------------------------------------------------------------------------ */

struct kafka_consumer *
kafka_consumer_new(struct loop *loop, const struct kafka_cluster *cluster, const char *group_id,
                   const char *const *topics, size_t topic_count,
                   const struct kafka_property *properties, size_t property_count,
                   const struct kafka_consumer_callbacks *callbacks, void *ctx, struct buf *errors)
{
    struct kafka_consumer *c = mem_calloc(1, sizeof(*c));
    (void)cluster;
    (void)properties;
    (void)property_count;
    (void)errors;
    CHECK(slice_equal_str(stand_in_group, group_id) && topic_count == 1 &&
          slice_equal_str(stand_in_topic, topics[0]));
    c->host = stand_in_loop_host(loop);
    c->sim = c->host->sim;
    c->life = c->host->life;
    c->callbacks = *callbacks;
    c->ctx = ctx;
    c->refs = 1;
    c->work = (struct sim_event){.fn = stand_in_member_work, .ctx = c};
    c->fetch = (struct sim_event){.fn = on_fetch, .ctx = c};
    c->next = c->sim->world->consumers;
    c->sim->world->consumers = c;
    stand_in_member_wake(c, faults_latency_ms(c->sim));
    return c;
}

void kafka_consumer_close(struct kafka_consumer *c, loop_fn *on_closed)
{
    c->leaves = true;
    c->on_closed = on_closed;
    c->leave_by_ms = c->sim->now_ms + LEAVE_WAIT_MS;
    stand_in_member_wake(c, 0);
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
    stand_in_consumer_unref(c);
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

enum status kafka_check(struct loop *loop, const struct kafka_cluster *cluster,
                        const struct kafka_property *properties, size_t property_count,
                        const char *const *topics, int32_t *ret_partitions, size_t topic_count,
                        int64_t timeout_ms, struct error *reterr)
{
    (void)loop;
    (void)cluster;
    (void)properties;
    (void)property_count;
    (void)topics;
    (void)timeout_ms;
    (void)reterr;
    for (size_t i = 0; i < topic_count; i++)
        ret_partitions[i] = 1;
    return STATUS_OK;
}
