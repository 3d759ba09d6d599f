/* What must stand in the table before a bucket is written or read, decided: the cursors first, then
 * `meta`. Pure; table_setup.h does it.
 *
 * Every cursor up to the most shards there ever were is put under a condition (one that stands is
 * left alone), whatever `meta` says: a start that died half-way is put right by the next. `meta`
 * changes under the condition that it is as it was read; when another program was faster it is read
 * again.
 *
 * `meta` also names what a bucket spans. It is part of every key: with two values in one table,
 * each program would look for items where the other did not put them. So the first program
 * settles it, and one that is configured otherwise is refused. Shards may differ (see table.h), and
 * so may the times around a handoff: the cut-off lies between them, and what slips through is read
 * again as a straggler.
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
    TABLE_SETUP_PUT_META,    /* meta; only if it is not there */
    TABLE_SETUP_UPDATE_META, /* meta; only if it is as in old */
    TABLE_SETUP_WAIT,        /* nothing to do until an answer comes */
    TABLE_SETUP_DONE,
    TABLE_SETUP_MISMATCH, /* meta names another bucket: old.bucket_ms */
    TABLE_SETUP_FAILED,   /* reading and writing went round too often, or meta makes no sense */
};

struct table_meta {
    int64_t shards; /* in use */
    int64_t shards_most;
    int64_t bucket_ms; /* 0: not named, the table is from before it was */
};

struct table_setup_step {
    enum table_setup_action action;
    uint32_t shard;
    struct table_meta meta;
    struct table_meta old;
};

enum table_setup_phase {
    TABLE_SETUP_READING,
    TABLE_SETUP_CURSORS,
    TABLE_SETUP_META,
    TABLE_SETUP_ENDED,
};

enum table_setup_end { TABLE_SETUP_END_GOOD, TABLE_SETUP_END_MISMATCH, TABLE_SETUP_END_FAILED };

struct table_setup_core {
    enum table_setup_phase phase;
    bool asked; /* the phase's only question is on its way */
    enum table_setup_end end;
    bool meta_exists;
    uint32_t wanted; /* shards as configured */
    int64_t bucket_ms;
    uint32_t rounds;
    struct table_meta old; /* as read; all 0: there is none */
    uint32_t cursors;      /* to be made sure of */
    uint32_t next_cursor;
    uint32_t cursors_open; /* asked for and not answered */
};

/* As configured: shards 1..SHARDS_MAX, bucket_ms at least 1. */
void table_setup_core_init(struct table_setup_core *c, uint32_t shards, int64_t bucket_ms);

/* The next thing to do; call until it is WAIT, DONE, MISMATCH or FAILED. At most in_flight_max
 * cursors are asked for at once. */
struct table_setup_step table_setup_core_next(struct table_setup_core *c, uint32_t in_flight_max);

/* The answers. Failures other than a condition end the whole; it may be started anew. */
void table_setup_core_on_meta(struct table_setup_core *c, bool exists,
                              const struct table_meta *meta);
void table_setup_core_on_cursor(struct table_setup_core *c);
/* written false: the condition did not hold. */
void table_setup_core_on_meta_written(struct table_setup_core *c, bool written);

/* After DONE: the most shards there ever were; wanted are in use. */
uint32_t table_setup_core_most(const struct table_setup_core *c);

#endif
