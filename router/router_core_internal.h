/* What the files of the core share. Nobody else includes it. */
#ifndef ROUTER_ROUTER_CORE_INTERNAL_H
#define ROUTER_ROUTER_CORE_INTERNAL_H

#include "common/check.h"
#include "router/router_core.h"

/* One step: its core, its time and where its effects go. */
struct router_turn {
    struct router_core *core;
    struct now now;
    struct router_effects *out;
};

/* --- pool ------------------------------------------------------------------------------------ */

bool router_turn_has_room(const struct router_turn *t, uint32_t effects);
/* CHECKs that there is room; all but the type is 0. */
struct router_effect *router_turn_effect(struct router_turn *t, enum router_effect_type type);

uint32_t router_node_take(struct router_core *c);
void router_node_free(struct router_core *c, uint32_t node);

uint32_t router_envelope_take(struct router_core *c, enum router_envelope_kind kind);
/* Effect FREE. It holds no records and stands in no queue or heap any more. */
void router_envelope_free(struct router_turn *t, uint32_t slot);
uint64_t router_envelope_id(const struct router_core *c, uint32_t slot);
/* The envelope of an id that came back, or NULL: foreign. */
struct router_envelope *router_envelope_find(struct router_core *c, uint64_t id);
void router_envelope_add(struct router_core *c, uint32_t slot, uint32_t node, uint32_t bytes);
/* The first count records are durable: they leave the envelope and move their offsets. */
void router_envelope_settle(struct router_turn *t, uint32_t slot, uint32_t count);
/* Sorts the list of records by due time, ties as they stand. */
void router_envelope_sort(struct router_core *c, uint32_t slot);

void router_queue_push(struct router_core *c, struct router_queue *q, uint32_t slot);
uint32_t router_queue_pop(struct router_core *c, struct router_queue *q);
/* Its lingered_ms is exact again, after some have left it. */
void router_queue_recount(const struct router_core *c, struct router_queue *q);

/* --- offsets --------------------------------------------------------------------------------- */

void router_on_assigned(struct router_turn *t, uint32_t partition);
void router_on_revoked(struct router_turn *t, const struct router_event *event);
void router_on_committed(struct router_turn *t, uint64_t id, bool done);
/* Appends the node to its partition; the caller fills the rest. */
uint32_t router_offset_take(struct router_core *c, uint32_t partition, int64_t offset);
void router_offset_durable(struct router_turn *t, uint32_t node);
void router_offsets_advance(struct router_turn *t);
int64_t router_offsets_wake(const struct router_core *c);

/* --- packing --------------------------------------------------------------------------------- */

static inline enum router_service router_service_of(enum delay_path path)
{
    return path == DELAY_PATH_LONG ? ROUTER_TABLE : ROUTER_SQS;
}

/* ENCODED is waited for; the caller adds the effect that brings it. */
void router_envelope_encoding(struct router_core *c, struct router_envelope *e);
void router_on_record(struct router_turn *t, const struct router_event *event);
void router_on_encoded(struct router_turn *t, const struct router_event *event);
void router_pack_advance(struct router_turn *t);
int64_t router_pack_wake(const struct router_core *c);

/* --- sending --------------------------------------------------------------------------------- */

void router_on_sent(struct router_turn *t, const struct router_event *event);
void router_send_advance(struct router_turn *t);
int64_t router_send_wake(const struct router_core *c);
/* What is closed now would only wait: there is enough for every free call and one batch more. */
bool router_send_saturated(const struct router_core *c, enum router_service service);
/* Puts an encoded envelope in line on its path. */
void router_send_queue(struct router_turn *t, uint32_t slot, bool is_retry);
void router_send_backoff(struct router_turn *t, uint32_t slot, enum router_result result,
                         int64_t hint_ms);
/* Is it at fault, or the whole path? True: the refusal of this lone record is believed. */
bool router_send_believe_refusal(struct router_turn *t, enum router_service service);
void router_send_block(struct router_turn *t, enum router_service service);

/* --- large records, refused records ---------------------------------------------------------- */

void router_parts_start(struct router_turn *t, uint32_t slot, uint32_t blob_bytes);
void router_parts_queue(struct router_turn *t, uint32_t slot, bool is_retry);
/* Fills up to `room` entries and their places in the call; returns how many. */
uint32_t router_parts_fill(struct router_turn *t, uint32_t slot, struct router_call *call,
                           uint32_t room);
bool router_parts_unsent(const struct router_envelope *e);
void router_parts_result(struct router_turn *t, uint32_t slot, uint32_t part,
                         enum router_result result, bool in_company, int64_t hint_ms);
/* After its place in queue, heap or calls has changed: goes on to the dead letter if a part was
 * refused and nothing is under way. */
void router_parts_settle(struct router_turn *t, uint32_t slot);

/* The envelope, alone in its call, was refused for good. */
void router_refused_alone(struct router_turn *t, uint32_t slot, enum router_service service);
/* The window is durable or dead-lettered: the rest of a split envelope, or its end. */
void router_envelope_next_window(struct router_turn *t, uint32_t slot, uint32_t window);
void router_dead_letter(struct router_turn *t, uint32_t slot);
void router_on_dead_lettered(struct router_turn *t, const struct router_event *event);

#endif
