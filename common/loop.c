#include "common/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "common/mem.h"

#define NS_PER_MS INT64_C(1000000)
/* A wall deadline is slept for at most this long, so that a clock step is noticed. */
#define WALL_SLEEP_NS_MAX (1000 * NS_PER_MS)
/* Deferred calls that defer again are given this many turns to come to rest at the end. */
#define FINAL_TURNS_MAX 1000

struct deferred {
    loop_fn *fn;
    void *ctx;
};

struct deferred_list {
    struct deferred *items;
    size_t len;
    size_t capacity;
};

struct loop {
    uv_loop_t uv;
    /* One turn: poll and its callbacks, check (runs what was deferred), uv's timers, prepare (the
     * turn ends). None of the three keeps the loop alive, but the idle handle does while something
     * is deferred, and it makes the next poll return at once. */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;

    uv_signal_t sigterm;
    uv_signal_t sigint;
    bool listens;
    unsigned signals_seen;
    loop_fn *on_stop;
    loop_fn *on_abort;
    void *signal_ctx;

    bool now_known;
    struct now now;
    loop_correction_fn *correction;
    const void *correction_ctx;
    int64_t wall_correction_ms; /* of this turn */

    struct deferred_list deferred; /* arriving */
    struct deferred_list running;  /* being called; its memory is used again */

    uint64_t turn_end_ns; /* when the last turn ended, and how long uv had waited until then */
    uint64_t idle_ns;
    uint64_t longest_turn_ns;
};

struct loop_timer {
    struct loop *loop;
    uv_poll_t poll;
    int fd;
    struct deadline at;
    loop_fn *on_timer;
    void *ctx;
};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    return (int64_t)t.tv_sec * 1000 * NS_PER_MS + t.tv_nsec;
}

uint64_t loop_hrtime_ns(void)
{
    return (uint64_t)clock_ns(CLOCK_MONOTONIC);
}

int64_t loop_wall_ms(void)
{
    return clock_ns(CLOCK_REALTIME) / NS_PER_MS;
}

uint64_t loop_random_seed(void)
{
    uint64_t seed;
    ssize_t got;
    do
        got = getrandom(&seed, sizeof(seed), 0);
    while (got < 0 && errno == EINTR);
    CHECK(got == (ssize_t)sizeof(seed));
    return seed;
}

/* --- turns ----------------------------------------------------------------------------------- */

static struct now read_clocks(const struct loop *loop, int64_t *ret_correction_ms)
{
    struct now now = {{clock_ns(CLOCK_BOOTTIME) / NS_PER_MS}, {loop_wall_ms()}};
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
    /* Read by the first who asks after the poll: a reading from before it would be as old as the
     * poll was long. */
    if (!loop->now_known) {
        loop->now = read_clocks(loop, &loop->wall_correction_ms);
        loop->now_known = true;
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
    loop_now(loop); /* it may be the turn's first reading */
    return loop->wall_correction_ms;
}

static void on_prepare(uv_prepare_t *handle)
{
    struct loop *loop = container_of(handle, struct loop, prepare);
    uint64_t end_ns = loop_hrtime_ns();
    uint64_t idle_ns = uv_metrics_idle_time(&loop->uv);
    uint64_t waited_ns = idle_ns - loop->idle_ns;
    uint64_t whole_ns = end_ns - loop->turn_end_ns;
    if (loop->turn_end_ns != 0 && whole_ns > waited_ns)
        loop->longest_turn_ns = MAX(loop->longest_turn_ns, whole_ns - waited_ns);
    loop->turn_end_ns = end_ns;
    loop->idle_ns = idle_ns;
    loop->now_known = false;
}

int64_t loop_take_lag_ms(struct loop *loop)
{
    int64_t lag_ms = (int64_t)(loop->longest_turn_ns / (uint64_t)NS_PER_MS);
    loop->longest_turn_ns = 0;
    return lag_ms;
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle;
}

void loop_defer(struct loop *loop, loop_fn *fn, void *ctx)
{
    struct deferred_list *list = &loop->deferred;
    if (list->len == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        list->items = mem_realloc(list->items, list->capacity * sizeof(list->items[0]));
    }
    list->items[list->len++] = (struct deferred){fn, ctx};
    CHECK(uv_idle_start(&loop->idle, on_idle) == 0);
}

/* Runs what had been deferred by now; what these calls defer comes after the next poll, so that
 * they cannot starve it. */
static void on_check(uv_check_t *handle)
{
    struct loop *loop = container_of(handle, struct loop, check);
    struct deferred_list list = loop->deferred;
    loop->deferred = loop->running;
    loop->deferred.len = 0;
    loop->running = list;
    for (size_t i = 0; i < list.len; i++)
        list.items[i].fn(list.items[i].ctx);
    if (loop->deferred.len == 0)
        CHECK(uv_idle_stop(&loop->idle) == 0);
}

/* --- life ------------------------------------------------------------------------------------ */

struct loop *loop_new(void)
{
    struct loop *loop = mem_calloc(1, sizeof(*loop));
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    CHECK(sigaction(SIGPIPE, &ignore, NULL) == 0);
    /* libuv aborts without a word when it has no memory for its own; ours says why. */
    CHECK(uv_replace_allocator(mem_alloc, mem_realloc, mem_calloc, mem_free) == 0);
    CHECK(uv_loop_init(&loop->uv) == 0);
    CHECK(uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME) == 0);
    CHECK(uv_prepare_init(&loop->uv, &loop->prepare) == 0);
    CHECK(uv_check_init(&loop->uv, &loop->check) == 0);
    CHECK(uv_idle_init(&loop->uv, &loop->idle) == 0);
    CHECK(uv_prepare_start(&loop->prepare, on_prepare) == 0);
    CHECK(uv_check_start(&loop->check, on_check) == 0);
    uv_unref((uv_handle_t *)&loop->prepare);
    uv_unref((uv_handle_t *)&loop->check);
    return loop;
}

static bool is_own(const struct loop *loop, const uv_handle_t *handle)
{
    return handle == (const uv_handle_t *)&loop->prepare ||
           handle == (const uv_handle_t *)&loop->check ||
           handle == (const uv_handle_t *)&loop->idle;
}

static void on_walk(uv_handle_t *handle, void *ctx)
{
    struct loop *loop = container_of(handle->loop, struct loop, uv);
    size_t *left_open = ctx;
    if (!is_own(loop, handle) && !uv_is_closing(handle))
        (*left_open)++;
}

enum status loop_free(struct loop *loop)
{
    if (loop == NULL)
        return STATUS_OK;
    for (int i = 0; i < FINAL_TURNS_MAX && loop->deferred.len > 0; i++)
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    size_t left_open = 0;
    uv_walk(&loop->uv, on_walk, &left_open);
    if (left_open > 0)
        return STATUS_IO; /* its owner may still use the loop: better leaked than freed */
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop->uv) != 0)
        return STATUS_IO;
    mem_free(loop->deferred.items);
    mem_free(loop->running.items);
    mem_free(loop);
    return STATUS_OK;
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

/* --- signals --------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, int number)
{
    struct loop *loop = container_of(handle->loop, struct loop, uv);
    (void)number;
    loop->signals_seen++;
    if (loop->signals_seen == 1)
        loop->on_stop(loop->signal_ctx);
    else if (loop->signals_seen == 2)
        loop->on_abort(loop->signal_ctx);
}

void loop_on_signals(struct loop *loop, loop_fn *on_stop, loop_fn *on_abort, void *ctx)
{
    CHECK(!loop->listens);
    loop->listens = true;
    loop->on_stop = on_stop;
    loop->on_abort = on_abort;
    loop->signal_ctx = ctx;
    CHECK(uv_signal_init(&loop->uv, &loop->sigterm) == 0);
    CHECK(uv_signal_init(&loop->uv, &loop->sigint) == 0);
    CHECK(uv_signal_start(&loop->sigterm, on_signal, SIGTERM) == 0);
    CHECK(uv_signal_start(&loop->sigint, on_signal, SIGINT) == 0);
}

void loop_close_handles(struct loop *loop)
{
    if (!loop->listens)
        return;
    loop->listens = false;
    uv_close((uv_handle_t *)&loop->sigterm, NULL);
    uv_close((uv_handle_t *)&loop->sigint, NULL);
    /* libuv puts the default back, and one more signal would kill what is about to end well. */
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
}

/* --- the precise timer ----------------------------------------------------------------------- */

/* Nanoseconds until the clock, which stands at now_ns, shows at_ms; at most max_ns. */
static int64_t remaining_ns(int64_t at_ms, int64_t now_ns, int64_t max_ns)
{
    int64_t at_ns;
    if (at_ms == TIME_NEVER || __builtin_mul_overflow(at_ms, NS_PER_MS, &at_ns))
        return at_ms < 0 ? 0 : max_ns;
    return MIN(time_sub(at_ns, now_ns), max_ns);
}

static void arm(struct loop_timer *timer)
{
    const struct loop *loop = timer->loop;
    struct itimerspec wait = {0}; /* all zero: disarmed */
    if (timer->at.mono.ms != TIME_NEVER || timer->at.wall.ms != TIME_NEVER) {
        int64_t mono_ns = remaining_ns(timer->at.mono.ms, clock_ns(CLOCK_BOOTTIME), INT64_MAX);
        int64_t wall_ns = INT64_MAX;
        if (timer->at.wall.ms != TIME_NEVER)
            wall_ns = remaining_ns(time_sub(timer->at.wall.ms, loop->wall_correction_ms),
                                   clock_ns(CLOCK_REALTIME), WALL_SLEEP_NS_MAX);
        int64_t wait_ns = MAX(MIN(mono_ns, wall_ns), 1);
        wait.it_value.tv_sec = wait_ns / (1000 * NS_PER_MS);
        wait.it_value.tv_nsec = wait_ns % (1000 * NS_PER_MS);
    }
    CHECK(timerfd_settime(timer->fd, 0, &wait, NULL) == 0);
}

static bool is_reached(struct deadline at, struct now now)
{
    return (at.mono.ms != TIME_NEVER && now.mono.ms >= at.mono.ms) ||
           (at.wall.ms != TIME_NEVER && now.wall.ms >= at.wall.ms);
}

static void on_timer_readable(uv_poll_t *handle, int status, int events)
{
    struct loop_timer *timer = container_of(handle, struct loop_timer, poll);
    uint64_t expirations;
    (void)events;
    CHECK(status == 0);
    if (read(timer->fd, &expirations, sizeof(expirations)) < 0)
        return; /* moved by an earlier callback of this turn */
    if (!is_reached(timer->at, loop_now(timer->loop))) {
        arm(timer);
        return;
    }
    timer->at = DEADLINE_NEVER;
    timer->on_timer(timer->ctx);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *on_timer, void *ctx)
{
    struct loop_timer *timer = mem_calloc(1, sizeof(*timer));
    timer->loop = loop;
    timer->at = DEADLINE_NEVER;
    timer->on_timer = on_timer;
    timer->ctx = ctx;
    timer->fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    CHECK(timer->fd >= 0);
    CHECK(uv_poll_init(&loop->uv, &timer->poll, timer->fd) == 0);
    CHECK(uv_poll_start(&timer->poll, UV_READABLE, on_timer_readable) == 0);
    return timer;
}

void loop_timer_set(struct loop_timer *timer, struct deadline at)
{
    if (at.mono.ms == timer->at.mono.ms && at.wall.ms == timer->at.wall.ms)
        return;
    timer->at = at;
    arm(timer);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct loop_timer *timer = container_of(handle, struct loop_timer, poll);
    close(timer->fd);
    mem_free(timer);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer != NULL)
        uv_close((uv_handle_t *)&timer->poll, on_timer_closed);
}
