/* feed: writes the records that `load` would, in large batches, and ends when all are acknowledged.
 * The input of a program that is measured alone. Same options as load; what is about reading is
 * ignored. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/check.h"
#include "common/compiler.h"
#include "tests/load/options.h"

#define BROKER_TIMEOUT_MS 10000
#define FLUSH_TIMEOUT_MS  60000

struct feed {
    rd_kafka_t *producer;
    uint64_t acknowledged;
    uint64_t failed;
};

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    struct feed *feed = opaque;
    *(message->err == 0 ? &feed->acknowledged : &feed->failed) += 1;
}

static rd_kafka_t *producer_new(const struct options *options, struct feed *feed)
{
    static const char *const properties[][2] = {
        {"linger.ms", "100"},
        {"batch.size", "1000000"},
        {"batch.num.messages", "20000"},
        {"message.max.bytes", "20000000"},
        {"queue.buffering.max.messages", "1000000"},
        {"queue.buffering.max.kbytes", "131072"},
    };
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    CHECK(rd_kafka_conf_set(conf, "bootstrap.servers", options->bootstrap, text, sizeof(text)) ==
          0);
    for (size_t i = 0; i < ARRAY_LEN(properties); i++)
        CHECK(rd_kafka_conf_set(conf, properties[i][0], properties[i][1], text, sizeof(text)) == 0);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_opaque(conf, feed);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    CHECK(producer != NULL);
    return producer;
}

static int partition_count(rd_kafka_t *producer, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(producer, topic, NULL);
    int count = 0;
    if (rd_kafka_metadata(producer, 0, handle, &metadata, BROKER_TIMEOUT_MS) == 0) {
        count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(handle);
    return count;
}

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void send_one(struct feed *feed, const struct options *options, struct planned *p,
                     int partition, int64_t now_ms)
{
    rd_kafka_resp_err_t err;
    do {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(p->header_count);
        for (size_t i = 0; i < p->header_count; i++)
            rd_kafka_header_add(headers, p->headers[i].name, -1, p->headers[i].value,
                                (ssize_t)p->headers[i].len);
        err = rd_kafka_producev(feed->producer, RD_KAFKA_V_TOPIC(options->topic),
                                RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_KEY(p->key, p->key_len),
                                RD_KAFKA_V_VALUE((void *)(uintptr_t)p->value, p->value_len),
                                RD_KAFKA_V_TIMESTAMP(now_ms), RD_KAFKA_V_HEADERS(headers),
                                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (err != 0)
            rd_kafka_headers_destroy(headers);
        rd_kafka_poll(feed->producer, err == 0 ? 0 : 10);
    } while (err == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    CHECK(err == 0);
}

/* Until the rate allows one more. */
static void pace(const struct feed *feed, const struct options *options, uint64_t sent,
                 int64_t start_ms)
{
    while (options->rate > 0 && sent >= (uint64_t)(wall_ms() - start_ms + 1) * options->rate / 1000)
        rd_kafka_poll(feed->producer, 1);
}

/* One partition after the other, so that batches become large. */
int main(int argc, char **argv)
{
    struct options options;
    options_parse(argc, argv, &options);
    struct feed feed = {.acknowledged = 0};
    feed.producer = producer_new(&options, &feed);
    uint64_t partitions = (uint64_t)partition_count(feed.producer, options.topic);
    if (partitions == 0) {
        fprintf(stderr, "feed: topic %s cannot be had\n", options.topic);
        return EXIT_FAILURE;
    }
    struct planned planned = {.id = 0};
    uint64_t bytes = 0;
    int64_t start_ms = wall_ms();
    for (uint64_t id = 0; id < options.plan.records; id++) {
        pace(&feed, &options, id, start_ms);
        int64_t now_ms = options.at_once ? start_ms : wall_ms();
        plan_record(&options.plan, id, now_ms, &planned);
        send_one(&feed, &options, &planned, (int)(id * partitions / options.plan.records), now_ms);
        bytes += planned.value_len;
    }
    planned_release(&planned);
    rd_kafka_flush(feed.producer, FLUSH_TIMEOUT_MS);
    rd_kafka_destroy(feed.producer);
    printf("{\"records\": %" PRIu64 ", \"value_bytes\": %" PRIu64 ", \"start_ms\": %" PRId64
           ", \"end_ms\": %" PRId64 "}\n",
           feed.acknowledged, bytes, start_ms, wall_ms());
    return feed.acknowledged == options.plan.records ? EXIT_SUCCESS : EXIT_FAILURE;
}
