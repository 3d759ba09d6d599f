/* The provider: one flight for everybody, and what is given out while it lasts. */
#include "tests/harness/credentials_world.h"

static void nothing_configured_names_the_sources(void **state)
{
    struct world *w = *state;
    setenv("AWS_EC2_METADATA_DISABLED", "True", 1);
    world_expect_failure(w, "no AWS credentials");
}

static void one_flight_serves_everybody(void **state)
{
    struct world *w = *state;
    struct world_answer other = {.count = 0};
    struct world_answer forgotten = {.count = 0};
    world_start_with_container(w);
    assert_null(aws_credentials_peek(w->credentials));
    world_get(w);
    aws_credentials_get(w->credentials, world_on_answer, &forgotten);
    aws_credentials_get(w->credentials, world_on_answer, &other);
    aws_credentials_forget(w->credentials, &forgotten);
    world_run_due(w);
    assert_int_equal(w->answer.count + other.count, 0);
    world_respond_keys(w, "AK1", 3600000);
    assert_int_equal(w->answer.count, 1);
    assert_int_equal(other.count, 1);
    assert_int_equal(forgotten.count, 0);
    assert_string_equal(other.id, "AK1");
    assert_string_equal(other.token, "t-AK1");
    assert_int_equal(w->http.started, 1);
    assert_string_equal(aws_credentials_source(w->credentials), "container");
}

static void keys_that_live_seconds_are_never_missing(void **state)
{
    struct world *w = *state;
    char id[16];
    unsigned keys = 0;
    world_start_with_container(w);
    world_get(w);
    for (int64_t ms = 0; ms < 120000; ms += 100) {
        if (w->http.pending != NULL) {
            snprintf(id, sizeof(id), "AK%u", keys++);
            world_respond_keys(w, id, 4000);
        }
        struct aws_identity *identity = aws_credentials_peek(w->credentials);
        assert_non_null(identity);
        assert_true(identity->expires_ms > w->loop.now.wall.ms);
        world_advance(w, 100);
    }
    assert_in_range(keys, 50, 65);
}

/* Fresh keys look so on a host whose clock is two hours ahead. Where they really have expired, the
 * server's refusal leads to the next refresh. */
static void keys_that_came_expired_are_tried(void **state)
{
    struct world *w = *state;
    world_start_with_container(w);
    world_get(w);
    world_respond_keys(w, "AK1", -3600000);
    assert_string_equal(w->answer.id, "AK1");
    aws_credentials_invalidate(w->credentials, aws_credentials_peek(w->credentials));
    assert_null(aws_credentials_peek(w->credentials));
    world_advance(w, 250);
    world_get(w);
    world_respond_keys(w, "AK2", 3600000);
    assert_string_equal(w->answer.id, "AK2");
}

static void old_keys_are_used_while_the_endpoint_is_down(void **state)
{
    struct world *w = *state;
    world_start_with_container(w);
    world_get(w);
    world_respond_keys(w, "AK1", 3600000);
    int64_t end_ms = 3600000 - 2000;
    while (w->loop.now.mono.ms < end_ms) {
        assert_non_null(aws_credentials_peek(w->credentials));
        if (w->http.pending != NULL)
            world_respond(w, 503, "");
        world_advance(w, 500);
    }
    assert_null(aws_credentials_peek(w->credentials));
    assert_in_range(w->http.started, 20, 900);
    world_get(w);
    while (w->answer.count == 1) {
        if (w->http.pending != NULL)
            world_respond_never(w, ERROR_UNKNOWN);
        world_advance(w, 500);
    }
    assert_string_equal(w->answer.id, "");
    assert_int_equal(w->answer.error.kind, ERROR_RETRY); /* not unknown: nothing was sent */
}

static void who_can_wait_waits_when_it_is_urgent(void **state)
{
    struct world *w = *state;
    world_start_with_container(w);
    world_get(w);
    world_respond_keys(w, "AK1", 3600000);
    world_advance(w, 3600000 - 12 * 60000); /* due, not urgent: the old ones at once */
    world_get(w);
    assert_int_equal(w->answer.count, 2);
    assert_string_equal(w->answer.id, "AK1");
    assert_non_null(w->http.pending);
    world_advance(w, 4 * 60000);
    world_get(w);
    assert_int_equal(w->answer.count, 2);
    world_respond_keys(w, "AK2", 3600000);
    assert_int_equal(w->answer.count, 3);
    assert_string_equal(w->answer.id, "AK2");
}

static void a_refusal_by_the_server_refreshes_once(void **state)
{
    struct world *w = *state;
    world_start_with_container(w);
    world_get(w);
    world_respond_keys(w, "AK1", 3600000);
    struct aws_identity *old = aws_identity_ref(aws_credentials_peek(w->credentials));
    world_advance(w, 1000);
    aws_credentials_invalidate(w->credentials, old);
    aws_credentials_invalidate(w->credentials, old);
    assert_null(aws_credentials_peek(w->credentials));
    world_get(w);
    world_respond_keys(w, "AK2", 3600000);
    assert_string_equal(w->answer.id, "AK2");
    aws_credentials_invalidate(w->credentials, old); /* of an older snapshot: nothing to do */
    assert_non_null(aws_credentials_peek(w->credentials));
    assert_int_equal(w->http.started, 2);
    assert_string_equal(old->access_key_id, "AK1");
    aws_identity_unref(old);
}

static void stopping_cancels_what_is_under_way(void **state)
{
    struct world *w = *state;
    world_start_with_container(w);
    world_get(w);
    assert_non_null(w->http.pending);
    aws_credentials_free(w->credentials);
    w->credentials = NULL;
    assert_int_equal(w->http.cancelled, 1);
    world_run_due(w);
    assert_int_equal(w->answer.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_configured_names_the_sources),
        CASE(one_flight_serves_everybody),
        CASE(keys_that_live_seconds_are_never_missing),
        CASE(keys_that_came_expired_are_tried),
        CASE(old_keys_are_used_while_the_endpoint_is_down),
        CASE(who_can_wait_waits_when_it_is_urgent),
        CASE(a_refusal_by_the_server_refreshes_once),
        CASE(stopping_cancels_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
