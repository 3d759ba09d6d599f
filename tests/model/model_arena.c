#include "tests/model/model_arena.h"

#include <stdint.h>
#include <string.h>

#include "common/mem.h"

#define BLOCK_BYTES 16384

struct model_arena_block {
    struct model_arena_block *older;
    size_t used;
    size_t size;
    max_align_t bytes[];
};

void model_arena_init(struct model_arena *arena)
{
    *arena = (struct model_arena){0};
}

void model_arena_release(struct model_arena *arena)
{
    while (arena->newest != NULL) {
        struct model_arena_block *older = arena->newest->older;
        mem_free(arena->newest);
        arena->newest = older;
    }
}

void *model_arena_take(struct model_arena *arena, size_t size)
{
    const size_t align = sizeof(max_align_t);
    size_t rounded = (size + align - 1) / align * align;
    struct model_arena_block *block = arena->newest;
    if (block == NULL || block->size - block->used < rounded) {
        size_t room = rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES;
        block = mem_alloc(sizeof(*block) + room);
        block->older = arena->newest;
        block->used = 0;
        block->size = room;
        arena->newest = block;
    }
    void *taken = (char *)block->bytes + block->used;
    block->used += rounded;
    memset(taken, 0, rounded);
    return taken;
}
