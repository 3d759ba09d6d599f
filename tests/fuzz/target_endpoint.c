/* Region and endpoint URL, as people write them: what comes out is a URL, and reads as itself.
 * Three lines: a digit of switches, the region, the URL. */
#include <stdio.h>
#include <strings.h>

#include "common/endpoint.h"
#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

static bool is_visible(const char *text)
{
    return fuzz_is_printable(slice_from_str(text)) && strchr(text, ' ') == NULL;
}

static void check(const struct endpoint_query *query, const struct endpoint *e)
{
    char whole[2 * ENDPOINT_URL_SIZE + 16];
    bool tls = strncmp(e->url, "https://", 8) == 0;
    EXPECT(tls || strncmp(e->url, "http://", 7) == 0);
    EXPECT(is_visible(e->url) && is_visible(e->host) && is_visible(e->path));
    EXPECT(is_visible(e->signing_region) && e->signing_region[0] != '\0' && e->host[0] != '\0');
    EXPECT(e->path[0] == '/' && strpbrk(e->host, "/@?#\\") == NULL);
    EXPECT(slice_is_null(query->custom_url) || query->region.len == 0 ||
           slice_equal_str(query->region, e->signing_region));
    snprintf(whole, sizeof(whole), "%s%s%s", tls ? "https://" : "http://", e->host,
             strcmp(e->path, "/") == 0 ? "" : e->path);
    EXPECT(strcmp(whole, e->url) == 0);
}

static void resolve_again(const struct endpoint_query *query, const struct endpoint *e)
{
    const struct endpoint_query custom = {
        .service = ENDPOINT_SQS, /* DynamoDB has names that it refuses as a URL */
        .region = query->region,
        .custom_url = slice_from_str(e->url),
    };
    struct endpoint again;
    EXPECT(endpoint_resolve(&custom, &again, NULL) == STATUS_OK);
    /* Names of hosts are the same in either case; ours keep the region's. */
    EXPECT(strcasecmp(again.url, e->url) == 0 && strcasecmp(again.host, e->host) == 0);
    EXPECT(strcmp(again.path, e->path) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(slice_from(data, size));
    struct fuzz_input in = fuzz_open(copy, size);
    struct slice switches = fuzz_line(&in);
    unsigned bits = switches.len == 0 ? 0 : switches.ptr[0];
    struct slice region = fuzz_line(&in);
    struct slice url = fuzz_rest(&in);
    const struct endpoint_query query = {
        .service = bits % 3 == 0   ? ENDPOINT_SQS
                   : bits % 3 == 1 ? ENDPOINT_DYNAMODB
                                   : ENDPOINT_STS,
        .region = region,
        .fips = (bits & 64) != 0,
        .dualstack = (bits & 128) != 0,
        .custom_url = url.len == 0 ? SLICE_NULL : url,
    };
    struct endpoint e;
    struct error error = {.kind = ERROR_NONE};
    if (endpoint_resolve(&query, &e, &error) == STATUS_OK) {
        check(&query, &e);
        resolve_again(&query, &e);
    } else {
        EXPECT(error.kind == ERROR_PERMANENT && fuzz_is_printable(slice_from_str(error.text)));
    }
    return 0;
}
