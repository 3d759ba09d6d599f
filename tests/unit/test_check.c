#include "tests/harness/unit.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"

static void break_an_invariant(void *ctx)
{
    CHECK(ctx != NULL);
}

static void come_where_nobody_comes(void *ctx)
{
    (void)ctx;
    UNREACHABLE();
}

static void a_broken_invariant_ends_the_process(void **state)
{
    (void)state;
    expect_abort(break_an_invariant, NULL);
    expect_abort(come_where_nobody_comes, NULL);
    break_an_invariant(state); /* holds */
}

static void the_condition_is_evaluated_once(void **state)
{
    (void)state;
    int times = 0;
    CHECK(++times > 0);
    assert_int_equal(times, 1);
}

/* All that is left of the process is this line. */
static void the_line_says_where_and_what(void **state)
{
    (void)state;
    int ends[2];
    char line[512] = "";
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        break_an_invariant(NULL);
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t got; (got = read(ends[0], line + len, sizeof(line) - 1 - len)) > 0;)
        len += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_non_null(strstr(line, "test_check.c:"));
    assert_non_null(strstr(line, "ctx != NULL"));
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_invariant_ends_the_process),
        cmocka_unit_test(the_condition_is_evaluated_once),
        cmocka_unit_test(the_line_says_where_and_what),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
