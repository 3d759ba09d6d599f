/* What the core only counts: the bodies of its slots. Records of an open envelope, the frame of a
 * closed one, the blob of a large record, a kept record that was rejected. Pure, but for the heap.
 *
 * An open slot holds its records in one buffer and not in a builder, since thousands may be open
 * and a builder is large; one builder makes all frames. */
#ifndef ROUTER_ROUTER_BODIES_H
#define ROUTER_ROUTER_BODIES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/delay.h"
#include "common/envelope.h"

struct router_bodies;

struct router_bodies *router_bodies_new(uint32_t slots);
void router_bodies_free(struct router_bodies *b); /* accepts NULL */

/* Copies the record to the slot's others; its source_topic alone stays borrowed. */
void router_bodies_append(struct router_bodies *b, uint32_t slot, const struct record *r);
/* The slot's records become a frame. Returns its bytes. */
uint32_t router_bodies_close(struct router_bodies *b, uint32_t slot);
/* One record becomes a blob and a frame that refers to it. */
void router_bodies_store_large(struct router_bodies *b, uint32_t slot, const struct record *r,
                               uint32_t *ret_frame_bytes, uint32_t *ret_blob_bytes);
/* The frame becomes one of its records first..first+count alone, in due order as the first frame
 * had them. Returns its bytes. */
uint32_t router_bodies_recode(struct router_bodies *b, uint32_t slot, uint32_t first,
                              uint32_t count);
/* A rejected record as it came, with all its headers; due_ms and target are not used. */
void router_bodies_keep(struct router_bodies *b, uint32_t slot, const struct record *r,
                        int64_t timestamp_ms, enum delay_rejection rejection, const char *detail);
void router_bodies_drop(struct router_bodies *b, uint32_t slot);

/* Valid until the slot changes. */
struct slice router_bodies_frame(const struct router_bodies *b, uint32_t slot);
const struct envelope_id *router_bodies_id(const struct router_bodies *b, uint32_t slot);
/* part: from 0, BLOB_PART_BYTES_MAX each but the last. */
struct slice router_bodies_part(const struct router_bodies *b, uint32_t slot, uint32_t part);

/* A record for the dead-letter topic. */
struct router_dead_letter {
    struct slice source_topic;
    int32_t source_partition;
    int64_t source_offset;
    struct slice key;
    struct slice value;
    const struct record_header *headers; /* all it came with, then delay-error and its detail */
    size_t header_count;
    int64_t timestamp_ms; /* -1: not known */
    const char *code;
};

#define ROUTER_REFUSED_CODE "record-refused"

/* A kept record. Valid until the next call. */
void router_bodies_kept(struct router_bodies *b, uint32_t slot, struct router_dead_letter *ret);
/* Record `index` of the slot's first frame, refused by a service for good. It gets the headers back
 * that steered it, the due time always as delay-until. detail is borrowed. Valid until the next
 * call. */
void router_bodies_refused(struct router_bodies *b, uint32_t slot, uint32_t index,
                           const char *detail, struct router_dead_letter *ret);

#endif
