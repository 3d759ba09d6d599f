/* Between http.c and http_request.c alone. */
#ifndef COMMON_HTTP_INTERNAL_H
#define COMMON_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "common/buf.h"
#include "common/http.h"

enum request_state {
    REQUEST_FREE,    /* in the pool */
    REQUEST_REFUSED, /* never given to curl: its deadline is now */
    REQUEST_RUNNING, /* curl has it */
    REQUEST_ENDED,   /* its callback runs */
};

struct http_request {
    uint32_t magic;
    enum request_state state;
    struct http *http;
    struct http_request *next; /* in the pool, or among those under way */
    struct http_request *previous;
    CURL *easy;
    /* Of the whole request. Not curl's: 7.88.1 does not look at its own time-out while a request
     * waits for a connection. */
    uv_timer_t deadline;
    char curl_error[CURL_ERROR_SIZE];

    struct buf url;
    struct buf header_lines;         /* what curl sends, each NUL-terminated */
    struct curl_slist *header_nodes; /* over header_lines; ours, so that none is allocated */
    size_t header_node_capacity;

    struct buf answer_headers; /* of the last status line on, as received */
    struct buf answer_body;
    bool answer_headers_whole;
    bool answer_too_large;
    bool once;
    bool sent;
    int answer_status;

    http_done_fn *on_done;
    void *ctx;
};

/* One socket that curl wants watched. */
struct http_socket {
    uint32_t magic;
    struct http *http;
    curl_socket_t fd;
    uv_poll_t poll;
    struct http_socket *next;
    struct http_socket *previous;
};

#define DNS_CACHE_SECONDS 10L

struct http {
    struct loop *loop;
    CURLM *multi;
    struct http_options options;
    char *ca_bundle;
    uv_timer_t timer; /* curl's */
    struct http_request *under_way;
    struct http_request *pool;
    size_t pool_len;
    struct http_socket *sockets;
    unsigned open_handles; /* the struct goes with the last */
    /* A connection has failed, so its address may be an old one: none is used from memory until all
     * that was in there then has aged out. */
    struct mono_ms names_doubted_until;
    bool closing;
};

/* From the pool, or new. */
struct http_request *http_request_new(struct http *http);
/* CHECKs the magic of what came back through a void *. */
struct http_request *http_request_of(void *ctx);
/* NULL, or why the request cannot be made. */
const char *http_request_prepare(struct http_request *request, const struct http_spec *spec);
/* Back into the pool. It is not under way any more. */
void http_request_recycle(struct http_request *request);
void http_request_free(struct http_request *request);

/* One of the handles that keep struct http alive is closed; the last one frees it. */
void http_handle_closed(struct http *http);

#endif
