/* The relay's core alone, in virtual time: the test says what comes in and takes out, one by one,
 * the effects that it expects. Lives of many messages at random: relay_world.h. */
#ifndef TESTS_HARNESS_RELAY_RIG_H
#define TESTS_HARNESS_RELAY_RIG_H

#include "relay/relay_core.h"
#include "tests/harness/unit.h"

#define RELAY_RIG_LOG_MAX 4096
#define RELAY_RIG_WALL_MS INT64_C(1800000000000) /* the wall clock at the start */
#define RELAY_RIG_SOON_MS (RELAY_RIG_WALL_MS + 2000)

struct relay_rig {
    struct relay_core core;
    struct relay_limits limits;
    void *storage;
    struct now now;
    struct relay_effects out; /* of the last step */
    struct relay_effect log[RELAY_RIG_LOG_MAX];
    size_t log_len; /* effects that nobody has taken */
};

extern const struct relay_limits relay_rig_limits; /* the usual ones */
extern const uint16_t relay_rig_at_0[1];           /* due offsets */
extern const uint16_t relay_rig_at_three[3];       /* 0, 100, 100 */

/* A case with a fresh rig as its *state. */
#define RELAY_CASE(name)                                                                           \
    cmocka_unit_test_setup_teardown(name, relay_rig_set_up, relay_rig_tear_down)
int relay_rig_set_up(void **state);
int relay_rig_tear_down(void **state);
/* Afresh, with other limits. */
void relay_rig_restart(struct relay_rig *rig, const struct relay_limits *limits);

/* --- time and steps -------------------------------------------------------------------------- */

void relay_rig_step(struct relay_rig *rig, const struct relay_event *ev); /* one, no more */
bool relay_rig_is_due(const struct relay_rig *rig);
/* An event and everything that is to be done at this instant. */
void relay_rig_feed(struct relay_rig *rig, struct relay_event ev);
/* Both clocks go on; every deadline on the way is kept to the millisecond. */
void relay_rig_advance(struct relay_rig *rig, int64_t ms);
/* Time passes and nobody runs: a suspended host. */
void relay_rig_sleep(struct relay_rig *rig, int64_t ms);

/* --- effects --------------------------------------------------------------------------------- */

size_t relay_rig_count(const struct relay_rig *rig, enum relay_effect_type type);
void relay_rig_expect_none(const struct relay_rig *rig, enum relay_effect_type type);
/* The first effect of the type, taken out of the log; fails the test if there is none. */
struct relay_effect relay_rig_take(struct relay_rig *rig, enum relay_effect_type type);
struct relay_ref relay_rig_take_poll(struct relay_rig *rig, enum relay_queue queue);
/* Takes the next emission, checks it, and says that Kafka took all of it. */
void relay_rig_expect_emit(struct relay_rig *rig, struct relay_ref slot, uint32_t first,
                           uint32_t count);
size_t relay_rig_polls_out(const struct relay_rig *rig);

/* --- messages -------------------------------------------------------------------------------- */

/* The event of a readable message; ids of one number are equal. */
struct relay_event relay_rig_message(const struct relay_rig *rig, enum relay_queue queue,
                                     uint32_t id, int64_t due_ms);
struct relay_ref relay_rig_receive(struct relay_rig *rig, enum relay_queue queue, uint32_t id,
                                   int64_t due_ms);
struct relay_ref relay_rig_receive_bad(struct relay_rig *rig, enum relay_verdict verdict,
                                       int64_t sent_ms, uint32_t receive_count);
/* offsets must outlive the slot. */
void relay_rig_decode(struct relay_rig *rig, struct relay_ref slot, int64_t second_ms,
                      const uint16_t *offsets, uint32_t records);
/* Received from the delay queue, held and decoded; due at the offsets from RELAY_RIG_SOON_MS. */
struct relay_ref relay_rig_hold(struct relay_rig *rig, uint32_t id, const uint16_t *offsets,
                                uint32_t records);
/* The same, one record, whose blob is still to be fetched. */
struct relay_ref relay_rig_hold_blob(struct relay_rig *rig, uint32_t id, int64_t bytes);
/* From its receipt to its delete. */
void relay_rig_deliver(struct relay_rig *rig, uint32_t id);

/* --- answers --------------------------------------------------------------------------------- */

void relay_rig_polled(struct relay_rig *rig, struct relay_ref poll, enum outcome outcome,
                      uint32_t messages);
void relay_rig_poll_held_back(struct relay_rig *rig, struct relay_ref poll, int64_t held_back_ms);
void relay_rig_fetched(struct relay_rig *rig, struct relay_ref slot, bool attached);
void relay_rig_emitted(struct relay_rig *rig, struct relay_ref slot, uint32_t taken, bool full);
void relay_rig_report(struct relay_rig *rig, struct relay_ref slot, uint32_t record); /* good */
void relay_rig_report_as(struct relay_rig *rig, struct relay_ref slot, uint32_t record,
                         enum outcome outcome, enum relay_refusal refusal);
void relay_rig_report_batch_refused(struct relay_rig *rig, struct relay_ref slot, uint32_t record);
void relay_rig_report_dead(struct relay_rig *rig, const struct relay_dead_letter *dead,
                           enum outcome outcome, bool full);
/* Of a visibility change or a delete: every entry done, failed alike, or its receipt ended. */
void relay_rig_answer(struct relay_rig *rig, const struct relay_effect *effect);
void relay_rig_answer_each(struct relay_rig *rig, const struct relay_batch *batch,
                           enum outcome outcome, enum error_kind kind);
void relay_rig_answer_ended(struct relay_rig *rig, const struct relay_effect *effect);

#endif
