/* Heads of requests to the emulator. */
#include "common/mem.h"
#include "tests/emulator/http_request.h"
#include "tests/fuzz/fuzz.h"

static bool is_within(struct slice part, struct slice whole)
{
    return slice_is_null(part) || (part.ptr >= whole.ptr && part.len <= whole.len &&
                                   part.ptr + part.len <= whole.ptr + whole.len);
}

static bool has_line_end(struct slice text)
{
    return text.len > 0 && memmem(text.ptr, text.len, "\r\n", 2) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The server looks for the end of the head first, and gives no more than that. */
    const uint8_t *end = size == 0 ? NULL : memmem(data, size, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    struct slice head = slice_from(data, (size_t)(end - data) + 4);
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(head);
    head.ptr = copy;
    struct http_request request;
    size_t body_len = SIZE_MAX;
    int refused = http_request_parse(head, &request, &body_len);
    if (refused != 0) {
        EXPECT(refused >= 400 && refused < 600 && body_len == SIZE_MAX);
        return 0;
    }
    EXPECT(body_len <= HTTP_REQUEST_BODY_BYTES_MAX);
    EXPECT(request.header_count <= HTTP_REQUEST_HEADERS_MAX && slice_is_null(request.body));
    EXPECT(is_within(request.method, head) && is_within(request.path, head));
    EXPECT(is_within(request.query, head) && request.path.ptr[0] == '/');
    EXPECT(memchr(request.path.ptr, ' ', request.path.len) == NULL);
    for (size_t i = 0; i < request.header_count; i++) {
        const struct http_header *h = &request.headers[i];
        EXPECT(h->name.len > 0 && is_within(h->name, head) && is_within(h->value, head));
        EXPECT(!has_line_end(h->name) && !has_line_end(h->value));
    }
    return 0;
}
