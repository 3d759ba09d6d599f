#include "common/dependency_check.h"

#include <string.h>

#include "common/check.h"
#include "common/config.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/table.h"
#include "common/table_setup.h"

#define PROBLEMS_BYTES_MAX (64 * KIB)
#define RETENTION_SECONDS  (14 * 24 * 3600) /* SQS's maximum: an outage of days loses nothing */
/* The base64 of an envelope that does not compress. */
#define MESSAGE_BYTES  ((ENVELOPE_RAW_BYTES_MAX + 4 * KIB) / 3 * 4)
#define TABLE_VARIABLE "DELAYLINE_TABLE"

void dependency_check_init(struct dependency_check *c, struct program *program)
{
    *c = (struct dependency_check){.program = program};
    buf_init(&c->problems, PROBLEMS_BYTES_MAX);
}

void dependency_check_release(struct dependency_check *c)
{
    buf_release(&c->problems);
}

static void found(struct dependency_check *c, enum program_check result)
{
    c->result = MAX(c->result, result);
}

static void answered(struct dependency_check *c)
{
    CHECK(c->open > 0);
    if (--c->open > 0)
        return;
    if (c->on_answered != NULL)
        c->on_answered(c->ctx);
    program_checked(c->program, c->result, &c->problems);
}

void dependency_check_begin(struct dependency_check *c, void (*on_answered)(void *ctx), void *ctx)
{
    CHECK(c->open == 0);
    buf_clear(&c->problems);
    c->result = PROGRAM_CHECK_OK;
    c->on_answered = on_answered;
    c->ctx = ctx;
    c->open = 1; /* until dependency_check_asked */
}

void dependency_check_asked(struct dependency_check *c)
{
    answered(c);
}

void dependency_check_mistake(struct dependency_check *c, const char *variable, const char *value,
                              const char *text)
{
    buf_printf(&c->problems, "%s=%s: %s\n", variable, value, text);
    found(c, PROGRAM_CHECK_CONFIG);
}

/* Permissions and credentials may come yet, what does not exist is a mistake. */
void dependency_check_error(struct dependency_check *c, const char *variable, const char *value,
                            const struct error *error)
{
    /* One line each: AWS explains a wrong signature over many. */
    int first_line = (int)strcspn(error->text, "\r\n");
    buf_printf(&c->problems, "%s=%s: %s: %.*s\n", variable, value, error->code, first_line,
               error->text);
    found(c, error->kind == ERROR_PERMANENT ? PROGRAM_CHECK_CONFIG : PROGRAM_CHECK_UNAVAILABLE);
}

/* --- queues ---------------------------------------------------------------------------------- */

static void judge_fifo(const struct dependency_queue *q, const struct sqs_queue_attributes *a)
{
    if (!a->fifo) {
        dependency_check_mistake(q->check, q->variable, q->name,
                                 "is a standard queue; a FIFO queue is needed");
        return;
    }
    if (q->is_per_group && !a->throughput_known)
        log_event(program_log(q->check->program), LOG_WARN, "queue_throughput_unknown",
                  LOG_STR("queue", q->name),
                  LOG_STR("hint",
                          "it tells neither DeduplicationScope nor FifoThroughputLimit; AWS "
                          "tells both"));
    else if (q->is_per_group && !(a->deduplication_per_group && a->throughput_per_group))
        dependency_check_mistake(q->check, q->variable, q->name,
                                 "must be in high-throughput mode (DeduplicationScope "
                                 "messageGroup, FifoThroughputLimit perMessageGroupId)");
    if (a->delay_seconds > 0)
        dependency_check_mistake(q->check, q->variable, q->name,
                                 "must have no DelaySeconds: FIFO applies it to everything sent");
}

static void judge(const struct dependency_queue *q, const struct sqs_queue_attributes *a)
{
    struct log *log = program_log(q->check->program);
    if (q->is_fifo)
        judge_fifo(q, a);
    else if (a->fifo)
        dependency_check_mistake(q->check, q->variable, q->name,
                                 "is a FIFO queue; a standard queue is needed");
    else if (a->delay_seconds > 0)
        log_event(log, LOG_WARN, "queue_has_a_delay", LOG_STR("queue", q->name),
                  LOG_NUMBER("delay_seconds", a->delay_seconds),
                  LOG_STR("hint", "every message names its own delay, so it has no effect"));
    if (a->redrive_policy)
        dependency_check_mistake(q->check, q->variable, q->name,
                                 "must have no redrive policy: deferral and takeover raise the "
                                 "receive count, so it would drain good messages");
    if (q->is_large && a->maximum_message_bytes >= 0 && a->maximum_message_bytes < MESSAGE_BYTES)
        dependency_check_mistake(q->check, q->variable, q->name,
                                 "MaximumMessageSize is too small; set it to 1048576");
    if (a->retention_seconds >= 0 && a->retention_seconds < RETENTION_SECONDS)
        log_event(log, LOG_WARN, "queue_retention_is_short", LOG_STR("queue", q->name),
                  LOG_NUMBER("retention_seconds", a->retention_seconds),
                  LOG_STR("hint", "an outage longer than that loses messages; set 14 days"));
}

static void on_attributes(void *ctx, const struct sqs_queue_attributes *attributes,
                          const struct error *error)
{
    const struct dependency_queue *q = ctx;
    if (error->kind == ERROR_NONE)
        judge(q, attributes);
    else
        dependency_check_error(q->check, q->variable, q->name, error);
    answered(q->check);
}

static void on_url(void *ctx, const char *queue_url, const struct error *error)
{
    struct dependency_queue *q = ctx;
    if (error->kind != ERROR_NONE) {
        dependency_check_error(q->check, q->variable, q->name, error);
        answered(q->check);
        return;
    }
    mem_free(*q->url);
    *q->url = mem_strdup(queue_url);
    sqs_get_queue_attributes(q->sqs, *q->url, on_attributes, q);
}

void dependency_check_queue(struct dependency_check *c, struct sqs *sqs,
                            struct dependency_queue *queue)
{
    queue->check = c;
    queue->sqs = sqs;
    c->open++;
    sqs_get_queue_url(sqs, queue->name, on_url, queue);
}

/* --- table ----------------------------------------------------------------------------------- */

static void on_meta(void *ctx, const struct dynamodb_item *item, const struct error *error)
{
    struct dependency_check *c = ctx;
    struct table_meta meta = table_setup_meta(item);
    if (error->kind != ERROR_NONE) {
        dependency_check_error(c, TABLE_VARIABLE, c->table, error);
    } else if (meta.bucket_ms != 0 && meta.bucket_ms != c->bucket_ms) {
        CLEANUP(buf_release) struct buf ours;
        CLEANUP(buf_release) struct buf text;
        buf_init(&ours, KIB);
        buf_init(&text, KIB);
        config_print_duration(&ours, c->bucket_ms);
        table_setup_explain(&text, &meta);
        dependency_check_mistake(c, "DELAYLINE_BUCKET", buf_text(&ours), buf_text(&text));
    }
    answered(c);
}

static void on_table(void *ctx, const struct dynamodb_table_info *info, const struct error *error)
{
    struct dependency_check *c = ctx;
    if (error->kind != ERROR_NONE) {
        dependency_check_error(c, TABLE_VARIABLE, c->table, error);
        answered(c);
        return;
    }
    if (!info->keys_are_ours)
        dependency_check_mistake(c, TABLE_VARIABLE, c->table,
                                 "its keys must be pk (S, partition key) and sk (S, sort key)");
    bool has_buckets = c->bucket_ms > 0;
    if (has_buckets && info->ttl_known && !info->ttl_enabled)
        dependency_check_mistake(c, TABLE_VARIABLE, c->table,
                                 "must have TTL on the attribute expires, or it grows for ever");
    if (has_buckets && !info->active) {
        buf_printf(&c->problems, TABLE_VARIABLE "=%s: is not active yet\n", c->table);
        found(c, PROGRAM_CHECK_UNAVAILABLE);
    }
    if (has_buckets && info->active && info->keys_are_ours)
        dynamodb_get(c->dynamodb, c->table, SLICE_LITERAL(TABLE_META), SLICE_LITERAL("-"), on_meta,
                     c);
    else
        answered(c);
}

void dependency_check_table(struct dependency_check *c, struct dynamodb *dynamodb,
                            const char *table, int64_t bucket_ms)
{
    c->dynamodb = dynamodb;
    c->table = table;
    c->bucket_ms = bucket_ms;
    c->open++;
    dynamodb_describe(dynamodb, table, on_table, c);
}
