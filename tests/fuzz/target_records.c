/* Records of every shape: packed, joined, decoded, the same; and whichever byte of it changes on
 * the way is noticed. */
#include "common/digest.h"
#include "common/encode.h"
#include "common/envelope_wire.h"
#include "common/limits.h"
#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

#define FRAMES      3U
#define RECORDS_MAX 64
#define HEADERS_MAX 6
#define ZEROS       40000

struct world {
    struct fuzz_input in;
    struct record records[RECORDS_MAX]; /* as packed */
    struct record_header headers[RECORDS_MAX][HEADERS_MAX];
    uint32_t count;
    uint8_t *zeros; /* what compresses well */
    struct record_header *scratch;
};

static struct slice take_topic(struct world *w)
{
    static const char *const topics[] = {"a", "delay", "target.of-all_kinds", ""};
    uint8_t choice = fuzz_byte(&w->in);
    return choice < 128 ? slice_from_str(topics[choice % ARRAY_LEN(topics)])
                        : fuzz_take(&w->in, MIN(choice, TOPIC_NAME_BYTES_MAX));
}

static struct slice take_bytes(struct world *w)
{
    uint8_t kind = fuzz_byte(&w->in);
    if (kind >= 250)
        return slice_from(w->zeros, fuzz_number(&w->in) % ZEROS);
    return kind == 0 ? SLICE_NULL : fuzz_take(&w->in, kind - 1U);
}

static struct slice take_id(struct world *w)
{
    struct slice id = fuzz_nullable(&w->in);
    id.len = MIN(id.len, DELAY_ID_BYTES_MAX);
    return id;
}

static const struct record *take_record(struct world *w, int64_t second_ms)
{
    struct record *r = &w->records[w->count];
    struct record_header *headers = w->headers[w->count];
    w->count++;
    *r = (struct record){
        .due_ms = second_ms + (int64_t)(fuzz_number(&w->in) % ENVELOPE_SPAN_MS),
        .target = take_topic(w),
        .source_topic = take_topic(w),
        .source_partition = (int32_t)(uint32_t)fuzz_number(&w->in),
        .source_offset = (int64_t)fuzz_number(&w->in),
        .delay_id = take_id(w),
        .key = take_bytes(w),
        .value = take_bytes(w),
        .headers = headers,
        .header_count = fuzz_byte(&w->in) % (HEADERS_MAX + 1),
    };
    for (uint32_t i = 0; i < r->header_count; i++)
        headers[i] = (struct record_header){fuzz_take(&w->in, fuzz_byte(&w->in) % 32),
                                            fuzz_nullable(&w->in)};
    return r;
}

static void pack_frame(struct world *w, int64_t second_ms, struct buf *out)
{
    struct envelope_builder *builder = envelope_builder_new();
    size_t bound = 0;
    uint32_t packed = 0;
    while (w->count < RECORDS_MAX && (packed == 0 || !fuzz_is_empty(&w->in))) {
        uint32_t before = w->count;
        const struct record *r = take_record(w, second_ms);
        bound += envelope_record_bytes(r);
        if (bound > ENVELOPE_RAW_BYTES_MAX) {
            w->count = before;
            break;
        }
        envelope_builder_add(builder, r);
        packed++;
        if (fuzz_byte(&w->in) % 8 == 7)
            break;
    }
    struct envelope_id id;
    if (packed > 0)
        envelope_builder_finish(builder, out, &id);
    envelope_builder_free(builder);
}

/* Records come back in due order, those of one millisecond as they were packed. */
static void compare(const struct world *w, const struct envelope *e)
{
    uint32_t at = 0;
    EXPECT(envelope_get_info(e)->records == w->count);
    for (int64_t due = 0; due < ENVELOPE_SPAN_MS && at < w->count; due++) {
        if (envelope_due_offsets(e)[at] != due)
            continue;
        for (uint32_t i = 0; i < w->count; i++) {
            if (w->records[i].due_ms % ENVELOPE_SPAN_MS != due)
                continue;
            struct record record;
            envelope_record(e, at++, w->scratch, &record);
            EXPECT(fuzz_same_record(&w->records[i], &record));
        }
    }
    EXPECT(at == w->count);
}

/* One byte is changed: CRC-32 must see it. */
static void spoil(struct world *w, const struct buf *frames)
{
    size_t at = fuzz_number(&w->in) % frames->len;
    uint8_t change = fuzz_byte(&w->in);
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(buf_slice(frames));
    struct envelope *e = NULL;
    copy[at] ^= change == 0 ? 1 : change;
    EXPECT(envelope_decode(slice_from(copy, frames->len), &e, NULL) != STATUS_OK);
}

static void as_blob(struct world *w, const struct record *r)
{
    CLEANUP(buf_release) struct buf blob;
    CLEANUP(buf_release) struct buf frame;
    buf_init(&blob, MIB);
    buf_init(&frame, MIB);
    record_encode(r, &blob);
    struct blob_ref ref = {
        .parts = 1,
        .total_bytes = (uint32_t)blob.len,
        .crc32 = digest_crc32(0, buf_slice(&blob)),
    };
    record_id(r, &ref.blob_id);
    struct envelope_builder *builder = envelope_builder_new();
    struct envelope_id id;
    envelope_builder_add_blob(builder, r, &ref);
    envelope_builder_finish(builder, &frame, &id);
    envelope_builder_free(builder);
    EXPECT(memcmp(&id, &ref.blob_id, sizeof(id)) == 0);
    struct envelope *e = NULL;
    EXPECT(envelope_decode(buf_slice(&frame), &e, NULL) == STATUS_OK);
    EXPECT(envelope_attach_blob(e, buf_slice(&blob), NULL) == STATUS_OK);
    struct record record;
    envelope_record(e, 0, w->scratch, &record);
    EXPECT(fuzz_same_record(r, &record));
    envelope_free(e);
}

/* As an SQS body. */
static void through_base64(const struct buf *frames)
{
    CLEANUP(buf_release) struct buf text;
    CLEANUP(buf_release) struct buf raw;
    buf_init(&text, (size_t)4 * MIB);
    buf_init(&raw, (size_t)4 * MIB);
    encode_base64(buf_slice(frames), &text);
    EXPECT(text.len == encode_base64_len(frames->len));
    EXPECT(decode_base64(buf_slice(&text), &raw) == STATUS_OK);
    EXPECT(slice_equal(buf_slice(&raw), buf_slice(frames)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world *w = mem_calloc(1, sizeof(*w));
    w->in = fuzz_open(data, size);
    w->zeros = mem_calloc(1, ZEROS);
    w->scratch = mem_calloc(RECORD_HEADERS_MAX, sizeof(*w->scratch));
    CLEANUP(buf_release) struct buf frames;
    buf_init(&frames, (size_t)4 * MIB);
    unsigned count = 1U + fuzz_byte(&w->in) % FRAMES;
    int64_t second_ms = (int64_t)(fuzz_number(&w->in) % (DUE_SECOND_MS_MAX + 1)) / 1000 * 1000;
    for (unsigned i = 0; i < count; i++)
        pack_frame(w, second_ms, &frames);
    struct envelope *e = NULL;
    EXPECT(envelope_decode(buf_slice(&frames), &e, NULL) == STATUS_OK);
    compare(w, e);
    envelope_free(e);
    as_blob(w, &w->records[0]);
    through_base64(&frames);
    spoil(w, &frames);
    mem_free(w->scratch);
    mem_free(w->zeros);
    mem_free(w);
    return 0;
}
