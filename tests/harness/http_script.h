/* An HTTP server on the loop of the test, on port 0 of 127.0.0.1: a function of the test makes each
 * answer, byte by byte if it likes. */
#ifndef TESTS_HARNESS_HTTP_SCRIPT_H
#define TESTS_HARNESS_HTTP_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/loop.h"
#include "common/slice.h"

struct http_script;

struct http_script_request {
    unsigned number;     /* from 0, over all connections */
    unsigned connection; /* from 0, in order of accepting */
    struct slice line;   /* "POST / HTTP/1.1" */
    struct slice head;   /* all header lines */
    struct slice body;
};
/* Null if absent. */
struct slice http_script_header(const struct http_script_request *request, const char *name);

struct http_script_answer {
    struct buf raw;   /* whatever is to be sent */
    int64_t delay_ms; /* before it */
    bool close;       /* after it */
    bool reset;       /* after it, by RST */
    bool silent;      /* nothing is sent, ever */
};
/* A whole answer: status, more header lines ("Name: value\r\n", or ""), a Content-Length, body. */
void http_script_reply(struct http_script_answer *answer, int status, const char *headers,
                       const char *body);

typedef void http_script_fn(void *ctx, const struct http_script_request *request,
                            struct http_script_answer *answer);

struct http_script *http_script_new(struct loop *loop, http_script_fn *on_request, void *ctx);
/* Its handles close on the loop's next turns. */
void http_script_free(struct http_script *script);

/* While it holds, answers wait; then they go, each after its delay. */
void http_script_hold(struct http_script *script, bool holds);

const char *http_script_url(const struct http_script *script);      /* "http://127.0.0.1:34567" */
unsigned http_script_connections(const struct http_script *script); /* accepted so far */

#endif
