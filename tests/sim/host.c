#include "tests/sim/host.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/stand_in.h"

#define PPM INT64_C(1000000)

static const char *const kind_names[HOST_KINDS] = {"router", "scheduler", "relay"};

/* --- clocks ---------------------------------------------------------------------------------- */

static int64_t elapsed_ms(const struct host_clock *clock, int64_t true_ms)
{
    int64_t true_elapsed_ms = true_ms - clock->since_ms;
    return true_elapsed_ms + true_elapsed_ms * clock->ppm / PPM;
}

struct now host_now(const struct host *host)
{
    int64_t elapsed = elapsed_ms(&host->clock, host->sim->now_ms);
    return (struct now){{host->clock.mono_ms + elapsed}, {host->clock.wall_ms + elapsed}};
}

int64_t host_true_ms(const struct host *host, struct deadline at)
{
    const struct host_clock *clock = &host->clock;
    int64_t wanted_ms = TIME_NEVER;
    if (at.mono.ms != TIME_NEVER)
        wanted_ms = MIN(wanted_ms, time_sub(at.mono.ms, clock->mono_ms));
    if (at.wall.ms != TIME_NEVER)
        wanted_ms = MIN(wanted_ms, time_sub(at.wall.ms, clock->wall_ms));
    if (wanted_ms > TIME_NEVER / (2 * PPM))
        return TIME_NEVER;
    wanted_ms = MAX(wanted_ms, 0);
    int64_t true_ms = clock->since_ms + wanted_ms * PPM / (PPM + clock->ppm) - 2;
    true_ms = MAX(true_ms, clock->since_ms);
    while (elapsed_ms(clock, true_ms) < wanted_ms)
        true_ms++;
    return true_ms;
}

static void set_clock(struct host *host, int64_t wall_by_ms, int64_t ppm)
{
    struct now now = host_now(host);
    host->clock =
        (struct host_clock){host->sim->now_ms, now.mono.ms, now.wall.ms + wall_by_ms, ppm};
    if (host->program != NULL)
        stand_in_loop_clock_changed(host->program);
}

void host_step_clock(struct host *host, int64_t by_ms)
{
    sim_say(host->sim, host, "clock steps by %" PRId64 " ms", by_ms);
    set_clock(host, by_ms, host->clock.ppm);
}

void host_set_drift(struct host *host, int64_t ppm)
{
    set_clock(host, 0, ppm);
}

int64_t host_clock_error_ms(const struct host *host)
{
    return host_now(host).wall.ms - host->sim->now_ms;
}

/* --- turns ----------------------------------------------------------------------------------- */

static void bury(struct host *host)
{
    struct program *program = host->program;
    host->dying = true; /* what it does while it is taken apart has no effect */
    host->program = NULL;
    host->life++;
    stand_in_program_free(program);
    host->dying = false;
}

static void die(struct host *host)
{
    sim_say(host->sim, host, "killed after %" PRIu64 " effects", host->effects);
    bury(host);
    nemesis_process_ended(host, -1);
}

/* By an effect that was none of a turn of its own. */
static void die_now(void *ctx)
{
    struct host *host = ctx;
    if (host->dying)
        die(host);
}

/* Whatever happens in it, the turn ends here. */
static void run_turn(struct host *host, sim_fn *fn, void *ctx)
{
    struct sim *sim = host->sim;
    CHECK(sim->inside == NULL);
    sim->inside = host;
    stand_in_loop_turn(host->program, fn, ctx);
    sim->inside = NULL;
    int exit_code = 0;
    if (host->dying) {
        die(host);
    } else if (stand_in_program_has_ended(host->program, &exit_code)) {
        sim_say(sim, host, "exits with %d", exit_code);
        bury(host);
        nemesis_process_ended(host, exit_code);
    }
}

static void keep(struct host *host, struct host_message *message)
{
    message->next = NULL;
    *host->kept_end = message;
    host->kept_end = &message->next;
}

static void arrive(void *ctx)
{
    struct host_message *message = ctx;
    struct host *host = message->host;
    if (host->life != message->life || host->program == NULL) {
        if (message->drop != NULL)
            message->drop(message->ctx);
    } else if (host->paused) {
        keep(host, message);
        return;
    } else {
        run_turn(host, message->fn, message->ctx);
    }
    mem_free(message);
}

void host_post(struct host *host, uint64_t life, int64_t delay_ms, sim_fn *fn, sim_fn *drop,
               void *ctx)
{
    struct host_message *message = mem_calloc(1, sizeof(*message));
    *message =
        (struct host_message){.host = host, .life = life, .fn = fn, .drop = drop, .ctx = ctx};
    sim_after(host->sim, delay_ms, arrive, message);
}

bool host_acts(struct host *host)
{
    if (host->dying)
        return false;
    host->effects++;
    if (host->crash_after == 0 || host->effects < host->crash_after)
        return true;
    host->crash_after = 0;
    host->dying = true;
    if (host->sim->inside != host)
        sim_after(host->sim, 0, die_now, host);
    /* With the effect under way, or just before it leaves. */
    return sim_happens(&host->sim->faults, 500);
}

/* --- life ------------------------------------------------------------------------------------ */

void host_init(struct host *host, struct sim *sim, enum host_kind kind, uint32_t index)
{
    *host = (struct host){.sim = sim, .kind = kind, .life = 1};
    snprintf(host->name, sizeof(host->name), "%s%u", kind_names[kind], index);
    host->kept_end = &host->kept;
    host->clock =
        (struct host_clock){sim->now_ms, sim_between(&sim->faults, 1, 1000000), sim->now_ms, 0};
}

static void drop_kept(struct host *host)
{
    while (host->kept != NULL) {
        struct host_message *message = host->kept;
        host->kept = message->next;
        if (message->drop != NULL)
            message->drop(message->ctx);
        mem_free(message);
    }
    host->kept_end = &host->kept;
}

void host_release(struct host *host)
{
    if (host->program != NULL)
        bury(host);
    drop_kept(host);
}

static void begin(void *ctx)
{
    stand_in_program_begin(ctx);
}

void host_start(struct host *host)
{
    CHECK(host->program == NULL);
    sim_say(host->sim, host, "starts");
    host->program = stand_in_program_new(host);
    run_turn(host, begin, host->program);
}

void host_kill(struct host *host)
{
    if (host->program == NULL)
        return;
    sim_say(host->sim, host, "killed");
    bury(host);
    host->paused = false;
    drop_kept(host);
    nemesis_process_ended(host, -1);
}

static void on_signal(void *ctx)
{
    stand_in_program_signal(ctx);
}

void host_signal(struct host *host)
{
    if (host->program == NULL)
        return;
    sim_say(host->sim, host, "SIGTERM");
    host_post(host, host->life, 0, on_signal, NULL, host->program);
}

void host_pause(struct host *host)
{
    if (host->program == NULL || host->paused)
        return;
    sim_say(host->sim, host, "SIGSTOP");
    host->paused = true;
}

void host_resume(struct host *host)
{
    if (!host->paused)
        return;
    sim_say(host->sim, host, "SIGCONT");
    host->paused = false;
    struct host_message *kept = host->kept;
    host->kept = NULL;
    host->kept_end = &host->kept;
    while (kept != NULL) {
        struct host_message *message = kept;
        kept = message->next;
        host_post(host, message->life, 0, message->fn, message->drop, message->ctx);
        mem_free(message);
    }
}
