#include "common/table_setup_core.h"

#include <sys/param.h>

#include "common/check.h"
#include "common/limits.h"

#define ROUNDS_MAX 16 /* programs that start together change meta a few times at most */

void table_setup_core_init(struct table_setup_core *c, uint32_t shards, int64_t bucket_ms)
{
    CHECK(shards >= 1 && shards <= SHARDS_MAX && bucket_ms >= 1);
    *c = (struct table_setup_core){
        .phase = TABLE_SETUP_READING, .wanted = shards, .bucket_ms = bucket_ms};
}

static struct table_setup_step next_cursor(struct table_setup_core *c, uint32_t in_flight_max)
{
    if (c->next_cursor == c->cursors || c->cursors_open == in_flight_max)
        return (struct table_setup_step){.action = TABLE_SETUP_WAIT};
    c->cursors_open++;
    return (struct table_setup_step){.action = TABLE_SETUP_PUT_CURSOR, .shard = c->next_cursor++};
}

static enum table_setup_action last_action(enum table_setup_end how)
{
    switch (how) {
    case TABLE_SETUP_END_GOOD:
        return TABLE_SETUP_DONE;
    case TABLE_SETUP_END_MISMATCH:
        return TABLE_SETUP_MISMATCH;
    case TABLE_SETUP_END_FAILED:
        return TABLE_SETUP_FAILED;
    }
    UNREACHABLE();
}

struct table_setup_step table_setup_core_next(struct table_setup_core *c, uint32_t in_flight_max)
{
    struct table_setup_step step = {.action = TABLE_SETUP_WAIT};
    switch (c->phase) {
    case TABLE_SETUP_READING:
        if (!c->asked)
            step.action = TABLE_SETUP_READ_META;
        c->asked = true;
        return step;
    case TABLE_SETUP_CURSORS:
        return next_cursor(c, in_flight_max);
    case TABLE_SETUP_META:
        if (c->asked)
            return step;
        c->asked = true;
        return (struct table_setup_step){
            .action = c->meta_exists ? TABLE_SETUP_UPDATE_META : TABLE_SETUP_PUT_META,
            .meta = {c->wanted, table_setup_core_most(c), c->bucket_ms},
            .old = c->old,
        };
    case TABLE_SETUP_ENDED:
        return (struct table_setup_step){.action = last_action(c->end), .old = c->old};
    }
    UNREACHABLE();
}

static void end(struct table_setup_core *c, enum table_setup_end how)
{
    c->phase = TABLE_SETUP_ENDED;
    c->end = how;
}

static bool makes_sense(const struct table_meta *meta)
{
    return meta->shards >= 1 && meta->shards_most >= meta->shards &&
           meta->shards_most <= SHARDS_MAX && meta->bucket_ms >= 0;
}

void table_setup_core_on_meta(struct table_setup_core *c, bool exists,
                              const struct table_meta *meta)
{
    CHECK(c->phase == TABLE_SETUP_READING && c->asked);
    c->asked = false;
    c->meta_exists = exists;
    c->old = exists ? *meta : (struct table_meta){0};
    if (exists && !makes_sense(meta)) {
        end(c, TABLE_SETUP_END_FAILED);
        return;
    }
    if (c->old.bucket_ms != 0 && c->old.bucket_ms != c->bucket_ms) {
        end(c, TABLE_SETUP_END_MISMATCH);
        return;
    }
    c->cursors = table_setup_core_most(c);
    c->phase = TABLE_SETUP_CURSORS;
}

void table_setup_core_on_cursor(struct table_setup_core *c)
{
    CHECK(c->phase == TABLE_SETUP_CURSORS && c->cursors_open > 0);
    c->cursors_open--;
    if (c->cursors_open > 0 || c->next_cursor < c->cursors)
        return;
    bool as_wanted = c->old.shards == c->wanted && c->old.bucket_ms == c->bucket_ms;
    c->phase = as_wanted ? TABLE_SETUP_ENDED : TABLE_SETUP_META;
}

void table_setup_core_on_meta_written(struct table_setup_core *c, bool written)
{
    CHECK(c->phase == TABLE_SETUP_META && c->asked);
    c->asked = false;
    if (written) {
        c->phase = TABLE_SETUP_ENDED;
        return;
    }
    if (++c->rounds == ROUNDS_MAX) {
        end(c, TABLE_SETUP_END_FAILED);
        return;
    }
    c->next_cursor = 0;
    c->phase = TABLE_SETUP_READING;
}

uint32_t table_setup_core_most(const struct table_setup_core *c)
{
    return MAX(c->wanted, (uint32_t)c->old.shards_most);
}
