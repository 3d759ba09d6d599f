/* Faults that the harness has made during a run, and whether they explain what the ledger holds: a
 * duplicate must have a fault in its life, and all of them together are bounded. */
#ifndef TESTS_LOAD_FAULTS_H
#define TESTS_LOAD_FAULTS_H

#include "tests/load/ledger.h"
#include "tests/load/plan.h"

#define FAULT_NAME_SIZE 64

struct fault {
    char what[FAULT_NAME_SIZE];
    int64_t begin_ms;
    int64_t end_ms;
    int64_t wait_ms;  /* a copy may come so long after the fault has ended or the record was due */
    uint64_t records; /* that may come twice because of it, at most */
};

struct faults {
    struct fault *list;
    size_t count;
};

/* A JSON object a line, with the members above. False, with a message on standard error: the file
 * cannot be read or a line is none. */
bool faults_read(const char *path, struct faults *ret);
void faults_release(struct faults *faults);

struct judgement {
    uint64_t bound;       /* of all faults together */
    uint64_t explained;   /* copies beyond the first with a fault in the record's life */
    uint64_t unexplained; /* and without */
    /* First copies, emission - due: due before the first fault began, while there was one or its
     * wait, and after the last. */
    struct histogram before, during, after;
    /* The backlog: from the last end of a fault to the last emission that was more than a second
     * late, of what had been sent by then; 0: none after it. */
    int64_t recovered_after_ms;
};

/* The ledger must have kept times. */
void faults_judge(const struct faults *faults, const struct ledger *ledger, const struct plan *plan,
                  struct judgement *ret);
/* Clean but for duplicates that are explained and within the bound. */
bool judgement_is_good(const struct judgement *judgement, const struct ledger *ledger);
/* The first of what is unexplained, a line each. */
void faults_print_unexplained(const struct faults *faults, const struct ledger *ledger,
                              const struct plan *plan, FILE *out);

#endif
