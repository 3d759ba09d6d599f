/* What the files of the relay's core share. Nobody else includes this. */
#ifndef RELAY_CORE_INTERNAL_H
#define RELAY_CORE_INTERNAL_H

#include "relay/relay_core.h"

/* An action of the pump adds at most this many effects. An event's handler comes before the pump
 * and adds at most a batch of them. */
#define RELAY_EFFECTS_PER_ACTION 4

static inline bool relay_room(const struct relay_effects *out)
{
    return out->count + RELAY_EFFECTS_PER_ACTION <= RELAY_EFFECTS_MAX;
}

static inline uint8_t relay_one_more(uint8_t tries)
{
    return tries == UINT8_MAX ? tries : (uint8_t)(tries + 1);
}

static inline uint32_t relay_slot_index(const struct relay_core *c, const struct relay_slot *s)
{
    return (uint32_t)(s - c->slots);
}

static inline struct relay_ref relay_slot_ref(const struct relay_core *c,
                                              const struct relay_slot *s)
{
    return (struct relay_ref){relay_slot_index(c, s), s->generation};
}

static inline bool relay_list_empty(const struct relay_list *l)
{
    return l->head == RELAY_NONE;
}

/* One at a time is out: the next waits for its report. */
static inline bool relay_suspect_waits(const struct relay_slot *s)
{
    return s->alone == RELAY_NONE && !relay_list_empty(&s->suspects);
}

/* No record of it can have reached Kafka. */
static inline bool relay_slot_untouched(const struct relay_slot *s)
{
    return s->next == 0 && s->pending == 0 && s->settled == 0;
}

/* Its message may be somebody else's by now. */
static inline bool relay_slot_ran_out(const struct relay_core *c, const struct relay_slot *s,
                                      struct now now)
{
    return now.mono.ms >= time_sub(s->visible_at.ms, c->limits.margin_ms);
}

/* relay_core.c */
struct relay_effect *relay_effect_add(struct relay_effects *out, enum relay_effect_type type);
struct relay_slot *relay_slot_find(struct relay_core *c, struct relay_ref ref); /* NULL: stray */
struct relay_slot *relay_slot_take(struct relay_core *c, uint32_t slot);
void relay_slot_release(struct relay_core *c, struct relay_slot *s, struct relay_effects *out);
void relay_slot_unindex(struct relay_core *c, struct relay_slot *s);
/* Puts the slot into the heaps according to its fields: after every change of them. */
void relay_slot_arm(struct relay_core *c, struct relay_slot *s);
void relay_bytes_set(struct relay_core *c, struct relay_slot *s, int64_t bytes);
/* unpacked_bytes: that it takes, or will take, unpacked. */
void relay_packing_set(struct relay_core *c, struct relay_slot *s, enum relay_packing packing,
                       int64_t unpacked_bytes);
/* SQS wants fewer calls. */
static inline void relay_note_throttle(struct relay_core *c, struct now now)
{
    c->throttled_until = mono_add(now.mono, RELAY_THROTTLED_MS);
}
/* Half fixed, half jitter; doubles with tries. */
int64_t relay_backoff_ms(struct relay_core *c, uint32_t tries);
/* The same after a throttle, which it notes: short, however many came before. */
int64_t relay_throttled_backoff_ms(struct relay_core *c, uint32_t tries, struct now now);

/* relay_core_receive.c */
void relay_on_received(struct relay_core *c, const struct relay_received *ev, struct now now,
                       struct relay_effects *out);
void relay_on_polled(struct relay_core *c, const struct relay_polled *ev, struct now now);
void relay_on_decoded(struct relay_core *c, const struct relay_decoded *ev, struct now now);
void relay_on_fetched(struct relay_core *c, const struct relay_fetched *ev, struct now now);
void relay_polls_start(struct relay_core *c, struct now now, struct relay_effects *out);
void relay_unpack_next(struct relay_core *c, struct now now, struct relay_effects *out);
bool relay_unpack_has_room(const struct relay_core *c);
void relay_fetches_start(struct relay_core *c, struct relay_effects *out);
struct mono_ms relay_polls_deadline(const struct relay_core *c);
bool relay_fetch_has_room(const struct relay_core *c);

/* relay_core_emit.c */
void relay_on_emitted(struct relay_core *c, const struct relay_emitted *ev, struct now now);
void relay_on_report(struct relay_core *c, const struct relay_report *ev, struct now now);
void relay_emit_due(struct relay_core *c, struct now now, struct relay_effects *out);
void relay_emit_again(struct relay_core *c, struct relay_slot *s, struct now now,
                      struct relay_effects *out);
/* The next record that was refused in company; relay_suspect_waits(). */
void relay_emit_alone(struct relay_core *c, struct relay_slot *s, struct now now,
                      struct relay_effects *out);
void relay_dead_letter_next(struct relay_core *c, struct relay_slot *s, struct now now,
                            struct relay_effects *out);
/* The message as a whole, as one dead letter. The window must have room. */
void relay_dead_letter_whole(struct relay_core *c, struct relay_slot *s, enum relay_refusal refusal,
                             struct now now);

/* relay_core_calls.c */
/* Sets visibility so that the message comes back when and why `leave` says, then forgets it. */
void relay_slot_leave(struct relay_core *c, struct relay_slot *s, enum relay_leave leave,
                      struct now now);
void relay_slot_delete(struct relay_core *c, struct relay_slot *s, struct now now);
/* Extends visibility at half time from now on. */
void relay_slot_keep(struct relay_core *c, struct relay_slot *s);
/* A newer receipt handle: what was under way for the old one no longer counts. */
void relay_slot_rehandle(struct relay_core *c, struct relay_slot *s,
                         const struct relay_received *ev);
/* Its visibility ran out after emission had begun: another relay may have it, too. Counted once. */
void relay_slot_lapse(struct relay_core *c, struct relay_slot *s);
/* call_at has come. May release the slot: false then. */
bool relay_slot_call_due(struct relay_core *c, struct relay_slot *s, struct now now,
                         struct relay_effects *out);
void relay_call_unqueue(struct relay_core *c, struct relay_slot *s);
void relay_on_called(struct relay_core *c, const struct relay_called *ev, struct now now,
                     struct relay_effects *out);
void relay_calls_flush(struct relay_core *c, struct now now, struct relay_effects *out);
struct mono_ms relay_calls_deadline(const struct relay_core *c);

#endif
