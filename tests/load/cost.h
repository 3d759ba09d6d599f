/* What the programs' counted AWS units cost at list prices. */
#ifndef TESTS_LOAD_COST_H
#define TESTS_LOAD_COST_H

/* Sum of the replicas' counters so far, in US dollars. addresses: "host:port[, ]host:port". Returns
 * how many could be asked: the sums of two times compare only if it is the same number. */
unsigned cost_scrape(const char *addresses, double *ret_usd);

#endif
