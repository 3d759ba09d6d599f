#include "common/aws_credentials_source.h"

#include "common/check.h"
#include "common/mem.h"

static bool is_visible_ascii(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
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
                is_visible_ascii(access_key_id) && secret_access_key.len > 0 &&
                secret_access_key.len <= CREDENTIALS_SECRET_BYTES_MAX &&
                session_token.len <= CREDENTIALS_TOKEN_BYTES_MAX && is_visible_ascii(session_token);
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

struct aws_identity *aws_identity_ref(struct aws_identity *identity)
{
    CHECK(identity->refs > 0);
    identity->refs++;
    return identity;
}

void aws_identity_unref(struct aws_identity *identity)
{
    if (identity == NULL || --identity->refs > 0)
        return;
    secret_release(&identity->secret_access_key);
    secret_release(&identity->session_token);
    secret_wipe(identity, sizeof(*identity));
    mem_free(identity);
}
