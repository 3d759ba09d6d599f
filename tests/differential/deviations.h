/* The committed list of what each server is known to answer differently, and why. Every difference
 * must be on it, and everything on it must still happen. */
#ifndef TESTS_DIFFERENTIAL_DEVIATIONS_H
#define TESTS_DIFFERENTIAL_DEVIATIONS_H

#include "common/buf.h"
#include "common/compiler.h"
#include "common/json.h"

struct deviations {
    cJSON *json;
};

/* False: lines in errors. */
NODISCARD bool deviations_load(const char *path, struct deviations *ret, struct buf *errors);
void deviations_release(struct deviations *deviations);

/* "4.14.0"; NULL: no such server in the list. */
const char *deviations_version(const struct deviations *deviations, const char *server);

/* True if exactly this is on the list, where case and step may be "*"; it is then marked as seen.
 * NULL is absent. */
bool deviations_take(struct deviations *deviations, const char *server, const char *name,
                     const char *step, const char *field, const cJSON *right, const cJSON *answers);

/* Those of a case that have not been seen. */
typedef void deviations_fn(void *ctx, const char *step, const char *field);
void deviations_unseen(const struct deviations *deviations, const char *server, const char *name,
                       deviations_fn *on_unseen, void *ctx);
/* Those of cases that are not in cases, an object, and those of any case ("*") that were never
 * seen.
 */
void deviations_foreign(const struct deviations *deviations, const char *server, const cJSON *cases,
                        deviations_fn *on_foreign, void *ctx);

#endif
