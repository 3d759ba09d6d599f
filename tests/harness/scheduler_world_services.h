/* The services of a scheduler_world: what they do with an effect, and the order rules that show
 * there. The simulator has others that take their place; the checks are of use to it too. */
#ifndef TESTS_HARNESS_SCHEDULER_WORLD_SERVICES_H
#define TESTS_HARNESS_SCHEDULER_WORLD_SERVICES_H

#include "tests/harness/scheduler_world.h"

bool scheduler_world_group_blocked(const struct scheduler_world *w, uint32_t upto, uint32_t shard);
uint32_t scheduler_world_row(const struct scheduler_world *w);
/* Does what the effect asks for and makes the answer of it. */
void scheduler_world_apply(struct scheduler_world *w, struct scheduler_world_pending *p);
/* The kind of answer that a call which is not applied gets. */
void scheduler_world_kind(struct scheduler_world_pending *p);
bool scheduler_world_is_table(enum scheduler_effect_kind kind);
void scheduler_world_all(struct scheduler_world_pending *p, enum scheduler_result result);

/* R2: what a cursor has passed was sent. */
void scheduler_world_check_cursor(const struct scheduler_world *w, uint32_t shard);

/* R5: what a move of the node's passes has had its straggler pass. */
void scheduler_world_check_passes(const struct scheduler_world *w,
                                  const struct scheduler_world_node *node, uint32_t shard,
                                  int64_t from_bucket, int64_t to_bucket);

/* --- scheduler_world.c: at the very moment in which it is decided ---------------------------- */

/* R1: by nobody but the holder of the shard. */
void scheduler_world_check_holder(const struct scheduler_world *w,
                                  const struct scheduler_world_node *node,
                                  const struct scheduler_effect *effect);
/* R4: not before its time. */
void scheduler_world_check_time(const struct scheduler_world *w,
                                const struct scheduler_world_node *node,
                                const struct scheduler_effect *effect);
int64_t scheduler_world_wall(const struct scheduler_world *w);

#endif
