/* The admin port: /healthz (the loop turns), /readyz (200 or 503 with the reasons, a line each),
 * /metrics. libmicrohttpd without threads, its epoll descriptor on the uv loop. */
#ifndef COMMON_ADMIN_H
#define COMMON_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/loop.h"
#include "common/status.h"

#define ADMIN_HOST_SIZE 256

struct admin;

struct admin_callbacks {
    /* Appends reasons for not being ready, a line each; nothing: ready. */
    void (*ready)(void *ctx, struct buf *reasons);
    /* Brings gauges up to date and prints. */
    void (*metrics)(void *ctx, struct buf *out);
};

/* STATUS_INVALID: none of the forms that admin_new takes. */
NODISCARD enum status admin_address_check(const char *address);
/* "host:port", "[host]:port", ":port": *ret_port points into address, which has the number last. */
NODISCARD enum status admin_address_split(const char *address, char host[ADMIN_HOST_SIZE],
                                          const char **ret_port);

/* address "0.0.0.0:8080", "[::1]:0", ":8080" (all addresses); NULL and reterr if it cannot be had.
 * callbacks are copied and come from the loop; the admin never blocks it. */
struct admin *admin_new(struct loop *loop, const char *address,
                        const struct admin_callbacks *callbacks, void *ctx, struct error *reterr);
/* The port in use, also when 0 was asked for. */
uint16_t admin_port(const struct admin *admin);
void admin_free(struct admin *admin);

/* The other side, for a health check from outside the process: asks who listens on address (a
 * wildcard: on this host) for path, and blocks for ADMIN_ASK_MS at most. True if it answered 200.
 * answer gets the body, or a line that says why there is none. */
#define ADMIN_ASK_MS 2000
bool admin_ask(const char *address, const char *path, struct buf *answer);

#endif
