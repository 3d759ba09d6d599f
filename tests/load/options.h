/* The command line of load. */
#ifndef TESTS_LOAD_OPTIONS_H
#define TESTS_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/load/plan.h"

struct options {
    struct plan plan;
    uint64_t rate; /* records a second; 0: as fast as possible */
    bool at_once;  /* all records have the run's start as their timestamp */
    const char *bootstrap;
    const char *topic;
    const char *dead_letter_topic;
    uint64_t refused_max; /* good records that may be dead-lettered */
    const char *report;
    const char *faults; /* NULL: there are none, and no duplicate is allowed */
    const char *admin_addresses;
    const char *linger_ms;
    const char *fetch_wait_ms;
    int64_t horizon_ms; /* only to tell the paths apart in the live display */
    int64_t drain_ms;
    int64_t settle_ms;
};

/* Exits with 0 after --help, with 64 and a message after a mistake. */
void options_parse(int argc, char **argv, struct options *out);

#endif
