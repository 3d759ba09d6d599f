#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/check.h"
#include "common/http_internal.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/secret.h"

#define REQUEST_MAGIC UINT32_C(0x68747470)

/* A connection that was idle for longer is not used again: DynamoDB closes at about 60 s. */
#define IDLE_SECONDS_MAX 30
/* None lives longer, so that a changed address is found. */
#define CONNECTION_SECONDS_MAX 600
#define RECEIVE_BUFFER_BYTES   (64L * KIB)
#define SEND_BUFFER_BYTES      (128L * KIB)
/* A finished request keeps its buffers for the next one up to this size each. */
#define KEPT_BUFFER_BYTES (128 * KIB)
#define KEPT_REQUESTS_MAX 64
/* Larger ones hold messages and items, no secrets. */
#define WIPED_BUFFER_BYTES (16 * KIB)

/* --- life and pool --------------------------------------------------------------------------- */

static void on_deadline_closed(uv_handle_t *handle)
{
    struct http_request *request = container_of(handle, struct http_request, deadline);
    struct http *http = request->http;
    request->magic = 0;
    mem_free(request);
    http_handle_closed(http);
}

void http_request_free(struct http_request *request)
{
    curl_easy_cleanup(request->easy);
    buf_release(&request->url);
    buf_release(&request->header_lines);
    buf_release(&request->answer_headers);
    buf_release(&request->answer_body);
    mem_free(request->header_nodes);
    uv_close((uv_handle_t *)&request->deadline, on_deadline_closed);
}

static void trim_buffer(struct buf *b)
{
    /* Session tokens, and the credentials that metadata services answer with, are small. */
    if (b->len > 0 && b->len <= WIPED_BUFFER_BYTES)
        secret_wipe(b->ptr, b->len);
    if (b->capacity > KEPT_BUFFER_BYTES)
        buf_release(b);
    else
        buf_clear(b);
}

/* Back into the pool. */
void http_request_recycle(struct http_request *request)
{
    struct http *http = request->http;
    request->state = REQUEST_FREE;
    request->on_done = NULL;
    request->ctx = NULL;
    trim_buffer(&request->url);
    trim_buffer(&request->header_lines);
    trim_buffer(&request->answer_headers);
    trim_buffer(&request->answer_body);
    if (http->closing || http->pool_len >= KEPT_REQUESTS_MAX) {
        http_request_free(request);
        return;
    }
    request->next = http->pool;
    http->pool = request;
    http->pool_len++;
}

/* --- curl's callbacks for one request; no curl_multi_* in here ------------------------------- */

struct http_request *http_request_of(void *ctx)
{
    struct http_request *request = ctx;
    CHECK(request->magic == REQUEST_MAGIC);
    return request;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct http_request *request = http_request_of(ctx);
    size_t len = size * count;
    buf_append(&request->answer_body, bytes, len);
    if (!request->answer_body.overflow)
        return len;
    request->answer_too_large = true;
    return len == 0 ? 1 : 0; /* anything but len is an error */
}

static bool starts_with(const char *bytes, size_t len, const char *prefix)
{
    size_t prefix_len = strlen(prefix);
    return len >= prefix_len && strncasecmp(bytes, prefix, prefix_len) == 0;
}

/* An answer that has no body by its status and announces one leaves its connection out of step. */
static void forbid_reuse_of_bodyless(struct http_request *request, const char *line, size_t len)
{
    static const char name[] = "content-length:";
    if ((request->answer_status != 204 && request->answer_status != 304) ||
        !starts_with(line, len, name))
        return;
    for (size_t i = sizeof(name) - 1; i < len; i++)
        if (line[i] >= '1' && line[i] <= '9')
            curl_easy_setopt(request->easy, CURLOPT_FORBID_REUSE, 1L);
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct http_request *request = http_request_of(ctx);
    size_t len = size * count;
    if (request->answer_headers_whole && !starts_with(bytes, len, "HTTP/"))
        return len; /* a trailer: nothing that we would believe */
    if (starts_with(bytes, len, "HTTP/")) {
        long status = 0;
        curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
        request->answer_status = (int)status;
        request->answer_headers_whole = false;
        buf_clear(&request->answer_headers);
        return len;
    }
    if (len <= 2 && (bytes[0] == '\r' || bytes[0] == '\n')) {
        request->answer_headers_whole = request->answer_status >= 200;
        return len;
    }
    forbid_reuse_of_bodyless(request, bytes, len);
    buf_append(&request->answer_headers, bytes, len);
    if (!request->answer_headers.overflow)
        return len;
    request->answer_too_large = true;
    return len == 0 ? 1 : 0;
}

/* From here on the server may have seen the request. Called again when curl repeats it because a
 * reused connection was closed without an answer: the server may have acted on it all the same. */
static int on_before_request(void *ctx, char *address, char *local, int port, int local_port)
{
    (void)address;
    (void)local;
    (void)port;
    (void)local_port;
    struct http_request *request = http_request_of(ctx);
    if (request->sent && request->once)
        return CURL_PREREQFUNC_ABORT;
    request->sent = true;
    return CURL_PREREQFUNC_OK;
}

/* --- making a request ------------------------------------------------------------------------ */

#define SET(easy, option, value) CHECK(curl_easy_setopt((easy), (option), (value)) == CURLE_OK)

/* What holds for every request of this easy handle. */
static void set_constant_options(struct http_request *request)
{
    CURL *easy = request->easy;
    const struct http *http = request->http;
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(easy, CURLOPT_TCP_NODELAY, 1L);
    SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_SECONDS_MAX);
    SET(easy, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_SECONDS_MAX);
    SET(easy, CURLOPT_DNS_SHUFFLE_ADDRESSES, 1L); /* the first may be the one that is dead */
    /* Or curl waits, and the loop with it, for a resolver that a cancelled request has asked. */
    SET(easy, CURLOPT_QUICK_EXIT, 1L);
    SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)http->options.connect_timeout_ms);
    SET(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_BYTES);
    SET(easy, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BUFFER_BYTES);
    SET(easy, CURLOPT_ERRORBUFFER, request->curl_error);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, request);
    SET(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, CURLOPT_HEADERDATA, request);
    SET(easy, CURLOPT_PREREQFUNCTION, on_before_request);
    SET(easy, CURLOPT_PREREQDATA, request);
    SET(easy, CURLOPT_PRIVATE, request);
    if (http->ca_bundle != NULL)
        SET(easy, CURLOPT_CAINFO, http->ca_bundle);
}

struct http_request *http_request_new(struct http *http)
{
    struct http_request *request = http->pool;
    if (request != NULL) {
        http->pool = request->next;
        http->pool_len--;
        request->next = NULL;
        return request;
    }
    request = mem_calloc(1, sizeof(*request));
    request->magic = REQUEST_MAGIC;
    request->http = http;
    request->easy = curl_easy_init();
    if (request->easy == NULL)
        mem_exhausted("curl_easy_init", 0);
    buf_init(&request->url, HTTP_HEADER_BYTES_MAX);
    buf_init(&request->header_lines, HTTP_HEADER_BYTES_MAX);
    buf_init(&request->answer_headers, HTTP_HEADER_BYTES_MAX);
    buf_init(&request->answer_body, 0);
    CHECK(uv_timer_init(loop_uv(http->loop), &request->deadline) == 0);
    http->open_handles++;
    set_constant_options(request);
    return request;
}

/* CR, LF and NUL would let a value write headers of its own. */
static bool header_valid(const struct http_header *header)
{
    if (header->name.len == 0)
        return false;
    for (size_t i = 0; i < header->name.len; i++)
        if (header->name.ptr[i] <= ' ' || header->name.ptr[i] >= 0x7f ||
            header->name.ptr[i] == ':' || header->name.ptr[i] == ';')
            return false;
    for (size_t i = 0; i < header->value.len; i++)
        if (header->value.ptr[i] == '\r' || header->value.ptr[i] == '\n' ||
            header->value.ptr[i] == '\0')
            return false;
    return true;
}

static void append_line(struct http_request *request, struct slice name, const char *separator,
                        struct slice value)
{
    buf_append_slice(&request->header_lines, name);
    buf_append_str(&request->header_lines, separator);
    buf_append_slice(&request->header_lines, value);
    buf_append_byte(&request->header_lines, '\0');
}

/* Headers as a list for curl. An empty value is written "Name;", or curl would leave it out. */
static bool prepare_headers(struct http_request *request, const struct http_spec *spec)
{
    static const char *const own[] = {
        "Expect:",                   /* or curl waits for a 100 before large bodies */
        "Accept-Encoding: identity", /* x-amz-crc32 counts the bytes on the wire */
    };
    size_t count = spec->header_count + ARRAY_LEN(own) + 1;
    bool has_type = false;
    for (size_t i = 0; i < spec->header_count; i++) {
        const struct http_header *header = &spec->headers[i];
        if (!header_valid(header))
            return false;
        has_type = has_type || (header->name.len == strlen("Content-Type") &&
                                strncasecmp((const char *)header->name.ptr, "Content-Type",
                                            header->name.len) == 0);
        append_line(request, header->name, header->value.len == 0 ? ";" : ": ", header->value);
    }
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        append_line(request, slice_from_str(own[i]), "", SLICE_NULL);
    if (!has_type) /* curl would say that it is a form */
        append_line(request, SLICE_LITERAL("Content-Type"), ":", SLICE_NULL);
    else
        count--;
    if (request->header_lines.overflow)
        return false;

    if (count > request->header_node_capacity) {
        request->header_nodes =
            mem_realloc(request->header_nodes, count * sizeof(request->header_nodes[0]));
        request->header_node_capacity = count;
    }
    char *line = (char *)request->header_lines.ptr;
    for (size_t i = 0; i < count; i++) {
        request->header_nodes[i].data = line;
        request->header_nodes[i].next = i + 1 < count ? &request->header_nodes[i + 1] : NULL;
        line += strlen(line) + 1;
    }
    return true;
}

static void set_method(struct http_request *request, const struct http_spec *spec)
{
    CURL *easy = request->easy;
    bool get = strcmp(spec->method, "GET") == 0;
    SET(easy, CURLOPT_CUSTOMREQUEST, NULL);
    if (get && slice_is_null(spec->body)) {
        SET(easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    SET(easy, CURLOPT_POST, 1L);
    if (strcmp(spec->method, "POST") != 0)
        SET(easy, CURLOPT_CUSTOMREQUEST, spec->method);
    /* NULL would make curl read from standard input. */
    SET(easy, CURLOPT_POSTFIELDS, spec->body.len == 0 ? "" : (const char *)spec->body.ptr);
    SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)spec->body.len);
}

/* NULL, or why the request cannot be made. */
const char *http_request_prepare(struct http_request *request, const struct http_spec *spec)
{
    request->sent = false;
    request->once = spec->once;
    request->answer_status = 0;
    request->answer_headers_whole = false;
    request->answer_too_large = false;
    request->curl_error[0] = '\0';
    request->answer_body.max = spec->response_bytes_max;
    buf_append_str(&request->url, spec->url);
    if (request->url.overflow || spec->body.len > HTTP_REQUEST_BYTES_MAX)
        return "URL or body over its limit";
    if (!prepare_headers(request, spec))
        return "a header that HTTP does not admit";
    CURL *easy = request->easy;
    SET(easy, CURLOPT_URL, buf_text(&request->url));
    /* Plain HTTP is for metadata endpoints and local servers, which no proxy reaches. */
    SET(easy, CURLOPT_NOPROXY, starts_with(spec->url, strlen(spec->url), "http:") ? "*" : NULL);
    SET(easy, CURLOPT_HTTPHEADER, request->header_nodes);
    SET(easy, CURLOPT_FORBID_REUSE, 0L);
    bool doubted = loop_now(request->http->loop).mono.ms < request->http->names_doubted_until.ms;
    SET(easy, CURLOPT_DNS_CACHE_TIMEOUT, doubted ? 0L : DNS_CACHE_SECONDS);
    set_method(request, spec);
    return NULL;
}
