/* The bytes themselves: a table may hold envelopes for a year, and what reads them then is newer
 * than what wrote them. */
#include "tests/harness/envelopes.h"

#include "common/encode.h"
#include "common/envelope_wire.h"

/* --- primitives ------------------------------------------------------------------------------ */

static struct wire_reader reader_of(struct slice bytes)
{
    return (struct wire_reader){.at = bytes.ptr, .end = bytes.ptr + bytes.len};
}

static void varints_round_trip_at_every_width(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 64; bits++) {
        for (int64_t off = -1; off <= 1; off++) {
            uint64_t value = (bits == 64 ? 0 : UINT64_C(1) << bits) + (uint64_t)off;
            CLEANUP(buf_release) struct buf out;
            buf_init(&out, 16);
            wire_put_varint(&out, value);
            assert_int_equal(out.len, wire_varint_bytes(value));
            struct wire_reader r = reader_of(buf_slice(&out));
            assert_true(wire_get_varint(&r, UINT64_MAX) == value);
            assert_false(r.failed);
            assert_ptr_equal(r.at, r.end);
            r = reader_of(buf_slice(&out));
            assert_true(wire_get_varint(&r, value) == value);
            assert_false(r.failed);
            if (value > 0) {
                r = reader_of(buf_slice(&out));
                assert_true(wire_get_varint(&r, value - 1) == 0);
                assert_true(r.failed);
            }
            for (size_t cut = 0; cut < out.len; cut++) {
                r = reader_of(slice_from(out.ptr, cut));
                wire_get_varint(&r, UINT64_MAX);
                assert_true(r.failed);
            }
        }
    }
    assert_int_equal(wire_varint_bytes(0), 1);
    assert_int_equal(wire_varint_bytes(UINT64_MAX), 10);
}

static void a_varint_over_64_bits_is_refused(void **state)
{
    (void)state;
    const struct slice wrong[] = {
        SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
        SLICE_LITERAL("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
        SLICE_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct wire_reader r = reader_of(wrong[i]);
        assert_true(wire_get_varint(&r, UINT64_MAX) == 0);
        assert_true(r.failed);
    }
}

static void a_failure_is_sticky(void **state)
{
    (void)state;
    struct wire_reader r = reader_of(SLICE_LITERAL("\x05"
                                                   "abcde"));
    assert_true(slice_is_null(wire_get_bytes(&r, 7)));
    assert_true(r.failed);
    assert_true(slice_is_null(wire_get_bytes(&r, 1)));
    assert_true(slice_is_null(wire_get_bytes(&r, 0)));
    assert_int_equal(wire_get_varint(&r, 10), 0);

    r = reader_of(SLICE_LITERAL("ab"));
    assert_true(slice_is_null(wire_get_bytes(&r, UINT64_MAX)));
    r = reader_of(SLICE_LITERAL("ab"));
    assert_slice_equal(wire_get_bytes(&r, 2), "ab");
    assert_false(slice_is_null(wire_get_bytes(&r, 0))); /* empty, at the end */
    assert_false(r.failed);
}

static void nullables_take_what_they_say(void **state)
{
    (void)state;
    char long_text[200];
    memset(long_text, 'x', sizeof(long_text));
    const struct slice texts[] = {SLICE_NULL, SLICE_LITERAL(""), slice_from(long_text, 126),
                                  slice_from(long_text, 127), slice_from(long_text, 200)};
    static const size_t bytes[] = {1, 1, 1 + 126, 2 + 127, 2 + 200};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(buf_release) struct buf out;
        buf_init(&out, 256);
        wire_put_nullable(&out, texts[i]);
        assert_int_equal(out.len, bytes[i]);
        assert_int_equal(wire_nullable_bytes(texts[i]), bytes[i]);
    }
}

/* --- frame header ---------------------------------------------------------------------------- */

#define PAYLOAD_BYTES 40

static const struct frame_header plain_header = {
    .first_due_offset = 999,
    .second_ms = DUE_SECOND_MS_MAX,
    .id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    .records = 1,
    .stored_bytes = PAYLOAD_BYTES,
    .raw_bytes = PAYLOAD_BYTES,
};

static enum status read_header(const struct frame_header *header, struct frame_header *ret)
{
    uint8_t frame[ENVELOPE_FRAME_HEADER_BYTES + PAYLOAD_BYTES] = {0};
    frame_header_write(header, frame);
    wire_put_u32(frame + ENVELOPE_FRAME_HEADER_BYTES - 4, 0xfedcba98);
    return frame_header_read(slice_from(frame, sizeof(frame)), ret);
}

static void a_header_reads_as_it_was_written(void **state)
{
    (void)state;
    struct frame_header got;
    assert_status(read_header(&plain_header, &got), STATUS_OK);
    assert_int_equal(got.flags, 0);
    assert_int_equal(got.first_due_offset, 999);
    assert_int_equal(got.second_ms, DUE_SECOND_MS_MAX);
    assert_memory_equal(&got.id, &plain_header.id, sizeof(got.id));
    assert_int_equal(got.records, 1);
    assert_int_equal(got.stored_bytes, PAYLOAD_BYTES);
    assert_int_equal(got.raw_bytes, PAYLOAD_BYTES);
    assert_int_equal(got.crc32, 0xfedcba98);
}

static void a_header_that_cannot_be_is_refused(void **state)
{
    (void)state;
    struct header_case {
        const char *name;
        struct frame_header header;
        enum status status;
    } cases[] = {
        {"zstd makes it larger", plain_header, STATUS_OK},
        {"lengths differ", plain_header, STATUS_CORRUPT},
        {"no records", plain_header, STATUS_CORRUPT},
        {"most records", plain_header, STATUS_OK},
        {"too many records", plain_header, STATUS_TOO_LARGE},
        {"nothing in it", plain_header, STATUS_CORRUPT},
        {"most bytes", plain_header, STATUS_OK},
        {"too many bytes", plain_header, STATUS_TOO_LARGE},
        {"payload missing", plain_header, STATUS_CORRUPT},
        {"blob", plain_header, STATUS_OK},
        {"two blobs", plain_header, STATUS_CORRUPT},
        {"unknown flag", plain_header, STATUS_UNSUPPORTED},
        {"due in another second", plain_header, STATUS_CORRUPT},
        {"not a whole second", plain_header, STATUS_CORRUPT},
        {"before the epoch", plain_header, STATUS_CORRUPT},
        {"after the last key", plain_header, STATUS_CORRUPT},
    };
    cases[0].header.flags = FRAME_ZSTD;
    cases[0].header.raw_bytes = PAYLOAD_BYTES - 1;
    cases[1].header.raw_bytes = PAYLOAD_BYTES + 1;
    cases[2].header.records = 0;
    cases[3].header.records = ENVELOPE_RECORDS_MAX;
    cases[4].header.records = ENVELOPE_RECORDS_MAX + 1;
    cases[5].header.stored_bytes = cases[5].header.raw_bytes = 0;
    cases[6].header.flags = cases[7].header.flags = FRAME_ZSTD;
    cases[6].header.raw_bytes = ENVELOPE_RAW_BYTES_MAX;
    cases[7].header.raw_bytes = ENVELOPE_RAW_BYTES_MAX + 1;
    cases[8].header.stored_bytes = cases[8].header.raw_bytes = PAYLOAD_BYTES + 1;
    cases[9].header.flags = cases[10].header.flags = FRAME_BLOB;
    cases[10].header.records = 2;
    cases[11].header.flags = FRAME_FLAGS_KNOWN + 1;
    cases[12].header.first_due_offset = ENVELOPE_SPAN_MS;
    cases[13].header.second_ms = DUE_SECOND_MS_MAX - 1;
    cases[14].header.second_ms = -ENVELOPE_SPAN_MS;
    cases[15].header.second_ms = DUE_SECOND_MS_MAX + ENVELOPE_SPAN_MS;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame_header got = {.records = 77};
        enum status status = read_header(&cases[i].header, &got);
        if (status != cases[i].status)
            fail_msg("%s: %s", cases[i].name, status_name(status));
        if (status != STATUS_OK)
            assert_int_equal(got.records, 77); /* untouched */
    }
}

/* A newer version may have another header: it is told apart before anything else is read. */
static void the_version_is_asked_first(void **state)
{
    (void)state;
    struct frame_header got;
    assert_status(frame_header_read(SLICE_LITERAL("DLYN\x02"), &got), STATUS_UNSUPPORTED);
    assert_status(frame_header_read(SLICE_LITERAL("DLYN\0"), &got), STATUS_UNSUPPORTED);
    assert_status(frame_header_read(SLICE_LITERAL("DLYN\x01"), &got), STATUS_CORRUPT);
    assert_status(frame_header_read(SLICE_LITERAL("DLYN"), &got), STATUS_CORRUPT);
    assert_status(frame_header_read(SLICE_LITERAL("dlyn\x01"), &got), STATUS_CORRUPT);
}

/* --- version 1, for ever --------------------------------------------------------------------- */

/* Made by data/make_envelope_bytes.py, from the description in the headers alone. */
#define FRAME_HEX                                                                                  \
    "444c594e01000700006c50c4a0010000c2fcda9e3aa06af3fc436804998d69c70200000034000000"             \
    "34000000cf9212ee020564656c6179066f726465727301000397d012070100806400026b01020168"             \
    "00000300ffe70700008164056d696e6500027600"
#define BLOB_HEX                                                                                   \
    "01002b80d8c1a28c34020564656c6179066f726465727301000397d012070100806400026b010201"             \
    "6800000300ff"

static struct record first_record(struct record_header headers[2])
{
    headers[0] = (struct record_header){SLICE_LITERAL("h"), SLICE_NULL};
    headers[1] = (struct record_header){SLICE_LITERAL(""), SLICE_LITERAL("\0\xff")};
    return (struct record){
        .due_ms = SECOND + 7,
        .target = SLICE_LITERAL("orders"),
        .source_topic = SLICE_LITERAL("delay"),
        .source_partition = 3,
        .source_offset = INT64_C(5000000000),
        .key = SLICE_LITERAL("k"),
        .value = SLICE_LITERAL(""),
        .headers = headers,
        .header_count = 2,
    };
}

static struct record second_record(void)
{
    return (struct record){
        .due_ms = SECOND + 999,
        .target = SLICE_LITERAL("delay"),
        .source_topic = SLICE_LITERAL("delay"),
        .source_partition = 3,
        .source_offset = INT64_C(5000000001),
        .delay_id = SLICE_LITERAL("mine"),
        .value = SLICE_LITERAL("v"),
    };
}

static void expect_hex(const struct buf *got, const char *expected)
{
    CLEANUP(buf_release) struct buf hex;
    buf_init(&hex, KIB);
    encode_hex(buf_slice(got), &hex);
    assert_string_equal(buf_text(&hex), expected);
}

static void a_frame_is_written_byte_for_byte(void **state)
{
    struct envelope_fixture *f = *state;
    struct record_header headers[2];
    struct envelope_id id;
    struct record first = first_record(headers);
    struct record second = second_record();
    envelope_builder_add(f->builder, &first);
    envelope_builder_add(f->builder, &second);
    envelope_builder_finish(f->builder, &f->out, &id);
    expect_hex(&f->out, FRAME_HEX);
    buf_clear(&f->out);
    record_encode(&first, &f->out);
    expect_hex(&f->out, BLOB_HEX);
}

static void a_frame_of_today_is_read_tomorrow(void **state)
{
    struct envelope_fixture *f = *state;
    struct record_header headers[2];
    struct record expected[] = {first_record(headers), second_record()};
    struct envelope *e;
    assert_status(decode_hex(SLICE_LITERAL(FRAME_HEX), &f->out), STATUS_OK);
    assert_status(envelope_decode(buf_slice(&f->out), &e, NULL), STATUS_OK);
    assert_int_equal(envelope_get_info(e)->records, ARRAY_LEN(expected));
    for (uint32_t i = 0; i < ARRAY_LEN(expected); i++) {
        struct record got;
        envelope_record(e, i, f->headers, &got);
        assert_same_record(&expected[i], &got);
    }
    envelope_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_round_trip_at_every_width),
        cmocka_unit_test(a_varint_over_64_bits_is_refused),
        cmocka_unit_test(a_failure_is_sticky),
        cmocka_unit_test(nullables_take_what_they_say),
        cmocka_unit_test(a_header_reads_as_it_was_written),
        cmocka_unit_test(a_header_that_cannot_be_is_refused),
        cmocka_unit_test(the_version_is_asked_first),
        ENVELOPE_TEST(a_frame_is_written_byte_for_byte),
        ENVELOPE_TEST(a_frame_of_today_is_read_tomorrow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
