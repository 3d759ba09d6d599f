/* Credentials from this host: environment variables and the shared config and credentials files. */
#include "common/aws_credentials_source.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/num.h"
#include "common/timeval.h"

#define VISIBLE_FIRST 0x21
#define VISIBLE_LAST  0x7e

static bool is_visible(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < VISIBLE_FIRST || text.ptr[i] > VISIBLE_LAST)
            return false;
    return true;
}

struct aws_identity *aws_identity_new(struct slice access_key_id, struct slice secret_access_key,
                                      struct slice session_token, int64_t expires_ms,
                                      struct error *reterr)
{
    struct aws_identity *identity = mem_calloc(1, sizeof(*identity));
    /* The id and the token become header values. */
    bool good = access_key_id.len > 0 && access_key_id.len < sizeof(identity->access_key_id) &&
                is_visible(access_key_id) && secret_access_key.len > 0 && is_visible(session_token);
    if (!good) {
        mem_free(identity);
        error_set(
            reterr, ERROR_AUTH, CREDENTIALS_CONFIG,
            "access key id, secret or session token is empty, too long or has characters that "
            "no key has");
        return NULL;
    }
    memcpy(identity->access_key_id, access_key_id.ptr, access_key_id.len);
    secret_init(&identity->secret_access_key, secret_access_key);
    secret_init(&identity->session_token, session_token);
    identity->expires_ms = expires_ms;
    identity->refs = 1;
    return identity;
}

struct slice credentials_getenv(const char *name)
{
    struct slice value = slice_from_str(getenv(name));
    while (value.len > 0 && value.ptr[0] <= ' ')
        value = slice_from(value.ptr + 1, value.len - 1);
    while (value.len > 0 && value.ptr[value.len - 1] <= ' ')
        value.len--;
    return value.len == 0 ? SLICE_NULL : value;
}

enum source_verdict credentials_from_environment(struct aws_identity **ret_identity,
                                                 struct error *reterr)
{
    struct slice id = credentials_getenv("AWS_ACCESS_KEY_ID");
    struct slice secret = credentials_getenv("AWS_SECRET_ACCESS_KEY");
    if (slice_is_null(id) && slice_is_null(secret))
        return SOURCE_ABSENT;
    if (slice_is_null(id) || slice_is_null(secret)) {
        error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG, "%s is set but %s is not",
                  slice_is_null(id) ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID",
                  slice_is_null(id) ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
        return SOURCE_FAILED;
    }
    struct slice token = credentials_getenv("AWS_SESSION_TOKEN");
    if (slice_is_null(token))
        token = credentials_getenv("AWS_SECURITY_TOKEN");
    int64_t expires_ms = TIME_NEVER;
    struct slice expiration = credentials_getenv("AWS_CREDENTIAL_EXPIRATION");
    if (!slice_is_null(expiration) && num_parse_rfc3339(expiration, &expires_ms) != STATUS_OK) {
        error_set(reterr, ERROR_AUTH, CREDENTIALS_CONFIG,
                  "AWS_CREDENTIAL_EXPIRATION is not a time like 2026-11-21T22:50:05Z");
        return SOURCE_FAILED;
    }
    *ret_identity = aws_identity_new(id, secret, token, expires_ms, reterr);
    return *ret_identity == NULL ? SOURCE_FAILED : SOURCE_READY;
}
