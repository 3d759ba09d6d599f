#include "tests/harness/unit.h"

#include <cjson/cJSON.h>

#include "common/mem.h"
#include "tests/emulator/signature.h"

#define SAMPLES "tests/unit/data/emulator_signatures.jsonl"

/* One line of the file, as a request and what verifies it. The slices live as long as json. */
struct sample {
    cJSON *json;
    struct http_request request;
    struct sts_model *keys;
    const char *region;
    const char *service;
    int64_t now_ms;
};

static const char *text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void load(struct sample *s, const char *line, size_t len)
{
    *s = (struct sample){.json = cJSON_ParseWithLength(line, len)};
    assert_non_null(s->json);
    s->keys = sts_model_new(1);
    struct sts_credentials key = {.expires_ms = INT64_MAX};
    const char *token = text(s->json, "session_token");
    snprintf(key.access_key_id, sizeof(key.access_key_id), "%s", text(s->json, "access_key_id"));
    snprintf(key.secret_access_key, sizeof(key.secret_access_key), "%s",
             text(s->json, "secret_access_key"));
    snprintf(key.session_token, sizeof(key.session_token), "%s", token == NULL ? "" : token);
    sts_model_add(s->keys, &key);
    s->region = text(s->json, "region");
    s->service = text(s->json, "service");
    s->now_ms = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItem(s->json, "now_ms"));
    s->request.method = slice_from_str(text(s->json, "method"));
    s->request.path = slice_from_str(text(s->json, "path"));
    s->request.query = slice_from_str(text(s->json, "query"));
    s->request.body = slice_from_str(text(s->json, "body"));
    const cJSON *header;
    cJSON_ArrayForEach(header, cJSON_GetObjectItem(s->json, "headers"))
    {
        s->request.headers[s->request.header_count++] =
            (struct http_header){slice_from_str(cJSON_GetArrayItem(header, 0)->valuestring),
                                 slice_from_str(cJSON_GetArrayItem(header, 1)->valuestring)};
    }
}

static void unload(struct sample *s)
{
    sts_model_free(s->keys);
    cJSON_Delete(s->json);
}

static enum signature_verdict verdict_at(const struct sample *s, int64_t now_ms, struct buf *why)
{
    struct signature_result result;
    signature_verify(&s->request, s->keys, s->region, s->service, now_ms, &result);
    if (why != NULL)
        buf_append_slice(why, buf_slice(&result.text));
    buf_release(&result.text);
    return result.verdict;
}

static enum signature_verdict verdict(const struct sample *s)
{
    return verdict_at(s, s->now_ms, NULL);
}

static struct http_header *header_of(struct sample *s, const char *name)
{
    for (size_t i = 0; i < s->request.header_count; i++) {
        if (slice_equal_str(s->request.headers[i].name, name))
            return &s->request.headers[i];
    }
    fail_msg("no header %s", name);
    return NULL;
}

static void for_each_sample(void (*check)(struct sample *s))
{
    struct buf file;
    buf_init(&file, 4 * 1024 * 1024);
    read_whole_file(SAMPLES, &file);
    size_t lines = 0;
    for (const char *at = buf_text(&file); *at != '\0'; lines++) {
        size_t len = strcspn(at, "\n");
        struct sample s;
        load(&s, at, len);
        check(&s);
        unload(&s);
        at += len + (at[len] == '\n');
    }
    assert_true(lines >= 24);
    buf_release(&file);
}

static void check_agrees(struct sample *s)
{
    struct buf why;
    buf_init(&why, 65536);
    if (verdict_at(s, s->now_ms, &why) != SIGNATURE_OK)
        fail_msg("%s", buf_text(&why));
    buf_release(&why);
}

static void agrees_with_botocore(void **state)
{
    (void)state;
    for_each_sample(check_agrees);
}

/* Any change of anything that is signed must be noticed. */
static void check_changes(struct sample *s)
{
    struct http_request before = s->request;
    s->request.body = SLICE_LITERAL("{\"other\":1}");
    assert_int_equal(verdict(s), SIGNATURE_MISMATCH);
    s->request = before;
    s->request.path = SLICE_LITERAL("/other");
    assert_int_equal(verdict(s), SIGNATURE_MISMATCH);
    s->request = before;
    s->request.query = SLICE_LITERAL("other=1");
    assert_int_equal(verdict(s), SIGNATURE_MISMATCH);
    s->request = before;
    s->request.method = SLICE_LITERAL("PUT");
    assert_int_equal(verdict(s), SIGNATURE_MISMATCH);
    s->request = before;
    header_of(s, "X-Amz-Target")->value = SLICE_LITERAL("AmazonSQS.DeleteQueue");
    assert_int_equal(verdict(s), SIGNATURE_MISMATCH);
    s->request = before;
    header_of(s, "Host")->value = SLICE_LITERAL("127.0.0.1");
    assert_int_equal(verdict(s), SIGNATURE_MISMATCH);
    s->request = before;
    header_of(s, "User-Agent")->value = SLICE_LITERAL("anything"); /* not signed */
    assert_int_equal(verdict(s), SIGNATURE_OK);
    s->request = before;
}

static void any_change_is_noticed(void **state)
{
    (void)state;
    for_each_sample(check_changes);
}

static void check_scope(struct sample *s)
{
    const char *region = s->region;
    s->region = "ap-south-1";
    assert_int_equal(verdict(s), SIGNATURE_MISMATCH);
    s->region = region;
    s->service = "sts";
    assert_int_equal(verdict(s), SIGNATURE_MISMATCH);
}

static void region_and_service_must_be_ours(void **state)
{
    (void)state;
    for_each_sample(check_scope);
}

static void check_skew(struct sample *s)
{
    assert_int_equal(verdict_at(s, s->now_ms + SIGNATURE_SKEW_MS_MAX, NULL), SIGNATURE_OK);
    assert_int_equal(verdict_at(s, s->now_ms + SIGNATURE_SKEW_MS_MAX + 1, NULL), SIGNATURE_SKEWED);
    assert_int_equal(verdict_at(s, s->now_ms - SIGNATURE_SKEW_MS_MAX, NULL), SIGNATURE_OK);
    assert_int_equal(verdict_at(s, s->now_ms - SIGNATURE_SKEW_MS_MAX - 1, NULL), SIGNATURE_SKEWED);
}

static void fifteen_minutes_are_the_limit(void **state)
{
    (void)state;
    for_each_sample(check_skew);
}

static void check_keys(struct sample *s)
{
    struct sts_credentials key =
        *sts_model_find(s->keys, slice_from_str(text(s->json, "access_key_id")));
    key.expires_ms = s->now_ms;
    sts_model_add(s->keys, &key);
    assert_int_equal(verdict(s), SIGNATURE_EXPIRED_TOKEN);
    key.expires_ms = s->now_ms + 1;
    sts_model_add(s->keys, &key);
    assert_int_equal(verdict(s), SIGNATURE_OK);
    memcpy(key.session_token, "other", sizeof("other"));
    sts_model_add(s->keys, &key);
    assert_int_equal(verdict(s), SIGNATURE_UNKNOWN_KEY);
    sts_model_revoke(s->keys, slice_from_str(key.access_key_id));
    assert_int_equal(verdict(s), SIGNATURE_UNKNOWN_KEY);
}

static void keys_tokens_and_their_end_are_known(void **state)
{
    (void)state;
    for_each_sample(check_keys);
}

static void check_refusal_text(struct sample *s)
{
    struct buf why;
    buf_init(&why, 65536);
    const char *token = text(s->json, "session_token");
    s->request.body = SLICE_LITERAL("{}x");
    assert_int_equal(verdict_at(s, s->now_ms, &why), SIGNATURE_MISMATCH);
    assert_non_null(strstr(buf_text(&why), "Canonical String"));
    assert_non_null(strstr(buf_text(&why), "POST\n"));
    assert_null(strstr(buf_text(&why), text(s->json, "secret_access_key")));
    if (token != NULL)
        assert_null(strstr(buf_text(&why), token));
    buf_release(&why);
}

static void a_refusal_explains_itself_without_secrets(void **state)
{
    (void)state;
    for_each_sample(check_refusal_text);
}

static void check_malformed(struct sample *s)
{
    static const struct {
        const char *header;
        enum signature_verdict verdict;
    } cases[] = {
        {"", SIGNATURE_INCOMPLETE},
        {"Bearer x", SIGNATURE_INCOMPLETE},
        {"AWS4-HMAC-SHA256 ", SIGNATURE_INCOMPLETE},
        {"AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request", SIGNATURE_INCOMPLETE},
        {"AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0", SIGNATURE_INCOMPLETE},
        {"AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, "
         "Signature=0000000000000000000000000000000000000000000000000000000000000000",
         SIGNATURE_UNKNOWN_KEY},
    };
    struct http_header *header = header_of(s, "Authorization");
    struct slice good = header->value;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        header->value = slice_from_str(cases[i].header);
        assert_int_equal(verdict(s), cases[i].verdict);
    }
    header->value = good;
    header->name = SLICE_LITERAL("X-Other");
    assert_int_equal(verdict(s), SIGNATURE_MISSING);
    header->name = SLICE_LITERAL("authorization"); /* whatever the case */
    assert_int_equal(verdict(s), SIGNATURE_OK);
    /* A header that must be signed and is not. */
    s->request.headers[s->request.header_count++] =
        (struct http_header){SLICE_LITERAL("X-Amz-Extra"), SLICE_LITERAL("1")};
    assert_int_equal(verdict(s), SIGNATURE_MISMATCH);
}

static void malformed_headers_are_refused(void **state)
{
    (void)state;
    for_each_sample(check_malformed);
}

static void issued_sessions_are_distinct_and_end(void **state)
{
    (void)state;
    struct sts_model *keys = sts_model_new(9);
    struct sts_credentials first = sts_model_issue(keys, 1000, 500);
    struct sts_credentials second = sts_model_issue(keys, 1000, 500);
    assert_string_not_equal(first.access_key_id, second.access_key_id);
    assert_string_not_equal(first.secret_access_key, second.secret_access_key);
    assert_int_equal(first.expires_ms, 1500);
    assert_int_equal(strlen(first.access_key_id), 20);
    assert_memory_equal(first.access_key_id, "ASIA", 4);
    const struct sts_credentials *found = sts_model_find(keys, slice_from_str(first.access_key_id));
    assert_string_equal(found->session_token, first.session_token);
    assert_null(sts_model_find(keys, SLICE_LITERAL("AKIANOBODY")));
    sts_model_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_botocore),
        cmocka_unit_test(any_change_is_noticed),
        cmocka_unit_test(region_and_service_must_be_ours),
        cmocka_unit_test(fifteen_minutes_are_the_limit),
        cmocka_unit_test(keys_tokens_and_their_end_are_known),
        cmocka_unit_test(a_refusal_explains_itself_without_secrets),
        cmocka_unit_test(malformed_headers_are_refused),
        cmocka_unit_test(issued_sessions_are_distinct_and_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
