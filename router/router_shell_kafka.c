/* Kafka's side of the shell: assignments, records in, commits and releases out. */
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/kill_point.h"
#include "common/mem.h"
#include "common/mutant.h"
#include "router/router_shell_internal.h"

static void on_fatal(void *ctx, const struct error *error)
{
    struct router_shell *s = ctx;
    program_fatal(s->program, "kafka_fatal", error);
}

static void on_log(void *ctx, enum log_level level, const char *facility, const char *text)
{
    struct router_shell *s = ctx;
    log_event(s->log, level, "kafka", LOG_STR("facility", facility), LOG_STR("text", text));
}

/* --- records --------------------------------------------------------------------------------- */

/* A whole record's bytes, as the configured maximum counts them. */
static size_t record_bytes(const struct kafka_record *k)
{
    size_t bytes = k->key.len + k->value.len;
    for (size_t i = 0; i < k->header_count; i++)
        bytes += k->headers[i].name.len + k->headers[i].value.len;
    return bytes;
}

static enum delay_rejection decide(struct router_shell *s, const struct kafka_record *k,
                                   struct delay_request *ret)
{
    const struct router_topic *topic = s->partitions[k->partition_index].topic;
    enum delay_rejection rejection =
        delay_decide(k->headers, k->header_count, k->timestamp_ms, loop_now(s->loop).wall.ms,
                     &topic->rules, ret, s->detail, sizeof(s->detail));
    size_t bytes = record_bytes(k);
    if (rejection != DELAY_ACCEPTED || bytes <= (size_t)s->config->record_bytes_max)
        return rejection;
    snprintf(s->detail, sizeof(s->detail), "%s; it has %zu bytes, the maximum is %lld",
             delay_rejection_text(DELAY_RECORD_TOO_LARGE), bytes,
             (long long)s->config->record_bytes_max);
    return DELAY_RECORD_TOO_LARGE;
}

static void strip(struct router_shell *s, const struct kafka_record *k,
                  const struct delay_request *request)
{
    uint32_t count = 0;
    for (size_t i = 0; i < k->header_count; i++)
        if (!delay_header_is_ours(k->headers[i].name) && !(MUTANT_IS(12) && count > 2))
            s->headers[count++] = k->headers[i];
    s->stripped = (struct record){
        .due_ms = request->due_ms,
        .target = request->target,
        .source_topic = k->topic,
        .source_partition = k->partition,
        .source_offset = k->offset,
        .delay_id = request->id,
        .key = k->key,
        .value = k->value,
        .headers = s->headers,
        .header_count = count,
    };
}

static void on_record(void *ctx, const struct kafka_record *k)
{
    struct router_shell *s = ctx;
    struct delay_request request;
    KILL_POINT("router.polled");
    struct router_event event = {.type = ROUTER_EVENT_RECORD};
    event.record.partition = k->partition_index;
    event.record.offset = k->offset;
    s->record = k;
    s->rejection = decide(s, k, &request);
    if (s->rejection == DELAY_ACCEPTED) {
        strip(s, k, &request);
        event.record.bytes = (uint32_t)envelope_record_bytes(&s->stripped);
        event.record.due_ms = request.due_ms;
        event.record.verdict = event.record.bytes > ENVELOPE_RECORD_BYTES_MAX
                                   ? ROUTER_RECORD_LARGE
                                   : ROUTER_RECORD_ACCEPTED;
    } else {
        event.record.bytes = (uint32_t)MIN(record_bytes(k), UINT32_MAX);
        event.record.verdict = ROUTER_RECORD_REJECTED;
    }
    router_shell_run(s, &event);
    s->record = NULL;
    KILL_POINT("router.taken");
}

/* --- rebalances ------------------------------------------------------------------------------ */

static void on_assigned(void *ctx, const struct kafka_partition *partitions, size_t count)
{
    struct router_shell *s = ctx;
    for (size_t i = 0; i < count; i++) {
        uint32_t index = partitions[i].index;
        const struct router_topic *topic = router_topics_find(&s->topics, partitions[i].topic);
        if (index >= ROUTER_PARTITIONS_MAX || topic == NULL) {
            struct error error;
            error_set(&error, ERROR_PERMANENT, "TooManyPartitions",
                      "more than %d partitions assigned to one replica", ROUTER_PARTITIONS_MAX);
            program_fatal(s->program, "assignment_refused", &error);
            return;
        }
        s->partitions[index] =
            (struct router_shell_partition){topic, partitions[i].topic, partitions[i].partition};
        struct router_event event = {.type = ROUTER_EVENT_ASSIGNED};
        event.assigned.partition = index;
        router_shell_run(s, &event);
    }
    s->assigned += (uint32_t)count;
    log_event(s->log, LOG_INFO, "partitions_assigned", LOG_NUMBER("count", count),
              LOG_NUMBER("held", s->assigned));
    KILL_POINT("router.assigned");
}

static void on_revoked(void *ctx, const struct kafka_partition *partitions, size_t count, bool lost)
{
    struct router_shell *s = ctx;
    CLEANUP(mem_freep) uint32_t *indices = mem_calloc(count, sizeof(*indices));
    struct router_event event = {.type = ROUTER_EVENT_REVOKED};
    event.revoked.partitions = indices;
    event.revoked.lost = lost;
    s->revoked = mem_realloc(s->revoked, (s->revoked_count + count) * sizeof(*s->revoked));
    for (size_t i = 0; i < count; i++) {
        s->revoked[s->revoked_count++] = partitions[i];
        if (partitions[i].index < ROUTER_PARTITIONS_MAX)
            indices[event.revoked.count++] = partitions[i].index;
    }
    log_event(s->log, lost ? LOG_WARN : LOG_INFO, "partitions_revoked", LOG_NUMBER("count", count),
              LOG_BOOL("lost", lost));
    KILL_POINT("router.revoked");
    router_shell_run(s, &event);
}

void router_shell_release(struct router_shell *s)
{
    CHECK(s->assigned >= s->revoked_count);
    s->assigned -= (uint32_t)s->revoked_count;
    kafka_consumer_release(s->consumer, s->revoked, s->revoked_count);
    KILL_POINT("router.released");
    s->revoked_count = 0;
}

/* --- commits --------------------------------------------------------------------------------- */

void router_shell_commit(struct router_shell *s, uint64_t id)
{
    uint32_t count = s->effects->commit_count;
    CLEANUP(mem_freep) struct kafka_partition *partitions = mem_calloc(count, sizeof(*partitions));
    for (uint32_t i = 0; i < count; i++) {
        const struct router_commit *commit = &s->effects->commits[i];
        const struct router_shell_partition *p = &s->partitions[commit->partition];
        partitions[i] = (struct kafka_partition){
            .topic = p->name,
            .partition = p->partition,
            .index = commit->partition,
            .offset = commit->offset,
        };
    }
    struct router_event event = {.type = ROUTER_EVENT_COMMITTED};
    event.committed.id = id;
    event.committed.done = kafka_consumer_commit(s->consumer, partitions, count) == STATUS_OK;
    KILL_POINT("router.offsets_stored");
    router_shell_push(s, &event);
}

static void on_committed(void *ctx, const struct kafka_partition *partitions, size_t count,
                         const struct error *error)
{
    struct router_shell *s = ctx;
    (void)partitions;
    (void)count;
    KILL_POINT("router.committed");
    if (error != NULL && router_shell_may_log(s, &s->send_log))
        log_error(s->log, "commit_failed", error);
}

/* --- opening --------------------------------------------------------------------------------- */

bool router_shell_open_producer(struct router_shell *s, struct buf *errors)
{
    static const struct kafka_producer_callbacks callbacks = {
        .on_report = router_shell_on_report, .on_fatal = on_fatal, .on_log = on_log};
    /* Dead letters only: little memory, and soon an answer when the topic does not take them. */
    static const struct kafka_property properties[] = {{"queue.buffering.max.kbytes", "65536"},
                                                       {"message.timeout.ms", "30000"}};
    const struct kafka_cluster cluster = aws_services_kafka(&s->aws, &s->config->settings);
    s->producer = kafka_producer_new(s->loop, &cluster, properties, ARRAY_LEN(properties),
                                     &callbacks, s, errors);
    return s->producer != NULL;
}

bool router_shell_open_consumer(struct router_shell *s, struct buf *errors)
{
    static const struct kafka_consumer_callbacks callbacks = {
        .on_assigned = on_assigned,
        .on_revoked = on_revoked,
        .on_record = on_record,
        .on_committed = on_committed,
        .on_fatal = on_fatal,
        .on_log = on_log,
    };
    CLEANUP(mem_freep) const char **names = mem_calloc(s->topics.count, sizeof(*names));
    for (size_t i = 0; i < s->topics.count; i++)
        names[i] = s->topics.topics[i].name;
    const struct kafka_cluster cluster = aws_services_kafka(&s->aws, &s->config->settings);
    s->consumer = kafka_consumer_new(s->loop, &cluster, s->config->group_id, names, s->topics.count,
                                     NULL, 0, &callbacks, s, errors);
    return s->consumer != NULL;
}
