/* Hosts with clocks of their own, and the process that runs on each: a whole production program
 * (shell and core) over the stand-ins of this folder.
 *
 * A process is killed by forgetting it: from that instant on nothing that it does has any effect,
 * though it may return from a few more functions; its memory goes when it has. It is paused by
 * keeping back what comes for it. What it had sent is under way all the same.
 */
#ifndef TESTS_SIM_HOST_H
#define TESTS_SIM_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/program.h"
#include "common/timeval.h"
#include "tests/sim/sim.h"

enum host_kind { HOST_ROUTER, HOST_SCHEDULER, HOST_RELAY };
#define HOST_KINDS 3

/* Both clocks of a host as a line through true time. */
struct host_clock {
    int64_t since_ms; /* true time from which on this holds */
    int64_t mono_ms;  /* then */
    int64_t wall_ms;
    int64_t ppm; /* how much faster than true time both run */
};

struct host_message {
    struct host_message *next; /* among those kept */
    struct host *host;
    uint64_t life;
    sim_fn *fn;
    sim_fn *drop; /* instead of fn if that life has ended; NULL: nothing to do */
    void *ctx;
};

struct host {
    struct sim *sim;
    enum host_kind kind;
    char name[16];
    struct host_clock clock;
    uint64_t life;           /* of the present process; completions of an earlier one are dropped */
    struct program *program; /* NULL: none runs */
    bool dying;              /* killed in the middle of its turn */
    bool paused;
    struct host_message *kept; /* while paused, in order */
    struct host_message **kept_end;
    uint64_t effects;     /* calls that left it, in all lives */
    uint64_t crash_after; /* dies when it has made so many; 0: does not */
};

void host_init(struct host *host, struct sim *sim, enum host_kind kind, uint32_t index);
void host_release(struct host *host);

struct now host_now(const struct host *host);
/* The first instant of true time at which either deadline has come; INT64_MAX: never. */
int64_t host_true_ms(const struct host *host, struct deadline at);
/* The wall clock jumps, or both clocks run faster by so much from now on. */
void host_step_clock(struct host *host, int64_t by_ms);
void host_set_drift(struct host *host, int64_t ppm);
/* How far the host's wall clock is ahead of true time. */
int64_t host_clock_error_ms(const struct host *host);

void host_start(struct host *host);
void host_kill(struct host *host);
void host_signal(struct host *host); /* SIGTERM; a second one aborts */
void host_pause(struct host *host);
void host_resume(struct host *host);

/* Runs fn in a turn of the process of that life, after the delay, if it still lives then. */
void host_post(struct host *host, uint64_t life, int64_t delay_ms, sim_fn *fn, sim_fn *drop,
               void *ctx);

/* An effect leaves the process: false if it has died before, or dies by it. */
bool host_acts(struct host *host);

#endif
