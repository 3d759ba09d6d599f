#include "common/envelope.h"

#include <string.h>

#include "common/check.h"
#include "common/compress.h"
#include "common/digest.h"
#include "common/envelope_wire.h"
#include "common/limits.h"
#include "common/mem.h"

struct frame {
    uint32_t start; /* of its payload, in the payload of the envelope */
    uint32_t end;
    struct frame_tables tables;
};

/* A record is a place in the payload, 4 bytes, and a due time, 2 bytes: an envelope that is held
 * for long costs little more than its records' own bytes. */
struct envelope {
    struct envelope_info info;
    struct frame *frames;
    uint8_t *payload; /* of all frames, one after the other */
    size_t payload_bytes;
    uint32_t *places; /* in due order */
    uint16_t *due_offsets;
    struct blob_ref blob;
    bool blob_missing;
};

static size_t frame_bytes(const struct frame_header *header)
{
    return (size_t)ENVELOPE_FRAME_HEADER_BYTES + header->stored_bytes;
}

/* The frame at the start of *rest, which then begins behind it. */
static enum status next_frame(struct slice *rest, struct frame_header *ret)
{
    enum status status = frame_header_read(*rest, ret);
    if (status != STATUS_OK)
        return status;
    *rest = slice_from(rest->ptr + frame_bytes(ret), rest->len - frame_bytes(ret));
    return STATUS_OK;
}

static enum status add_to_info(struct envelope_info *info, const struct frame_header *header)
{
    int64_t first_due_ms = header->second_ms + header->first_due_offset;
    bool blob = (header->flags & FRAME_BLOB) != 0;
    if (info->frames > 0 && (header->second_ms != info->second_ms || blob || info->blob))
        return STATUS_CORRUPT;
    if (info->frames == 0 || first_due_ms < info->first_due_ms)
        info->first_due_ms = first_due_ms;
    info->second_ms = header->second_ms;
    info->records += header->records;
    info->frames++;
    info->raw_bytes += header->raw_bytes;
    info->blob = blob;
    bool within = info->frames <= ENVELOPE_FRAMES_MAX && info->records <= ENVELOPE_RECORDS_MAX;
    return within ? STATUS_OK : STATUS_TOO_LARGE;
}

enum status envelope_peek(struct slice frames, struct envelope_info *ret_info)
{
    struct envelope_info info = {.frames = 0};
    struct envelope_id ids[ENVELOPE_FRAMES_MAX];
    struct slice rest = frames;
    do {
        struct frame_header header;
        uint32_t number = info.frames;
        enum status status = next_frame(&rest, &header);
        if (status == STATUS_OK)
            status = add_to_info(&info, &header);
        if (status != STATUS_OK)
            return status;
        ids[number] = header.id;
    } while (rest.len > 0);
    info.id = info.frames == 1 ? ids[0] : wire_id(slice_from(ids, info.frames * sizeof(ids[0])));
    *ret_info = info;
    return STATUS_OK;
}

static void tables_release(struct frame_tables *t)
{
    mem_free(t->topics);
    mem_free(t->sources);
    *t = (struct frame_tables){.topics = NULL};
}

/* Allocates no more entries than bytes are left, or than records could refer to. */
static bool get_tables(struct wire_reader *r, uint32_t records, struct frame_tables *t)
{
    uint64_t topic_count = wire_get_varint(r, 2 * (uint64_t)records);
    if (r->failed || topic_count > (size_t)(r->end - r->at))
        return false;
    t->topic_count = (uint32_t)topic_count;
    t->topics = mem_calloc(topic_count, sizeof(*t->topics));
    for (uint32_t i = 0; i < topic_count; i++)
        t->topics[i] = wire_get_bytes(r, wire_get_varint(r, TOPIC_NAME_BYTES_MAX));
    uint64_t source_count = wire_get_varint(r, records);
    if (r->failed || source_count > (size_t)(r->end - r->at))
        return false;
    t->source_count = (uint32_t)source_count;
    t->sources = mem_calloc(source_count, sizeof(*t->sources));
    for (uint32_t i = 0; i < source_count; i++) {
        uint64_t topic = wire_get_varint(r, UINT32_MAX);
        uint64_t partition = wire_get_varint(r, UINT32_MAX);
        uint64_t offset_high = wire_get_varint(r, UINT64_MAX >> SOURCE_OFFSET_BITS);
        if (r->failed || topic >= topic_count)
            return false;
        t->sources[i] = (struct frame_source){
            .topic = (uint32_t)topic,
            .partition = (int32_t)partition,
            .offset_high = offset_high,
        };
    }
    return true;
}

/* While decoding: records in the order in which they were packed. */
struct decoding {
    struct envelope *e;
    uint32_t *places;
    uint16_t *due_offsets;
    uint32_t count;
    struct buf identity;
};

/* Checks every record of a frame whose payload lies unpacked in the envelope. */
static bool get_records(struct decoding *d, const struct frame_header *header, struct frame *frame)
{
    struct envelope *e = d->e;
    struct wire_reader r = {.at = e->payload + frame->start, .end = e->payload + frame->end};
    if (!get_tables(&r, header->records, &frame->tables))
        return false;
    bool blob = (header->flags & FRAME_BLOB) != 0;
    uint16_t first_due_offset = ENVELOPE_SPAN_MS;
    buf_clear(&d->identity);
    for (uint32_t i = 0; i < header->records; i++) {
        uint32_t place = (uint32_t)(r.at - e->payload);
        struct record record;
        uint16_t due_offset;
        wire_get_record(&r, &frame->tables, NULL, &record, &due_offset, blob ? &e->blob : NULL);
        if (r.failed)
            return false;
        record.due_ms = header->second_ms + due_offset;
        wire_put_identity(&d->identity, &record);
        if (due_offset < first_due_offset)
            first_due_offset = due_offset;
        d->places[d->count] = place;
        d->due_offsets[d->count++] = due_offset;
    }
    struct envelope_id id = wire_id(buf_slice(&d->identity));
    return r.at == r.end && first_due_offset == header->first_due_offset &&
           memcmp(id.bytes, header->id.bytes, ENVELOPE_ID_SIZE) == 0;
}

static bool unpack(uint8_t flags, struct slice stored, uint8_t *to, size_t len)
{
    if ((flags & FRAME_ZSTD) != 0)
        return compress_unpack(stored, to, len) == STATUS_OK;
    memcpy(to, stored.ptr, len);
    return true;
}

/* Before anything is allocated for what the headers say. The frames have been peeked at. */
static bool checksums_hold(struct slice rest)
{
    while (rest.len > 0) {
        const uint8_t *frame = rest.ptr;
        struct frame_header header;
        CHECK(next_frame(&rest, &header) == STATUS_OK);
        if (frame_crc32(frame, header.stored_bytes) != header.crc32)
            return false;
    }
    return true;
}

/* NULL, or what is wrong. */
static const char *decode_frames(struct decoding *d, struct slice rest)
{
    struct envelope *e = d->e;
    uint32_t start = 0;
    for (uint32_t i = 0; i < e->info.frames; i++) {
        const uint8_t *bytes = rest.ptr;
        struct frame_header header;
        CHECK(next_frame(&rest, &header) == STATUS_OK);
        struct frame *frame = &e->frames[i];
        frame->start = start;
        frame->end = start + header.raw_bytes;
        start = frame->end;
        struct slice stored = slice_from(bytes + ENVELOPE_FRAME_HEADER_BYTES, header.stored_bytes);
        if (!unpack(header.flags, stored, e->payload + frame->start, header.raw_bytes))
            return "payload does not unpack";
        if (!get_records(d, &header, frame))
            return "payload is malformed";
    }
    return NULL;
}

/* Counting sort: stable, and due offsets are few. */
static void index_by_due(struct decoding *d)
{
    uint32_t next[ENVELOPE_SPAN_MS + 1] = {0};
    for (uint32_t i = 0; i < d->count; i++)
        next[d->due_offsets[i] + 1]++;
    for (uint32_t due = 0; due < ENVELOPE_SPAN_MS; due++)
        next[due + 1] += next[due];
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t at = next[d->due_offsets[i]]++;
        d->e->places[at] = d->places[i];
        d->e->due_offsets[at] = d->due_offsets[i];
    }
}

static enum status corrupt(struct error *reterr, const char *what)
{
    error_set(reterr, ERROR_PERMANENT, "EnvelopeCorrupt", "%s", what);
    return STATUS_CORRUPT;
}

static struct envelope *envelope_new(const struct envelope_info *info)
{
    struct envelope *e = mem_calloc(1, sizeof(*e));
    e->info = *info;
    e->frames = mem_calloc(info->frames, sizeof(*e->frames));
    e->payload = mem_alloc(info->raw_bytes);
    e->payload_bytes = info->raw_bytes;
    e->places = mem_calloc(info->records, sizeof(*e->places));
    e->due_offsets = mem_calloc(info->records, sizeof(*e->due_offsets));
    e->blob_missing = info->blob;
    return e;
}

void envelope_free(struct envelope *e)
{
    if (e == NULL)
        return;
    for (uint32_t i = 0; i < e->info.frames; i++)
        tables_release(&e->frames[i].tables);
    mem_free(e->frames);
    mem_free(e->payload);
    mem_free(e->places);
    mem_free(e->due_offsets);
    mem_free(e);
}

enum status envelope_decode(struct slice frames, struct envelope **ret_envelope,
                            struct error *reterr)
{
    struct envelope_info info;
    enum status status = envelope_peek(frames, &info);
    if (status != STATUS_OK) {
        error_set(reterr, ERROR_PERMANENT,
                  status == STATUS_UNSUPPORTED ? "EnvelopeUnsupported"
                  : status == STATUS_TOO_LARGE ? "EnvelopeTooLarge"
                                               : "EnvelopeCorrupt",
                  "frame header: %s", status_name(status));
        return status;
    }
    if (!checksums_hold(frames))
        return corrupt(reterr, "wrong CRC");
    struct decoding d = {.e = envelope_new(&info)};
    d.places = mem_calloc(info.records, sizeof(*d.places));
    d.due_offsets = mem_calloc(info.records, sizeof(*d.due_offsets));
    buf_init(&d.identity, SIZE_MAX);
    const char *wrong = decode_frames(&d, frames);
    if (wrong == NULL)
        index_by_due(&d);
    mem_free(d.places);
    mem_free(d.due_offsets);
    buf_release(&d.identity);
    if (wrong != NULL) {
        envelope_free(d.e);
        return corrupt(reterr, wrong);
    }
    *ret_envelope = d.e;
    return STATUS_OK;
}

static bool same_text(struct slice a, struct slice b)
{
    return slice_is_null(a) == slice_is_null(b) && slice_equal(a, b);
}

/* Is it the record that the reference stands for? */
static bool same_record(const struct record *a, const struct record *b)
{
    return a->due_ms == b->due_ms && slice_equal(a->target, b->target) &&
           slice_equal(a->source_topic, b->source_topic) &&
           a->source_partition == b->source_partition && a->source_offset == b->source_offset &&
           same_text(a->delay_id, b->delay_id);
}

/* Reads the body of a blob into *frame, its tables then owned by the caller whatever comes out. */
static bool get_blob_record(struct slice body, struct frame *frame, struct record *ret,
                            uint32_t *ret_place)
{
    struct wire_reader r = {.at = body.ptr, .end = body.ptr + body.len};
    int64_t second_ms = (int64_t)wire_get_varint(&r, DUE_SECOND_MS_MAX);
    if (!get_tables(&r, 1, &frame->tables))
        return false;
    *ret_place = (uint32_t)(r.at - body.ptr);
    uint16_t due_offset;
    wire_get_record(&r, &frame->tables, NULL, ret, &due_offset, NULL);
    if (r.failed || r.at != r.end)
        return false;
    ret->due_ms = second_ms + due_offset;
    return true;
}

/* Unpacks a blob to *ret_body, which the caller then owns. */
static enum status unpack_blob(struct slice blob, uint8_t **ret_body, size_t *ret_len,
                               struct error *reterr)
{
    if (blob.len < 2)
        return corrupt(reterr, "blob is too short");
    uint8_t flags = blob.ptr[1];
    if (blob.ptr[0] != BLOB_VERSION || (flags & ~FRAME_ZSTD) != 0) {
        error_set(reterr, ERROR_PERMANENT, "EnvelopeUnsupported", "blob of version %u, flags %u",
                  blob.ptr[0], flags);
        return STATUS_UNSUPPORTED;
    }
    struct wire_reader r = {.at = blob.ptr + 2, .end = blob.ptr + blob.len};
    size_t len = (size_t)wire_get_varint(&r, BLOB_BODY_BYTES_MAX);
    struct slice stored = slice_from(r.at, (size_t)(r.end - r.at));
    if (r.failed || len == 0 || ((flags & FRAME_ZSTD) == 0 && stored.len != len))
        return corrupt(reterr, "blob has a wrong length");
    uint8_t *body = mem_alloc(len);
    if (!unpack(flags, stored, body, len)) {
        mem_free(body);
        return corrupt(reterr, "blob does not unpack");
    }
    *ret_body = body;
    *ret_len = len;
    return STATUS_OK;
}

enum status envelope_attach_blob(struct envelope *e, struct slice blob, struct error *reterr)
{
    CHECK(e->blob_missing);
    if (blob.len != e->blob.total_bytes || digest_crc32(0, blob) != e->blob.crc32)
        return corrupt(reterr, "blob has a wrong length or CRC");
    uint8_t *body = NULL;
    size_t body_len = 0;
    enum status status = unpack_blob(blob, &body, &body_len, reterr);
    if (status != STATUS_OK)
        return status;

    struct record expected;
    envelope_record(e, 0, NULL, &expected);
    struct frame frame = {.start = 0, .end = (uint32_t)body_len};
    struct record record;
    uint32_t place;
    if (!get_blob_record(slice_from(body, body_len), &frame, &record, &place) ||
        !same_record(&record, &expected)) {
        tables_release(&frame.tables);
        mem_free(body);
        return corrupt(reterr, "blob holds another record");
    }
    tables_release(&e->frames[0].tables);
    mem_free(e->payload);
    e->frames[0] = frame;
    e->payload = body;
    e->payload_bytes = body_len;
    e->places[0] = place;
    e->blob_missing = false;
    return STATUS_OK;
}

const struct envelope_info *envelope_get_info(const struct envelope *e)
{
    return &e->info;
}

const uint16_t *envelope_due_offsets(const struct envelope *e)
{
    return e->due_offsets;
}

size_t envelope_memory_bytes(const struct envelope *e)
{
    size_t bytes = sizeof(*e) + e->payload_bytes + e->info.frames * sizeof(*e->frames) +
                   e->info.records * (sizeof(*e->places) + sizeof(*e->due_offsets));
    for (uint32_t i = 0; i < e->info.frames; i++) {
        const struct frame_tables *t = &e->frames[i].tables;
        bytes += t->topic_count * sizeof(*t->topics) + t->source_count * sizeof(*t->sources);
    }
    return bytes;
}

const struct blob_ref *envelope_blob_ref(const struct envelope *e)
{
    return e->blob_missing ? &e->blob : NULL;
}

static const struct frame *frame_of(const struct envelope *e, uint32_t place)
{
    uint32_t low = 0;
    uint32_t high = e->info.frames - 1;
    while (low < high) {
        uint32_t middle = (low + high + 1) / 2;
        if (e->frames[middle].start <= place)
            low = middle;
        else
            high = middle - 1;
    }
    return &e->frames[low];
}

void envelope_record(const struct envelope *e, uint32_t index, struct record_header *scratch,
                     struct record *ret)
{
    CHECK(index < e->info.records);
    const struct frame *frame = frame_of(e, e->places[index]);
    struct wire_reader r = {.at = e->payload + e->places[index], .end = e->payload + frame->end};
    struct blob_ref blob;
    uint16_t due_offset;
    wire_get_record(&r, &frame->tables, scratch, ret, &due_offset, e->blob_missing ? &blob : NULL);
    CHECK(!r.failed);
    ret->due_ms = e->info.second_ms + due_offset;
}
