#include "common/table.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/check.h"
#include "common/limits.h"
#include "common/num.h"

#define DUE_DIGITS     15
#define DUE_MS_MAX     INT64_C(999999999999999)
#define BUCKET_MAX     INT64_C(999999999999)
#define FENCE_DIGITS   40
#define TICK_PREFIX    "tick-"
#define SK_ID_HEX_SIZE ((size_t)2 * ENVELOPE_ID_SIZE)

int64_t table_bucket(int64_t due_ms, int64_t bucket_ms)
{
    CHECK(due_ms >= 0 && bucket_ms > 0);
    return due_ms / bucket_ms;
}

void table_bucket_pk(int64_t bucket, uint32_t shard, char out[TABLE_KEY_SIZE])
{
    CHECK(bucket >= 0 && bucket <= BUCKET_MAX);
    snprintf(out, TABLE_KEY_SIZE, "%012" PRId64 "#%" PRIu32, bucket, shard);
}

void table_envelope_sk(int64_t due_ms, const struct envelope_id *id, char out[TABLE_KEY_SIZE])
{
    CHECK(due_ms >= 0 && due_ms <= DUE_MS_MAX);
    char hex[ENVELOPE_ID_HEX_SIZE];
    envelope_id_hex(id, hex);
    snprintf(out, TABLE_KEY_SIZE, "%015" PRId64 "#%s", due_ms, hex);
}

void table_cursor_pk(uint32_t shard, char out[TABLE_KEY_SIZE])
{
    snprintf(out, TABLE_KEY_SIZE, "cursor#%" PRIu32, shard);
}

void table_blob_pk(const struct envelope_id *id, char out[TABLE_KEY_SIZE])
{
    char hex[ENVELOPE_ID_HEX_SIZE];
    envelope_id_hex(id, hex);
    snprintf(out, TABLE_KEY_SIZE, "blob#%s", hex);
}

void table_blob_sk(uint32_t part, char out[TABLE_KEY_SIZE])
{
    CHECK(part < BLOB_PARTS_MAX);
    snprintf(out, TABLE_KEY_SIZE, "%04" PRIu32, part);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower_hex(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

enum status table_parse_sk(struct slice sk, int64_t *ret_due_ms)
{
    if (sk.len != DUE_DIGITS + 1 + SK_ID_HEX_SIZE || sk.ptr[DUE_DIGITS] != '#')
        return STATUS_INVALID;
    int64_t due_ms = 0;
    for (size_t i = 0; i < DUE_DIGITS; i++) {
        if (!is_digit(sk.ptr[i]))
            return STATUS_INVALID;
        due_ms = due_ms * 10 + (sk.ptr[i] - '0');
    }
    for (size_t i = DUE_DIGITS + 1; i < sk.len; i++) {
        if (!is_lower_hex(sk.ptr[i]))
            return STATUS_INVALID;
    }
    *ret_due_ms = due_ms;
    return STATUS_OK;
}

void table_tick_body(uint32_t shard, int64_t bucket, char out[TABLE_KEY_SIZE])
{
    CHECK(bucket >= 0 && bucket <= BUCKET_MAX);
    snprintf(out, TABLE_KEY_SIZE, TICK_PREFIX "%" PRIu32 "-%" PRId64, shard, bucket);
}

void table_tick_group(uint32_t shard, char out[TABLE_KEY_SIZE])
{
    snprintf(out, TABLE_KEY_SIZE, "shard-%" PRIu32, shard);
}

enum status table_parse_tick(struct slice body, uint32_t *ret_shard, int64_t *ret_bucket)
{
    struct slice prefix = SLICE_LITERAL(TICK_PREFIX);
    if (body.len <= prefix.len || !slice_equal(slice_from(body.ptr, prefix.len), prefix))
        return STATUS_INVALID;
    struct slice rest = slice_from(body.ptr + prefix.len, body.len - prefix.len);
    const uint8_t *dash = memchr(rest.ptr, '-', rest.len);
    if (dash == NULL)
        return STATUS_INVALID;
    size_t shard_len = (size_t)(dash - rest.ptr);
    int64_t shard;
    int64_t bucket;
    if (num_parse_i64(slice_from(rest.ptr, shard_len), SHARDS_MAX - 1, &shard) != STATUS_OK ||
        num_parse_i64(slice_from(dash + 1, rest.len - shard_len - 1), BUCKET_MAX, &bucket) !=
            STATUS_OK)
        return STATUS_INVALID;
    *ret_shard = (uint32_t)shard;
    *ret_bucket = bucket;
    return STATUS_OK;
}

enum status table_fence(struct slice sequence_number, uint32_t receive_count,
                        char out[TABLE_FENCE_SIZE])
{
    if (sequence_number.len == 0 || sequence_number.len > FENCE_DIGITS)
        return STATUS_INVALID;
    for (size_t i = 0; i < sequence_number.len; i++) {
        if (!is_digit(sequence_number.ptr[i]))
            return STATUS_INVALID;
    }
    char padded[FENCE_DIGITS + 1];
    size_t padding = FENCE_DIGITS - sequence_number.len;
    memset(padded, '0', padding);
    memcpy(padded + padding, sequence_number.ptr, sequence_number.len);
    padded[FENCE_DIGITS] = '\0';
    snprintf(out, TABLE_FENCE_SIZE, "%s-%010" PRIu32, padded, receive_count);
    return STATUS_OK;
}
