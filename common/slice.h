/* A view of bytes that somebody else owns. ptr == NULL is null (a Kafka tombstone, an absent
 * member), which is not the same as empty. */
#ifndef COMMON_SLICE_H
#define COMMON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *ptr;
    size_t len;
};

#define SLICE_LITERAL(text) ((struct slice){(const uint8_t *)(text), sizeof(text) - 1})
#define SLICE_NULL          ((struct slice){NULL, 0})

/* For printf("%.*s", SLICE_ARG(s)): only for text that is known to be printable. */
#define SLICE_ARG(s) (int)(s).len, (s).ptr == NULL ? "" : (const char *)(s).ptr

static inline struct slice slice_from(const void *ptr, size_t len)
{
    return (struct slice){(const uint8_t *)ptr, len};
}

static inline struct slice slice_from_str(const char *text)
{
    return (struct slice){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

static inline bool slice_is_null(struct slice s)
{
    return s.ptr == NULL;
}

/* Null and empty are equal here; ask slice_is_null where the difference counts. */
static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_equal_str(struct slice a, const char *text)
{
    return slice_equal(a, slice_from_str(text));
}

/* By bytes, shorter first among equal beginnings: the order of DynamoDB's sort keys. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared == 0 ? 0 : memcmp(a.ptr, b.ptr, shared);
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

#endif
