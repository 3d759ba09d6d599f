#include "tests/harness/envelopes.h"

#include "common/compiler.h"
#include "common/mem.h"

int envelope_set_up(void **state)
{
    struct envelope_fixture *f = mem_calloc(1, sizeof(*f));
    f->builder = envelope_builder_new();
    buf_init(&f->out, FRAMES_MAX);
    f->headers = mem_calloc(RECORD_HEADERS_MAX, sizeof(*f->headers));
    *state = f;
    return 0;
}

int envelope_tear_down(void **state)
{
    struct envelope_fixture *f = *state;
    envelope_builder_free(f->builder);
    buf_release(&f->out);
    mem_free(f->headers);
    mem_free(f);
    return 0;
}

struct record simple_record(int64_t offset)
{
    return (struct record){
        .due_ms = SECOND + 123,
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

void assert_same_record(const struct record *a, const struct record *b)
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

void pool_init(struct pool *p, uint64_t seed)
{
    prng_init(&p->random, seed);
    for (size_t i = 0; i < sizeof(p->bytes); i++)
        p->bytes[i] = (uint8_t)(i < 256 ? i : prng_next(&p->random));
    for (size_t i = 0; i < ARRAY_LEN(p->topics); i++)
        snprintf(p->topics[i], sizeof(p->topics[i]), "topic-%zu", i);
}

static struct slice random_bytes(struct pool *p, size_t max)
{
    if (prng_below(&p->random, 8) == 0)
        return SLICE_NULL;
    size_t len = (size_t)prng_below(&p->random, max + 1);
    return slice_from(p->bytes + prng_below(&p->random, sizeof(p->bytes) - len), len);
}

static struct slice random_topic(struct pool *p)
{
    return slice_from_str(p->topics[prng_below(&p->random, ARRAY_LEN(p->topics))]);
}

struct record random_record(struct pool *p, struct record_header *headers, uint32_t most)
{
    struct record r = {
        .due_ms = SECOND + (int64_t)prng_below(&p->random, 1000),
        .target = random_topic(p),
        .source_topic = random_topic(p),
        .source_partition = (int32_t)prng_below(&p->random, 4),
        .source_offset = (int64_t)prng_below(&p->random, 100000),
        .delay_id = random_bytes(p, 20),
        .key = random_bytes(p, 40),
        .value = random_bytes(p, 300),
        .headers = headers,
        .header_count = (uint32_t)prng_below(&p->random, most + 1),
    };
    for (uint32_t i = 0; i < r.header_count; i++) {
        headers[i].name = random_bytes(p, 5);
        if (slice_is_null(headers[i].name))
            headers[i].name = SLICE_LITERAL("");
        headers[i].value = random_bytes(p, 30);
    }
    return r;
}
