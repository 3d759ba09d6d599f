#include "common/compress.h"

#include <zstd.h>
#include <zstd_errors.h>

#include "common/check.h"
#include "common/mem.h"

/* Of 1 KB orders it makes as few bytes as level 3, packed 5 % less, in 55 to 70 % of the time.
 * Below it literals are not compressed: a third more bytes, and a lone order is over 1 KiB, which
 * DynamoDB bills as two units. */
#define COMPRESSION_LEVEL 1
/* The table of what was seen: 16 KiB, which stay in the processor's first cache, where level 1 has
 * 64. That takes a fifth less time for 2.5 % more bytes of 1 KB orders, for 1 % fewer of 10 KB. */
#define COMPRESSION_HASH_LOG 12

struct compressor {
    ZSTD_CCtx *context;
};

static void set(struct compressor *c, ZSTD_cParameter parameter, int value)
{
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(c->context, parameter, value)));
}

struct compressor *compressor_new(void)
{
    struct compressor *c = mem_alloc(sizeof(*c));
    c->context = ZSTD_createCCtx();
    if (c->context == NULL)
        mem_exhausted("ZSTD_createCCtx", 0);
    set(c, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
    set(c, ZSTD_c_hashLog, COMPRESSION_HASH_LOG);
    return c;
}

void compressor_free(struct compressor *c)
{
    if (c == NULL)
        return;
    ZSTD_freeCCtx(c->context);
    mem_free(c);
}

enum status compressor_pack(struct compressor *c, struct slice data, struct buf *out)
{
    if (data.len == 0)
        return STATUS_TOO_LARGE;
    size_t room = data.len - 1;
    uint8_t *to = buf_reserve(out, room);
    CHECK(to != NULL);
    size_t len = ZSTD_compress2(c->context, to, room, data.ptr, data.len);
    if (ZSTD_isError(len)) {
        if (ZSTD_getErrorCode(len) == ZSTD_error_memory_allocation)
            mem_exhausted("ZSTD_compress2", data.len);
        return STATUS_TOO_LARGE;
    }
    buf_commit(out, len);
    return STATUS_OK;
}

enum status compress_unpack(struct slice data, uint8_t *out, size_t out_len)
{
    size_t len = ZSTD_decompress(out, out_len, data.ptr, data.len);
    if (ZSTD_isError(len)) {
        if (ZSTD_getErrorCode(len) == ZSTD_error_memory_allocation)
            mem_exhausted("ZSTD_decompress", out_len);
        return STATUS_CORRUPT;
    }
    return len == out_len ? STATUS_OK : STATUS_CORRUPT;
}
