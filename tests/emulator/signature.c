#include "tests/emulator/signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "common/timeval.h"

#define ALGORITHM          "AWS4-HMAC-SHA256"
#define SIGNED_HEADERS_MAX 64
#define QUERY_PAIRS_MAX    64
#define HASH_SIZE          32
#define HEX_SIZE           65
#define DATE_LEN           16 /* 20260102T030405Z */

/* The parts of an Authorization header. */
struct claim {
    struct slice access_key_id;
    struct slice day;
    struct slice region;
    struct slice service;
    struct slice terminator;
    struct slice signed_headers;
    struct slice signature;
    struct slice stamp; /* X-Amz-Date */
};

static void fail(struct signature_result *ret, enum signature_verdict verdict, const char *text)
{
    ret->verdict = verdict;
    buf_append_str(&ret->text, text);
}

static void hash_hex(struct slice data, char out[HEX_SIZE])
{
    unsigned char raw[HASH_SIZE];
    CHECK(EVP_Digest(data.ptr, data.len, raw, NULL, EVP_sha256(), NULL) == 1);
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

static void hmac(struct slice key, struct slice data, unsigned char out[HASH_SIZE])
{
    unsigned int len = HASH_SIZE;
    CHECK(HMAC(EVP_sha256(), key.ptr, (int)key.len, data.ptr, data.len, out, &len) != NULL);
}

/* --- the header ------------------------------------------------------------------------------ */

static bool starts_with(struct slice s, const char *prefix)
{
    size_t len = strlen(prefix);
    return s.len >= len && memcmp(s.ptr, prefix, len) == 0;
}

/* Up to the separator, which is skipped; the rest if there is none. */
static struct slice cut(struct slice *rest, char separator)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->ptr, separator, rest->len);
    struct slice part = *rest;
    if (end == NULL) {
        *rest = slice_from(rest->ptr + rest->len, 0);
        return part;
    }
    part.len = (size_t)(end - rest->ptr);
    *rest = slice_from(end + 1, rest->len - part.len - 1);
    return part;
}

static bool parse_claim(struct slice header, struct claim *ret)
{
    *ret = (struct claim){0};
    if (!starts_with(header, ALGORITHM " "))
        return false;
    struct slice rest = slice_from(header.ptr + sizeof(ALGORITHM), header.len - sizeof(ALGORITHM));
    struct slice credential = SLICE_NULL;
    while (rest.len > 0) {
        struct slice part = cut(&rest, ',');
        while (part.len > 0 && part.ptr[0] == ' ')
            part = slice_from(part.ptr + 1, part.len - 1);
        struct slice value = part;
        struct slice name = cut(&value, '=');
        if (slice_equal_str(name, "Credential"))
            credential = value;
        else if (slice_equal_str(name, "SignedHeaders"))
            ret->signed_headers = value;
        else if (slice_equal_str(name, "Signature"))
            ret->signature = value;
        else
            return false;
    }
    ret->access_key_id = cut(&credential, '/');
    ret->day = cut(&credential, '/');
    ret->region = cut(&credential, '/');
    ret->service = cut(&credential, '/');
    ret->terminator = credential;
    return ret->access_key_id.len > 0 && ret->day.len == 8 && ret->signed_headers.len > 0 &&
           ret->signature.len == 2 * HASH_SIZE && slice_equal_str(ret->terminator, "aws4_request");
}

static bool digits(struct slice text, size_t at, size_t count, int *ret)
{
    *ret = 0;
    for (size_t i = at; i < at + count; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        *ret = *ret * 10 + (text.ptr[i] - '0');
    }
    return true;
}

/* "20260102T030405Z" -> epoch ms. */
static bool parse_stamp(struct slice text, int64_t *ret_ms)
{
    int year, month, day, hour, minute, second;
    if (text.len != DATE_LEN || text.ptr[8] != 'T' || text.ptr[15] != 'Z' ||
        !digits(text, 0, 4, &year) || !digits(text, 4, 2, &month) || !digits(text, 6, 2, &day) ||
        !digits(text, 9, 2, &hour) || !digits(text, 11, 2, &minute) ||
        !digits(text, 13, 2, &second) || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    /* Days since the epoch, with years that begin in March. */
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
    *ret_ms = ((days * 24 + hour) * 60 + minute) * MS_PER_MINUTE + second * MS_PER_SECOND;
    return true;
}

/* --- the canonical request ------------------------------------------------------------------- */

static void append_encoded(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("-._~/", c) != NULL)
            buf_append_byte(out, c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

static bool append_query(struct buf *out, struct slice query)
{
    struct slice names[QUERY_PAIRS_MAX];
    struct slice values[QUERY_PAIRS_MAX];
    size_t count = 0;
    while (query.len > 0) {
        if (count == QUERY_PAIRS_MAX)
            return false;
        struct slice value = cut(&query, '&');
        struct slice name = cut(&value, '=');
        size_t at = count++;
        for (; at > 0; at--) { /* insertion sort by name, then value */
            int order = slice_compare(names[at - 1], name);
            if (order < 0 || (order == 0 && slice_compare(values[at - 1], value) <= 0))
                break;
            names[at] = names[at - 1];
            values[at] = values[at - 1];
        }
        names[at] = name;
        values[at] = value;
    }
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%.*s=%.*s", i == 0 ? "" : "&", SLICE_ARG(names[i]),
                   SLICE_ARG(values[i]));
    return true;
}

static bool same_name(struct slice a, struct slice b)
{
    return a.len == b.len && strncasecmp((const char *)a.ptr, (const char *)b.ptr, a.len) == 0;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && s.ptr[0] == ' ')
        s = slice_from(s.ptr + 1, s.len - 1);
    while (s.len > 0 && s.ptr[s.len - 1] == ' ')
        s.len--;
    return s;
}

/* All values of that name, joined by commas, runs of spaces collapsed. False: there is none. */
static bool append_header_value(struct buf *out, const struct http_request *request,
                                struct slice name)
{
    bool found = false;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!same_name(request->headers[i].name, name))
            continue;
        if (found)
            buf_append_byte(out, ',');
        found = true;
        struct slice value = trim(request->headers[i].value);
        for (size_t k = 0; k < value.len; k++) {
            if (value.ptr[k] != ' ' || k == 0 || value.ptr[k - 1] != ' ')
                buf_append_byte(out, value.ptr[k]);
        }
    }
    return found;
}

/* shown: what people may see; exact: what is signed. They differ in the session token. */
static bool append_headers(struct buf *exact, struct buf *shown, const struct http_request *request,
                           struct slice list)
{
    struct slice previous = SLICE_NULL;
    while (list.len > 0) {
        struct slice name = cut(&list, ';');
        for (size_t i = 0; i < name.len; i++) {
            if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
                return false;
        }
        if (name.len == 0 || (!slice_is_null(previous) && slice_compare(previous, name) >= 0))
            return false;
        previous = name;
        bool secret = slice_equal_str(name, "x-amz-security-token");
        size_t before = exact->len;
        buf_printf(exact, "%.*s:", SLICE_ARG(name));
        if (!append_header_value(exact, request, name))
            return false;
        buf_append_byte(exact, '\n');
        if (secret)
            buf_append_str(shown, "x-amz-security-token:***\n");
        else
            buf_append(shown, exact->ptr + before, exact->len - before);
    }
    return true;
}

static bool is_signed(struct slice list, struct slice name)
{
    while (list.len > 0) {
        if (same_name(cut(&list, ';'), name))
            return true;
    }
    return false;
}

/* What must be covered: host, content-type and every x-amz-* header that was sent. */
static bool covers_enough(const struct http_request *request, struct slice list,
                          struct slice *ret_missing)
{
    *ret_missing = SLICE_LITERAL("host");
    if (!is_signed(list, *ret_missing))
        return false;
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice name = request->headers[i].name;
        bool must = (name.len >= 6 && strncasecmp((const char *)name.ptr, "x-amz-", 6) == 0) ||
                    same_name(name, SLICE_LITERAL("content-type"));
        if (must && !is_signed(list, name)) {
            *ret_missing = name;
            return false;
        }
    }
    return true;
}

static bool build_canonical(const struct http_request *request, const struct claim *claim,
                            struct buf *exact, struct buf *shown)
{
    buf_printf(exact, "%.*s\n", SLICE_ARG(request->method));
    append_encoded(exact, request->path);
    buf_append_byte(exact, '\n');
    if (!append_query(exact, request->query))
        return false;
    buf_append_byte(exact, '\n');
    buf_append_slice(shown, buf_slice(exact));
    if (!append_headers(exact, shown, request, claim->signed_headers))
        return false;
    char payload[HEX_SIZE];
    hash_hex(request->body, payload);
    struct slice declared = http_request_header(request, "x-amz-content-sha256");
    if (!slice_is_null(declared) && !slice_equal_str(declared, payload))
        return false;
    struct buf *both[2] = {exact, shown};
    for (size_t i = 0; i < ARRAY_LEN(both); i++)
        buf_printf(both[i], "\n%.*s\n%s", SLICE_ARG(claim->signed_headers), payload);
    return true;
}

/* --- the signature --------------------------------------------------------------------------- */

static void compute(const struct claim *claim, const char *secret, struct slice to_sign,
                    char out[HEX_SIZE])
{
    char first[4 + STS_SECRET_KEY_SIZE];
    unsigned char key[HASH_SIZE];
    int len = snprintf(first, sizeof(first), "AWS4%s", secret);
    hmac(slice_from(first, (size_t)len), claim->day, key);
    hmac(slice_from(key, sizeof(key)), claim->region, key);
    hmac(slice_from(key, sizeof(key)), claim->service, key);
    hmac(slice_from(key, sizeof(key)), SLICE_LITERAL("aws4_request"), key);
    hmac(slice_from(key, sizeof(key)), to_sign, key);
    for (size_t i = 0; i < sizeof(key); i++)
        snprintf(out + 2 * i, 3, "%02x", key[i]);
    OPENSSL_cleanse(first, sizeof(first));
    OPENSSL_cleanse(key, sizeof(key));
}

static void check_signature(const struct http_request *request, const struct claim *claim,
                            const char *secret, struct signature_result *ret)
{
    struct buf exact;
    struct buf shown;
    struct buf to_sign;
    buf_init(&exact, SIGNATURE_TEXT_MAX);
    buf_init(&shown, SIGNATURE_TEXT_MAX);
    buf_init(&to_sign, SIGNATURE_TEXT_MAX);
    char hash[HEX_SIZE];
    char expected[HEX_SIZE] = "";
    bool built = build_canonical(request, claim, &exact, &shown) && !exact.overflow;
    if (built) {
        hash_hex(buf_slice(&exact), hash);
        buf_printf(&to_sign, ALGORITHM "\n%.*s\n%.*s/%.*s/%.*s/aws4_request\n%s",
                   SLICE_ARG(claim->stamp), SLICE_ARG(claim->day), SLICE_ARG(claim->region),
                   SLICE_ARG(claim->service), hash);
        compute(claim, secret, buf_slice(&to_sign), expected);
    }
    if (!built || CRYPTO_memcmp(expected, claim->signature.ptr, 2 * HASH_SIZE) != 0) {
        ret->verdict = SIGNATURE_MISMATCH;
        buf_printf(&ret->text,
                   "The request signature we calculated does not match the signature you "
                   "provided. Check your AWS Secret Access Key and signing method. Consult the "
                   "service documentation for details.\n\nThe Canonical String for this request "
                   "should have been\n'%s%s'\n\nThe String-to-Sign should have been\n'%s'\n",
                   buf_text(&shown), built ? "" : " (cannot be completed)", buf_text(&to_sign));
    }
    buf_release(&exact);
    buf_release(&shown);
    buf_release(&to_sign);
}

static bool check_time(const struct claim *claim, int64_t now_ms, struct signature_result *ret)
{
    int64_t signed_ms;
    if (!parse_stamp(claim->stamp, &signed_ms)) {
        fail(
            ret, SIGNATURE_INCOMPLETE,
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.");
        return false;
    }
    if (memcmp(claim->stamp.ptr, claim->day.ptr, claim->day.len) != 0) {
        fail(ret, SIGNATURE_MISMATCH,
             "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
             "HTTP.");
        return false;
    }
    if (signed_ms < now_ms - SIGNATURE_SKEW_MS_MAX || signed_ms > now_ms + SIGNATURE_SKEW_MS_MAX) {
        ret->verdict = SIGNATURE_SKEWED;
        bool late = signed_ms < now_ms;
        buf_printf(&ret->text, "Signature %s: %.*s is now %s than the server's time %s 15 min.",
                   late ? "expired" : "not yet current", SLICE_ARG(claim->stamp),
                   late ? "earlier" : "later", late ? "-" : "+");
        return false;
    }
    return true;
}

static bool check_scope(const struct claim *claim, const char *region, const char *service,
                        struct signature_result *ret)
{
    if (slice_equal_str(claim->region, region) && slice_equal_str(claim->service, service))
        return true;
    ret->verdict = SIGNATURE_MISMATCH;
    buf_printf(&ret->text,
               "Credential should be scoped to a valid region and to the correct service: "
               "'%s/%s'.",
               region, service);
    return false;
}

static bool check_key(const struct http_request *request, const struct sts_credentials *key,
                      int64_t now_ms, struct signature_result *ret)
{
    struct slice token = http_request_header(request, "x-amz-security-token");
    if (key == NULL || !slice_equal_str(token, key->session_token)) {
        fail(ret, SIGNATURE_UNKNOWN_KEY, "The security token included in the request is invalid.");
        return false;
    }
    if (key->expires_ms <= now_ms) {
        fail(ret, SIGNATURE_EXPIRED_TOKEN, "The security token included in the request is expired");
        return false;
    }
    return true;
}

void signature_verify(const struct http_request *request, const struct sts_model *keys,
                      const char *region, const char *service, int64_t now_ms,
                      struct signature_result *ret)
{
    *ret = (struct signature_result){.verdict = SIGNATURE_OK};
    buf_init(&ret->text, SIGNATURE_TEXT_MAX * 4);
    struct slice header = http_request_header(request, "authorization");
    if (slice_is_null(header)) {
        fail(ret, SIGNATURE_MISSING, "Request is missing Authentication Token");
        return;
    }
    struct claim claim;
    if (!parse_claim(header, &claim)) {
        fail(ret, SIGNATURE_INCOMPLETE,
             "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' "
             "parameters of " ALGORITHM ".");
        return;
    }
    claim.stamp = http_request_header(request, "x-amz-date");
    snprintf(ret->access_key_id, sizeof(ret->access_key_id), "%.*s",
             SLICE_ARG(claim.access_key_id));
    const struct sts_credentials *key = sts_model_find(keys, claim.access_key_id);
    struct slice missing;
    if (!check_key(request, key, now_ms, ret) || !check_time(&claim, now_ms, ret) ||
        !check_scope(&claim, region, service, ret))
        return;
    if (!covers_enough(request, claim.signed_headers, &missing)) {
        ret->verdict = SIGNATURE_MISMATCH;
        buf_printf(&ret->text,
                   "There were headers present in the request which were not signed: "
                   "%.*s",
                   SLICE_ARG(missing));
        return;
    }
    check_signature(request, &claim, key->secret_access_key, ret);
}
