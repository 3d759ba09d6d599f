#include "common/table_setup_core.h"

#include <sys/param.h>

#include "common/check.h"
#include "common/limits.h"

#define ROUNDS_MAX 16 /* programs that start together change meta a few times at most */

void table_setup_core_init(struct table_setup_core *c, uint32_t shards)
{
    CHECK(shards >= 1 && shards <= SHARDS_MAX);
    *c = (struct table_setup_core){.phase = TABLE_SETUP_READING, .wanted = shards};
}

static struct table_setup_step next_cursor(struct table_setup_core *c, uint32_t in_flight_max)
{
    if (c->next_cursor == c->cursors || c->cursors_open == in_flight_max)
        return (struct table_setup_step){.action = TABLE_SETUP_WAIT};
    c->cursors_open++;
    return (struct table_setup_step){.action = TABLE_SETUP_PUT_CURSOR, .shard = c->next_cursor++};
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
            .shards = c->wanted,
            .shards_most = table_setup_core_most(c),
            .old_shards = c->old_shards,
            .old_most = c->old_most,
        };
    case TABLE_SETUP_ENDED:
        step.action = c->failed ? TABLE_SETUP_FAILED : TABLE_SETUP_DONE;
        return step;
    }
    UNREACHABLE();
}

static void fail(struct table_setup_core *c)
{
    c->phase = TABLE_SETUP_ENDED;
    c->failed = true;
}

void table_setup_core_on_meta(struct table_setup_core *c, bool exists, int64_t shards,
                              int64_t shards_most)
{
    CHECK(c->phase == TABLE_SETUP_READING && c->asked);
    c->asked = false;
    if (exists && (shards < 1 || shards_most < shards || shards_most > SHARDS_MAX)) {
        fail(c);
        return;
    }
    c->meta_exists = exists;
    c->old_shards = exists ? (uint32_t)shards : 0;
    c->old_most = exists ? (uint32_t)shards_most : 0;
    c->cursors = table_setup_core_most(c);
    c->phase = TABLE_SETUP_CURSORS;
}

void table_setup_core_on_cursor(struct table_setup_core *c)
{
    CHECK(c->phase == TABLE_SETUP_CURSORS && c->cursors_open > 0);
    c->cursors_open--;
    if (c->cursors_open > 0 || c->next_cursor < c->cursors)
        return;
    bool as_wanted = c->meta_exists && c->old_shards == c->wanted;
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
        fail(c);
        return;
    }
    c->next_cursor = 0;
    c->phase = TABLE_SETUP_READING;
}

uint32_t table_setup_core_most(const struct table_setup_core *c)
{
    return MAX(c->wanted, c->old_most);
}
