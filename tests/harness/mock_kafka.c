#include "tests/harness/mock_kafka.h"

#include <sys/wait.h>
#include <unistd.h>

#define TIME_LIMIT_MS 30000
#define TESTS_MAX     32

void mock_kafka_start(struct mock_kafka *mock)
{
    char text[256];
    mock->loop = loop_new();
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "log_level", "0", text, sizeof(text)),
                     RD_KAFKA_CONF_OK);
    mock->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    assert_non_null(mock->handle);
    mock->cluster = rd_kafka_mock_cluster_new(mock->handle, 1);
    assert_non_null(mock->cluster);
    mock->bootstrap = rd_kafka_mock_cluster_bootstraps(mock->cluster);
    mock->at = (struct kafka_cluster){.bootstrap_servers = mock->bootstrap};
}

void mock_kafka_stop(struct mock_kafka *mock)
{
    mock_kafka_run_out(mock);
    assert_status(loop_free(mock->loop), STATUS_OK);
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->handle);
}

void mock_kafka_topic(struct mock_kafka *mock, const char *topic, int partitions)
{
    assert_int_equal(rd_kafka_mock_topic_create(mock->cluster, topic, partitions, 1),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
}

struct limit {
    struct loop *loop;
    bool over;
};

static void on_over(void *ctx)
{
    struct limit *limit = ctx;
    limit->over = true;
    loop_stop(limit->loop);
}

void mock_kafka_run_until(struct mock_kafka *mock, const bool *done)
{
    struct limit limit = {.loop = mock->loop};
    struct loop_timer *timer = loop_timer_new(mock->loop, on_over, &limit);
    struct mono_ms end = mono_add(loop_now_fresh(mock->loop).mono, TIME_LIMIT_MS);
    loop_timer_set(timer, (struct deadline){end, {TIME_NEVER}});
    while (!*done && !limit.over)
        loop_run(mock->loop);
    loop_timer_free(timer);
    assert_true(*done);
}

void mock_kafka_run_out(struct mock_kafka *mock)
{
    loop_run(mock->loop);
}

static pid_t start_test(const struct CMUnitTest *test, int output)
{
    fflush(NULL);
    pid_t child = fork();
    if (child != 0)
        return child;
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
        _exit(2);
    /* A test that fails in a callback leaves librdkafka's things behind, and a tear-down would wait
     * for them for good: it ends there. */
    setenv("CMOCKA_TEST_ABORT", "1", 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    exit(_cmocka_run_group_tests("one", test, 1, NULL, NULL));
}

static bool collect(const char *name, pid_t child, FILE *output)
{
    int how = 0;
    char line[1024];
    bool ended = child > 0 && waitpid(child, &how, 0) == child;
    rewind(output);
    while (fgets(line, sizeof(line), output) != NULL)
        fputs(line, stdout);
    fclose(output);
    if (!ended || !WIFEXITED(how))
        printf("\n[  FAILED  ] %s\n", name);
    return ended && WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

int run_side_by_side(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
#ifdef __SANITIZE_THREAD__
    /* Debian's librdkafka starts C11 threads, which gcc 12's ThreadSanitizer does not see: it
     * crashes in them. */
    printf("skipped: %zu tests, librdkafka's threads are unknown to ThreadSanitizer\n", count);
    count = 0;
#endif
    pid_t children[TESTS_MAX];
    FILE *outputs[TESTS_MAX];
    if (count > TESTS_MAX)
        return 1;
    for (size_t i = 0; i < count; i++) {
        outputs[i] = tmpfile();
        if (outputs[i] == NULL)
            return 1;
        children[i] = start_test(&tests[i], fileno(outputs[i]));
    }
    for (size_t i = 0; i < count; i++)
        failed += !collect(tests[i].name, children[i], outputs[i]);
    return failed == 0 ? 0 : 1;
}
