#include "tests/harness/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/program.h"

/* A program whose shell does what the test wants, run in a child process. */

enum behaviour {
    GOOD,
    REFUSES_NEW,
    UNAVAILABLE_ONCE,
    UNAVAILABLE_ALWAYS,
    MISCONFIGURED,
    IDLE_LATER,
    NEVER_IDLE,
    FATAL,
    LEAVES_OPEN,
};

static enum behaviour behaviour;

struct toy {
    struct program *program;
    struct loop_timer *timer;
    int checks;
    int updates;
};

struct toy_config {
    struct settings settings;
    int64_t number;
};

static void say(struct toy *toy, const char *event)
{
    log_write(program_log(toy->program), LOG_INFO, event, NULL, 0);
}

static void on_timer(void *ctx)
{
    struct toy *toy = ctx;
    program_idle(toy->program);
    program_idle(toy->program);
}

static void *toy_new(struct program *program, const void *config, struct buf *errors)
{
    const struct toy_config *c = config;
    if (behaviour == REFUSES_NEW) {
        buf_append_str(errors, "no region\nno broker\n");
        return NULL;
    }
    assert_int_equal(c->number, 8);
    struct toy *toy = calloc(1, sizeof(*toy));
    toy->program = program;
    toy->timer = loop_timer_new(program_loop(program), on_timer, toy);
    return toy;
}

static void toy_check(void *shell)
{
    struct toy *toy = shell;
    enum program_check result = PROGRAM_CHECK_OK;
    CLEANUP(buf_release) struct buf problems;
    buf_init(&problems, 1024);
    toy->checks++;
    if (behaviour == UNAVAILABLE_ALWAYS || (behaviour == UNAVAILABLE_ONCE && toy->checks == 1)) {
        result = PROGRAM_CHECK_UNAVAILABLE;
        buf_append_str(&problems, "queue cannot be reached\n");
    } else if (behaviour == MISCONFIGURED) {
        result = PROGRAM_CHECK_CONFIG;
        buf_append_str(&problems, "queue is FIFO\n");
    }
    program_checked(toy->program, result, &problems);
}

static void toy_start(void *shell)
{
    struct toy *toy = shell;
    struct error error;
    say(toy, "toy_started");
    if (behaviour == FATAL) {
        error_set(&error, ERROR_PERMANENT, "FENCED", "cannot go on");
        program_fatal(toy->program, "toy_fatal", &error);
        return;
    }
    kill(getpid(), SIGTERM);
}

static void toy_stop(void *shell)
{
    struct toy *toy = shell;
    say(toy, "toy_stopping");
    if (behaviour == IDLE_LATER) {
        struct mono_ms soon = mono_add(loop_now(program_loop(toy->program)).mono, 20);
        loop_timer_set(toy->timer, (struct deadline){soon, {TIME_NEVER}});
    } else if (behaviour != NEVER_IDLE) {
        program_idle(toy->program);
    }
}

static void toy_close(void *shell)
{
    struct toy *toy = shell;
    say(toy, "toy_closing");
    if (behaviour != LEAVES_OPEN)
        loop_timer_free(toy->timer);
}

static void toy_free(void *shell)
{
    say(shell, "toy_free");
    free(shell);
}

static void toy_ready(void *shell, struct buf *reasons)
{
    (void)shell;
    (void)reasons;
}

static void toy_metrics(void *shell)
{
    static const struct metric_spec spec = {.name = "toy_updates_total", .type = METRIC_COUNTER};
    struct toy *toy = shell;
    metric_set(metrics_get(program_metrics(toy->program), &spec, ""), ++toy->updates);
}

static const struct emf_metric to_cloudwatch[] = {
    {.name = "Updates", .unit = "Count", .family = "toy_updates_total"}};
static const struct emf_table toy_emf = {to_cloudwatch, ARRAY_LEN(to_cloudwatch)};

static void toy_validate(const void *config, struct buf *errors)
{
    const struct toy_config *c = config;
    if (c->number == 13)
        buf_append_str(errors, "SCHEDULER_NUMBER must not be 13\n");
}

static const struct config_option options[] = {
    {.name = "DELAYLINE_SCHEDULER_NUMBER",
     .programs = CONFIG_SCHEDULER,
     .type = CONFIG_NUMBER,
     .offset = offsetof(struct toy_config, number),
     .default_value = "8",
     .max = 100,
     .help = "a number"},
};
static struct config_table tables[2];
static struct program_ops ops = {
    .name = "toy",
    .summary = "does nothing, on time",
    .config_size = sizeof(struct toy_config),
    .validate = toy_validate,
    .new = toy_new,
    .check = toy_check,
    .start = toy_start,
    .stop = toy_stop,
    .close = toy_close,
    .free = toy_free,
    .ready = toy_ready,
    .metrics = toy_metrics,
    .emf = &toy_emf,
};

struct result {
    int exit_code;
    struct buf out;
    struct buf err;
};

static void read_all(FILE *file, struct buf *out)
{
    char chunk[4096];
    size_t len;
    rewind(file);
    while ((len = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_append(out, chunk, len);
    fclose(file);
}

static void run(struct result *r, enum behaviour wanted, const char *flag)
{
    char name[] = "toy";
    char flag_copy[32];
    char *arguments[] = {name, flag_copy, NULL};
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    assert_true(out != NULL && err != NULL);
    snprintf(flag_copy, sizeof(flag_copy), "%s", flag);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        behaviour = wanted;
        tables[0] = settings_table;
        tables[1] = (struct config_table){options, ARRAY_LEN(options)};
        ops.schema = (struct config_schema){CONFIG_SCHEDULER, tables, 2};
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(err), STDERR_FILENO);
        int code = program_main(&ops, flag[0] == '\0' ? 1 : 2, arguments);
        fflush(NULL);
        _exit(code);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    buf_init(&r->out, 1 << 20);
    buf_init(&r->err, 1 << 20);
    read_all(out, &r->out);
    read_all(err, &r->err);
    if (!WIFEXITED(how))
        fail_msg("ended by signal %d: %s", WTERMSIG(how), buf_text(&r->err));
    r->exit_code = WEXITSTATUS(how);
}

static void release(struct result *r)
{
    buf_release(&r->out);
    buf_release(&r->err);
}

/* Events of the log in this order. */
static void assert_events(const struct result *r, const char *const *events, size_t count)
{
    const char *place = buf_text(&r->out);
    for (size_t i = 0; i < count; i++) {
        char text[64];
        snprintf(text, sizeof(text), "\"event\":\"%s\"", events[i]);
        place = strstr(place, text);
        if (place == NULL)
            fail_msg("no %s in its place in: %s", events[i], buf_text(&r->out));
    }
}

#define ASSERT_EVENTS(r, ...)                                                                      \
    assert_events(r, (const char *const[]){__VA_ARGS__},                                           \
                  ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static int set_up(void **state)
{
    (void)state;
    clearenv();
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("DELAYLINE_ADMIN_ADDRESS", "127.0.0.1:0", 1);
    return 0;
}

static void runs_and_stops(void **state)
{
    struct result r;
    (void)state;
    run(&r, GOOD, "");
    assert_string_equal(buf_text(&r.err), "");
    assert_int_equal(r.exit_code, 0);
    ASSERT_EVENTS(&r, "admin_listening", "started", "toy_started", "stopping", "toy_stopping",
                  "toy_closing", "toy_free", "stopped");
    release(&r);
    run(&r, IDLE_LATER, "");
    assert_int_equal(r.exit_code, 0);
    ASSERT_EVENTS(&r, "toy_stopping", "toy_closing", "toy_free", "stopped");
    release(&r);
}

static void the_grace_time_ends(void **state)
{
    struct result r;
    (void)state;
    setenv("DELAYLINE_STOP_GRACE", "100ms", 1);
    run(&r, NEVER_IDLE, "");
    assert_int_equal(r.exit_code, 0);
    ASSERT_EVENTS(&r, "toy_stopping", "grace_time_over", "toy_closing", "toy_free");
    release(&r);
}

static void fatal_errors_end_it(void **state)
{
    struct result r;
    (void)state;
    run(&r, FATAL, "");
    assert_int_equal(r.exit_code, 70);
    ASSERT_EVENTS(&r, "toy_started", "toy_fatal", "toy_closing", "toy_free");
    release(&r);
}

static void handles_left_open_are_an_error(void **state)
{
    struct result r;
    (void)state;
    run(&r, LEAVES_OPEN, "");
    assert_int_equal(r.exit_code, 70);
    ASSERT_EVENTS(&r, "toy_closing", "handles_left_open");
    release(&r);
}

static void check_says_and_ends(void **state)
{
    struct result r;
    (void)state;
    run(&r, GOOD, "--check");
    assert_int_equal(r.exit_code, 0);
    assert_null(strstr(buf_text(&r.out), "toy_started"));
    assert_null(strstr(buf_text(&r.out), "admin_listening"));
    assert_non_null(strstr(buf_text(&r.out), "ok\n"));
    release(&r);
    run(&r, UNAVAILABLE_ALWAYS, "--check");
    assert_int_equal(r.exit_code, 69);
    assert_string_equal(buf_text(&r.err), "queue cannot be reached\n");
    release(&r);
    run(&r, MISCONFIGURED, "--check");
    assert_int_equal(r.exit_code, 78);
    assert_string_equal(buf_text(&r.err), "queue is FIFO\n");
    release(&r);
}

static void what_is_away_at_start_is_waited_for(void **state)
{
    struct result r;
    (void)state;
    run(&r, UNAVAILABLE_ONCE, "");
    assert_int_equal(r.exit_code, 0);
    ASSERT_EVENTS(&r, "check_failed", "started", "toy_started", "stopped");
    release(&r);
    run(&r, MISCONFIGURED, "");
    assert_int_equal(r.exit_code, 78);
    assert_string_equal(buf_text(&r.err), "queue is FIFO\n");
    ASSERT_EVENTS(&r, "check_failed", "toy_closing", "stopped");
    release(&r);
}

static void metrics_go_to_the_log_if_asked_for(void **state)
{
    struct result r;
    (void)state;
    run(&r, GOOD, "");
    assert_null(strstr(buf_text(&r.out), "_aws"));
    release(&r);

    setenv("DELAYLINE_EMF_NAMESPACE", "Delayline/toy", 1);
    setenv("DELAYLINE_EMF_INTERVAL", "1s", 1);
    setenv("DELAYLINE_STOP_GRACE", "1600ms", 1); /* the first line comes within 1.5 s */
    run(&r, NEVER_IDLE, "");
    assert_int_equal(r.exit_code, 0);
    ASSERT_EVENTS(&r, "stopping", "metrics", "grace_time_over", "metrics", "toy_closing");
    assert_non_null(strstr(buf_text(&r.out), "\"Namespace\":\"Delayline/toy\""));
    assert_non_null(strstr(buf_text(&r.out), "},\"Ready\":0,\"Updates\":1}\n"));
    assert_non_null(strstr(buf_text(&r.out), "\"Unit\":\"Count\"}]}]},\"Updates\":1}\n"));
    release(&r);

    run(&r, GOOD, "--check");
    assert_null(strstr(buf_text(&r.out), "_aws"));
    release(&r);
    setenv("DELAYLINE_LOG_LEVEL", "error", 1); /* has no say in it */
    run(&r, GOOD, "");
    assert_null(strstr(buf_text(&r.out), "toy_closing"));
    ASSERT_EVENTS(&r, "metrics");
    release(&r);
}

static void mistakes_are_told_all_at_once(void **state)
{
    struct result r;
    (void)state;
    setenv("DELAYLINE_SCHEDULER_NUMBER", "13", 1);
    setenv("DELAYLINE_SHARDS", "many", 1);
    setenv("DELAYLINE_LOG_LEVEL", "loud", 1);
    setenv("DELAYLINE_BUCKET", "7m", 1);
    setenv("DELAYLINE_ADMIN_ADDRESS", "nowhere", 1);
    setenv("DELAYLINE_EMF_NAMESPACE", "AWS/SQS", 1);
    setenv("AWS_MAX_ATTEMPTS", "none", 1);
    run(&r, GOOD, "");
    assert_int_equal(r.exit_code, 78);
    assert_int_equal(r.out.len, 0);
    assert_non_null(strstr(buf_text(&r.err), "DELAYLINE_SHARDS=many: "));
    assert_non_null(strstr(buf_text(&r.err), "DELAYLINE_LOG_LEVEL"));
    assert_non_null(strstr(buf_text(&r.err), "DELAYLINE_BUCKET must divide"));
    assert_non_null(strstr(buf_text(&r.err), "must not be 13"));
    assert_non_null(strstr(buf_text(&r.err), "DELAYLINE_ADMIN_ADDRESS=nowhere: "));
    assert_non_null(strstr(buf_text(&r.err), "AWS_MAX_ATTEMPTS=none"));
    assert_non_null(strstr(buf_text(&r.err), "DELAYLINE_EMF_NAMESPACE must"));
    release(&r);
}

static void what_new_refuses_is_a_mistake(void **state)
{
    struct result r;
    (void)state;
    setenv("DELAYLINE_ADMIN_ADDRESS", "192.0.2.1:1", 1); /* of nobody (RFC 5737) */
    run(&r, REFUSES_NEW, "");
    assert_int_equal(r.exit_code, 78);
    assert_non_null(strstr(buf_text(&r.err), "no region\nno broker\nDELAYLINE_ADMIN_ADDRESS: "));
    release(&r);
}

static void flags_ask(void **state)
{
    struct result r;
    (void)state;
    run(&r, GOOD, "--version");
    assert_int_equal(r.exit_code, 0);
    assert_int_equal(strncmp(buf_text(&r.out), "toy ", 4), 0);
    release(&r);
    run(&r, GOOD, "--help");
    assert_int_equal(r.exit_code, 0);
    assert_non_null(strstr(buf_text(&r.out), "does nothing, on time"));
    assert_non_null(strstr(buf_text(&r.out), "DELAYLINE_SCHEDULER_NUMBER"));
    release(&r);
    setenv("AWS_SECRET_ACCESS_KEY", "geheim", 1);
    run(&r, GOOD, "--print-config");
    assert_int_equal(r.exit_code, 0);
    assert_non_null(strstr(buf_text(&r.out), "DELAYLINE_SCHEDULER_NUMBER=8\n"));
    assert_non_null(strstr(buf_text(&r.out), "AWS_REGION=eu-west-1\n"));
    assert_non_null(strstr(buf_text(&r.out), "AWS_SECRET_ACCESS_KEY=***\n"));
    assert_null(strstr(buf_text(&r.out), "geheim"));
    release(&r);
}

static void wrong_usage_is_named(void **state)
{
    struct result r;
    (void)state;
    run(&r, GOOD, "--chekc");
    assert_int_equal(r.exit_code, 64);
    assert_string_equal(buf_text(&r.err), "toy: unknown option '--chekc'; toy --help lists them\n");
    assert_int_equal(r.out.len, 0);
    release(&r);
    run(&r, GOOD, "check");
    assert_int_equal(r.exit_code, 64);
    assert_string_equal(buf_text(&r.err),
                        "toy: unexpected argument 'check'; toy --help tells more\n");
    release(&r);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(runs_and_stops),
        TEST(the_grace_time_ends),
        TEST(fatal_errors_end_it),
        TEST(handles_left_open_are_an_error),
        TEST(check_says_and_ends),
        TEST(what_is_away_at_start_is_waited_for),
        TEST(metrics_go_to_the_log_if_asked_for),
        TEST(mistakes_are_told_all_at_once),
        TEST(what_new_refuses_is_a_mistake),
        TEST(flags_ask),
        TEST(wrong_usage_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
