/* What must be there before the router may start: topics, the delay queue, the table. Every mistake
 * is named in one go; the questions to AWS are under way together. */
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "router/router_shell_internal.h"

#define KAFKA_TIMEOUT_MS 3000
#define QUEUE_RETENTION_S_MIN                                                                      \
    (14 * 24 * 3600) /* SQS's maximum: an outage of days loses nothing                             \
                      */
/* The base64 of an envelope that does not compress. */
#define MESSAGE_BYTES_MIN ((ENVELOPE_RAW_BYTES_MAX + 4 * KIB) / 3 * 4)

static void found(struct router_shell *s, enum program_check result)
{
    s->check.result = MAX(s->check.result, result);
}

static void begin_question(struct router_shell *s)
{
    s->check.open++;
}

static void end_question(struct router_shell *s)
{
    CHECK(s->check.open > 0);
    if (--s->check.open > 0)
        return;
    program_checked(s->program, s->check.result, &s->check.problems);
}

/* Permissions and credentials may come yet, what does not exist is a mistake. */
static void found_error(struct router_shell *s, const char *variable, const char *value,
                        const struct error *error)
{
    /* One line each: AWS explains a wrong signature over many. */
    int first_line = (int)strcspn(error->text, "\r\n");
    buf_printf(&s->check.problems, "%s=%s: %s: %.*s\n", variable, value, error->code, first_line,
               error->text);
    found(s, error->kind == ERROR_PERMANENT ? PROGRAM_CHECK_CONFIG : PROGRAM_CHECK_UNAVAILABLE);
}

static void found_mistake(struct router_shell *s, const char *variable, const char *value,
                          const char *text)
{
    buf_printf(&s->check.problems, "%s=%s: %s\n", variable, value, text);
    found(s, PROGRAM_CHECK_CONFIG);
}

/* --- queue ----------------------------------------------------------------------------------- */

static void warn_about_queue(struct router_shell *s, const struct sqs_queue_attributes *a)
{
    const char *queue = s->config->settings.delay_queue;
    if (a->delay_seconds > 0)
        log_event(s->log, LOG_WARN, "queue_has_a_delay", LOG_STR("queue", queue),
                  LOG_NUMBER("delay_seconds", a->delay_seconds),
                  LOG_STR("hint", "every message names its own delay, so it has no effect"));
    if (a->retention_seconds >= 0 && a->retention_seconds < QUEUE_RETENTION_S_MIN)
        log_event(s->log, LOG_WARN, "queue_retention_is_short", LOG_STR("queue", queue),
                  LOG_NUMBER("retention_seconds", a->retention_seconds),
                  LOG_STR("hint", "an outage longer than that loses records; set 14 days"));
}

static void on_attributes(void *ctx, const struct sqs_queue_attributes *a,
                          const struct error *error)
{
    struct router_shell *s = ctx;
    const char *variable = "DELAYLINE_DELAY_QUEUE";
    const char *queue = s->config->settings.delay_queue;
    if (error->kind != ERROR_NONE) {
        found_error(s, variable, queue, error);
    } else {
        if (a->fifo)
            found_mistake(s, variable, queue, "is a FIFO queue; a standard queue is needed");
        if (a->maximum_message_bytes >= 0 && a->maximum_message_bytes < MESSAGE_BYTES_MIN)
            found_mistake(s, variable, queue, "MaximumMessageSize is too small; set it to 1048576");
        if (a->redrive_policy)
            found_mistake(s, variable, queue,
                          "has a redrive policy; deferral raises the receive count, so it would "
                          "drain good envelopes: remove it");
        warn_about_queue(s, a);
    }
    end_question(s);
}

static void on_url(void *ctx, const char *queue_url, const struct error *error)
{
    struct router_shell *s = ctx;
    if (error->kind != ERROR_NONE) {
        found_error(s, "DELAYLINE_DELAY_QUEUE", s->config->settings.delay_queue, error);
        end_question(s);
        return;
    }
    mem_free(s->delay_queue_url);
    s->delay_queue_url = mem_strdup(queue_url);
    sqs_get_queue_attributes(s->sqs, s->delay_queue_url, on_attributes, s);
}

/* --- table ----------------------------------------------------------------------------------- */

static void on_table(void *ctx, const struct dynamodb_table_info *info, const struct error *error)
{
    struct router_shell *s = ctx;
    const char *variable = "DELAYLINE_TABLE";
    const char *table = s->config->settings.table;
    if (error->kind != ERROR_NONE) {
        found_error(s, variable, table, error);
    } else {
        if (!info->active) {
            buf_printf(&s->check.problems, "%s=%s: is not active yet\n", variable, table);
            found(s, PROGRAM_CHECK_UNAVAILABLE);
        }
        if (!info->keys_are_ours)
            found_mistake(s, variable, table,
                          "its keys must be pk (S, partition key) and sk (S, sort key)");
        if (info->ttl_known && !info->ttl_enabled)
            found_mistake(s, variable, table,
                          "TTL must be on, with the attribute expires, or it grows for ever");
    }
    end_question(s);
}

/* --- topics ---------------------------------------------------------------------------------- */

static void check_topics(struct router_shell *s)
{
    const struct settings *settings = &s->config->settings;
    size_t count = s->topics.count + 1;
    CLEANUP(mem_freep) const char **names = mem_calloc(count, sizeof(*names));
    CLEANUP(mem_freep) int32_t *partitions = mem_calloc(count, sizeof(*partitions));
    for (size_t i = 0; i < s->topics.count; i++)
        names[i] = s->topics.topics[i].name;
    names[count - 1] = settings->dead_letter_topic;
    struct error error;
    if (kafka_check(settings->bootstrap_servers, NULL, 0, names, partitions, count,
                    KAFKA_TIMEOUT_MS, &error) != STATUS_OK) {
        found_error(s, "KAFKA_BOOTSTRAP_SERVERS", settings->bootstrap_servers, &error);
        return;
    }
    int64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        bool dead_letters = i == count - 1;
        if (partitions[i] < 0)
            found_mistake(s,
                          dead_letters ? "DELAYLINE_DEAD_LETTER_TOPIC" : "DELAYLINE_DELAY_TOPICS",
                          names[i], "the topic does not exist");
        else if (!dead_letters)
            total += partitions[i];
    }
    if (total > ROUTER_PARTITIONS_MAX)
        found_mistake(s, "DELAYLINE_DELAY_TOPICS", settings->delay_topics,
                      "more partitions than one replica can hold");
}

void router_shell_check(void *shell)
{
    struct router_shell *s = shell;
    const struct settings *settings = &s->config->settings;
    buf_clear(&s->check.problems);
    s->check.result = PROGRAM_CHECK_OK;
    begin_question(s);
    begin_question(s);
    sqs_get_queue_url(s->sqs, settings->delay_queue, on_url, s);
    begin_question(s);
    dynamodb_describe(s->dynamodb, settings->table, on_table, s);
    check_topics(s); /* blocks, while the others are on their way */
    end_question(s);
}
