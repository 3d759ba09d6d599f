/* The unit that SQS and DynamoDB store: 1..N records that are due in the same second.
 *
 * A router packs records into a *frame* (builder). A scheduler joins frames of one due second
 * without opening them. So an *envelope* is 1..ENVELOPE_FRAMES_MAX frames one after the other: raw
 * in a table attribute, base64 in an SQS body. A frame with a blob is always alone. Frame,
 * little-endian, version 1 (the payload is described in envelope_wire.h):
 *
 *   offset  size
 *        0     4  magic "DLYN"
 *        4     1  version, 1
 *        5     1  flags: 1 payload is zstd, 2 the only record is a reference to a blob in the table
 *        6     2  first due, ms after the start of the due second
 *        8     8  start of the due second, epoch ms (a multiple of 1000)
 *       16    16  frame id: the first half of SHA-256 over (topic, partition, offset, due) of its
 *                 records in order
 *       32     4  records
 *       36     4  payload bytes as stored
 *       40     4  payload bytes as packed (before zstd)
 *       44     4  CRC-32 of bytes 0..43 and the stored payload
 *       48        payload
 *
 * The id of an envelope of one frame is the frame's; of several, the first half of SHA-256 over
 * theirs. The same records packed again the same way have the same id. Round trips are byte-exact.
 */
#ifndef COMMON_ENVELOPE_H
#define COMMON_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/slice.h"
#include "common/status.h"

#define ENVELOPE_ID_SIZE            16
#define ENVELOPE_ID_HEX_SIZE        33 /* with the NUL */
#define ENVELOPE_FRAME_HEADER_BYTES 48

struct envelope_id {
    uint8_t bytes[ENVELOPE_ID_SIZE];
};

struct record_header {
    struct slice name;  /* may be empty, never null */
    struct slice value; /* may be null */
};

/* A record and where it goes. All slices are borrowed. */
struct record {
    int64_t due_ms;
    struct slice target; /* topic */
    struct slice source_topic;
    int32_t source_partition;
    int64_t source_offset;
    struct slice delay_id; /* the producer's; null: none was given, the default applies */
    struct slice key;      /* may be null */
    struct slice value;    /* may be null */
    const struct record_header *headers; /* without the delay-* headers that steer us */
    uint32_t header_count;
};

/* What a frame holds instead of a large record: the record itself, encoded by record_encode, lies
 * in the table as parts. Key, value and headers come from there; the rest is repeated here. */
struct blob_ref {
    struct envelope_id blob_id; /* of the one record: its frame id */
    uint32_t parts;
    uint32_t total_bytes;
    uint32_t crc32; /* of the whole encoded record */
};

/* --- packing --------------------------------------------------------------------------------- */

struct envelope_builder; /* opaque: reusable, holds zstd context and payload */

struct envelope_builder *envelope_builder_new(void);
void envelope_builder_free(struct envelope_builder *b);

/* Bytes that the record adds to a payload: an upper bound, namely what it takes in a frame of its
 * own. Records that share topics and partition take some 20 bytes and their topic names less. */
size_t envelope_record_bytes(const struct record *r);

/* The first record decides the due second; CHECKs that later ones share it and that the sum of
 * envelope_record_bytes stays within ENVELOPE_RAW_BYTES_MAX and ENVELOPE_RECORDS_MAX. */
void envelope_builder_add(struct envelope_builder *b, const struct record *r);
/* What a record has beside its place in time and topics, encoded as a frame holds it; for
 * envelope_builder_add_rest, which then needs only due_ms, target and the three of its source. */
void record_encode_rest(const struct record *r, struct buf *out);
void envelope_builder_add_rest(struct envelope_builder *b, const struct record *r,
                               struct slice rest);
/* The only record of its frame: its key, value and headers were stored under ref, as record_encode
 * gave them. */
void envelope_builder_add_blob(struct envelope_builder *b, const struct record *r,
                               const struct blob_ref *ref);
size_t envelope_builder_raw_bytes(const struct envelope_builder *b);

/* Appends the frame to out (whose maximum must allow it) and empties the builder for the next. */
void envelope_builder_finish(struct envelope_builder *b, struct buf *out,
                             struct envelope_id *ret_id);

/* A record alone, as the parts of a blob store it. The maximum of out must allow it:
 * RECORD_BYTES_MAX and 128 KiB is always enough. */
void record_encode(const struct record *r, struct buf *out);
/* The id of a frame with just this record. */
void record_id(const struct record *r, struct envelope_id *ret_id);

/* --- looking --------------------------------------------------------------------------------- */

/* What the frame headers say; nothing is checked but that they are whole and of a known version. */
struct envelope_info {
    struct envelope_id id;
    int64_t first_due_ms; /* the earliest of all frames */
    int64_t second_ms;    /* start of the due second */
    uint32_t records;
    uint32_t frames;
    size_t raw_bytes; /* payloads when unpacked */
    bool blob;
};

/* STATUS_CORRUPT: not frames, or frames of different due seconds; STATUS_UNSUPPORTED: a newer
 * version or flag; STATUS_TOO_LARGE: over a limit of limits.h. */
NODISCARD enum status envelope_peek(struct slice frames, struct envelope_info *ret_info);

/* Inline, since cores spell ids too. */
static inline void envelope_id_hex(const struct envelope_id *id, char out[ENVELOPE_ID_HEX_SIZE])
{
    for (size_t i = 0; i < ENVELOPE_ID_SIZE; i++) {
        out[2 * i] = "0123456789abcdef"[id->bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[id->bytes[i] & 15];
    }
    out[2 * ENVELOPE_ID_SIZE] = '\0';
}

/* --- unpacking ------------------------------------------------------------------------------- */

struct envelope; /* opaque: unpacked payloads and an index of the records by due time */

/* Checks everything (CRC, lengths, UTF-8 is not required anywhere) before it returns. The result
 * owns a copy; free with envelope_free. Records are in due order, ties in the order they were
 * packed. */
NODISCARD enum status envelope_decode(struct slice frames, struct envelope **ret_envelope,
                                      struct error *reterr);
/* For an envelope whose only record is a blob: blob is what the parts held, one after the other.
 * The record then reads as if it had been inline. Same errors as decode. */
NODISCARD enum status envelope_attach_blob(struct envelope *e, struct slice blob,
                                           struct error *reterr);
void envelope_free(struct envelope *e);

const struct envelope_info *envelope_get_info(const struct envelope *e);
/* due_ms - second_ms of every record, in due order: info->records values under ENVELOPE_SPAN_MS. */
const uint16_t *envelope_due_offsets(const struct envelope *e);
/* Bytes of memory it occupies. */
size_t envelope_memory_bytes(const struct envelope *e);
/* NULL if the record is inline or has been attached. */
const struct blob_ref *envelope_blob_ref(const struct envelope *e);

/* Fills *ret; its headers point into `scratch`, which must have room for RECORD_HEADERS_MAX and
 * stays the caller's; the slices point into the envelope. */
void envelope_record(const struct envelope *e, uint32_t index, struct record_header *scratch,
                     struct record *ret);

#endif
