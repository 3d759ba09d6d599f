/* What the checks at start have in common: questions about queues and table that are under way
 * together, answers that are judged, a line for every mistake.
 *
 * The happy path is: begin; a question for each queue and the table; ask nothing more; the answers
 * come; on_answered; program_checked with PROGRAM_CHECK_OK. The failure modes are: refused for good
 * or of the wrong type (PROGRAM_CHECK_CONFIG), out of reach, not permitted or not active yet
 * (PROGRAM_CHECK_UNAVAILABLE: the program checks again). */
#ifndef COMMON_DEPENDENCY_CHECK_H
#define COMMON_DEPENDENCY_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/dynamodb.h"
#include "common/program.h"
#include "common/sqs.h"

/* Part of a shell. */
struct dependency_check {
    struct program *program;
    uint32_t open; /* questions without an answer */
    enum program_check result;
    struct buf problems;
    const char *table;
    struct dynamodb *dynamodb;
    int64_t bucket_ms;
    void (*on_answered)(void *ctx);
    void *ctx;
};

/* A queue and what it must be; the caller's, it stays until the check has ended. */
struct dependency_queue {
    const char *variable; /* name in the environment */
    const char *name;     /* as configured: name or URL */
    bool is_fifo;
    bool is_per_group; /* FIFO in high-throughput mode */
    bool is_large;     /* must take the largest envelope; for who sends them */
    char **url;        /* where it goes, in memory of its own; freed first if it is known already */

    struct dependency_check *check; /* filled by dependency_check_queue */
    struct sqs *sqs;
};

void dependency_check_init(struct dependency_check *c, struct program *program);
void dependency_check_release(struct dependency_check *c);

/* Forgets an earlier result. on_answered, unless it is NULL, comes when all is answered and may
 * find more, for what blocks and would keep answers waiting. */
void dependency_check_begin(struct dependency_check *c, void (*on_answered)(void *ctx), void *ctx);
void dependency_check_queue(struct dependency_check *c, struct sqs *sqs,
                            struct dependency_queue *queue);
/* One table a check. bucket_ms: what its buckets span, for who writes or reads them; it must then
 * have TTL, be active and not have been set up with another span. 0: no buckets for this one. */
void dependency_check_table(struct dependency_check *c, struct dynamodb *dynamodb,
                            const char *table, int64_t bucket_ms);
/* The last question has been asked: program_checked comes with the last answer, or now. */
void dependency_check_asked(struct dependency_check *c);

/* Found by the caller. A mistake is not cured by waiting; what a call failed with may be. */
void dependency_check_mistake(struct dependency_check *c, const char *variable, const char *value,
                              const char *text);
void dependency_check_error(struct dependency_check *c, const char *variable, const char *value,
                            const struct error *error);

#endif
