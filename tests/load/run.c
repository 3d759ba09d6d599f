#include "tests/load/run.h"

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/check.h"
#include "common/compiler.h"

#define BROKER_TIMEOUT_MS    15000
#define PROGRESS_INTERVAL_MS 200
#define INTERRUPTED_FLUSH_MS 1000 /* for acknowledgements that are on their way */
#define SEND_BURST           500  /* sends between two looks at the consumer */
#define FETCH_BURST          2000
#define SETTLES_MAX          10

volatile sig_atomic_t run_interrupted;

struct run {
    const struct options *options;
    const struct plan *plan;
    struct ledger *ledger;
    rd_kafka_t *producer;
    rd_kafka_t *consumer;
    struct planned planned;          /* the one being sent */
    struct planned expected;         /* the one being compared */
    char (*topics)[PLAN_TOPIC_SIZE]; /* targets, then the dead-letter topic */
    unsigned topic_count;
    uint64_t attempted;
    uint64_t answered;
    uint64_t refused;             /* good ones in the dead-letter topic, copies too */
    uint64_t due_short, due_long; /* sent on each path and not yet settled */
    int64_t start_mono_ms, last_progress_ms, last_arrival_mono_ms, last_due_ms;
};

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    struct run *run = opaque;
    uint64_t id = (uint64_t)(uintptr_t)message->_private;
    enum ack ack = ACK_YES;
    if (message->err != 0)
        ack = rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED ? ACK_FAILED
                                                                                    : ACK_UNKNOWN;
    ledger_acknowledge(run->ledger, id, ack);
    run->answered++;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "load: %s\n", text);
        exit(70);
    }
}

static rd_kafka_t *client(struct run *run, rd_kafka_type_t type)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];
    set(conf, "bootstrap.servers", run->options->bootstrap);
    set(conf, "client.id", "delayline-load");
    set(conf, "log_level", "3");
    set(conf, "socket.nagle.disable", "true");
    rd_kafka_conf_set_opaque(conf, run);
    if (type == RD_KAFKA_PRODUCER) {
        set(conf, "enable.idempotence", "true");
        set(conf, "linger.ms", run->options->linger_ms);
        set(conf, "message.max.bytes", "20000000");
        set(conf, "queue.buffering.max.messages", "100000");
        set(conf, "queue.buffering.max.kbytes", "65536");
        rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    } else {
        set(conf, "group.id", "delayline-load"); /* needed by the API; nothing is committed */
        set(conf, "enable.auto.commit", "false");
        set(conf, "auto.offset.reset", "error");
        set(conf, "fetch.wait.max.ms", run->options->fetch_wait_ms);
        set(conf, "queued.min.messages", "20000");
        set(conf, "queued.max.messages.kbytes", "32768");
        set(conf, "fetch.error.backoff.ms", "10");
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    if (rk == NULL) {
        fprintf(stderr, "load: %s\n", text);
        exit(70);
    }
    return rk;
}

/* Partitions of a topic, made by the broker if it does that; 0: not to be had. */
static int partition_count(struct run *run, const char *topic)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(run->producer, topic, NULL);
    int64_t give_up = clock_ms(CLOCK_MONOTONIC) + BROKER_TIMEOUT_MS;
    int count = 0;
    while (count == 0 && clock_ms(CLOCK_MONOTONIC) < give_up && !run_interrupted) {
        const struct rd_kafka_metadata *metadata;
        if (rd_kafka_metadata(run->producer, 0, handle, &metadata, 2000) != 0)
            continue;
        if (metadata->topic_cnt == 1 && metadata->topics[0].err == 0)
            count = metadata->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(metadata);
        if (count == 0)
            rd_kafka_poll(run->producer, 50);
    }
    rd_kafka_topic_destroy(handle);
    return count;
}

/* All partitions of all topics from where they end now. */
static bool assign(struct run *run)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    bool ok = true;
    for (unsigned t = 0; t < run->topic_count && ok; t++) {
        int count = partition_count(run, run->topics[t]);
        if (count == 0 && run_interrupted == 0)
            fprintf(stderr, "load: topic %s: does not exist and is not made by the broker at %s\n",
                    run->topics[t], run->options->bootstrap);
        ok = count > 0;
        for (int p = 0; p < count && ok; p++) {
            int64_t low, high;
            ok = rd_kafka_query_watermark_offsets(run->consumer, run->topics[t], p, &low, &high,
                                                  BROKER_TIMEOUT_MS) == 0;
            rd_kafka_topic_partition_list_add(list, run->topics[t], p)->offset = high;
        }
    }
    ok = ok && rd_kafka_assign(run->consumer, list) == 0;
    rd_kafka_topic_partition_list_destroy(list);
    return ok;
}

/* False: the queue is full, try again later. */
static bool send_one(struct run *run)
{
    uint64_t id = run->attempted;
    int64_t sent_ms = run->options->at_once ? run->ledger->start_ms : clock_ms(CLOCK_REALTIME);
    struct planned *p = &run->planned;
    plan_record(run->plan, id, sent_ms, p);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(p->header_count);
    for (size_t i = 0; i < p->header_count; i++)
        rd_kafka_header_add(headers, p->headers[i].name, -1, p->headers[i].value,
                            (ssize_t)p->headers[i].len);
    int64_t due_ms = sent_ms + p->delay_ms;
    ledger_plan(run->ledger, id, due_ms);
    rd_kafka_resp_err_t err = rd_kafka_producev(
        run->producer, RD_KAFKA_V_TOPIC(run->options->topic), RD_KAFKA_V_KEY(p->key, p->key_len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)p->value, p->value_len), RD_KAFKA_V_TIMESTAMP(sent_ms),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE((void *)(uintptr_t)id), RD_KAFKA_V_END);
    if (err != 0)
        rd_kafka_headers_destroy(headers);
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return false;
    if (err != 0) {
        ledger_acknowledge(run->ledger, id, ACK_FAILED);
        run->answered++;
    }
    if (due_ms > run->last_due_ms)
        run->last_due_ms = due_ms;
    if (p->poison == POISON_NONE)
        *(p->delay_ms > run->options->horizon_ms ? &run->due_long : &run->due_short) += 1;
    run->attempted++;
    return true;
}

static bool bytes_equal(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return (a == NULL) == (b == NULL) && a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* The record's own headers from *index of the copy on must be the expected ones in order. */
static bool user_headers_match(const rd_kafka_headers_t *got, const struct planned *expected,
                               bool with_steering, size_t *index)
{
    for (size_t i = 0; i < expected->header_count; i++) {
        const struct planned_header *want = &expected->headers[i];
        if (want->steers && !with_steering)
            continue;
        const char *name;
        const void *value;
        size_t len;
        if (rd_kafka_header_get_all(got, (*index)++, &name, &value, &len) != 0)
            return false;
        if (strcmp(name, want->name) != 0 || !bytes_equal(value, len, want->value, want->len))
            return false;
    }
    return true;
}

static bool header_text(const rd_kafka_headers_t *headers, const char *name, char *out, size_t size)
{
    const void *value;
    size_t len;
    if (rd_kafka_header_get_last(headers, name, &value, &len) != 0 || value == NULL || len >= size)
        return false;
    memcpy(out, value, len);
    out[len] = '\0';
    return true;
}

/* The three that Delayline adds, and nothing else. */
static bool added_headers_match(struct run *run, const rd_kafka_headers_t *headers,
                                const struct planned *expected, size_t users)
{
    char id[160], due[32], source[320], wanted_due[32];
    if (rd_kafka_header_cnt(headers) != users + 3 ||
        !header_text(headers, "delay-id", id, sizeof(id)) ||
        !header_text(headers, "delay-due", due, sizeof(due)) ||
        !header_text(headers, "delay-source", source, sizeof(source)))
        return false;
    snprintf(wanted_due, sizeof(wanted_due), "%" PRId64, ledger_due_ms(run->ledger, expected->id));
    size_t topic_len = strlen(run->options->topic);
    return strcmp(due, wanted_due) == 0 && strncmp(source, run->options->topic, topic_len) == 0 &&
           source[topic_len] == '/' &&
           strcmp(id, expected->own_id ? expected->own_id_text : source) == 0;
}

static void on_target(struct run *run, const rd_kafka_message_t *m,
                      const rd_kafka_headers_t *headers, uint64_t id, const char *topic)
{
    struct planned *p = &run->expected;
    size_t index = 0;
    plan_record(run->plan, id, ledger_due_ms(run->ledger, id) - plan_delay_ms(run->plan, id), p);
    bool same = bytes_equal(m->key, m->key_len, p->key, p->key_len) &&
                bytes_equal(m->payload, m->len, p->value, p->value_len) &&
                user_headers_match(headers, p, false, &index) &&
                added_headers_match(run, headers, p, index);
    if (p->poison != POISON_NONE)
        run->ledger->unexpected++;
    if (!same)
        run->ledger->corrupted++;
    if (strcmp(topic, p->target_text) != 0)
        run->ledger->misrouted++;
    uint64_t before = run->ledger->delivered;
    ledger_deliver(run->ledger, id, clock_ms(CLOCK_REALTIME), rd_kafka_message_timestamp(m, NULL));
    if (run->ledger->delivered > before && p->poison == POISON_NONE)
        *(p->delay_ms > run->options->horizon_ms ? &run->due_long : &run->due_short) -= 1;
}

static void on_dead_letter(struct run *run, const rd_kafka_message_t *m,
                           const rd_kafka_headers_t *headers, uint64_t id)
{
    struct planned *p = &run->expected;
    size_t index = 0;
    char code[64] = "";
    plan_record(run->plan, id, ledger_due_ms(run->ledger, id) - plan_delay_ms(run->plan, id), p);
    if (!bytes_equal(m->key, m->key_len, p->key, p->key_len) ||
        !bytes_equal(m->payload, m->len, p->value, p->value_len) ||
        (p->poison != POISON_NONE && !user_headers_match(headers, p, true, &index)))
        run->ledger->corrupted++;
    bool reason = header_text(headers, "delay-error", code, sizeof(code));
    bool expected = p->poison == POISON_NONE ? ++run->refused <= run->options->refused_max
                                             : strcmp(code, poison_code(p->poison)) == 0;
    if (!reason || !expected) {
        fprintf(stderr,
                "\nload: record %" PRIu64 " was dead-lettered with \"%s\" instead of \"%s\"\n", id,
                code, poison_code(p->poison));
        run->ledger->unexpected++;
    }
    uint64_t settled = run->ledger->delivered + run->ledger->dead_lettered;
    ledger_dead_letter(run->ledger, id, clock_ms(CLOCK_REALTIME));
    if (p->poison == POISON_NONE && run->ledger->delivered + run->ledger->dead_lettered > settled)
        *(p->delay_ms > run->options->horizon_ms ? &run->due_long : &run->due_short) -= 1;
}

static void on_message(struct run *run, const rd_kafka_message_t *m)
{
    if (m->err != 0) {
        if (m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF && m->err != RD_KAFKA_RESP_ERR__TRANSPORT &&
            m->err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
            fprintf(stderr, "\nload: consumer: %s\n", rd_kafka_message_errstr(m));
        return;
    }
    rd_kafka_headers_t *headers;
    const void *value;
    size_t len;
    uint64_t id;
    if (rd_kafka_message_headers(m, &headers) != 0 ||
        rd_kafka_header_get_last(headers, PLAN_ID_HEADER, &value, &len) != 0 || value == NULL ||
        !plan_parse_id(run->plan, value, len, &id) || id >= run->attempted)
        return; /* somebody else's record, of another run */
    run->last_arrival_mono_ms = clock_ms(CLOCK_MONOTONIC);
    const char *topic = rd_kafka_topic_name(m->rkt);
    if (strcmp(topic, run->options->dead_letter_topic) == 0)
        on_dead_letter(run, m, headers, id);
    else
        on_target(run, m, headers, id, topic);
}

static void receive(struct run *run, int timeout_ms)
{
    for (int i = 0; i < FETCH_BURST; i++) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(run->consumer, i == 0 ? timeout_ms : 0);
        if (m == NULL)
            return;
        on_message(run, m);
        rd_kafka_message_destroy(m);
    }
}

/* Sends what the rate allows by now; true if it could send more at once. */
static bool send_some(struct run *run)
{
    uint64_t allowed = run->plan->records;
    if (run->options->rate > 0) {
        uint64_t elapsed_ms = (uint64_t)(clock_ms(CLOCK_MONOTONIC) - run->start_mono_ms);
        allowed = MIN(allowed, (elapsed_ms + 1) * run->options->rate / 1000);
    }
    for (int i = 0; i < SEND_BURST; i++)
        if (run->attempted >= allowed || !send_one(run))
            return false;
    return run->attempted < allowed;
}

static void report_progress(struct run *run, run_progress_fn *on_progress, void *ctx, bool final)
{
    int64_t now = clock_ms(CLOCK_MONOTONIC);
    if (!final && now - run->last_progress_ms < PROGRESS_INTERVAL_MS)
        return;
    run->last_progress_ms = now;
    struct progress progress = {.seconds = (double)(now - run->start_mono_ms) / 1000,
                                .attempted = run->attempted,
                                .waiting_short = run->due_short,
                                .waiting_long = run->due_long,
                                .final = final};
    on_progress(ctx, &progress, run->ledger);
}

static bool is_over(const struct run *run, int64_t *settled_mono_ms)
{
    const struct ledger *l = run->ledger;
    int64_t now = clock_ms(CLOCK_MONOTONIC);
    if (run->attempted < run->plan->records || run->answered < run->attempted) {
        *settled_mono_ms = INT64_MAX;
        return false;
    }
    if (l->settled + l->unknown >= l->sent + l->unknown) {
        if (*settled_mono_ms == INT64_MAX)
            *settled_mono_ms = now;
        /* A copy that comes for ever is no reason to wait for ever. */
        return now - MAX(*settled_mono_ms, run->last_arrival_mono_ms) >= run->options->settle_ms ||
               now - *settled_mono_ms >= SETTLES_MAX * run->options->settle_ms;
    }
    int64_t overdue = clock_ms(CLOCK_REALTIME) - run->last_due_ms;
    return overdue > run->options->drain_ms &&
           now - run->last_arrival_mono_ms > run->options->drain_ms;
}

static void transfer(struct run *run, run_progress_fn *on_progress, void *ctx)
{
    int64_t settled_mono_ms = INT64_MAX;
    run->start_mono_ms = run->last_arrival_mono_ms = clock_ms(CLOCK_MONOTONIC);
    while (!run_interrupted && !is_over(run, &settled_mono_ms)) {
        bool more = send_some(run);
        rd_kafka_poll(run->producer, 0);
        receive(run, more ? 0 : 1);
        report_progress(run, on_progress, ctx, false);
    }
    if (run_interrupted != 0) {
        rd_kafka_flush(run->producer, INTERRUPTED_FLUSH_MS);
        ledger_break_off(run->ledger, clock_ms(CLOCK_REALTIME), run->options->drain_ms);
    }
    report_progress(run, on_progress, ctx, true);
}

bool run_load(const struct options *options, struct ledger *ledger, run_progress_fn *on_progress,
              void *ctx, double *ret_seconds)
{
    struct run run = {.options = options, .plan = &options->plan, .ledger = ledger};
    run.topics = calloc(options->plan.targets + 1, sizeof(*run.topics));
    CHECK(run.topics != NULL);
    for (unsigned t = 0; t < options->plan.targets; t++)
        plan_target_name(&options->plan, t, run.topics[run.topic_count++]);
    snprintf(run.topics[run.topic_count++], PLAN_TOPIC_SIZE, "%s", options->dead_letter_topic);
    run.producer = client(&run, RD_KAFKA_PRODUCER);
    run.consumer = client(&run, RD_KAFKA_CONSUMER);
    rd_kafka_poll_set_consumer(run.consumer);

    bool ok = partition_count(&run, options->topic) > 0;
    if (!ok && run_interrupted == 0)
        fprintf(stderr, "load: delay topic %s cannot be reached at %s\n", options->topic,
                options->bootstrap);
    ok = ok && assign(&run);
    ledger_init(ledger, options->plan.records, clock_ms(CLOCK_REALTIME));
    if (options->faults != NULL)
        ledger_keep_times(ledger);
    if (ok) {
        transfer(&run, on_progress, ctx);
        *ret_seconds = (double)(run.last_arrival_mono_ms - run.start_mono_ms) / 1000;
    }
    rd_kafka_consumer_close(run.consumer);
    rd_kafka_destroy(run.consumer);
    rd_kafka_purge(run.producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(run.producer, 1000);
    rd_kafka_destroy(run.producer);
    planned_release(&run.planned);
    planned_release(&run.expected);
    free(run.topics);
    return ok;
}
