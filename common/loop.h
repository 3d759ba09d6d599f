/* The loop of a program: the only clock, one precise timer for its core, signals, shutdown.
 *
 * The happy path is: init, add adapters, run. Each turn reads both clocks once; whoever asks
 * loop_now within a turn gets the same answer. The failure modes are: a clock step (noticed within
 * a second, since a wall deadline is slept for at most that long) and a suspended host (monotonic
 * time goes on: CLOCK_BOOTTIME).
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stdbool.h>
#include <uv.h>

#include "common/compiler.h"
#include "common/status.h"
#include "common/timeval.h"

struct loop;

typedef void loop_fn(void *ctx);

/* Ignores SIGPIPE, sets up the uv loop. One a program, made before librdkafka starts threads. */
struct loop *loop_new(void);
/* Everybody else's handles must be closing or closed. Runs what is still deferred and waits for the
 * closing ones. STATUS_IO, and the loop is leaked, if one was left open. Accepts NULL. */
NODISCARD enum status loop_free(struct loop *loop);

uv_loop_t *loop_uv(struct loop *loop);
/* Until loop_stop, or until nothing is left to wait for: no signals, no open handle of any module,
 * nothing deferred. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Of this turn. The wall clock is corrected as loop_set_wall_correction says. */
struct now loop_now(struct loop *loop);
/* Read anew: for stamps that must not be a turn old (the instant of emission, round trips). Not for
 * decisions. */
struct now loop_now_fresh(const struct loop *loop);
/* Ends the turn's time: the next loop_now reads anew. For who has read since that the clock was set
 * back, and would otherwise take for due, again and again, what is not; and after long work. */
void loop_now_forget(struct loop *loop);
/* Monotonic nanoseconds read anew: for histograms of our own cost. */
uint64_t loop_hrtime_ns(void);
/* The host's wall clock, read anew: for the stamp of a log line. */
int64_t loop_wall_ms(void);
/* What to add to the host's wall clock (clock_skew.h decides it), asked at every reading with what
 * the host's clocks show: when the host's clock is stepped, not even the turn that finds it so uses
 * the wrong time. Must not call the loop. NULL: nothing is added. */
typedef int64_t loop_correction_fn(const void *ctx, struct now host);
void loop_set_wall_correction(struct loop *loop, loop_correction_fn *correction, const void *ctx);
/* What was added to this turn's wall clock: without it, it is the host's own. */
int64_t loop_wall_correction(struct loop *loop);

/* A timer that fires when either deadline is reached, to a fraction of a millisecond, never before
 * it. Setting it again moves it; DEADLINE_NEVER disarms. The callback comes once per set. */
struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *on_timer, void *ctx);
void loop_timer_set(struct loop_timer *timer, struct deadline at);
void loop_timer_free(struct loop_timer *timer);

/* Runs fn later in this turn or early in the next, never from within this call, in order of
 * arrival. */
void loop_defer(struct loop *loop, loop_fn *fn, void *ctx);

/* First SIGTERM or SIGINT calls on_stop, the second calls on_abort. */
void loop_on_signals(struct loop *loop, loop_fn *on_stop, loop_fn *on_abort, void *ctx);
/* Stops listening for signals, which is all that the loop itself waits for: loop_run returns when
 * the other modules have closed their handles. SIGTERM and SIGINT are ignored from then on. */
void loop_close_handles(struct loop *loop);

/* Largest time that one turn took since the last call, waiting excluded: the loop-lag metric. */
int64_t loop_take_lag_ms(struct loop *loop);

/* 64 bits from getrandom. */
uint64_t loop_random_seed(void);

#endif
