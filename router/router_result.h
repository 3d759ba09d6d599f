/* What the answer for an entry of a send means to the core. Pure. */
#ifndef ROUTER_ROUTER_RESULT_H
#define ROUTER_ROUTER_RESULT_H

#include "common/status.h"
#include "router/router_core.h"

enum router_result router_result_of(enum outcome outcome, const struct error *error);

#endif
