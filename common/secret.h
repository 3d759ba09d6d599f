/* The one type that holds secrets: no printing, wiped when released. Keys, session tokens, derived
 * keys. */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/slice.h"

struct secret {
    uint8_t *bytes;
    size_t len;
};

/* Owns a copy. */
void secret_init(struct secret *s, struct slice value);
void secret_release(struct secret *s); /* wipes; fine to call twice */

/* For the one who signs or sends it, for no longer than the call. */
struct slice secret_reveal(const struct secret *s);

/* Wipes a local copy, on every exit path. */
void secret_wipe(void *bytes, size_t len);
/* buf_release for text with secrets in it. A buffer that grows leaves copies: reserve before. */
void secret_buf_release(struct buf *b);

#endif
