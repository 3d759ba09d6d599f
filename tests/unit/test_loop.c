#include "tests/harness/unit.h"

#include <signal.h>
#include <unistd.h>

#include "common/loop.h"

struct fixture {
    struct loop *loop;
    struct loop_timer *timer;
    struct deadline at;
    int calls;
    bool early;
    int order[8];
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    f->loop = loop_new();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    enum status closed = loop_free(f->loop);
    test_free(f);
    return closed == STATUS_OK ? 0 : -1;
}

static void on_timer(void *ctx)
{
    struct fixture *f = ctx;
    struct now now = loop_now(f->loop);
    bool mono_reached = f->at.mono.ms != TIME_NEVER && now.mono.ms >= f->at.mono.ms;
    bool wall_reached = f->at.wall.ms != TIME_NEVER && now.wall.ms >= f->at.wall.ms;
    f->early = f->early || !(mono_reached || wall_reached);
    f->calls++;
    if (f->calls < f->order[0]) {
        f->at.mono = mono_add(loop_now_fresh(f->loop).mono, f->calls % 4);
        loop_timer_set(f->timer, f->at);
    } else {
        loop_timer_free(f->timer);
    }
}

static void a_timer_is_never_early(void **state)
{
    struct fixture *f = *state;
    f->order[0] = 200;
    f->timer = loop_timer_new(f->loop, on_timer, f);
    f->at = (struct deadline){mono_add(loop_now(f->loop).mono, 2), {TIME_NEVER}};
    loop_timer_set(f->timer, f->at);
    loop_run(f->loop);
    assert_int_equal(f->calls, 200);
    assert_false(f->early);
}

static int64_t an_hour(const void *ctx, struct now host)
{
    (void)ctx;
    (void)host;
    return MS_PER_HOUR;
}

static void a_wall_deadline_fires_too_and_knows_the_correction(void **state)
{
    struct fixture *f = *state;
    int64_t host_ms = loop_now_fresh(f->loop).wall.ms;
    loop_set_wall_correction(f->loop, an_hour, NULL);
    f->order[0] = 1;
    f->timer = loop_timer_new(f->loop, on_timer, f);
    struct now corrected = loop_now(f->loop);
    assert_in_range(corrected.wall.ms - host_ms, 3600000, 3610000);
    f->at = (struct deadline){{TIME_NEVER}, wall_add(corrected.wall, 3)};
    loop_timer_set(f->timer, f->at);
    loop_run(f->loop);
    assert_int_equal(f->calls, 1);
    assert_false(f->early);
}

/* As clock_skew.c would: by what the clock shows now, not by what it showed before. */
static int64_t to_the_next_hour(const void *ctx, struct now host)
{
    (void)ctx;
    return MS_PER_HOUR - host.wall.ms % MS_PER_HOUR;
}

static void a_correction_is_asked_at_every_reading(void **state)
{
    struct fixture *f = *state;
    loop_set_wall_correction(f->loop, to_the_next_hour, NULL);
    struct now now = loop_now(f->loop);
    assert_int_equal(now.wall.ms % MS_PER_HOUR, 0);
    assert_in_range(loop_wall_correction(f->loop), 1, MS_PER_HOUR);
    assert_int_equal(loop_now_fresh(f->loop).wall.ms % MS_PER_HOUR, 0);
    loop_set_wall_correction(f->loop, NULL, NULL);
    assert_int_equal(loop_now(f->loop).wall.ms, now.wall.ms); /* until the turn ends */
    loop_now_forget(f->loop);
    assert_int_not_equal(loop_now(f->loop).wall.ms, now.wall.ms);
}

static void on_second_timer(void *ctx)
{
    struct fixture *f = ctx;
    loop_timer_free(f->timer);
    f->timer = NULL;
    loop_stop(f->loop);
}

static void a_disarmed_timer_stays_silent(void **state)
{
    struct fixture *f = *state;
    struct deadline soon = {mono_add(loop_now(f->loop).mono, 1), {TIME_NEVER}};
    struct deadline later = {mono_add(loop_now(f->loop).mono, 8), {TIME_NEVER}};
    struct loop_timer *silent = loop_timer_new(f->loop, on_timer, f);
    f->timer = loop_timer_new(f->loop, on_second_timer, f);
    loop_timer_set(silent, soon);
    loop_timer_set(silent, DEADLINE_NEVER);
    loop_timer_set(f->timer, later);
    loop_run(f->loop);
    assert_int_equal(f->calls, 0);
    loop_timer_free(silent);
}

static void a_deadline_in_the_past_fires_after_the_call(void **state)
{
    struct fixture *f = *state;
    f->order[0] = 1;
    f->timer = loop_timer_new(f->loop, on_timer, f);
    f->at = (struct deadline){{0}, {0}};
    loop_timer_set(f->timer, f->at);
    assert_int_equal(f->calls, 0);
    loop_run(f->loop);
    assert_int_equal(f->calls, 1);
}

static void append(struct fixture *f, int value)
{
    f->order[f->calls++] = value;
}

static void deferred_second(void *ctx)
{
    append(ctx, 2);
}

static void deferred_third(void *ctx)
{
    append(ctx, 3);
}

static void deferred_first(void *ctx)
{
    struct fixture *f = ctx;
    append(f, 1);
    loop_defer(f->loop, deferred_third, f);
    assert_int_equal(f->calls, 1);
}

static void deferred_calls_keep_their_order(void **state)
{
    struct fixture *f = *state;
    loop_defer(f->loop, deferred_first, f);
    loop_defer(f->loop, deferred_second, f);
    assert_int_equal(f->calls, 0);
    loop_run(f->loop);
    assert_int_equal(f->calls, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(f->order[i], i + 1);
}

static void spend_time(void *ctx)
{
    struct fixture *f = ctx;
    struct now turn = loop_now(f->loop);
    while (loop_now_fresh(f->loop).mono.ms < turn.mono.ms + 5)
        continue;
    assert_int_equal(loop_now(f->loop).mono.ms, turn.mono.ms);
    f->at.mono = turn.mono;
}

static void look_again(void *ctx)
{
    struct fixture *f = ctx;
    assert_true(loop_now(f->loop).mono.ms >= f->at.mono.ms + 5);
    f->calls++;
}

static void spend_time_then_look(void *ctx)
{
    struct fixture *f = ctx;
    spend_time(f);
    loop_defer(f->loop, look_again, f);
}

static void now_is_one_instant_per_turn(void **state)
{
    struct fixture *f = *state;
    loop_defer(f->loop, spend_time_then_look, f);
    loop_run(f->loop);
    assert_int_equal(f->calls, 1);
    assert_in_range(loop_take_lag_ms(f->loop), 4, 10000);
    assert_int_equal(loop_take_lag_ms(f->loop), 0);
}

static void on_stop_signal(void *ctx)
{
    append(ctx, 10);
    kill(getpid(), SIGINT);
}

static void on_abort_signal(void *ctx)
{
    struct fixture *f = ctx;
    append(f, 20);
    loop_close_handles(f->loop);
}

static void the_first_signal_stops_and_the_second_aborts(void **state)
{
    struct fixture *f = *state;
    loop_on_signals(f->loop, on_stop_signal, on_abort_signal, f);
    kill(getpid(), SIGTERM);
    loop_run(f->loop);
    assert_int_equal(f->calls, 2);
    assert_int_equal(f->order[0], 10);
    assert_int_equal(f->order[1], 20);
    /* Whoever is impatient now must not turn exit code 0 into a death by signal. */
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGINT);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
}

static void a_handle_left_open_is_reported(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct loop_timer *timer = loop_timer_new(loop, on_second_timer, NULL);
    assert_status(loop_free(loop), STATUS_IO);
    loop_timer_free(timer);
    assert_status(loop_free(loop), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_timer_is_never_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_wall_deadline_fires_too_and_knows_the_correction, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_correction_is_asked_at_every_reading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disarmed_timer_stays_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_deadline_in_the_past_fires_after_the_call, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(deferred_calls_keep_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(now_is_one_instant_per_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_signal_stops_and_the_second_aborts, set_up,
                                        tear_down),
        cmocka_unit_test(a_handle_left_open_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
