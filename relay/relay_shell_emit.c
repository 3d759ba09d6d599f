/* Kafka: records at their instant, dead letters, reports.
 *
 * The happy path is: the core asks for a run of records, each is produced with its own bytes and
 * three headers more, each gets one report. The failure modes are: the queue is full (the core is
 * told how far it went), a record that Kafka's client refuses at once (reported as failed, like a
 * refusal of the broker), a clock that was set back between the turn and the emission (told too).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/delay.h"
#include "common/kill_point.h"
#include "common/mutant.h"
#include "common/num.h"
#include "relay/relay_shell_internal.h"

#define NUMBER_SIZE 32
/* Records that are emitted with one look at the clock: some 30 us. */
#define STAMPS_ALIKE 16
#define SOURCE_SIZE  (TOPIC_NAME_BYTES_MAX + 2 * (1 + NUM_DECIMAL_SIZE))

/* --- a report's id --------------------------------------------------------------------------- */

#define GENERATION_BITS 24
#define RECORD_BITS     14
#define REFUSAL_BITS    3
#define DETAIL_BITS     6

static_assert(ENVELOPE_RECORDS_MAX <= 1 << RECORD_BITS, "a record's number fits");
static_assert(RELAY_REFUSALS <= 1 << REFUSAL_BITS, "a refusal fits");
static_assert(RELAY_DETAILS_MAX <= 1 << DETAIL_BITS, "a detail fits");
static_assert(16 + GENERATION_BITS + RECORD_BITS + 1 + REFUSAL_BITS + DETAIL_BITS == 64, "all do");

static uint64_t take_bits(uint64_t *id, unsigned bits)
{
    uint64_t value = *id & ((UINT64_C(1) << bits) - 1);
    *id >>= bits;
    return value;
}

static uint64_t id_of(struct relay_ref slot, uint32_t record, const struct relay_dead_letter *dead)
{
    uint64_t id = slot.index;
    id = id << GENERATION_BITS | (slot.generation & ((UINT32_C(1) << GENERATION_BITS) - 1));
    id = id << RECORD_BITS | record;
    id = id << 1 | (dead != NULL);
    id = id << REFUSAL_BITS | (dead == NULL ? 0 : (uint64_t)dead->refusal);
    return id << DETAIL_BITS | (dead == NULL ? 0 : dead->detail);
}

/* The upper bits of the generation, which do not fit, are those of the slot's present one. */
static struct relay_report report_of(const struct relay_shell *s, uint64_t id)
{
    struct relay_report report = {.outcome = OUTCOME_DONE};
    report.detail = (uint16_t)take_bits(&id, DETAIL_BITS);
    report.refusal = (enum relay_refusal)take_bits(&id, REFUSAL_BITS);
    report.dead_letter = take_bits(&id, 1) != 0;
    report.record = (uint32_t)take_bits(&id, RECORD_BITS);
    uint32_t low = (uint32_t)take_bits(&id, GENERATION_BITS);
    report.slot.index = (uint32_t)id;
    uint32_t present = relay_core_ref(s->core, report.slot.index).generation;
    report.slot.generation = (present >> GENERATION_BITS << GENERATION_BITS) | low;
    return report;
}

/* --- why Kafka refused ----------------------------------------------------------------------- */

const char *relay_shell_refusal_code(enum relay_refusal refusal)
{
    switch (refusal) {
    case RELAY_REFUSED_NOT:
        break;
    case RELAY_REFUSED_TARGET_UNKNOWN:
        return "target-unknown";
    case RELAY_REFUSED_TARGET_UNAUTHORIZED:
        return "target-unauthorized";
    case RELAY_REFUSED_TARGET_REFUSED:
        return "target-refused";
    case RELAY_REFUSED_UNSUPPORTED:
        return "envelope-unsupported";
    case RELAY_REFUSED_CORRUPT:
        return "envelope-corrupt";
    }
    UNREACHABLE();
}

static enum relay_refusal refusal_of(const struct error *error)
{
    static const char *const unknown[] = {"UNKNOWN_TOPIC_OR_PART", "UNKNOWN_TOPIC",
                                          "UNKNOWN_PARTITION"};
    if (error->kind != ERROR_PERMANENT && error->kind != ERROR_AUTH)
        return RELAY_REFUSED_NOT;
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        if (strcmp(error->code, unknown[i]) == 0)
            return RELAY_REFUSED_TARGET_UNKNOWN;
    if (strcmp(error->code, "TOPIC_AUTHORIZATION_FAILED") == 0)
        return RELAY_REFUSED_TARGET_UNAUTHORIZED;
    return RELAY_REFUSED_TARGET_REFUSED;
}

/* Kafka's reasons are few; their texts are kept once each. */
static uint16_t detail_of(struct relay_shell *s, const struct error *error)
{
    char text[sizeof(s->details[0])];
    snprintf(text, sizeof(text), "%s: %s", error->code, error->text);
    for (uint32_t i = 0; i < s->details_used; i++)
        if (strcmp(s->details[i], text) == 0)
            return (uint16_t)i;
    if (s->details_used == RELAY_DETAILS_MAX)
        return RELAY_DETAILS_MAX - 1;
    memcpy(s->details[s->details_used], text, sizeof(text));
    return (uint16_t)s->details_used++;
}

/* --- producing ------------------------------------------------------------------------------- */

/* The headers that every delivered record gets, with the memory that they point to. */
struct stamp {
    char due[NUM_DECIMAL_SIZE];
    char source[SOURCE_SIZE];
    size_t source_len;
};

/* topic/partition/offset. By hand, as every record has one: printf takes longer than the record's
 * way through the core. */
static size_t write_source(const struct record *record, char out[SOURCE_SIZE])
{
    CHECK(record->source_topic.len <= TOPIC_NAME_BYTES_MAX);
    size_t len = record->source_topic.len;
    if (len > 0)
        memcpy(out, record->source_topic.ptr, len);
    out[len++] = '/';
    len += num_format_i64(record->source_partition, out + len);
    out[len++] = '/';
    return len + num_format_i64(record->source_offset, out + len);
}

static void add_header(struct kafka_message *m, struct record_header *headers, const char *name,
                       struct slice value)
{
    headers[m->header_count++] = (struct record_header){slice_from_str(name), value};
}

/* Fills *ret with the record as it is delivered; it points into envelope, stamp and s->headers. */
static void stamp_record(struct relay_shell *s, const struct envelope *e, uint32_t index,
                         struct stamp *stamp, struct record *record, struct kafka_message *ret)
{
    envelope_record(e, index, s->headers, record);
    struct slice due = slice_from(stamp->due, num_format_i64(record->due_ms, stamp->due));
    stamp->source_len = write_source(record, stamp->source);
    struct slice source = slice_from(stamp->source, stamp->source_len);
    *ret = (struct kafka_message){
        .topic = record->target,
        .key = record->key,
        .value = MUTANT_IS(29) && record->value.len == 0 ? slice_from("", 0) : record->value,
        .headers = s->headers,
        .header_count = record->header_count,
    };
    add_header(ret, s->headers, DELAY_HEADER_ID,
               slice_is_null(record->delay_id) ? source : record->delay_id);
    add_header(ret, s->headers, DELAY_HEADER_DUE, due);
    add_header(ret, s->headers, DELAY_HEADER_SOURCE, source);
}

/* STATUS_NOT_FOUND: its instant has not come, since the clock was set back. */
static enum status emit_one(struct relay_shell *s, struct relay_ref slot, uint32_t index,
                            int64_t wall_ms, struct error *reterr)
{
    const struct relay_held *h = &s->held[slot.index];
    struct stamp stamp;
    struct record record;
    struct kafka_message message;
    stamp_record(s, h->envelope, index, &stamp, &record, &message);
    message.id = id_of(slot, index, NULL);
    message.timestamp_ms = wall_ms;
    if (message.timestamp_ms < record.due_ms - MUTANT_IS(24)) {
        loop_now_forget(s->loop);
        return STATUS_NOT_FOUND;
    }
    enum status status = kafka_produce(s->producer, &message, reterr);
    if (status != STATUS_OK)
        return status;
    s->emitted[h->queue]++;
    relay_series_observe(s->series, h->queue, message.timestamp_ms - record.due_ms);
    return STATUS_OK;
}

static void report_refused(struct relay_shell *s, struct relay_ref slot, uint32_t record,
                           const struct error *error)
{
    struct relay_event event = {.type = RELAY_REPORT,
                                .report = {.slot = slot,
                                           .record = record,
                                           .outcome = OUTCOME_FAILED,
                                           .refusal = refusal_of(error),
                                           .detail = detail_of(s, error)}};
    relay_shell_feed(s, &event);
}

void relay_shell_emit(struct relay_shell *s, const struct relay_emit *emit)
{
    struct relay_event event = {.type = RELAY_EMITTED, .emitted = {.slot = emit->slot}};
    struct error error; /* not in the loop: it would be cleared for each record */
    int64_t wall_ms = 0;
    KILL_POINT("relay.emit");
    for (uint32_t i = 0; i < emit->count; i++) {
        if (i % STAMPS_ALIKE == 0)
            wall_ms = loop_now_fresh(s->loop).wall.ms;
        enum status status = emit_one(s, emit->slot, emit->first + i, wall_ms, &error);
        event.emitted.full = status == STATUS_FULL;
        if (status == STATUS_FULL || status == STATUS_NOT_FOUND)
            break;
        event.emitted.taken++;
        if (status != STATUS_OK)
            report_refused(s, emit->slot, emit->first + i, &error);
        KILL_POINT("relay.produced");
    }
    KILL_POINT("relay.emitted");
    relay_shell_feed(s, &event);
}

/* --- dead letters ---------------------------------------------------------------------------- */

static void log_dead_letter(struct relay_shell *s, const struct relay_held *h,
                            const struct relay_dead_letter *dead, const struct record *record,
                            struct slice source, const char *detail)
{
    char id[ENVELOPE_ID_HEX_SIZE] = "";
    if (!relay_shell_may_log(s))
        return;
    if (h->envelope != NULL)
        envelope_id_hex(&envelope_get_info(h->envelope)->id, id);
    log_event(s->log, LOG_WARN, "dead_letter", LOG_STR("envelope_id", id),
              LOG_STR("code", relay_shell_refusal_code(dead->refusal)), LOG_STR("detail", detail),
              LOG_TEXT("target", record->target), LOG_TEXT("source", source));
}

void relay_shell_dead_letter(struct relay_shell *s, const struct relay_dead_letter *dead)
{
    const struct relay_held *h = &s->held[dead->slot.index];
    const char *detail = "the message could not be read for too long";
    struct stamp stamp = {.source_len = 0};
    struct record record = {.target = SLICE_NULL};
    struct kafka_message message = {.headers = s->headers, .value = buf_slice(&h->body)};
    if (h->envelope != NULL) {
        detail = s->details[dead->detail];
        stamp_record(s, h->envelope, dead->record, &stamp, &record, &message);
        add_header(&message, s->headers, DELAY_HEADER_TARGET, record.target);
    }
    add_header(&message, s->headers, DELAY_HEADER_ERROR,
               slice_from_str(relay_shell_refusal_code(dead->refusal)));
    add_header(&message, s->headers, DELAY_HEADER_ERROR_DETAIL, slice_from_str(detail));
    message.topic = slice_from_str(s->config->settings.dead_letter_topic);
    message.id = id_of(dead->slot, dead->record, dead);
    message.timestamp_ms = loop_now_fresh(s->loop).wall.ms;
    log_dead_letter(s, h, dead, &record, slice_from(stamp.source, stamp.source_len), detail);

    struct error error;
    enum status status = kafka_produce(s->producer, &message, &error);
    if (status == STATUS_OK) {
        KILL_POINT("relay.dead_letter_produced");
        return;
    }
    if (error.kind != ERROR_RETRY) /* else Kafka takes no more just now */
        s->last_dead_letter_error = error;
    struct relay_event event = {.type = RELAY_REPORT, .report = report_of(s, message.id)};
    event.report.outcome = OUTCOME_FAILED;
    event.report.full = status == STATUS_FULL;
    relay_shell_feed(s, &event);
}

/* --- reports --------------------------------------------------------------------------------- */

static void tell_reports(struct relay_shell *s)
{
    struct relay_event event = {.type = RELAY_REPORTS,
                                .reports = {.list = s->reports, .count = s->reports_count}};
    CHECK(!s->inside); /* the list is the event's until it has been dealt with */
    s->reports_count = 0;
    relay_shell_feed(s, &event);
    for (uint32_t i = 0; i < event.reports.count; i++)
        if (relay_core_is_settled(s->core, s->reports[i].slot))
            relay_shell_unload(s, s->reports[i].slot.index);
    KILL_POINT("relay.report_noted");
}

static void tell_last_reports(void *ctx)
{
    struct relay_shell *s = ctx;
    s->telling = false;
    if (s->reports_count > 0 && !s->closed)
        tell_reports(s);
}

/* Many at once: a step of the core for each would take longer than what it does with them. */
static void note_report(struct relay_shell *s, const struct relay_report *report)
{
    s->reports[s->reports_count++] = *report;
    if (s->reports_count == RELAY_REPORTS_MAX)
        tell_reports(s);
    if (s->telling)
        return;
    s->telling = true;
    loop_defer(s->loop, tell_last_reports, s);
}

static void on_report(void *ctx, uint64_t id, enum outcome outcome, const struct error *error)
{
    struct relay_shell *s = ctx;
    struct relay_report report = report_of(s, id);
    report.outcome = outcome;
    enum relay_queue queue = s->held[report.slot.index].queue;
    KILL_POINT("relay.reported");
    if (report.dead_letter) {
        KILL_POINT("relay.dead_letter_reported");
        s->last_dead_letter_error = *error;
        s->dead_lettered[queue] += outcome == OUTCOME_DONE;
    } else if (outcome == OUTCOME_DONE) {
        s->delivered[queue]++;
    } else if (outcome == OUTCOME_FAILED) {
        report.refusal = refusal_of(error);
        report.detail = detail_of(s, error);
        /* Size, format, policy: the broker judged the batch. Topics it judges for all alike. */
        report.in_company = report.refusal == RELAY_REFUSED_TARGET_REFUSED;
    }
    note_report(s, &report);
}

static void on_fatal(void *ctx, const struct error *error)
{
    struct relay_shell *s = ctx;
    program_fatal(s->program, "kafka_fatal", error);
}

static void on_log(void *ctx, enum log_level level, const char *facility, const char *text)
{
    struct relay_shell *s = ctx;
    log_event(s->log, level, "kafka", LOG_STR("facility", facility), LOG_STR("text", text));
}

bool relay_shell_open_producer(struct relay_shell *s, struct buf *errors)
{
    static const struct kafka_producer_callbacks callbacks = {
        .on_report = on_report, .on_fatal = on_fatal, .on_log = on_log};
    char messages[NUMBER_SIZE];
    char kbytes[NUMBER_SIZE];
    snprintf(messages, sizeof(messages), "%" PRIu32, s->limits.window_records);
    /* Any record must fit, or it would wait for room for ever. */
    snprintf(kbytes, sizeof(kbytes), "%" PRId64,
             MAX(s->limits.budget_bytes, 2 * RECORD_BYTES_MAX) / KIB);
    const struct kafka_property properties[] = {
        {"queue.buffering.max.messages", messages},
        {"queue.buffering.max.kbytes", kbytes},
        /* While brokers are away, a record that may have been written stays with librdkafka, whose
         * idempotence knows it; given back, it would have to be sent as a new one. */
        {"message.timeout.ms", "3600000"},
    };
    const struct kafka_cluster cluster = aws_services_kafka(&s->aws, &s->config->settings);
    s->producer = kafka_producer_new(s->loop, &cluster, properties, ARRAY_LEN(properties),
                                     &callbacks, s, errors);
    return s->producer != NULL;
}
