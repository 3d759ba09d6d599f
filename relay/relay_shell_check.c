/* Looks at everything the relay depends on, all of it in one go: queues and table at once, then
 * Kafka, which blocks. See common/dependency_check.h for what may happen. */
#include "relay/relay_shell_internal.h"

#define KAFKA_TIMEOUT_MS 3000

static void check_kafka(void *ctx)
{
    struct relay_shell *s = ctx;
    const struct settings *settings = &s->config->settings;
    const char *topics[] = {settings->dead_letter_topic};
    int32_t partitions[] = {-1};
    struct error error;
    const struct kafka_cluster cluster = aws_services_kafka(&s->aws, settings);
    enum status status = kafka_check(s->loop, &cluster, NULL, 0, topics, partitions,
                                     ARRAY_LEN(topics), KAFKA_TIMEOUT_MS, &error);
    /* It may have blocked for seconds: timers that are started now count from now. */
    uv_update_time(loop_uv(s->loop));
    if (status != STATUS_OK)
        dependency_check_error(&s->check, "KAFKA_BOOTSTRAP_SERVERS", settings->bootstrap_servers,
                               &error);
    else if (partitions[0] < 0)
        dependency_check_mistake(&s->check, "DELAYLINE_DEAD_LETTER_TOPIC",
                                 settings->dead_letter_topic, "the topic does not exist");
}

void relay_shell_check(void *shell)
{
    struct relay_shell *s = shell;
    const struct settings *settings = &s->config->settings;
    s->queues[RELAY_QUEUE_DELAY].wanted =
        (struct dependency_queue){.variable = "DELAYLINE_DELAY_QUEUE",
                                  .name = settings->delay_queue,
                                  .url = &s->queues[RELAY_QUEUE_DELAY].url};
    s->queues[RELAY_QUEUE_READY].wanted =
        (struct dependency_queue){.variable = "DELAYLINE_READY_QUEUE",
                                  .name = settings->ready_queue,
                                  .is_fifo = true,
                                  .url = &s->queues[RELAY_QUEUE_READY].url};
    dependency_check_begin(&s->check, check_kafka, s);
    for (int q = 0; q < RELAY_QUEUES; q++)
        dependency_check_queue(&s->check, s->aws.sqs, &s->queues[q].wanted);
    dependency_check_table(&s->check, s->aws.dynamodb, settings->table, 0);
    dependency_check_asked(&s->check);
}
