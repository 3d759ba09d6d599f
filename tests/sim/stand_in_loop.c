/* loop.h in virtual time. A turn is one thing that came for the process, and what was deferred by
 * it; the clocks are read once in it, by the first who asks. */
#include "common/check.h"
#include "common/mem.h"
#include "tests/sim/stand_in.h"

/* loop.c sleeps for a wall time for at most so long, so that it notices a step. */
#define WALL_SLEEP_MS 1000
/* Deferred calls that defer again: more than that is a spin. */
#define DEFERRED_MAX 100000

struct deferred {
    struct deferred *next;
    loop_fn *fn;
    void *ctx;
};

struct loop {
    uv_loop_t uv; /* all zero: only its clock is ever touched */
    struct host *host;
    bool now_known;
    struct now now;
    loop_correction_fn *correction;
    const void *correction_ctx;
    int64_t correction_ms; /* of this turn */
    struct deferred *deferred;
    struct deferred **deferred_end;
    struct loop_timer *timers;
};

struct loop_timer {
    struct loop_timer *next;
    struct loop *loop;
    struct deadline at;
    loop_fn *on_timer;
    void *ctx;
    struct sim_event due;
    bool posted; /* on its way into a turn */
    bool gone;
};

/* The process whose turn it is, for the one function of loop.h that does not say whose: the
 * simulator is one thread. */
static struct sim *running;

struct loop *stand_in_loop_new(struct host *host)
{
    struct loop *loop = mem_calloc(1, sizeof(*loop));
    loop->host = host;
    loop->deferred_end = &loop->deferred;
    running = host->sim;
    return loop;
}

struct host *stand_in_loop_host(const struct loop *loop)
{
    return loop->host;
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

uint64_t loop_random_seed(void)
{
    return prng_next(&running->seeds);
}

static void look_again(struct loop *loop);

/* --- clocks ---------------------------------------------------------------------------------- */

static struct now read_clocks(const struct loop *loop, int64_t *ret_correction_ms)
{
    struct now now = host_now(loop->host);
    *ret_correction_ms = loop->correction == NULL ? 0 : loop->correction(loop->correction_ctx, now);
    now.wall = wall_add(now.wall, *ret_correction_ms);
    return now;
}

struct now loop_now_fresh(const struct loop *loop)
{
    int64_t correction_ms;
    return read_clocks(loop, &correction_ms);
}

struct now loop_now(struct loop *loop)
{
    if (!loop->now_known) {
        int64_t before_ms = loop->correction_ms;
        loop->now = read_clocks(loop, &loop->correction_ms);
        loop->now_known = true;
        if (loop->correction_ms != before_ms)
            look_again(loop);
    }
    return loop->now;
}

void loop_now_forget(struct loop *loop)
{
    loop->now_known = false;
}

void loop_set_wall_correction(struct loop *loop, loop_correction_fn *correction, const void *ctx)
{
    loop->correction = correction;
    loop->correction_ctx = ctx;
}

int64_t loop_wall_correction(struct loop *loop)
{
    loop_now(loop);
    return loop->correction_ms;
}

/* --- deferring ------------------------------------------------------------------------------- */

void loop_defer(struct loop *loop, loop_fn *fn, void *ctx)
{
    struct deferred *deferred = mem_calloc(1, sizeof(*deferred));
    *deferred = (struct deferred){NULL, fn, ctx};
    *loop->deferred_end = deferred;
    loop->deferred_end = &deferred->next;
}

static struct deferred take_deferred(struct loop *loop)
{
    struct deferred *first = loop->deferred;
    struct deferred copy = *first;
    loop->deferred = first->next;
    if (loop->deferred == NULL)
        loop->deferred_end = &loop->deferred;
    mem_free(first);
    return copy;
}

void stand_in_loop_turn(struct program *program, sim_fn *fn, void *ctx)
{
    struct loop *loop = program_loop(program);
    running = loop->host->sim;
    loop->now_known = false;
    fn(ctx);
    for (int i = 0; loop->deferred != NULL && !loop->host->dying; i++) {
        if (i == DEFERRED_MAX) {
            sim_fail(running, "P9 spin", "%s defers without end", loop->host->name);
            return;
        }
        struct deferred deferred = take_deferred(loop);
        deferred.fn(deferred.ctx);
    }
}

/* --- timers ---------------------------------------------------------------------------------- */

static void arm(struct loop_timer *timer)
{
    const struct loop *loop = timer->loop;
    struct sim *sim = loop->host->sim;
    struct deadline at = timer->at;
    if (at.wall.ms != TIME_NEVER)
        at.wall.ms = time_sub(at.wall.ms, loop->correction_ms);
    int64_t true_ms = host_true_ms(loop->host, at);
    if (true_ms == TIME_NEVER)
        sim_cancel(sim, &timer->due);
    else
        sim_set(sim, &timer->due, true_ms);
}

static void unpost(struct loop_timer *timer)
{
    timer->posted = false;
    if (timer->gone)
        mem_free(timer);
}

static void drop(void *ctx)
{
    unpost(ctx);
}

static void fire(void *ctx)
{
    struct loop_timer *timer = ctx;
    if (timer->gone) {
        unpost(timer);
        return;
    }
    timer->posted = false;
    struct now now = loop_now(timer->loop);
    if (timer->at.mono.ms > now.mono.ms && timer->at.wall.ms > now.wall.ms) {
        arm(timer); /* set anew meanwhile, or the clock was */
        return;
    }
    timer->at = DEADLINE_NEVER;
    timer->on_timer(timer->ctx);
}

static void on_due(void *ctx)
{
    struct loop_timer *timer = ctx;
    struct host *host = timer->loop->host;
    if (timer->posted)
        return;
    timer->posted = true;
    host_post(host, host->life, 0, fire, drop, timer);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *on_timer, void *ctx)
{
    struct loop_timer *timer = mem_calloc(1, sizeof(*timer));
    *timer = (struct loop_timer){.next = loop->timers,
                                 .loop = loop,
                                 .at = DEADLINE_NEVER,
                                 .on_timer = on_timer,
                                 .ctx = ctx,
                                 .due = {.fn = on_due, .ctx = timer}};
    loop->timers = timer;
    return timer;
}

void loop_timer_set(struct loop_timer *timer, struct deadline at)
{
    timer->at = at;
    if (!timer->posted)
        arm(timer);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer == NULL)
        return;
    struct loop_timer **link = &timer->loop->timers;
    while (*link != timer)
        link = &(*link)->next;
    *link = timer->next;
    sim_cancel(timer->loop->host->sim, &timer->due);
    timer->gone = true;
    if (!timer->posted)
        mem_free(timer);
}

static void look_again(struct loop *loop)
{
    struct sim *sim = loop->host->sim;
    for (struct loop_timer *timer = loop->timers; timer != NULL; timer = timer->next) {
        if (timer->posted || (timer->at.wall.ms == TIME_NEVER && timer->at.mono.ms == TIME_NEVER))
            continue;
        int64_t look_ms = sim->now_ms + sim_between(&sim->network, 0, WALL_SLEEP_MS);
        if (timer->due.node.place == 0 || timer->due.node.at_ms > look_ms)
            sim_set(sim, &timer->due, look_ms);
    }
}

void stand_in_loop_clock_changed(struct program *program)
{
    look_again(program_loop(program));
}

void stand_in_loop_free(struct loop *loop)
{
    CHECK(loop->timers == NULL);
    while (loop->deferred != NULL)
        take_deferred(loop);
    mem_free(loop);
}
