#include "tests/harness/unit.h"

#include "common/envelope.h"
#include "common/limits.h"
#include "common/prng.h"
#include "common/digest.h"

#define DUE INT64_C(1790000000123)

static struct record simple_record(int64_t offset)
{
    return (struct record){
        .due_ms = DUE,
        .target = SLICE_LITERAL("orders"),
        .source_topic = SLICE_LITERAL("delay"),
        .source_partition = 3,
        .source_offset = offset,
        .key = SLICE_LITERAL("key"),
        .value = SLICE_LITERAL("value"),
    };
}

static void assert_same(struct slice a, struct slice b)
{
    assert_int_equal(slice_is_null(a), slice_is_null(b));
    assert_true(slice_equal(a, b));
}

static void assert_same_record(const struct record *a, const struct record *b)
{
    assert_int_equal(a->due_ms, b->due_ms);
    assert_same(a->target, b->target);
    assert_same(a->source_topic, b->source_topic);
    assert_int_equal(a->source_partition, b->source_partition);
    assert_int_equal(a->source_offset, b->source_offset);
    assert_same(a->delay_id, b->delay_id);
    assert_same(a->key, b->key);
    assert_same(a->value, b->value);
    assert_int_equal(a->header_count, b->header_count);
    for (uint32_t i = 0; i < a->header_count; i++) {
        assert_same(a->headers[i].name, b->headers[i].name);
        assert_same(a->headers[i].value, b->headers[i].value);
    }
}

static void one_record_round_trips(void **state)
{
    (void)state;
    struct envelope_builder *b = envelope_builder_new();
    struct record r = simple_record(42);
    struct buf out;
    buf_init(&out, MIB);
    struct envelope_id id;
    envelope_builder_add(b, &r);
    envelope_builder_finish(b, &out, &id);
    struct envelope *e;
    assert_status(envelope_decode(buf_slice(&out), &e, NULL), STATUS_OK);
    struct record got;
    envelope_record(e, 0, NULL, &got);
    assert_same_record(&r, &got);
    envelope_free(e);
    buf_release(&out);
    envelope_builder_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_record_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
