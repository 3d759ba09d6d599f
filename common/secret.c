#include "common/secret.h"

#include <openssl/crypto.h>

#include "common/mem.h"

void secret_init(struct secret *s, struct slice value)
{
    *s = (struct secret){.bytes = mem_alloc(value.len), .len = value.len};
    if (value.len > 0)
        memcpy(s->bytes, value.ptr, value.len);
}

void secret_release(struct secret *s)
{
    if (s->bytes != NULL)
        secret_wipe(s->bytes, s->len);
    mem_free(s->bytes);
    *s = (struct secret){0};
}

struct slice secret_reveal(const struct secret *s)
{
    return slice_from(s->bytes == NULL ? (const uint8_t *)"" : s->bytes, s->len);
}

void secret_wipe(void *bytes, size_t len)
{
    OPENSSL_cleanse(bytes, len);
}

void secret_buf_release(struct buf *b)
{
    if (b->ptr != NULL)
        secret_wipe(b->ptr, b->capacity);
    buf_release(b);
}
