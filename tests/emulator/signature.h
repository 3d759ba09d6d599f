/* Verifies AWS Signature Version 4 as the service would. Written from AWS's description alone and
 * shares nothing with the product's signer: that is what makes its verdict worth something. Pure:
 * time and keys are arguments. */
#ifndef TESTS_EMULATOR_SIGNATURE_H
#define TESTS_EMULATOR_SIGNATURE_H

#include <stdint.h>

#include "common/buf.h"
#include "tests/emulator/http_request.h"
#include "tests/model/sts_model.h"

#define SIGNATURE_SKEW_MS_MAX (15 * 60 * 1000)
#define SIGNATURE_TEXT_MAX    (64 * 1024)

enum signature_verdict {
    SIGNATURE_OK,
    SIGNATURE_MISSING,       /* not signed at all */
    SIGNATURE_INCOMPLETE,    /* a part of the header is missing or malformed */
    SIGNATURE_UNKNOWN_KEY,   /* no such access key, or the token is not its own */
    SIGNATURE_EXPIRED_TOKEN, /* a session that is over */
    SIGNATURE_SKEWED,        /* signed too long ago, or in the future */
    SIGNATURE_MISMATCH,      /* the signature, or the scope, or what it must cover */
};

struct signature_result {
    enum signature_verdict verdict;
    char access_key_id[STS_ACCESS_KEY_SIZE]; /* empty while unknown */
    struct buf text; /* why, for people: the canonical request we computed, without secrets */
};

/* keys, region ("us-east-1") and service ("sqs") are what it must be signed for. The result's text
 * must be released. */
void signature_verify(const struct http_request *request, const struct sts_model *keys,
                      const char *region, const char *service, int64_t now_ms,
                      struct signature_result *ret);

#endif
