#include "tests/harness/unit.h"

#include "common/compiler.h"
#include "common/digest.h"
#include "common/encode.h"
#include "common/limits.h"
#include "tests/harness/vectors.h"

static void assert_hex(const uint8_t *bytes, size_t len, const char *expected)
{
    struct buf hex;
    buf_init(&hex, 128);
    encode_hex(slice_from(bytes, len), &hex);
    assert_slice_equal(buf_slice(&hex), expected);
    buf_release(&hex);
}

static void assert_sha256(struct slice data, const char *expected)
{
    uint8_t out[DIGEST_SHA256_SIZE];
    digest_sha256(data, out);
    assert_hex(out, sizeof(out), expected);
}

static void assert_md5(struct slice data, const char *expected)
{
    uint8_t out[DIGEST_MD5_SIZE];
    digest_md5(data, out);
    assert_hex(out, sizeof(out), expected);
}

static void assert_hmac(struct slice key, struct slice data, const char *expected)
{
    uint8_t out[DIGEST_SHA256_SIZE];
    digest_hmac_sha256(key, data, out);
    assert_hex(out, sizeof(out), expected);
}

static void published_values_hold(void **state)
{
    (void)state;
    const char *empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_sha256(SLICE_NULL, empty);
    assert_sha256(SLICE_LITERAL(""), empty);
    assert_sha256(SLICE_LITERAL("abc"),
                  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_md5(SLICE_NULL, "d41d8cd98f00b204e9800998ecf8427e");
    assert_md5(SLICE_LITERAL("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
    assert_hmac(SLICE_LITERAL("Jefe"), SLICE_LITERAL("what do ya want for nothing?"),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_hmac(SLICE_NULL, SLICE_NULL,
                "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* Against OpenSSL's, alone: every length around the ends of blocks, bodies of different lengths. */
static void many_md5_are_those_of_each(void **state)
{
    (void)state;
    enum { BODIES = 11, ROUNDS = 300 };
    uint8_t bytes[BODIES + ROUNDS];
    uint8_t alone[DIGEST_MD5_SIZE];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct slice bodies[BODIES];
        uint8_t together[BODIES][DIGEST_MD5_SIZE];
        size_t count = round % (BODIES + 1);
        for (size_t i = 0; i < count; i++)
            bodies[i] = i == 5 ? SLICE_NULL : slice_from(bytes + i, i % 2 == 0 ? round : i);
        uint8_t anywhere[BODIES][DIGEST_MD5_SIZE];
        digest_md5_each(bodies, count, together);
        digest_md5_each_anywhere(bodies, count, anywhere);
        for (size_t i = 0; i < count; i++) {
            digest_md5(bodies[i], alone);
            assert_memory_equal(together[i], alone, sizeof(alone));
            assert_memory_equal(anywhere[i], alone, sizeof(alone));
        }
    }
}

static void a_crc_can_be_fed_in_pieces(void **state)
{
    (void)state;
    assert_int_equal(digest_crc32(0, SLICE_LITERAL("123456789")), 0xcbf43926);
    uint32_t crc = digest_crc32(0, SLICE_LITERAL("1234"));
    crc = digest_crc32(crc, SLICE_NULL);
    assert_int_equal(digest_crc32(crc, SLICE_LITERAL("56789")), 0xcbf43926);
}

static uint32_t bit_by_bit(uint32_t crc, struct slice data)
{
    crc = ~crc;
    for (size_t i = 0; i < 8 * data.len; i++) {
        uint32_t odd = (crc ^ (uint32_t)data.ptr[i / 8] >> i % 8) & 1;
        crc = crc >> 1 ^ (odd != 0 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void a_crc_of_any_length_is_the_definitions(void **state)
{
    enum { LONGEST = 300, OFFSETS = 3 };
    (void)state;
    uint8_t bytes[LONGEST + OFFSETS];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * i + i / 7);
    for (uint32_t len = 0; len <= LONGEST; len++) {
        struct slice data = slice_from(bytes + len % OFFSETS, len);
        assert_int_equal(digest_crc32(len * 7919, data), bit_by_bit(len * 7919, data));
    }
}

static void agrees_with_the_vectors(void **state)
{
    (void)state;
    CLEANUP(json_freep) cJSON *json = vectors_load("hash/hash_vectors.json");
    if (json == NULL)
        return;
    const cJSON *item;
    int seen = 0;
    cJSON_ArrayForEach(item, json_get_array(json_get_object(json, "hmac_sha256"), "cases"))
    {
        struct buf key;
        struct buf message;
        buf_init(&key, KIB);
        buf_init(&message, KIB);
        assert_status(decode_hex(json_get_text(item, "key_hex"), &key), STATUS_OK);
        assert_status(decode_hex(json_get_text(item, "msg_hex"), &message), STATUS_OK);
        assert_hmac(buf_slice(&key), buf_slice(&message), vectors_text(item, "mac"));
        buf_release(&key);
        buf_release(&message);
        seen++;
    }
    cJSON_ArrayForEach(item, json_get_array(json_get_object(json, "sha256"), "cases"))
    {
        assert_sha256(json_get_text(item, "ascii"), vectors_text(item, "sha256"));
        seen++;
    }
    cJSON_ArrayForEach(item, json_get_array(json, "md5"))
    {
        assert_md5(json_get_text(item, "ascii"), vectors_text(item, "md5"));
        seen++;
    }
    const cJSON *crc = json_get_object(json, "crc32_ieee_x_amz_crc32");
    cJSON_ArrayForEach(item, json_get_array(crc, "cases"))
    {
        if (!slice_is_null(json_get_text(item, "ascii"))) {
            assert_int_equal(digest_crc32(0, json_get_text(item, "ascii")),
                             vectors_i64(item, "crc32"));
            seen++;
        }
    }
    assert_true(seen > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_values_hold),
        cmocka_unit_test(many_md5_are_those_of_each),
        cmocka_unit_test(a_crc_can_be_fed_in_pieces),
        cmocka_unit_test(a_crc_of_any_length_is_the_definitions),
        cmocka_unit_test(agrees_with_the_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
