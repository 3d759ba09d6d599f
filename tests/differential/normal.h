/* An answer, with what no two servers can agree on put in terms that they can: ids, handles,
 * numbers of sequence, URLs and ARNs, times, the order of what has none. Pure.
 *
 * The same id in two answers of a case gets the same word, so that identity is compared; times
 * become "recent" or stay as they are. Texts for people are left out: AWS documents none. */
#ifndef TESTS_DIFFERENTIAL_NORMAL_H
#define TESTS_DIFFERENTIAL_NORMAL_H

#include <stdint.h>

#include "common/json.h"

/* What one case has seen on one server. */
struct normal {
    cJSON *words; /* id -> its word */
    unsigned ids;
    unsigned handles;
    unsigned sequences;
    char highest[64];   /* number of sequence so far */
    const char *prefix; /* of all names of this run: taken out of texts; outlives this */
};

void normal_init(struct normal *normal, const char *prefix);
void normal_release(struct normal *normal);

/* Changes answer in place. fifo: messages have an order; otherwise they are sorted by body. */
void normal_answer(struct normal *normal, cJSON *answer, bool fifo, int64_t now_ms);

#endif
