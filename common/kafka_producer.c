#include <assert.h>
#include <string.h>

#include "common/check.h"
#include "common/kafka_internal.h"
#include "common/limits.h"
#include "common/mem.h"

#define EVENTS_PER_WAKE 100 /* an event may hold the reports of a whole batch */
/* Of one client: librdkafka forgets no topic while it lives, takes 28 KB for each, looks through
 * all of them for each new one, and producers name as many as they like. */
#define TOPICS_MAX 4096

static_assert(sizeof(void *) >= sizeof(uint64_t), "an id fits librdkafka's per-message pointer");

struct topic {
    struct topic *next; /* in its hash slot */
    rd_kafka_topic_t *handle;
    struct slice name; /* of the handle */
};

#define TOPIC_SLOTS 1024 /* a power of two */

/* A client with what it has seen. */
struct generation {
    struct kafka_client client;
    struct kafka_producer *producer;
    size_t pending;
    size_t topic_count;
    struct topic *topics[TOPIC_SLOTS];
};

struct kafka_producer {
    struct loop *loop;
    struct kafka_cluster cluster;
    struct kafka_property *properties; /* the caller's, copied */
    size_t property_count;
    struct kafka_producer_callbacks callbacks;
    void *ctx;
    size_t topics_max;
    struct generation *young; /* takes records */
    struct generation *old; /* NULL, or: it has had its topics, and its last reports are awaited */
};

/* --- generations ----------------------------------------------------------------------------- */

static void on_wake(struct kafka_client *client);
static void release_topics(struct generation *g);

static void on_gone(struct kafka_client *client)
{
    mem_free(container_of(client, struct generation, client));
}

/* NULL, and lines in errors, if librdkafka refuses. */
static struct generation *generation_new(struct kafka_producer *producer, struct buf *errors)
{
    static const struct kafka_property defaults[] = {
        {"client.id", "delayline"},
        {"socket.nagle.disable", "true"}, /* a small request must not wait for the last one's ACK */
        {"partitioner", "murmur2_random"}, /* as the Java client */
        {"queue.buffering.max.ms",
         "0"}, /* emitted at its millisecond; a burst makes batches anyway */
        {"queue.buffering.max.kbytes", "262144"},
        {"message.max.bytes", "33554432"}, /* RECORD_BYTES_MAX: the broker decides */
        {"topic.metadata.propagation.max.ms", "10000"},
        {"statistics.interval.ms", "3000"}, /* kafka_producer_is_reachable */
    };
    static const struct kafka_property forced[] = {
        {"enable.idempotence", "true"}, {"acks", "all"}, {"log.queue", "true"}};
    const struct kafka_settings settings = {
        .bootstrap_servers = producer->cluster.bootstrap_servers,
        .iam = producer->cluster.iam != NULL,
        .defaults = defaults,
        .default_count = ARRAY_LEN(defaults),
        .properties = producer->properties,
        .property_count = producer->property_count,
        .forced = forced,
        .forced_count = ARRAY_LEN(forced),
    };
    struct generation *g = mem_calloc(1, sizeof(*g));
    g->producer = producer;
    g->client = (struct kafka_client){
        .loop = producer->loop,
        .callbacks = {.on_wake = on_wake, .on_gone = on_gone},
        .on_log = producer->callbacks.on_log,
        .on_fatal = producer->callbacks.on_fatal,
        .ctx = producer->ctx,
        .iam = producer->cluster.iam,
        .iam_region = producer->cluster.iam_region,
    };
    if (kafka_client_open(&g->client, RD_KAFKA_PRODUCER, &settings, errors) == STATUS_OK)
        return g;
    mem_free(g);
    return NULL;
}

/* No report of it comes any more. Accepts NULL. */
static void generation_end(struct generation *g)
{
    if (g == NULL)
        return;
    release_topics(g);
    kafka_client_close(&g->client);
}

static void retire_if_done(struct kafka_producer *producer)
{
    if (producer->old == NULL || producer->old->pending > 0)
        return;
    generation_end(producer->old);
    producer->old = NULL;
}

/* Whose topics are full makes room for a new client. false: the last one is still wanted. */
static bool renew(struct kafka_producer *producer)
{
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, KAFKA_TEXT_SIZE);
    if (producer->old != NULL)
        return false;
    struct generation *next = generation_new(producer, &errors);
    if (next == NULL) {
        kafka_client_log(&producer->young->client, LOG_ERROR, "TOPICS", buf_text(&errors));
        return false;
    }
    kafka_client_log(&producer->young->client, LOG_WARN, "TOPICS",
                     "records have named more topics than one client may keep: another goes on");
    producer->old = producer->young;
    producer->young = next;
    retire_if_done(producer);
    return true;
}

/* --- reports --------------------------------------------------------------------------------- */

/* Refusals of this record or its topic, which the same call meets again. */
static bool is_permanent(rd_kafka_resp_err_t err)
{
    static const rd_kafka_resp_err_t permanent[] = {
        RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
        RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE,   RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,     RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION,
        RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_INVALID_RECORD,     RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
        RD_KAFKA_RESP_ERR_POLICY_VIOLATION,   RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
        RD_KAFKA_RESP_ERR__INVALID_ARG,
    };
    for (size_t i = 0; i < ARRAY_LEN(permanent); i++) {
        if (err == permanent[i])
            return true;
    }
    return false;
}

/* librdkafka 2.0.2 takes every error it has no rule for as "not persisted"
 * (rd_kafka_handle_Produce_error), this one too; but a broker may answer so after the append. */
static bool tells_nothing(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_UNKNOWN;
}

/* Of a message with an error. */
static enum outcome judge(const rd_kafka_message_t *message, struct error *error)
{
    rd_kafka_msg_status_t status = rd_kafka_message_status(message);
    *error = (struct error){.kind = ERROR_NONE};
    if (status == RD_KAFKA_MSG_STATUS_PERSISTED)
        return OUTCOME_DONE;
    if (status == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED || tells_nothing(message->err)) {
        kafka_error_set(error, ERROR_UNKNOWN, message->err, NULL);
        return OUTCOME_UNKNOWN;
    }
    kafka_error_set(error, is_permanent(message->err) ? ERROR_PERMANENT : ERROR_RETRY, message->err,
                    NULL);
    return OUTCOME_FAILED;
}

static void report(struct generation *g, const rd_kafka_message_t *message)
{
    static const struct error none = {.kind = ERROR_NONE};
    const struct kafka_producer *producer = g->producer;
    uint64_t id = (uint64_t)(uintptr_t)message->_private;
    CHECK(g->pending > 0);
    g->pending--;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        producer->callbacks.on_report(producer->ctx, id, OUTCOME_DONE, &none);
        return;
    }
    struct error error;
    enum outcome outcome = judge(message, &error);
    producer->callbacks.on_report(producer->ctx, id, outcome, &error);
}

/* A report may end the producer, and with it every generation. */
static void handle_reports(struct generation *g, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    while (!g->client.is_closing && (message = rd_kafka_event_message_next(event)) != NULL)
        report(g, message);
    if (!g->client.is_closing)
        retire_if_done(g->producer);
}

static void on_wake(struct kafka_client *client)
{
    struct generation *g = container_of(client, struct generation, client);
    for (int i = 0; i < EVENTS_PER_WAKE; i++) {
        rd_kafka_event_t *event = kafka_client_next(client, client->events);
        if (event == NULL)
            return;
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            handle_reports(g, event);
        rd_kafka_event_destroy(event);
    }
    kafka_client_wake(client);
}

/* --- topics ---------------------------------------------------------------------------------- */

/* FNV-1a */
static size_t slot_of(struct slice name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ name.ptr[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ hash >> 32) % TOPIC_SLOTS;
}

static rd_kafka_topic_t *find_topic(const struct generation *g, struct slice name)
{
    for (const struct topic *topic = g->topics[slot_of(name)]; topic != NULL; topic = topic->next) {
        if (slice_equal(topic->name, name))
            return topic->handle;
    }
    return NULL;
}

static rd_kafka_topic_t *add_topic(struct generation *g, const char *name)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(g->client.rk, name, NULL);
    if (handle == NULL)
        return NULL;
    struct topic *topic = mem_calloc(1, sizeof(*topic));
    topic->handle = handle;
    topic->name = slice_from_str(rd_kafka_topic_name(handle));
    struct topic **slot = &g->topics[slot_of(topic->name)];
    topic->next = *slot;
    *slot = topic;
    g->topic_count++;
    return handle;
}

static void release_topics(struct generation *g)
{
    for (size_t i = 0; i < TOPIC_SLOTS; i++) {
        while (g->topics[i] != NULL) {
            struct topic *topic = g->topics[i];
            g->topics[i] = topic->next;
            rd_kafka_topic_destroy(topic->handle);
            mem_free(topic);
        }
    }
}

static enum status get_topic(struct kafka_producer *producer, struct slice name,
                             rd_kafka_topic_t **ret_handle, struct error *reterr)
{
    *ret_handle = find_topic(producer->young, name);
    if (*ret_handle != NULL)
        return STATUS_OK;
    CLEANUP(mem_freep) char *text = mem_strndup((const char *)name.ptr, name.len);
    if (name.len > 0 && name.len <= TOPIC_NAME_BYTES_MAX && strlen(text) == name.len) {
        if (producer->young->topic_count >= producer->topics_max && !renew(producer)) {
            error_set(reterr, ERROR_RETRY, "TOO_MANY_TOPICS",
                      "more than %zu topics twice over, and records of the first wait for Kafka",
                      producer->topics_max);
            return STATUS_INVALID;
        }
        *ret_handle = add_topic(producer->young, text);
    }
    if (*ret_handle != NULL)
        return STATUS_OK;
    error_set(reterr, ERROR_PERMANENT, "TOPIC_EXCEPTION", "not a topic's name");
    return STATUS_INVALID;
}

/* --- producing ------------------------------------------------------------------------------- */

/* NULL if there are none. */
static rd_kafka_headers_t *make_headers(const struct kafka_message *message)
{
    if (message->header_count == 0)
        return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count);
    for (size_t i = 0; i < message->header_count; i++) {
        const struct record_header *header = &message->headers[i];
        const char *name = header->name.len == 0 ? "" : (const char *)header->name.ptr;
        CHECK(rd_kafka_header_add(headers, name, (ssize_t)header->name.len, header->value.ptr,
                                  (ssize_t)header->value.len) == RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    return headers;
}

static enum status refuse(rd_kafka_resp_err_t err, struct error *reterr)
{
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        kafka_error_set(reterr, ERROR_RETRY, err, NULL);
        return STATUS_FULL;
    }
    kafka_error_set(reterr, ERROR_PERMANENT, err, NULL);
    return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ? STATUS_TOO_LARGE : STATUS_INVALID;
}

enum status kafka_produce(struct kafka_producer *producer, const struct kafka_message *message,
                          struct error *reterr)
{
    rd_kafka_topic_t *topic;
    enum status found = get_topic(producer, message->topic, &topic, reterr);
    if (found != STATUS_OK)
        return found;
    /* The const of key and value is lost on the way in only: librdkafka copies. */
    rd_kafka_headers_t *headers = make_headers(message);
    rd_kafka_vu_t arguments[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = message->timestamp_ms},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)message->id},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {(void *)(uintptr_t)message->key.ptr, message->key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)message->value.ptr, message->value.len}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    size_t count = ARRAY_LEN(arguments) - (headers == NULL ? 1 : 0);
    rd_kafka_error_t *refused = rd_kafka_produceva(producer->young->client.rk, arguments, count);
    if (refused == NULL) {
        producer->young->pending++;
        return STATUS_OK;
    }
    enum status status = refuse(rd_kafka_error_code(refused), reterr);
    rd_kafka_error_destroy(refused);
    if (headers != NULL) /* librdkafka takes them on success only */
        rd_kafka_headers_destroy(headers);
    return status;
}

size_t kafka_producer_pending(const struct kafka_producer *producer)
{
    return producer->young->pending + (producer->old == NULL ? 0 : producer->old->pending);
}

bool kafka_producer_is_reachable(const struct kafka_producer *producer)
{
    return producer->young->client.is_reachable;
}

/* --- life ------------------------------------------------------------------------------------ */

static void copy_properties(struct kafka_producer *producer,
                            const struct kafka_property *properties, size_t count)
{
    producer->properties = mem_calloc(count + 1, sizeof(*properties));
    producer->property_count = count;
    for (size_t i = 0; i < count; i++)
        producer->properties[i] = (struct kafka_property){mem_strdup(properties[i].name),
                                                          mem_strdup(properties[i].value)};
}

static void release(struct kafka_producer *producer)
{
    for (size_t i = 0; i < producer->property_count; i++) {
        mem_free((char *)(uintptr_t)producer->properties[i].name);
        mem_free((char *)(uintptr_t)producer->properties[i].value);
    }
    mem_free(producer->properties);
    mem_free(producer);
}

struct kafka_producer *kafka_producer_new(struct loop *loop, const struct kafka_cluster *cluster,
                                          const struct kafka_property *properties,
                                          size_t property_count,
                                          const struct kafka_producer_callbacks *callbacks,
                                          void *ctx, struct buf *errors)
{
    struct kafka_producer *producer = mem_calloc(1, sizeof(*producer));
    producer->loop = loop;
    producer->cluster = *cluster;
    producer->callbacks = *callbacks;
    producer->ctx = ctx;
    producer->topics_max = TOPICS_MAX;
    copy_properties(producer, properties, property_count);
    producer->young = generation_new(producer, errors);
    if (producer->young == NULL) {
        release(producer);
        return NULL;
    }
    return producer;
}

void kafka_producer_limit_topics(struct kafka_producer *producer, size_t topics_max)
{
    producer->topics_max = topics_max;
}

void kafka_producer_free(struct kafka_producer *producer)
{
    if (producer == NULL)
        return;
    generation_end(producer->old);
    generation_end(producer->young);
    release(producer);
}
