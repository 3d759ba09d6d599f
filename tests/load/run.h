/* One run: writes the plan's records, reads what comes out, keeps the ledger. */
#ifndef TESTS_LOAD_RUN_H
#define TESTS_LOAD_RUN_H

#include <signal.h>

#include "tests/load/ledger.h"
#include "tests/load/options.h"

struct progress {
    double seconds;
    uint64_t attempted;
    uint64_t waiting_short;
    uint64_t waiting_long;
    bool final;
};
typedef void run_progress_fn(void *ctx, const struct progress *progress,
                             const struct ledger *ledger);

/* Fills the ledger. False, with a message on standard error, if the broker cannot be used at all.
 * *ret_seconds: from the first send to the last delivery. */
bool run_load(const struct options *options, struct ledger *ledger, run_progress_fn *on_progress,
              void *ctx, double *ret_seconds);

/* Set to a signal's number by its handler: stop sending, tell what there is. */
extern volatile sig_atomic_t run_interrupted;

#endif
