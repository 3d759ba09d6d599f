/* DynamoDB's numbers: up to 38 significant digits, magnitude 1E-130 to below 1E+126, as text. */
#ifndef TESTS_MODEL_DDB_NUMBER_H
#define TESTS_MODEL_DDB_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/slice.h"

#define DDB_NUMBER_SIZE 192 /* the longest canonical text with its NUL */

/* "1.50" -> "1.5", "1e2" -> "100", "-0" -> "0". False: not a number, or out of range. */
bool ddb_number_normalize(struct slice text, char out[DDB_NUMBER_SIZE]);

/* Of canonical texts. */
int ddb_number_compare(struct slice a, struct slice b);
/* Billed bytes: one per two significant digits and one, and one for the sign. */
size_t ddb_number_size(struct slice text);

#endif
