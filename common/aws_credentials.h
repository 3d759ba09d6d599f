/* Credentials: where they come from (environment, profile of the shared files, web identity,
 * container endpoint, IMDSv2: the first that is configured), kept fresh in one flight, old ones
 * used while valid. credentials_policy.h decides when; this module does it. */
#ifndef COMMON_AWS_CREDENTIALS_H
#define COMMON_AWS_CREDENTIALS_H

#include <stdbool.h>

#include "common/http.h"
#include "common/loop.h"
#include "common/secret.h"
#include "common/status.h"

struct aws_credentials; /* the provider */

/* A counted snapshot: a request keeps the one it was signed with. */
struct aws_identity {
    char access_key_id[160];
    struct secret secret_access_key;
    struct secret session_token; /* len 0: none */
    int64_t expires_ms;          /* TIME_NEVER: never */
    unsigned refs;
};
struct aws_identity *aws_identity_ref(struct aws_identity *identity);
void aws_identity_unref(struct aws_identity *identity); /* accepts NULL; the last one wipes */

/* NULL identity: none to be had; error says why, as ERROR_AUTH (waiting does not help) or
 * ERROR_RETRY. error is NULL otherwise. Must not free the provider. */
typedef void aws_credentials_fn(void *ctx, struct aws_identity *identity,
                                const struct error *error);

/* Reads the environment and the files anew at every refresh. region is for STS; NULL: that of the
 * environment or the profile. */
struct aws_credentials *aws_credentials_new(struct loop *loop, struct http *http,
                                            const char *region);
void aws_credentials_free(struct aws_credentials *credentials);

/* Calls back later, never from within: at once with valid ones, else after the refresh that is
 * under way or is started now. The identity is borrowed for the call; ref it to keep it. */
void aws_credentials_get(struct aws_credentials *credentials, aws_credentials_fn *on_done,
                         void *ctx);
/* Drops on_done calls that are waiting for this ctx. */
void aws_credentials_forget(struct aws_credentials *credentials, void *ctx);
/* The valid identity without waiting, NULL if there is none: the hot path. Starts a refresh when it
 * is time. */
struct aws_identity *aws_credentials_peek(struct aws_credentials *credentials);
/* The server said that these keys are expired or unknown: refresh once, now. They are not given out
 * again, unless the same ones come back. */
void aws_credentials_invalidate(struct aws_credentials *credentials,
                                const struct aws_identity *identity);
/* "environment", "container", ...: for the log; "none" before the first success. */
const char *aws_credentials_source(const struct aws_credentials *credentials);

#endif
