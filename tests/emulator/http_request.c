#include "tests/emulator/http_request.h"

#include <string.h>
#include <strings.h>

struct slice http_request_header(const struct http_request *request, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_header *h = &request->headers[i];
        if (h->name.len == len && strncasecmp((const char *)h->name.ptr, name, len) == 0)
            return h->value;
    }
    return SLICE_NULL;
}

static bool take_line(struct slice *rest, struct slice *ret)
{
    const uint8_t *end = rest->len == 0 ? NULL : memmem(rest->ptr, rest->len, "\r\n", 2);
    if (end == NULL)
        return false;
    *ret = slice_from(rest->ptr, (size_t)(end - rest->ptr));
    *rest = slice_from(end + 2, rest->len - ret->len - 2);
    return true;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = slice_from(s.ptr + 1, s.len - 1);
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool parse_request_line(struct slice line, struct http_request *r)
{
    const uint8_t *space = memchr(line.ptr, ' ', line.len);
    if (space == NULL)
        return false;
    r->method = slice_from(line.ptr, (size_t)(space - line.ptr));
    struct slice rest = slice_from(space + 1, line.len - r->method.len - 1);
    space = memchr(rest.ptr, ' ', rest.len);
    if (space == NULL || space == rest.ptr)
        return false;
    r->path = slice_from(rest.ptr, (size_t)(space - rest.ptr));
    if (!slice_equal_str(slice_from(space + 1, rest.len - r->path.len - 1), "HTTP/1.1"))
        return false;
    const uint8_t *mark = memchr(r->path.ptr, '?', r->path.len);
    r->query = SLICE_NULL;
    if (mark != NULL) {
        r->query = slice_from(mark + 1, (size_t)(space - mark - 1));
        r->path.len = (size_t)(mark - r->path.ptr);
    }
    return r->path.len > 0 && r->path.ptr[0] == '/';
}

int http_request_parse(struct slice head, struct http_request *ret, size_t *ret_body_len)
{
    *ret = (struct http_request){0};
    struct slice rest = slice_from(head.ptr, head.len - 2);
    struct slice line;
    if (!take_line(&rest, &line) || !parse_request_line(line, ret))
        return 400;
    while (take_line(&rest, &line)) {
        const uint8_t *colon = line.len == 0 ? NULL : memchr(line.ptr, ':', line.len);
        if (colon == NULL || colon == line.ptr)
            return 400;
        if (ret->header_count == HTTP_REQUEST_HEADERS_MAX)
            return 431;
        struct http_header *h = &ret->headers[ret->header_count++];
        h->name = slice_from(line.ptr, (size_t)(colon - line.ptr));
        h->value = trim(slice_from(colon + 1, line.len - h->name.len - 1));
    }
    if (!slice_is_null(http_request_header(ret, "transfer-encoding")))
        return 501;
    struct slice length = http_request_header(ret, "content-length");
    size_t body_len = 0;
    for (size_t i = 0; i < length.len; i++) {
        if (length.ptr[i] < '0' || length.ptr[i] > '9')
            return 400;
        body_len = body_len * 10 + (size_t)(length.ptr[i] - '0');
        if (body_len > HTTP_REQUEST_BODY_BYTES_MAX)
            return 413;
    }
    *ret_body_len = body_len;
    return 0;
}
