/* What must stand in the table before a bucket is written or read, decided: the cursors first, then
 * `meta`. Pure; table_setup.h does it.
 *
 * Every cursor up to the most shards there ever were is put under a condition (one that stands is
 * left alone), whatever `meta` says: a start that died half-way is put right by the next. `meta`
 * changes under the condition that it is as it was read; when another program was faster it is read
 * again.
 */
#ifndef COMMON_TABLE_SETUP_CORE_H
#define COMMON_TABLE_SETUP_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/compiler.h"
#include "common/status.h"

enum table_setup_action {
    TABLE_SETUP_READ_META,
    TABLE_SETUP_PUT_CURSOR,  /* shard; only if it is not there */
    TABLE_SETUP_PUT_META,    /* shards, shards_most; only if it is not there */
    TABLE_SETUP_UPDATE_META, /* the same; only if it has old_shards and old_most */
    TABLE_SETUP_WAIT,        /* nothing to do until an answer comes */
    TABLE_SETUP_DONE,
    TABLE_SETUP_FAILED, /* reading and writing went round too often, or meta makes no sense */
};

struct table_setup_step {
    enum table_setup_action action;
    uint32_t shard;
    uint32_t shards;
    uint32_t shards_most;
    uint32_t old_shards;
    uint32_t old_most;
};

enum table_setup_phase {
    TABLE_SETUP_READING,
    TABLE_SETUP_CURSORS,
    TABLE_SETUP_META,
    TABLE_SETUP_ENDED,
};

struct table_setup_core {
    enum table_setup_phase phase;
    bool asked; /* the phase's only question is on its way */
    bool failed;
    bool meta_exists;
    uint32_t wanted; /* shards as configured */
    uint32_t rounds;
    uint32_t old_shards; /* of meta as read */
    uint32_t old_most;
    uint32_t cursors; /* to be made sure of */
    uint32_t next_cursor;
    uint32_t cursors_open; /* asked for and not answered */
};

/* shards: 1..SHARDS_MAX. */
void table_setup_core_init(struct table_setup_core *c, uint32_t shards);

/* The next thing to do; call until it is WAIT, DONE or FAILED. At most in_flight_max cursors are
 * asked for at once. */
struct table_setup_step table_setup_core_next(struct table_setup_core *c, uint32_t in_flight_max);

/* The answers. Failures other than a condition end the whole; it may be started anew. */
void table_setup_core_on_meta(struct table_setup_core *c, bool exists, int64_t shards,
                              int64_t shards_most);
void table_setup_core_on_cursor(struct table_setup_core *c);
/* written false: the condition did not hold. */
void table_setup_core_on_meta_written(struct table_setup_core *c, bool written);

/* After DONE: the most shards there ever were; wanted are in use. */
uint32_t table_setup_core_most(const struct table_setup_core *c);

#endif
