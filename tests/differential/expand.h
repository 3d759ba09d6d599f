/* A request as the table writes it -> the request as it is sent. Pure.
 *
 * In texts and names of members $(name) is a variable: what a step kept, "queue" and so on.
 * {"$repeat": ["x", 1024]} is a text of so many, {"$base64": 1024} the base64 of so many bytes,
 * {"$each": [11, ...]} a list with the element written so often, with $(i) counting from 0. */
#ifndef TESTS_DIFFERENTIAL_EXPAND_H
#define TESTS_DIFFERENTIAL_EXPAND_H

#include "common/buf.h"
#include "common/json.h"

#define EXPAND_BYTES_MAX (16 * 1024 * 1024)

/* variables: an object of texts. NULL, and a line in errors, if one is missing or a form is wrong.
 * The caller frees. */
cJSON *expand(const cJSON *json, const cJSON *variables, struct buf *errors);

#endif
