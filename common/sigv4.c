#include "common/sigv4.h"

#include <string.h>

#include "common/check.h"
#include "common/encode.h"
#include "common/mem.h"
#include "common/num.h"

#define ALGORITHM  "AWS4-HMAC-SHA256"
#define TERMINATOR "aws4_request"
#define DAY_LEN    8 /* "20150830", the beginning of an amz-date */

/* Canonical text of one request: headers of at most 64 KiB, a path or query that encoding can
 * triple. */
#define CANONICAL_BYTES_MAX (512 * 1024)
#define SIGNED_HEADERS_MAX  (16 * 1024)
#define STRING_TO_SIGN_MAX  1024
#define QUERY_PARAMS_MAX    256

static uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static int compare_names(struct slice a, struct slice b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < shared; i++) {
        int difference = (int)ascii_lower(a.ptr[i]) - (int)ascii_lower(b.ptr[i]);
        if (difference != 0)
            return difference;
    }
    return (a.len > b.len) - (a.len < b.len);
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at *i, which may be written as %XX; moves *i behind it. A lone '%' is itself. */
static uint8_t take_decoded(struct slice text, size_t *i)
{
    uint8_t c = text.ptr[(*i)++];
    if (c != '%' || text.len - *i < 2)
        return c;
    int high = hex_value(text.ptr[*i]);
    int low = hex_value(text.ptr[*i + 1]);
    if (high < 0 || low < 0)
        return c;
    *i += 2;
    return (uint8_t)(high * 16 + low);
}

/* Encodes anew what may be encoded already, raw, or a mix: one spelling for each. */
static void append_reencoded(struct slice text, bool keep_slash, struct buf *out)
{
    for (size_t i = 0; i < text.len;) {
        uint8_t c = take_decoded(text, &i);
        /* A path's "%2F" is a slash inside a segment: it must not become a separator. */
        bool separator = keep_slash && c == '/' && text.ptr[i - 1] == '/';
        encode_uri(slice_from(&c, 1), separator, out);
    }
}

static void append_normalized_path(struct slice path, struct buf *out)
{
    size_t root = out->len;
    size_t i = 0;
    while (i < path.len) {
        size_t start = i;
        while (i < path.len && path.ptr[i] != '/')
            i++;
        struct slice segment = slice_from(path.ptr + start, i - start);
        i++;
        if (segment.len == 0 || slice_equal_str(segment, "."))
            continue;
        if (!slice_equal_str(segment, "..")) {
            buf_append_byte(out, '/');
            buf_append_slice(out, segment);
            continue;
        }
        while (out->len > root && out->ptr[--out->len] != '/')
            ;
    }
    if (out->len == root || path.ptr[path.len - 1] == '/')
        buf_append_byte(out, '/');
}

static void append_canonical_path(const struct sigv4_request *request, struct buf *out)
{
    struct slice path = request->path.len == 0 ? SLICE_LITERAL("/") : request->path;
    CLEANUP(secret_buf_release) struct buf normalized;
    buf_init(&normalized, path.len + 1);
    if (request->normalize_path) {
        append_normalized_path(path, &normalized);
        path = buf_slice(&normalized);
    }
    if (request->double_encode_path)
        encode_uri(path, true, out);
    else
        append_reencoded(path, true, out);
}

struct query_param {
    struct slice name; /* encoded */
    struct slice value;
};

static int compare_params(const void *a, const void *b)
{
    const struct query_param *left = a;
    const struct query_param *right = b;
    int order = slice_compare(left->name, right->name);
    return order != 0 ? order : slice_compare(left->value, right->value);
}

/* Cuts text at the first separator; *ret_rest is null if there is none. */
static struct slice cut(struct slice text, char separator, struct slice *ret_rest)
{
    const uint8_t *at = text.len == 0 ? NULL : memchr(text.ptr, separator, text.len);
    if (at == NULL) {
        *ret_rest = SLICE_NULL;
        return text;
    }
    size_t len = (size_t)(at - text.ptr);
    *ret_rest = slice_from(at + 1, text.len - len - 1);
    return slice_from(text.ptr, len);
}

/* Insertion sort: stable, and a query has a handful of parameters. */
static void sort_params(struct query_param *params, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct query_param param = params[i];
        size_t place = i;
        for (; place > 0 && compare_params(&params[place - 1], &param) > 0; place--)
            params[place] = params[place - 1];
        params[place] = param;
    }
}

static enum status append_canonical_query(struct slice query, struct buf *out)
{
    /* Three bytes for one, and a '=' for a parameter without it: nothing here can overflow, so the
     * slices into it stay where they are. */
    CLEANUP(secret_buf_release) struct buf encoded;
    buf_init(&encoded, query.len * 3 + 1);
    if (buf_reserve(&encoded, query.len * 3) == NULL)
        return STATUS_TOO_LARGE;
    struct query_param params[QUERY_PARAMS_MAX];
    size_t count = 0;
    for (struct slice rest = query; rest.len > 0;) {
        struct slice value;
        struct slice name = cut(cut(rest, '&', &rest), '=', &value);
        if (name.len == 0 && slice_is_null(value))
            continue;
        if (count == QUERY_PARAMS_MAX)
            return STATUS_TOO_LARGE;
        struct query_param *param = &params[count++];
        size_t start = encoded.len;
        append_reencoded(name, false, &encoded);
        param->name = slice_from(encoded.ptr + start, encoded.len - start);
        start = encoded.len;
        append_reencoded(value, false, &encoded);
        param->value = slice_from(encoded.ptr + start, encoded.len - start);
    }
    CHECK(!encoded.overflow);
    sort_params(params, count);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_byte(out, '&');
        buf_append_slice(out, params[i].name);
        buf_append_byte(out, '=');
        buf_append_slice(out, params[i].value);
    }
    return STATUS_OK;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Trimmed, runs of white space as one space: a folded header becomes one line. */
static void append_header_value(struct slice value, struct buf *out)
{
    size_t i = 0;
    bool first = true;
    while (i < value.len) {
        while (i < value.len && is_space(value.ptr[i]))
            i++;
        size_t start = i;
        while (i < value.len && !is_space(value.ptr[i]))
            i++;
        if (i == start)
            break;
        if (!first)
            buf_append_byte(out, ' ');
        buf_append(out, value.ptr + start, i - start);
        first = false;
    }
}

/* Order by lower-case name; those of one name stay in order of arrival. */
static enum status sort_headers(const struct sigv4_request *request,
                                uint8_t order[SIGV4_HEADERS_MAX])
{
    if (request->header_count > SIGV4_HEADERS_MAX)
        return STATUS_TOO_LARGE;
    for (size_t i = 0; i < request->header_count; i++) {
        size_t place = i;
        struct slice name = request->headers[i].name;
        for (; place > 0 && compare_names(request->headers[order[place - 1]].name, name) > 0;
             place--)
            order[place] = order[place - 1];
        order[place] = (uint8_t)i;
    }
    return STATUS_OK;
}

static void append_signed_headers(const struct sigv4_request *request, const uint8_t *order,
                                  struct buf *out)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice name = request->headers[order[i]].name;
        if (i > 0) {
            if (compare_names(request->headers[order[i - 1]].name, name) == 0)
                continue;
            buf_append_byte(out, ';');
        }
        for (size_t j = 0; j < name.len; j++)
            buf_append_byte(out, ascii_lower(name.ptr[j]));
    }
}

static void append_canonical_headers(const struct sigv4_request *request, const uint8_t *order,
                                     struct buf *out)
{
    for (size_t i = 0; i < request->header_count; i++) {
        const struct sigv4_header *header = &request->headers[order[i]];
        bool repeated =
            i > 0 && compare_names(request->headers[order[i - 1]].name, header->name) == 0;
        if (repeated) {
            buf_append_byte(out, ',');
        } else {
            if (i > 0)
                buf_append_byte(out, '\n');
            for (size_t j = 0; j < header->name.len; j++)
                buf_append_byte(out, ascii_lower(header->name.ptr[j]));
            buf_append_byte(out, ':');
        }
        append_header_value(header->value, out);
    }
    if (request->header_count > 0)
        buf_append_byte(out, '\n');
}

/* So that a buffer with a session token in it never moves and leaves a copy behind. */
static size_t canonical_size(const struct sigv4_request *request)
{
    size_t size = request->method.len + 3 * (request->path.len + request->query.len) + 512;
    for (size_t i = 0; i < request->header_count; i++)
        size += 2 * request->headers[i].name.len + request->headers[i].value.len + 4;
    return size;
}

enum status sigv4_canonical_request(const struct sigv4_request *request, struct buf *out,
                                    struct buf *signed_headers)
{
    uint8_t order[SIGV4_HEADERS_MAX];
    enum status status = sort_headers(request, order);
    if (status != STATUS_OK)
        return status;
    buf_append_slice(out, request->method);
    buf_append_byte(out, '\n');
    append_canonical_path(request, out);
    buf_append_byte(out, '\n');
    status = append_canonical_query(request->query, out);
    if (status != STATUS_OK)
        return status;
    buf_append_byte(out, '\n');
    append_canonical_headers(request, order, out);
    buf_append_byte(out, '\n');
    size_t before = signed_headers->len;
    append_signed_headers(request, order, signed_headers);
    struct slice names = buf_slice(signed_headers);
    buf_append(out, names.ptr + before, names.len - before);
    buf_append_byte(out, '\n');
    encode_hex(slice_from(request->payload_sha256, DIGEST_SHA256_SIZE), out);
    return out->overflow || signed_headers->overflow ? STATUS_TOO_LARGE : STATUS_OK;
}

static void append_scope(const struct sigv4_scope *scope, const char *amz_date, struct buf *out)
{
    buf_append(out, amz_date, DAY_LEN);
    buf_append_byte(out, '/');
    buf_append_slice(out, scope->region);
    buf_append_byte(out, '/');
    buf_append_slice(out, scope->service);
    buf_append_str(out, "/" TERMINATOR);
}

void sigv4_string_to_sign(const struct sigv4_scope *scope, struct slice canonical_request,
                          struct buf *out)
{
    char amz_date[NUM_AMZ_DATE_SIZE];
    num_format_amz_date(scope->time_ms, amz_date);
    buf_append_str(out, ALGORITHM "\n");
    buf_append_str(out, amz_date);
    buf_append_byte(out, '\n');
    append_scope(scope, amz_date, out);
    buf_append_byte(out, '\n');
    uint8_t hash[DIGEST_SHA256_SIZE];
    digest_sha256(canonical_request, hash);
    encode_hex(slice_from(hash, sizeof(hash)), out);
}

/* What a signing key depends on, hashed; lengths keep neighbours apart. */
static void key_tag(struct slice secret_access_key, const struct sigv4_scope *scope,
                    struct slice day, uint8_t tag[DIGEST_SHA256_SIZE])
{
    uint8_t secret_hash[DIGEST_SHA256_SIZE];
    digest_sha256(secret_access_key, secret_hash);
    CLEANUP(secret_buf_release) struct buf text;
    buf_init(&text, sizeof(secret_hash) + scope->region.len + scope->service.len + DAY_LEN + 64);
    buf_append(&text, secret_hash, sizeof(secret_hash));
    buf_printf(&text, "/%zu/%zu/", scope->region.len, scope->service.len);
    buf_append_slice(&text, scope->region);
    buf_append_slice(&text, scope->service);
    buf_append_slice(&text, day);
    CHECK(!text.overflow);
    digest_sha256(buf_slice(&text), tag);
    secret_wipe(secret_hash, sizeof(secret_hash));
}

static void derive_key(struct slice secret_access_key, const struct sigv4_scope *scope,
                       struct slice day, uint8_t key[DIGEST_SHA256_SIZE])
{
    static const char prefix[] = {'A', 'W', 'S', '4'};
    size_t first_len = sizeof(prefix) + secret_access_key.len;
    uint8_t *first = mem_alloc(first_len);
    memcpy(first, prefix, sizeof(prefix));
    memcpy(first + sizeof(prefix), secret_access_key.ptr, secret_access_key.len);
    uint8_t by_day[DIGEST_SHA256_SIZE];
    uint8_t by_region[DIGEST_SHA256_SIZE];
    uint8_t by_service[DIGEST_SHA256_SIZE];
    digest_hmac_sha256(slice_from(first, first_len), day, by_day);
    digest_hmac_sha256(slice_from(by_day, sizeof(by_day)), scope->region, by_region);
    digest_hmac_sha256(slice_from(by_region, sizeof(by_region)), scope->service, by_service);
    digest_hmac_sha256(slice_from(by_service, sizeof(by_service)), SLICE_LITERAL(TERMINATOR), key);
    secret_wipe(first, first_len);
    mem_free(first);
    secret_wipe(by_day, sizeof(by_day));
    secret_wipe(by_region, sizeof(by_region));
    secret_wipe(by_service, sizeof(by_service));
}

void sigv4_key_cache_release(struct sigv4_key_cache *cache)
{
    secret_wipe(cache, sizeof(*cache));
}

void sigv4_signature(struct slice secret_access_key, const struct sigv4_scope *scope,
                     struct slice string_to_sign, struct sigv4_key_cache *cache, struct buf *out)
{
    char amz_date[NUM_AMZ_DATE_SIZE];
    num_format_amz_date(scope->time_ms, amz_date);
    struct slice day = slice_from(amz_date, DAY_LEN);
    struct sigv4_key_cache local = {.filled = false};
    struct sigv4_key_cache *keys = cache == NULL ? &local : cache;
    uint8_t tag[DIGEST_SHA256_SIZE];
    key_tag(secret_access_key, scope, day, tag);
    if (!keys->filled || memcmp(keys->tag, tag, sizeof(tag)) != 0) {
        derive_key(secret_access_key, scope, day, keys->key);
        memcpy(keys->tag, tag, sizeof(tag));
        keys->filled = true;
    }
    uint8_t signature[DIGEST_SHA256_SIZE];
    digest_hmac_sha256(slice_from(keys->key, sizeof(keys->key)), string_to_sign, signature);
    encode_hex(slice_from(signature, sizeof(signature)), out);
    secret_wipe(tag, sizeof(tag));
    sigv4_key_cache_release(&local);
}

void sigv4_authorization(struct slice access_key_id, const struct sigv4_scope *scope,
                         struct slice signed_headers, struct slice signature, struct buf *out)
{
    char amz_date[NUM_AMZ_DATE_SIZE];
    num_format_amz_date(scope->time_ms, amz_date);
    buf_append_str(out, ALGORITHM " Credential=");
    buf_append_slice(out, access_key_id);
    buf_append_byte(out, '/');
    append_scope(scope, amz_date, out);
    buf_append_str(out, ", SignedHeaders=");
    buf_append_slice(out, signed_headers);
    buf_append_str(out, ", Signature=");
    buf_append_slice(out, signature);
}

static bool has_header(const struct sigv4_request *request, struct slice name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (compare_names(request->headers[i].name, name) == 0)
            return true;
    return false;
}

/* Steps 1 to 3. */
static enum status sign(const struct sigv4_request *request,
                        const struct sigv4_credentials *credentials,
                        const struct sigv4_scope *scope, struct sigv4_key_cache *cache,
                        struct buf *signed_headers, struct buf *signature)
{
    if (!has_header(request, SLICE_LITERAL("host")) || credentials->access_key_id.len == 0 ||
        credentials->secret_access_key.len == 0)
        return STATUS_INVALID;
    CLEANUP(secret_buf_release) struct buf canonical;
    buf_init(&canonical, CANONICAL_BYTES_MAX);
    if (buf_reserve(&canonical, canonical_size(request)) == NULL)
        return STATUS_TOO_LARGE;
    enum status status = sigv4_canonical_request(request, &canonical, signed_headers);
    if (status != STATUS_OK)
        return status;
    CLEANUP(buf_release) struct buf string_to_sign;
    buf_init(&string_to_sign, STRING_TO_SIGN_MAX);
    sigv4_string_to_sign(scope, buf_slice(&canonical), &string_to_sign);
    if (string_to_sign.overflow)
        return STATUS_TOO_LARGE;
    sigv4_signature(credentials->secret_access_key, scope, buf_slice(&string_to_sign), cache,
                    signature);
    return STATUS_OK;
}

enum status sigv4_sign_headers(const struct sigv4_request *request,
                               const struct sigv4_credentials *credentials,
                               const struct sigv4_scope *scope, struct sigv4_key_cache *cache,
                               struct buf *authorization)
{
    CLEANUP(buf_release) struct buf signed_headers;
    CLEANUP(buf_release) struct buf signature;
    buf_init(&signed_headers, SIGNED_HEADERS_MAX);
    buf_init(&signature, (size_t)2 * DIGEST_SHA256_SIZE);
    enum status status = sign(request, credentials, scope, cache, &signed_headers, &signature);
    if (status != STATUS_OK)
        return status;
    sigv4_authorization(credentials->access_key_id, scope, buf_slice(&signed_headers),
                        buf_slice(&signature), authorization);
    return authorization->overflow ? STATUS_TOO_LARGE : STATUS_OK;
}

static void append_presign_params(const struct sigv4_credentials *credentials,
                                  const struct sigv4_scope *scope, struct slice signed_headers,
                                  int64_t expires_s, struct buf *out)
{
    char amz_date[NUM_AMZ_DATE_SIZE];
    num_format_amz_date(scope->time_ms, amz_date);
    CLEANUP(buf_release) struct buf credential;
    buf_init(&credential, STRING_TO_SIGN_MAX);
    buf_append_slice(&credential, credentials->access_key_id);
    buf_append_byte(&credential, '/');
    append_scope(scope, amz_date, &credential);
    out->overflow |= credential.overflow;
    buf_append_str(out, "X-Amz-Algorithm=" ALGORITHM "&X-Amz-Credential=");
    encode_uri(buf_slice(&credential), false, out);
    buf_printf(out, "&X-Amz-Date=%s&X-Amz-Expires=%lld", amz_date, (long long)expires_s);
    if (credentials->session_token.len > 0) {
        buf_append_str(out, "&X-Amz-Security-Token=");
        encode_uri(credentials->session_token, false, out);
    }
    buf_append_str(out, "&X-Amz-SignedHeaders=");
    encode_uri(signed_headers, false, out);
}

enum status sigv4_presign(const struct sigv4_request *request,
                          const struct sigv4_credentials *credentials,
                          const struct sigv4_scope *scope, int64_t expires_s, struct buf *out)
{
    uint8_t order[SIGV4_HEADERS_MAX];
    enum status status = sort_headers(request, order);
    if (status != STATUS_OK)
        return status;
    CLEANUP(buf_release) struct buf signed_headers;
    CLEANUP(secret_buf_release) struct buf query;
    buf_init(&signed_headers, SIGNED_HEADERS_MAX);
    append_signed_headers(request, order, &signed_headers);
    buf_init(&query, CANONICAL_BYTES_MAX);
    size_t size = request->query.len + 3 * (credentials->session_token.len + signed_headers.len) +
                  (size_t)4 * STRING_TO_SIGN_MAX;
    if (signed_headers.overflow || buf_reserve(&query, size) == NULL)
        return STATUS_TOO_LARGE;
    buf_append_slice(&query, request->query);
    if (query.len > 0)
        buf_append_byte(&query, '&');
    append_presign_params(credentials, scope, buf_slice(&signed_headers), expires_s, &query);
    struct sigv4_request presigned = *request;
    presigned.query = buf_slice(&query);
    if (query.overflow)
        return STATUS_TOO_LARGE;

    CLEANUP(buf_release) struct buf signature;
    buf_init(&signature, (size_t)2 * DIGEST_SHA256_SIZE);
    buf_clear(&signed_headers);
    status = sign(&presigned, credentials, scope, NULL, &signed_headers, &signature);
    if (status != STATUS_OK)
        return status;
    buf_append_slice(out, buf_slice(&query));
    buf_append_str(out, "&X-Amz-Signature=");
    buf_append_slice(out, buf_slice(&signature));
    return out->overflow ? STATUS_TOO_LARGE : STATUS_OK;
}
