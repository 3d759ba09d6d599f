#include "tests/harness/envelopes.h"

#include "common/compiler.h"
#include "common/digest.h"
#include "common/mem.h"

static struct envelope *decode_blob_frame(struct envelope_fixture *f, const struct record *r,
                                          const struct buf *blob)
{
    struct blob_ref ref = {
        .parts = (uint32_t)((blob->len + BLOB_PART_BYTES_MAX - 1) / BLOB_PART_BYTES_MAX),
        .total_bytes = (uint32_t)blob->len,
        .crc32 = digest_crc32(0, buf_slice(blob)),
    };
    record_id(r, &ref.blob_id);
    struct envelope_id id;
    buf_clear(&f->out);
    envelope_builder_add_blob(f->builder, r, &ref);
    envelope_builder_finish(f->builder, &f->out, &id);
    assert_memory_equal(&id, &ref.blob_id, sizeof(id));
    struct envelope *e;
    assert_status(envelope_decode(buf_slice(&f->out), &e, NULL), STATUS_OK);
    assert_true(envelope_get_info(e)->blob);
    assert_memory_equal(envelope_blob_ref(e), &ref, sizeof(ref));
    return e;
}

static void a_blob_reads_as_if_inline(void **state)
{
    struct envelope_fixture *f = *state;
    struct prng random;
    prng_init(&random, 21);
    size_t len = 3 * MIB;
    uint8_t *bytes = mem_alloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)prng_next(&random);
    const struct record_header headers[] = {{SLICE_LITERAL("h"), SLICE_NULL},
                                            {SLICE_LITERAL("h"), SLICE_LITERAL("v")}};
    for (int packs = 0; packs < 2; packs++) {
        struct record r = simple_record(77);
        r.delay_id = SLICE_LITERAL("mine");
        r.value = slice_from(bytes, len);
        r.headers = headers;
        r.header_count = ARRAY_LEN(headers);
        struct buf blob;
        buf_init(&blob, RECORD_BYTES_MAX);
        record_encode(&r, &blob);
        assert_true(packs == 0 ? blob.len > len : blob.len < KIB);
        struct envelope *e = decode_blob_frame(f, &r, &blob);
        struct record got;
        envelope_record(e, 0, f->headers, &got);
        assert_int_equal(got.due_ms, r.due_ms);
        assert_slice_equal(got.target, "orders");
        assert_int_equal(got.header_count, 0);

        blob.ptr[blob.len / 2] ^= 1;
        assert_status(envelope_attach_blob(e, buf_slice(&blob), NULL), STATUS_CORRUPT);
        assert_non_null(envelope_blob_ref(e));
        blob.ptr[blob.len / 2] ^= 1;
        assert_status(envelope_attach_blob(e, slice_from(blob.ptr, blob.len - 1), NULL),
                      STATUS_CORRUPT);
        assert_status(envelope_attach_blob(e, buf_slice(&blob), NULL), STATUS_OK);
        assert_null(envelope_blob_ref(e));
        envelope_record(e, 0, f->headers, &got);
        assert_same_record(&r, &got);
        assert_true(envelope_memory_bytes(e) > len);
        envelope_free(e);
        buf_release(&blob);
        memset(bytes, 'x', len);
    }
    mem_free(bytes);
}

static void a_blob_of_another_record_is_refused(void **state)
{
    struct envelope_fixture *f = *state;
    for (int what = 0; what < 6; what++) {
        struct record r = simple_record(77);
        struct record other = r;
        switch (what) {
        case 0:
            other.due_ms++;
            break;
        case 1:
            other.target = SLICE_LITERAL("elsewhere");
            break;
        case 2:
            other.source_offset++;
            break;
        case 3:
            other.source_partition++;
            break;
        case 4:
            other.source_topic = SLICE_LITERAL("elsewhere");
            break;
        default:
            other.delay_id = SLICE_LITERAL("");
            break;
        }
        struct buf blob;
        buf_init(&blob, MIB);
        record_encode(&other, &blob);
        struct envelope *e = decode_blob_frame(f, &r, &blob);
        struct error error;
        assert_status(envelope_attach_blob(e, buf_slice(&blob), &error), STATUS_CORRUPT);
        assert_string_equal(error.code, "EnvelopeCorrupt");
        envelope_free(e);
        buf_release(&blob);
    }
}

static void broken_blobs_never_crash(void **state)
{
    struct envelope_fixture *f = *state;
    struct prng random;
    prng_init(&random, 31);
    struct record r = simple_record(77);
    for (int turn = 0; turn < 3000; turn++) {
        struct buf blob;
        buf_init(&blob, MIB);
        record_encode(&r, &blob);
        blob.ptr[prng_below(&random, blob.len)] = (uint8_t)prng_next(&random);
        if (turn % 3 == 0)
            blob.len = 1 + (size_t)prng_below(&random, blob.len);
        struct envelope *e = decode_blob_frame(f, &r, &blob);
        if (envelope_attach_blob(e, buf_slice(&blob), NULL) == STATUS_OK) {
            struct record got;
            envelope_record(e, 0, f->headers, &got);
        }
        envelope_free(e);
        buf_release(&blob);
    }
}

static void a_blob_frame_stays_alone(void **state)
{
    struct envelope_fixture *f = *state;
    struct record r = simple_record(77);
    struct buf blob;
    buf_init(&blob, MIB);
    record_encode(&r, &blob);
    envelope_free(decode_blob_frame(f, &r, &blob));
    struct envelope_info info;
    assert_status(envelope_peek(buf_slice(&f->out), &info), STATUS_OK);
    struct buf twice;
    buf_init(&twice, FRAMES_MAX);
    buf_append_slice(&twice, buf_slice(&f->out));
    buf_append_slice(&twice, buf_slice(&f->out));
    assert_status(envelope_peek(buf_slice(&twice), &info), STATUS_CORRUPT);
    buf_release(&twice);
    buf_release(&blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENVELOPE_TEST(a_blob_reads_as_if_inline),
        ENVELOPE_TEST(a_blob_of_another_record_is_refused),
        ENVELOPE_TEST(broken_blobs_never_crash),
        ENVELOPE_TEST(a_blob_frame_stays_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
