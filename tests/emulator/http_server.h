/* A small HTTP/1.1 server on a libuv loop, loopback only.
 *
 * The happy path is: a connection is accepted, a request is read whole, on_request, an answer now
 * or later, the next request of the connection. The failure modes are: the client goes away while
 * its request waits (on_gone), a request that breaks the grammar or a limit (refused with a plain
 * status and closed), and what a test asks for: no answer, or one that is cut off.
 */
#ifndef TESTS_EMULATOR_HTTP_SERVER_H
#define TESTS_EMULATOR_HTTP_SERVER_H

#include <stdbool.h>
#include <uv.h>

#include "common/buf.h"
#include "common/slice.h"
#include "tests/emulator/http_request.h"

struct http_exchange; /* one request that waits for its answer */
typedef void http_request_fn(void *ctx, struct http_exchange *exchange);
typedef void http_gone_fn(void *ctx);

struct http_server;
/* Listens on 127.0.0.1; port 0: any. NULL if it cannot, with the reason in errno's place *ret_error
 * (a libuv code). */
struct http_server *http_server_new(uv_loop_t *loop, int port, http_request_fn *on_request,
                                    void *ctx, int *ret_error);
int http_server_port(const struct http_server *server);
/* Closes listener and connections, without on_gone; frees itself when the loop has run it down. */
void http_server_close(struct http_server *server);

/* Valid until the answer. */
const struct http_request *http_exchange_request(const struct http_exchange *exchange);
/* Called at most once, when the client goes away before the answer; the exchange is then over. */
void http_exchange_on_gone(struct http_exchange *exchange, http_gone_fn *on_gone, void *ctx);

#define HTTP_ANSWER_WHOLE SIZE_MAX

struct http_answer {
    int status;
    const char *headers; /* "Name: value\r\n" lines; Content-Length is added */
    struct buf *body;    /* taken over: left empty; NULL: none */
    size_t cut_at;       /* HTTP_ANSWER_WHOLE, or: close after so many bytes, head included */
    bool reset;          /* close by RST instead of FIN where it is cut */
};
/* Ends the exchange. */
void http_exchange_answer(struct http_exchange *exchange, const struct http_answer *answer);

#endif
