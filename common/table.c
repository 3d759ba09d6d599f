#include "common/table.h"

#include <string.h>

#include "common/check.h"
#include "common/limits.h"
#include "common/num.h"

static_assert(TABLE_KEY_SIZE <= SQS_GROUP_ID_BYTES_MAX, "a key may name a message group");

#define BUCKET_DIGITS        12
#define DUE_DIGITS           15
#define PART_DIGITS          4
#define RECEIVE_COUNT_DIGITS 10
#define NUMBER_DIGITS_MAX    20
#define DUE_MS_MAX           INT64_C(999999999999999)
#define BUCKET_MAX           INT64_C(999999999999)
#define FENCE_DIGITS         40
#define TICK_PREFIX          "tick-"
#define SK_ID_HEX_SIZE       ((size_t)2 * ENVELOPE_ID_SIZE)

/* Keys are put together by hand: cores spell them, and printf is not for cores. */
static char *put_text(char *to, const char *text)
{
    size_t len = strlen(text);
    memcpy(to, text, len + 1);
    return to + len;
}

/* At least min_digits, filled with zeros. */
static char *put_number(char *to, int64_t value, int min_digits)
{
    CHECK(value >= 0);
    char digits[NUMBER_DIGITS_MAX];
    int count = 0;
    for (; value > 0 || count < min_digits; value /= 10)
        digits[count++] = (char)('0' + value % 10);
    while (count > 0)
        *to++ = digits[--count];
    *to = '\0';
    return to;
}

int64_t table_bucket(int64_t due_ms, int64_t bucket_ms)
{
    CHECK(due_ms >= 0 && bucket_ms > 0);
    return due_ms / bucket_ms;
}

void table_bucket_pk(int64_t bucket, uint32_t shard, char out[TABLE_KEY_SIZE])
{
    CHECK(bucket <= BUCKET_MAX);
    out = put_number(out, bucket, BUCKET_DIGITS);
    put_number(put_text(out, "#"), shard, 1);
}

void table_envelope_sk(int64_t due_ms, const struct envelope_id *id, char out[TABLE_KEY_SIZE])
{
    CHECK(due_ms <= DUE_MS_MAX);
    out = put_text(put_number(out, due_ms, DUE_DIGITS), "#");
    envelope_id_hex(id, out);
}

void table_cursor_pk(uint32_t shard, char out[TABLE_KEY_SIZE])
{
    put_number(put_text(out, "cursor#"), shard, 1);
}

void table_blob_pk(const struct envelope_id *id, char out[TABLE_KEY_SIZE])
{
    envelope_id_hex(id, put_text(out, "blob#"));
}

void table_blob_sk(uint32_t part, char out[TABLE_KEY_SIZE])
{
    CHECK(part < BLOB_PARTS_MAX);
    put_number(out, part, PART_DIGITS);
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
    CHECK(bucket <= BUCKET_MAX);
    out = put_number(put_text(out, TICK_PREFIX), shard, 1);
    put_number(put_text(out, "-"), bucket, 1);
}

void table_tick_group(uint32_t shard, char out[TABLE_KEY_SIZE])
{
    put_number(put_text(out, "shard-"), shard, 1);
}

enum status table_parse_tick(struct slice body, uint32_t *ret_shard, int64_t *ret_bucket)
{
    struct slice prefix = SLICE_LITERAL(TICK_PREFIX);
    if (body.len <= prefix.len || !slice_equal(slice_from(body.ptr, prefix.len), prefix))
        return STATUS_INVALID;
    struct slice rest = slice_from(body.ptr + prefix.len, body.len - prefix.len);
    size_t shard_len = 0;
    while (shard_len < rest.len && rest.ptr[shard_len] != '-')
        shard_len++;
    if (shard_len == rest.len)
        return STATUS_INVALID;
    struct slice after = slice_from(rest.ptr + shard_len + 1, rest.len - shard_len - 1);
    int64_t shard;
    int64_t bucket;
    if (num_parse_i64(slice_from(rest.ptr, shard_len), SHARDS_MAX - 1, &shard) != STATUS_OK ||
        num_parse_i64(after, BUCKET_MAX, &bucket) != STATUS_OK)
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
    size_t padding = FENCE_DIGITS - sequence_number.len;
    memset(out, '0', padding);
    memcpy(out + padding, sequence_number.ptr, sequence_number.len);
    put_number(put_text(out + FENCE_DIGITS, "-"), receive_count, RECEIVE_COUNT_DIGITS);
    return STATUS_OK;
}
