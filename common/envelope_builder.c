#include "common/envelope.h"

#include <assert.h>
#include <string.h>

#include "common/check.h"
#include "common/compress.h"
#include "common/envelope_wire.h"
#include "common/intern.h"
#include "common/mem.h"

#define IDENTITY_BYTES_MAX (4 + TOPIC_NAME_BYTES_MAX + 4 + 8 + 8)
/* Tables are known last and stand first: those of some dozen topics and partitions find room before
 * the records, so that a payload need not be copied together. */
#define TABLES_ROOM_BYTES KIB

struct envelope_builder {
    struct compressor *compressor; /* NULL until the first frame */
    struct intern topics;
    struct intern sources; /* of struct source_key */
    struct buf records;    /* TABLES_ROOM_BYTES, then encoded in the order in which they came */
    struct buf tables;     /* scratch */
    struct buf packed;     /* scratch: payload as it is stored */
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
    buf_init(&b->records, TABLES_ROOM_BYTES + payload_bytes_max);
    buf_init(&b->tables, payload_bytes_max);
    buf_init(&b->packed, payload_bytes_max);
    buf_init(&b->identity, (size_t)IDENTITY_BYTES_MAX * ENVELOPE_RECORDS_MAX);
}

static void builder_release(struct envelope_builder *b)
{
    compressor_free(b->compressor);
    intern_release(&b->topics);
    intern_release(&b->sources);
    buf_release(&b->records);
    buf_release(&b->tables);
    buf_release(&b->packed);
    buf_release(&b->identity);
}

static void builder_clear(struct envelope_builder *b)
{
    intern_clear(&b->topics);
    intern_clear(&b->sources);
    buf_clear(&b->records);
    buf_clear(&b->tables);
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

/* The same of what record_encode_rest leaves out. */
static size_t head_bytes(const struct record *r)
{
    /* Table numbers are below 2 * ENVELOPE_RECORDS_MAX, counts not above: three bytes as varints.
     * All records pay for the two counts, so that the first one does. */
    enum { NUMBER = 3, COUNTS = 2 * NUMBER, DUE = 2, OFFSET_LOW = 2 };
    static_assert(2 * ENVELOPE_RECORDS_MAX < 1 << 21, "numbers of tables fit three bytes");
    static_assert(SOURCE_OFFSET_BITS <= 14 && ENVELOPE_SPAN_MS <= 1 << 14, "two bytes");
    size_t tables = wire_nullable_bytes(r->target) + wire_nullable_bytes(r->source_topic) + NUMBER +
                    wire_varint_bytes((uint32_t)r->source_partition) +
                    wire_varint_bytes(offset_high(r));
    return tables + COUNTS + DUE + NUMBER + NUMBER + OFFSET_LOW;
}

static size_t rest_bytes(const struct record *r)
{
    size_t bytes = wire_nullable_bytes(r->delay_id) + wire_nullable_bytes(r->key) +
                   wire_nullable_bytes(r->value) + wire_varint_bytes(r->header_count);
    for (uint32_t i = 0; i < r->header_count; i++) {
        bytes += wire_varint_bytes(r->headers[i].name.len) + r->headers[i].name.len;
        bytes += wire_nullable_bytes(r->headers[i].value);
    }
    return bytes;
}

size_t envelope_record_bytes(const struct record *r)
{
    return head_bytes(r) + rest_bytes(r);
}

void record_encode_rest(const struct record *r, struct buf *out)
{
    CHECK(r->delay_id.len <= DELAY_ID_BYTES_MAX && r->header_count <= RECORD_HEADERS_MAX);
    size_t len = rest_bytes(r);
    uint8_t *to = buf_reserve(out, len);
    CHECK(to != NULL);
    const uint8_t *start = to;
    to = wire_write_nullable(to, r->delay_id);
    to = wire_write_nullable(to, r->key);
    to = wire_write_nullable(to, r->value);
    to = wire_write_varint(to, r->header_count);
    for (uint32_t i = 0; i < r->header_count; i++) {
        to = wire_write_varint(to, r->headers[i].name.len);
        to = wire_write_bytes(to, r->headers[i].name);
        to = wire_write_nullable(to, r->headers[i].value);
    }
    CHECK((size_t)(to - start) == len);
    buf_commit(out, len);
}

static void begin(struct envelope_builder *b)
{
    CHECK(buf_reserve(&b->records, TABLES_ROOM_BYTES) != NULL);
    buf_commit(&b->records, TABLES_ROOM_BYTES);
}

/* What all kinds of records begin with; keeps the tables, the due times and the identity. */
static void add_head(struct envelope_builder *b, const struct record *r)
{
    CHECK(r->due_ms >= 0 && r->due_ms < DUE_SECOND_MS_MAX + ENVELOPE_SPAN_MS);
    CHECK(r->target.len <= TOPIC_NAME_BYTES_MAX && r->source_topic.len <= TOPIC_NAME_BYTES_MAX);
    CHECK(b->count < ENVELOPE_RECORDS_MAX && (b->flags & FRAME_BLOB) == 0);
    uint16_t due_offset = (uint16_t)(r->due_ms % ENVELOPE_SPAN_MS);
    int64_t second_ms = r->due_ms - due_offset;
    CHECK(b->count == 0 || b->second_ms == second_ms);
    if (b->count == 0)
        begin(b);
    if (b->count == 0 || due_offset < b->first_due_offset)
        b->first_due_offset = due_offset;
    b->second_ms = second_ms;
    b->count++;

    struct source_key source = {
        .topic = intern_put(&b->topics, r->source_topic),
        .partition = (uint32_t)r->source_partition,
        .offset_high = offset_high(r),
    };
    uint8_t head[4 * WIRE_VARINT_BYTES_MAX];
    uint8_t *to = wire_write_varint(head, due_offset);
    to = wire_write_varint(to, intern_put(&b->topics, r->target));
    to = wire_write_varint(to, intern_put(&b->sources, slice_from(&source, sizeof(source))));
    to = wire_write_varint(to, offset_low(r));
    buf_append(&b->records, head, (size_t)(to - head));
    wire_put_identity(&b->identity, r);
}

void envelope_builder_add(struct envelope_builder *b, const struct record *r)
{
    b->bound_bytes += envelope_record_bytes(r);
    CHECK(b->bound_bytes <= ENVELOPE_RAW_BYTES_MAX);
    add_head(b, r);
    record_encode_rest(r, &b->records);
}

void envelope_builder_add_rest(struct envelope_builder *b, const struct record *r,
                               struct slice rest)
{
    b->bound_bytes += head_bytes(r) + rest.len;
    CHECK(b->bound_bytes <= ENVELOPE_RAW_BYTES_MAX);
    add_head(b, r);
    buf_append_slice(&b->records, rest);
}

void envelope_builder_add_blob(struct envelope_builder *b, const struct record *r,
                               const struct blob_ref *ref)
{
    CHECK(b->count == 0 && r->delay_id.len <= DELAY_ID_BYTES_MAX);
    add_head(b, r);
    wire_put_nullable(&b->records, r->delay_id);
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
    return bytes + b->records.len - TABLES_ROOM_BYTES;
}

/* Whole: what b->tables holds, then the records. Valid until the builder changes. */
static struct slice payload(struct envelope_builder *b)
{
    struct slice records = buf_slice(&b->records);
    records = slice_from(records.ptr + TABLES_ROOM_BYTES, records.len - TABLES_ROOM_BYTES);
    size_t front = b->tables.len;
    CHECK(!b->records.overflow && !b->tables.overflow && records.len <= b->tables.max - front);
    if (front > TABLES_ROOM_BYTES) {
        buf_append_slice(&b->tables, records);
        return buf_slice(&b->tables);
    }
    uint8_t *start = b->records.ptr + TABLES_ROOM_BYTES - front;
    memcpy(start, b->tables.ptr, front);
    return slice_from(start, front + records.len);
}

/* data, smaller if zstd makes it so; gives the flag. Packed aside, so that a frame which is kept
 * takes the memory it needs. */
static struct slice pack(struct envelope_builder *b, struct slice data, uint8_t *ret_flag)
{
    if (b->compressor == NULL)
        b->compressor = compressor_new();
    buf_clear(&b->packed);
    bool smaller = compressor_pack(b->compressor, data, &b->packed) == STATUS_OK;
    *ret_flag = smaller ? FRAME_ZSTD : 0;
    return smaller ? buf_slice(&b->packed) : data;
}

void envelope_builder_finish(struct envelope_builder *b, struct buf *out,
                             struct envelope_id *ret_id)
{
    CHECK(b->count > 0);
    put_tables(b, &b->tables);
    struct slice data = payload(b);
    uint8_t packed;
    struct slice stored = pack(b, data, &packed);
    size_t frame_bytes = ENVELOPE_FRAME_HEADER_BYTES + stored.len;
    uint8_t *frame = buf_reserve(out, frame_bytes);
    CHECK(frame != NULL);

    struct frame_header header = {
        .flags = b->flags | packed,
        .first_due_offset = b->first_due_offset,
        .second_ms = b->second_ms,
        .id = wire_id(buf_slice(&b->identity)),
        .records = b->count,
        .stored_bytes = (uint32_t)stored.len,
        .raw_bytes = (uint32_t)data.len,
    };
    frame_header_write(&header, frame);
    memcpy(frame + ENVELOPE_FRAME_HEADER_BYTES, stored.ptr, stored.len);
    wire_put_u32(frame + ENVELOPE_FRAME_HEADER_BYTES - 4, frame_crc32(frame, header.stored_bytes));
    buf_commit(out, frame_bytes);
    *ret_id = header.id;
    builder_clear(b);
}

void record_encode(const struct record *r, struct buf *out)
{
    struct envelope_builder b;
    builder_init(&b, BLOB_BODY_BYTES_MAX);
    add_head(&b, r);
    record_encode_rest(r, &b.records);
    wire_put_varint(&b.tables, (uint64_t)b.second_ms);
    put_tables(&b, &b.tables);
    struct slice body = payload(&b);
    uint8_t flags;
    struct slice stored = pack(&b, body, &flags);

    buf_append_byte(out, BLOB_VERSION);
    buf_append_byte(out, flags);
    wire_put_varint(out, body.len);
    buf_append_slice(out, stored);
    CHECK(!out->overflow);
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
