#include "tests/harness/envelopes.h"

#include "common/compiler.h"
#include "common/digest.h"
#include "common/mem.h"

#define HEADERS_MAX 4

static void pack_some(struct envelope_fixture *f, uint64_t seed, int count, size_t value_bytes)
{
    static struct pool pool;
    pool_init(&pool, seed);
    buf_clear(&f->out);
    for (int i = 0; i < count; i++) {
        struct record_header headers[HEADERS_MAX];
        struct record r = random_record(&pool, headers, HEADERS_MAX);
        r.value = slice_from(pool.bytes, value_bytes);
        envelope_builder_add(f->builder, &r);
    }
    struct envelope_id id;
    envelope_builder_finish(f->builder, &f->out, &id);
}

static void assert_refused(struct slice bytes)
{
    struct envelope *e = NULL;
    struct error error = {.kind = ERROR_NONE};
    if (envelope_decode(bytes, &e, &error) == STATUS_OK)
        fail_msg("broken bytes were taken");
    assert_null(e);
    assert_int_equal(error.kind, ERROR_PERMANENT);
}

static void every_flipped_bit_is_noticed(void **state)
{
    struct envelope_fixture *f = *state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        pack_some(f, seed, (int)seed * 2 - 1, 50 * (seed - 1));
        for (size_t i = 0; i < f->out.len; i++) {
            for (int bit = 0; bit < 8; bit++) {
                f->out.ptr[i] ^= (uint8_t)(1 << bit);
                assert_refused(buf_slice(&f->out));
                f->out.ptr[i] ^= (uint8_t)(1 << bit);
            }
        }
    }
}

static void every_cut_is_noticed(void **state)
{
    struct envelope_fixture *f = *state;
    pack_some(f, 4, 5, 100);
    for (size_t len = 0; len < f->out.len; len++) {
        uint8_t *exact = mem_alloc(len); /* so that a sanitizer sees every byte read behind it */
        memcpy(exact, f->out.ptr, len);
        assert_refused(slice_from(exact, len));
        mem_free(exact);
    }
    buf_append_byte(&f->out, 0);
    assert_refused(buf_slice(&f->out));
}

static void put_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

/* Makes the CRC right again, as somebody would who means harm. */
static void seal(struct buf *frame)
{
    uint32_t crc = digest_crc32(0, slice_from(frame->ptr, 44));
    crc = digest_crc32(crc, slice_from(frame->ptr + 48, frame->len - 48));
    put_u32(frame->ptr + 44, crc);
}

static void mutations_behind_a_right_crc_never_crash(void **state)
{
    struct envelope_fixture *f = *state;
    struct prng random;
    prng_init(&random, 77);
    int taken = 0;
    for (int turn = 0; turn < 20000; turn++) {
        if (turn % 100 == 0)
            pack_some(f, 100 + (uint64_t)turn, 1 + turn % 7, (size_t)turn % 90);
        struct buf copy;
        buf_init(&copy, FRAMES_MAX);
        buf_append_slice(&copy, buf_slice(&f->out));
        for (uint64_t n = 1 + prng_below(&random, 3); n > 0; n--)
            copy.ptr[5 + prng_below(&random, copy.len - 5)] = (uint8_t)prng_next(&random);
        seal(&copy);
        struct envelope *e;
        if (envelope_decode(buf_slice(&copy), &e, NULL) == STATUS_OK) {
            taken++;
            for (uint32_t i = 0; i < envelope_get_info(e)->records; i++) {
                struct record r;
                envelope_record(e, i, f->headers, &r);
            }
            envelope_free(e);
        }
        buf_release(&copy);
    }
    assert_true(taken > 0);
}

static void unknown_versions_and_flags_are_told_apart(void **state)
{
    struct envelope_fixture *f = *state;
    struct envelope_info info;
    struct envelope *e;
    pack_some(f, 1, 2, 10);
    f->out.ptr[4] = 2;
    assert_status(envelope_peek(buf_slice(&f->out), &info), STATUS_UNSUPPORTED);
    assert_status(envelope_decode(buf_slice(&f->out), &e, NULL), STATUS_UNSUPPORTED);
    f->out.ptr[4] = 1;
    f->out.ptr[5] |= 4;
    assert_status(envelope_decode(buf_slice(&f->out), &e, NULL), STATUS_UNSUPPORTED);
    assert_status(envelope_decode(SLICE_NULL, &e, NULL), STATUS_CORRUPT);
    assert_status(envelope_decode(SLICE_LITERAL("hello"), &e, NULL), STATUS_CORRUPT);
}

/* Appends `times` copies of what out holds. */
static void repeat(struct buf *out, int times)
{
    struct buf once;
    buf_init(&once, FRAMES_MAX);
    buf_append_slice(&once, buf_slice(out));
    for (int i = 0; i < times; i++)
        buf_append_slice(out, buf_slice(&once));
    buf_release(&once);
}

static void limits_are_kept_before_memory_is_taken(void **state)
{
    struct envelope_fixture *f = *state;
    struct envelope_info info;
    pack_some(f, 1, 2, 10);
    put_u32(f->out.ptr + 32, ENVELOPE_RECORDS_MAX + 1);
    assert_status(envelope_peek(buf_slice(&f->out), &info), STATUS_TOO_LARGE);
    pack_some(f, 1, 2, 10);
    put_u32(f->out.ptr + 40, ENVELOPE_RAW_BYTES_MAX + 1);
    assert_status(envelope_peek(buf_slice(&f->out), &info), STATUS_TOO_LARGE);
    pack_some(f, 1, 2, 10);
    put_u32(f->out.ptr + 36, UINT32_MAX);
    assert_status(envelope_peek(buf_slice(&f->out), &info), STATUS_CORRUPT);

    pack_some(f, 1, 1, 1);
    struct buf more;
    buf_init(&more, FRAMES_MAX);
    buf_append_slice(&more, buf_slice(&f->out));
    repeat(&f->out, ENVELOPE_FRAMES_MAX - 1);
    assert_status(envelope_peek(buf_slice(&f->out), &info), STATUS_OK);
    assert_int_equal(info.frames, ENVELOPE_FRAMES_MAX);
    buf_append_slice(&f->out, buf_slice(&more));
    assert_status(envelope_peek(buf_slice(&f->out), &info), STATUS_TOO_LARGE);
    buf_release(&more);
}

static void frames_of_two_seconds_do_not_join(void **state)
{
    struct envelope_fixture *f = *state;
    struct envelope_id id;
    struct envelope_info infos[2];
    size_t start = 0;
    for (int i = 0; i < 2; i++) {
        struct record r = simple_record(i);
        r.due_ms += i * 1000;
        envelope_builder_add(f->builder, &r);
        envelope_builder_finish(f->builder, &f->out, &id);
        struct slice frame = slice_from(f->out.ptr + start, f->out.len - start);
        assert_status(envelope_peek(frame, &infos[i]), STATUS_OK);
        start = f->out.len;
    }
    struct envelope_info info;
    assert_status(envelope_peek(buf_slice(&f->out), &info), STATUS_CORRUPT);
}

static void add_of_another_second(void *ctx)
{
    struct envelope_builder *b = ctx;
    struct record r = simple_record(1);
    envelope_builder_add(b, &r);
    r.due_ms += 1000;
    envelope_builder_add(b, &r);
}

static void add_beyond_the_limit(void *ctx)
{
    struct envelope_builder *b = ctx;
    uint8_t *bytes = mem_calloc(1, ENVELOPE_RAW_BYTES_MAX);
    struct record r = simple_record(1);
    r.value = slice_from(bytes, ENVELOPE_RAW_BYTES_MAX);
    envelope_builder_add(b, &r);
}

static void misuse_aborts(void **state)
{
    struct envelope_fixture *f = *state;
    expect_abort(add_of_another_second, f->builder);
    expect_abort(add_beyond_the_limit, f->builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENVELOPE_TEST(every_flipped_bit_is_noticed),
        ENVELOPE_TEST(every_cut_is_noticed),
        ENVELOPE_TEST(mutations_behind_a_right_crc_never_crash),
        ENVELOPE_TEST(unknown_versions_and_flags_are_told_apart),
        ENVELOPE_TEST(limits_are_kept_before_memory_is_taken),
        ENVELOPE_TEST(frames_of_two_seconds_do_not_join),
        ENVELOPE_TEST(misuse_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
