#include "common/envelope.h"

#include <assert.h>
#include <string.h>

#include "common/check.h"
#include "common/compress.h"
#include "common/envelope_wire.h"
#include "common/intern.h"
#include "common/mem.h"

#define IDENTITY_BYTES_MAX (4 + TOPIC_NAME_BYTES_MAX + 4 + 8 + 8)

struct envelope_builder {
    struct compressor *compressor; /* NULL until the first frame */
    struct intern topics;
    struct intern sources; /* of struct source_key */
    struct buf records;    /* encoded, in the order in which they came */
    struct buf payload;    /* scratch: tables and records together */
    struct buf identity;   /* what the frame id is the hash of */
    int64_t second_ms;     /* -1 while empty */
    size_t bound_bytes;    /* sum of envelope_record_bytes */
    uint32_t count;
    uint16_t first_due_offset;
    uint8_t flags;
};

/* Looked up by its bytes, so it has no padding. */
struct source_key {
    uint32_t topic;
    uint32_t partition;
    uint64_t offset_high;
};
static_assert(sizeof(struct source_key) == 16, "no padding");

static void builder_init(struct envelope_builder *b, size_t payload_bytes_max)
{
    *b = (struct envelope_builder){.second_ms = -1};
    intern_init(&b->topics);
    intern_init(&b->sources);
    buf_init(&b->records, payload_bytes_max);
    buf_init(&b->payload, payload_bytes_max);
    buf_init(&b->identity, (size_t)IDENTITY_BYTES_MAX * ENVELOPE_RECORDS_MAX);
}

static void builder_release(struct envelope_builder *b)
{
    compressor_free(b->compressor);
    intern_release(&b->topics);
    intern_release(&b->sources);
    buf_release(&b->records);
    buf_release(&b->payload);
    buf_release(&b->identity);
}

static void builder_clear(struct envelope_builder *b)
{
    intern_clear(&b->topics);
    intern_clear(&b->sources);
    buf_clear(&b->records);
    buf_clear(&b->payload);
    buf_clear(&b->identity);
    b->second_ms = -1;
    b->bound_bytes = 0;
    b->count = 0;
    b->flags = 0;
}

struct envelope_builder *envelope_builder_new(void)
{
    struct envelope_builder *b = mem_alloc(sizeof(*b));
    builder_init(b, ENVELOPE_RAW_BYTES_MAX);
    return b;
}

void envelope_builder_free(struct envelope_builder *b)
{
    if (b == NULL)
        return;
    builder_release(b);
    mem_free(b);
}

static uint64_t offset_high(const struct record *r)
{
    return (uint64_t)r->source_offset >> SOURCE_OFFSET_BITS;
}

static uint64_t offset_low(const struct record *r)
{
    return (uint64_t)r->source_offset & ((UINT64_C(1) << SOURCE_OFFSET_BITS) - 1);
}

size_t envelope_record_bytes(const struct record *r)
{
    /* Table numbers are below 2 * ENVELOPE_RECORDS_MAX, counts not above: three bytes as varints.
     * All records pay for the two counts, so that the first one does. */
    enum { NUMBER = 3, COUNTS = 2 * NUMBER, DUE = 2, OFFSET_LOW = 2 };
    static_assert(2 * ENVELOPE_RECORDS_MAX < 1 << 21, "numbers of tables fit three bytes");
    static_assert(SOURCE_OFFSET_BITS <= 14 && ENVELOPE_SPAN_MS <= 1 << 14, "two bytes");
    size_t tables = wire_nullable_bytes(r->target) + wire_nullable_bytes(r->source_topic) + NUMBER +
                    wire_varint_bytes((uint32_t)r->source_partition) +
                    wire_varint_bytes(offset_high(r));
    size_t head = COUNTS + DUE + NUMBER + NUMBER + OFFSET_LOW;
    size_t bytes = tables + head + wire_nullable_bytes(r->delay_id) + wire_nullable_bytes(r->key) +
                   wire_nullable_bytes(r->value) + wire_varint_bytes(r->header_count);
    for (uint32_t i = 0; i < r->header_count; i++) {
        bytes += wire_varint_bytes(r->headers[i].name.len) + r->headers[i].name.len;
        bytes += wire_nullable_bytes(r->headers[i].value);
    }
    return bytes;
}

/* What all kinds of records begin with; keeps the tables, the due times and the identity. */
static void add_head(struct envelope_builder *b, const struct record *r)
{
    CHECK(r->due_ms >= 0 && r->due_ms < DUE_SECOND_MS_MAX + ENVELOPE_SPAN_MS);
    CHECK(r->target.len <= TOPIC_NAME_BYTES_MAX && r->source_topic.len <= TOPIC_NAME_BYTES_MAX);
    CHECK(r->delay_id.len <= DELAY_ID_BYTES_MAX && r->header_count <= RECORD_HEADERS_MAX);
    CHECK(b->count < ENVELOPE_RECORDS_MAX && (b->flags & FRAME_BLOB) == 0);
    uint16_t due_offset = (uint16_t)(r->due_ms % ENVELOPE_SPAN_MS);
    int64_t second_ms = r->due_ms - due_offset;
    CHECK(b->count == 0 || b->second_ms == second_ms);
    if (b->count == 0 || due_offset < b->first_due_offset)
        b->first_due_offset = due_offset;
    b->second_ms = second_ms;
    b->count++;

    struct source_key source = {
        .topic = intern_put(&b->topics, r->source_topic),
        .partition = (uint32_t)r->source_partition,
        .offset_high = offset_high(r),
    };
    wire_put_varint(&b->records, due_offset);
    wire_put_varint(&b->records, intern_put(&b->topics, r->target));
    wire_put_varint(&b->records, intern_put(&b->sources, slice_from(&source, sizeof(source))));
    wire_put_varint(&b->records, offset_low(r));
    wire_put_nullable(&b->records, r->delay_id);
    wire_put_identity(&b->identity, r);
}

static void add_whole(struct envelope_builder *b, const struct record *r)
{
    add_head(b, r);
    wire_put_nullable(&b->records, r->key);
    wire_put_nullable(&b->records, r->value);
    wire_put_varint(&b->records, r->header_count);
    for (uint32_t i = 0; i < r->header_count; i++) {
        wire_put_varint(&b->records, r->headers[i].name.len);
        buf_append_slice(&b->records, r->headers[i].name);
        wire_put_nullable(&b->records, r->headers[i].value);
    }
    CHECK(!b->records.overflow);
}

void envelope_builder_add(struct envelope_builder *b, const struct record *r)
{
    b->bound_bytes += envelope_record_bytes(r);
    CHECK(b->bound_bytes <= ENVELOPE_RAW_BYTES_MAX);
    add_whole(b, r);
}

void envelope_builder_add_blob(struct envelope_builder *b, const struct record *r,
                               const struct blob_ref *ref)
{
    CHECK(b->count == 0);
    add_head(b, r);
    b->flags = FRAME_BLOB;
    uint8_t crc[4];
    wire_put_u32(crc, ref->crc32);
    buf_append(&b->records, ref->blob_id.bytes, ENVELOPE_ID_SIZE);
    wire_put_varint(&b->records, ref->parts);
    wire_put_varint(&b->records, ref->total_bytes);
    buf_append(&b->records, crc, sizeof(crc));
}

static void put_tables(const struct envelope_builder *b, struct buf *out)
{
    wire_put_varint(out, b->topics.count);
    for (uint32_t i = 0; i < b->topics.count; i++) {
        struct slice name = intern_get(&b->topics, i);
        wire_put_varint(out, name.len);
        buf_append_slice(out, name);
    }
    wire_put_varint(out, b->sources.count);
    for (uint32_t i = 0; i < b->sources.count; i++) {
        struct source_key source;
        memcpy(&source, intern_get(&b->sources, i).ptr, sizeof(source));
        wire_put_varint(out, source.topic);
        wire_put_varint(out, source.partition);
        wire_put_varint(out, source.offset_high);
    }
}

size_t envelope_builder_raw_bytes(const struct envelope_builder *b)
{
    if (b->count == 0)
        return 0;
    size_t bytes = wire_varint_bytes(b->topics.count) + wire_varint_bytes(b->sources.count);
    for (uint32_t i = 0; i < b->topics.count; i++) {
        size_t len = intern_get(&b->topics, i).len;
        bytes += wire_varint_bytes(len) + len;
    }
    for (uint32_t i = 0; i < b->sources.count; i++) {
        struct source_key source;
        memcpy(&source, intern_get(&b->sources, i).ptr, sizeof(source));
        bytes += wire_varint_bytes(source.topic) + wire_varint_bytes(source.partition) +
                 wire_varint_bytes(source.offset_high);
    }
    return bytes + b->records.len;
}

/* Appends data, smaller if zstd makes it so; gives the flag. */
static uint8_t put_packed(struct envelope_builder *b, struct slice data, struct buf *out)
{
    if (b->compressor == NULL)
        b->compressor = compressor_new();
    if (compressor_pack(b->compressor, data, out) == STATUS_OK)
        return FRAME_ZSTD;
    buf_append_slice(out, data);
    return 0;
}

void envelope_builder_finish(struct envelope_builder *b, struct buf *out,
                             struct envelope_id *ret_id)
{
    CHECK(b->count > 0);
    buf_clear(&b->payload);
    put_tables(b, &b->payload);
    buf_append_slice(&b->payload, buf_slice(&b->records));
    CHECK(!b->payload.overflow);

    size_t start = out->len;
    static const uint8_t room[ENVELOPE_FRAME_HEADER_BYTES];
    buf_append(out, room, sizeof(room));
    uint8_t packed = put_packed(b, buf_slice(&b->payload), out);
    CHECK(!out->overflow);

    struct frame_header header = {
        .flags = b->flags | packed,
        .first_due_offset = b->first_due_offset,
        .second_ms = b->second_ms,
        .id = wire_id(buf_slice(&b->identity)),
        .records = b->count,
        .stored_bytes = (uint32_t)(out->len - start - ENVELOPE_FRAME_HEADER_BYTES),
        .raw_bytes = (uint32_t)b->payload.len,
    };
    uint8_t *frame = out->ptr + start;
    frame_header_write(&header, frame);
    wire_put_u32(frame + ENVELOPE_FRAME_HEADER_BYTES - 4, frame_crc32(frame, header.stored_bytes));
    *ret_id = header.id;
    builder_clear(b);
}

void record_encode(const struct record *r, struct buf *out)
{
    struct envelope_builder b;
    builder_init(&b, BLOB_BODY_BYTES_MAX);
    add_whole(&b, r);
    wire_put_varint(&b.payload, (uint64_t)b.second_ms);
    put_tables(&b, &b.payload);
    buf_append_slice(&b.payload, buf_slice(&b.records));
    CHECK(!b.payload.overflow);

    size_t start = out->len;
    buf_append_byte(out, BLOB_VERSION);
    buf_append_byte(out, 0);
    wire_put_varint(out, b.payload.len);
    uint8_t flags = put_packed(&b, buf_slice(&b.payload), out);
    CHECK(!out->overflow);
    out->ptr[start + 1] = flags;
    builder_release(&b);
}

void record_id(const struct record *r, struct envelope_id *ret_id)
{
    struct buf identity;
    buf_init(&identity, IDENTITY_BYTES_MAX);
    wire_put_identity(&identity, r);
    CHECK(!identity.overflow);
    *ret_id = wire_id(buf_slice(&identity));
    buf_release(&identity);
}
