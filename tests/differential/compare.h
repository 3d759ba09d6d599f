/* Two answers field by field. Pure. */
#ifndef TESTS_DIFFERENTIAL_COMPARE_H
#define TESTS_DIFFERENTIAL_COMPARE_H

#include "common/json.h"

/* field: "error", "Messages.0.Body". right, answers: NULL for what is absent. */
typedef void compare_fn(void *ctx, const char *field, const cJSON *right, const cJSON *answers);

/* Every field in which answer is not what is right. Where one is an error and the other is not, or
 * another one, that alone is reported. */
void compare_answers(const cJSON *right, const cJSON *answer, compare_fn *on_difference, void *ctx);

/* Only what expected says: a text is the error ("400 EmptyBatchRequest"), an object holds members
 * of a success, or of an error if it has "error"; null is a member that must be absent. Lists have
 * exactly the elements that are written. */
void compare_expected(const cJSON *expected, const cJSON *answer, compare_fn *on_difference,
                      void *ctx);

/* For messages: JSON, or "absent". The caller frees with cJSON_free. */
char *compare_show(const cJSON *json);

#endif
