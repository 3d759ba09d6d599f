/* AWS Signature Version 4: the four steps of the reference ("Create a signed AWS API request", IAM
 * User Guide), each a function of its own, plus header signing and presigned queries built from
 * them. Pure: the time is an argument. */
#ifndef COMMON_SIGV4_H
#define COMMON_SIGV4_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/digest.h"
#include "common/secret.h"
#include "common/slice.h"
#include "common/status.h"

#define SIGV4_HEADERS_MAX 64

/* Borrowed by every call. */
struct sigv4_credentials {
    struct slice access_key_id;
    struct slice secret_access_key;
    struct slice session_token; /* null: none */
};

struct sigv4_header {
    struct slice name; /* any case */
    struct slice value;
};

struct sigv4_request {
    struct slice method;
    struct slice path;  /* as on the wire, starting with '/' */
    struct slice query; /* as on the wire, without '?'; may be empty */
    const struct sigv4_header
        *headers; /* those to sign, host and x-amz-date included, at most SIGV4_HEADERS_MAX */
    size_t header_count;
    uint8_t payload_sha256[DIGEST_SHA256_SIZE];
    /* Removes "." and ".." and doubled slashes from the path and encodes it once more, as all
     * services but S3 want it. The AWS test suite's path is encoded once: see double_encode. */
    bool normalize_path;
    bool double_encode_path; /* percent-encode the (already encoded) wire path again */
};

struct sigv4_scope {
    struct slice region;
    struct slice service;
    int64_t time_ms; /* epoch; seconds count */
};

/* The signing key of a (secret, day, region, service), kept until one of them changes.
 * Zero-initialise it, release it when done: it is as secret as the key. */
struct sigv4_key_cache {
    uint8_t key[DIGEST_SHA256_SIZE];
    uint8_t tag[DIGEST_SHA256_SIZE]; /* hash of what it was derived from */
    bool filled;
};
void sigv4_key_cache_release(struct sigv4_key_cache *cache);

/* Step 1. Appends the canonical request; signed_headers gets "content-type;host;x-amz-date". */
NODISCARD enum status sigv4_canonical_request(const struct sigv4_request *request, struct buf *out,
                                              struct buf *signed_headers);
/* Step 2. */
void sigv4_string_to_sign(const struct sigv4_scope *scope, struct slice canonical_request,
                          struct buf *out);
/* Step 3. cache may be NULL. Appends 64 hex digits. */
void sigv4_signature(struct slice secret_access_key, const struct sigv4_scope *scope,
                     struct slice string_to_sign, struct sigv4_key_cache *cache, struct buf *out);
/* Step 4. Appends the value of the Authorization header. */
void sigv4_authorization(struct slice access_key_id, const struct sigv4_scope *scope,
                         struct slice signed_headers, struct slice signature, struct buf *out);

/* All four for a request whose headers are complete. STATUS_TOO_LARGE: too many headers;
 * STATUS_INVALID: no host, or an empty key. */
NODISCARD enum status sigv4_sign_headers(const struct sigv4_request *request,
                                         const struct sigv4_credentials *credentials,
                                         const struct sigv4_scope *scope,
                                         struct sigv4_key_cache *cache, struct buf *authorization);

/* Presigned query: adds X-Amz-* parameters to request->query, signs, and appends the whole query
 * (with X-Amz-Signature last) to out. headers must hold host. */
NODISCARD enum status sigv4_presign(const struct sigv4_request *request,
                                    const struct sigv4_credentials *credentials,
                                    const struct sigv4_scope *scope, int64_t expires_s,
                                    struct buf *out);

#endif
