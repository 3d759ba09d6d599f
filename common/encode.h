/* Hex, base64 (RFC 4648, strict) and URI encoding (RFC 3986, as SigV4 wants it). */
#ifndef COMMON_ENCODE_H
#define COMMON_ENCODE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/slice.h"
#include "common/status.h"

static inline size_t encode_base64_len(size_t raw_len)
{
    return (raw_len + 2) / 3 * 4;
}

void encode_hex(struct slice raw, struct buf *out); /* lower case */
void encode_base64(struct slice raw, struct buf *out);
/* Keeps A-Z a-z 0-9 - _ . ~ and, if keep_slash, '/'; %XX in upper case for all else. */
void encode_uri(struct slice raw, bool keep_slash, struct buf *out);

/* STATUS_INVALID for a foreign character, wrong padding or non-zero spare bits; STATUS_TOO_LARGE
 * when it does not fit into out. Out is untouched on failure. */
NODISCARD enum status decode_base64(struct slice text, struct buf *out);
NODISCARD enum status decode_hex(struct slice text, struct buf *out);

#endif
