#include "tests/emulator/http_request.h"

#include <string.h>

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
