/* The admin port: /healthz (the loop turns), /readyz (200 or 503 with the reasons, a line each),
 * /metrics. libmicrohttpd without threads, its epoll descriptor on the uv loop. */
#ifndef COMMON_ADMIN_H
#define COMMON_ADMIN_H

#include <stdint.h>

#include "common/buf.h"
#include "common/loop.h"
#include "common/status.h"

struct admin;

struct admin_callbacks {
    /* Appends reasons for not being ready, a line each; nothing: ready. */
    void (*ready)(void *ctx, struct buf *reasons);
    /* Brings gauges up to date and prints. */
    void (*metrics)(void *ctx, struct buf *out);
};

/* STATUS_INVALID: none of the forms that admin_new takes. */
NODISCARD enum status admin_address_check(const char *address);

/* address "0.0.0.0:8080", "[::1]:0", ":8080" (all addresses); NULL and reterr if it cannot be had.
 * callbacks are copied and come from the loop; the admin never blocks it. */
struct admin *admin_new(struct loop *loop, const char *address,
                        const struct admin_callbacks *callbacks, void *ctx, struct error *reterr);
/* The port in use, also when 0 was asked for. */
uint16_t admin_port(const struct admin *admin);
void admin_free(struct admin *admin);

#endif
