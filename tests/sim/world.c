#include "tests/sim/world.h"

#include "common/check.h"
#include "common/mem.h"
#include "tests/sim/environment.h"
#include "tests/sim/stand_in.h"
#include "tests/sim/stand_in_sqs.h"

static const char *const queue_names[WORLD_QUEUES] = {SIM_DELAY_QUEUE, SIM_READY_QUEUE,
                                                      SIM_TIMER_QUEUE};
static const char *const target_names[WORLD_TARGETS] = {"target0", "target1", "target2"};

const char *world_target(uint32_t index)
{
    CHECK(index < WORLD_TARGETS);
    return target_names[index];
}

static struct sqs_model_pair pair(const char *name, const char *value)
{
    return (struct sqs_model_pair){slice_from_str(name), slice_from_str(value)};
}

static void make_queue(struct sim *sim, struct world *world, enum world_queue which)
{
    struct world_queue_state *queue = &world->queues[which];
    struct model_error error;
    const struct sqs_model_pair attributes[] = {
        pair("MessageRetentionPeriod", "1209600"),
        pair("FifoQueue", "true"),
        pair("DeduplicationScope", "messageGroup"),
        pair("FifoThroughputLimit", "perMessageGroupId"),
    };
    size_t count = which == WORLD_DELAY_QUEUE ? 1 : which == WORLD_TIMER_QUEUE ? 2 : 4;
    queue->name = queue_names[which];
    queue->waiting_end = &queue->waiting;
    stand_in_sqs_watch(queue);
    struct slice name = slice_from_str(queue->name);
    CHECK(sqs_model_create_queue(world->sqs, name, attributes, count, sim->now_ms, &error));
    CHECK(sqs_model_find_queue(world->sqs, name, &queue->model, &error));
}

static void make_table(struct sim *sim, struct world *world)
{
    const struct ddb_schema schema = {SLICE_LITERAL("pk"), DDB_S, SLICE_LITERAL("sk"), DDB_S};
    struct model_error error;
    world->dynamodb = dynamodb_model_new(sim->options.seed);
    CHECK(dynamodb_model_create_table(world->dynamodb, SLICE_LITERAL(SIM_TABLE), &schema,
                                      sim->now_ms, &world->table, &error));
    CHECK(
        dynamodb_model_set_ttl(world->table, SLICE_LITERAL("expires"), true, sim->now_ms, &error));
}

static void make_topic(struct world *world, const char *name, int32_t partitions, bool compacted)
{
    const struct kafka_model_topic_options options = {.partitions = partitions,
                                                      .compacted = compacted};
    CHECK(kafka_model_create_topic(world->kafka, slice_from_str(name), &options) ==
          KAFKA_MODEL_NONE);
}

struct world *world_new(struct sim *sim)
{
    struct world *world = mem_calloc(1, sizeof(*world));
    world->sqs = sqs_model_new(&(struct sqs_model_options){.seed = sim->options.seed});
    for (int i = 0; i < WORLD_QUEUES; i++)
        make_queue(sim, world, (enum world_queue)i);
    make_table(sim, world);
    /* Sequence numbers with gaps: librdkafka begins a new epoch after a record it gave up. */
    world->kafka = kafka_model_new(&(struct kafka_model_options){
        .brokers = sim->options.brokers, .sync_ms = 20, .sequence_gaps = true});
    make_topic(world, SIM_DELAY_TOPIC, sim->options.partitions, false);
    make_topic(world, SIM_DEAD_LETTER_TOPIC, 1, false);
    make_topic(world, WORLD_TARGET_COMPACTED, 1, true);
    for (uint32_t i = 0; i < WORLD_TARGETS; i++)
        make_topic(world, target_names[i], (int32_t)i + 1, false);
    return world;
}

void world_free(struct world *world)
{
    sqs_model_free(world->sqs);
    dynamodb_model_free(world->dynamodb);
    kafka_model_free(world->kafka);
    mem_free(world);
}

size_t world_queued(struct sim *sim)
{
    size_t sum = 0;
    for (int i = 0; i < WORLD_TIMER_QUEUE; i++) {
        struct sqs_model_depth depth = sqs_model_depth(sim->world->queues[i].model, sim->now_ms);
        sum += depth.visible + depth.in_flight + depth.delayed;
    }
    return sum;
}
