#include "scheduler/scheduler_shell.h"

#include <string.h>

#include "common/check.h"
#include "common/kill_point.h"
#include "common/mem.h"
#include "scheduler/scheduler_shell_internal.h"

#define TABLE_CALLS    16 /* beside polls and sends: the table, leases, ticks */
#define SETUP_AGAIN_MS 1000

/* --- calls ----------------------------------------------------------------------------------- */

struct call *scheduler_shell_call_begin(struct scheduler_shell *shell, uint64_t id,
                                        enum scheduler_event_kind kind)
{
    struct call *call = mem_calloc(1, sizeof(*call));
    call->shell = shell;
    call->id = id;
    call->kind = kind;
    call->next = shell->calls;
    call->link = &shell->calls;
    if (call->next != NULL)
        call->next->link = &call->next;
    shell->calls = call;
    return call;
}

struct call scheduler_shell_call_end(struct call *call)
{
    struct call copy = *call;
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    mem_free(call);
    return copy;
}

enum scheduler_result scheduler_shell_result_of(const struct error *error)
{
    switch (error->kind) {
    case ERROR_NONE:
        return SCHEDULER_DONE;
    case ERROR_RETRY:
    case ERROR_AUTH:
        return SCHEDULER_FAILED;
    case ERROR_THROTTLED:
        return SCHEDULER_THROTTLED;
    case ERROR_PERMANENT:
        return SCHEDULER_REFUSED;
    case ERROR_UNKNOWN:
        return SCHEDULER_UNKNOWN;
    }
    UNREACHABLE();
}

struct slice scheduler_shell_key_slice(const char *key)
{
    return slice_from(key, strnlen(key, TABLE_KEY_SIZE));
}

/* --- effects --------------------------------------------------------------------------------- */

static void log_note(struct scheduler_shell *shell, const struct scheduler_effect *effect)
{
    static const struct {
        enum log_level level;
        const char *event;
    } notes[] = {
        [SCHEDULER_NOTE_FOREIGN_MESSAGE] = {LOG_WARN, "foreign_message_left_in_timer_queue"},
        [SCHEDULER_NOTE_SHARD_TAKEN] = {LOG_DEBUG, "shard_taken"},
        [SCHEDULER_NOTE_TAKEN_OVER] = {LOG_INFO, "shard_taken_over"},
        [SCHEDULER_NOTE_LEASE_LOST] = {LOG_WARN, "lease_lost"},
        [SCHEDULER_NOTE_FENCE_REFUSED] = {LOG_WARN, "fence_refused"},
        [SCHEDULER_NOTE_CURSOR_MISSING] = {LOG_ERROR, "cursor_missing"},
        [SCHEDULER_NOTE_STRAGGLERS] = {LOG_ERROR, "stragglers_sent"},
        [SCHEDULER_NOTE_HISTORY_LOST] = {LOG_DEBUG, "history_lost"},
        [SCHEDULER_NOTE_SHARDS_RAISED] = {LOG_INFO, "shards_raised"},
        [SCHEDULER_NOTE_SHARDS_TOO_MANY] = {LOG_ERROR, "shards_too_many"},
    };
    log_event(shell->log, notes[effect->note.what].level, notes[effect->note.what].event,
              LOG_NUMBER("shard", effect->shard), LOG_NUMBER("bucket", effect->note.bucket),
              LOG_NUMBER("detail", effect->note.detail));
}

static void carry_out(struct scheduler_shell *shell, const struct scheduler_effect *effect)
{
    switch (effect->kind) {
    case SCHEDULER_EFFECT_READ_META:
        scheduler_shell_read_meta(shell, effect);
        return;
    case SCHEDULER_EFFECT_SEND_TICKS:
        scheduler_shell_send_ticks(shell, effect);
        return;
    case SCHEDULER_EFFECT_RECEIVE:
        scheduler_shell_receive(shell, effect);
        return;
    case SCHEDULER_EFFECT_SET_VISIBILITY:
        scheduler_shell_set_visibility(shell, effect);
        return;
    case SCHEDULER_EFFECT_DELETE_TICKS:
        scheduler_shell_delete_ticks(shell, effect);
        return;
    case SCHEDULER_EFFECT_READ_CURSOR:
        scheduler_shell_read_cursor(shell, effect);
        return;
    case SCHEDULER_EFFECT_WRITE_FENCE:
        scheduler_shell_write_fence(shell, effect);
        return;
    case SCHEDULER_EFFECT_MOVE_CURSOR:
        scheduler_shell_move_cursor(shell, effect);
        return;
    case SCHEDULER_EFFECT_READ_PAGE:
        scheduler_shell_read_page(shell, effect);
        return;
    case SCHEDULER_EFFECT_FREE_PAGE:
        scheduler_shell_pages_free(shell, effect->free_page);
        return;
    case SCHEDULER_EFFECT_SEND_PACKS:
        scheduler_shell_send_packs(shell, effect);
        return;
    case SCHEDULER_EFFECT_NOTE:
        log_note(shell, effect);
        return;
    }
    UNREACHABLE();
}

/* Calls never complete before they return, so nothing comes back in here. */
void scheduler_shell_step(struct scheduler_shell *shell, const struct scheduler_event *event)
{
    aws_services_follow_clock(&shell->aws);
    scheduler_core_step(shell->core, event, loop_now(shell->loop), &shell->effects);
    for (uint32_t i = 0; i < shell->effects.count; i++)
        carry_out(shell, &shell->effects.list[i]);
    loop_timer_set(shell->timer, scheduler_core_deadline(shell->core));
    if (shell->stopping && scheduler_core_idle(shell->core))
        program_idle(shell->program);
}

/* --- life ------------------------------------------------------------------------------------ */

static void begin_setup(struct scheduler_shell *shell);

static void on_timer(void *ctx)
{
    struct scheduler_shell *shell = ctx;
    if (shell->core != NULL)
        scheduler_shell_step(shell, &(struct scheduler_event){.kind = SCHEDULER_EVENT_WAKE});
    else if (shell->setup == NULL && !shell->stopping)
        begin_setup(shell);
}

static void *shell_new(struct program *program, const void *config, struct buf *errors)
{
    struct scheduler_shell *shell = mem_calloc(1, sizeof(*shell));
    shell->program = program;
    shell->config = config;
    shell->limits = scheduler_config_limits(config);
    shell->loop = program_loop(program);
    shell->log = program_log(program);
    shell->timer = loop_timer_new(shell->loop, on_timer, shell);
    shell->pages = mem_calloc(scheduler_core_pages(&shell->limits), sizeof(*shell->pages));
    shell->ticks = mem_calloc(scheduler_core_ticks(&shell->limits), sizeof(*shell->ticks));
    dependency_check_init(&shell->check, program);
    buf_init(&shell->joined, SQS_BATCH_BYTES_MAX);
    uint32_t calls_max = shell->limits.polls + shell->limits.sends + TABLE_CALLS;
    aws_services_open(&shell->aws, shell->loop, shell->log, calls_max, errors);
    return shell;
}

static void begin_core(struct scheduler_shell *shell, uint32_t shards_most)
{
    shell->limits.shards = MIN(shards_most, shell->limits.shards_max);
    shell->storage = mem_calloc(1, scheduler_core_bytes(&shell->limits));
    shell->core = scheduler_core_init(shell->storage, &shell->limits, loop_random_seed());
    scheduler_shell_step(shell, &(struct scheduler_event){.kind = SCHEDULER_EVENT_WAKE});
}

static void on_set_up(void *ctx, const struct table_setup_result *result, const struct error *error)
{
    struct scheduler_shell *shell = ctx;
    KILL_POINT("scheduler.table_set_up");
    shell->setup = NULL;
    shell->setup_error = *error;
    if (shell->stopping) {
        program_idle(shell->program);
    } else if (strcmp(error->code, TABLE_SETUP_CODE_MISMATCH) == 0) {
        program_misconfigured(shell->program, "table_setup_refused", error);
    } else if (result == NULL) {
        log_error(shell->log, "table_setup_failed", error);
        struct mono_ms again_at = mono_add(loop_now(shell->loop).mono, SETUP_AGAIN_MS);
        loop_timer_set(shell->timer, (struct deadline){again_at, {TIME_NEVER}});
    } else {
        begin_core(shell, result->shards_most);
    }
}

static void begin_setup(struct scheduler_shell *shell)
{
    const struct settings *settings = &shell->config->settings;
    shell->setup =
        table_setup_start(shell->loop, shell->aws.dynamodb, settings->table,
                          (uint32_t)settings->shards, settings->bucket_ms, on_set_up, shell);
}

static void shell_start(void *untyped)
{
    struct scheduler_shell *shell = untyped;
    aws_services_log(&shell->aws);
    error_set(&shell->setup_error, ERROR_RETRY, "Starting", "the table is being set up");
    begin_setup(shell);
}

static void shell_stop(void *untyped)
{
    struct scheduler_shell *shell = untyped;
    KILL_POINT("scheduler.stopping");
    shell->stopping = true;
    if (shell->core != NULL)
        scheduler_shell_step(shell, &(struct scheduler_event){.kind = SCHEDULER_EVENT_STOP});
    else if (shell->setup == NULL)
        program_idle(shell->program);
}

static void shell_close(void *untyped)
{
    struct scheduler_shell *shell = untyped;
    aws_services_close(&shell->aws);
    table_setup_cancel(shell->setup);
    loop_timer_free(shell->timer);
    shell->setup = NULL;
    while (shell->calls != NULL)
        scheduler_shell_call_end(shell->calls);
}

static void shell_free(void *untyped)
{
    struct scheduler_shell *shell = untyped;
    scheduler_shell_pages_release(shell);
    for (uint32_t i = 0; i < scheduler_core_ticks(&shell->limits); i++)
        mem_free(shell->ticks[i].receipt_handle);
    mem_free(shell->pages);
    mem_free(shell->ticks);
    mem_free(shell->storage);
    dependency_check_release(&shell->check);
    for (int role = 0; role < QUEUE_ROLES; role++)
        mem_free(shell->queue_urls[role]);
    buf_release(&shell->joined);
    mem_free(shell);
}

const struct program_ops scheduler_program = {
    .name = "scheduler",
    .summary = "reads the table in step with the clock and hands over what is soon due",
    .schema = {.program = CONFIG_SCHEDULER}, /* the tables come from main */
    .config_size = sizeof(struct scheduler_config),
    .validate = scheduler_config_validate,
    .new = shell_new,
    .check = scheduler_shell_check,
    .start = shell_start,
    .stop = shell_stop,
    .close = shell_close,
    .free = shell_free,
    .ready = scheduler_shell_ready,
    .metrics = scheduler_shell_metrics,
    .emf = &scheduler_shell_emf,
};
