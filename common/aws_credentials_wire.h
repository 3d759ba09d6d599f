/* What the credential endpoints take and give: the answers of container endpoint, IMDS and STS, and
 * which container endpoints may be asked at all. Pure. */
#ifndef COMMON_AWS_CREDENTIALS_WIRE_H
#define COMMON_AWS_CREDENTIALS_WIRE_H

#include "common/aws_credentials_source.h"
#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

/* The JSON of container endpoint and IMDS: AccessKeyId, SecretAccessKey, Token, Expiration; or Code
 * and Message of an error that came with a 200. One reference, the caller's; NULL with reterr. */
struct aws_identity *credentials_parse_json(struct slice body, struct error *reterr);

/* The XML of AssumeRoleWithWebIdentity. */
struct aws_identity *credentials_parse_sts(struct slice body, struct error *reterr);
/* An error answer of STS: its code and message, or the status alone if it cannot be read. */
void credentials_parse_sts_error(int http_status, struct slice body, struct error *reterr);
/* The form body of AssumeRoleWithWebIdentity. */
void credentials_write_sts(struct slice role_arn, struct slice session_name, struct slice token,
                           struct buf *out);

/* Appends the URL to ask. A relative one beats a full one; one of them is not null. Without TLS,
 * only to loopback and to the addresses of ECS and EKS, compared whole: another host would be
 * handed the authorization token. STATUS_INVALID with reterr. */
NODISCARD enum status credentials_container_url(struct slice relative, struct slice full,
                                                struct buf *out, struct error *reterr);

/* Text of the one element at path (names from the root, NULL at the end), entities decoded,
 * appended to out. STATUS_NOT_FOUND; STATUS_CORRUPT: not well-formed, there twice, or with a
 * document type (whose entities could be anything). */
NODISCARD enum status credentials_xml_text(struct slice xml, const char *const *path,
                                           struct buf *out);

#endif
