#include "tests/harness/envelopes.h"

#include "common/compiler.h"
#include "common/digest.h"
#include "common/mem.h"

/* Packs one record and compares what comes out. */
static void assert_round_trip(struct envelope_fixture *f, const struct record *r)
{
    struct envelope_id id;
    buf_clear(&f->out);
    envelope_builder_add(f->builder, r);
    assert_true(envelope_builder_raw_bytes(f->builder) <= envelope_record_bytes(r));
    envelope_builder_finish(f->builder, &f->out, &id);
    struct envelope *e;
    assert_status(envelope_decode(buf_slice(&f->out), &e, NULL), STATUS_OK);
    struct record got;
    envelope_record(e, 0, f->headers, &got);
    assert_same_record(r, &got);
    assert_memory_equal(&id, &envelope_get_info(e)->id, sizeof(id));
    struct envelope_id alone;
    record_id(r, &alone);
    assert_memory_equal(&id, &alone, sizeof(id));
    envelope_free(e);
}

static void null_and_empty_are_kept_apart(void **state)
{
    struct envelope_fixture *f = *state;
    const struct record_header headers[] = {
        {SLICE_LITERAL("h"), SLICE_NULL},
        {SLICE_LITERAL("h"), SLICE_LITERAL("")},
        {SLICE_LITERAL(""), SLICE_LITERAL("x")},
        {SLICE_LITERAL("h"), SLICE_LITERAL("\0\xff")},
    };
    struct slice texts[] = {SLICE_NULL, SLICE_LITERAL(""), SLICE_LITERAL("x")};
    for (size_t key = 0; key < ARRAY_LEN(texts); key++) {
        for (size_t value = 0; value < ARRAY_LEN(texts); value++) {
            for (size_t id = 0; id < ARRAY_LEN(texts); id++) {
                struct record r = simple_record(42);
                r.key = texts[key];
                r.value = texts[value];
                r.delay_id = texts[id];
                r.headers = headers;
                r.header_count = ARRAY_LEN(headers);
                assert_round_trip(f, &r);
            }
        }
    }
}

static void extremes_round_trip(void **state)
{
    struct envelope_fixture *f = *state;
    static const int64_t offsets[] = {0, 1, 16383, 16384, INT64_C(1) << 40, INT64_MAX};
    static const int64_t dues[] = {0, 999, 1000, SECOND, SECOND + 999, INT64_C(999999999999999)};
    static uint8_t name[TOPIC_NAME_BYTES_MAX];
    memset(name, 'n', sizeof(name));
    for (size_t o = 0; o < ARRAY_LEN(offsets); o++) {
        for (size_t d = 0; d < ARRAY_LEN(dues); d++) {
            struct record r = simple_record(offsets[o]);
            r.due_ms = dues[d];
            r.source_partition = o % 2 == 0 ? INT32_MAX : 0;
            r.target = slice_from(name, sizeof(name));
            assert_round_trip(f, &r);
        }
    }
}

static void large_records_round_trip(void **state)
{
    struct envelope_fixture *f = *state;
    struct prng random;
    prng_init(&random, 5);
    uint8_t *bytes = mem_alloc(ENVELOPE_RECORD_BYTES_MAX);
    for (size_t i = 0; i < ENVELOPE_RECORD_BYTES_MAX; i++)
        bytes[i] = (uint8_t)prng_next(&random);
    struct record r = simple_record(1);
    r.value = slice_from(bytes, ENVELOPE_RECORD_BYTES_MAX);
    assert_round_trip(f, &r);
    assert_true(f->out.len > ENVELOPE_RECORD_BYTES_MAX);
    memset(bytes, 0, ENVELOPE_RECORD_BYTES_MAX);
    assert_round_trip(f, &r);
    assert_true(f->out.len < KIB);

    struct record_header headers[200];
    for (uint32_t i = 0; i < ARRAY_LEN(headers); i++)
        headers[i] = (struct record_header){
            .name = slice_from_str(i % 3 == 0 ? "repeated" : ""),
            .value = i % 5 == 0 ? SLICE_NULL : slice_from(bytes, i % 7),
        };
    r.headers = headers;
    r.header_count = ARRAY_LEN(headers);
    r.value = SLICE_NULL;
    assert_round_trip(f, &r);
    mem_free(bytes);
}

#define PACK_MAX    200
#define HEADERS_MAX 4

/* What comes out must be the same records, by due time, ties as they went in. */
static void assert_sorted_copy(struct envelope_fixture *f, const struct envelope *e,
                               const struct record *records, uint32_t count)
{
    assert_int_equal(envelope_get_info(e)->records, count);
    const uint16_t *dues = envelope_due_offsets(e);
    uint32_t at = 0;
    for (int64_t due = 0; due < ENVELOPE_SPAN_MS; due++) {
        for (uint32_t i = 0; i < count; i++) {
            if (records[i].due_ms != SECOND + due)
                continue;
            assert_int_equal(dues[at], due);
            struct record got;
            envelope_record(e, at++, f->headers, &got);
            assert_same_record(&records[i], &got);
        }
    }
    assert_int_equal(at, count);
}

static void random_packs_round_trip(void **state)
{
    struct envelope_fixture *f = *state;
    static struct pool pool;
    static struct record records[PACK_MAX];
    static struct record_header headers[PACK_MAX][HEADERS_MAX];
    pool_init(&pool, 7);
    for (int turn = 0; turn < 200; turn++) {
        uint32_t count = 1 + (uint32_t)prng_below(&pool.random, PACK_MAX);
        size_t bound = 0;
        for (uint32_t i = 0; i < count; i++) {
            records[i] = random_record(&pool, headers[i], HEADERS_MAX);
            bound += envelope_record_bytes(&records[i]);
            envelope_builder_add(f->builder, &records[i]);
            assert_true(envelope_builder_raw_bytes(f->builder) <= bound);
        }
        size_t raw_bytes = envelope_builder_raw_bytes(f->builder);
        buf_clear(&f->out);
        struct envelope_id id;
        envelope_builder_finish(f->builder, &f->out, &id);
        struct envelope *e;
        assert_status(envelope_decode(buf_slice(&f->out), &e, NULL), STATUS_OK);
        assert_int_equal(envelope_get_info(e)->raw_bytes, raw_bytes);
        assert_int_equal(envelope_get_info(e)->first_due_ms, SECOND + envelope_due_offsets(e)[0]);
        assert_sorted_copy(f, e, records, count);
        envelope_free(e);
    }
}

/* One record a topic: tables of 30 bytes to several KiB, with and without room for them. */
static void tables_of_any_size_round_trip(void **state)
{
    struct envelope_fixture *f = *state;
    for (uint32_t count = 1; count <= 160; count++) {
        char names[160][32];
        struct envelope_id id;
        buf_clear(&f->out);
        for (uint32_t i = 0; i < count; i++) {
            struct record r = simple_record(i);
            snprintf(names[i], sizeof(names[i]), "a-longer-name-%u", i);
            r.target = slice_from_str(names[i]);
            envelope_builder_add(f->builder, &r);
        }
        envelope_builder_finish(f->builder, &f->out, &id);
        struct envelope *e;
        assert_status(envelope_decode(buf_slice(&f->out), &e, NULL), STATUS_OK);
        for (uint32_t i = 0; i < count; i++) {
            struct record got;
            envelope_record(e, i, f->headers, &got);
            assert_int_equal(got.source_offset, i);
            assert_slice_equal(got.target, names[i]);
        }
        envelope_free(e);
    }
}

static void a_rest_encoded_before_gives_the_same_frame(void **state)
{
    struct envelope_fixture *f = *state;
    struct pool pool;
    struct buf other;
    struct buf rest;
    pool_init(&pool, 11);
    buf_init(&other, FRAMES_MAX);
    buf_init(&rest, ENVELOPE_RAW_BYTES_MAX);
    struct envelope_builder *builder = envelope_builder_new();
    struct record_header headers[8];
    for (int round = 0; round < 20; round++) {
        struct envelope_id ids[2];
        buf_clear(&f->out);
        buf_clear(&other);
        for (int i = 0; i <= round; i++) {
            struct record r = random_record(&pool, headers, ARRAY_LEN(headers));
            envelope_builder_add(f->builder, &r);
            buf_clear(&rest);
            record_encode_rest(&r, &rest);
            envelope_builder_add_rest(builder, &r, buf_slice(&rest));
        }
        envelope_builder_finish(f->builder, &f->out, &ids[0]);
        envelope_builder_finish(builder, &other, &ids[1]);
        assert_int_equal(f->out.len, other.len);
        assert_memory_equal(f->out.ptr, other.ptr, other.len);
        assert_memory_equal(&ids[0], &ids[1], sizeof(ids[0]));
    }
    envelope_builder_free(builder);
    buf_release(&other);
    buf_release(&rest);
}

static void frames_join_without_being_opened(void **state)
{
    struct envelope_fixture *f = *state;
    static struct pool pool;
    static struct record records[PACK_MAX];
    static struct record_header headers[PACK_MAX][HEADERS_MAX];
    pool_init(&pool, 8);
    for (int turn = 0; turn < 50; turn++) {
        uint32_t frames = 1 + (uint32_t)prng_below(&pool.random, 10);
        uint32_t count = 0;
        buf_clear(&f->out);
        struct envelope_id ids[10];
        struct envelope_info infos[10];
        for (uint32_t i = 0; i < frames; i++) {
            size_t start = f->out.len;
            for (uint64_t n = 1 + prng_below(&pool.random, PACK_MAX / 10); n > 0; n--) {
                records[count] = random_record(&pool, headers[count], HEADERS_MAX);
                envelope_builder_add(f->builder, &records[count++]);
            }
            envelope_builder_finish(f->builder, &f->out, &ids[i]);
            struct slice frame = slice_from(f->out.ptr + start, f->out.len - start);
            assert_status(envelope_peek(frame, &infos[i]), STATUS_OK);
        }
        struct envelope *e;
        assert_status(envelope_decode(buf_slice(&f->out), &e, NULL), STATUS_OK);
        assert_int_equal(envelope_get_info(e)->frames, frames);
        uint8_t hash[DIGEST_SHA256_SIZE];
        digest_sha256(slice_from(ids, frames * sizeof(ids[0])), hash);
        assert_memory_equal(&envelope_get_info(e)->id, frames == 1 ? ids[0].bytes : hash,
                            ENVELOPE_ID_SIZE);
        assert_sorted_copy(f, e, records, count);
        envelope_free(e);
    }
}

static void the_id_tells_the_sources_and_nothing_else(void **state)
{
    (void)state;
    struct record r = simple_record(42);
    struct envelope_id first;
    struct envelope_id other;
    record_id(&r, &first);
    char hex[ENVELOPE_ID_HEX_SIZE];
    envelope_id_hex(&first, hex);
    assert_int_equal(strlen(hex), 32);
    r.value = SLICE_NULL;
    r.delay_id = SLICE_LITERAL("x");
    record_id(&r, &other);
    assert_memory_equal(&first, &other, sizeof(first));
    r.source_offset++;
    record_id(&r, &other);
    assert_memory_not_equal(&first, &other, sizeof(first));
    r = simple_record(42);
    r.due_ms++;
    record_id(&r, &other);
    assert_memory_not_equal(&first, &other, sizeof(first));
    r = simple_record(42);
    r.source_partition++;
    record_id(&r, &other);
    assert_memory_not_equal(&first, &other, sizeof(first));
    r = simple_record(42);
    r.source_topic = SLICE_LITERAL("delaz");
    record_id(&r, &other);
    assert_memory_not_equal(&first, &other, sizeof(first));
}

static void a_full_frame_fits(void **state)
{
    struct envelope_fixture *f = *state;
    for (uint32_t i = 0; i < ENVELOPE_RECORDS_MAX; i++) {
        struct record r = simple_record(INT64_C(5000000000) + i * 3);
        r.key = SLICE_NULL;
        r.value = SLICE_NULL;
        r.target = SLICE_LITERAL("t");
        r.source_topic = SLICE_LITERAL("s");
        r.due_ms = SECOND + i % 1000;
        if ((i + 1) * envelope_record_bytes(&r) > ENVELOPE_RAW_BYTES_MAX)
            break;
        envelope_builder_add(f->builder, &r);
    }
    struct envelope_id id;
    envelope_builder_finish(f->builder, &f->out, &id);
    struct envelope *e;
    assert_status(envelope_decode(buf_slice(&f->out), &e, NULL), STATUS_OK);
    const struct envelope_info *info = envelope_get_info(e);
    assert_true(info->records > 9000);
    assert_true(info->raw_bytes < (size_t)info->records * 12);
    assert_true(envelope_memory_bytes(e) < info->raw_bytes + (size_t)info->records * 8 + KIB);
    envelope_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENVELOPE_TEST(null_and_empty_are_kept_apart),
        ENVELOPE_TEST(extremes_round_trip),
        ENVELOPE_TEST(large_records_round_trip),
        ENVELOPE_TEST(random_packs_round_trip),
        ENVELOPE_TEST(tables_of_any_size_round_trip),
        ENVELOPE_TEST(a_rest_encoded_before_gives_the_same_frame),
        ENVELOPE_TEST(frames_join_without_being_opened),
        ENVELOPE_TEST(the_id_tells_the_sources_and_nothing_else),
        ENVELOPE_TEST(a_full_frame_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
