#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/kafka_internal.h"
#include "common/limits.h"
#include "common/mem.h"

/* A turn takes no more, so that fetched records cannot starve the rest of the program. */
#define RECORDS_PER_WAKE 1000
#define EVENTS_PER_WAKE  1000
/* A consumer that does not poll for max.poll.interval.ms is put out of its group; when nothing
 * happens, nothing wakes us. */
#define KEEP_ALIVE_MS_MAX 30000
/* Leaving waits so long for commits: longer than the two joins of a cooperative rebalance, less
 * than a stop may. */
#define LEAVE_WAIT_MS 7500
#define LEAVE_LOOK_MS 20 /* not everything that leaving waits for wakes us */
#define NO_INDEX      UINT32_MAX

/* LeakSanitizer's; not there in other builds. */
extern void __lsan_ignore_object(const void *object) /* NOLINT(bugprone-reserved-identifier) */
    __attribute__((weak));

enum assignment_state { ASSIGNMENT_FREE, ASSIGNMENT_ACTIVE, ASSIGNMENT_REVOKED };

struct assignment {
    enum assignment_state state;
    struct slice topic;
    int32_t partition;
    int64_t next_offset;      /* after the last record that was handed on; -1: none was */
    int64_t stored_offset;    /* handed to librdkafka for its commits; -1: none was */
    int64_t committed_offset; /* confirmed by the group; -1: none was */
};

struct topic_name {
    struct topic_name *next;
    char text[];
};

struct kafka_consumer {
    struct kafka_client client;
    struct kafka_consumer_callbacks callbacks;
    rd_kafka_queue_t *records; /* of all partitions, apart from events, so that it can wait */
    uv_timer_t keep_alive;
    bool keep_alive_closed;
    bool gone;

    struct topic_name *topics; /* for good: slices of them are handed out */
    struct assignment *assignments;
    uint32_t assignment_count;
    uint32_t last_index;                      /* records come in runs of one partition */
    rd_kafka_topic_partition_list_t *revoked; /* until all are released */
    size_t unreleased;

    struct kafka_held *spare;
    bool was_assigned;
    bool paused;
    bool leaves; /* no more records */
    bool unsubscribes;
    bool has_left; /* librdkafka was told */
    struct mono_ms leave_by;
    loop_fn *on_closed;
};

/* --- assignments ----------------------------------------------------------------------------- */

/* The same text, ours and ended by a NUL. */
static struct slice intern(struct kafka_consumer *consumer, struct slice topic)
{
    for (struct topic_name *name = consumer->topics; name != NULL; name = name->next) {
        if (slice_equal_str(topic, name->text))
            return slice_from_str(name->text);
    }
    struct topic_name *name = mem_alloc(sizeof(*name) + topic.len + 1);
    memcpy(name->text, topic.ptr, topic.len);
    name->text[topic.len] = '\0';
    name->next = consumer->topics;
    consumer->topics = name;
    return slice_from(name->text, topic.len);
}

static bool is_at(const struct kafka_consumer *consumer, uint32_t index, struct slice topic,
                  int32_t partition)
{
    const struct assignment *a = &consumer->assignments[index];
    return a->state != ASSIGNMENT_FREE && a->partition == partition && slice_equal(a->topic, topic);
}

static uint32_t find(struct kafka_consumer *consumer, struct slice topic, int32_t partition)
{
    if (consumer->last_index < consumer->assignment_count &&
        is_at(consumer, consumer->last_index, topic, partition))
        return consumer->last_index;
    for (uint32_t i = 0; i < consumer->assignment_count; i++) {
        if (is_at(consumer, i, topic, partition))
            return consumer->last_index = i;
    }
    return NO_INDEX;
}

/* Valid until the next call. */
static struct assignment *find_free(struct kafka_consumer *consumer)
{
    for (uint32_t i = 0; i < consumer->assignment_count; i++) {
        if (consumer->assignments[i].state == ASSIGNMENT_FREE)
            return &consumer->assignments[i];
    }
    consumer->assignments =
        mem_realloc(consumer->assignments,
                    (consumer->assignment_count + (size_t)1) * sizeof(consumer->assignments[0]));
    return &consumer->assignments[consumer->assignment_count++];
}

/* Fills one kafka_partition per element; index is NO_INDEX where it is not assigned. */
static struct kafka_partition *to_partitions(struct kafka_consumer *consumer,
                                             const rd_kafka_topic_partition_list_t *list)
{
    struct kafka_partition *partitions = mem_calloc((size_t)list->cnt, sizeof(*partitions));
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        struct slice topic = intern(consumer, slice_from_str(element->topic));
        partitions[i] = (struct kafka_partition){
            .topic = topic,
            .partition = element->partition,
            .index = find(consumer, topic, element->partition),
            .offset = element->offset >= 0 ? element->offset : -1,
        };
    }
    return partitions;
}

/* Records of this partition go to the queue that can wait, not among the events. */
static void divert(struct kafka_consumer *consumer, const rd_kafka_topic_partition_t *element)
{
    rd_kafka_queue_t *queue =
        rd_kafka_queue_get_partition(consumer->client.rk, element->topic, element->partition);
    CHECK(queue != NULL);
    rd_kafka_queue_forward(queue, consumer->records);
    rd_kafka_queue_destroy(queue);
}

static bool is_cooperative(const struct kafka_consumer *consumer)
{
    return strcmp(rd_kafka_rebalance_protocol(consumer->client.rk), "COOPERATIVE") == 0;
}

/* An error here means that the group has moved on meanwhile: another rebalance follows. */
static void answer(struct kafka_consumer *consumer, rd_kafka_error_t *error)
{
    if (error == NULL)
        return;
    if (consumer->callbacks.on_log != NULL)
        consumer->callbacks.on_log(consumer->client.ctx, LOG_WARN, "REBALANCE",
                                   rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
}

static void assign(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        divert(consumer, &list->elems[i]);
        struct assignment *assignment = find_free(consumer);
        *assignment = (struct assignment){
            .state = ASSIGNMENT_ACTIVE,
            .topic = intern(consumer, slice_from_str(list->elems[i].topic)),
            .partition = list->elems[i].partition,
            .next_offset = -1,
            .stored_offset = -1,
            .committed_offset = -1,
        };
    }
    if (is_cooperative(consumer))
        answer(consumer, rd_kafka_incremental_assign(consumer->client.rk, list));
    else
        rd_kafka_assign(consumer->client.rk, list);
    CLEANUP(mem_freep) struct kafka_partition *partitions = to_partitions(consumer, list);
    consumer->callbacks.on_assigned(consumer->client.ctx, partitions, (size_t)list->cnt);
}

static void finish_revoke(struct kafka_consumer *consumer)
{
    if (is_cooperative(consumer))
        answer(consumer, rd_kafka_incremental_unassign(consumer->client.rk, consumer->revoked));
    else
        rd_kafka_assign(consumer->client.rk, NULL);
    rd_kafka_topic_partition_list_destroy(consumer->revoked);
    consumer->revoked = NULL;
}

static void begin_revoke(struct kafka_consumer *consumer,
                         const rd_kafka_topic_partition_list_t *list)
{
    CHECK(consumer->revoked == NULL);
    consumer->revoked = rd_kafka_topic_partition_list_copy(list);
    CLEANUP(mem_freep) struct kafka_partition *partitions = to_partitions(consumer, list);
    consumer->unreleased = 0;
    for (int i = 0; i < list->cnt; i++) {
        if (partitions[i].index == NO_INDEX)
            continue;
        consumer->assignments[partitions[i].index].state = ASSIGNMENT_REVOKED;
        consumer->unreleased++;
    }
    if (consumer->unreleased == 0)
        finish_revoke(consumer);
    else
        consumer->callbacks.on_revoked(consumer->client.ctx, partitions, (size_t)list->cnt,
                                       rd_kafka_assignment_lost(consumer->client.rk) != 0);
}

void kafka_consumer_release(struct kafka_consumer *consumer,
                            const struct kafka_partition *partitions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t index = find(consumer, partitions[i].topic, partitions[i].partition);
        if (index == NO_INDEX || consumer->assignments[index].state != ASSIGNMENT_REVOKED)
            continue;
        consumer->assignments[index].state = ASSIGNMENT_FREE;
        consumer->unreleased--;
    }
    if (consumer->revoked != NULL && consumer->unreleased == 0 && !consumer->client.is_closing)
        finish_revoke(consumer);
}

static void handle_rebalance(struct kafka_consumer *consumer, rd_kafka_event_t *event)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    consumer->was_assigned = true;
    if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        assign(consumer, list);
    else
        begin_revoke(consumer, list);
}

/* --- records --------------------------------------------------------------------------------- */

/* Takes the event. */
static void deliver(struct kafka_consumer *consumer, rd_kafka_event_t *event,
                    const rd_kafka_message_t *message)
{
    struct slice topic = slice_from_str(rd_kafka_topic_name(message->rkt));
    uint32_t index = find(consumer, topic, message->partition);
    struct assignment *assignment = index == NO_INDEX ? NULL : &consumer->assignments[index];
    /* Rebalances make librdkafka go back to where a fetch began (rd_kafka_toppar_pause_resume,
     * 2.0.2): what has been handed on is not handed on again. */
    if (assignment == NULL || assignment->state != ASSIGNMENT_ACTIVE ||
        message->offset < assignment->next_offset) {
        rd_kafka_event_destroy(event);
        return;
    }
    assignment->next_offset = message->offset + 1;
    struct kafka_held *held = kafka_held_new(&consumer->spare, event, message);
    rd_kafka_timestamp_type_t timestamp_type;
    const struct kafka_record record = {
        .partition_index = index,
        .topic = assignment->topic,
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_ms = rd_kafka_message_timestamp(message, &timestamp_type),
        .key = slice_from(message->key, message->key_len),
        .value = slice_from(message->payload, message->len),
        .headers = held->headers,
        .header_count = held->header_count,
    };
    consumer->callbacks.on_record(consumer->client.ctx, &record);
    kafka_held_put_back(&consumer->spare, held);
}

static bool take_record(struct kafka_consumer *consumer)
{
    rd_kafka_event_t *event = kafka_client_next(&consumer->client, consumer->records);
    if (event == NULL)
        return false;
    const rd_kafka_message_t *message = rd_kafka_event_message_next(event);
    if (message != NULL && message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        deliver(consumer, event, message);
    else
        rd_kafka_event_destroy(event);
    return true;
}

/* --- commits --------------------------------------------------------------------------------- */

static enum error_kind commit_error_kind(rd_kafka_resp_err_t err)
{
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_UNKNOWN:
        return ERROR_UNKNOWN;
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return ERROR_AUTH;
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION: /* somebody else's by now */
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        return ERROR_PERMANENT;
    default:
        return ERROR_RETRY;
    }
}

static void handle_committed(struct kafka_consumer *consumer, rd_kafka_event_t *event)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    for (int i = 0; i < list->cnt && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        err = list->elems[i].err;
    struct error error;
    kafka_error_set(&error, commit_error_kind(err), err, NULL);
    CLEANUP(mem_freep) struct kafka_partition *partitions = to_partitions(consumer, list);
    for (int i = 0; i < list->cnt && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        /* A partition that had nothing new is in the list, too, without an offset. */
        if (partitions[i].index != NO_INDEX && partitions[i].offset >= 0)
            consumer->assignments[partitions[i].index].committed_offset = partitions[i].offset;
    consumer->callbacks.on_committed(consumer->client.ctx, partitions, (size_t)list->cnt,
                                     err == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : &error);
}

enum status kafka_consumer_commit(struct kafka_consumer *consumer,
                                  const struct kafka_partition *partitions, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        const char *topic = (const char *)intern(consumer, partitions[i].topic).ptr;
        rd_kafka_topic_partition_list_add(list, topic, partitions[i].partition)->offset =
            partitions[i].offset;
    }
    rd_kafka_resp_err_t err = rd_kafka_offsets_store(consumer->client.rk, list);
    for (int i = 0; i < list->cnt && err == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        err = list->elems[i].err;
    rd_kafka_topic_partition_list_destroy(list);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return STATUS_INVALID;
    for (size_t i = 0; i < count; i++) {
        uint32_t index = find(consumer, partitions[i].topic, partitions[i].partition);
        if (index != NO_INDEX)
            consumer->assignments[index].stored_offset = partitions[i].offset;
    }
    return STATUS_OK;
}

static bool is_committed(const struct kafka_consumer *consumer)
{
    for (uint32_t i = 0; i < consumer->assignment_count; i++) {
        const struct assignment *a = &consumer->assignments[i];
        if (a->state == ASSIGNMENT_ACTIVE && a->stored_offset > a->committed_offset)
            return false;
    }
    return true;
}

/* --- waking ---------------------------------------------------------------------------------- */

static bool handle_events(struct kafka_consumer *consumer)
{
    for (int i = 0; i < EVENTS_PER_WAKE; i++) {
        rd_kafka_event_t *event = kafka_client_next(&consumer->client, consumer->client.events);
        if (event == NULL)
            return true;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
            handle_rebalance(consumer, event);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT)
            handle_committed(consumer, event);
        rd_kafka_event_destroy(event);
    }
    return false;
}

static bool handle_records(struct kafka_consumer *consumer)
{
    for (int i = 0; i < RECORDS_PER_WAKE; i++) {
        if (consumer->paused || consumer->leaves || !take_record(consumer))
            return true;
    }
    return false;
}

static bool has_partitions(const struct kafka_consumer *consumer)
{
    for (uint32_t i = 0; i < consumer->assignment_count; i++)
        if (consumer->assignments[i].state != ASSIGNMENT_FREE)
            return true;
    return false;
}

static bool is_subscribed(const struct kafka_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *topics = NULL;
    if (rd_kafka_subscription(consumer->client.rk, &topics) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    bool is_any = topics->cnt > 0;
    rd_kafka_topic_partition_list_destroy(topics);
    return is_any;
}

/* librdkafka 2.0.2 closes a cooperative member without partitions without a LeaveGroup: the next
 * rebalance would wait for the end of its session, and records with it. Unsubscribing sends one;
 * while the group rebalances it is put off until that is done. */
static bool is_out_of_the_group(struct kafka_consumer *consumer)
{
    if (has_partitions(consumer))
        return true;
    if (!consumer->unsubscribes) {
        consumer->unsubscribes = true;
        rd_kafka_unsubscribe(consumer->client.rk);
    }
    return !is_subscribed(consumer);
}

static bool may_leave(struct kafka_consumer *consumer)
{
    /* The commit that leaving itself makes may wait behind a JoinGroup, and is refused then. */
    return (is_committed(consumer) && is_out_of_the_group(consumer)) ||
           loop_now(consumer->client.loop).mono.ms >= consumer->leave_by.ms;
}

static void leave(struct kafka_consumer *consumer)
{
    consumer->has_left = true;
    rd_kafka_error_t *error =
        rd_kafka_consumer_close_queue(consumer->client.rk, consumer->client.events);
    if (error != NULL) { /* a fatal error came before: the group has gone on without us */
        rd_kafka_error_destroy(error);
        loop_defer(consumer->client.loop, consumer->on_closed, consumer->client.ctx);
        consumer->on_closed = NULL;
    }
}

static void on_wake(struct kafka_client *client)
{
    struct kafka_consumer *consumer = container_of(client, struct kafka_consumer, client);
    bool events_done = handle_events(consumer);
    bool records_done = handle_records(consumer);
    if (!events_done || !records_done)
        kafka_client_wake(client);
    if (consumer->leaves && !consumer->has_left && !client->is_closing && may_leave(consumer))
        leave(consumer);
    if (consumer->has_left && consumer->on_closed != NULL && !client->is_closing &&
        rd_kafka_consumer_closed(client->rk)) {
        loop_defer(client->loop, consumer->on_closed, client->ctx);
        consumer->on_closed = NULL;
    }
}

static void on_keep_alive(uv_timer_t *timer)
{
    kafka_client_wake(&container_of(timer, struct kafka_consumer, keep_alive)->client);
}

void kafka_consumer_pause(struct kafka_consumer *consumer, bool paused)
{
    consumer->paused = paused;
    if (!paused)
        kafka_client_wake(&consumer->client);
}

int64_t kafka_consumer_lag(const struct kafka_consumer *consumer)
{
    int64_t lag = 0;
    for (uint32_t i = 0; i < consumer->assignment_count; i++) {
        const struct assignment *a = &consumer->assignments[i];
        int64_t low;
        int64_t high;
        if (a->state != ASSIGNMENT_ACTIVE)
            continue;
        /* What librdkafka remembers of the last fetch; asks nobody. */
        if (rd_kafka_get_watermark_offsets(consumer->client.rk, (const char *)a->topic.ptr,
                                           a->partition, &low,
                                           &high) != RD_KAFKA_RESP_ERR_NO_ERROR ||
            high < 0 || (a->next_offset < 0 && consumer->paused))
            return -1;
        if (a->next_offset >= 0)
            lag += MAX(high - a->next_offset, 0);
    }
    return lag;
}

bool kafka_consumer_is_reachable(const struct kafka_consumer *consumer)
{
    return consumer->client.is_reachable;
}

/* --- life ------------------------------------------------------------------------------------ */

static void free_when_closed(struct kafka_consumer *consumer)
{
    if (!consumer->gone || !consumer->keep_alive_closed || consumer->client.outlives_us)
        return;
    while (consumer->topics != NULL) {
        struct topic_name *name = consumer->topics;
        consumer->topics = name->next;
        mem_free(name);
    }
    mem_free(consumer->assignments);
    mem_free(consumer->spare);
    mem_free(consumer);
}

static void on_gone(struct kafka_client *client)
{
    struct kafka_consumer *consumer = container_of(client, struct kafka_consumer, client);
    consumer->gone = true;
    free_when_closed(consumer);
}

static void on_keep_alive_closed(uv_handle_t *handle)
{
    struct kafka_consumer *consumer = container_of(handle, struct kafka_consumer, keep_alive);
    consumer->keep_alive_closed = true;
    free_when_closed(consumer);
}

static enum status open_client(struct kafka_consumer *consumer, const struct kafka_cluster *cluster,
                               const char *group_id, const struct kafka_property *properties,
                               size_t property_count, struct buf *errors)
{
    static const struct kafka_property defaults[] = {
        {"client.id", "delayline"},
        {"socket.nagle.disable", "true"}, /* a fetch must not wait for the last one's ACK */
        {"partition.assignment.strategy", "cooperative-sticky"},
        {"auto.offset.reset", "earliest"}, /* a delay queue must not skip */
        {"auto.commit.interval.ms", KAFKA_COMMIT_INTERVAL_MS},
        /* A member learns by it that the group rebalances, and what it gives up waits that long. */
        {"heartbeat.interval.ms", "1000"},
        /* When either is reached, librdkafka 2.0.2 looks again after up to a second. */
        {"queued.min.messages", "100000"},
        {"queued.max.messages.kbytes", "32768"},
        /* An answer stays within what glibc keeps of freed memory (program.c). One of the 50 MB
         * that are the default has its pages cleared for each record anew. */
        {"fetch.max.bytes", "4000000"},
        {"statistics.interval.ms", "3000"}, /* kafka_consumer_is_reachable */
    };
    const struct kafka_property forced[] = {{"group.id", group_id},
                                            {"enable.auto.commit", "true"}, /* of what we store */
                                            {"enable.auto.offset.store", "false"},
                                            {"enable.partition.eof", "false"},
                                            {"log.queue", "true"}};
    const struct kafka_settings settings = {
        .bootstrap_servers = cluster->bootstrap_servers,
        .iam = cluster->iam != NULL,
        .defaults = defaults,
        .default_count = ARRAY_LEN(defaults),
        .properties = properties,
        .property_count = property_count,
        .forced = forced,
        .forced_count = ARRAY_LEN(forced),
    };
    return kafka_client_open(&consumer->client, RD_KAFKA_CONSUMER, &settings, errors);
}

static uint64_t keep_alive_ms(rd_kafka_t *rk)
{
    char text[32];
    size_t size = sizeof(text);
    CHECK(rd_kafka_conf_get(rd_kafka_conf(rk), "max.poll.interval.ms", text, &size) ==
          RD_KAFKA_CONF_OK);
    return MIN((uint64_t)KEEP_ALIVE_MS_MAX, strtoull(text, NULL, 10) / 3 + 1);
}

static void subscribe(struct kafka_consumer *consumer, const char *const *topics, size_t count)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topics[i], RD_KAFKA_PARTITION_UA);
    CHECK(rd_kafka_subscribe(consumer->client.rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
}

struct kafka_consumer *
kafka_consumer_new(struct loop *loop, const struct kafka_cluster *cluster, const char *group_id,
                   const char *const *topics, size_t topic_count,
                   const struct kafka_property *properties, size_t property_count,
                   const struct kafka_consumer_callbacks *callbacks, void *ctx, struct buf *errors)
{
    struct kafka_consumer *consumer = mem_calloc(1, sizeof(*consumer));
    consumer->callbacks = *callbacks;
    consumer->client = (struct kafka_client){
        .loop = loop,
        .callbacks = {.on_wake = on_wake, .on_gone = on_gone},
        .on_log = callbacks->on_log,
        .on_fatal = callbacks->on_fatal,
        .ctx = ctx,
        .iam = cluster->iam,
        .iam_region = cluster->iam_region,
    };
    if (open_client(consumer, cluster, group_id, properties, property_count, errors) != STATUS_OK) {
        mem_free(consumer);
        return NULL;
    }
    consumer->records = rd_kafka_queue_new(consumer->client.rk);
    kafka_client_watch(&consumer->client, consumer->records);
    uint64_t interval_ms = keep_alive_ms(consumer->client.rk);
    CHECK(uv_timer_init(loop_uv(loop), &consumer->keep_alive) == 0);
    CHECK(uv_timer_start(&consumer->keep_alive, on_keep_alive, interval_ms, interval_ms) == 0);
    subscribe(consumer, topics, topic_count);
    return consumer;
}

void kafka_consumer_close(struct kafka_consumer *consumer, loop_fn *on_closed)
{
    CHECK(!consumer->leaves);
    consumer->leaves = true;
    consumer->on_closed = on_closed;
    consumer->leave_by = mono_add(loop_now(consumer->client.loop).mono, LEAVE_WAIT_MS);
    CHECK(uv_timer_start(&consumer->keep_alive, on_keep_alive, LEAVE_LOOK_MS, LEAVE_LOOK_MS) == 0);
    kafka_client_wake(&consumer->client);
}

void kafka_consumer_free(struct kafka_consumer *consumer)
{
    if (consumer == NULL)
        return;
    if (consumer->revoked != NULL)
        rd_kafka_topic_partition_list_destroy(consumer->revoked);
    consumer->revoked = NULL;
    rd_kafka_queue_destroy(consumer->records);
    uv_close((uv_handle_t *)&consumer->keep_alive, on_keep_alive_closed);
    /* rd_kafka_destroy of a member that has joined and was never assigned anything ends in an
     * assertion of the sticky assignor (2.0.2, rd_kafka_sticky_assignor_state_destroy): such a
     * one is left to the end of the process. */
    consumer->client.outlives_us = !consumer->was_assigned;
    if (consumer->client.outlives_us && __lsan_ignore_object != NULL)
        __lsan_ignore_object(consumer);
    kafka_client_close(&consumer->client);
}
