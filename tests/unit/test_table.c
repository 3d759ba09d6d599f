#include "tests/harness/unit.h"

#include "common/compiler.h"
#include "common/limits.h"
#include "common/table.h"

static const struct envelope_id id = {{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
                                       0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}};

static void keys_are_spelt_as_designed(void **state)
{
    (void)state;
    char key[TABLE_KEY_SIZE];
    assert_int_equal(table_bucket(INT64_C(1790000059999), 60000), 29833334);
    table_bucket_pk(29833334, 7, key);
    assert_string_equal(key, "000029833334#7");
    table_envelope_sk(INT64_C(1790000059999), &id, key);
    assert_string_equal(key, "001790000059999#00112233445566778899aabbccddeeff");
    table_cursor_pk(255, key);
    assert_string_equal(key, "cursor#255");
    table_blob_pk(&id, key);
    assert_string_equal(key, "blob#00112233445566778899aabbccddeeff");
    table_blob_sk(12, key);
    assert_string_equal(key, "0012");
}

static void sort_keys_sort_by_due_time(void **state)
{
    (void)state;
    char earlier[TABLE_KEY_SIZE];
    char later[TABLE_KEY_SIZE];
    table_envelope_sk(999, &id, earlier);
    table_envelope_sk(1000, &id, later);
    assert_true(strcmp(earlier, later) < 0);
    int64_t due_ms;
    assert_status(table_parse_sk(slice_from_str(later), &due_ms), STATUS_OK);
    assert_int_equal(due_ms, 1000);
    later[14] = 'x';
    assert_status(table_parse_sk(slice_from_str(later), &due_ms), STATUS_INVALID);
    earlier[20] = 'G';
    assert_status(table_parse_sk(slice_from_str(earlier), &due_ms), STATUS_INVALID);
    assert_status(table_parse_sk(SLICE_LITERAL("-"), &due_ms), STATUS_INVALID);
    assert_status(table_parse_sk(SLICE_NULL, &due_ms), STATUS_INVALID);
}

static void ticks_go_both_ways(void **state)
{
    (void)state;
    char text[TABLE_KEY_SIZE];
    table_tick_body(3, 29833334, text);
    assert_string_equal(text, "tick-3-29833334");
    uint32_t shard;
    int64_t bucket;
    assert_status(table_parse_tick(slice_from_str(text), &shard, &bucket), STATUS_OK);
    assert_int_equal(shard, 3);
    assert_int_equal(bucket, 29833334);
    table_tick_group(3, text);
    assert_string_equal(text, "shard-3");
    static const char *const wrong[] = {
        "",           "tick-",     "tick-3",   "tick-3-",    "tick--1",   "tick-a-1",
        "tick-256-1", "tick-3-1 ", "tock-3-1", "tick-3-1-1", "tick-03-1", "tick-3-1000000000000",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_status(table_parse_tick(slice_from_str(wrong[i]), &shard, &bucket), STATUS_INVALID);
}

static void fences_sort_as_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *sequence;
        uint32_t receives;
    } growing[] = {
        {"9", 1},
        {"10", 1},
        {"18849496460467696128", 1},
        {"18849496460467696128", 9},
        {"18849496460467696128", 10},
        {"18849496460467696129", 1},
        {"18849496460467696129", UINT32_MAX},
        {"9999999999999999999999999999999999999999", 0},
    };
    char last[TABLE_FENCE_SIZE] = "";
    for (size_t i = 0; i < ARRAY_LEN(growing); i++) {
        char fence[TABLE_FENCE_SIZE];
        assert_status(table_fence(slice_from_str(growing[i].sequence), growing[i].receives, fence),
                      STATUS_OK);
        assert_true(strcmp(last, fence) < 0);
        memcpy(last, fence, sizeof(last));
    }
    assert_status(table_fence(SLICE_LITERAL(""), 1, last), STATUS_INVALID);
    assert_status(table_fence(SLICE_LITERAL("-1"), 1, last), STATUS_INVALID);
    assert_status(table_fence(SLICE_LITERAL("99999999999999999999999999999999999999999"), 1, last),
                  STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_spelt_as_designed),
        cmocka_unit_test(sort_keys_sort_by_due_time),
        cmocka_unit_test(ticks_go_both_ways),
        cmocka_unit_test(fences_sort_as_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
