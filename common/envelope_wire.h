/* The bytes of a frame, for the two sides of the codec: envelope_builder.c writes, envelope.c
 * reads. The frame header is described in envelope.h. The payload, unpacked:
 *
 *   tables    varint count of topics; each: varint length, name
 *             varint count of sources; each: varint topic, varint partition, varint offset / 2^14
 *   records   in the order in which they were packed, each:
 *             varint due ms within the second
 *             varint topic of the target
 *             varint source
 *             varint offset % 2^14
 *             nullable delay id
 *             nullable key, nullable value
 *             varint count of headers; each: varint length, name, nullable value
 *   In a frame with FRAME_BLOB, in place of key, value and headers: blob id (16 bytes), varint
 *   parts, varint bytes of the blob, CRC-32 of the blob (4 bytes, little-endian).
 *
 * A varint is LEB128, unsigned, of at most 64 bits. A nullable is varint 0 for null, else length +
 * 1 and the bytes. A record is found by its place alone: nothing refers to the record before it.
 *
 * A blob (record_encode): version (1 byte, 1), flags (1 byte, FRAME_ZSTD or 0), varint bytes of the
 * body unpacked, body: varint start of the due second, then a payload with the one record.
 */
#ifndef COMMON_ENVELOPE_WIRE_H
#define COMMON_ENVELOPE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/envelope.h"
#include "common/limits.h"
#include "common/slice.h"

#define FRAME_VERSION     1
#define FRAME_ZSTD        1
#define FRAME_BLOB        2
#define FRAME_FLAGS_KNOWN (FRAME_ZSTD | FRAME_BLOB)

#define BLOB_VERSION 1
/* Lengths, topic names and header counts around the bytes that RECORD_BYTES_MAX speaks of. */
#define BLOB_BODY_BYTES_MAX (RECORD_BYTES_MAX + 64 * KIB)

#define SOURCE_OFFSET_BITS 14

/* Due times have at most 15 digits in the table's keys. */
#define DUE_SECOND_MS_MAX INT64_C(999999999999000)

/* --- primitives ------------------------------------------------------------------------------ */

size_t wire_varint_bytes(uint64_t value);
void wire_put_varint(struct buf *out, uint64_t value);
size_t wire_nullable_bytes(struct slice s);
void wire_put_nullable(struct buf *out, struct slice s);
void wire_put_u32(uint8_t *to, uint32_t value);

/* The same to where there is room; they return the end of what they wrote. */
#define WIRE_VARINT_BYTES_MAX 10
uint8_t *wire_write_varint(uint8_t *to, uint64_t value);
uint8_t *wire_write_bytes(uint8_t *to, struct slice s);
uint8_t *wire_write_nullable(uint8_t *to, struct slice s);

/* failed is sticky: read all, ask once. What is read after a failure is 0 or null. */
struct wire_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

uint64_t wire_get_varint(struct wire_reader *r, uint64_t max);
struct slice wire_get_bytes(struct wire_reader *r, uint64_t len);

/* --- frame header ---------------------------------------------------------------------------- */

struct frame_header {
    uint8_t flags;
    uint16_t first_due_offset; /* ms after second_ms */
    int64_t second_ms;
    struct envelope_id id;
    uint32_t records;
    uint32_t stored_bytes;
    uint32_t raw_bytes;
    uint32_t crc32;
};

/* All but the CRC. */
void frame_header_write(const struct frame_header *header, uint8_t to[ENVELOPE_FRAME_HEADER_BYTES]);
/* Of the frame that begins with its header: its payload must follow. */
uint32_t frame_crc32(const uint8_t *frame, size_t stored_bytes);
/* The header at the start of bytes. Checks what it says against the limits and that the payload is
 * there, not the CRC. Errors as envelope_peek. */
NODISCARD enum status frame_header_read(struct slice bytes, struct frame_header *ret);

/* --- records --------------------------------------------------------------------------------- */

struct frame_source {
    uint32_t topic;
    int32_t partition;
    uint64_t offset_high; /* offset / 2^SOURCE_OFFSET_BITS */
};

struct frame_tables {
    struct slice *topics;
    struct frame_source *sources;
    uint32_t topic_count;
    uint32_t source_count;
};

/* Reads one record. headers is NULL (they are checked and left out) or has room for
 * RECORD_HEADERS_MAX. ret_due_offset is below ENVELOPE_SPAN_MS; ret->due_ms is left to the caller.
 * With ret_blob not NULL, reads a reference to a blob. Says no by r->failed. */
void wire_get_record(struct wire_reader *r, const struct frame_tables *tables,
                     struct record_header *headers, struct record *ret, uint16_t *ret_due_offset,
                     struct blob_ref *ret_blob);

/* Appends what a frame id is the hash of, for one record: source topic (length, 4 bytes, then
 * name), partition (4), offset (8), due (8), little-endian. */
void wire_put_identity(struct buf *out, const struct record *r);
/* The first half of SHA-256 over text. */
struct envelope_id wire_id(struct slice text);

#endif
