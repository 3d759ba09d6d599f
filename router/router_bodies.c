#include "router/router_bodies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/digest.h"
#include "common/limits.h"
#include "common/mem.h"

#define FRAME_BYTES_MAX  (ENVELOPE_RAW_BYTES_MAX + 4 * KIB)
#define BLOB_BYTES_MAX   ((size_t)RECORD_BYTES_MAX + 128 * KIB)
#define PACKED_BYTES_MAX ((size_t)512 * MIB) /* a kept record of tiny headers grows when packed */
#define DETAIL_SIZE      512
/* So many buffers of closed envelopes serve again: as one closes, the next one opens. */
#define SPARES_MAX      4
#define SPARE_BYTES_MIN ((size_t)KIB)
#define SPARE_BYTES_MAX ((size_t)MIB)
#define EXTRA_HEADERS   5 /* the most that a dead letter gets: target, until, id, error, detail */
#define NULL_LEN        (-1)

/* A record of an open envelope: this, then its target, then the rest as the frame will have it. */
struct entry {
    struct slice source_topic;
    int64_t due_ms;
    int64_t source_offset;
    int32_t source_partition;
    uint32_t target_len;
    size_t rest_len;
};

/* A kept record: this, then target, delay id, key, value, then for every header its two lengths,
 * its name and its value. */
struct packed {
    struct slice source_topic;
    int64_t due_ms;
    int64_t source_offset;
    int32_t source_partition;
    int32_t target_len;
    int32_t id_len;
    int32_t key_len;
    int32_t value_len;
    uint32_t header_count;
};

struct body {
    struct buf records; /* entries of an open envelope, or one packed */
    struct buf frame;
    struct envelope_id id;
    struct buf blob;
    struct envelope *whole; /* of the first frame, once it was needed */
    int64_t timestamp_ms;
    enum delay_rejection rejection;
    char *detail;
};

struct router_bodies {
    uint32_t slots;
    struct body *bodies;
    struct buf spares[SPARES_MAX]; /* memory of closed envelopes' records */
    uint32_t spare_count;
    struct envelope_builder *builder;
    struct record_header *headers; /* scratch of the last record unpacked */
    size_t header_capacity;
    char due_text[24];
};

struct router_bodies *router_bodies_new(uint32_t slots)
{
    struct router_bodies *b = mem_calloc(1, sizeof(*b));
    b->slots = slots;
    b->bodies = mem_calloc(slots, sizeof(*b->bodies));
    b->builder = envelope_builder_new();
    return b;
}

void router_bodies_free(struct router_bodies *b)
{
    if (b == NULL)
        return;
    for (uint32_t slot = 0; slot < b->slots; slot++)
        router_bodies_drop(b, slot);
    for (uint32_t i = 0; i < b->spare_count; i++)
        buf_release(&b->spares[i]);
    envelope_builder_free(b->builder);
    mem_free(b->bodies);
    mem_free(b->headers);
    mem_free(b);
}

static struct body *get(const struct router_bodies *b, uint32_t slot)
{
    CHECK(slot < b->slots);
    return &b->bodies[slot];
}

void router_bodies_drop(struct router_bodies *b, uint32_t slot)
{
    struct body *body = get(b, slot);
    buf_release(&body->records);
    buf_release(&body->frame);
    buf_release(&body->blob);
    envelope_free(body->whole);
    mem_free(body->detail);
    *body = (struct body){.whole = NULL};
}

/* --- packing in memory ----------------------------------------------------------------------- */

static int32_t nullable_len(struct slice s)
{
    CHECK(s.len <= INT32_MAX);
    return slice_is_null(s) ? NULL_LEN : (int32_t)s.len;
}

static void pack(struct buf *out, const struct record *r)
{
    struct packed head = {
        .source_topic = r->source_topic,
        .due_ms = r->due_ms,
        .source_offset = r->source_offset,
        .source_partition = r->source_partition,
        .target_len = nullable_len(r->target),
        .id_len = nullable_len(r->delay_id),
        .key_len = nullable_len(r->key),
        .value_len = nullable_len(r->value),
        .header_count = r->header_count,
    };
    out->max = PACKED_BYTES_MAX;
    buf_append(out, &head, sizeof(head));
    buf_append_slice(out, r->target);
    buf_append_slice(out, r->delay_id);
    buf_append_slice(out, r->key);
    buf_append_slice(out, r->value);
    for (uint32_t i = 0; i < r->header_count; i++) {
        int32_t lens[2] = {nullable_len(r->headers[i].name), nullable_len(r->headers[i].value)};
        buf_append(out, lens, sizeof(lens));
        buf_append_slice(out, r->headers[i].name);
        buf_append_slice(out, r->headers[i].value);
    }
    CHECK(!out->overflow);
}

static struct slice take(const uint8_t **at, int32_t len)
{
    if (len == NULL_LEN)
        return SLICE_NULL;
    struct slice s = slice_from(*at, (size_t)len);
    *at += len;
    return s;
}

static void need_headers(struct router_bodies *b, size_t count)
{
    if (count <= b->header_capacity)
        return;
    b->header_capacity = MAX(count, 64);
    b->headers = mem_realloc(b->headers, b->header_capacity * sizeof(*b->headers));
}

/* Leaves room for EXTRA_HEADERS. */
static void unpack(struct router_bodies *b, const uint8_t *at, struct record *ret)
{
    struct packed head;
    memcpy(&head, at, sizeof(head));
    at += sizeof(head);
    need_headers(b, (size_t)head.header_count + EXTRA_HEADERS);
    *ret = (struct record){
        .due_ms = head.due_ms,
        .source_topic = head.source_topic,
        .source_partition = head.source_partition,
        .source_offset = head.source_offset,
        .headers = b->headers,
        .header_count = head.header_count,
    };
    ret->target = take(&at, head.target_len);
    ret->delay_id = take(&at, head.id_len);
    ret->key = take(&at, head.key_len);
    ret->value = take(&at, head.value_len);
    for (uint32_t i = 0; i < head.header_count; i++) {
        int32_t lens[2];
        memcpy(lens, at, sizeof(lens));
        at += sizeof(lens);
        b->headers[i].name = take(&at, lens[0]);
        b->headers[i].value = take(&at, lens[1]);
    }
}

/* --- frames ---------------------------------------------------------------------------------- */

static void take_spare(struct router_bodies *b, struct buf *records)
{
    if (b->spare_count > 0)
        *records = b->spares[--b->spare_count];
    records->max = PACKED_BYTES_MAX;
}

static void put_spare(struct router_bodies *b, struct buf *records)
{
    bool useful = records->capacity >= SPARE_BYTES_MIN && records->capacity <= SPARE_BYTES_MAX;
    if (!useful || b->spare_count == SPARES_MAX) {
        buf_release(records);
        return;
    }
    buf_clear(records);
    b->spares[b->spare_count++] = *records;
    *records = (struct buf){.max = 0};
}

void router_bodies_append(struct router_bodies *b, uint32_t slot, const struct record *r)
{
    struct buf *records = &get(b, slot)->records;
    if (records->ptr == NULL)
        take_spare(b, records);
    struct entry entry = {
        .source_topic = r->source_topic,
        .due_ms = r->due_ms,
        .source_offset = r->source_offset,
        .source_partition = r->source_partition,
        .target_len = (uint32_t)r->target.len,
    };
    size_t start = records->len;
    /* At once what it takes at most. */
    CHECK(buf_reserve(records, sizeof(entry) + envelope_record_bytes(r)) != NULL);
    buf_append(records, &entry, sizeof(entry));
    buf_append_slice(records, r->target);
    size_t rest = records->len;
    record_encode_rest(r, records);
    entry.rest_len = records->len - rest;
    memcpy(records->ptr + start, &entry, sizeof(entry));
}

/* Returns where the next one begins. */
static const uint8_t *add_entry(struct router_bodies *b, const uint8_t *at)
{
    struct entry entry;
    memcpy(&entry, at, sizeof(entry));
    at += sizeof(entry);
    const struct record r = {
        .due_ms = entry.due_ms,
        .target = slice_from(at, entry.target_len),
        .source_topic = entry.source_topic,
        .source_partition = entry.source_partition,
        .source_offset = entry.source_offset,
    };
    at += entry.target_len;
    envelope_builder_add_rest(b->builder, &r, slice_from(at, entry.rest_len));
    return at + entry.rest_len;
}

static uint32_t finish(struct router_bodies *b, struct body *body)
{
    buf_release(&body->frame);
    buf_init(&body->frame, FRAME_BYTES_MAX);
    envelope_builder_finish(b->builder, &body->frame, &body->id);
    CHECK(!body->frame.overflow);
    return (uint32_t)body->frame.len;
}

uint32_t router_bodies_close(struct router_bodies *b, uint32_t slot)
{
    struct body *body = get(b, slot);
    const uint8_t *at = body->records.ptr;
    const uint8_t *end = at + body->records.len;
    CHECK(at != NULL);
    while (at < end)
        at = add_entry(b, at);
    put_spare(b, &body->records);
    return finish(b, body);
}

void router_bodies_store_large(struct router_bodies *b, uint32_t slot, const struct record *r,
                               uint32_t *ret_frame_bytes, uint32_t *ret_blob_bytes)
{
    struct body *body = get(b, slot);
    struct blob_ref ref;
    buf_init(&body->blob, BLOB_BYTES_MAX);
    record_encode(r, &body->blob);
    CHECK(!body->blob.overflow);
    record_id(r, &ref.blob_id);
    ref.total_bytes = (uint32_t)body->blob.len;
    ref.parts = (ref.total_bytes + BLOB_PART_BYTES_MAX - 1) / BLOB_PART_BYTES_MAX;
    ref.crc32 = digest_crc32(0, buf_slice(&body->blob));
    envelope_builder_add_blob(b->builder, r, &ref);
    *ret_frame_bytes = finish(b, body);
    *ret_blob_bytes = ref.total_bytes;
}

/* The first frame, unpacked. It is our own: it must be readable. */
static const struct envelope *whole(struct body *body)
{
    if (body->whole != NULL)
        return body->whole;
    CHECK(envelope_decode(buf_slice(&body->frame), &body->whole, NULL) == STATUS_OK);
    if (body->blob.len > 0)
        CHECK(envelope_attach_blob(body->whole, buf_slice(&body->blob), NULL) == STATUS_OK);
    return body->whole;
}

uint32_t router_bodies_recode(struct router_bodies *b, uint32_t slot, uint32_t first,
                              uint32_t count)
{
    struct body *body = get(b, slot);
    const struct envelope *e = whole(body);
    CHECK(first + count <= envelope_get_info(e)->records);
    need_headers(b, RECORD_HEADERS_MAX);
    for (uint32_t i = first; i < first + count; i++) {
        struct record r;
        envelope_record(e, i, b->headers, &r);
        envelope_builder_add(b->builder, &r);
    }
    return finish(b, body);
}

struct slice router_bodies_frame(const struct router_bodies *b, uint32_t slot)
{
    return buf_slice(&get(b, slot)->frame);
}

const struct envelope_id *router_bodies_id(const struct router_bodies *b, uint32_t slot)
{
    return &get(b, slot)->id;
}

struct slice router_bodies_part(const struct router_bodies *b, uint32_t slot, uint32_t part)
{
    const struct buf *blob = &get(b, slot)->blob;
    size_t from = (size_t)part * BLOB_PART_BYTES_MAX;
    CHECK(from < blob->len);
    return slice_from(blob->ptr + from, MIN(blob->len - from, (size_t)BLOB_PART_BYTES_MAX));
}

/* --- dead letters ---------------------------------------------------------------------------- */

void router_bodies_keep(struct router_bodies *b, uint32_t slot, const struct record *r,
                        int64_t timestamp_ms, enum delay_rejection rejection, const char *detail)
{
    struct body *body = get(b, slot);
    pack(&body->records, r);
    body->timestamp_ms = timestamp_ms;
    body->rejection = rejection;
    body->detail = mem_strndup(detail, strnlen(detail, DETAIL_SIZE));
}

static void add_header(struct router_bodies *b, struct router_dead_letter *letter, const char *name,
                       struct slice value)
{
    CHECK(letter->header_count < b->header_capacity);
    b->headers[letter->header_count++] = (struct record_header){slice_from_str(name), value};
}

static void begin(struct router_bodies *b, const struct record *r, struct router_dead_letter *ret)
{
    *ret = (struct router_dead_letter){
        .source_topic = r->source_topic,
        .source_partition = r->source_partition,
        .source_offset = r->source_offset,
        .key = r->key,
        .value = r->value,
        .headers = b->headers,
        .header_count = r->header_count,
        .timestamp_ms = -1,
    };
}

static void end(struct router_bodies *b, const char *code, const char *detail,
                struct router_dead_letter *ret)
{
    ret->code = code;
    add_header(b, ret, DELAY_HEADER_ERROR, slice_from_str(code));
    add_header(b, ret, DELAY_HEADER_ERROR_DETAIL, slice_from_str(detail));
}

void router_bodies_kept(struct router_bodies *b, uint32_t slot, struct router_dead_letter *ret)
{
    const struct body *body = get(b, slot);
    struct record r;
    CHECK(body->records.ptr != NULL);
    unpack(b, body->records.ptr, &r);
    begin(b, &r, ret);
    ret->timestamp_ms = body->timestamp_ms;
    end(b, delay_rejection_code(body->rejection), body->detail, ret);
}

void router_bodies_refused(struct router_bodies *b, uint32_t slot, uint32_t index,
                           const char *detail, struct router_dead_letter *ret)
{
    const struct envelope *e = whole(get(b, slot));
    struct record r;
    need_headers(b, RECORD_HEADERS_MAX + EXTRA_HEADERS);
    envelope_record(e, index, b->headers, &r);
    begin(b, &r, ret);
    snprintf(b->due_text, sizeof(b->due_text), "%" PRId64, r.due_ms);
    add_header(b, ret, DELAY_HEADER_TARGET, r.target);
    add_header(b, ret, DELAY_HEADER_UNTIL, slice_from_str(b->due_text));
    if (!slice_is_null(r.delay_id))
        add_header(b, ret, DELAY_HEADER_ID, r.delay_id);
    end(b, ROUTER_REFUSED_CODE, detail, ret);
}
