#include "tests/harness/unit.h"

#include "common/compiler.h"
#include "common/encode.h"
#include "common/prng.h"
#include "tests/harness/vectors.h"

static void base64_follows_rfc4648(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        buf_init(&out, 64);
        encode_base64(slice_from_str(cases[i][0]), &out);
        assert_slice_equal(buf_slice(&out), cases[i][1]);
        assert_int_equal(out.len, encode_base64_len(strlen(cases[i][0])));
        buf_clear(&out);
        assert_status(decode_base64(slice_from_str(cases[i][1]), &out), STATUS_OK);
        assert_slice_equal(buf_slice(&out), cases[i][0]);
        buf_release(&out);
    }
}

static void base64_is_strict(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "Z",        "Zg",   "Zg=",    "====",     "=Zg=", "Z===",  "Zg==Zg==",
        "Zh==",     "Zm9=", "Zm9v\n", "Zm 9v",    "Zm9_", "Zm9-",  "Zm9v\xc3",
        "Zg==    ", "Zm=v", "Z=9v",   "Zm9vZg=a", "A===", "Zm9v ", "Zm9v====",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct buf out;
        buf_init(&out, 64);
        buf_append_str(&out, "kept");
        assert_status(decode_base64(slice_from_str(wrong[i]), &out), STATUS_INVALID);
        assert_slice_equal(buf_slice(&out), "kept");
        assert_false(out.overflow);
        buf_release(&out);
    }
}

static void base64_round_trips_every_length(void **state)
{
    (void)state;
    struct prng random;
    prng_init(&random, 1);
    uint8_t raw[300];
    for (size_t len = 0; len <= sizeof(raw); len++) {
        for (size_t i = 0; i < len; i++)
            raw[i] = (uint8_t)prng_next(&random);
        struct buf text;
        struct buf back;
        buf_init(&text, 1024);
        buf_init(&back, len);
        encode_base64(slice_from(raw, len), &text);
        assert_status(decode_base64(buf_slice(&text), &back), STATUS_OK);
        assert_true(slice_equal(buf_slice(&back), slice_from(raw, len)));
        if (len > 0) {
            struct buf small;
            buf_init(&small, len - 1);
            assert_status(decode_base64(buf_slice(&text), &small), STATUS_TOO_LARGE);
            assert_int_equal(small.len, 0);
            assert_false(small.overflow);
            buf_release(&small);
        }
        buf_release(&text);
        buf_release(&back);
    }
}

static void every_foreign_byte_is_refused(void **state)
{
    (void)state;
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct buf out;
    buf_init(&out, 64);
    for (int c = 0; c < 256; c++) {
        bool known = c != 0 && strchr(alphabet, c) != NULL;
        for (size_t place = 0; place < 8; place++) {
            uint8_t text[8];
            memset(text, 'A', sizeof(text));
            text[place] = (uint8_t)c;
            enum status status = decode_base64(slice_from(text, sizeof(text)), &out);
            bool padding = c == '=' && place == 7;
            assert_int_equal(status == STATUS_OK, known || padding);
        }
        buf_clear(&out);
    }
    buf_release(&out);
}

static void hex_goes_both_ways(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 64);
    encode_hex(SLICE_LITERAL("\x00\x7f\xab\xff"), &out);
    assert_slice_equal(buf_slice(&out), "007fabff");
    buf_clear(&out);
    assert_status(decode_hex(SLICE_LITERAL("007fABff"), &out), STATUS_OK);
    assert_true(slice_equal(buf_slice(&out), SLICE_LITERAL("\x00\x7f\xab\xff")));
    assert_status(decode_hex(SLICE_LITERAL("0"), &out), STATUS_INVALID);
    assert_status(decode_hex(SLICE_LITERAL("0g"), &out), STATUS_INVALID);
    assert_status(decode_hex(SLICE_LITERAL("0x"), &out), STATUS_INVALID);
    assert_int_equal(out.len, 4);
    buf_release(&out);
}

static void uri_keeps_only_unreserved(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1024);
    encode_uri(SLICE_LITERAL("AZaz09-_.~ /%+*\xe1\x88\xb4"), false, &out);
    assert_slice_equal(buf_slice(&out), "AZaz09-_.~%20%2F%25%2B%2A%E1%88%B4");
    buf_clear(&out);
    encode_uri(SLICE_LITERAL("/a b/"), true, &out);
    assert_slice_equal(buf_slice(&out), "/a%20b/");
    buf_release(&out);
}

static void agrees_with_the_vectors(void **state)
{
    (void)state;
    CLEANUP(json_freep) cJSON *json = vectors_load("hash/hash_vectors.json");
    if (json == NULL)
        return;
    const cJSON *base64 = json_get_object(json, "base64");
    struct buf out;
    buf_init(&out, 1024);
    int seen = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, json_get_array(base64, "cases"))
    {
        buf_clear(&out);
        encode_base64(json_get_text(item, "ascii"), &out);
        assert_true(slice_equal(buf_slice(&out), json_get_text(item, "b64")));
        seen++;
    }
    cJSON_ArrayForEach(item, json_get_array(base64, "must_reject_or_define"))
    {
        assert_status(decode_base64(slice_from_str(item->valuestring), &out), STATUS_INVALID);
        seen++;
    }
    assert_true(seen > 10);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_follows_rfc4648),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(base64_round_trips_every_length),
        cmocka_unit_test(every_foreign_byte_is_refused),
        cmocka_unit_test(hex_goes_both_ways),
        cmocka_unit_test(uri_keeps_only_unreserved),
        cmocka_unit_test(agrees_with_the_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
