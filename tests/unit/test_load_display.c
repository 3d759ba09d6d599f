#include "tests/harness/unit.h"

#include <signal.h>

#include "tests/load/display.h"

static void fill(struct ledger *l)
{
    ledger_init(l, 100, 1000);
    for (uint64_t id = 0; id < 50; id++) {
        ledger_plan(l, id, 1000 + (int64_t)id * 100);
        ledger_acknowledge(l, id, ACK_YES);
    }
    for (uint64_t id = 0; id < 25; id++)
        ledger_deliver(l, id, ledger_due_ms(l, id) + 3, ledger_due_ms(l, id) + 1);
}

static const struct progress half = {
    .seconds = 12.34, .attempted = 50, .waiting_short = 20, .waiting_long = 5};

static void a_wide_line_has_everything(void **state)
{
    (void)state;
    struct ledger l;
    char text[DISPLAY_LINE_SIZE];
    fill(&l);
    size_t len = display_line(text, 200, 100, &half, &l);
    assert_int_equal(len, strlen(text));
    assert_string_equal(text, "[######..................] 12.3 s  sent 50  delivered 25  waiting "
                              "short 20 long 5  error ms p50 3 p99 3 max 3");
    ledger_release(&l);
}

static void no_line_is_wider_than_the_window(void **state)
{
    (void)state;
    struct ledger l;
    char text[DISPLAY_LINE_SIZE];
    fill(&l);
    for (size_t width = 0; width < 200; width++) {
        size_t len = display_line(text, width, 100, &half, &l);
        assert_int_equal(len, strlen(text));
        assert_true(len <= width);
    }
    display_line(text, 79, 100, &half, &l);
    assert_string_equal(text, "12.3 s  sent 50  delivered 25  waiting short 20 long 5");
    ledger_release(&l);
}

/* What a terminal shows must not hold the end of a longer line before. */
static void a_shorter_line_covers_a_longer_one(void **state)
{
    (void)state;
    struct ledger l;
    char written[1024] = "";
    fill(&l);
    FILE *out = fmemopen(written, sizeof(written), "w");
    assert_non_null(out);
    struct display d = {.out = out, .records = 100, .terminal = true, .shown = 79};
    display_progress(&d, &half, &l);
    fflush(out);
    assert_int_equal(written[0], '\r');
    assert_int_equal(strlen(written), 1 + 79);
    assert_null(strpbrk(written, "\n\033"));
    struct progress last = half;
    last.final = true;
    display_progress(&d, &last, &l);
    fflush(out);
    assert_int_equal(written[strlen(written) - 1], '\n');
    fclose(out);
    ledger_release(&l);
}

static void verdict_text(const struct ledger *l, int interrupted, char *out, size_t size)
{
    FILE *file = fmemopen(out, size, "w");
    assert_non_null(file);
    display_verdict(file, l, NULL, interrupted, ledger_is_clean(l));
    fclose(file);
}

static void an_interrupted_run_claims_no_loss(void **state)
{
    (void)state;
    struct ledger l;
    char text[2048];
    fill(&l); /* 25..49 are due from 3500 on */
    ledger_break_off(&l, 3999, 500);
    assert_int_equal(ledger_lost(&l), 0);
    verdict_text(&l, SIGINT, text, sizeof(text));
    assert_non_null(strstr(text, "lost 0,"));
    assert_non_null(strstr(text, "interrupted by SIGINT: 50 of 100 records were sent; outstanding "
                                 "25, of which 20 were not due yet\n"));
    assert_non_null(strstr(text, "verdict: interrupted, nothing wrong until then\n"));
    assert_null(strstr(text, "NOT CLEAN"));
    ledger_release(&l);
}

static void what_was_overdue_when_it_was_interrupted_is_lost(void **state)
{
    (void)state;
    struct ledger l;
    char text[2048];
    fill(&l);
    ledger_break_off(&l, 60000, 30000);
    assert_int_equal(ledger_lost(&l), 25);
    verdict_text(&l, SIGTERM, text, sizeof(text));
    assert_non_null(strstr(text, "lost 25,"));
    assert_non_null(strstr(text, "lost ids: 25-49\n"));
    assert_non_null(strstr(text, "verdict: interrupted, and NOT CLEAN until then\n"));
    ledger_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wide_line_has_everything),
        cmocka_unit_test(no_line_is_wider_than_the_window),
        cmocka_unit_test(a_shorter_line_covers_a_longer_one),
        cmocka_unit_test(an_interrupted_run_claims_no_loss),
        cmocka_unit_test(what_was_overdue_when_it_was_interrupted_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
