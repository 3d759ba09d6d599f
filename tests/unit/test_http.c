/* Connections and deadlines: what is used again, what was surely not sent, what is unknown. */
#include "tests/harness/http_exchange.h"

static void connections_are_used_again(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    for (int i = 0; i < 5; i++)
        exchange_post(&x, "{}");
    assert_int_equal(http_script_connections(x.script), 1);
    exchange_release(&x);
}

static void connections_are_bounded(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    struct http_spec spec = exchange_spec(&x, "POST", "{}");
    for (unsigned i = 0; i < 100; i++)
        exchange_start(&x, &spec);
    exchange_wait(&x, 100);
    assert_in_range(http_script_connections(x.script), 1, 4);
    exchange_release(&x);
}

static void play_ok_then_close(void *ctx, const struct http_script_request *request,
                               struct http_script_answer *answer)
{
    exchange_play_ok(ctx, request, answer);
    answer->close = request->number == 0; /* after saying nothing of it */
}

static void a_stale_connection_is_replaced(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_ok_then_close, NULL);
    exchange_post(&x, "{}");
    exchange_post(&x, "{}");
    assert_int_equal(x.status, 200);
    assert_int_equal(http_script_connections(x.script), 2);
    exchange_release(&x);
}

static void play_ok_but_close_the_second(void *ctx, const struct http_script_request *request,
                                         struct http_script_answer *answer)
{
    if (request->number == 1)
        answer->close = true;
    else
        exchange_play_ok(ctx, request, answer);
}

/* The server may have acted on what it did not answer. */
static void an_unanswered_request_is_repeated_unless_it_must_not(void **state)
{
    (void)state;
    for (int once = 0; once <= 1; once++) {
        struct exchange x;
        exchange_init(&x, play_ok_but_close_the_second, NULL);
        exchange_post(&x, "{}");
        struct http_spec spec = exchange_spec(&x, "POST", "{}");
        spec.once = once == 1;
        exchange_run(&x, &spec);
        assert_int_equal(x.connections_seen[1], 0); /* the first one's connection */
        assert_int_equal(x.requests, once == 1 ? 2 : 3);
        if (once == 1)
            exchange_expect_error(&x, ERROR_UNKNOWN, "ConnectionClosed");
        else
            assert_int_equal(x.error.kind, ERROR_NONE);
        exchange_post(&x, "{}");
        assert_int_equal(x.status, 200);
        exchange_release(&x);
    }
}

static void a_refused_connection_sent_nothing(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    char url[64];
    snprintf(url, sizeof(url), "%s", http_script_url(x.script));
    struct http_spec spec = exchange_spec(&x, "POST", "{}");
    spec.url = url;
    http_script_free(x.script);
    x.script = NULL;
    exchange_run(&x, &spec);
    exchange_expect_error(&x, ERROR_RETRY, "ConnectionFailed");
    exchange_release(&x);
}

static void play_reset(void *ctx, const struct http_script_request *request,
                       struct http_script_answer *answer)
{
    (void)ctx;
    (void)request;
    answer->reset = true;
}

static void a_reset_after_sending_is_unknown(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, play_reset, NULL);
    exchange_post(&x, "{}");
    exchange_expect_error(&x, ERROR_UNKNOWN, "ConnectionClosed");
    exchange_release(&x);
}

/* A connection that is used again is no proof that nothing was sent. */
static void silence_is_unknown_on_a_new_and_on_a_used_connection(void **state)
{
    (void)state;
    for (int used = 0; used <= 1; used++) {
        struct exchange x;
        exchange_init(&x, exchange_play_ok_if_loud, NULL);
        if (used == 1)
            exchange_post(&x, "{}");
        struct http_spec spec = exchange_spec(&x, "POST", "silent");
        spec.timeout_ms = 50;
        exchange_run(&x, &spec);
        assert_int_equal(http_script_connections(x.script), 1);
        exchange_expect_error(&x, ERROR_UNKNOWN, "RequestTimeout");
        exchange_release(&x);
    }
}

/* A server that speaks no TLS: nothing of the request went out. */
static void a_failed_handshake_sent_nothing(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_ok,
                  &(struct http_options){.connections_max = 1, .connect_timeout_ms = 100});
    char url[64];
    snprintf(url, sizeof(url), "https%s", http_script_url(x.script) + strlen("http"));
    struct http_spec spec = exchange_spec(&x, "POST", "{}");
    spec.url = url;
    exchange_run(&x, &spec);
    exchange_expect_error(&x, ERROR_RETRY, "ConnectionTimeout");
    assert_int_equal(x.requests, 0);
    exchange_release(&x);
}

/* What waits for a connection has its deadline too, and was surely not done. */
static void waiting_for_a_connection_times_out(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_silence,
                  &(struct http_options){.connections_max = 1, .connect_timeout_ms = 2000});
    struct http_spec spec = exchange_spec(&x, "POST", "{}");
    struct http_request *first = exchange_start(&x, &spec);
    spec.timeout_ms = 100;
    exchange_run(&x, &spec);
    assert_int_equal(x.requests, 1);
    exchange_expect_error(&x, ERROR_RETRY, "ConnectionTimeout");
    http_cancel(first);
    exchange_release(&x);
}

static void a_cancelled_request_does_not_call_back(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_ok_if_loud, NULL);
    struct http_spec loud = exchange_spec(&x, "POST", "{}");
    struct http_spec quiet = exchange_spec(&x, "POST", "silent");
    struct http_spec refused = exchange_spec(&x, "GET", NULL);
    struct http_header bad = {SLICE_LITERAL("X A"), SLICE_LITERAL("a")};
    refused.headers = &bad;
    refused.header_count = 1;
    struct http_request *silent = exchange_start(&x, &quiet);
    http_cancel(exchange_start(&x, &loud));    /* not sent yet */
    http_cancel(exchange_start(&x, &refused)); /* its refusal would come in the next turn */
    exchange_run(&x, &loud);
    http_cancel(silent);
    assert_int_equal(x.done, 1);
    exchange_release(&x);
}

static void on_done_free(void *ctx, const struct http_response *response, const struct error *error)
{
    struct exchange *x = ctx;
    exchange_on_done(ctx, response, error);
    http_free(x->http);
    x->http = NULL;
}

static void the_client_may_be_freed_from_a_callback(void **state)
{
    (void)state;
    struct exchange x;
    exchange_init(&x, exchange_play_ok, NULL);
    struct http_spec spec = exchange_spec(&x, "GET", NULL);
    spec.on_done = on_done_free;
    exchange_start(&x, &spec);
    exchange_start(&x, &spec);
    exchange_wait(&x, 1);
    exchange_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_used_again),
        cmocka_unit_test(connections_are_bounded),
        cmocka_unit_test(a_stale_connection_is_replaced),
        cmocka_unit_test(an_unanswered_request_is_repeated_unless_it_must_not),
        cmocka_unit_test(a_refused_connection_sent_nothing),
        cmocka_unit_test(a_reset_after_sending_is_unknown),
        cmocka_unit_test(silence_is_unknown_on_a_new_and_on_a_used_connection),
        cmocka_unit_test(a_failed_handshake_sent_nothing),
        cmocka_unit_test(waiting_for_a_connection_times_out),
        cmocka_unit_test(a_cancelled_request_does_not_call_back),
        cmocka_unit_test(the_client_may_be_freed_from_a_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
