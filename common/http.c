#include "common/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/secret.h"

#define REQUEST_MAGIC UINT32_C(0x68747470)
#define SOCKET_MAGIC  UINT32_C(0x736f636b)

/* A connection that was idle for longer is not used again: DynamoDB closes at about 60 s. */
#define IDLE_SECONDS_MAX 30
/* None lives longer, so that a changed address is found. */
#define CONNECTION_SECONDS_MAX 600
#define DNS_CACHE_SECONDS      10
#define RECEIVE_BUFFER_BYTES   (64L * KIB)
#define SEND_BUFFER_BYTES      (128L * KIB)
/* A finished request keeps its buffers for the next one up to this size each. */
#define KEPT_BUFFER_BYTES (128 * KIB)
#define KEPT_REQUESTS_MAX 64
/* Larger ones hold messages and items, no secrets. */
#define WIPED_BUFFER_BYTES (16 * KIB)

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
    struct buf body;
    struct buf header_lines;         /* what curl sends, each NUL-terminated */
    struct curl_slist *header_nodes; /* over header_lines; ours, so that none is allocated */
    size_t header_node_capacity;

    struct buf answer_headers; /* of the last status line on, as received */
    struct buf answer_body;
    bool answer_headers_whole;
    bool answer_too_large;
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
    bool closing;
};

/* --- life of a request --------------------------------------------------------------------------
 */

static void link_request(struct http_request *request)
{
    struct http *http = request->http;
    request->previous = NULL;
    request->next = http->under_way;
    if (request->next != NULL)
        request->next->previous = request;
    http->under_way = request;
}

/* Also takes it from curl and stops its deadline: nothing more comes of it. */
static void unlink_request(struct http_request *request)
{
    struct http *http = request->http;
    if (request->state == REQUEST_RUNNING)
        CHECK(curl_multi_remove_handle(http->multi, request->easy) == CURLM_OK);
    CHECK(uv_timer_stop(&request->deadline) == 0);
    if (request->previous == NULL)
        http->under_way = request->next;
    else
        request->previous->next = request->next;
    if (request->next != NULL)
        request->next->previous = request->previous;
    request->next = request->previous = NULL;
}

static void on_http_handle_closed(struct http *http)
{
    CHECK(http->open_handles > 0);
    if (--http->open_handles > 0)
        return;
    mem_free(http->ca_bundle);
    mem_free(http);
    curl_global_cleanup();
}

static void on_deadline_closed(uv_handle_t *handle)
{
    struct http_request *request = container_of(handle, struct http_request, deadline);
    struct http *http = request->http;
    request->magic = 0;
    mem_free(request);
    on_http_handle_closed(http);
}

static void request_free(struct http_request *request)
{
    curl_easy_cleanup(request->easy);
    buf_release(&request->url);
    buf_release(&request->body);
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
static void request_recycle(struct http_request *request)
{
    struct http *http = request->http;
    request->state = REQUEST_FREE;
    request->on_done = NULL;
    request->ctx = NULL;
    trim_buffer(&request->url);
    trim_buffer(&request->body);
    trim_buffer(&request->header_lines);
    trim_buffer(&request->answer_headers);
    trim_buffer(&request->answer_body);
    if (http->closing || http->pool_len >= KEPT_REQUESTS_MAX) {
        request_free(request);
        return;
    }
    request->next = http->pool;
    http->pool = request;
    http->pool_len++;
}

/* --- curl's callbacks for one request; no curl_multi_* in here ----------------------------------
 */

static struct http_request *request_of(void *ctx)
{
    struct http_request *request = ctx;
    CHECK(request->magic == REQUEST_MAGIC);
    return request;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct http_request *request = request_of(ctx);
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

/* An answer that has no body by its status, and announces one, leaves its connection out of step.
 */
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
    struct http_request *request = request_of(ctx);
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

/* From here on the server may have seen the request. */
static int on_before_request(void *ctx, char *address, char *local, int port, int local_port)
{
    (void)address;
    (void)local;
    (void)port;
    (void)local_port;
    request_of(ctx)->sent = true;
    return CURL_PREREQFUNC_OK;
}

/* --- making a request --------------------------------------------------------------------------
 */

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
    SET(easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_SECONDS);
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

static struct http_request *request_new(struct http *http)
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
    buf_init(&request->body, HTTP_REQUEST_BYTES_MAX);
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
    SET(easy, CURLOPT_POSTFIELDS, buf_text(&request->body));
    SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
}

/* NULL, or why the request cannot be made. */
static const char *prepare(struct http_request *request, const struct http_spec *spec)
{
    request->sent = false;
    request->answer_status = 0;
    request->answer_headers_whole = false;
    request->answer_too_large = false;
    request->curl_error[0] = '\0';
    request->answer_body.max = spec->response_bytes_max;
    buf_append_str(&request->url, spec->url);
    buf_append_slice(&request->body, spec->body);
    if (request->url.overflow || request->body.overflow)
        return "URL or body over its limit";
    if (!prepare_headers(request, spec))
        return "a header that HTTP does not admit";
    CURL *easy = request->easy;
    SET(easy, CURLOPT_URL, buf_text(&request->url));
    /* Plain HTTP is for metadata endpoints and local servers, which no proxy reaches. */
    SET(easy, CURLOPT_NOPROXY, starts_with(spec->url, strlen(spec->url), "http:") ? "*" : NULL);
    SET(easy, CURLOPT_HTTPHEADER, request->header_nodes);
    SET(easy, CURLOPT_FORBID_REUSE, 0L);
    set_method(request, spec);
    return NULL;
}

static void on_deadline(uv_timer_t *timer);

struct http_request *http_start(struct http *http, const struct http_spec *spec)
{
    CHECK(!http->closing);
    struct http_request *request = request_new(http);
    uint64_t timeout_ms = (uint64_t)MAX(spec->timeout_ms, 1);
    request->on_done = spec->on_done;
    request->ctx = spec->ctx;
    request->state = REQUEST_RUNNING;
    const char *refusal = prepare(request, spec);
    if (refusal != NULL) {
        snprintf(request->curl_error, sizeof(request->curl_error), "%s", refusal);
        request->state = REQUEST_REFUSED;
        timeout_ms = 0;
    } else {
        CHECK(curl_multi_add_handle(http->multi, request->easy) == CURLM_OK);
    }
    link_request(request);
    CHECK(uv_timer_start(&request->deadline, on_deadline, timeout_ms, 0) == 0);
    return request;
}

void http_cancel(struct http_request *request)
{
    CHECK(request->magic == REQUEST_MAGIC);
    CHECK(request->state == REQUEST_RUNNING || request->state == REQUEST_REFUSED);
    unlink_request(request);
    request_recycle(request);
}

/* --- what came back ------------------------------------------------------------------------------
 */

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = slice_from(s.ptr + 1, s.len - 1);
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t' ||
                         s.ptr[s.len - 1] == '\r' || s.ptr[s.len - 1] == '\n'))
        s.len--;
    return s;
}

/* Splits the block of header lines in place; false if there are more than headers holds. A line
 * without a colon or a folded one has no name that anybody asks for and is left out. */
static bool split_headers(struct slice block, struct http_header headers[HTTP_HEADERS_MAX],
                          size_t *ret_count)
{
    size_t count = 0;
    while (block.len > 0) {
        const uint8_t *newline = memchr(block.ptr, '\n', block.len);
        size_t len = newline == NULL ? block.len : (size_t)(newline - block.ptr) + 1;
        const uint8_t *colon = memchr(block.ptr, ':', len);
        if (colon != NULL && colon > block.ptr && block.ptr[0] > ' ') {
            if (count == HTTP_HEADERS_MAX)
                return false;
            size_t name_len = (size_t)(colon - block.ptr);
            headers[count++] = (struct http_header){
                .name = trim(slice_from(block.ptr, name_len)),
                .value = trim(slice_from(colon + 1, len - name_len - 1)),
            };
        }
        block = slice_from(block.ptr + len, block.len - len);
    }
    *ret_count = count;
    return true;
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

/* curl ends well when the peer closes within the headers, and for a Content-Length that overflows
 * (7.88.1): whole is what we can prove. */
static const char *find_flaw(const struct http_request *request,
                             const struct http_response *response)
{
    if (!request->answer_headers_whole)
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

struct curl_failure {
    CURLcode result;
    enum error_kind kind; /* before anything was sent; ERROR_UNKNOWN afterwards */
    const char *code;
};

static const struct curl_failure failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, ERROR_RETRY, "NameResolutionFailed"},
    {CURLE_COULDNT_RESOLVE_PROXY, ERROR_RETRY, "NameResolutionFailed"},
    {CURLE_COULDNT_CONNECT, ERROR_RETRY, "ConnectionFailed"},
    {CURLE_SSL_CONNECT_ERROR, ERROR_RETRY, "TlsFailed"},
    {CURLE_PEER_FAILED_VERIFICATION, ERROR_RETRY, "TlsFailed"},
    {CURLE_SSL_CERTPROBLEM, ERROR_RETRY, "TlsFailed"},
    {CURLE_SSL_CIPHER, ERROR_RETRY, "TlsFailed"},
    {CURLE_SSL_CACERT_BADFILE, ERROR_RETRY, "TlsFailed"},
    {CURLE_SSL_ISSUER_ERROR, ERROR_RETRY, "TlsFailed"},
    {CURLE_URL_MALFORMAT, ERROR_PERMANENT, "InvalidUrl"},
    {CURLE_UNSUPPORTED_PROTOCOL, ERROR_PERMANENT, "InvalidUrl"},
    {CURLE_OPERATION_TIMEDOUT, ERROR_RETRY, "ConnectionTimeout"},
};

static void describe_failure(const struct http_request *request, CURLcode result,
                             struct error *error)
{
    const char *text =
        request->curl_error[0] != '\0' ? request->curl_error : curl_easy_strerror(result);
    if (request->answer_too_large) {
        error_set(error, ERROR_UNKNOWN, "ResponseTooLarge", "the answer is over its limit");
    } else if (request->sent) {
        bool late = result == CURLE_OPERATION_TIMEDOUT;
        bool odd = result == CURLE_WEIRD_SERVER_REPLY || result == CURLE_UNSUPPORTED_PROTOCOL;
        error_set(error, ERROR_UNKNOWN,
                  late  ? "RequestTimeout"
                  : odd ? "InvalidResponse"
                        : "ConnectionClosed",
                  "%s", text);
    } else {
        enum error_kind kind = ERROR_RETRY;
        const char *code = "ConnectionFailed";
        for (size_t i = 0; i < ARRAY_LEN(failures); i++)
            if (failures[i].result == result) {
                kind = failures[i].kind;
                code = failures[i].code;
            }
        error_set(error, kind, code, "%s", text);
    }
}

static void call_back(struct http_request *request, const struct http_response *response,
                      const struct error *error)
{
    request->state = REQUEST_ENDED;
    request->on_done(request->ctx, response, error);
    request_recycle(request);
}

/* The request is not under way any more. */
static void finish(struct http_request *request, CURLcode result)
{
    struct error error = {0};
    struct http_header headers[HTTP_HEADERS_MAX];
    struct http_response response = {
        .status = request->answer_status,
        .body = buf_slice(&request->answer_body),
        .headers = headers,
    };
    if (result != CURLE_OK) {
        describe_failure(request, result, &error);
    } else if (!split_headers(buf_slice(&request->answer_headers), headers,
                              &response.header_count)) {
        error_set(&error, ERROR_UNKNOWN, "ResponseTooLarge", "more than %d headers",
                  HTTP_HEADERS_MAX);
    } else {
        const char *flaw = find_flaw(request, &response);
        if (flaw != NULL)
            error_set(&error, ERROR_UNKNOWN, "InvalidResponse", "%s", flaw);
    }
    call_back(request, error.kind == ERROR_NONE ? &response : NULL, &error);
}

static void on_deadline(uv_timer_t *timer)
{
    struct http_request *request = container_of(timer, struct http_request, deadline);
    CHECK(request->magic == REQUEST_MAGIC);
    bool refused = request->state == REQUEST_REFUSED;
    unlink_request(request);
    if (!refused) {
        finish(request, CURLE_OPERATION_TIMEDOUT);
        return;
    }
    struct error error;
    error_set(&error, ERROR_PERMANENT, "InvalidRequest", "%s", request->curl_error);
    call_back(request, NULL, &error);
}

/* After every curl_multi_socket_action, whatever it says is running: the last transfer's time-out
 * would not be reported otherwise (7.88.1). */
static void drain(struct http *http)
{
    CURLMsg *message;
    int left;
    while (!http->closing && (message = curl_multi_info_read(http->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result; /* gone after remove_handle */
        char *private = NULL;
        CHECK(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private) == CURLE_OK);
        struct http_request *request = request_of(private);
        unlink_request(request);
        finish(request, result);
    }
}

/* --- curl on uv --------------------------------------------------------------------------------
 */

static void on_socket_closed(uv_handle_t *handle)
{
    struct http_socket *s = container_of(handle, struct http_socket, poll);
    struct http *http = s->http;
    s->magic = 0;
    mem_free(s);
    on_http_handle_closed(http);
}

static void socket_close(struct http_socket *s)
{
    struct http *http = s->http;
    if (s->previous == NULL)
        http->sockets = s->next;
    else
        s->previous->next = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    uv_close((uv_handle_t *)&s->poll, on_socket_closed);
}

static void on_socket_ready(uv_poll_t *poll, int status, int events)
{
    struct http_socket *s = container_of(poll, struct http_socket, poll);
    CHECK(s->magic == SOCKET_MAGIC);
    struct http *http = s->http;
    int what = status < 0 ? CURL_CSELECT_ERR : 0;
    if ((events & UV_READABLE) != 0)
        what |= CURL_CSELECT_IN;
    if ((events & UV_WRITABLE) != 0)
        what |= CURL_CSELECT_OUT;
    int running;
    CHECK(curl_multi_socket_action(http->multi, s->fd, what, &running) == CURLM_OK);
    drain(http);
}

static struct http_socket *socket_new(struct http *http, curl_socket_t fd)
{
    struct http_socket *s = mem_calloc(1, sizeof(*s));
    s->magic = SOCKET_MAGIC;
    s->http = http;
    s->fd = fd;
    s->next = http->sockets;
    if (s->next != NULL)
        s->next->previous = s;
    http->sockets = s;
    http->open_handles++;
    CHECK(uv_poll_init_socket(loop_uv(http->loop), &s->poll, fd) == 0);
    CHECK(curl_multi_assign(http->multi, fd, s) == CURLM_OK);
    return s;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct http *http = ctx;
    struct http_socket *s = socket_ctx;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL)
            socket_close(s); /* at once: the number may come back for another connection */
        return 0;
    }
    if (s == NULL)
        s = socket_new(http, fd);
    int events = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                 ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
    CHECK(uv_poll_start(&s->poll, events, on_socket_ready) == 0);
    return 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct http *http = container_of(timer, struct http, timer);
    int running;
    CHECK(curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running) == CURLM_OK);
    drain(http);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct http *http = ctx;
    (void)multi;
    if (http->closing)
        return 0;
    if (timeout_ms < 0)
        CHECK(uv_timer_stop(&http->timer) == 0);
    else /* 0 too: soon, not from within */
        CHECK(uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0) == 0);
    return 0;
}

/* --- life ------------------------------------------------------------------------------------ */

struct http *http_new(struct loop *loop, const struct http_options *options)
{
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    struct http *http = mem_calloc(1, sizeof(*http));
    http->loop = loop;
    http->options = *options;
    if (options->ca_bundle != NULL && options->ca_bundle[0] != '\0')
        http->ca_bundle = mem_strdup(options->ca_bundle);
    http->options.ca_bundle = http->ca_bundle;
    http->multi = curl_multi_init();
    if (http->multi == NULL)
        mem_exhausted("curl_multi_init", 0);
    long connections = (long)options->connections_max;
    CHECK(curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket) == CURLM_OK);
    CHECK(curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http) == CURLM_OK);
    CHECK(curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer) == CURLM_OK);
    CHECK(curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http) == CURLM_OK);
    CHECK(curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections) == CURLM_OK);
    CHECK(curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, 2 * connections) == CURLM_OK);
    CHECK(curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK);
    CHECK(uv_timer_init(loop_uv(loop), &http->timer) == 0);
    http->open_handles = 1;
    return http;
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_http_handle_closed(container_of(handle, struct http, timer));
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    http->closing = true;
    while (http->under_way != NULL)
        http_cancel(http->under_way);
    while (http->pool != NULL) {
        struct http_request *request = http->pool;
        http->pool = request->next;
        request_free(request);
    }
    curl_multi_cleanup(http->multi); /* closes the connections, each through on_curl_socket */
    while (http->sockets != NULL)
        socket_close(http->sockets);
    uv_close((uv_handle_t *)&http->timer, on_timer_closed);
}
