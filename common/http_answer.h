/* A received HTTP answer: its headers, and whether it is whole. Pure. */
#ifndef COMMON_HTTP_ANSWER_H
#define COMMON_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/compiler.h"
#include "common/limits.h"
#include "common/slice.h"
#include "common/status.h"

struct http_header {
    struct slice name;
    struct slice value;
};

struct http_response {
    int status;
    struct slice body; /* NUL-terminated behind len */
    const struct http_header *headers;
    size_t header_count;
};

/* First header of that name in any case; null slice if absent. */
struct slice http_response_header(const struct http_response *response, const char *name);

/* Splits a block of header lines in place. STATUS_TOO_LARGE: more than headers holds. A line
 * without a colon or a folded one has no name that anybody asks for and is left out. */
NODISCARD enum status http_answer_split(struct slice block,
                                        struct http_header headers[HTTP_HEADERS_MAX],
                                        size_t *ret_count);

/* NULL, or why the answer is not proven whole. curl ends well when the peer closes within the
 * headers, and for a Content-Length that overflows (7.88.1): whole is what we can prove.
 * headers_whole: the empty line after them has come. */
const char *http_answer_flaw(const struct http_response *response, bool headers_whole);

#endif
