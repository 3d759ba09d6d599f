#include "common/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "common/check.h"

static_assert(DIGEST_SHA256_SIZE == SHA256_DIGEST_LENGTH, "as OpenSSL has it");

/* Null slices are empty here: OpenSSL takes no NULL. */
static const uint8_t *bytes(struct slice s)
{
    return s.ptr == NULL ? (const uint8_t *)"" : s.ptr;
}

void digest_sha256(struct slice data, uint8_t out[DIGEST_SHA256_SIZE])
{
    CHECK(SHA256(bytes(data), data.len, out) != NULL);
}

void digest_hmac_sha256(struct slice key, struct slice data, uint8_t out[DIGEST_SHA256_SIZE])
{
    CHECK(key.len <= INT32_MAX);
    CHECK(HMAC(EVP_sha256(), bytes(key), (int)key.len, bytes(data), data.len, out, NULL) != NULL);
}
