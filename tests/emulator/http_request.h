/* A parsed HTTP request: views into the bytes that came. Pure. */
#ifndef TESTS_EMULATOR_HTTP_REQUEST_H
#define TESTS_EMULATOR_HTTP_REQUEST_H

#include "common/slice.h"

#define HTTP_REQUEST_HEADERS_MAX    64
#define HTTP_REQUEST_HEAD_BYTES_MAX (64 * 1024)
#define HTTP_REQUEST_BODY_BYTES_MAX (32 * 1024 * 1024) /* BatchWriteItem: 16 MB in base64 */

struct http_header {
    struct slice name; /* as sent; compare without case */
    struct slice value;
};

struct http_request {
    struct slice method;
    struct slice path;  /* as sent, without the query */
    struct slice query; /* null: none */
    struct http_header headers[HTTP_REQUEST_HEADERS_MAX];
    size_t header_count;
    struct slice body;
};

/* Of a whole head, with the empty line at its end. 0, and how long a body follows; or the status to
 * refuse it with. The body is left to the caller. */
int http_request_parse(struct slice head, struct http_request *ret, size_t *ret_body_len);

/* The first value of that name, null if there is none. */
struct slice http_request_header(const struct http_request *request, const char *name);

#endif
