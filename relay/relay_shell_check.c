/* Looks at everything the relay depends on, all of it in one go: queues and table at once, then
 * Kafka, which blocks.
 *
 * The happy path is: two URLs, their attributes, the table, the dead-letter topic, all as they
 * should be. The failure modes are: refused for good or of the wrong type (a mistake, a line each),
 * out of reach (a line each; the check is made again later). */
#include "common/mem.h"
#include "relay/relay_shell_internal.h"

#define KAFKA_TIMEOUT_MS 3000
#define RETENTION_WANTED (14 * MS_PER_DAY / MS_PER_SECOND)

static const char *const variables[RELAY_QUEUES] = {"DELAYLINE_DELAY_QUEUE",
                                                    "DELAYLINE_READY_QUEUE"};

static const char *queue_name(const struct relay_shell *s, int q)
{
    const struct settings *settings = &s->config->settings;
    return q == RELAY_QUEUE_DELAY ? settings->delay_queue : settings->ready_queue;
}

/* --- results --------------------------------------------------------------------------------- */

static void found(struct relay_shell *s, enum program_check result)
{
    if (result > s->check.result)
        s->check.result = result;
}

static void mistake(struct relay_shell *s, const char *variable, const char *value,
                    const char *text)
{
    buf_printf(&s->check.problems, "%s=%s: %s\n", variable, value, text);
    found(s, PROGRAM_CHECK_CONFIG);
}

/* What is refused for good needs somebody to change something; all else may pass. */
static void failed(struct relay_shell *s, const char *variable, const char *value,
                   const struct error *error)
{
    buf_printf(&s->check.problems, "%s=%s: %s: %s\n", variable, value, error->code, error->text);
    found(s, error->kind == ERROR_PERMANENT ? PROGRAM_CHECK_CONFIG : PROGRAM_CHECK_UNAVAILABLE);
}

static void check_kafka(struct relay_shell *s)
{
    const struct settings *settings = &s->config->settings;
    const char *topics[] = {settings->dead_letter_topic};
    int32_t partitions[] = {-1};
    struct error error;
    enum status status = kafka_check(settings->bootstrap_servers, NULL, 0, topics, partitions,
                                     ARRAY_LEN(topics), KAFKA_TIMEOUT_MS, &error);
    /* It may have blocked for seconds: timers that are started now count from now. */
    uv_update_time(loop_uv(s->loop));
    if (status != STATUS_OK)
        failed(s, "KAFKA_BOOTSTRAP_SERVERS", settings->bootstrap_servers, &error);
    else if (partitions[0] < 0)
        mistake(s, "DELAYLINE_DEAD_LETTER_TOPIC", settings->dead_letter_topic,
                "this topic does not exist");
}

static void done_one(struct relay_shell *s)
{
    if (--s->check.pending > 0)
        return;
    check_kafka(s);
    program_checked(s->program, s->check.result, &s->check.problems);
}

/* --- queues ---------------------------------------------------------------------------------- */

static void judge(struct relay_shell *s, int q, const struct sqs_queue_attributes *a)
{
    const char *name = queue_name(s, q);
    if (q == RELAY_QUEUE_DELAY && a->fifo)
        mistake(s, variables[q], name, "must be a standard queue: FIFO takes no delay per message");
    if (q == RELAY_QUEUE_READY && !a->fifo)
        mistake(s, variables[q], name, "must be a FIFO queue: it drops what is sent twice");
    if (q == RELAY_QUEUE_READY && a->delay_seconds > 0)
        mistake(s, variables[q], name,
                "must have no delay of its own (DelaySeconds 0): it would make every record late");
    if (a->redrive_policy)
        mistake(s, variables[q], name,
                "must have no redrive policy: deferral raises the receive count, so good "
                "envelopes would be moved away");
    if (a->retention_seconds >= 0 && a->retention_seconds < RETENTION_WANTED)
        log_event(s->log, LOG_WARN, "retention_short", LOG_STR("queue", name),
                  LOG_NUMBER("seconds", a->retention_seconds),
                  LOG_NUMBER("wanted", RETENTION_WANTED));
}

static void on_attributes(struct relay_shell *s, int q, const struct sqs_queue_attributes *a,
                          const struct error *error)
{
    if (error->kind == ERROR_NONE)
        judge(s, q, a);
    else
        failed(s, variables[q], queue_name(s, q), error);
    done_one(s);
}

static void on_delay_attributes(void *ctx, const struct sqs_queue_attributes *attributes,
                                const struct error *error)
{
    on_attributes(ctx, RELAY_QUEUE_DELAY, attributes, error);
}

static void on_ready_attributes(void *ctx, const struct sqs_queue_attributes *attributes,
                                const struct error *error)
{
    on_attributes(ctx, RELAY_QUEUE_READY, attributes, error);
}

static void on_url(struct relay_shell *s, int q, const char *url, const struct error *error)
{
    if (error->kind != ERROR_NONE) {
        failed(s, variables[q], queue_name(s, q), error);
        done_one(s);
        return;
    }
    mem_free(s->queues[q].url);
    s->queues[q].url = mem_strdup(url);
    sqs_get_queue_attributes(s->sqs, s->queues[q].url,
                             q == RELAY_QUEUE_DELAY ? on_delay_attributes : on_ready_attributes, s);
}

static void on_delay_url(void *ctx, const char *url, const struct error *error)
{
    on_url(ctx, RELAY_QUEUE_DELAY, url, error);
}

static void on_ready_url(void *ctx, const char *url, const struct error *error)
{
    on_url(ctx, RELAY_QUEUE_READY, url, error);
}

/* --- table ----------------------------------------------------------------------------------- */

static void on_table(void *ctx, const struct dynamodb_table_info *info, const struct error *error)
{
    struct relay_shell *s = ctx;
    const char *table = s->config->settings.table;
    if (error->kind != ERROR_NONE)
        failed(s, "DELAYLINE_TABLE", table, error);
    else if (!info->keys_are_ours)
        mistake(s, "DELAYLINE_TABLE", table, "its keys must be pk (S, HASH) and sk (S, RANGE)");
    done_one(s);
}

void relay_shell_check(void *shell)
{
    struct relay_shell *s = shell;
    buf_clear(&s->check.problems);
    s->check.result = PROGRAM_CHECK_OK;
    s->check.pending = RELAY_QUEUES + 1;
    sqs_get_queue_url(s->sqs, queue_name(s, RELAY_QUEUE_DELAY), on_delay_url, s);
    sqs_get_queue_url(s->sqs, queue_name(s, RELAY_QUEUE_READY), on_ready_url, s);
    dynamodb_describe(s->dynamodb, s->config->settings.table, on_table, s);
}
