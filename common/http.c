#include "common/http.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/http_internal.h"
#include "common/limits.h"
#include "common/mem.h"

#define SOCKET_MAGIC UINT32_C(0x736f636b)

void http_handle_closed(struct http *http)
{
    CHECK(http->open_handles > 0);
    if (--http->open_handles > 0)
        return;
    mem_free(http->ca_bundle);
    mem_free(http);
    curl_global_cleanup();
}

/* --- requests -------------------------------------------------------------------------------- */

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

static void on_deadline(uv_timer_t *timer);

struct http_request *http_start(struct http *http, const struct http_spec *spec)
{
    CHECK(!http->closing);
    struct http_request *request = http_request_new(http);
    uint64_t timeout_ms = (uint64_t)MAX(spec->timeout_ms, 0) + 1; /* of a millisecond begun */
    request->on_done = spec->on_done;
    request->ctx = spec->ctx;
    request->state = REQUEST_RUNNING;
    const char *refusal = http_request_prepare(request, spec);
    if (refusal != NULL) {
        snprintf(request->curl_error, sizeof(request->curl_error), "%s", refusal);
        request->state = REQUEST_REFUSED;
        timeout_ms = 0;
    } else {
        CHECK(curl_multi_add_handle(http->multi, request->easy) == CURLM_OK);
    }
    link_request(request);
    /* libuv's timers count from the start of the turn, which a pause of the process makes as long
     * as the pause. */
    uv_update_time(loop_uv(http->loop));
    CHECK(uv_timer_start(&request->deadline, on_deadline, timeout_ms, 0) == 0);
    return request;
}

void http_cancel(struct http_request *request)
{
    http_request_of(request);
    CHECK(request->state == REQUEST_RUNNING || request->state == REQUEST_REFUSED);
    unlink_request(request);
    http_request_recycle(request);
}

/* --- what came back -------------------------------------------------------------------------- */

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
    const char *text = request->curl_error;
    if (result == CURLE_ABORTED_BY_CALLBACK)
        text = "the connection was closed without an answer";
    else if (text[0] == '\0')
        text = curl_easy_strerror(result);
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
    http_request_recycle(request);
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
    if (result != CURLE_OK && !request->sent)
        request->http->names_doubted_until =
            mono_add(loop_now(request->http->loop).mono, DNS_CACHE_SECONDS * MS_PER_SECOND);
    if (result != CURLE_OK) {
        describe_failure(request, result, &error);
    } else if (http_answer_split(buf_slice(&request->answer_headers), headers,
                                 &response.header_count) != STATUS_OK) {
        error_set(&error, ERROR_UNKNOWN, "ResponseTooLarge", "more than %d headers",
                  HTTP_HEADERS_MAX);
    } else {
        const char *flaw = http_answer_flaw(&response, request->answer_headers_whole);
        if (flaw != NULL)
            error_set(&error, ERROR_UNKNOWN, "InvalidResponse", "%s", flaw);
    }
    call_back(request, error.kind == ERROR_NONE ? &response : NULL, &error);
}

static void on_deadline(uv_timer_t *timer)
{
    struct http_request *request = container_of(timer, struct http_request, deadline);
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
        struct http_request *request = http_request_of(private);
        unlink_request(request);
        finish(request, result);
    }
}

/* --- curl on uv ------------------------------------------------------------------------------ */

static void on_socket_closed(uv_handle_t *handle)
{
    struct http_socket *s = container_of(handle, struct http_socket, poll);
    struct http *http = s->http;
    s->magic = 0;
    mem_free(s);
    http_handle_closed(http);
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
    /* curl 7.88.1 goes on when OpenSSL could not begin, and OpenSSL's next call follows a NULL. */
    if (OSSL_LIB_CTX_get0_global_default() == NULL)
        mem_exhausted("OpenSSL", 0);
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
    http_handle_closed(container_of(handle, struct http, timer));
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
        http_request_free(request);
    }
    curl_multi_cleanup(http->multi); /* closes the connections, each through on_curl_socket */
    while (http->sockets != NULL)
        socket_close(http->sockets);
    uv_close((uv_handle_t *)&http->timer, on_timer_closed);
}
