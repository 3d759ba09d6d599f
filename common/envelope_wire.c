#include "common/envelope_wire.h"

#include <string.h>

#include "common/digest.h"

static const uint8_t magic[4] = {'D', 'L', 'Y', 'N'};

enum {
    AT_VERSION = 4,
    AT_FLAGS = 5,
    AT_FIRST_DUE = 6,
    AT_SECOND = 8,
    AT_ID = 16,
    AT_RECORDS = 32,
    AT_STORED = 36,
    AT_RAW = 40,
    AT_CRC = 44,
};

size_t wire_varint_bytes(uint64_t value)
{
    size_t len = 1;
    for (; value >= 0x80; value >>= 7)
        len++;
    return len;
}

uint8_t *wire_write_varint(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

uint8_t *wire_write_bytes(uint8_t *to, struct slice s)
{
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

uint8_t *wire_write_nullable(uint8_t *to, struct slice s)
{
    if (slice_is_null(s))
        return wire_write_varint(to, 0);
    return wire_write_bytes(wire_write_varint(to, s.len + 1), s);
}

void wire_put_varint(struct buf *out, uint64_t value)
{
    uint8_t bytes[WIRE_VARINT_BYTES_MAX];
    buf_append(out, bytes, (size_t)(wire_write_varint(bytes, value) - bytes));
}

size_t wire_nullable_bytes(struct slice s)
{
    return slice_is_null(s) ? 1 : wire_varint_bytes(s.len + 1) + s.len;
}

void wire_put_nullable(struct buf *out, struct slice s)
{
    if (slice_is_null(s)) {
        wire_put_varint(out, 0);
        return;
    }
    wire_put_varint(out, s.len + 1);
    buf_append_slice(out, s);
}

void wire_put_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static void put_u64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static uint64_t get_u64(const uint8_t *from)
{
    return get_u32(from) | (uint64_t)get_u32(from + 4) << 32;
}

uint64_t wire_get_varint(struct wire_reader *r, uint64_t max)
{
    uint64_t value = 0;
    for (unsigned shift = 0; !r->failed && r->at < r->end && shift < 64; shift += 7) {
        uint8_t byte = *r->at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            if (value > max)
                break;
            return value;
        }
    }
    r->failed = true;
    return 0;
}

struct slice wire_get_bytes(struct wire_reader *r, uint64_t len)
{
    if (r->failed || len > (uint64_t)(r->end - r->at)) {
        r->failed = true;
        return SLICE_NULL;
    }
    struct slice bytes = slice_from(r->at, (size_t)len);
    r->at += len;
    return bytes;
}

static struct slice get_nullable(struct wire_reader *r)
{
    uint64_t len = wire_get_varint(r, UINT64_MAX);
    return len == 0 ? SLICE_NULL : wire_get_bytes(r, len - 1);
}

void frame_header_write(const struct frame_header *header, uint8_t to[ENVELOPE_FRAME_HEADER_BYTES])
{
    memcpy(to, magic, sizeof(magic));
    to[AT_VERSION] = FRAME_VERSION;
    to[AT_FLAGS] = header->flags;
    to[AT_FIRST_DUE] = (uint8_t)header->first_due_offset;
    to[AT_FIRST_DUE + 1] = (uint8_t)(header->first_due_offset >> 8);
    put_u64(to + AT_SECOND, (uint64_t)header->second_ms);
    memcpy(to + AT_ID, header->id.bytes, ENVELOPE_ID_SIZE);
    wire_put_u32(to + AT_RECORDS, header->records);
    wire_put_u32(to + AT_STORED, header->stored_bytes);
    wire_put_u32(to + AT_RAW, header->raw_bytes);
}

uint32_t frame_crc32(const uint8_t *frame, size_t stored_bytes)
{
    uint32_t crc = digest_crc32(0, slice_from(frame, AT_CRC));
    return digest_crc32(crc, slice_from(frame + ENVELOPE_FRAME_HEADER_BYTES, stored_bytes));
}

static enum status check_header(const struct frame_header *h, size_t bytes_behind)
{
    if (h->records > ENVELOPE_RECORDS_MAX || h->raw_bytes > ENVELOPE_RAW_BYTES_MAX)
        return STATUS_TOO_LARGE;
    if (h->stored_bytes > bytes_behind || h->records == 0 || h->raw_bytes == 0)
        return STATUS_CORRUPT;
    if ((h->flags & FRAME_ZSTD) == 0 && h->stored_bytes != h->raw_bytes)
        return STATUS_CORRUPT;
    if ((h->flags & FRAME_BLOB) != 0 && h->records != 1)
        return STATUS_CORRUPT;
    if (h->first_due_offset >= ENVELOPE_SPAN_MS || h->second_ms % ENVELOPE_SPAN_MS != 0 ||
        h->second_ms < 0 || h->second_ms > DUE_SECOND_MS_MAX)
        return STATUS_CORRUPT;
    return STATUS_OK;
}

enum status frame_header_read(struct slice bytes, struct frame_header *ret)
{
    if (bytes.len < sizeof(magic) + 1 || memcmp(bytes.ptr, magic, sizeof(magic)) != 0)
        return STATUS_CORRUPT;
    if (bytes.ptr[AT_VERSION] != FRAME_VERSION)
        return STATUS_UNSUPPORTED;
    if (bytes.len < ENVELOPE_FRAME_HEADER_BYTES)
        return STATUS_CORRUPT;
    const uint8_t *from = bytes.ptr;
    struct frame_header header = {
        .flags = from[AT_FLAGS],
        .first_due_offset = (uint16_t)(from[AT_FIRST_DUE] | from[AT_FIRST_DUE + 1] << 8),
        .second_ms = (int64_t)get_u64(from + AT_SECOND),
        .records = get_u32(from + AT_RECORDS),
        .stored_bytes = get_u32(from + AT_STORED),
        .raw_bytes = get_u32(from + AT_RAW),
        .crc32 = get_u32(from + AT_CRC),
    };
    memcpy(header.id.bytes, from + AT_ID, ENVELOPE_ID_SIZE);
    if ((header.flags & ~FRAME_FLAGS_KNOWN) != 0)
        return STATUS_UNSUPPORTED;
    enum status status = check_header(&header, bytes.len - ENVELOPE_FRAME_HEADER_BYTES);
    if (status == STATUS_OK)
        *ret = header;
    return status;
}

static void get_blob_ref(struct wire_reader *r, struct blob_ref *ret)
{
    struct slice id = wire_get_bytes(r, ENVELOPE_ID_SIZE);
    ret->parts = (uint32_t)wire_get_varint(r, BLOB_PARTS_MAX);
    ret->total_bytes = (uint32_t)wire_get_varint(r, UINT32_MAX);
    struct slice crc = wire_get_bytes(r, 4);
    if (slice_is_null(id) || slice_is_null(crc))
        return; /* failed */
    memcpy(ret->blob_id.bytes, id.ptr, ENVELOPE_ID_SIZE);
    ret->crc32 = get_u32(crc.ptr);
    if (ret->parts == 0 || ret->total_bytes == 0 ||
        ret->total_bytes > (uint64_t)ret->parts * BLOB_PART_BYTES_MAX)
        r->failed = true;
}

static void get_headers(struct wire_reader *r, struct record_header *headers, uint32_t count)
{
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        struct slice name = wire_get_bytes(r, wire_get_varint(r, UINT64_MAX));
        struct slice value = get_nullable(r);
        if (headers != NULL)
            headers[i] = (struct record_header){.name = name, .value = value};
    }
}

void wire_get_record(struct wire_reader *r, const struct frame_tables *tables,
                     struct record_header *headers, struct record *ret, uint16_t *ret_due_offset,
                     struct blob_ref *ret_blob)
{
    uint16_t due_offset = (uint16_t)wire_get_varint(r, ENVELOPE_SPAN_MS - 1);
    uint64_t target = wire_get_varint(r, UINT32_MAX);
    uint64_t source_number = wire_get_varint(r, UINT32_MAX);
    uint64_t offset_low = wire_get_varint(r, (UINT64_C(1) << SOURCE_OFFSET_BITS) - 1);
    struct slice delay_id = get_nullable(r);
    if (r->failed || target >= tables->topic_count || source_number >= tables->source_count ||
        delay_id.len > DELAY_ID_BYTES_MAX) {
        r->failed = true;
        return;
    }
    const struct frame_source *source = &tables->sources[source_number];
    *ret = (struct record){
        .target = tables->topics[target],
        .source_topic = tables->topics[source->topic],
        .source_partition = source->partition,
        .source_offset = (int64_t)(source->offset_high << SOURCE_OFFSET_BITS | offset_low),
        .delay_id = delay_id,
    };
    *ret_due_offset = due_offset;
    if (ret_blob != NULL) {
        get_blob_ref(r, ret_blob);
        return;
    }
    ret->key = get_nullable(r);
    ret->value = get_nullable(r);
    ret->header_count = (uint32_t)wire_get_varint(r, RECORD_HEADERS_MAX);
    ret->headers = headers;
    get_headers(r, headers, ret->header_count);
}

void wire_put_identity(struct buf *out, const struct record *r)
{
    size_t len = 4 + r->source_topic.len + 4 + 8 + 8;
    uint8_t *to = buf_reserve(out, len);
    if (to == NULL)
        return;
    wire_put_u32(to, (uint32_t)r->source_topic.len);
    to = wire_write_bytes(to + 4, r->source_topic);
    wire_put_u32(to, (uint32_t)r->source_partition);
    put_u64(to + 4, (uint64_t)r->source_offset);
    put_u64(to + 12, (uint64_t)r->due_ms);
    buf_commit(out, len);
}

struct envelope_id wire_id(struct slice text)
{
    uint8_t hash[DIGEST_SHA256_SIZE];
    digest_sha256(text, hash);
    struct envelope_id id;
    memcpy(id.bytes, hash, sizeof(id.bytes));
    return id;
}
