/* The HTTP client and a scripted server on one loop. */
#ifndef TESTS_HARNESS_HTTP_EXCHANGE_H
#define TESTS_HARNESS_HTTP_EXCHANGE_H

#include "tests/harness/unit.h"

#include "common/http.h"
#include "tests/harness/http_script.h"

struct exchange {
    struct loop *loop;
    struct http *http;
    struct http_script *script;
    http_script_fn *on_request; /* its ctx is the exchange */
    struct slice raw;           /* what exchange_play_raw sends */

    unsigned requests; /* seen by the server */
    unsigned connections_seen[16];
    struct buf request_head; /* of the last one, with its first line */
    struct buf request_body;

    unsigned done;
    unsigned wanted; /* the loop stops when so many are done */
    /* The last completion. */
    int status;
    struct error error;
    struct buf body;
    char header[64]; /* X-Test */
};

/* options NULL: four connections, two seconds to connect. */
void exchange_init(struct exchange *x, http_script_fn *on_request,
                   const struct http_options *options);
void exchange_release(struct exchange *x); /* everything must close */

/* A request to the server that may be changed before it is started. body NULL: none. */
struct http_spec exchange_spec(struct exchange *x, const char *method, const char *body);
/* Starts it; fails the test if it calls back from within. */
struct http_request *exchange_start(struct exchange *x, const struct http_spec *spec);
/* Starts it and runs the loop until it is done. */
void exchange_run(struct exchange *x, const struct http_spec *spec);
/* Runs the loop until so many are done in all. */
void exchange_wait(struct exchange *x, unsigned wanted);
void exchange_post(struct exchange *x, const char *body);
/* The on_done of all this. */
void exchange_on_done(void *ctx, const struct http_response *response, const struct error *error);

/* Fails the test unless the last completion was this error. */
void exchange_expect_error(const struct exchange *x, enum error_kind kind, const char *code);

/* --- what the server does -------------------------------------------------------------------- */

#define EXCHANGE_OK_BODY "{\"a\":1}"
http_script_fn exchange_play_ok; /* 200, X-Test: some value, EXCHANGE_OK_BODY */
http_script_fn exchange_play_raw;
http_script_fn exchange_play_silence;
http_script_fn exchange_play_ok_if_loud; /* silence for a body "silent" */

#endif
