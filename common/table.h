/* The table's key space (design, section 5): what router and scheduler must spell alike.
 *
 *   pk "<bucket>#<shard>"   sk "<due ms, 15 digits>#<envelope id hex>"   an envelope
 *   pk "cursor#<shard>"     sk "-"                                        bucket, place, fence
 *   pk "blob#<id hex>"      sk "<part, 4 digits>"                         a part of a large record
 *   pk "meta"               sk "-"                       shards in use, the most there ever were,
 *                                                        and what a bucket spans
 *
 * A bucket is due_ms / bucket_ms (a minute by default), written with 12 digits.
 */
#ifndef COMMON_TABLE_H
#define COMMON_TABLE_H

#include <stdint.h>

#include "common/compiler.h"
#include "common/envelope.h"
#include "common/slice.h"
#include "common/status.h"

#define TABLE_KEY_SIZE 64 /* any pk or sk with its NUL */

/* Attribute names. Short: DynamoDB bills their bytes with every item. */
#define TABLE_PK       "pk"
#define TABLE_SK       "sk"
#define TABLE_ENVELOPE "e"       /* B */
#define TABLE_WRITTEN  "written" /* N, ms */
#define TABLE_EXPIRES  "expires" /* N, s: the TTL attribute */
#define TABLE_BUCKET   "bucket"  /* N, in a cursor */
/* S, in a cursor: the last sk dispatched, "" at the start of a bucket. */
#define TABLE_PLACE       "place"
#define TABLE_FENCE       "fence"       /* S, in a cursor */
#define TABLE_META        "meta"        /* a pk; its sk is "-" */
#define TABLE_SHARDS      "shards"      /* N, in meta */
#define TABLE_SHARDS_MOST "shards_most" /* N, in meta */
#define TABLE_BUCKET_MS   "bucket_ms"   /* N, in meta */

int64_t table_bucket(int64_t due_ms, int64_t bucket_ms);
void table_bucket_pk(int64_t bucket, uint32_t shard, char out[TABLE_KEY_SIZE]);
void table_envelope_sk(int64_t due_ms, const struct envelope_id *id, char out[TABLE_KEY_SIZE]);
void table_cursor_pk(uint32_t shard, char out[TABLE_KEY_SIZE]);
void table_blob_pk(const struct envelope_id *id, char out[TABLE_KEY_SIZE]);
void table_blob_sk(uint32_t part, char out[TABLE_KEY_SIZE]);

/* due_ms out of an envelope's sk. */
NODISCARD enum status table_parse_sk(struct slice sk, int64_t *ret_due_ms);

/* A tick's body and deduplication id, "tick-<shard>-<bucket>", and its group, "shard-<shard>". */
void table_tick_body(uint32_t shard, int64_t bucket, char out[TABLE_KEY_SIZE]);
void table_tick_group(uint32_t shard, char out[TABLE_KEY_SIZE]);
NODISCARD enum status table_parse_tick(struct slice body, uint32_t *ret_shard, int64_t *ret_bucket);

/* The fence of a tick: its SequenceNumber (digits, up to 40) and ApproximateReceiveCount, padded so
 * that text order is number order. STATUS_INVALID if sequence_number is not such a number. */
#define TABLE_FENCE_SIZE 64
NODISCARD enum status table_fence(struct slice sequence_number, uint32_t receive_count,
                                  char out[TABLE_FENCE_SIZE]);

#endif
