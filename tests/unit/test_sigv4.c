#include "tests/harness/unit.h"

#include "common/encode.h"
#include "common/num.h"
#include "common/sigv4.h"
#include "tests/harness/vectors.h"

#define TEXT_MAX (256 * 1024)

/* A case of the AWS signing test suite, read from its folder. */
struct suite_case {
    char folder[1024];
    struct buf request_text;
    cJSON *context;
    struct sigv4_header headers[SIGV4_HEADERS_MAX];
    struct sigv4_request request;
    struct sigv4_credentials credentials;
    struct sigv4_scope scope;
    char amz_date[NUM_AMZ_DATE_SIZE];
    struct buf body_hash;
};

static void read_part(const struct suite_case *c, const char *name, struct buf *out)
{
    char path[1200];
    snprintf(path, sizeof(path), "%s/%s", c->folder, name);
    buf_clear(out);
    read_whole_file(path, out);
}

static void add_header(struct suite_case *c, struct slice name, struct slice value)
{
    assert_true(c->request.header_count < SIGV4_HEADERS_MAX);
    c->headers[c->request.header_count++] = (struct sigv4_header){name, value};
}

static void parse_request(struct suite_case *c)
{
    struct slice rest = buf_slice(&c->request_text);
    struct slice line;
    assert_true(vectors_next_line(&rest, &line));
    size_t method = 0;
    while (line.ptr[method] != ' ')
        method++;
    c->request.method = slice_from(line.ptr, method);
    struct slice target =
        slice_from(line.ptr + method + 1, line.len - method - 1 - strlen(" HTTP/1.1"));
    const uint8_t *query = memchr(target.ptr, '?', target.len);
    size_t path_len = query == NULL ? target.len : (size_t)(query - target.ptr);
    c->request.path = slice_from(target.ptr, path_len);
    if (query != NULL)
        c->request.query = slice_from(query + 1, target.len - path_len - 1);
    while (vectors_next_line(&rest, &line) && line.len > 0) {
        if (line.ptr[0] == ' ') { /* a folded header: the value grows over the line break */
            struct sigv4_header *last = &c->headers[c->request.header_count - 1];
            last->value.len = (size_t)(line.ptr + line.len - last->value.ptr);
            continue;
        }
        const uint8_t *colon = memchr(line.ptr, ':', line.len);
        assert_non_null(colon);
        size_t name_len = (size_t)(colon - line.ptr);
        add_header(c, slice_from(line.ptr, name_len),
                   slice_from(colon + 1, line.len - name_len - 1));
    }
    digest_sha256(rest, c->request.payload_sha256);
}

static void load_case(struct suite_case *c, const char *root, const char *name)
{
    *c = (struct suite_case){.request = {.normalize_path = true}};
    snprintf(c->folder, sizeof(c->folder), "%s/%s", root, name);
    buf_init(&c->request_text, TEXT_MAX);
    buf_init(&c->body_hash, 64);
    c->request.headers = c->headers;
    char path[1200];
    snprintf(path, sizeof(path), "%s/context.json", c->folder);
    c->context = vectors_load_file(path);
    read_part(c, "request.txt", &c->request_text);
    parse_request(c);
    const cJSON *keys = json_get_object(c->context, "credentials");
    c->credentials.access_key_id = json_get_text(keys, "access_key_id");
    c->credentials.secret_access_key = json_get_text(keys, "secret_access_key");
    c->credentials.session_token = json_get_text(keys, "token");
    c->scope.region = json_get_text(c->context, "region");
    c->scope.service = json_get_text(c->context, "service");
    assert_status(num_parse_rfc3339(json_get_text(c->context, "timestamp"), &c->scope.time_ms),
                  STATUS_OK);
    num_format_amz_date(c->scope.time_ms, c->amz_date);
    c->request.normalize_path = json_get_bool(c->context, "normalize", true);
    if (json_get_bool(c->context, "omit_session_token", false))
        c->credentials.session_token = SLICE_NULL;
    encode_hex(slice_from(c->request.payload_sha256, DIGEST_SHA256_SIZE), &c->body_hash);
}

static void release_case(struct suite_case *c)
{
    cJSON_Delete(c->context);
    buf_release(&c->request_text);
    buf_release(&c->body_hash);
}

static void expect_part(const struct suite_case *c, const char *part, const struct buf *got)
{
    CLEANUP(buf_release) struct buf expected;
    buf_init(&expected, TEXT_MAX);
    read_part(c, part, &expected);
    if (!slice_equal(buf_slice(got), buf_slice(&expected)))
        fail_msg("%s/%s\n--- got\n%s\n--- expected\n%s", c->folder, part, buf_text(got),
                 buf_text(&expected));
}

/* Steps 1 to 3, each compared with the suite's intermediate result. */
static void check_steps(const struct suite_case *c, const char *mode,
                        const struct sigv4_request *request, struct buf *signature)
{
    char part[64];
    CLEANUP(buf_release) struct buf canonical;
    CLEANUP(buf_release) struct buf signed_headers;
    CLEANUP(buf_release) struct buf string_to_sign;
    buf_init(&canonical, TEXT_MAX);
    buf_init(&signed_headers, TEXT_MAX);
    buf_init(&string_to_sign, TEXT_MAX);
    assert_status(sigv4_canonical_request(request, &canonical, &signed_headers), STATUS_OK);
    snprintf(part, sizeof(part), "%s-canonical-request.txt", mode);
    expect_part(c, part, &canonical);
    sigv4_string_to_sign(&c->scope, buf_slice(&canonical), &string_to_sign);
    snprintf(part, sizeof(part), "%s-string-to-sign.txt", mode);
    expect_part(c, part, &string_to_sign);
    sigv4_signature(c->credentials.secret_access_key, &c->scope, buf_slice(&string_to_sign), NULL,
                    signature);
    snprintf(part, sizeof(part), "%s-signature.txt", mode);
    expect_part(c, part, signature);
}

static void check_header_mode(struct suite_case *c)
{
    size_t count = c->request.header_count;
    add_header(c, SLICE_LITERAL("X-Amz-Date"), slice_from_str(c->amz_date));
    if (c->credentials.session_token.len > 0)
        add_header(c, SLICE_LITERAL("X-Amz-Security-Token"), c->credentials.session_token);
    if (json_get_bool(c->context, "sign_body", false))
        add_header(c, SLICE_LITERAL("x-amz-content-sha256"), buf_slice(&c->body_hash));
    CLEANUP(buf_release) struct buf signature;
    CLEANUP(buf_release) struct buf authorization;
    CLEANUP(buf_release) struct buf expected;
    buf_init(&signature, TEXT_MAX);
    buf_init(&authorization, TEXT_MAX);
    buf_init(&expected, TEXT_MAX);
    check_steps(c, "header", &c->request, &signature);
    assert_status(sigv4_sign_headers(&c->request, &c->credentials, &c->scope, NULL, &authorization),
                  STATUS_OK);
    read_part(c, "header-signed-request.txt", &expected);
    const char *line = strstr(buf_text(&expected), "\nAuthorization:");
    assert_non_null(line);
    line += strlen("\nAuthorization:");
    if (strncmp(line, buf_text(&authorization), authorization.len) != 0 ||
        line[authorization.len] != '\n')
        fail_msg("%s: Authorization is %s", c->folder, buf_text(&authorization));
    c->request.header_count = count;
}

static void check_query_mode(struct suite_case *c)
{
    CLEANUP(buf_release) struct buf query;
    CLEANUP(buf_release) struct buf signature;
    buf_init(&query, TEXT_MAX);
    buf_init(&signature, TEXT_MAX);
    int64_t expires_s = vectors_i64(c->context, "expiration_in_seconds");
    assert_status(sigv4_presign(&c->request, &c->credentials, &c->scope, expires_s, &query),
                  STATUS_OK);
    const char *last = strstr(buf_text(&query), "&X-Amz-Signature=");
    assert_non_null(last);
    struct sigv4_request presigned = c->request;
    presigned.query = slice_from(query.ptr, (size_t)(last - buf_text(&query)));
    check_steps(c, "query", &presigned, &signature);
    assert_string_equal(last + strlen("&X-Amz-Signature="), buf_text(&signature));
}

static void check_suite_case(const char *folder, const char *name)
{
    struct suite_case c;
    load_case(&c, folder, name);
    check_header_mode(&c);
    check_query_mode(&c);
    release_case(&c);
}

static void agrees_with_the_aws_suite(void **state)
{
    (void)state;
    const char *folder = vectors_path("sigv4/v4");
    if (folder != NULL)
        assert_true(vectors_each_entry(folder, check_suite_case) > 30);
}

/* --- requests signed by botocore, see data/make_sigv4_vectors.py ----------------------------- */

struct signed_line {
    const cJSON *json;
    struct sigv4_header headers[SIGV4_HEADERS_MAX];
    struct sigv4_request request;
    struct sigv4_credentials credentials;
    struct sigv4_scope scope;
};

static void split_url(struct slice url, struct sigv4_request *request)
{
    const uint8_t *rest = memmem(url.ptr, url.len, "://", 3);
    assert_non_null(rest);
    rest += 3;
    const uint8_t *end = url.ptr + url.len;
    while (rest < end && *rest != '/' && *rest != '?')
        rest++;
    const uint8_t *query = memchr(rest, '?', (size_t)(end - rest));
    request->path = slice_from(rest, (size_t)((query == NULL ? end : query) - rest));
    if (query != NULL)
        request->query = slice_from(query + 1, (size_t)(end - query) - 1);
}

static void load_line(struct signed_line *l, const cJSON *json)
{
    *l = (struct signed_line){
        .json = json,
        .request = {.normalize_path = true, .double_encode_path = true},
    };
    l->credentials = (struct sigv4_credentials){json_get_text(l->json, "access_key_id"),
                                                json_get_text(l->json, "secret_access_key"),
                                                json_get_text(l->json, "session_token")};
    l->scope.region = json_get_text(l->json, "region");
    l->scope.service = json_get_text(l->json, "service");
    assert_status(num_parse_rfc3339(json_get_text(l->json, "timestamp"), &l->scope.time_ms),
                  STATUS_OK);
    l->request.method = json_get_text(l->json, "method");
    split_url(json_get_text(l->json, "url"), &l->request);
    const cJSON *pair;
    cJSON_ArrayForEach(pair, json_get_array(l->json, "headers"))
    {
        assert_true(l->request.header_count < SIGV4_HEADERS_MAX);
        l->headers[l->request.header_count++] =
            (struct sigv4_header){slice_from_str(cJSON_GetArrayItem(pair, 0)->valuestring),
                                  slice_from_str(cJSON_GetArrayItem(pair, 1)->valuestring)};
    }
    l->request.headers = l->headers;
    CLEANUP(buf_release) struct buf body;
    buf_init(&body, TEXT_MAX);
    assert_status(decode_base64(json_get_text(l->json, "body_b64"), &body), STATUS_OK);
    digest_sha256(buf_slice(&body), l->request.payload_sha256);
}

static void expect_text(const struct signed_line *l, const char *member, struct slice got)
{
    struct slice expected = json_get_text(l->json, member);
    if (!slice_equal(expected, got))
        fail_msg("%s: %s is\n%.*s\nexpected\n%.*s", vectors_text(l->json, "name"), member,
                 SLICE_ARG(got), SLICE_ARG(expected));
}

static void check_string_to_sign(const struct signed_line *l, const struct sigv4_request *request)
{
    CLEANUP(buf_release) struct buf canonical;
    CLEANUP(buf_release) struct buf signed_headers;
    CLEANUP(buf_release) struct buf text;
    buf_init(&canonical, TEXT_MAX);
    buf_init(&signed_headers, TEXT_MAX);
    buf_init(&text, TEXT_MAX);
    assert_status(sigv4_canonical_request(request, &canonical, &signed_headers), STATUS_OK);
    sigv4_string_to_sign(&l->scope, buf_slice(&canonical), &text);
    if (!slice_equal(buf_slice(&text), json_get_text(l->json, "string_to_sign")))
        print_error("canonical request:\n%s\n", buf_text(&canonical));
    expect_text(l, "string_to_sign", buf_slice(&text));
}

static void check_line(const cJSON *json, struct slice line, void *cache)
{
    (void)line;
    struct signed_line l;
    load_line(&l, json);
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, TEXT_MAX);
    int64_t expires_s = vectors_i64_or(json, "expires", 0);
    if (expires_s == 0) {
        check_string_to_sign(&l, &l.request);
        assert_status(sigv4_sign_headers(&l.request, &l.credentials, &l.scope, cache, &out),
                      STATUS_OK);
        expect_text(&l, "authorization", buf_slice(&out));
        return;
    }
    assert_status(sigv4_presign(&l.request, &l.credentials, &l.scope, expires_s, &out), STATUS_OK);
    const char *last = strstr(buf_text(&out), "&X-Amz-Signature=");
    assert_non_null(last);
    struct sigv4_request presigned = l.request;
    presigned.query = slice_from(out.ptr, (size_t)(last - buf_text(&out)));
    check_string_to_sign(&l, &presigned);
    expect_text(&l, "signature", slice_from_str(last + strlen("&X-Amz-Signature=")));
}

static void agrees_with_botocore(void **state)
{
    (void)state;
    struct sigv4_key_cache cache = {.filled = false}; /* one for all: it must notice every change */
    assert_true(vectors_each_line("tests/unit/data/sigv4_botocore.jsonl", check_line, &cache) >
                100);
    sigv4_key_cache_release(&cache);
}

/* --- MSK tokens ------------------------------------------------------------------------------ */

static void check_msk_vector(const cJSON *vector)
{
    struct sigv4_header host = {SLICE_LITERAL("host"), json_get_text(vector, "host")};
    struct sigv4_request request = {.method = SLICE_LITERAL("GET"),
                                    .path = SLICE_LITERAL("/"),
                                    .query = SLICE_LITERAL("Action=kafka-cluster%3AConnect"),
                                    .headers = &host,
                                    .header_count = 1};
    digest_sha256(SLICE_LITERAL(""), request.payload_sha256);
    struct sigv4_credentials credentials = {json_get_text(vector, "access_key_id"),
                                            json_get_text(vector, "secret_access_key"),
                                            json_get_text(vector, "session_token")};
    struct sigv4_scope scope = {.region = json_get_text(vector, "region"),
                                .service = json_get_text(vector, "service")};
    assert_status(num_parse_rfc3339(json_get_text(vector, "timestamp"), &scope.time_ms), STATUS_OK);
    CLEANUP(buf_release) struct buf query;
    buf_init(&query, TEXT_MAX);
    assert_status(sigv4_presign(&request, &credentials, &scope, 900, &query), STATUS_OK);
    const char *signature = strstr(buf_text(&query), "&X-Amz-Signature=");
    assert_non_null(signature);
    assert_true(slice_equal_str(json_get_text(vector, "signature"),
                                signature + strlen("&X-Amz-Signature=")));
}

static void agrees_with_the_msk_signers(void **state)
{
    (void)state;
    CLEANUP(json_freep) cJSON *json = vectors_load("msk/msk_iam_vectors.json");
    if (json == NULL)
        return;
    const cJSON *vectors = json_get_array(json, "vectors");
    assert_true(cJSON_GetArraySize(vectors) > 4);
    const cJSON *vector;
    cJSON_ArrayForEach(vector, vectors) check_msk_vector(vector);
}

/* --- what AWS publishes no vectors for ------------------------------------------------------- */

static enum status sign_with(const struct sigv4_header *headers, size_t count, const char *key,
                             const char *secret, struct sigv4_key_cache *cache, struct buf *out)
{
    struct sigv4_request request = {.method = SLICE_LITERAL("POST"),
                                    .path = SLICE_LITERAL("/"),
                                    .headers = headers,
                                    .header_count = count};
    struct sigv4_credentials credentials = {slice_from_str(key), slice_from_str(secret),
                                            SLICE_NULL};
    struct sigv4_scope scope = {SLICE_LITERAL("eu-west-1"), SLICE_LITERAL("sqs"), 0};
    buf_clear(out);
    return sigv4_sign_headers(&request, &credentials, &scope, cache, out);
}

static void refuses_what_cannot_be_signed(void **state)
{
    (void)state;
    struct sigv4_header headers[SIGV4_HEADERS_MAX + 1];
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, TEXT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        headers[i] = (struct sigv4_header){SLICE_LITERAL("x"), SLICE_LITERAL("y")};
    assert_status(sign_with(headers, 1, "AK", "s", NULL, &out), STATUS_INVALID);
    headers[0].name = SLICE_LITERAL("HOST");
    assert_status(sign_with(headers, 1, "AK", "s", NULL, &out), STATUS_OK);
    assert_status(sign_with(headers, 1, "", "s", NULL, &out), STATUS_INVALID);
    assert_status(sign_with(headers, 1, "AK", "", NULL, &out), STATUS_INVALID);
    assert_status(sign_with(headers, SIGV4_HEADERS_MAX, "AK", "s", NULL, &out), STATUS_OK);
    assert_status(sign_with(headers, SIGV4_HEADERS_MAX + 1, "AK", "s", NULL, &out),
                  STATUS_TOO_LARGE);
    CLEANUP(buf_release) struct buf small;
    buf_init(&small, 100);
    assert_status(sign_with(headers, 1, "AK", "s", NULL, &small), STATUS_TOO_LARGE);
}

static void a_kept_key_is_used_only_where_it_fits(void **state)
{
    (void)state;
    struct sigv4_header host = {SLICE_LITERAL("host"), SLICE_LITERAL("h")};
    struct sigv4_key_cache cache = {.filled = false};
    CLEANUP(buf_release) struct buf fresh;
    CLEANUP(buf_release) struct buf kept;
    buf_init(&fresh, TEXT_MAX);
    buf_init(&kept, TEXT_MAX);
    static const char *const secrets[] = {"s1", "s2", "s2", "s1"};
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        assert_status(sign_with(&host, 1, "AK", secrets[i], NULL, &fresh), STATUS_OK);
        assert_status(sign_with(&host, 1, "AK", secrets[i], &cache, &kept), STATUS_OK);
        assert_string_equal(buf_text(&fresh), buf_text(&kept));
    }
    assert_true(cache.filled);
    cache.key[0] ^= 1; /* shows that it is the kept one that signs */
    assert_status(sign_with(&host, 1, "AK", "s1", &cache, &kept), STATUS_OK);
    assert_string_not_equal(buf_text(&fresh), buf_text(&kept));
    sigv4_key_cache_release(&cache);
    static const struct sigv4_key_cache empty;
    assert_memory_equal(&cache, &empty, sizeof(cache));
}

static void an_escaped_slash_is_no_separator(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool twice;
        const char *canonical;
    } paths[] = {
        {"/a%2fb", false, "/a%2Fb"}, {"/a%2Fb", true, "/a%252Fb"}, {"/a%zz", false, "/a%25zz"},
        {"/a%4", false, "/a%254"},   {"/%7E", false, "/~"},        {"", false, "/"},
    };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct sigv4_request request = {.method = SLICE_LITERAL("GET"),
                                        .path = slice_from_str(paths[i].path),
                                        .double_encode_path = paths[i].twice};
        CLEANUP(buf_release) struct buf canonical;
        CLEANUP(buf_release) struct buf signed_headers;
        buf_init(&canonical, TEXT_MAX);
        buf_init(&signed_headers, TEXT_MAX);
        assert_status(sigv4_canonical_request(&request, &canonical, &signed_headers), STATUS_OK);
        struct slice rest = buf_slice(&canonical);
        struct slice line;
        for (int number = 0; number < 2; number++) /* the method, then the path */
            assert_true(vectors_next_line(&rest, &line));
        assert_slice_equal(line, paths[i].canonical);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_aws_suite),
        cmocka_unit_test(agrees_with_botocore),
        cmocka_unit_test(agrees_with_the_msk_signers),
        cmocka_unit_test(refuses_what_cannot_be_signed),
        cmocka_unit_test(a_kept_key_is_used_only_where_it_fits),
        cmocka_unit_test(an_escaped_slash_is_no_separator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
