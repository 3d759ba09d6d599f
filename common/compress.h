/* zstd, for the payloads of envelopes: what comes in says how large it becomes, and is refused
 * before anything is allocated for it. */
#ifndef COMMON_COMPRESS_H
#define COMMON_COMPRESS_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/slice.h"
#include "common/status.h"

struct compressor; /* opaque: a reusable context; about a megabyte once it was used */

struct compressor *compressor_new(void);
void compressor_free(struct compressor *c);

/* Appends the compressed data to out. STATUS_TOO_LARGE and nothing appended: it would not get
 * smaller. The maximum of out must allow data.len bytes. */
NODISCARD enum status compressor_pack(struct compressor *c, struct slice data, struct buf *out);

/* Fills out with exactly out_len bytes; STATUS_CORRUPT if data is not the compressed form of that
 * many, out then holds rubbish. */
NODISCARD enum status compress_unpack(struct slice data, uint8_t *out, size_t out_len);

#endif
