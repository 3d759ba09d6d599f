/* Frames from outside: looked at, decoded, packed again. The checksum would keep a fuzzer out of
 * all that is behind it, so on request it is put right first. */
#include "common/digest.h"
#include "common/envelope_wire.h"
#include "common/limits.h"
#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

enum {
    MODE_RIGHT_CRC = 1, /* put every frame's checksum right */
    MODE_BLOB = 2,      /* a frame of ours, and the input is the blob that it refers to */
};

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put_crcs_right(uint8_t *frames, size_t len)
{
    while (len >= ENVELOPE_FRAME_HEADER_BYTES) {
        uint32_t stored = get_u32(frames + 36);
        if (stored > len - ENVELOPE_FRAME_HEADER_BYTES)
            return;
        wire_put_u32(frames + 44, frame_crc32(frames, stored));
        frames += ENVELOPE_FRAME_HEADER_BYTES + stored;
        len -= ENVELOPE_FRAME_HEADER_BYTES + stored;
    }
}

/* Packed again in due order, the same records must come out. */
static void pack_again(const struct envelope *e, struct record_header *headers,
                       struct record_header *more_headers)
{
    const struct envelope_info *info = envelope_get_info(e);
    struct envelope_builder *builder = envelope_builder_new();
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, (size_t)4 * MIB);
    size_t bound = 0;
    struct record record;
    uint32_t count = 0;
    for (; count < info->records; count++) {
        envelope_record(e, count, headers, &record);
        bound += envelope_record_bytes(&record);
        if (bound > ENVELOPE_RAW_BYTES_MAX)
            break;
        envelope_builder_add(builder, &record);
    }
    if (count > 0) {
        struct envelope_id id;
        struct envelope *again = NULL;
        EXPECT(envelope_builder_raw_bytes(builder) <= bound);
        envelope_builder_finish(builder, &out, &id);
        EXPECT(envelope_decode(buf_slice(&out), &again, NULL) == STATUS_OK);
        EXPECT(envelope_get_info(again)->records == count);
        EXPECT(memcmp(&envelope_get_info(again)->id, &id, sizeof(id)) == 0);
        for (uint32_t i = 0; i < count; i++) {
            struct record repeated;
            envelope_record(e, i, headers, &record);
            envelope_record(again, i, more_headers, &repeated);
            EXPECT(fuzz_same_record(&record, &repeated));
        }
        envelope_free(again);
    }
    envelope_builder_free(builder);
}

static void look_at(const struct envelope *e)
{
    const struct envelope_info *info = envelope_get_info(e);
    const uint16_t *due = envelope_due_offsets(e);
    EXPECT(info->records >= 1 && info->records <= ENVELOPE_RECORDS_MAX);
    EXPECT(info->first_due_ms == info->second_ms + due[0]);
    for (uint32_t i = 0; i < info->records; i++) {
        EXPECT(due[i] < ENVELOPE_SPAN_MS);
        EXPECT(i == 0 || due[i - 1] <= due[i]);
    }
    EXPECT(envelope_memory_bytes(e) >= info->raw_bytes);
    struct record_header *headers = mem_calloc(RECORD_HEADERS_MAX, sizeof(*headers));
    struct record_header *more_headers = mem_calloc(RECORD_HEADERS_MAX, sizeof(*headers));
    if (envelope_blob_ref(e) == NULL) {
        pack_again(e, headers, more_headers);
    } else {
        struct record record;
        EXPECT(info->records == 1);
        envelope_record(e, 0, headers, &record);
    }
    mem_free(headers);
    mem_free(more_headers);
}

static void decode(struct slice frames)
{
    struct envelope_info info;
    struct envelope *e = NULL;
    struct error error = {.kind = ERROR_NONE};
    enum status peeked = envelope_peek(frames, &info);
    enum status decoded = envelope_decode(frames, &e, &error);
    if (peeked != STATUS_OK)
        EXPECT(decoded == peeked);
    EXPECT(decoded == STATUS_OK || (error.kind == ERROR_PERMANENT && error.code[0] != '\0'));
    if (decoded != STATUS_OK)
        return;
    const struct envelope_info *own = envelope_get_info(e);
    EXPECT(own->records == info.records && own->frames == info.frames);
    EXPECT(memcmp(&own->id, &info.id, sizeof(info.id)) == 0);
    EXPECT(own->first_due_ms == info.first_due_ms && own->raw_bytes == info.raw_bytes);
    look_at(e);
    envelope_free(e);
}

static void attach(struct slice blob)
{
    const struct record record = {
        .due_ms = INT64_C(1790000000123),
        .target = SLICE_LITERAL("target"),
        .source_topic = SLICE_LITERAL("delay"),
        .source_partition = 3,
        .source_offset = 17,
    };
    struct blob_ref ref = {
        .parts = 1,
        .total_bytes = (uint32_t)blob.len,
        .crc32 = digest_crc32(0, blob),
    };
    record_id(&record, &ref.blob_id);
    struct envelope_builder *builder = envelope_builder_new();
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, MIB);
    struct envelope_id id;
    envelope_builder_add_blob(builder, &record, &ref);
    envelope_builder_finish(builder, &out, &id);
    envelope_builder_free(builder);

    struct envelope *e = NULL;
    if (envelope_decode(buf_slice(&out), &e, NULL) != STATUS_OK) {
        EXPECT(blob.len == 0); /* a blob of nothing is no blob */
        return;
    }
    EXPECT(envelope_blob_ref(e) != NULL);
    if (envelope_attach_blob(e, blob, NULL) == STATUS_OK) {
        EXPECT(envelope_blob_ref(e) == NULL);
        look_at(e);
    } else {
        EXPECT(envelope_blob_ref(e) != NULL);
    }
    envelope_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_open(data, size);
    uint8_t mode = fuzz_byte(&in);
    struct slice rest = fuzz_rest(&in);
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(rest);
    if ((mode & MODE_BLOB) != 0) {
        attach(slice_from(copy, rest.len));
        return 0;
    }
    if ((mode & MODE_RIGHT_CRC) != 0)
        put_crcs_right(copy, rest.len);
    decode(slice_from(copy, rest.len));
    return 0;
}
