#include "tests/harness/sqs_world.h"

/* --- FIFO queues ----------------------------------------------------------------------------- */

static void fifo_refuses_a_timer_and_takes_an_explicit_zero(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_send entry = sqs_world_fifo_message("a", "g", "1");
    entry.delay_seconds = 1;
    sqs_world_send_fails(w->fifo, entry, "InvalidParameterValue");
    entry.delay_seconds = 0;
    sqs_world_send(w->fifo, entry, T0);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0), 1);
}

static void fifo_zero_timer_does_not_override_the_queue_delay(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_set_attribute(w, w->fifo, "DelaySeconds", "10", T0);
    struct sqs_model_send entry = sqs_world_fifo_message("a", "g", "1");
    entry.delay_seconds = 0;
    sqs_world_send(w->fifo, entry, T0);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0 + 10 * SECOND - 1), 0);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0 + 10 * SECOND), 1);
}

static void fifo_delay_change_holds_for_queued_and_in_flight_messages(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->fifo, sqs_world_fifo_message("queued", "g1", "1"), T0);
    sqs_world_send(w->fifo, sqs_world_fifo_message("held", "g2", "2"), T0);
    sqs_world_receive(w, w->fifo, 1, 30, T0); /* takes "queued" of g1 */
    assert_slice_equal(w->got[0].body, "queued");
    char h[SQS_MODEL_HANDLE_SIZE];
    memcpy(h, w->got[0].receipt_handle, sizeof(h));
    sqs_world_set_attribute(w, w->fifo, "DelaySeconds", "100", T0 + SECOND);
    assert_int_equal(sqs_model_depth(w->fifo, T0 + SECOND).delayed, 1);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0 + SECOND), 0);
    /* The one in flight meets the delay when it is released undeleted. */
    sqs_world_change_ok(w, w->fifo, h, 0, T0 + 2 * SECOND);
    assert_int_equal(sqs_model_depth(w->fifo, T0 + 2 * SECOND).delayed, 2);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0 + 100 * SECOND - 1), 0);
    /* Taking the delay away frees them at once. */
    sqs_world_set_attribute(w, w->fifo, "DelaySeconds", "0", T0 + 50 * SECOND);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0 + 50 * SECOND), 2);
}

static void fifo_gives_one_group_in_order_and_blocks_it_meanwhile(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->fifo, sqs_world_fifo_message("a1", "a", "1"), T0);
    sqs_world_send(w->fifo, sqs_world_fifo_message("a2", "a", "2"), T0);
    sqs_world_send(w->fifo, sqs_world_fifo_message("b1", "b", "3"), T0);
    sqs_world_send(w->fifo, sqs_world_fifo_message("a3", "a", "4"), T0);
    assert_int_equal(sqs_world_receive(w, w->fifo, 2, 30, T0), 2);
    assert_slice_equal(w->got[0].body, "a1");
    assert_slice_equal(w->got[1].body, "a2");
    char first[SQS_MODEL_HANDLE_SIZE];
    char second[SQS_MODEL_HANDLE_SIZE];
    memcpy(first, w->got[0].receipt_handle, sizeof(first));
    memcpy(second, w->got[1].receipt_handle, sizeof(second));
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0), 1);
    assert_slice_equal(w->got[0].body, "b1");
    sqs_world_delete_ok(w, w->fifo, first, T0 + 1);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0 + 1), 0); /* a2 is in flight still */
    sqs_world_change_ok(w, w->fifo, second, 0, T0 + 2);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0 + 2), 2);
    assert_slice_equal(w->got[0].body, "a2");
    assert_slice_equal(w->got[1].body, "a3");
    assert_int_equal(w->got[0].receive_count, 2);
}

/* As recorded on AWS; the differential test has the case, too. */
static void fifo_gives_what_stands_before_the_one_in_flight(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->fifo, sqs_world_fifo_message("foo", "g", "1"), T0);
    sqs_world_send(w->fifo, sqs_world_fifo_message("bar", "g", "2"), T0);
    sqs_world_send(w->fifo, sqs_world_fifo_message("baz", "g", "3"), T0);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0), 3);
    char handles[3][SQS_MODEL_HANDLE_SIZE];
    for (size_t i = 0; i < 3; i++)
        memcpy(handles[i], w->got[i].receipt_handle, sizeof(handles[i]));
    sqs_world_change_ok(w, w->fifo, handles[2], 0, T0);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0),
                     0); /* foo and bar stand before it */
    sqs_world_change_ok(w, w->fifo, handles[0], 0, T0);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0), 1);
    assert_slice_equal(w->got[0].body, "foo");
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0), 0);
    sqs_world_change_ok(w, w->fifo, w->got[0].receipt_handle, 0, T0);
    sqs_world_change_ok(w, w->fifo, handles[1], 0, T0);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0), 3);
}

static void fifo_sequence_numbers_grow_and_have_twenty_digits(void **state)
{
    struct sqs_world *w = *state;
    char before[SQS_MODEL_SEQUENCE_SIZE] = "";
    char id[16];
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof(id), "%d", i);
        struct sqs_model_sent sent =
            sqs_world_send(w->fifo, sqs_world_fifo_message("a", "g", id), T0);
        assert_int_equal(strlen(sent.sequence_number), 20);
        assert_true(strcmp(before, sent.sequence_number) < 0);
        memcpy(before, sent.sequence_number, sizeof(before));
    }
}

static void fifo_deduplicates_for_five_minutes_across_groups_and_deletes(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_sent first =
        sqs_world_send(w->fifo, sqs_world_fifo_message("a", "g1", "same"), T0);
    sqs_world_receive(w, w->fifo, 1, 30, T0);
    sqs_world_delete_ok(w, w->fifo, w->got[0].receipt_handle, T0);
    struct sqs_model_sent again = sqs_world_send(
        w->fifo, sqs_world_fifo_message("other body", "g2", "same"), T0 + 300 * SECOND - 1);
    assert_true(again.duplicate);
    assert_string_equal(first.message_id, again.message_id);
    assert_string_equal(first.sequence_number, again.sequence_number);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0 + 300 * SECOND - 1), 0);
    again = sqs_world_send(w->fifo, sqs_world_fifo_message("a", "g1", "same"), T0 + 300 * SECOND);
    assert_false(again.duplicate);
    assert_string_not_equal(first.message_id, again.message_id);
}

static void fifo_batch_without_group_or_id_is_refused_whole(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_send batch[2] = {sqs_world_fifo_message("a", "g", "1"),
                                      sqs_world_fifo_message("b", "g", "2")};
    batch[0].id = SLICE_LITERAL("0");
    batch[1].id = SLICE_LITERAL("1");
    assert_true(sqs_model_check_send_batch(w->fifo, batch, 2, &w->error));
    batch[1].deduplication_id = SLICE_NULL;
    assert_false(sqs_model_check_send_batch(w->fifo, batch, 2, &w->error));
    assert_string_equal(w->error.query_code, "InvalidParameterValue");
    sqs_world_set_attribute(w, w->fifo, "ContentBasedDeduplication", "true", T0);
    assert_true(sqs_model_check_send_batch(w->fifo, batch, 2, &w->error));
    batch[1].group_id = SLICE_NULL;
    assert_false(sqs_model_check_send_batch(w->fifo, batch, 2, &w->error));
    assert_string_equal(w->error.query_code, "InvalidParameterValue"); /* not MissingParameter */
    assert_true(sqs_model_check_send_batch(w->standard, batch, 2, &w->error));
}

static void fifo_type_of_a_queue_cannot_be_changed(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_pair to_standard[] = {sqs_world_pair("FifoQueue", "false")};
    struct sqs_model_pair to_fifo[] = {sqs_world_pair("FifoQueue", "true")};
    assert_true(sqs_model_set_attributes(w->fifo, to_fifo, 1, T0, &w->error));
    assert_false(sqs_model_set_attributes(w->fifo, to_standard, 1, T0, &w->error));
    assert_string_equal(w->error.query_code, "InvalidAttributeValue");
    assert_false(sqs_model_set_attributes(w->standard, to_fifo, 1, T0, &w->error));
    assert_string_equal(w->error.query_code, "InvalidAttributeName");
}

static void fifo_scope_is_settled_at_creation(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_pair fast[] = {sqs_world_pair("FifoQueue", "true"),
                                    sqs_world_pair("DeduplicationScope", "messageGroup"),
                                    sqs_world_pair("FifoThroughputLimit", "perMessageGroupId")};
    struct sqs_model_queue *queue = sqs_world_make_queue(w, "fast.fifo", fast, 3);
    assert_false(sqs_world_send(queue, sqs_world_fifo_message("a", "g1", "same"), T0).duplicate);
    assert_false(sqs_world_send(queue, sqs_world_fifo_message("a", "g2", "same"), T0).duplicate);
    assert_true(sqs_world_send(queue, sqs_world_fifo_message("a", "g1", "same"), T0).duplicate);
    sqs_world_set_attribute(w, w->fifo, "DeduplicationScope", "messageGroup", T0);
    assert_false(sqs_world_send(w->fifo, sqs_world_fifo_message("a", "g1", "same"), T0).duplicate);
    assert_true(sqs_world_send(w->fifo, sqs_world_fifo_message("a", "g2", "same"), T0).duplicate);
}

static void fifo_content_based_deduplication_goes_by_the_body(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_send entry = sqs_world_message("body");
    entry.group_id = SLICE_LITERAL("g");
    sqs_world_send_fails(w->fifo, entry, "InvalidParameterValue");
    sqs_world_set_attribute(w, w->fifo, "ContentBasedDeduplication", "true", T0);
    assert_false(sqs_world_send(w->fifo, entry, T0).duplicate);
    assert_true(sqs_world_send(w->fifo, entry, T0).duplicate);
    entry.body = SLICE_LITERAL("other");
    assert_false(sqs_world_send(w->fifo, entry, T0).duplicate);
}

static void fifo_refuses_expired_handles_and_the_message_returns(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->fifo, sqs_world_fifo_message("a", "g", "1"), T0);
    sqs_world_receive(w, w->fifo, 1, 5, T0);
    assert_false(sqs_model_delete(w->fifo, sqs_world_handle(w, 0), T0 + 5 * SECOND, &w->error));
    assert_non_null(strstr(w->error.text, "The receipt handle has expired"));
    sqs_world_change_fails(w, w->fifo, w->got[0].receipt_handle, 5, T0 + 5 * SECOND,
                           "InvalidParameterValue");
    assert_int_equal(sqs_world_receive(w, w->fifo, 1, 5, T0 + 5 * SECOND), 1);
    /* Extended in time it stays valid. */
    sqs_world_change_ok(w, w->fifo, w->got[0].receipt_handle, 60, T0 + 6 * SECOND);
    sqs_world_delete_ok(w, w->fifo, w->got[0].receipt_handle, T0 + 60 * SECOND);
    sqs_world_delete_ok(w, w->fifo, w->got[0].receipt_handle, T0 + 60 * SECOND);
}

static void fifo_attempt_id_repeats_the_receive(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->fifo, sqs_world_fifo_message("a", "g", "1"), T0);
    sqs_world_send(w->fifo, sqs_world_fifo_message("b", "h", "2"), T0);
    struct sqs_model_receive spec = sqs_world_receive_spec(1, 30);
    spec.attempt_id = SLICE_LITERAL("attempt-1");
    assert_true(sqs_model_receive(w->fifo, &spec, T0, w->got, &w->count, &w->error));
    char h[SQS_MODEL_HANDLE_SIZE];
    memcpy(h, w->got[0].receipt_handle, sizeof(h));
    assert_true(sqs_model_receive(w->fifo, &spec, T0 + 20 * SECOND, w->got, &w->count, &w->error));
    assert_int_equal(w->count, 1);
    assert_slice_equal(w->got[0].body, "a");
    assert_string_equal(w->got[0].receipt_handle, h);
    /* The time-out began anew with the repetition. */
    assert_int_equal(sqs_model_next_ms(w->fifo), T0 + 50 * SECOND);
    sqs_world_change_ok(w, w->fifo, h, 40, T0 + 21 * SECOND);
    assert_false(sqs_model_receive(w->fifo, &spec, T0 + 22 * SECOND, w->got, &w->count, &w->error));
    assert_string_equal(w->error.query_code, "InvalidParameterValue");
    spec.attempt_id = SLICE_LITERAL("attempt-2");
    assert_true(sqs_model_receive(w->fifo, &spec, T0 + 22 * SECOND, w->got, &w->count, &w->error));
    assert_slice_equal(w->got[0].body, "b");
}

static void attempt_id_is_for_fifo_queues_only(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_receive spec = sqs_world_receive_spec(1, 30);
    spec.attempt_id = SLICE_LITERAL("x");
    assert_false(sqs_model_receive(w->standard, &spec, T0, w->got, &w->count, &w->error));
}

/* Many groups, random hands: within a group nothing overtakes, and nothing is lost. */
static void fifo_keeps_order_within_groups_and_loses_nothing(void **state)
{
    struct sqs_world *w = *state;
    enum { GROUPS = 7, EACH = 30 };
    int next[GROUPS] = {0};
    struct prng random;
    prng_init(&random, 5);
    char body[32], group[16], id[32];
    for (int n = 0; n < EACH; n++) {
        for (int g = 0; g < GROUPS; g++) {
            snprintf(body, sizeof(body), "%d", n);
            snprintf(group, sizeof(group), "%d", g);
            snprintf(id, sizeof(id), "%d-%d", g, n);
            sqs_world_send(w->fifo, sqs_world_fifo_message(body, group, id), T0);
        }
    }
    int64_t now_ms = T0;
    int done = 0;
    for (int step = 0; step < 20000 && done < GROUPS * EACH; step++) {
        now_ms += (int64_t)prng_below(&random, 500);
        sqs_world_receive(w, w->fifo, 1 + (int64_t)prng_below(&random, 10), 1, now_ms);
        bool released[GROUPS] = {false};
        for (size_t k = 0; k < w->count; k++) {
            int g = w->got[k].group_id.ptr[0] - '0';
            int n = sqs_world_body_number(w, k);
            if (released[g])
                continue; /* what comes behind a message given back waits for it */
            assert_int_equal(n, next[g]);
            if (prng_below(&random, 3) == 0) {
                released[g] = true;
                continue;
            }
            sqs_world_delete_ok(w, w->fifo, w->got[k].receipt_handle, now_ms);
            next[g]++;
            done++;
        }
    }
    assert_int_equal(done, GROUPS * EACH);
    assert_int_equal(sqs_model_depth(w->fifo, now_ms).visible, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(fifo_refuses_a_timer_and_takes_an_explicit_zero),
        CASE(fifo_zero_timer_does_not_override_the_queue_delay),
        CASE(fifo_delay_change_holds_for_queued_and_in_flight_messages),
        CASE(fifo_gives_one_group_in_order_and_blocks_it_meanwhile),
        CASE(fifo_gives_what_stands_before_the_one_in_flight),
        CASE(fifo_sequence_numbers_grow_and_have_twenty_digits),
        CASE(fifo_deduplicates_for_five_minutes_across_groups_and_deletes),
        CASE(fifo_batch_without_group_or_id_is_refused_whole),
        CASE(fifo_type_of_a_queue_cannot_be_changed),
        CASE(fifo_scope_is_settled_at_creation),
        CASE(fifo_content_based_deduplication_goes_by_the_body),
        CASE(fifo_refuses_expired_handles_and_the_message_returns),
        CASE(fifo_attempt_id_repeats_the_receive),
        CASE(attempt_id_is_for_fifo_queues_only),
        CASE(fifo_keeps_order_within_groups_and_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
