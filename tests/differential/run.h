/* All cases of one service on one server: several at a time, each with queues of its own and keys
 * of its own in one table.
 *
 * The happy path is: queues are made, the steps go out one after the other, each answer is kept and
 * normalised, the queues are deleted. The failure modes are: a server that cannot be reached (its
 * answers are errors like others), a step that cannot be sent (a mistake in the table: the run
 * fails), and a server that does not answer in time (the run fails). */
#ifndef TESTS_DIFFERENTIAL_RUN_H
#define TESTS_DIFFERENTIAL_RUN_H

#include "tests/differential/cases.h"
#include "tests/differential/target.h"

struct run_spec {
    struct loop *loop;
    const struct cases *cases;
    enum diff_service service;
    const char *url;
    const char *only; /* part of the names of the cases to run; NULL: all */
};

/* Runs the loop until the last answer. {case name: [answer, ...]}, which the caller frees; NULL,
 * and lines in errors, if the run failed. */
cJSON *run_cases(const struct run_spec *spec, struct buf *errors);

#endif
