#include "tests/harness/unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/program_metrics.h"

struct fixture {
    struct metrics *metrics;
    struct program_metrics *program;
    struct loop *loop;
    struct log *log;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->metrics = metrics_new();
    f->program = program_metrics_new(f->metrics, "router", "v1\"2");
    f->loop = loop_new();
    f->log = log_new("router", LOG_ERROR);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    log_free(f->log);
    assert_status(loop_free(f->loop), STATUS_OK);
    program_metrics_free(f->program);
    metrics_free(f->metrics);
    free(f);
    return 0;
}

/* The value of the series whose name and labels these are. */
static double value_of(struct fixture *f, const char *series)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, 1 << 16);
    metrics_print(f->metrics, &text);
    char line[256];
    snprintf(line, sizeof(line), "\n%s ", series);
    const char *found = strstr(buf_text(&text), line);
    if (found == NULL)
        fail_msg("no %s in\n%s", series, buf_text(&text));
    return strtod(found + strlen(line), NULL);
}

static void the_build_is_a_label(void **state)
{
    struct fixture *f = *state;
    assert_true(value_of(f, "delayline_build_info{program=\"router\",version=\"v1\\\"2\"}") == 1);
}

static void the_process_is_measured(void **state)
{
    struct fixture *f = *state;
    program_metrics_update(f->program, f->loop, f->log);
    assert_true(value_of(f, "process_resident_memory_bytes") > 100000);
    assert_true(value_of(f, "process_max_fds") >= value_of(f, "process_open_fds"));
    assert_true(value_of(f, "process_cpu_seconds_total") > 0);
    assert_true(value_of(f, "process_start_time_seconds") > 1600000000);
    assert_true(value_of(f, "delayline_log_lines_dropped_total") == 0);
}

static void descriptors_are_counted_without_the_counting(void **state)
{
    struct fixture *f = *state;
    int extra[3];
    program_metrics_update(f->program, f->loop, f->log);
    double before = value_of(f, "process_open_fds");
    int expected = 0;
    for (int fd = 0; fd < 1024; fd++)
        expected += fcntl(fd, F_GETFD) >= 0;
    assert_true(before == expected);
    for (size_t i = 0; i < ARRAY_LEN(extra); i++)
        extra[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    program_metrics_update(f->program, f->loop, f->log);
    assert_true(value_of(f, "process_open_fds") == before + 3);
    for (size_t i = 0; i < ARRAY_LEN(extra); i++)
        close(extra[i]);
}

static void readiness_and_cpu_time_are_of_now(void **state)
{
    struct fixture *f = *state;
    program_metrics_update(f->program, f->loop, f->log);
    program_metrics_set_ready(f->program, true);
    assert_true(value_of(f, "delayline_ready") == 1);
    double cpu = value_of(f, "process_cpu_seconds_total");
    double start = value_of(f, "process_start_time_seconds");
    program_metrics_update(f->program, f->loop, f->log);
    assert_true(value_of(f, "delayline_ready") == 1);
    program_metrics_set_ready(f->program, false);
    assert_true(value_of(f, "delayline_ready") == 0);
    assert_true(value_of(f, "process_cpu_seconds_total") >= cpu);
    assert_true(value_of(f, "process_start_time_seconds") == start);
}

static void dropped_lines_are_counted(void **state)
{
    struct fixture *f = *state;
    int ends[2];
    int saved = dup(STDOUT_FILENO);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]); /* nobody reads */
    fflush(stdout);
    assert_true(dup2(ends[1], STDOUT_FILENO) >= 0);
    for (int i = 0; i < 3; i++)
        log_write(f->log, LOG_ERROR, "lost", NULL, 0);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    close(ends[1]);
    program_metrics_update(f->program, f->loop, f->log);
    assert_true(value_of(f, "delayline_log_lines_dropped_total") == (double)log_dropped(f->log));
    assert_true(log_dropped(f->log) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_build_is_a_label),
        TEST(the_process_is_measured),
        TEST(descriptors_are_counted_without_the_counting),
        TEST(readiness_and_cpu_time_are_of_now),
        TEST(dropped_lines_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
