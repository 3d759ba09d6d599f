/* What the programs' counted AWS units cost at list prices. */
#ifndef TESTS_LOAD_COST_H
#define TESTS_LOAD_COST_H

#include <stdbool.h>

/* Sum of all replicas' counters so far, in US dollars. addresses: "host:port[, ]host:port". False:
 * none could be asked. */
bool cost_scrape(const char *addresses, double *ret_usd);

#endif
