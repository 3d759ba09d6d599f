#include "common/program.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/admin.h"
#include "common/aws_client.h"
#include "common/check.h"
#include "common/config_foreign.h"
#include "common/kafka.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/program_emf.h"
#include "common/program_metrics.h"

extern const char delayline_version[];

#define OUTPUT_BYTES_MAX ((size_t)1 * MIB)
#define CHECK_AGAIN_MS   1000
#define HOUSEKEEPING_MS  1000
#define KEPT_BYTES       (8 * MIB) /* freed and not given back */

enum flag {
    FLAG_NONE,
    FLAG_HELP,
    FLAG_VERSION,
    FLAG_PRINT_CONFIG,
    FLAG_PRINT_MARKDOWN,
    FLAG_CHECK,
    FLAG_HEALTH,
    FLAG_READY,
    FLAG_UNKNOWN
};

enum stage {
    STAGE_CHECKING,
    STAGE_WAITING, /* until the check is made again */
    STAGE_RUNNING,
    STAGE_STOPPING,
    STAGE_CLOSING,
};

struct program {
    const struct program_ops *ops;
    const struct settings *settings;
    bool check_only;
    enum stage stage;
    enum exit_code exit_code;
    bool abandoned; /* handles did not close in time */
    struct mono_ms began_at;

    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    struct program_metrics *own_metrics;
    struct admin *admin;
    struct program_emf *emf;
    void *shell;

    struct loop_timer *timer; /* the next check, or the end of the grace time */
    uv_timer_t housekeeping;
    uv_timer_t watchdog;

    enum program_check check_result;
    struct buf problems; /* of the last check */
};

struct loop *program_loop(struct program *program)
{
    return program->loop;
}

struct log *program_log(struct program *program)
{
    return program->log;
}

struct metrics *program_metrics(struct program *program)
{
    return program->metrics;
}

/* --- closing --------------------------------------------------------------------------------- */

static void on_watchdog(uv_timer_t *timer)
{
    struct program *p = container_of(timer, struct program, watchdog);
    log_write(p->log, LOG_ERROR, "handles_left_open", NULL, 0);
    p->abandoned = true;
    loop_stop(p->loop);
}

static void close_all(void *ctx)
{
    struct program *p = ctx;
    if (p->stage == STAGE_CLOSING)
        return;
    p->stage = STAGE_CLOSING;
    program_emf_end(p->emf);
    p->emf = NULL;
    admin_free(p->admin);
    p->admin = NULL;
    loop_timer_free(p->timer);
    p->timer = NULL;
    uv_close((uv_handle_t *)&p->housekeeping, NULL);
    loop_close_handles(p->loop);
    if (p->shell != NULL)
        p->ops->close(p->shell);
    /* A check that blocked for longer than this would have used it up: libuv's timers count from
     * the start of the turn. */
    uv_update_time(loop_uv(p->loop));
    /* Must not be what the loop waits for. */
    CHECK(uv_timer_start(&p->watchdog, on_watchdog, PROGRAM_CLOSE_MS, 0) == 0);
    uv_unref((uv_handle_t *)&p->watchdog);
}

static void on_stop_signal(void *ctx)
{
    struct program *p = ctx;
    if (p->stage != STAGE_RUNNING) {
        close_all(p);
        return;
    }
    p->stage = STAGE_STOPPING;
    log_event(p->log, LOG_INFO, "stopping", LOG_NUMBER("grace_ms", p->settings->stop_grace_ms));
    struct mono_ms give_up_at = mono_add(loop_now(p->loop).mono, p->settings->stop_grace_ms);
    loop_timer_set(p->timer, (struct deadline){give_up_at, {TIME_NEVER}});
    p->ops->stop(p->shell);
}

static void on_abort_signal(void *ctx)
{
    struct program *p = ctx;
    if (p->stage == STAGE_STOPPING)
        log_write(p->log, LOG_WARN, "aborting", NULL, 0);
    close_all(p);
}

void program_idle(struct program *program)
{
    if (program->stage == STAGE_STOPPING)
        loop_defer(program->loop, close_all, program);
}

void program_fatal(struct program *program, const char *event, const struct error *error)
{
    log_error(program->log, event, error);
    program->exit_code = EXIT_CODE_SOFTWARE;
    loop_defer(program->loop, close_all, program);
}

void program_misconfigured(struct program *program, const char *event, const struct error *error)
{
    log_error(program->log, event, error);
    fprintf(stderr, "%s\n", error->text);
    program->exit_code = EXIT_CODE_CONFIG;
    loop_defer(program->loop, close_all, program);
}

/* --- checking and starting ------------------------------------------------------------------- */

static void begin_check(void *ctx)
{
    struct program *p = ctx;
    if (p->stage == STAGE_CLOSING)
        return;
    p->stage = STAGE_CHECKING;
    p->ops->check(p->shell);
}

static void end_with(struct program *p, enum exit_code exit_code)
{
    fputs(buf_text(&p->problems), stderr);
    p->exit_code = exit_code;
    close_all(p);
}

static void start(struct program *p)
{
    if (p->check_only) {
        puts("ok");
        close_all(p);
        return;
    }
    p->stage = STAGE_RUNNING;
    log_event(p->log, LOG_INFO, "started", LOG_STR("version", delayline_version),
              LOG_NUMBER("after_ms", loop_now(p->loop).mono.ms - p->began_at.ms));
    p->ops->start(p->shell);
}

static void check_later(struct program *p)
{
    p->stage = STAGE_WAITING;
    struct mono_ms again_at = mono_add(loop_now(p->loop).mono, CHECK_AGAIN_MS);
    loop_timer_set(p->timer, (struct deadline){again_at, {TIME_NEVER}});
}

static void on_checked(void *ctx)
{
    struct program *p = ctx;
    if (p->stage != STAGE_CHECKING)
        return;
    switch (p->check_result) {
    case PROGRAM_CHECK_OK:
        start(p);
        return;
    case PROGRAM_CHECK_UNAVAILABLE:
        if (p->check_only)
            end_with(p, EXIT_CODE_UNAVAILABLE);
        else
            check_later(p);
        return;
    case PROGRAM_CHECK_CONFIG:
        end_with(p, EXIT_CODE_CONFIG);
        return;
    }
    UNREACHABLE();
}

void program_checked(struct program *program, enum program_check result, const struct buf *problems)
{
    if (program->stage != STAGE_CHECKING)
        return;
    bool is_news = !slice_equal(buf_slice(problems), buf_slice(&program->problems));
    buf_clear(&program->problems);
    buf_append_slice(&program->problems, buf_slice(problems));
    program->check_result = result;
    if (result != PROGRAM_CHECK_OK && is_news && !program->check_only)
        log_event(program->log, LOG_WARN, "check_failed",
                  LOG_TEXT("problems", buf_slice(problems)));
    loop_defer(program->loop, on_checked, program);
}

static void on_timer(void *ctx)
{
    struct program *p = ctx;
    if (p->stage == STAGE_WAITING) {
        begin_check(p);
    } else if (p->stage == STAGE_STOPPING) {
        log_write(p->log, LOG_WARN, "grace_time_over", NULL, 0);
        close_all(p);
    }
}

/* --- admin port ------------------------------------------------------------------------------ */

static void on_ready_asked(void *ctx, struct buf *reasons)
{
    struct program *p = ctx;
    switch (p->stage) {
    case STAGE_CHECKING:
    case STAGE_WAITING:
        if (p->problems.len > 0)
            buf_append_slice(reasons, buf_slice(&p->problems));
        else
            buf_append_str(reasons, "starting\n");
        return;
    case STAGE_RUNNING:
        p->ops->ready(p->shell, reasons);
        return;
    case STAGE_STOPPING:
    case STAGE_CLOSING:
        buf_append_str(reasons, "stopping\n");
        return;
    }
    UNREACHABLE();
}

/* But for what is measured from one reading of /metrics to the next. */
static void update_metrics(void *ctx)
{
    struct program *p = ctx;
    CLEANUP(buf_release) struct buf reasons;
    buf_init(&reasons, OUTPUT_BYTES_MAX);
    on_ready_asked(p, &reasons);
    program_metrics_set_ready(p->own_metrics, reasons.len == 0);
    if (p->ops->metrics != NULL)
        p->ops->metrics(p->shell);
}

static void on_metrics_asked(void *ctx, struct buf *out)
{
    struct program *p = ctx;
    program_metrics_update(p->own_metrics, p->loop, p->log);
    update_metrics(p);
    metrics_print(p->metrics, out);
}

static void open_admin(struct program *p, struct buf *errors)
{
    const struct admin_callbacks callbacks = {.ready = on_ready_asked, .metrics = on_metrics_asked};
    struct error error;
    p->admin = admin_new(p->loop, p->settings->admin_address, &callbacks, p, &error);
    if (p->admin == NULL)
        buf_printf(errors, "DELAYLINE_ADMIN_ADDRESS: %s\n", error.text);
    else
        log_event(p->log, LOG_INFO, "admin_listening",
                  LOG_STR("address", p->settings->admin_address),
                  LOG_NUMBER("port", admin_port(p->admin)));
}

/* --- the whole ------------------------------------------------------------------------------- */

static void on_housekeeping(uv_timer_t *timer)
{
    log_flush(container_of(timer, struct program, housekeeping)->log);
}

static void open_all(struct program *p, const void *config)
{
    enum log_level least = LOG_INFO;
    status_ignore(log_level_parse(p->settings->log_level, &least), "checked by load");
    p->loop = loop_new();
    p->began_at = loop_now(p->loop).mono;
    p->log = log_new(p->ops->name, least);
    p->metrics = metrics_new();
    p->own_metrics = program_metrics_new(p->metrics, p->ops->name, delayline_version);
    p->timer = loop_timer_new(p->loop, on_timer, p);
    CHECK(uv_timer_init(loop_uv(p->loop), &p->housekeeping) == 0);
    CHECK(uv_timer_init(loop_uv(p->loop), &p->watchdog) == 0);
    CHECK(uv_timer_start(&p->housekeeping, on_housekeeping, HOUSEKEEPING_MS, HOUSEKEEPING_MS) == 0);
    uv_unref((uv_handle_t *)&p->housekeeping);
    loop_on_signals(p->loop, on_stop_signal, on_abort_signal, p);

    buf_init(&p->problems, OUTPUT_BYTES_MAX);
    p->shell = p->ops->new (p, config, &p->problems);
    if (!p->check_only)
        open_admin(p, &p->problems);
    if (p->problems.len > 0) {
        end_with(p, EXIT_CODE_CONFIG);
        return;
    }
    if (!p->check_only)
        p->emf = program_emf_new(p->loop, p->log, p->metrics, p->settings, p->ops->emf,
                                 update_metrics, p);
    loop_defer(p->loop, begin_check, p);
}

/* Memory holds keys and records, not all of them in our hands: the environment, curl, librdkafka.
 * So there is no dump of it at all. Unlike RLIMIT_CORE this also goes for a core_pattern that pipes
 * to a program, and it can be undone. Builds for debugging and with sanitizers are left alone. */
static void set_dumpable(bool dumpable)
{
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    CHECK(prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0) == 0);
#else
    (void)dumpable;
#endif
}

/* Bodies of a MiB come and go all the time; given back to the kernel each time, their pages would
 * be cleared each time anew. So a little more stays with the process than glibc would leave. And
 * each body that is freed would make glibc gather the small pieces that it keeps apart, of which
 * Kafka's client frees thousands at once: they are joined with their neighbours at once instead. */
static void tune_memory(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MXFAST, 0);
    (void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES); /* a sanitizer's allocator refuses: no matter */
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
#endif
}

static enum exit_code run(const struct program_ops *ops, const void *config, bool check_only)
{
    struct program p = {.ops = ops, .settings = config, .check_only = check_only};
    if (p.settings->core_dumps)
        set_dumpable(true);
    open_all(&p, config);
    loop_run(p.loop);
    if (p.abandoned) /* memory stays: open handles point to it */
        return EXIT_CODE_SOFTWARE;
    if (p.shell != NULL)
        ops->free(p.shell);
    uv_close((uv_handle_t *)&p.watchdog, NULL);
    if (loop_free(p.loop) != STATUS_OK)
        p.exit_code = EXIT_CODE_SOFTWARE;
    if (!check_only)
        log_event(p.log, LOG_INFO, "stopped", LOG_NUMBER("exit_code", p.exit_code));
    program_metrics_free(p.own_metrics);
    metrics_free(p.metrics);
    log_free(p.log);
    buf_release(&p.problems);
    return p.exit_code;
}

/* What a run needs besides the tables. */
static void check_surroundings(const struct program_ops *ops, const struct settings *settings,
                               struct aws_settings *ret_aws, struct buf *errors)
{
    if (admin_address_check(settings->admin_address) != STATUS_OK)
        buf_printf(errors, "DELAYLINE_ADMIN_ADDRESS=%s: write host:port, [host]:port or :port\n",
                   settings->admin_address);
    status_ignore(aws_settings_load(ret_aws, errors), "the lines in errors tell");
    if (ops->schema.program != CONFIG_SCHEDULER)
        kafka_properties_check(settings_want_msk_iam(settings), errors);
}

static void load(const struct program_ops *ops, void *config, struct buf *errors)
{
    const struct settings *settings = config;
    enum log_level level;
    status_ignore(config_load(&ops->schema, config, errors), "the lines in errors tell");
    status_ignore(settings_check(settings, ops->schema.program, errors), "as above");
    if (log_level_parse(settings->log_level, &level) != STATUS_OK)
        buf_append_str(errors, "DELAYLINE_LOG_LEVEL: must be debug, info, warn or error\n");
    if (ops->validate != NULL)
        ops->validate(config, errors);
}

/* For images without a shell and curl: asks the process that runs with the same settings. */
static enum exit_code ask_running(const struct settings *settings, const char *path)
{
    CLEANUP(buf_release) struct buf answer;
    buf_init(&answer, OUTPUT_BYTES_MAX);
    bool is_well = admin_ask(settings->admin_address, path, &answer);
    fputs(buf_text(&answer), is_well ? stdout : stderr);
    return is_well ? EXIT_CODE_OK : EXIT_CODE_UNAVAILABLE;
}

static enum exit_code load_and_run(const struct program_ops *ops, enum flag flag)
{
    CLEANUP(mem_freep) void *config = mem_calloc(1, ops->config_size);
    CLEANUP(buf_release) struct buf text;
    enum exit_code exit_code = EXIT_CODE_OK;
    buf_init(&text, OUTPUT_BYTES_MAX);
    struct aws_settings aws = {.attempts_max = 0};
    load(ops, config, &text);
    check_surroundings(ops, config, &aws, &text);
    if (text.len > 0) {
        fputs(buf_text(&text), stderr);
        exit_code = EXIT_CODE_CONFIG;
    } else if (flag == FLAG_PRINT_CONFIG) {
        config_print(&ops->schema, config, &text);
        aws_settings_print(&aws, &text);
        config_foreign_print(ops->schema.program, &text);
        fputs(buf_text(&text), stdout);
    } else if (flag == FLAG_HEALTH || flag == FLAG_READY) {
        exit_code = ask_running(config, flag == FLAG_HEALTH ? "/healthz" : "/readyz");
    } else {
        exit_code = run(ops, config, flag == FLAG_CHECK);
    }
    config_release(&ops->schema, config);
    return exit_code;
}

static void print_help(const struct program_ops *ops)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_BYTES_MAX);
    buf_printf(
        &text,
        "%s: %s\n\n"
        "usage: %s [--help | --version | --print-config | --print-markdown | --check | --health | "
        "--ready]\n\n"
        "  --print-config    print the settings in use, secrets masked\n"
        "  --print-markdown  print what can be set, as the README's table\n"
        "  --check           connect to everything, check queues, table and topics, and end\n"
        "  --health, --ready ask the admin port of the process that runs with these settings, and "
        "end\n\n"
        "Exit codes: 0 stopped as asked, 64 wrong usage, 69 a dependency cannot be reached\n"
        "(--check) or the process is not well (--health, --ready), 70 internal or fatal error,\n"
        "78 mistakes in the configuration.\n\n"
        "Settings, from the environment:\n",
        ops->name, ops->summary, ops->name);
    config_print_help(&ops->schema, &text);
    fputs(buf_text(&text), stdout);
}

static void print_markdown(const struct program_ops *ops)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, OUTPUT_BYTES_MAX);
    config_print_markdown(&ops->schema, &text);
    fputs(buf_text(&text), stdout);
}

static enum flag find_flag(const char *text)
{
    static const struct {
        const char *text;
        enum flag flag;
    } flags[] = {{"--help", FLAG_HELP},
                 {"--version", FLAG_VERSION},
                 {"--print-config", FLAG_PRINT_CONFIG},
                 {"--print-markdown", FLAG_PRINT_MARKDOWN},
                 {"--check", FLAG_CHECK},
                 {"--health", FLAG_HEALTH},
                 {"--ready", FLAG_READY}};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (strcmp(text, flags[i].text) == 0)
            return flags[i].flag;
    }
    return FLAG_UNKNOWN;
}

static enum flag parse_flags(const struct program_ops *ops, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (find_flag(argv[i]) != FLAG_UNKNOWN)
            continue;
        if (argv[i][0] == '-')
            fprintf(stderr, "%s: unknown option '%s'; %s --help lists them\n", ops->name, argv[i],
                    ops->name);
        else
            fprintf(stderr, "%s: unexpected argument '%s'; %s --help tells more\n", ops->name,
                    argv[i], ops->name);
        return FLAG_UNKNOWN;
    }
    if (argc > 2) {
        fprintf(stderr, "%s: one option at a time; %s --help tells more\n", ops->name, ops->name);
        return FLAG_UNKNOWN;
    }
    return argc < 2 ? FLAG_NONE : find_flag(argv[1]);
}

int program_main(const struct program_ops *ops, int argc, char **argv)
{
    set_dumpable(false);
    tune_memory();
    enum flag flag = parse_flags(ops, argc, argv);
    switch (flag) {
    case FLAG_HELP:
        print_help(ops);
        return EXIT_CODE_OK;
    case FLAG_PRINT_MARKDOWN:
        print_markdown(ops);
        return EXIT_CODE_OK;
    case FLAG_VERSION:
        printf("%s %s\n", ops->name, delayline_version);
        return EXIT_CODE_OK;
    case FLAG_UNKNOWN:
        return EXIT_CODE_USAGE;
    case FLAG_NONE:
    case FLAG_PRINT_CONFIG:
    case FLAG_CHECK:
    case FLAG_HEALTH:
    case FLAG_READY:
        return load_and_run(ops, flag);
    }
    UNREACHABLE();
}
