/* A growing buffer that is born with a maximum. Going over it sets a sticky flag and adds nothing
 * more: write all, ask once. Always NUL-terminated behind len, for a library's border. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/compiler.h"
#include "common/slice.h"

struct buf {
    uint8_t *ptr; /* NULL until the first byte */
    size_t len;
    size_t capacity;
    size_t max;
    bool overflow;
};

void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b); /* leaves it as after buf_init with the same max */
void buf_clear(struct buf *b);   /* keeps the memory, forgets content and overflow */

void buf_append(struct buf *b, const void *bytes, size_t len);
void buf_append_slice(struct buf *b, struct slice s);
void buf_append_str(struct buf *b, const char *text);
void buf_append_byte(struct buf *b, uint8_t byte);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* Room for len more bytes, to be filled by the caller and counted with buf_commit; NULL on
 * overflow. */
NODISCARD uint8_t *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_from(b->ptr == NULL ? (const uint8_t *)"" : b->ptr, b->len);
}

/* Never NULL. */
static inline const char *buf_text(const struct buf *b)
{
    return b->ptr == NULL ? "" : (const char *)b->ptr;
}

#endif
