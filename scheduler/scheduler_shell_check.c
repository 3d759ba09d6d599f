#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "scheduler/scheduler_shell_internal.h"

#define RETENTION_WANTED_S (14 * 24 * 3600)
/* The largest envelope in base64; the ready queue must take it. */
#define MESSAGE_BYTES_WANTED ((ENVELOPE_RAW_BYTES_MAX + 4 * KIB) / 3 * 4)

static void worse(struct scheduler_shell *shell, enum program_check result)
{
    if (shell->check_result != PROGRAM_CHECK_CONFIG)
        shell->check_result = result;
}

static void end_one(struct scheduler_shell *shell)
{
    CHECK(shell->checks_open > 0);
    if (--shell->checks_open == 0)
        program_checked(shell->program, shell->check_result, &shell->check_problems);
}

static void mistake(struct scheduler_shell *shell, const char *setting, const char *name,
                    const char *text)
{
    buf_printf(&shell->check_problems, "%s=%s: %s\n", setting, name, text);
    worse(shell, PROGRAM_CHECK_CONFIG);
}

static void call_failed(struct scheduler_shell *shell, const char *setting, const char *name,
                        const struct error *error)
{
    buf_printf(&shell->check_problems, "%s=%s: %s: %s\n", setting, name, error->code, error->text);
    worse(shell, error->kind == ERROR_PERMANENT ? PROGRAM_CHECK_CONFIG : PROGRAM_CHECK_UNAVAILABLE);
}

/* --- queues ---------------------------------------------------------------------------------- */

static void on_attributes(void *ctx, const struct sqs_queue_attributes *q,
                          const struct error *error)
{
    const struct queue_check *check = ctx;
    struct scheduler_shell *shell = check->shell;
    const char *setting = check->setting;
    const char *name = check->name;
    if (error->kind != ERROR_NONE) {
        call_failed(shell, setting, name, error);
        end_one(shell);
        return;
    }
    if (!q->fifo)
        mistake(shell, setting, name, "must be a FIFO queue");
    if (q->fifo && check->role == QUEUE_READY &&
        !(q->deduplication_per_group && q->throughput_per_group))
        mistake(shell, setting, name,
                "must be in high-throughput mode (DeduplicationScope messageGroup, "
                "FifoThroughputLimit perMessageGroupId, set at creation)");
    if (q->delay_seconds > 0)
        mistake(shell, setting, name,
                "must have no DelaySeconds: FIFO applies it to everything that is sent");
    if (q->redrive_policy)
        mistake(shell, setting, name,
                "must have no RedrivePolicy: deferral and takeover raise the receive count");
    if (check->role == QUEUE_READY && q->maximum_message_bytes >= 0 &&
        q->maximum_message_bytes < MESSAGE_BYTES_WANTED)
        mistake(shell, setting, name, "MaximumMessageSize is too small for an envelope");
    if (q->retention_seconds >= 0 && q->retention_seconds < RETENTION_WANTED_S)
        log_event(shell->log, LOG_WARN, "queue_retention_is_short", LOG_STR("queue", name),
                  LOG_NUMBER("seconds", q->retention_seconds));
    end_one(shell);
}

static void on_url(void *ctx, const char *queue_url, const struct error *error)
{
    struct queue_check *check = ctx;
    struct scheduler_shell *shell = check->shell;
    if (error->kind != ERROR_NONE) {
        call_failed(shell, check->setting, check->name, error);
        end_one(shell);
        return;
    }
    char *own = shell->queue_urls[check->role];
    int len = snprintf(own, QUEUE_URL_SIZE, "%s", queue_url);
    if (len >= QUEUE_URL_SIZE) {
        mistake(shell, check->setting, check->name, "the queue's URL is too long");
        end_one(shell);
        return;
    }
    sqs_get_queue_attributes(shell->sqs, own, on_attributes, check);
}

static void check_queue(struct scheduler_shell *shell, enum queue_role role, const char *setting,
                        const char *name)
{
    struct queue_check *check = &shell->queue_checks[role];
    *check = (struct queue_check){shell, role, setting, name};
    sqs_get_queue_url(shell->sqs, name, on_url, check);
}

/* --- table ----------------------------------------------------------------------------------- */

static void on_table(void *ctx, const struct dynamodb_table_info *info, const struct error *error)
{
    struct scheduler_shell *shell = ctx;
    const char *name = shell->config->settings.table;
    if (error->kind != ERROR_NONE) {
        call_failed(shell, "DELAYLINE_TABLE", name, error);
        end_one(shell);
        return;
    }
    if (!info->keys_are_ours)
        mistake(shell, "DELAYLINE_TABLE", name,
                "must have the partition key pk and the sort key sk, both strings");
    if (info->ttl_known && !info->ttl_enabled)
        mistake(shell, "DELAYLINE_TABLE", name, "must have TTL on the attribute expires");
    if (!info->active) {
        buf_printf(&shell->check_problems, "DELAYLINE_TABLE=%s: is not active yet\n", name);
        worse(shell, PROGRAM_CHECK_UNAVAILABLE);
    }
    end_one(shell);
}

void scheduler_shell_check(void *untyped)
{
    struct scheduler_shell *shell = untyped;
    const struct settings *settings = &shell->config->settings;
    buf_clear(&shell->check_problems);
    shell->check_result = PROGRAM_CHECK_OK;
    shell->checks_open = QUEUE_ROLES + 1;
    dynamodb_describe(shell->dynamodb, settings->table, on_table, shell);
    check_queue(shell, QUEUE_READY, "DELAYLINE_READY_QUEUE", settings->ready_queue);
    check_queue(shell, QUEUE_TIMER, "DELAYLINE_TIMER_QUEUE", settings->timer_queue);
}
