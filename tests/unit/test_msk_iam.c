#include "tests/harness/unit.h"

#include "common/encode.h"
#include "common/msk_iam.h"
#include "common/num.h"
#include "tests/harness/vectors.h"

#define QUERY_PARTS_MAX 16

/* A token and the URL that is in it. */
struct made {
    struct buf token;
    struct buf url;
};

static void release(struct made *m)
{
    buf_release(&m->token);
    buf_release(&m->url);
}

static enum status make(const cJSON *json, struct slice region, struct made *ret)
{
    const struct sigv4_credentials keys = {
        json_get_text(json, "access_key_id"),
        json_get_text(json, "secret_access_key"),
        json_get_text(json, "session_token"),
    };
    int64_t now_ms;
    assert_status(num_parse_rfc3339(json_get_text(json, "timestamp"), &now_ms), STATUS_OK);
    buf_init(&ret->token, MSK_IAM_TOKEN_BYTES_MAX);
    buf_init(&ret->url, MSK_IAM_TOKEN_BYTES_MAX);
    /* A fraction of a second changes nothing. */
    return msk_iam_token(region, &keys, now_ms + 999, &ret->token);
}

static void decode(struct made *m)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, MSK_IAM_TOKEN_BYTES_MAX);
    for (size_t i = 0; i < m->token.len; i++) {
        uint8_t c = m->token.ptr[i];
        assert_null(memchr("+/=", c, 3));
        buf_append_byte(&text, c == '-' ? '+' : c == '_' ? '/' : c);
    }
    while (text.len % 4 != 0)
        buf_append_byte(&text, '=');
    assert_status(decode_base64(buf_slice(&text), &m->url), STATUS_OK);
}

/* The order of parameters is nobody's rule. */
static unsigned split(struct slice url, struct slice parts[QUERY_PARTS_MAX])
{
    unsigned count = 0;
    while (url.len > 0) {
        const uint8_t *end = memchr(url.ptr, count == 0 ? '?' : '&', url.len);
        size_t len = end == NULL ? url.len : (size_t)(end - url.ptr);
        assert_true(count < QUERY_PARTS_MAX);
        parts[count++] = slice_from(url.ptr, len);
        url = slice_from(url.ptr + len + (end != NULL), url.len - len - (end != NULL));
    }
    return count;
}

static void expect_url(const struct made *m, struct slice expected, bool with_user_agent)
{
    struct slice got_parts[QUERY_PARTS_MAX];
    struct slice parts[QUERY_PARTS_MAX];
    unsigned got_count = split(buf_slice(&m->url), got_parts);
    unsigned count = split(expected, parts);
    assert_true(slice_equal(got_parts[0], parts[0]));
    for (unsigned i = 1; i < count; i++) {
        unsigned same = 0;
        bool free_part =
            with_user_agent && parts[i].len > 11 && memcmp(parts[i].ptr, "User-Agent=", 11) == 0;
        for (unsigned k = 1; k < got_count; k++)
            same += slice_equal(parts[i], got_parts[k]);
        if (!free_part && same != 1)
            fail_msg("no %.*s in %s", SLICE_ARG(parts[i]), buf_text(&m->url));
    }
    assert_int_equal(got_count, with_user_agent ? count : count + 1);
    assert_true(slice_equal_str(got_parts[got_count - 1], "User-Agent=delayline"));
}

static void check_line(const cJSON *json, struct slice line, void *ctx)
{
    (void)line;
    (void)ctx;
    CLEANUP(release) struct made m;
    assert_status(make(json, json_get_text(json, "region"), &m), STATUS_OK);
    decode(&m);
    expect_url(&m, json_get_text(json, "url"), false);
}

static void agrees_with_botocore(void **state)
{
    (void)state;
    assert_true(vectors_each_line("tests/unit/data/msk_iam_botocore.jsonl", check_line, NULL) > 15);
}

static void agrees_with_awss_signers(void **state)
{
    (void)state;
    CLEANUP(json_freep) cJSON *file = vectors_load("msk/msk_iam_vectors.json");
    const cJSON *json;
    cJSON_ArrayForEach(json, json_get_array(file, "vectors"))
    {
        CLEANUP(release) struct made m;
        int64_t now_ms;
        assert_status(make(json, json_get_text(json, "region"), &m), STATUS_OK);
        decode(&m);
        expect_url(&m, json_get_text(json, "signed_url_with_user_agent"), true);
        assert_status(num_parse_rfc3339(json_get_text(json, "timestamp"), &now_ms), STATUS_OK);
        assert_int_equal(msk_iam_token_end(now_ms, INT64_MAX), vectors_i64(json, "expiration_ms"));
    }
}

static void ends_with_its_keys(void **state)
{
    (void)state;
    assert_int_equal(msk_iam_token_end(1500, INT64_MAX), 1000 + 900000);
    assert_int_equal(msk_iam_token_end(1500, 5000), 5000);
}

static void what_cannot_be_signed_is_refused(void **state)
{
    static const char *const regions[] = {"", "eu west", "eu-west-1.evil.example/", "EU", "a?b"};
    (void)state;
    CLEANUP(buf_release) struct buf token;
    buf_init(&token, MSK_IAM_TOKEN_BYTES_MAX);
    const struct sigv4_credentials keys = {SLICE_LITERAL("AKID"), SLICE_LITERAL("secret"),
                                           SLICE_NULL};
    for (size_t i = 0; i < ARRAY_LEN(regions); i++)
        assert_status(msk_iam_token(slice_from_str(regions[i]), &keys, 0, &token), STATUS_INVALID);
    struct sigv4_credentials broken = keys;
    broken.secret_access_key = SLICE_LITERAL("");
    assert_status(msk_iam_token(SLICE_LITERAL("eu-west-1"), &broken, 0, &token), STATUS_INVALID);
    broken = keys;
    broken.access_key_id = SLICE_NULL;
    assert_status(msk_iam_token(SLICE_LITERAL("eu-west-1"), &broken, 0, &token), STATUS_INVALID);
    assert_int_equal(token.len, 0);
}

/* The longest that credentials may have, of what grows most when it is encoded. */
static void the_longest_session_token_fits(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf session;
    CLEANUP(buf_release) struct buf token;
    buf_init(&session, 16 * 1024);
    buf_init(&token, MSK_IAM_TOKEN_BYTES_MAX);
    while (session.len < session.max)
        buf_append_byte(&session, '=');
    const struct sigv4_credentials keys = {SLICE_LITERAL("AKID"), SLICE_LITERAL("secret"),
                                           buf_slice(&session)};
    assert_status(msk_iam_token(SLICE_LITERAL("eu-west-1"), &keys, 0, &token), STATUS_OK);
    buf_release(&token);
    buf_init(&token, 1000);
    assert_status(msk_iam_token(SLICE_LITERAL("eu-west-1"), &keys, 0, &token), STATUS_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_botocore),
        cmocka_unit_test(agrees_with_awss_signers),
        cmocka_unit_test(ends_with_its_keys),
        cmocka_unit_test(what_cannot_be_signed_is_refused),
        cmocka_unit_test(the_longest_session_token_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
