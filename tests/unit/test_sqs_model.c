#include "tests/harness/sqs_world.h"

#include "common/mem.h"

/* --- standard queues ------------------------------------------------------------------------- */

static void a_message_comes_with_what_was_sent(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_message_attribute attribute = {.name = SLICE_LITERAL("attribName1"),
                                                    .data_type = SLICE_LITERAL("String"),
                                                    .value = SLICE_LITERAL("attribValue 1")};
    struct sqs_model_send entry = sqs_world_message("hello");
    entry.attributes = &attribute;
    entry.attribute_count = 1;
    struct sqs_model_sent sent = sqs_world_send(w->standard, entry, T0);
    assert_string_equal(sent.body_md5, "5d41402abc4b2a76b9719d911017c592");
    assert_string_equal(sent.attributes_md5, "19e27d4e946b072f3f58da80d94fd778"); /* AWS's page */
    assert_string_equal(sent.sequence_number, "");
    assert_int_equal(sqs_world_receive(w, w->standard, 10, 30, T0 + 5), 1);
    assert_slice_equal(w->got[0].body, "hello");
    assert_string_equal(w->got[0].message_id, sent.message_id);
    assert_string_equal(w->got[0].body_md5, sent.body_md5);
    assert_int_equal(w->got[0].receive_count, 1);
    assert_int_equal(w->got[0].sent_ms, T0);
    assert_int_equal(w->got[0].first_receive_ms, T0 + 5);
    assert_int_equal(w->got[0].attribute_count, 1);
    assert_slice_equal(w->got[0].attributes[0].value, "attribValue 1");
}

static void visibility_ends_on_the_millisecond(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->standard, sqs_world_message("a"), T0);
    assert_int_equal(sqs_world_receive(w, w->standard, 1, 10, T0), 1);
    char first[SQS_MODEL_HANDLE_SIZE];
    memcpy(first, w->got[0].receipt_handle, sizeof(first));
    assert_int_equal(sqs_model_next_ms(w->standard), T0 + 10 * SECOND);
    assert_int_equal(sqs_world_receive(w, w->standard, 1, 10, T0 + 10 * SECOND - 1), 0);
    assert_int_equal(sqs_world_receive(w, w->standard, 1, 10, T0 + 10 * SECOND), 1);
    assert_int_equal(w->got[0].receive_count, 2);
    assert_int_equal(w->got[0].first_receive_ms, T0);
    assert_string_not_equal(first, w->got[0].receipt_handle);
}

static void delay_ends_on_the_millisecond(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_send entry = sqs_world_message("a");
    entry.delay_seconds = 900;
    sqs_world_send(w->standard, entry, T0);
    assert_int_equal(sqs_model_depth(w->standard, T0).delayed, 1);
    assert_int_equal(sqs_world_receive(w, w->standard, 1, 10, T0 + 900 * SECOND - 1), 0);
    assert_int_equal(sqs_world_receive(w, w->standard, 1, 10, T0 + 900 * SECOND), 1);
}

static void message_timer_overrides_queue_delay_and_zero_is_not_absent(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_set_attribute(w, w->standard, "DelaySeconds", "60", T0);
    struct sqs_model_send entry = sqs_world_message("absent");
    sqs_world_send(w->standard, entry, T0);
    entry = sqs_world_message("zero");
    entry.delay_seconds = 0;
    sqs_world_send(w->standard, entry, T0);
    entry = sqs_world_message("five");
    entry.delay_seconds = 5;
    sqs_world_send(w->standard, entry, T0);
    assert_int_equal(sqs_world_receive(w, w->standard, 10, 3600, T0), 1);
    assert_slice_equal(w->got[0].body, "zero");
    assert_int_equal(sqs_world_receive(w, w->standard, 10, 3600, T0 + 5 * SECOND), 1);
    assert_slice_equal(w->got[0].body, "five");
    assert_int_equal(sqs_world_receive(w, w->standard, 10, 3600, T0 + 60 * SECOND), 1);
    assert_slice_equal(w->got[0].body, "absent");
}

static void delay_change_spares_what_a_standard_queue_holds(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->standard, sqs_world_message("before"), T0);
    sqs_world_set_attribute(w, w->standard, "DelaySeconds", "60", T0 + 1);
    assert_int_equal(sqs_world_receive(w, w->standard, 10, 3600, T0 + 2), 1);
    sqs_world_send(w->standard, sqs_world_message("delayed"), T0 + 3);
    sqs_world_set_attribute(w, w->standard, "DelaySeconds", "0", T0 + 4);
    assert_int_equal(sqs_world_receive(w, w->standard, 10, 3600, T0 + 5), 0);
    assert_int_equal(sqs_world_receive(w, w->standard, 10, 3600, T0 + 3 + 60 * SECOND), 1);
}

static void stale_handles_do_nothing_on_standard_queues(void **state)
{
    struct sqs_world *w = *state;
    char stale[SQS_MODEL_HANDLE_SIZE];
    sqs_world_send(w->standard, sqs_world_message("a"), T0);
    sqs_world_receive(w, w->standard, 1, 1, T0);
    memcpy(stale, w->got[0].receipt_handle, sizeof(stale));
    sqs_world_receive(w, w->standard, 1, 5, T0 + SECOND);
    sqs_world_delete_ok(w, w->standard, stale, T0 + SECOND);       /* 200, and yet: */
    sqs_world_change_ok(w, w->standard, stale, 3600, T0 + SECOND); /* proves nothing */
    assert_int_equal(sqs_world_receive(w, w->standard, 1, 5, T0 + 6 * SECOND), 1);
    /* Expired, but nobody has received it since: it deletes. */
    sqs_world_delete_ok(w, w->standard, w->got[0].receipt_handle, T0 + 60 * SECOND);
    assert_int_equal(sqs_world_receive(w, w->standard, 1, 5, T0 + 60 * SECOND), 0);
    sqs_world_delete_ok(w, w->standard, w->got[0].receipt_handle,
                        T0 + 60 * SECOND); /* twice is fine */
}

static void change_visibility_needs_a_message_in_flight(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->standard, sqs_world_message("a"), T0);
    sqs_world_receive(w, w->standard, 1, 1, T0);
    sqs_world_change_fails(w, w->standard, w->got[0].receipt_handle, 5, T0 + SECOND,
                           "AWS.SimpleQueueService.MessageNotInflight");
    sqs_world_delete_ok(w, w->standard, w->got[0].receipt_handle, T0 + SECOND);
    sqs_world_change_fails(w, w->standard, w->got[0].receipt_handle, 5, T0 + SECOND,
                           "InvalidParameterValue");
    sqs_world_change_fails(w, w->standard, "nonsense", 5, T0, "ReceiptHandleIsInvalid");
}

static void a_handle_belongs_to_its_queue_and_cannot_be_forged(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->standard, sqs_world_message("a"), T0);
    sqs_world_receive(w, w->standard, 1, 30, T0);
    struct sqs_model_queue *other = sqs_world_make_queue(w, "other", NULL, 0);
    assert_false(sqs_model_delete(other, sqs_world_handle(w, 0), T0, &w->error));
    assert_string_equal(w->error.code, "ReceiptHandleIsInvalid");
    char *last = &w->got[0].receipt_handle[strlen(w->got[0].receipt_handle) - 1];
    *last = *last == '0' ? '1' : '0';
    assert_false(sqs_model_delete(w->standard, sqs_world_handle(w, 0), T0, &w->error));
}

static void visibility_is_capped_at_twelve_hours_from_the_receive(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->standard, sqs_world_message("a"), T0);
    sqs_world_receive(w, w->standard, 1, 43200, T0);
    const char *h = w->got[0].receipt_handle;
    sqs_world_change_ok(w, w->standard, h, 43200 - 100, T0 + 100 * SECOND);
    sqs_world_change_fails(w, w->standard, h, 43200 - 99, T0 + 100 * SECOND,
                           "InvalidParameterValue");
    sqs_world_change_fails(w, w->standard, h, 43201, T0, "InvalidParameterValue");
    sqs_world_change_fails(w, w->standard, h, -1, T0, "InvalidParameterValue");
    sqs_world_change_ok(w, w->standard, h, 0, T0 + 200 * SECOND);
    assert_int_equal(sqs_world_receive(w, w->standard, 1, 30, T0 + 200 * SECOND), 1);
}

static void in_flight_limit_is_an_error_only_for_short_polls_of_standard_queues(void **state)
{
    struct sqs_world *w = *state;
    char id[16];
    for (int i = 0; i < 25; i++) {
        sqs_world_send(w->standard, sqs_world_message("a"), T0);
        snprintf(id, sizeof(id), "%d", i);
        sqs_world_send(w->fifo, sqs_world_fifo_message("a", id, id), T0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sqs_world_receive(w, w->standard, 10, 30, T0), 10);
        assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0), 10);
    }
    struct sqs_model_receive spec = sqs_world_receive_spec(10, 30);
    assert_false(sqs_model_receive(w->standard, &spec, T0, w->got, &w->count, &w->error));
    assert_string_equal(w->error.code, "OverLimit");
    assert_int_equal(w->error.http_status, 403);
    spec.wait_seconds = 20;
    assert_true(sqs_model_receive(w->standard, &spec, T0, w->got, &w->count, &w->error));
    assert_int_equal(w->count, 0);
    assert_int_equal(sqs_world_receive(w, w->fifo, 10, 30, T0), 0);
    assert_int_equal(sqs_world_receive(w, w->standard, 10, 30, T0 + 30 * SECOND), 10);
}

static void retention_drops_old_messages(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_set_attribute(w, w->standard, "MessageRetentionPeriod", "60", T0);
    sqs_world_send(w->standard, sqs_world_message("old"), T0);
    sqs_world_send(w->standard, sqs_world_message("held"), T0);
    sqs_world_receive(w, w->standard, 1, 3600, T0);
    sqs_world_send(w->standard, sqs_world_message("young"), T0 + 30 * SECOND);
    assert_int_equal(sqs_model_depth(w->standard, T0 + 60 * SECOND - 1).visible, 2);
    struct sqs_model_depth depth = sqs_model_depth(w->standard, T0 + 60 * SECOND);
    assert_int_equal(depth.visible, 1);
    assert_int_equal(depth.in_flight, 0);
    sqs_world_delete_ok(w, w->standard, w->got[0].receipt_handle, T0 + 61 * SECOND);
}

static void duplicate_and_disorder_are_faults_on_demand(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->standard, sqs_world_message("a"), T0);
    sqs_world_send(w->standard, sqs_world_message("b"), T0);
    struct sqs_model_receive spec = sqs_world_receive_spec(1, 30);
    spec.skip = 1;
    assert_true(sqs_model_receive(w->standard, &spec, T0, w->got, &w->count, &w->error));
    assert_slice_equal(w->got[0].body, "b");
    spec.skip = 0;
    spec.duplicate = true;
    assert_true(sqs_model_receive(w->standard, &spec, T0, w->got, &w->count, &w->error));
    assert_slice_equal(w->got[0].body, "a");
    assert_int_equal(sqs_world_receive(w, w->standard, 10, 30, T0), 1);
    assert_slice_equal(w->got[0].body, "a");
    assert_int_equal(w->got[0].receive_count, 2);
}

/* --- limits ---------------------------------------------------------------------------------- */

static void send_refuses_what_breaks_a_rule(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_send entry = sqs_world_message("");
    sqs_world_send_fails(w->standard, entry, "MissingParameter");
    entry = sqs_world_message("a");
    entry.delay_seconds = 901;
    sqs_world_send_fails(w->standard, entry, "InvalidParameterValue");
    entry.delay_seconds = -1;
    sqs_world_send_fails(w->standard, entry, "InvalidParameterValue");
    entry = sqs_world_message("a");
    entry.deduplication_id = SLICE_LITERAL("x");
    sqs_world_send_fails(w->standard, entry, "InvalidParameterValue");
    entry = sqs_world_message("a");
    sqs_world_send_fails(w->fifo, entry, "MissingParameter"); /* no group */
    sqs_world_send_fails(w->fifo, sqs_world_fifo_message("a", "", "1"), "InvalidParameterValue");
    sqs_world_send_fails(w->fifo, sqs_world_fifo_message("a", "g h", "1"), "InvalidParameterValue");
    sqs_world_send_fails(w->fifo, sqs_world_fifo_message("a", "g", "\x7f"),
                         "InvalidParameterValue");
    char long_id[130];
    memset(long_id, 'x', 129);
    long_id[129] = '\0';
    sqs_world_send_fails(w->fifo, sqs_world_fifo_message("a", "g", long_id),
                         "InvalidParameterValue");
    long_id[128] = '\0';
    sqs_world_send(w->fifo, sqs_world_fifo_message("a", long_id, long_id), T0);
}

static void bodies_hold_only_the_characters_that_sqs_admits(void **state)
{
    struct sqs_world *w = *state;
    static const char *const bad[] = {
        "\x01",     "a\x08",        "\x0b",         "\x1f",         "\xff",
        "\xc0\x80", "\xed\xa0\x80", "\xef\xbf\xbe", "\xef\xbf\xbf", "\xf4\x90\x80\x80",
        "\xe2\x82", "\xf8\x88\x80", "\x80",         "\xe0\x80\xaf",
    };
    static const char *const good[] = {
        "\t\n\r ",      "\x7f",         "\xc2\x80",         "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbd", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        sqs_world_send_fails(w->standard, sqs_world_message(bad[i]), "InvalidMessageContents");
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        sqs_world_send(w->standard, sqs_world_message(good[i]), T0);
}

static void sizes_are_exact(void **state)
{
    struct sqs_world *w = *state;
    size_t most = SQS_MODEL_MESSAGE_BYTES_MAX;
    char *big = mem_alloc(most + 1);
    memset(big, 'x', most + 1);
    struct sqs_model_send entry = sqs_world_message("a");
    entry.body = slice_from(big, most + 1);
    sqs_world_send_fails(w->standard, entry, "InvalidParameterValue");
    entry.body.len = most;
    sqs_world_send(w->standard, entry, T0);
    struct sqs_model_message_attribute attribute = {.name = SLICE_LITERAL("n"),
                                                    .data_type = SLICE_LITERAL("String"),
                                                    .value = SLICE_LITERAL("v")};
    entry.attributes = &attribute;
    entry.attribute_count = 1;
    sqs_world_send_fails(w->standard, entry, "InvalidParameterValue");
    entry.body.len = most - 8; /* "n" "String" "v" */
    sqs_world_send(w->standard, entry, T0);
    sqs_world_set_attribute(w, w->standard, "MaximumMessageSize", "1024", T0);
    entry = sqs_world_message("a");
    entry.body = slice_from(big, 1025);
    sqs_world_send_fails(w->standard, entry, "InvalidParameterValue");

    struct sqs_model_send batch[2] = {sqs_world_message("a"), sqs_world_message("a")};
    batch[0].id = SLICE_LITERAL("a");
    batch[1].id = SLICE_LITERAL("b");
    batch[0].body = slice_from(big, most / 2);
    batch[1].body = slice_from(big, most / 2 + 1);
    assert_false(sqs_model_check_send_batch(w->standard, batch, 2, &w->error));
    assert_string_equal(w->error.code, "BatchRequestTooLong");
    batch[1].body.len--;
    assert_true(sqs_model_check_send_batch(w->standard, batch, 2, &w->error));
    mem_free(big);
}

static void batches_are_refused_whole(void **state)
{
    struct sqs_world *w = *state;
    struct slice ids[11];
    char text[11][8];
    for (size_t i = 0; i < 11; i++) {
        snprintf(text[i], sizeof(text[i]), "id-%zu", i);
        ids[i] = slice_from_str(text[i]);
    }
    assert_true(sqs_model_check_batch_ids(ids, 10, "Entry", &w->error));
    assert_false(sqs_model_check_batch_ids(ids, 11, "Entry", &w->error));
    assert_string_equal(w->error.query_code, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest");
    assert_false(sqs_model_check_batch_ids(ids, 0, "Entry", &w->error));
    assert_string_equal(w->error.code, "EmptyBatchRequest");
    ids[3] = ids[0];
    assert_false(sqs_model_check_batch_ids(ids, 10, "Entry", &w->error));
    assert_string_equal(w->error.code, "BatchEntryIdsNotDistinct");
    ids[3] = SLICE_LITERAL("no spaces");
    assert_false(sqs_model_check_batch_ids(ids, 10, "Entry", &w->error));
    assert_string_equal(w->error.code, "InvalidBatchEntryId");
    char long_id[82];
    memset(long_id, 'x', 81);
    ids[3] = slice_from(long_id, 81);
    assert_false(sqs_model_check_batch_ids(ids, 10, "Entry", &w->error));
    ids[3] = slice_from(long_id, 80);
    assert_true(sqs_model_check_batch_ids(ids, 10, "Entry", &w->error));
}

static void receive_limits(void **state)
{
    struct sqs_world *w = *state;
    static const struct {
        int64_t most, visibility, wait;
        bool valid;
    } cases[] = {
        {1, 0, 0, true},      {10, 43200, 20, true}, {0, 0, 0, false},  {11, 0, 0, false},
        {1, 43201, 0, false}, {1, -1, 0, false},     {1, 0, 21, false}, {1, 0, -1, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sqs_model_receive spec = sqs_world_receive_spec(cases[i].most, cases[i].visibility);
        spec.wait_seconds = cases[i].wait;
        assert_int_equal(sqs_model_receive(w->standard, &spec, T0, w->got, &w->count, &w->error),
                         cases[i].valid);
    }
}

/* --- queues ---------------------------------------------------------------------------------- */

static void create_fails(struct sqs_world *w, const char *name, const struct sqs_model_pair *pairs,
                         size_t count, int64_t now_ms, const char *code)
{
    assert_false(
        sqs_model_create_queue(w->model, slice_from_str(name), pairs, count, now_ms, &w->error));
    assert_string_equal(w->error.code, code);
}

static void queue_names_and_attributes_are_checked(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_pair fifo = sqs_world_pair("FifoQueue", "true");
    create_fails(w, "no.fifo", NULL, 0, T0, "InvalidParameterValueException");
    create_fails(w, "no", &fifo, 1, T0, "InvalidParameterValueException");
    create_fails(w, "a b", NULL, 0, T0, "InvalidParameterValueException");
    create_fails(w, "", NULL, 0, T0, "InvalidParameterValueException");
    struct sqs_model_pair bad = sqs_world_pair("DelaySeconds", "901");
    create_fails(w, "q", &bad, 1, T0, "InvalidAttributeValue");
    bad = sqs_world_pair("DelaySeconds", "1x");
    create_fails(w, "q", &bad, 1, T0, "InvalidAttributeValue");
    bad = sqs_world_pair("NoSuchThing", "1");
    create_fails(w, "q", &bad, 1, T0, "InvalidAttributeName");
    bad = sqs_world_pair("ContentBasedDeduplication", "true");
    create_fails(w, "q", &bad, 1, T0, "InvalidAttributeName");
    bad = sqs_world_pair("FifoQueue", "false");
    create_fails(w, "q", &bad, 1, T0, "InvalidAttributeName");
    struct sqs_model_pair fast[] = {fifo,
                                    sqs_world_pair("FifoThroughputLimit", "perMessageGroupId")};
    create_fails(w, "q.fifo", fast, 2, T0, "InvalidAttributeValue");
}

static void creating_again_needs_equal_attributes(void **state)
{
    struct sqs_world *w = *state;
    struct sqs_model_pair same = sqs_world_pair("DelaySeconds", "0");
    assert_true(sqs_model_create_queue(w->model, SLICE_LITERAL(STANDARD), &same, 1, T0, &w->error));
    same = sqs_world_pair("DelaySeconds", "1");
    create_fails(w, STANDARD, &same, 1, T0, "QueueNameExists");
    assert_string_equal(w->error.query_code, "QueueAlreadyExists");
}

static void deleted_names_rest_for_a_minute(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->standard, sqs_world_message("a"), T0);
    sqs_model_delete_queue(w->model, w->standard, T0);
    struct sqs_model_queue *gone;
    assert_false(sqs_model_find_queue(w->model, SLICE_LITERAL(STANDARD), &gone, &w->error));
    assert_string_equal(w->error.query_code, "AWS.SimpleQueueService.NonExistentQueue");
    create_fails(w, STANDARD, NULL, 0, T0 + 59999, "QueueDeletedRecently");
    assert_true(
        sqs_model_create_queue(w->model, SLICE_LITERAL(STANDARD), NULL, 0, T0 + 60000, &w->error));
}

static void purge_empties_once_a_minute(void **state)
{
    struct sqs_world *w = *state;
    sqs_world_send(w->fifo, sqs_world_fifo_message("a", "g", "1"), T0);
    sqs_world_send(w->fifo, sqs_world_fifo_message("b", "g", "2"), T0);
    sqs_world_receive(w, w->fifo, 1, 30, T0);
    assert_true(sqs_model_purge_queue(w->fifo, T0, &w->error));
    assert_int_equal(sqs_model_depth(w->fifo, T0).visible, 0);
    assert_int_equal(sqs_model_depth(w->fifo, T0).in_flight, 0);
    assert_false(sqs_model_purge_queue(w->fifo, T0 + 59999, &w->error));
    assert_int_equal(w->error.http_status, 403);
    assert_true(sqs_model_purge_queue(w->fifo, T0 + 60000, &w->error));
}

static void on_attribute(void *ctx, const char *name, const char *value)
{
    buf_printf(ctx, "%s=%s\n", name, value);
}

static void attributes_are_told_as_text(void **state)
{
    struct sqs_world *w = *state;
    struct buf text;
    buf_init(&text, 4096);
    struct slice all = SLICE_LITERAL("All");
    sqs_world_send(w->fifo, sqs_world_fifo_message("a", "g", "1"), T0);
    assert_true(sqs_model_get_attributes(w->fifo, &all, 1, T0, on_attribute, &text, &w->error));
    static const char *const expected[] = {
        "FifoQueue=true\n",
        "DeduplicationScope=queue\n",
        "FifoThroughputLimit=perQueue\n",
        "ContentBasedDeduplication=false\n",
        "VisibilityTimeout=30\n",
        "MessageRetentionPeriod=345600\n",
        "MaximumMessageSize=1048576\n",
        "ApproximateNumberOfMessages=1\n",
        "CreatedTimestamp=1800000000\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_non_null(strstr(buf_text(&text), expected[i]));
    buf_clear(&text);
    assert_true(sqs_model_get_attributes(w->standard, &all, 1, T0, on_attribute, &text, &w->error));
    assert_null(strstr(buf_text(&text), "Fifo"));
    all = SLICE_LITERAL("Nothing");
    assert_false(
        sqs_model_get_attributes(w->standard, &all, 1, T0, on_attribute, &text, &w->error));
    buf_release(&text);
}

/* --- as a whole ------------------------------------------------------------------------------ */

/* A naive queue beside the model: every message is visible from a known instant on, and exactly
 * those that are must come, each once. */
static void agrees_with_a_naive_queue(void **state)
{
    struct sqs_world *w = *state;
    enum { MESSAGES = 400, GONE = -1 };
    int64_t visible_from[MESSAGES];
    char(*handles)[SQS_MODEL_HANDLE_SIZE] = mem_calloc(MESSAGES, sizeof(*handles));
    struct prng random;
    prng_init(&random, 11);
    sqs_model_free(w->model); /* without the small in-flight limit */
    w->model = sqs_model_new(&(struct sqs_model_options){.seed = 7});
    w->standard = sqs_world_make_queue(w, STANDARD, NULL, 0);
    int64_t now_ms = T0;
    char body[16];
    for (int i = 0; i < MESSAGES; i++) {
        struct sqs_model_send entry = sqs_world_message(body);
        snprintf(body, sizeof(body), "%d", i);
        entry.body = slice_from_str(body);
        entry.delay_seconds = (int64_t)prng_below(&random, 60);
        sqs_world_send(w->standard, entry, now_ms);
        visible_from[i] = now_ms + entry.delay_seconds * SECOND;
        handles[i][0] = '\0';
    }
    for (int step = 0; step < 5000; step++) {
        now_ms += (int64_t)prng_below(&random, 40);
        size_t expected = 0;
        for (int i = 0; i < MESSAGES; i++)
            expected += visible_from[i] != GONE && visible_from[i] <= now_ms;
        int64_t most = 1 + (int64_t)prng_below(&random, 10);
        int64_t visibility = 1 + (int64_t)prng_below(&random, 30);
        sqs_world_receive(w, w->standard, most, visibility, now_ms);
        assert_int_equal(w->count, expected < (size_t)most ? expected : (size_t)most);
        for (size_t k = 0; k < w->count; k++) {
            int index = sqs_world_body_number(w, k);
            assert_true(visible_from[index] != GONE && visible_from[index] <= now_ms);
            visible_from[index] = now_ms + visibility * SECOND;
            memcpy(handles[index], w->got[k].receipt_handle, sizeof(handles[index]));
        }
        int touched = (int)prng_below(&random, MESSAGES);
        if (handles[touched][0] == '\0' || visible_from[touched] == GONE)
            continue;
        if (prng_below(&random, 8) == 0) {
            sqs_world_delete_ok(w, w->standard, handles[touched], now_ms);
            visible_from[touched] = GONE;
        } else if (visible_from[touched] > now_ms) {
            int64_t seconds = (int64_t)prng_below(&random, 20);
            sqs_world_change_ok(w, w->standard, handles[touched], seconds, now_ms);
            visible_from[touched] = now_ms + seconds * SECOND;
        }
    }
    mem_free(handles);
}

static void the_same_seed_gives_the_same_answers(void **state)
{
    (void)state;
    char first[SQS_MODEL_MESSAGE_ID_SIZE] = "";
    for (int run = 0; run < 2; run++) {
        struct sqs_world w = {.model = sqs_model_new(&(struct sqs_model_options){.seed = 3})};
        w.standard = sqs_world_make_queue(&w, STANDARD, NULL, 0);
        struct sqs_model_sent sent = sqs_world_send(w.standard, sqs_world_message("a"), T0);
        if (run == 0)
            memcpy(first, sent.message_id, sizeof(first));
        else
            assert_string_equal(first, sent.message_id);
        sqs_model_free(w.model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_message_comes_with_what_was_sent),
        CASE(visibility_ends_on_the_millisecond),
        CASE(delay_ends_on_the_millisecond),
        CASE(message_timer_overrides_queue_delay_and_zero_is_not_absent),
        CASE(delay_change_spares_what_a_standard_queue_holds),
        CASE(stale_handles_do_nothing_on_standard_queues),
        CASE(change_visibility_needs_a_message_in_flight),
        CASE(a_handle_belongs_to_its_queue_and_cannot_be_forged),
        CASE(visibility_is_capped_at_twelve_hours_from_the_receive),
        CASE(in_flight_limit_is_an_error_only_for_short_polls_of_standard_queues),
        CASE(retention_drops_old_messages),
        CASE(duplicate_and_disorder_are_faults_on_demand),
        CASE(send_refuses_what_breaks_a_rule),
        CASE(bodies_hold_only_the_characters_that_sqs_admits),
        CASE(sizes_are_exact),
        CASE(batches_are_refused_whole),
        CASE(receive_limits),
        CASE(queue_names_and_attributes_are_checked),
        CASE(creating_again_needs_equal_attributes),
        CASE(deleted_names_rest_for_a_minute),
        CASE(purge_empties_once_a_minute),
        CASE(attributes_are_told_as_text),
        CASE(agrees_with_a_naive_queue),
        cmocka_unit_test(the_same_seed_gives_the_same_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
