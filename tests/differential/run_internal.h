/* What the files of the runner share; nobody else includes it. */
#ifndef TESTS_DIFFERENTIAL_RUN_INTERNAL_H
#define TESTS_DIFFERENTIAL_RUN_INTERNAL_H

#include "tests/differential/normal.h"
#include "tests/differential/run.h"

#define RUN_AT_A_TIME    12
#define RUN_LIMIT_MS     100000
#define RUN_ERROR_BYTES  65536
#define RUN_PREFIX_SIZE  24
#define RUN_QUEUES_MAX   4
#define RUN_ON_TIME_MS   400 /* a busy machine; servers with ticks are up to a second late */
#define RUN_EARLY_MS     2   /* what rounding to milliseconds on both sides makes */
#define RUN_DRAIN_WAIT_S 2

struct run {
    const struct run_spec *spec;
    struct target target;
    char prefix[RUN_PREFIX_SIZE];
    char table[RUN_PREFIX_SIZE + 8];
    size_t next_case;
    size_t playing;
    bool failed;
    cJSON *transcript;
    struct loop_timer *limit;
    struct buf *errors;
};

/* A case under way. */
struct play {
    struct run *run;
    const struct diff_case *what;
    bool fifo;
    cJSON *variables;
    cJSON *dues; /* body -> when it was sent and is due */
    cJSON *answers;
    struct normal normal;
    struct loop_timer *timer;
    const cJSON *step;
    size_t step_index; /* of the next one */
    bool waited;       /* for the next step's after_ms */
    size_t unanswered;
    const cJSON *queue; /* being made or deleted */
};

/* A step that was sent. */
struct sent_step {
    struct play *play;
    const cJSON *step;
    size_t index;
    uint64_t started_ns;
    cJSON *request;
    /* "drain" */
    cJSON *drained;
    uint64_t until_ns;
};

/* play.c */
void play_start(struct run *run, const struct diff_case *what);
/* run.c: frees the play and starts the next one. */
void run_case_ended(struct play *play);
void run_fail(struct run *run); /* a line is in errors; the loop stops */

/* play_drain.c: receives until "count" messages came or "within_ms" passed. */
void drain_begin(struct sent_step *sent);
/* Notes when the message of this request is due. */
void drain_note_due(struct play *play, const cJSON *step, const cJSON *request);

/* play.c: the step's answer, which it then owns; frees sent. */
void play_answered(struct sent_step *sent, cJSON *answer);

#endif
