/* Keys of the table, ticks, fences, hex and base64: text in, and the same text out again. */
#include <stdlib.h>
#include <strings.h>

#include "common/encode.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/table.h"
#include "tests/fuzz/fuzz.h"

static void check_decoders(struct slice text)
{
    CLEANUP(buf_release) struct buf raw;
    CLEANUP(buf_release) struct buf again;
    buf_init(&raw, text.len);
    buf_init(&again, 2 * text.len);
    if (decode_base64(text, &raw) == STATUS_OK) {
        encode_base64(buf_slice(&raw), &again);
        EXPECT(slice_equal(buf_slice(&again), text));
    } else {
        EXPECT(raw.len == 0);
    }
    buf_clear(&raw);
    buf_clear(&again);
    if (decode_hex(text, &raw) == STATUS_OK) {
        encode_hex(buf_slice(&raw), &again);
        EXPECT(again.len == text.len &&
               strncasecmp(buf_text(&again), (const char *)text.ptr, text.len) == 0);
    } else {
        EXPECT(raw.len == 0);
    }
}

static void check_encoders(struct slice raw)
{
    CLEANUP(buf_release) struct buf text;
    CLEANUP(buf_release) struct buf again;
    buf_init(&text, 4 * raw.len + 4);
    buf_init(&again, raw.len);
    encode_base64(raw, &text);
    EXPECT(text.len == encode_base64_len(raw.len));
    EXPECT(decode_base64(buf_slice(&text), &again) == STATUS_OK);
    EXPECT(slice_equal(buf_slice(&again), raw));
    buf_clear(&text);
    buf_clear(&again);
    encode_hex(raw, &text);
    EXPECT(decode_hex(buf_slice(&text), &again) == STATUS_OK);
    EXPECT(slice_equal(buf_slice(&again), raw));
    buf_clear(&text);
    encode_uri(raw, false, &text);
    size_t at = 0;
    for (size_t i = 0; i < text.len; i++, at++) {
        char hex[3] = {0};
        bool escaped = text.ptr[i] == '%';
        if (escaped)
            memcpy(hex, text.ptr + i + 1, 2);
        EXPECT(at < raw.len && (escaped ? strtoul(hex, NULL, 16) : text.ptr[i]) == raw.ptr[at]);
        i += escaped ? 2 : 0;
    }
    EXPECT(at == raw.len);
}

static void check_keys(struct slice text)
{
    char shown[TABLE_KEY_SIZE];
    int64_t due_ms;
    uint32_t shard;
    int64_t bucket;
    if (table_parse_sk(text, &due_ms) == STATUS_OK) {
        struct envelope_id id = {{0}};
        int64_t again;
        table_envelope_sk(due_ms, &id, shown);
        EXPECT(memcmp(shown, text.ptr, 16) == 0);
        EXPECT(table_parse_sk(slice_from_str(shown), &again) == STATUS_OK && again == due_ms);
    }
    if (table_parse_tick(text, &shard, &bucket) == STATUS_OK) {
        EXPECT(shard < SHARDS_MAX && bucket >= 0);
        table_tick_body(shard, bucket, shown);
        EXPECT(slice_equal_str(text, shown));
    }
}

static bool is_number(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return text.len > 0;
}

static int compare_numbers(struct slice a, struct slice b)
{
    while (a.len > 1 && a.ptr[0] == '0')
        a = slice_from(a.ptr + 1, a.len - 1);
    while (b.len > 1 && b.ptr[0] == '0')
        b = slice_from(b.ptr + 1, b.len - 1);
    return a.len != b.len ? (a.len > b.len) - (a.len < b.len) : slice_compare(a, b);
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

/* Fences order as (sequence number, receive count) do, as numbers. */
static void check_fences(struct slice a, struct slice b, uint32_t a_count, uint32_t b_count)
{
    char a_fence[TABLE_FENCE_SIZE];
    char b_fence[TABLE_FENCE_SIZE];
    bool a_good = table_fence(a, a_count, a_fence) == STATUS_OK;
    bool b_good = table_fence(b, b_count, b_fence) == STATUS_OK;
    EXPECT(!a_good || is_number(a));
    if (!a_good || !b_good)
        return;
    int expected = compare_numbers(a, b);
    if (expected == 0)
        expected = (a_count > b_count) - (a_count < b_count);
    EXPECT(sign(strcmp(a_fence, b_fence)) == sign(expected));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(slice_from(data, size));
    struct slice text = slice_from(copy, size);
    check_decoders(text);
    check_encoders(text);
    check_keys(text);
    struct fuzz_input in = fuzz_open(copy, size);
    struct slice a = fuzz_line(&in);
    struct slice b = fuzz_line(&in);
    uint32_t a_count = (uint32_t)fuzz_number(&in);
    check_fences(a, b, a_count, (uint32_t)fuzz_number(&in));
    return 0;
}
