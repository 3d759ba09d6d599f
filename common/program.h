/* What the three programs share around their shells: flags, configuration, log, admin port, signals
 * and the order of starting and stopping. A main.c is one call of program_main.
 *
 * The happy path is: load and validate the configuration; new; the admin port opens; check; start;
 * SIGTERM; stop; program_idle; close; the loop runs empty; free; exit 0. With --check the program
 * ends after the check, with nothing started and no admin port; with --health and --ready it only
 * asks the admin port of the process that runs.
 * The failure modes are: mistakes in the configuration (all of them on standard error, exit 78); a
 * dependency that cannot be reached (--check: exit 69; else the check is made again every second
 * and /readyz says why); not idle when the grace time is over, or a second signal (close at once,
 * exit 0: what is unfinished is somebody else's soon); program_misconfigured (exit 78);
 * program_fatal, or handles left open (exit 70). */
#ifndef COMMON_PROGRAM_H
#define COMMON_PROGRAM_H

#include <stddef.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/emf.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/settings.h"
#include "common/status.h"

struct program;

/* How a check ended. */
enum program_check {
    PROGRAM_CHECK_OK,
    PROGRAM_CHECK_UNAVAILABLE, /* a dependency cannot be reached now; all else seemed right */
    PROGRAM_CHECK_CONFIG,      /* a mistake that waiting does not cure: FIFO given for standard */
};

/* Filled by a shell; constant. shell is what new returned. All calls come from the loop. */
struct program_ops {
    const char *name;    /* "router": in every log line, in the build info */
    const char *summary; /* one line of --help */
    struct config_schema schema;
    size_t config_size; /* of the program's struct, which begins with struct settings */

    /* Relations between the program's own settings: a line in errors for each that does not hold.
     * config may hold defaults in the place of malformed values: errors then has lines already.
     * NULL: there are none. settings_check runs before it in any case. */
    void (*validate)(const void *config, struct buf *errors);

    /* Makes the shell and its adapters; nothing is sent yet. config lives longer than the shell.
     * NULL and a line in errors for every reason (a refused Kafka property, no region): exit 78. */
    void *(*new)(struct program *program, const void *config, struct buf *errors);

    /* Looks at everything the program depends on: that it can be reached, that queues, table and
     * topics are there and of the right type. Ends in exactly one program_checked, which may be
     * called from within. Called again later if the answer was PROGRAM_CHECK_UNAVAILABLE. */
    void (*check)(void *shell);

    /* After a good check: begins to work. Never with --check. */
    void (*start)(void *shell);

    /* First signal, once, only after start: no new intake; finish or hand back what is in flight;
     * then program_idle, which may be called from within. */
    void (*stop)(void *shell);

    /* Closes every handle of the shell and its adapters, and gives up on what is unfinished. Comes
     * exactly once: when idle, or when the grace time is over, on a second signal, after a failed
     * check, after program_fatal. Handles may take turns of the loop to close; it runs on until
     * none is left, for PROGRAM_CLOSE_MS at most. */
    void (*close)(void *shell);

    /* The loop has run empty: memory, and what blocks (librdkafka's threads). The loop, log and
     * metrics are still there; handles cannot be opened any more. */
    void (*free)(void *shell);

    /* Appends reasons for not being ready, a line each. Only between start and stop. */
    void (*ready)(void *shell, struct buf *reasons);

    /* Brings gauges in program_metrics up to date before they are printed. NULL: none to do. */
    void (*metrics)(void *shell);

    /* Which of them go to CloudWatch, besides what all programs tell. */
    const struct emf_table *emf;
};

#define PROGRAM_CLOSE_MS 2000

/* Runs the program to its end; returns its exit code. */
int program_main(const struct program_ops *ops, int argc, char **argv);

/* For the shell; valid from new to free. */
struct loop *program_loop(struct program *program);
struct log *program_log(struct program *program);
struct metrics *program_metrics(struct program *program);

/* The check ended; problems holds a line for everything that was found (empty if it is OK) and
 * stays the caller's. */
void program_checked(struct program *program, enum program_check result,
                     const struct buf *problems);
/* After stop: nothing is in flight any more. Later calls have no effect. */
void program_idle(struct program *program);
/* Nothing can be done but end and be restarted: logs it, closes, exit 70. */
void program_fatal(struct program *program, const char *event, const struct error *error);
/* A mistake in the configuration that the check could not see, and that no restart cures: logs it,
 * the error's text goes to standard error as a line, closes, exit 78. */
void program_misconfigured(struct program *program, const char *event, const struct error *error);

#endif
