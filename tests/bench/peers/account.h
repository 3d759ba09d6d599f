/* What was put into a peer and what came out: load's plan of the records, load's ledger of them. */
#ifndef TESTS_BENCH_PEERS_ACCOUNT_H
#define TESTS_BENCH_PEERS_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"
#include "tests/load/ledger.h"
#include "tests/load/options.h"

/* A record as a peer carries it. `body` is load's id, a space, and the value; it is valid until the
 * next one is composed. */
struct task {
    uint64_t id;
    int64_t sent_ms;
    int64_t due_ms;
    struct slice body;
};

struct account {
    const struct options *options;
    struct ledger ledger;
    struct planned planned;  /* of what is sent */
    struct planned expected; /* of what has come */
    char *body;
    size_t body_size;
    int64_t start_ms;
    int64_t start_mono_ms;
    int64_t last_answer_mono_ms;
    int64_t last_arrival_mono_ms;
    int64_t last_due_ms;
    int64_t settled_mono_ms; /* INT64_MAX: not yet */
    uint64_t composed;
    uint64_t answered;
};

int64_t wall_ms(void);
int64_t mono_us(void);

void account_init(struct account *a, const struct options *options);
void account_release(struct account *a);

/* The next record, if the rate and what is unanswered allow one now. */
bool account_compose(struct account *a, struct task *ret_task);
/* The oldest unanswered record is stored, or refused. */
void account_answer(struct account *a, bool stored);
void account_receive(struct account *a, struct slice body, int64_t received_ms);

/* All is settled and no copy came for --settle, or nothing came for --drain. */
bool account_is_over(struct account *a);
/* One JSON object on standard output. */
void account_print(const struct account *a);

#endif
