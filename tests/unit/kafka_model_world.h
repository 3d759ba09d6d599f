/* A cluster of three brokers with one topic, and short ways to use it: shared by the tests of the
 * Kafka model. */
#ifndef TESTS_UNIT_KAFKA_MODEL_WORLD_H
#define TESTS_UNIT_KAFKA_MODEL_WORLD_H

#include "tests/harness/unit.h"

#include "common/mem.h"
#include "common/prng.h"
#include "tests/model/kafka_model.h"

#define T0     INT64_C(1800000000000)
#define SECOND INT64_C(1000)
#define TOPIC  SLICE_LITERAL("delays")
#define GROUP  SLICE_LITERAL("routers")

#define assert_kafka(expression, expected)                                                         \
    do {                                                                                           \
        enum kafka_model_error kafka_got_ = (expression);                                          \
        if (kafka_got_ != KAFKA_MODEL_##expected)                                                  \
            fail_msg("%s is %s, expected %s", #expression, kafka_model_error_name(kafka_got_),     \
                     #expected);                                                                   \
    } while (0)

static inline struct kafka_model *make_model(int32_t partitions)
{
    struct kafka_model *model = kafka_model_new(&(struct kafka_model_options){.brokers = 3});
    struct kafka_model_topic_options options = {.partitions = partitions};
    assert_kafka(kafka_model_create_topic(model, TOPIC, &options), NONE);
    return model;
}

static inline int tear_down(void **state)
{
    kafka_model_free(*state);
    return 0;
}

static inline struct kafka_model_produce record(const char *key, const char *value)
{
    return (struct kafka_model_produce){.topic = TOPIC,
                                        .key = slice_from_str(key),
                                        .value = slice_from_str(value),
                                        .timestamp_ms = T0};
}

static inline struct kafka_model_produced produce(struct kafka_model *model,
                                                  struct kafka_model_produce record, int64_t now_ms)
{
    struct kafka_model_produced produced;
    kafka_model_produce(model, &record, now_ms, &produced);
    return produced;
}

static inline struct kafka_model_fetched fetch(struct kafka_model *model, int64_t offset,
                                               int64_t now_ms, struct kafka_model_record *records,
                                               size_t records_max)
{
    struct kafka_model_fetch spec = {
        .topic = TOPIC, .offset = offset, .records_max = records_max, .bytes_max = SIZE_MAX};
    struct kafka_model_fetched fetched;
    kafka_model_fetch(model, &spec, now_ms, records, &fetched);
    return fetched;
}

static inline struct kafka_model_join membership(uint64_t member)
{
    static const struct slice topics[] = {{(const uint8_t *)"delays", 6}};
    return (struct kafka_model_join){.group = GROUP,
                                     .member = member,
                                     .topics = topics,
                                     .topic_count = 1,
                                     .session_timeout_ms = 10 * SECOND,
                                     .rebalance_timeout_ms = 60 * SECOND};
}

#endif
