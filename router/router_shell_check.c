/* What must be there before the router may start: topics, the delay queue, the table. Every mistake
 * is named in one go; the questions to AWS are under way together, and Kafka, which blocks, comes
 * after. */
#include "common/mem.h"
#include "router/router_shell_internal.h"

#define KAFKA_TIMEOUT_MS 3000

static void check_topics(void *ctx)
{
    struct router_shell *s = ctx;
    const struct settings *settings = &s->config->settings;
    size_t count = s->topics.count + 1;
    CLEANUP(mem_freep) const char **names = mem_calloc(count, sizeof(*names));
    CLEANUP(mem_freep) int32_t *partitions = mem_calloc(count, sizeof(*partitions));
    for (size_t i = 0; i < s->topics.count; i++)
        names[i] = s->topics.topics[i].name;
    names[count - 1] = settings->dead_letter_topic;
    struct error error;
    const struct kafka_cluster cluster = aws_services_kafka(&s->aws, settings);
    enum status status =
        kafka_check(s->loop, &cluster, NULL, 0, names, partitions, count, KAFKA_TIMEOUT_MS, &error);
    /* It may have blocked for seconds: timers that are started now count from now. */
    uv_update_time(loop_uv(s->loop));
    if (status != STATUS_OK) {
        dependency_check_error(&s->check, "KAFKA_BOOTSTRAP_SERVERS", settings->bootstrap_servers,
                               &error);
        return;
    }
    int64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        bool dead_letters = i == count - 1;
        if (partitions[i] < 0)
            dependency_check_mistake(
                &s->check, dead_letters ? "DELAYLINE_DEAD_LETTER_TOPIC" : "DELAYLINE_DELAY_TOPICS",
                names[i], "the topic does not exist");
        else if (!dead_letters)
            total += partitions[i];
    }
    if (total > ROUTER_PARTITIONS_MAX)
        dependency_check_mistake(&s->check, "DELAYLINE_DELAY_TOPICS", settings->delay_topics,
                                 "more partitions than one replica can hold");
}

void router_shell_check(void *shell)
{
    struct router_shell *s = shell;
    const struct settings *settings = &s->config->settings;
    s->delay_queue = (struct dependency_queue){.variable = "DELAYLINE_DELAY_QUEUE",
                                               .name = settings->delay_queue,
                                               .is_large = true,
                                               .url = &s->delay_queue_url};
    dependency_check_begin(&s->check, check_topics, s);
    dependency_check_queue(&s->check, s->aws.sqs, &s->delay_queue);
    dependency_check_table(&s->check, s->aws.dynamodb, settings->table, settings->bucket_ms);
    dependency_check_asked(&s->check);
}
