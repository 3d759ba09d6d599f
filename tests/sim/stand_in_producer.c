/* kafka.h's producer, as librdkafka's idempotent one behaves: a queue for each partition, one
 * request under way in each, every record with its sequence number until it is known what became of
 * it or its time is over. Then it is reported, never before kafka_produce has returned. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/kafka.h"
#include "common/mem.h"
#include "tests/sim/ledger.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/stand_in.h"
#include "tests/sim/world.h"

#define BATCH_RECORDS      50
#define RETRY_MS           100
#define METADATA_MS        10000 /* topic.metadata.propagation.max.ms */
#define MESSAGE_TIMEOUT_MS 300000
#define QUEUE_RECORDS      100000

struct message {
    struct message *next;
    uint64_t id;
    struct slice key;
    struct slice value;
    struct kafka_model_header *headers;
    size_t header_count;
    int64_t timestamp_ms;
    int64_t sequence;
    int64_t give_up_ms; /* true time */
    bool unanswered;    /* a request with it was sent and nothing came back */
};

/* A partition of a topic; or a topic that is not there: partition -1. */
struct lane {
    struct lane *next;
    struct kafka_producer *producer;
    char *topic;
    int32_t partition;
    int64_t next_sequence;
    struct message *first;
    struct message **end;
    int64_t since_ms; /* true time */
    bool busy;        /* a request is under way, or the next try is waited for */
};

struct kafka_producer {
    struct host *host;
    uint64_t life;
    kafka_report_fn *on_report;
    void *ctx;
    uint64_t producer_id;
    struct lane *lanes;
    size_t pending;
    size_t pending_max;
    int64_t message_timeout_ms;
    bool closed;
    uint32_t refs; /* the owner's and what is under way */
};

/* A report on its way into a turn. */
struct report {
    struct kafka_producer *producer;
    struct lane *lane; /* NULL, or the one that goes on after the last report */
    uint64_t id;
    enum outcome outcome;
    struct error error;
};

/* --- memory ---------------------------------------------------------------------------------- */

static struct slice copy(struct slice from)
{
    if (slice_is_null(from))
        return SLICE_NULL;
    return slice_from(mem_strndup((const char *)from.ptr, from.len), from.len);
}

static void free_slice(struct slice text)
{
    mem_free((void *)(uintptr_t)text.ptr);
}

static void free_message(struct message *message)
{
    for (size_t i = 0; i < message->header_count; i++) {
        free_slice(message->headers[i].name);
        free_slice(message->headers[i].value);
    }
    mem_free(message->headers);
    free_slice(message->key);
    free_slice(message->value);
    mem_free(message);
}

static void unref(struct kafka_producer *producer)
{
    if (--producer->refs > 0)
        return;
    while (producer->lanes != NULL) {
        struct lane *lane = producer->lanes;
        producer->lanes = lane->next;
        while (lane->first != NULL) {
            struct message *message = lane->first;
            lane->first = message->next;
            free_message(message);
        }
        mem_free(lane->topic);
        mem_free(lane);
    }
    mem_free(producer);
}

/* --- reports --------------------------------------------------------------------------------- */

void stand_in_kafka_error(struct error *ret, enum error_kind kind, enum kafka_model_error error)
{
    const char *name = kafka_model_error_name(error);
    if (error == KAFKA_MODEL_UNKNOWN_TOPIC_OR_PARTITION)
        name = "UNKNOWN_TOPIC_OR_PART"; /* as rd_kafka_err2name has it */
    error_set(ret, kind, name, "by the simulator");
}

static void deliver(void *ctx)
{
    struct report *report = ctx;
    struct kafka_producer *producer = report->producer;
    if (!producer->closed) {
        CHECK(producer->pending > 0);
        producer->pending--;
        producer->on_report(producer->ctx, report->id, report->outcome, &report->error);
    }
    unref(producer);
    mem_free(report);
}

static void drop_report(void *ctx)
{
    struct report *report = ctx;
    unref(report->producer);
    mem_free(report);
}

static void end_message(struct lane *lane, enum outcome outcome, enum error_kind kind,
                        enum kafka_model_error error, int64_t delay_ms)
{
    struct kafka_producer *producer = lane->producer;
    struct message *message = lane->first;
    struct report *report = mem_calloc(1, sizeof(*report));
    *report = (struct report){.producer = producer, .id = message->id, .outcome = outcome};
    if (outcome == OUTCOME_UNKNOWN)
        ledger_unsure(producer->host->sim, message->headers, message->header_count);
    if (outcome != OUTCOME_DONE)
        stand_in_kafka_error(&report->error, kind, error);
    producer->refs++;
    host_post(producer->host, producer->life, delay_ms, deliver, drop_report, report);
    lane->first = message->next;
    if (lane->first == NULL)
        lane->end = &lane->first;
    free_message(message);
}

/* --- requests -------------------------------------------------------------------------------- */

static void send_lane(void *ctx);

static bool is_gone(const struct kafka_producer *producer)
{
    return producer->closed || producer->host->life != producer->life;
}

static void again(struct lane *lane, int64_t delay_ms)
{
    lane->busy = true;
    lane->producer->refs++;
    sim_after(lane->producer->host->sim, delay_ms, send_lane, lane);
}

static bool is_permanent(enum kafka_model_error error)
{
    return error == KAFKA_MODEL_MESSAGE_TOO_LARGE || error == KAFKA_MODEL_INVALID_RECORD ||
           error == KAFKA_MODEL_UNKNOWN_TOPIC_OR_PARTITION ||
           error == KAFKA_MODEL_INVALID_TOPIC_EXCEPTION ||
           error == KAFKA_MODEL_TOPIC_AUTHORIZATION_FAILED;
}

static struct kafka_model_produce request_of(const struct lane *lane, const struct message *message,
                                             struct kafka_model_fault fault)
{
    return (struct kafka_model_produce){
        .topic = slice_from_str(lane->topic),
        .partition = lane->partition,
        .key = message->key,
        .value = message->value,
        .headers = message->headers,
        .header_count = message->header_count,
        .timestamp_ms = message->timestamp_ms,
        .producer = lane->producer->producer_id,
        .sequence = message->sequence,
        .fault = fault,
    };
}

/* A broker judges a batch as a whole: what it would refuse in one refuses all. */
static enum kafka_model_error judge_batch(const struct lane *lane, uint32_t count)
{
    const struct message *message = lane->first;
    if (strcmp(lane->topic, WORLD_TARGET_COMPACTED) != 0)
        return KAFKA_MODEL_NONE;
    for (uint32_t i = 0; i < count; i++, message = message->next)
        if (slice_is_null(message->key))
            return KAFKA_MODEL_INVALID_RECORD;
    return KAFKA_MODEL_NONE;
}

static void give_up_late(struct lane *lane)
{
    struct sim *sim = lane->producer->host->sim;
    while (lane->first != NULL && lane->first->give_up_ms <= sim->now_ms)
        end_message(lane, lane->first->unanswered ? OUTCOME_UNKNOWN : OUTCOME_FAILED,
                    lane->first->unanswered ? ERROR_UNKNOWN : ERROR_RETRY, KAFKA_MODEL_UNANSWERED,
                    0);
}

/* The first `count` records at once. */
static void send_batch(struct lane *lane, uint32_t count)
{
    struct kafka_producer *producer = lane->producer;
    struct sim *sim = producer->host->sim;
    struct kafka_model_fault fault = faults_kafka(sim);
    enum kafka_model_error refused = judge_batch(lane, count);
    int64_t back_ms = RETRY_MS;
    for (uint32_t i = 0; i < count; i++) {
        struct message *message = lane->first;
        struct kafka_model_produce request = request_of(lane, message, fault);
        struct kafka_model_produced produced = {.error = refused};
        if (refused == KAFKA_MODEL_NONE) {
            kafka_model_produce(sim->world->kafka, &request, sim->now_ms, &produced);
            ledger_observe(sim, producer->host);
        }
        back_ms = fault.delay_ms + 1;
        if (produced.error == KAFKA_MODEL_NONE) {
            end_message(lane, OUTCOME_DONE, ERROR_NONE, KAFKA_MODEL_NONE, back_ms);
        } else if (is_permanent(produced.error)) {
            if (refused != KAFKA_MODEL_NONE && !slice_is_null(message->key))
                ledger_refused_in_company(sim, message->headers, message->header_count);
            /* Written or not by an earlier request, librdkafka cannot tell. */
            end_message(lane, message->unanswered ? OUTCOME_UNKNOWN : OUTCOME_FAILED,
                        message->unanswered ? ERROR_UNKNOWN : ERROR_PERMANENT, produced.error,
                        back_ms);
        } else {
            message->unanswered |= kafka_model_error_is_unknown(produced.error);
            back_ms = RETRY_MS + fault.delay_ms;
            break;
        }
    }
    again(lane, back_ms);
}

/* A topic is looked for, for so long, once; then its records fail at once. */
static void look_for_topic(struct lane *lane)
{
    if (lane->producer->host->sim->now_ms - lane->since_ms >= METADATA_MS)
        end_message(lane, OUTCOME_FAILED, ERROR_PERMANENT, KAFKA_MODEL_UNKNOWN_TOPIC_OR_PARTITION,
                    0);
    again(lane, RETRY_MS);
}

static void send_lane(void *ctx)
{
    struct lane *lane = ctx;
    struct kafka_producer *producer = lane->producer;
    lane->busy = false;
    if (is_gone(producer)) {
        unref(producer);
        return;
    }
    if (producer->host->paused) { /* its threads stand still, too */
        again(lane, RETRY_MS);
        unref(producer);
        return;
    }
    give_up_late(lane);
    uint32_t count = 0;
    for (struct message *m = lane->first; m != NULL && count < BATCH_RECORDS; m = m->next)
        count++;
    if (count > 0 && lane->partition < 0)
        look_for_topic(lane);
    else if (count > 0 && nemesis_outage(producer->host->sim->nemesis, FAULT_KAFKA) != NEMESIS_WELL)
        again(lane, RETRY_MS);
    else if (count > 0)
        send_batch(lane, count);
    unref(producer);
}

/* --- producing ------------------------------------------------------------------------------- */

static struct lane *find_lane(struct kafka_producer *producer, struct slice topic,
                              int32_t partition)
{
    for (struct lane *lane = producer->lanes; lane != NULL; lane = lane->next)
        if (lane->partition == partition && slice_equal_str(topic, lane->topic))
            return lane;
    struct lane *lane = mem_calloc(1, sizeof(*lane));
    *lane = (struct lane){.next = producer->lanes,
                          .producer = producer,
                          .topic = mem_strndup((const char *)topic.ptr, topic.len),
                          .partition = partition,
                          .since_ms = producer->host->sim->now_ms};
    lane->end = &lane->first;
    producer->lanes = lane;
    return lane;
}

static int32_t choose_partition(struct kafka_producer *producer,
                                const struct kafka_message *message)
{
    struct sim *sim = producer->host->sim;
    int32_t partitions = 0;
    if (kafka_model_metadata(sim->world->kafka, message->topic, &partitions) != KAFKA_MODEL_NONE)
        return -1;
    if (slice_is_null(message->key))
        return (int32_t)prng_below(&sim->network, (uint64_t)partitions);
    return kafka_model_partition_of(message->key, partitions);
}

static struct message *copy_message(const struct kafka_message *from)
{
    struct message *message = mem_calloc(1, sizeof(*message));
    message->id = from->id;
    message->key = copy(from->key);
    message->value = copy(from->value);
    message->timestamp_ms = from->timestamp_ms;
    message->header_count = from->header_count;
    message->headers = mem_calloc(from->header_count, sizeof(*message->headers));
    for (size_t i = 0; i < from->header_count; i++)
        message->headers[i] =
            (struct kafka_model_header){copy(from->headers[i].name), copy(from->headers[i].value)};
    return message;
}

enum status kafka_produce(struct kafka_producer *producer, const struct kafka_message *message,
                          struct error *reterr)
{
    struct sim *sim = producer->host->sim;
    if (producer->pending >= producer->pending_max) {
        error_set(reterr, ERROR_RETRY, "_QUEUE_FULL", "by the simulator");
        return STATUS_FULL;
    }
    producer->pending++;
    if (!host_acts(producer->host))
        return STATUS_OK;
    ledger_emits(sim, producer->host, message);
    struct lane *lane = find_lane(producer, message->topic, choose_partition(producer, message));
    struct message *mine = copy_message(message);
    mine->sequence = lane->next_sequence++;
    mine->give_up_ms = sim->now_ms + producer->message_timeout_ms;
    *lane->end = mine;
    lane->end = &mine->next;
    if (!lane->busy)
        again(lane, faults_latency_ms(sim));
    return STATUS_OK;
}

size_t kafka_producer_pending(const struct kafka_producer *producer)
{
    return producer->pending;
}

bool kafka_producer_is_reachable(const struct kafka_producer *producer)
{
    (void)producer;
    return true;
}

/* --- life ------------------------------------------------------------------------------------ */

struct kafka_producer *kafka_producer_new(struct loop *loop, const struct kafka_cluster *cluster,
                                          const struct kafka_property *properties,
                                          size_t property_count,
                                          const struct kafka_producer_callbacks *callbacks,
                                          void *ctx, struct buf *errors)
{
    struct kafka_producer *producer = mem_calloc(1, sizeof(*producer));
    (void)cluster;
    (void)errors;
    producer->host = stand_in_loop_host(loop);
    producer->life = producer->host->life;
    producer->on_report = callbacks->on_report;
    producer->ctx = ctx;
    producer->refs = 1;
    producer->pending_max = QUEUE_RECORDS;
    producer->message_timeout_ms = MESSAGE_TIMEOUT_MS;
    producer->producer_id = kafka_model_init_producer(producer->host->sim->world->kafka);
    for (size_t i = 0; i < property_count; i++) {
        if (strcmp(properties[i].name, "message.timeout.ms") == 0)
            producer->message_timeout_ms = strtoll(properties[i].value, NULL, 10);
        else if (strcmp(properties[i].name, "queue.buffering.max.messages") == 0)
            producer->pending_max = (size_t)strtoll(properties[i].value, NULL, 10);
    }
    /* As KAFKA_PROPERTY_MESSAGE_TIMEOUT_MS would set it. */
    int64_t wanted_ms = producer->host->sim->options.message_timeout_ms;
    if (wanted_ms > 0)
        producer->message_timeout_ms = wanted_ms;
    return producer;
}

void kafka_producer_free(struct kafka_producer *producer)
{
    if (producer == NULL)
        return;
    producer->closed = true;
    unref(producer);
}
