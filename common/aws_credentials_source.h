/* What the parts of the credentials provider share: aws_credentials.c asks the sources in order;
 * the first that is configured answers, at once or after calls to an endpoint. Not for others. */
#ifndef COMMON_AWS_CREDENTIALS_SOURCE_H
#define COMMON_AWS_CREDENTIALS_SOURCE_H

#include "common/aws_credentials.h"

/* Codes of our own errors. */
#define CREDENTIALS_ABSENT   "NoCredentials"       /* nothing is configured */
#define CREDENTIALS_CONFIG   "InvalidCredentials"  /* what is configured cannot be used */
#define CREDENTIALS_ENDPOINT "CredentialsEndpoint" /* did not answer, or refused */
#define CREDENTIALS_ANSWER   "CredentialsAnswer"   /* answered what we cannot use */

enum source_verdict {
    SOURCE_ABSENT,  /* not configured: ask the next */
    SOURCE_READY,   /* *ret_identity is the caller's */
    SOURCE_FAILED,  /* configured but of no use: *reterr says why */
    SOURCE_STARTED, /* on_done comes later */
};

/* One reference, the caller's. NULL and ERROR_AUTH: characters that no key has. */
struct aws_identity *aws_identity_new(struct slice access_key_id, struct slice secret_access_key,
                                      struct slice session_token, int64_t expires_ms,
                                      struct error *reterr);

/* The environment variable, trimmed; null if it is unset or blank. */
struct slice credentials_getenv(const char *name);

enum source_verdict credentials_from_environment(struct aws_identity **ret_identity,
                                                 struct error *reterr);

#endif
