/* Reasons for not being ready that more than one program has: the same words everywhere. Pure. */
#ifndef COMMON_READINESS_H
#define COMMON_READINESS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/status.h"

/* Each appends a line, or nothing if all is well. */
void readiness_kafka(struct buf *reasons, bool is_reachable, const char *bootstrap_servers);
/* last: the outcome of the last dead letter; kind ERROR_NONE: it went well. */
void readiness_dead_letters(struct buf *reasons, const struct error *last);

#endif
