#include "tests/harness/unit.h"

#include "common/limits.h"
#include "common/mem.h"
#include "common/prng.h"
#include "router/router_bodies.h"

#define DUE_MS INT64_C(1800000000000)

static const uint8_t every_byte[256] = {0, 1, 2, 3, 10, 13, 255};

static struct record sample(int64_t offset, int64_t due_ms)
{
    static const struct record_header headers[] = {
        {{(const uint8_t *)"x", 1}, {every_byte, sizeof(every_byte)}},
        {{(const uint8_t *)"x", 1}, {NULL, 0}},
        {{(const uint8_t *)"", 0}, {(const uint8_t *)"", 0}},
    };
    return (struct record){
        .due_ms = due_ms,
        .target = SLICE_LITERAL("orders"),
        .source_topic = SLICE_LITERAL("delay"),
        .source_partition = 3,
        .source_offset = offset,
        .delay_id = SLICE_LITERAL("id-1"),
        .key = offset % 2 == 0 ? SLICE_NULL : SLICE_LITERAL("k"),
        .value = slice_from(every_byte, offset % 3 == 0 ? 0 : sizeof(every_byte)),
        .headers = headers,
        .header_count = ARRAY_LEN(headers),
    };
}

static void assert_null_alike(struct slice a, struct slice b)
{
    assert_int_equal(slice_is_null(a), slice_is_null(b));
    assert_true(slice_equal(a, b));
}

static void assert_record(const struct record *a, const struct record *b)
{
    assert_int_equal(a->due_ms, b->due_ms);
    assert_int_equal(a->source_offset, b->source_offset);
    assert_int_equal(a->source_partition, b->source_partition);
    assert_null_alike(a->target, b->target);
    assert_null_alike(a->source_topic, b->source_topic);
    assert_null_alike(a->delay_id, b->delay_id);
    assert_null_alike(a->key, b->key);
    assert_null_alike(a->value, b->value);
    assert_int_equal(a->header_count, b->header_count);
    for (uint32_t i = 0; i < a->header_count; i++) {
        assert_null_alike(a->headers[i].name, b->headers[i].name);
        assert_null_alike(a->headers[i].value, b->headers[i].value);
    }
}

static void expect_offsets(struct slice frame, const int64_t *offsets, uint32_t count)
{
    struct envelope *e = NULL;
    assert_status(envelope_decode(frame, &e, NULL), STATUS_OK);
    assert_int_equal(envelope_get_info(e)->records, count);
    struct record_header *scratch = mem_calloc(RECORD_HEADERS_MAX, sizeof(*scratch));
    for (uint32_t i = 0; i < count; i++) {
        struct record got;
        envelope_record(e, i, scratch, &got);
        struct record wanted = sample(offsets[i], got.due_ms);
        assert_record(&got, &wanted);
    }
    mem_free(scratch);
    envelope_free(e);
}

static void records_come_out_of_the_frame_as_they_went_in(void **state)
{
    (void)state;
    struct router_bodies *b = router_bodies_new(4);
    for (int64_t offset = 10; offset < 20; offset++) {
        struct record r = sample(offset, DUE_MS + offset);
        router_bodies_append(b, 2, &r);
    }
    struct record other = sample(99, DUE_MS + 5000);
    router_bodies_append(b, 1, &other);
    uint32_t bytes = router_bodies_close(b, 2);
    assert_int_equal(bytes, router_bodies_frame(b, 2).len);
    const int64_t offsets[] = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
    expect_offsets(router_bodies_frame(b, 2), offsets, 10);
    router_bodies_drop(b, 2);
    router_bodies_drop(b, 2);
    router_bodies_close(b, 1);
    const int64_t alone[] = {99};
    expect_offsets(router_bodies_frame(b, 1), alone, 1);
    router_bodies_free(b);
}

static void the_same_records_give_the_same_id(void **state)
{
    (void)state;
    struct router_bodies *b = router_bodies_new(2);
    for (uint32_t slot = 0; slot < 2; slot++) {
        struct record r = sample(7, DUE_MS);
        router_bodies_append(b, slot, &r);
        router_bodies_close(b, slot);
    }
    assert_memory_equal(router_bodies_id(b, 0), router_bodies_id(b, 1), ENVELOPE_ID_SIZE);
    router_bodies_free(b);
}

static void recoding_takes_a_window_in_due_order_again_and_again(void **state)
{
    (void)state;
    struct router_bodies *b = router_bodies_new(1);
    const int64_t due_offsets[] = {30, 10, 20, 10};
    for (int64_t i = 0; i < 4; i++) {
        struct record r = sample(i, DUE_MS + due_offsets[i]);
        router_bodies_append(b, 0, &r);
    }
    router_bodies_close(b, 0);
    const int64_t order[] = {1, 3, 2, 0};
    for (uint32_t first = 0; first < 4; first++) {
        for (uint32_t count = 1; count <= 4 - first; count++) {
            router_bodies_recode(b, 0, first, count);
            expect_offsets(router_bodies_frame(b, 0), order + first, count);
        }
    }
    router_bodies_free(b);
}

static void a_large_record_becomes_parts_and_a_reference(void **state)
{
    (void)state;
    struct router_bodies *b = router_bodies_new(1);
    size_t value_bytes = (size_t)BLOB_PART_BYTES_MAX * 2 + 1;
    uint8_t *value = mem_alloc(value_bytes);
    struct prng random; /* nothing that compresses */
    prng_init(&random, 1);
    for (size_t i = 0; i < value_bytes; i++)
        value[i] = (uint8_t)prng_next(&random);
    struct record r = sample(5, DUE_MS);
    r.value = slice_from(value, value_bytes);
    uint32_t frame_bytes = 0;
    uint32_t blob_bytes = 0;
    router_bodies_store_large(b, 0, &r, &frame_bytes, &blob_bytes);
    assert_int_equal(frame_bytes, router_bodies_frame(b, 0).len);
    assert_true(frame_bytes < 1000);

    struct envelope *e = NULL;
    assert_status(envelope_decode(router_bodies_frame(b, 0), &e, NULL), STATUS_OK);
    const struct blob_ref *ref = envelope_blob_ref(e);
    assert_non_null(ref);
    assert_int_equal(ref->parts, 3);
    assert_int_equal(ref->total_bytes, blob_bytes);
    assert_memory_equal(&ref->blob_id, router_bodies_id(b, 0), ENVELOPE_ID_SIZE);
    struct buf blob;
    buf_init(&blob, blob_bytes);
    for (uint32_t part = 0; part < ref->parts; part++)
        buf_append_slice(&blob, router_bodies_part(b, 0, part));
    assert_status(envelope_attach_blob(e, buf_slice(&blob), NULL), STATUS_OK);
    struct record_header *scratch = mem_calloc(RECORD_HEADERS_MAX, sizeof(*scratch));
    struct record got;
    envelope_record(e, 0, scratch, &got);
    assert_record(&got, &r);

    struct router_dead_letter letter;
    router_bodies_refused(b, 0, 0, "why", &letter);
    assert_true(slice_equal(letter.value, r.value));
    mem_free(scratch);
    buf_release(&blob);
    envelope_free(e);
    mem_free(value);
    router_bodies_free(b);
}

static void expect_header(const struct router_dead_letter *letter, size_t i, const char *name,
                          const char *value)
{
    assert_true(i < letter->header_count);
    assert_slice_equal(letter->headers[i].name, name);
    assert_slice_equal(letter->headers[i].value, value);
}

static void a_kept_record_is_unchanged_but_for_two_headers(void **state)
{
    (void)state;
    struct router_bodies *b = router_bodies_new(1);
    struct record r = sample(1, 0);
    r.target = SLICE_NULL;
    r.delay_id = SLICE_NULL;
    router_bodies_keep(b, 0, &r, 123, DELAY_TIME_MISSING, "no time");
    for (int again = 0; again < 2; again++) { /* it is retried */
        struct router_dead_letter letter;
        router_bodies_kept(b, 0, &letter);
        assert_null_alike(letter.key, r.key);
        assert_null_alike(letter.value, r.value);
        assert_int_equal(letter.timestamp_ms, 123);
        assert_int_equal(letter.header_count, r.header_count + 2);
        for (uint32_t i = 0; i < r.header_count; i++) {
            assert_null_alike(letter.headers[i].name, r.headers[i].name);
            assert_null_alike(letter.headers[i].value, r.headers[i].value);
        }
        expect_header(&letter, 3, "delay-error", "time-missing");
        expect_header(&letter, 4, "delay-error-detail", "no time");
    }
    router_bodies_free(b);
}

static void more_headers_than_a_record_may_have_are_kept(void **state)
{
    (void)state;
    struct router_bodies *b = router_bodies_new(1);
    size_t count = RECORD_HEADERS_MAX * 2;
    struct record_header *headers = mem_calloc(count, sizeof(*headers));
    for (size_t i = 0; i < count; i++)
        headers[i].name = SLICE_LITERAL("n");
    struct record r = {.source_topic = SLICE_LITERAL("delay"), .headers = headers};
    r.header_count = (uint32_t)count;
    router_bodies_keep(b, 0, &r, -1, DELAY_TOO_MANY_HEADERS, "");
    struct router_dead_letter letter;
    router_bodies_kept(b, 0, &letter);
    assert_int_equal(letter.header_count, count + 2);
    mem_free(headers);
    router_bodies_free(b);
}

static void a_refused_record_gets_its_steering_headers_back(void **state)
{
    (void)state;
    struct router_bodies *b = router_bodies_new(1);
    for (int64_t offset = 1; offset <= 2; offset++) {
        struct record r = sample(offset, DUE_MS + offset);
        if (offset == 1)
            r.delay_id = SLICE_NULL;
        router_bodies_append(b, 0, &r);
    }
    router_bodies_close(b, 0);
    struct router_dead_letter letter;
    router_bodies_refused(b, 0, 1, "InvalidMessageContents: no", &letter);
    assert_int_equal(letter.source_offset, 2);
    assert_int_equal(letter.header_count, 8);
    expect_header(&letter, 3, "delay-target", "orders");
    expect_header(&letter, 4, "delay-until", "1800000000002");
    expect_header(&letter, 5, "delay-id", "id-1");
    expect_header(&letter, 6, "delay-error", "record-refused");
    expect_header(&letter, 7, "delay-error-detail", "InvalidMessageContents: no");
    router_bodies_refused(b, 0, 0, "no", &letter);
    assert_int_equal(letter.header_count, 7);
    router_bodies_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_of_the_frame_as_they_went_in),
        cmocka_unit_test(the_same_records_give_the_same_id),
        cmocka_unit_test(recoding_takes_a_window_in_due_order_again_and_again),
        cmocka_unit_test(a_large_record_becomes_parts_and_a_reference),
        cmocka_unit_test(a_kept_record_is_unchanged_but_for_two_headers),
        cmocka_unit_test(more_headers_than_a_record_may_have_are_kept),
        cmocka_unit_test(a_refused_record_gets_its_steering_headers_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
