/* program.h and log.h: the life of a program around its shell, as in program.c, without flags,
 * admin port and signals of an operating system. What is logged becomes part of the trace. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/log.h"
#include "common/mem.h"
#include "relay/relay_config.h"
#include "relay/relay_shell.h"
#include "router/router_config.h"
#include "router/router_shell.h"
#include "scheduler/scheduler_config.h"
#include "scheduler/scheduler_shell.h"
#include "tests/sim/environment.h"
#include "tests/sim/stand_in.h"

#define CHECK_AGAIN_MS 1000
#define PROBLEMS_BYTES ((size_t)64 * KIB)
#define TABLES_MAX     2
#define LINE_BYTES     ((size_t)4 * KIB)
#define TEXT_BYTES     80

enum stage { STAGE_CHECKING, STAGE_WAITING, STAGE_RUNNING, STAGE_STOPPING, STAGE_CLOSED };

struct log {
    struct host *host;
};

struct program {
    struct host *host;
    struct program_ops ops;
    struct config_table tables[TABLES_MAX];
    void *config;
    enum stage stage;
    bool asked_when_healed; /* to stop */
    int exit_code;
    struct loop *loop;
    struct log log;
    struct metrics *metrics;
    void *shell;
    struct loop_timer *timer; /* the next check, or the end of the grace time */
    enum program_check check_result;
};

struct loop *program_loop(struct program *program)
{
    return program->loop;
}

struct log *program_log(struct program *program)
{
    return &program->log;
}

struct metrics *program_metrics(struct program *program)
{
    return program->metrics;
}

/* --- log ------------------------------------------------------------------------------------- */

void log_write(struct log *log, enum log_level level, const char *event,
               const struct log_field *fields, size_t count)
{
    struct host *host = log->host;
    if (level < LOG_INFO || host->dying)
        return;
    CLEANUP(buf_release) struct buf line;
    buf_init(&line, LINE_BYTES);
    for (size_t i = 0; i < count; i++) {
        const struct log_field *f = &fields[i];
        buf_printf(&line, " %s=", f->name);
        if (f->type == LOG_FIELD_TEXT)
            buf_append(&line, f->text.ptr, MIN(f->text.len, (size_t)TEXT_BYTES));
        else
            buf_printf(&line, "%" PRId64, f->number);
    }
    sim_say(host->sim, host, "logs %s%s", event, buf_text(&line));
}

void log_error(struct log *log, const char *event, const struct error *error)
{
    log_event(log, LOG_ERROR, event, LOG_STR("kind", error_kind_name(error->kind)),
              LOG_STR("code", error->code));
}

/* --- life ------------------------------------------------------------------------------------ */

static void close_all(void *ctx)
{
    struct program *p = ctx;
    if (p->stage == STAGE_CLOSED)
        return;
    p->stage = STAGE_CLOSED;
    loop_timer_free(p->timer);
    p->timer = NULL;
    p->ops.close(p->shell);
}

void program_idle(struct program *program)
{
    if (program->stage == STAGE_STOPPING)
        loop_defer(program->loop, close_all, program);
}

static void give_up(struct program *p, enum exit_code code, const char *event,
                    const struct error *error)
{
    log_error(&p->log, event, error);
    p->exit_code = code;
    loop_defer(p->loop, close_all, p);
}

void program_fatal(struct program *program, const char *event, const struct error *error)
{
    give_up(program, EXIT_CODE_SOFTWARE, event, error);
}

void program_misconfigured(struct program *program, const char *event, const struct error *error)
{
    give_up(program, EXIT_CODE_CONFIG, event, error);
}

static void on_checked(void *ctx)
{
    struct program *p = ctx;
    if (p->stage != STAGE_CHECKING)
        return;
    switch (p->check_result) {
    case PROGRAM_CHECK_OK:
        p->stage = STAGE_RUNNING;
        p->ops.start(p->shell);
        return;
    case PROGRAM_CHECK_UNAVAILABLE:
        p->stage = STAGE_WAITING;
        loop_timer_set(p->timer, (struct deadline){mono_add(loop_now(p->loop).mono, CHECK_AGAIN_MS),
                                                   {TIME_NEVER}});
        return;
    case PROGRAM_CHECK_CONFIG:
        p->exit_code = EXIT_CODE_CONFIG;
        close_all(p);
        return;
    }
    UNREACHABLE();
}

void program_checked(struct program *program, enum program_check result, const struct buf *problems)
{
    if (program->stage != STAGE_CHECKING)
        return;
    program->check_result = result;
    if (result != PROGRAM_CHECK_OK)
        log_event(&program->log, LOG_WARN, "check_failed",
                  LOG_TEXT("problems", buf_slice(problems)));
    loop_defer(program->loop, on_checked, program);
}

static void on_timer(void *ctx)
{
    struct program *p = ctx;
    if (p->stage == STAGE_WAITING) {
        p->stage = STAGE_CHECKING;
        p->ops.check(p->shell);
    } else if (p->stage == STAGE_STOPPING) {
        if (p->asked_when_healed)
            sim_fail(p->host->sim, "P9 stop", "%s is not idle when its grace time is over",
                     p->host->name);
        sim_say(p->host->sim, p->host, "grace time over");
        close_all(p);
    }
}

void stand_in_program_signal(struct program *p)
{
    const struct settings *settings = p->config;
    if (p->stage != STAGE_RUNNING) {
        close_all(p);
        return;
    }
    p->stage = STAGE_STOPPING;
    p->asked_when_healed = p->host->sim->healed;
    struct mono_ms end = mono_add(loop_now(p->loop).mono, settings->stop_grace_ms);
    loop_timer_set(p->timer, (struct deadline){end, {TIME_NEVER}});
    p->ops.stop(p->shell);
}

bool stand_in_program_has_ended(const struct program *p, int *ret_exit_code)
{
    *ret_exit_code = p->exit_code;
    return p->stage == STAGE_CLOSED;
}

/* --- making ---------------------------------------------------------------------------------- */

static struct program_ops ops_of(enum host_kind kind, struct config_table tables[TABLES_MAX])
{
    tables[0] = settings_table;
    switch (kind) {
    case HOST_ROUTER:
        tables[1] = router_config_table;
        return router_shell_ops(tables, TABLES_MAX);
    case HOST_SCHEDULER: {
        struct program_ops ops = scheduler_program;
        tables[1] = scheduler_config_table;
        ops.schema.tables = tables;
        ops.schema.table_count = TABLES_MAX;
        return ops;
    }
    case HOST_RELAY:
        tables[1] = relay_config_table;
        return relay_shell_ops(tables, TABLES_MAX);
    }
    UNREACHABLE();
}

/* The simulator's own mistake if they are not good. */
static void load(struct program *p, struct buf *errors)
{
    p->config = mem_calloc(1, p->ops.config_size);
    environment_set(&p->host->sim->options);
    status_ignore(config_load(&p->ops.schema, p->config, errors), "the lines in errors tell");
    status_ignore(settings_check(p->config, p->ops.schema.program, errors), "as above");
    p->ops.validate(p->config, errors);
    if (errors->len == 0)
        return;
    fprintf(stderr, "%s: %s", p->host->name, buf_text(errors));
    CHECK(errors->len == 0);
}

struct program *stand_in_program_new(struct host *host)
{
    struct program *p = mem_calloc(1, sizeof(*p));
    p->host = host;
    p->ops = ops_of(host->kind, p->tables);
    p->loop = stand_in_loop_new(host);
    p->log.host = host;
    return p;
}

void stand_in_program_begin(struct program *p)
{
    CLEANUP(buf_release) struct buf errors;
    buf_init(&errors, PROBLEMS_BYTES);
    load(p, &errors);
    p->metrics = metrics_new();
    p->timer = loop_timer_new(p->loop, on_timer, p);
    p->shell = p->ops.new(p, p->config, &errors);
    CHECK(errors.len == 0);
    p->ops.check(p->shell);
}

void stand_in_program_free(struct program *p)
{
    close_all(p);
    p->ops.free(p->shell);
    config_release(&p->ops.schema, p->config);
    mem_free(p->config);
    metrics_free(p->metrics);
    stand_in_loop_free(p->loop);
    mem_free(p);
}
