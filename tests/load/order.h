/* Values that look like a shop's orders: distinct ids, names, addresses, articles and amounts, with
 * about the redundancy that JSON of real orders has. */
#ifndef TESTS_LOAD_ORDER_H
#define TESTS_LOAD_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "common/prng.h"

/* Room that `out` needs beyond `bytes`. */
#define ORDER_SLACK_BYTES 512

/* Writes an order of exactly `bytes` bytes, valid JSON when `bytes` is ORDER_BYTES_MIN or more, and
 * returns them; 0: as long as it happens to be. No NUL counts, but out has room for one. */
size_t order_write(struct prng *random, uint64_t id, char *out, size_t bytes);

#define ORDER_BYTES_MIN 80

#endif
