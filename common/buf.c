#include "common/buf.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"

#define BUF_FIRST_CAPACITY 64

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
    mem_free(b->ptr);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->ptr != NULL)
        b->ptr[0] = '\0';
}

uint8_t *buf_reserve(struct buf *b, size_t len)
{
    if (b->overflow || len > b->max - b->len) {
        b->overflow = true;
        return NULL;
    }
    size_t needed = b->len + len + 1;
    if (needed > b->capacity) {
        size_t capacity = b->capacity == 0 ? BUF_FIRST_CAPACITY : b->capacity;
        while (capacity < needed)
            capacity *= 2;
        b->ptr = mem_realloc(b->ptr, capacity);
        b->capacity = capacity;
    }
    return b->ptr + b->len;
}

void buf_commit(struct buf *b, size_t len)
{
    CHECK(b->len + len < b->capacity);
    b->len += len;
    b->ptr[b->len] = '\0';
}

void buf_append(struct buf *b, const void *bytes, size_t len)
{
    uint8_t *room = buf_reserve(b, len);
    if (room == NULL)
        return;
    if (len > 0)
        memcpy(room, bytes, len);
    buf_commit(b, len);
}

void buf_append_slice(struct buf *b, struct slice s)
{
    buf_append(b, s.ptr, s.len);
}

void buf_append_str(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_append_byte(struct buf *b, uint8_t byte)
{
    buf_append(b, &byte, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    char small[256];
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(small, sizeof(small), format, args);
    CHECK(len >= 0);
    if ((size_t)len < sizeof(small)) {
        buf_append(b, small, (size_t)len);
    } else {
        uint8_t *room = buf_reserve(b, (size_t)len);
        if (room != NULL) {
            vsnprintf((char *)room, (size_t)len + 1, format, again);
            buf_commit(b, (size_t)len);
        }
    }
    va_end(again);
    va_end(args);
}
