/* OpenSSL 3 would rather be called by EVP, which looks the algorithm up by its name and allocates a
 * context for every hash: more work than to hash a short text. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "common/digest.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#include "common/check.h"

static_assert(DIGEST_SHA256_SIZE == SHA256_DIGEST_LENGTH, "as OpenSSL has it");

/* Null slices are empty here: OpenSSL takes no NULL. */
static const uint8_t *bytes(struct slice s)
{
    return s.ptr == NULL ? (const uint8_t *)"" : s.ptr;
}

static void sha256_of_two(struct slice first, struct slice second, uint8_t out[DIGEST_SHA256_SIZE])
{
    SHA256_CTX context;
    CHECK(SHA256_Init(&context) == 1);
    CHECK(SHA256_Update(&context, bytes(first), first.len) == 1);
    CHECK(SHA256_Update(&context, bytes(second), second.len) == 1);
    CHECK(SHA256_Final(out, &context) == 1);
    OPENSSL_cleanse(&context, sizeof(context)); /* its state may be a key */
}

void digest_sha256(struct slice data, uint8_t out[DIGEST_SHA256_SIZE])
{
    sha256_of_two(data, SLICE_NULL, out);
}

/* RFC 2104. */
void digest_hmac_sha256(struct slice key, struct slice data, uint8_t out[DIGEST_SHA256_SIZE])
{
    enum { INNER = 0x36, OUTER = 0x5c };
    uint8_t pad[SHA256_CBLOCK] = {0};
    uint8_t inner[DIGEST_SHA256_SIZE];
    if (key.len > sizeof(pad))
        digest_sha256(key, pad);
    else if (key.len > 0)
        memcpy(pad, key.ptr, key.len);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= INNER;
    sha256_of_two(slice_from(pad, sizeof(pad)), data, inner);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= INNER ^ OUTER;
    sha256_of_two(slice_from(pad, sizeof(pad)), slice_from(inner, sizeof(inner)), out);
    OPENSSL_cleanse(pad, sizeof(pad));
    OPENSSL_cleanse(inner, sizeof(inner));
}
