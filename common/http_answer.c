#include "common/http_answer.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "common/num.h"

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = slice_from(s.ptr + 1, s.len - 1);
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t' ||
                         s.ptr[s.len - 1] == '\r' || s.ptr[s.len - 1] == '\n'))
        s.len--;
    return s;
}

enum status http_answer_split(struct slice block, struct http_header headers[HTTP_HEADERS_MAX],
                              size_t *ret_count)
{
    size_t count = 0;
    while (block.len > 0) {
        const uint8_t *newline = memchr(block.ptr, '\n', block.len);
        size_t len = newline == NULL ? block.len : (size_t)(newline - block.ptr) + 1;
        const uint8_t *colon = memchr(block.ptr, ':', len);
        if (colon != NULL && colon > block.ptr && block.ptr[0] > ' ') {
            if (count == HTTP_HEADERS_MAX)
                return STATUS_TOO_LARGE;
            size_t name_len = (size_t)(colon - block.ptr);
            headers[count++] = (struct http_header){
                .name = trim(slice_from(block.ptr, name_len)),
                .value = trim(slice_from(colon + 1, len - name_len - 1)),
            };
        }
        block = slice_from(block.ptr + len, block.len - len);
    }
    *ret_count = count;
    return STATUS_OK;
}

static bool name_is(struct slice name, const char *wanted)
{
    return name.len == strlen(wanted) && strncasecmp((const char *)name.ptr, wanted, name.len) == 0;
}

struct slice http_response_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++)
        if (name_is(response->headers[i].name, name))
            return response->headers[i].value;
    return SLICE_NULL;
}

const char *http_answer_flaw(const struct http_response *response, bool headers_whole)
{
    if (!headers_whole)
        return "closed within the headers";
    if (response->status == 204 || response->status == 304 ||
        !slice_is_null(http_response_header(response, "Transfer-Encoding")))
        return NULL;
    for (size_t i = 0; i < response->header_count; i++) {
        if (!name_is(response->headers[i].name, "Content-Length"))
            continue;
        uint64_t length;
        if (num_parse_u64(response->headers[i].value, UINT64_MAX, &length) != STATUS_OK)
            return "a Content-Length that is no number";
        if (length != response->body.len)
            return "a Content-Length that is not the body's";
    }
    return NULL;
}
