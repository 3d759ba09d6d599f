/* Whoever does the harm: kills, pauses and stops processes, turns clocks, takes services away,
 * moves leaders; and starts processes again, which a container service would do. At faults_ms the
 * world heals for good. */
#ifndef TESTS_SIM_NEMESIS_H
#define TESTS_SIM_NEMESIS_H

#include "tests/sim/faults.h"

struct nemesis;

/* What a service is like for everybody, at present. */
enum nemesis_outage {
    NEMESIS_WELL,
    NEMESIS_REFUSES_CONNECTIONS,
    NEMESIS_SILENT,
    NEMESIS_UNAVAILABLE, /* 503 */
    NEMESIS_DENIES,      /* permissions are gone */
};

struct nemesis *nemesis_new(struct sim *sim);
void nemesis_free(struct nemesis *nemesis);
enum nemesis_outage nemesis_outage(const struct nemesis *nemesis, enum fault_service service);
/* exit_code -1: killed. */
void nemesis_process_ended(struct host *host, int exit_code);
/* Starts the host's program, after a delay; for the first time too. */
void nemesis_start(struct host *host, int64_t delay_ms);
/* No process is started any more: the run ends. */
void nemesis_rest(struct nemesis *nemesis);

#endif
