/* The token by which a broker of MSK knows an IAM identity: what SASL/OAUTHBEARER carries is a
 * presigned URL of "kafka-cluster:Connect", in base64 for URLs, without padding. Pure.
 *
 * Made of the rule that aws-msk-iam-sasl-signer follows in all its languages. */
#ifndef COMMON_MSK_IAM_H
#define COMMON_MSK_IAM_H

#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/sigv4.h"
#include "common/slice.h"
#include "common/status.h"

/* From the second it was signed in; never longer than the keys themselves. */
#define MSK_IAM_TOKEN_MS (900 * 1000)

/* With the longest session token that credentials may have. */
#define MSK_IAM_TOKEN_BYTES_MAX (80 * 1024)

/* Appends the token to out, which opens Kafka to whoever has it: the caller wipes it. Nothing of it
 * is left elsewhere, given that out need not grow. STATUS_INVALID: an empty key, or a region that
 * is no part of a host's name; STATUS_TOO_LARGE. */
NODISCARD enum status msk_iam_token(struct slice region, const struct sigv4_credentials *keys,
                                    int64_t now_ms, struct buf *out);

/* Until when a token of now_ms is good if its keys end at keys_end_ms. */
int64_t msk_iam_token_end(int64_t now_ms, int64_t keys_end_ms);

#endif
