/* What the parts of the credentials provider share: aws_credentials.c asks the sources in order;
 * the first that is configured answers, at once or after calls to an endpoint. Not for others. */
#ifndef COMMON_AWS_CREDENTIALS_SOURCE_H
#define COMMON_AWS_CREDENTIALS_SOURCE_H

#include "common/aws_credentials.h"
#include "common/aws_profile.h"
#include "common/buf.h"

/* Codes of our own errors. */
#define CREDENTIALS_ABSENT   "NoCredentials"       /* nothing is configured, or it has expired */
#define CREDENTIALS_CONFIG   "InvalidCredentials"  /* what is configured cannot be used */
#define CREDENTIALS_ENDPOINT "CredentialsEndpoint" /* did not answer, or refused */
#define CREDENTIALS_ANSWER   "CredentialsAnswer"   /* answered what we cannot use */

#define CREDENTIALS_SECRET_BYTES_MAX 1024
#define CREDENTIALS_TOKEN_BYTES_MAX  (16 * 1024) /* session tokens have no limit; headers do */
#define CREDENTIALS_FILE_BYTES_MAX   (32 * 1024) /* of a token file */
#define CREDENTIALS_ANSWER_BYTES_MAX (64 * 1024)

enum source_verdict {
    SOURCE_ABSENT,  /* not configured: ask the next */
    SOURCE_READY,   /* *ret_identity is the caller's */
    SOURCE_FAILED,  /* configured but of no use: *reterr says why */
    SOURCE_STARTED, /* the flight's on_done comes later */
};

/* One reference, the caller's. NULL and ERROR_AUTH: characters that no key has. */
struct aws_identity *aws_identity_new(struct slice access_key_id, struct slice secret_access_key,
                                      struct slice session_token, int64_t expires_ms,
                                      struct error *reterr);

/* --- one request to an endpoint, tried a few times (aws_credentials_fetch.c) ----------------- */

/* error is NULL with any answer below 500. Both are gone after the call. */
typedef void credentials_fetch_fn(void *ctx, const struct http_response *response,
                                  const struct error *error);

struct credentials_request {
    const char *method;
    struct http_header headers[2]; /* a null name: none; borrowed until on_done */
    struct slice body;             /* null: none; borrowed until on_done */
    int64_t timeout_ms;
    unsigned attempts;  /* all of them */
    bool retry_silence; /* also when there was no answer at all */
    credentials_fetch_fn *on_done;
};

/* A refresh that needs an endpoint: what its parts remember between answers. */
struct credentials_flight {
    struct loop *loop;
    struct http *http;
    void (*on_done)(void *ctx, struct aws_identity *identity, const struct error *error);
    void *ctx; /* on_done's; the identity's reference is its own */

    struct credentials_request request;
    struct buf url;
    struct http_request *under_way;
    struct loop_timer *retry;

    struct secret token; /* web identity, container authorization or IMDS: as it goes out */
    struct secret form;
    struct buf imds_base; /* "http://169.254.169.254" */
    int64_t imds_timeout_ms;
    unsigned imds_attempts;
    bool imds_v1_disabled;
};

void credentials_flight_init(struct credentials_flight *f, struct loop *loop, struct http *http);
void credentials_flight_release(struct credentials_flight *f); /* nothing calls back any more */
/* Wipes what a source has prepared, after its failure. */
void credentials_flight_reset(struct credentials_flight *f);
/* f->url and request hold what is to be sent; on_done gets the flight as its ctx. */
void credentials_fetch(struct credentials_flight *f, const struct credentials_request *request);
/* Ends the flight. error says why there is no identity. */
void credentials_flight_end(struct credentials_flight *f, struct aws_identity *identity,
                            const struct error *error);

/* --- sources --------------------------------------------------------------------------------- */

enum source_verdict credentials_from_environment(struct aws_identity **ret_identity,
                                                 struct error *reterr);
/* Static keys only; a profile that has none but asks for something else that we can do
 * (web identity) or cannot (roles, SSO, a process) ends in STARTED or FAILED. profile NULL: there
 * is none. */
enum source_verdict credentials_from_profile(struct credentials_flight *f,
                                             const struct aws_profile *profile, const char *region,
                                             struct aws_identity **ret_identity,
                                             struct error *reterr);
enum source_verdict credentials_from_web_identity(struct credentials_flight *f,
                                                  const struct aws_profile *profile,
                                                  const char *region, struct error *reterr);
enum source_verdict credentials_from_container(struct credentials_flight *f, struct error *reterr);
enum source_verdict credentials_from_imds(struct credentials_flight *f,
                                          const struct aws_profile *profile, struct error *reterr);

/* What AssumeRoleWithWebIdentity needs; all borrowed. A null session_name: one of our own. */
struct web_identity {
    struct slice token_file;
    struct slice role_arn;
    struct slice session_name;
    struct slice region;
    const struct aws_profile *profile; /* may name STS's endpoint; NULL: there is none */
};
enum source_verdict credentials_assume_role(struct credentials_flight *f,
                                            const struct web_identity *w, struct error *reterr);

/* --- this host (aws_credentials_local.c) ----------------------------------------------------- */

/* The environment variable, trimmed; null if it is unset or blank. */
struct slice credentials_getenv(const char *name);
/* "true" in any case. */
bool credentials_getenv_true(const char *name);

bool credentials_equal_any_case(struct slice text, const char *lower_case);
/* Visible ASCII and spaces: no line break that would begin another header. */
bool credentials_header_value_valid(struct slice value);
/* The argument, else the environment, else the profile; may be null. */
struct slice credentials_region(const char *region, const struct aws_profile *profile);

#define CREDENTIALS_PATH_SIZE 4096
/* NUL-terminates, and puts the home folder in the place of "~". */
NODISCARD enum status credentials_copy_path(struct slice path, char out[CREDENTIALS_PATH_SIZE]);

/* Reads a small regular file, or /dev/null, the usual name of "none", into out, which is empty,
 * wiped and released by the caller. STATUS_NOT_FOUND, STATUS_IO, STATUS_TOO_LARGE over max. */
NODISCARD enum status credentials_read_file(const char *path, size_t max, struct buf *out);

/* Reads the shared files, as the environment names them. *ret_profile is the profile in use, NULL
 * if there is none and none was asked for. The caller releases profiles, always. */
NODISCARD enum status credentials_load_profile(struct aws_profiles *profiles,
                                               const struct aws_profile **ret_profile,
                                               struct error *reterr);

#endif
