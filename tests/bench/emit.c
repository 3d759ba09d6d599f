/* emit: what librdkafka alone takes for the records that a relay delivers: no queue before it, no
 * envelope, no instant to wait for. Produces them from memory to the target, with a relay's
 * properties, waits for each one's report, and says how many CPU seconds that took. Options as
 * load's; a bound for what a relay can reach. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/check.h"
#include "common/compiler.h"
#include "tests/load/options.h"

#define KINDS         4096 /* different records, one after the other, again and again */
#define HEADERS_ADDED 3
#define IN_FLIGHT     "30000"
#define BETWEEN_POLLS 256
#define SMALL_BYTES   64

struct header {
    char name[SMALL_BYTES];
    char value[SMALL_BYTES];
    ssize_t len; /* -1: null */
};

struct kind {
    char key[SMALL_BYTES];
    size_t key_len; /* 0: null */
    char *value;
    size_t value_len;
    struct header headers[PLAN_HEADERS_MAX + HEADERS_ADDED];
    size_t header_count;
};

static void add_header(struct kind *k, const char *name, const void *value, size_t len)
{
    struct header *h = &k->headers[k->header_count++];
    CHECK(strlen(name) < sizeof(h->name) && len <= sizeof(h->value));
    memcpy(h->name, name, strlen(name));
    h->len = value == NULL ? -1 : (ssize_t)len;
    if (value != NULL)
        memcpy(h->value, value, len);
}

static void kind_init(struct kind *k, const struct planned *p)
{
    *k = (struct kind){.key_len = p->key_len, .value_len = p->value_len};
    CHECK(p->key_len <= sizeof(k->key));
    if (p->key_len > 0)
        memcpy(k->key, p->key, p->key_len);
    k->value = malloc(p->value_len);
    CHECK(k->value != NULL);
    memcpy(k->value, p->value, p->value_len);
    for (size_t i = 0; i < p->header_count; i++)
        if (!p->headers[i].steers)
            add_header(k, p->headers[i].name, p->headers[i].value, p->headers[i].len);
    add_header(k, "delay-id", "delay/12/1234567", 16);
    add_header(k, "delay-due", "1800000000000", 13);
    add_header(k, "delay-source", "delay/12/1234567", 16);
}

static struct kind *kinds_new(const struct options *options)
{
    struct kind *kinds = calloc(KINDS, sizeof(*kinds));
    struct planned planned = {.id = 0};
    CHECK(kinds != NULL);
    for (uint64_t i = 0; i < KINDS; i++) {
        plan_record(&options->plan, i % options->plan.records, 0, &planned);
        kind_init(&kinds[i], &planned);
    }
    planned_release(&planned);
    return kinds;
}

/* As common/kafka_producer.c and relay/relay_shell_emit.c have them. */
static rd_kafka_t *producer_new(const char *bootstrap)
{
    static const char *const properties[][2] = {
        {"socket.nagle.disable", "true"},
        {"partitioner", "murmur2_random"},
        {"queue.buffering.max.ms", "0"},
        {"queue.buffering.max.kbytes", "262144"},
        {"queue.buffering.max.messages", IN_FLIGHT},
        {"enable.idempotence", "true"},
        {"acks", "all"},
    };
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    CHECK(rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap, text, sizeof(text)) == 0);
    for (size_t i = 0; i < ARRAY_LEN(properties); i++)
        CHECK(rd_kafka_conf_set(conf, properties[i][0], properties[i][1], text, sizeof(text)) == 0);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    CHECK(producer != NULL);
    return producer;
}

/* Good reports. */
static uint64_t take_reports(rd_kafka_queue_t *queue, int wait_ms)
{
    uint64_t good = 0;
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(queue, wait_ms)) != NULL) {
        const rd_kafka_message_t *message;
        while ((message = rd_kafka_event_message_next(event)) != NULL) {
            CHECK(message->err == 0);
            good++;
        }
        rd_kafka_event_destroy(event);
        wait_ms = 0;
    }
    return good;
}

/* false: the queue is full. */
static bool produce(rd_kafka_t *producer, rd_kafka_topic_t *topic, const struct kind *k)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(k->header_count);
    for (size_t i = 0; i < k->header_count; i++) {
        const struct header *h = &k->headers[i];
        CHECK(rd_kafka_header_add(headers, h->name, -1, h->len < 0 ? NULL : h->value, h->len) == 0);
    }
    rd_kafka_resp_err_t err = rd_kafka_producev(
        producer, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(k->key_len == 0 ? NULL : k->key, k->key_len),
        RD_KAFKA_V_VALUE(k->value, k->value_len), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    if (err == 0)
        return true;
    CHECK(err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    rd_kafka_headers_destroy(headers);
    return false;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct options options;
    char target[PLAN_TOPIC_SIZE];
    options_parse(argc, argv, &options);
    plan_target_name(&options.plan, 0, target);
    struct kind *kinds = kinds_new(&options);
    rd_kafka_t *producer = producer_new(options.bootstrap);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(producer);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, target, NULL);
    CHECK(topic != NULL);

    double before = cpu_seconds();
    uint64_t reported = 0;
    for (uint64_t id = 0; id < options.plan.records; id++) {
        while (!produce(producer, topic, &kinds[id % KINDS]))
            reported += take_reports(queue, 10);
        if (id % BETWEEN_POLLS == 0)
            reported += take_reports(queue, 0);
    }
    while (reported < options.plan.records)
        reported += take_reports(queue, 10);
    double spent = cpu_seconds() - before;

    rd_kafka_topic_destroy(topic);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(producer);
    for (size_t i = 0; i < KINDS; i++)
        free(kinds[i].value);
    free(kinds);
    printf("{\"records\": %" PRIu64 ", \"cpu_seconds\": %.6f}\n", reported, spent);
    return EXIT_SUCCESS;
}
