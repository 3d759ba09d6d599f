/* Memory that is given back in one go. */
#ifndef TESTS_MODEL_MODEL_ARENA_H
#define TESTS_MODEL_MODEL_ARENA_H

#include <stddef.h>

#include "common/compiler.h"

struct model_arena {
    struct model_arena_block *newest; /* NULL: nothing taken */
};

void model_arena_init(struct model_arena *arena);
void model_arena_release(struct model_arena *arena); /* leaves it as after init */
/* Zeroed and aligned for anything. */
RETURNS_NONNULL void *model_arena_take(struct model_arena *arena, size_t size);

#endif
