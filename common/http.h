/* HTTP/1.1 by libcurl's multi interface on the uv loop: a keep-alive pool, a deadline for every
 * request, limits on everything that comes back, exactly one completion a request.
 *
 * The happy path is: http_request, connection from the pool or new, answer read whole, on_done. The
 * failure modes are: no connection (surely not done), cut off or timed out after sending (unknown),
 * an answer over a limit or not whole (unknown). What went out on a reused connection that the
 * server had closed is tried again at once on a new one when nothing of an answer has come, but for
 * requests that may be sent only once. After a failure to connect names are looked up anew, for as
 * long as old addresses are remembered.
 */
#ifndef COMMON_HTTP_H
#define COMMON_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/compiler.h"
#include "common/http_answer.h"
#include "common/loop.h"
#include "common/slice.h"
#include "common/status.h"

struct http;
struct http_request;

struct http_options {
    uint32_t connections_max; /* per host */
    int64_t connect_timeout_ms;
    const char *ca_bundle; /* path; NULL: the system's */
};

/* error->kind is ERROR_NONE with any HTTP status; otherwise response is NULL. Both are gone after
 * the call. */
typedef void http_done_fn(void *ctx, const struct http_response *response,
                          const struct error *error);

struct http_spec {
    const char *method;
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;  /* null: no body. Borrowed until on_done or http_cancel. */
    int64_t timeout_ms; /* from the call on; at most 1 ms longer */
    size_t response_bytes_max;
    /* Never sent twice: a used connection that is closed without an answer leaves it unknown, where
     * other requests are tried again on a new connection. For what must not be done twice unseen.
     */
    bool once;
    http_done_fn *on_done;
    void *ctx;
};

struct http *http_new(struct loop *loop, const struct http_options *options);
/* Cancels what is under way without calling back; its handles close on the loop's next turns. */
void http_free(struct http *http);

/* Never calls back before it returns. The result is valid until on_done and only good for
 * cancelling. */
struct http_request *http_start(struct http *http, const struct http_spec *spec);
void http_cancel(struct http_request *request); /* no callback */

#endif
