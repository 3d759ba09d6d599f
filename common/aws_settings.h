/* What the environment and the shared config files say about AWS: region, endpoints, retries. */
#ifndef COMMON_AWS_SETTINGS_H
#define COMMON_AWS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/aws_profile.h"
#include "common/buf.h"
#include "common/compiler.h"
#include "common/endpoint.h"
#include "common/status.h"

/* A variable goes before the property of the profile in use (AWS_PROFILE, else "default"):
 *
 *   AWS_REGION, AWS_DEFAULT_REGION        region
 *   AWS_ENDPOINT_URL[_SQS|_DYNAMODB]      endpoint_url of its services section, its endpoint_url
 *   AWS_IGNORE_CONFIGURED_ENDPOINT_URLS   ignore_configured_endpoint_urls
 *   AWS_USE_FIPS_ENDPOINT                 use_fips_endpoint
 *   AWS_USE_DUALSTACK_ENDPOINT            use_dualstack_endpoint
 *   AWS_CA_BUNDLE                         ca_bundle
 *   AWS_MAX_ATTEMPTS                      max_attempts
 *   AWS_RETRY_MODE                        retry_mode
 */
struct aws_settings {
    char region[ENDPOINT_REGION_SIZE];
    struct endpoint sqs;
    struct endpoint dynamodb;
    uint32_t attempts_max; /* for calls that are retried here; 0: the service's default */
    /* Retry mode "standard" or "legacy": throttling does not slow down the calls that follow. */
    bool without_rate;
    char ca_bundle[512]; /* empty: the system's */
};

/* Reads the environment and the files. Reports every mistake, each as a line in errors. */
NODISCARD enum status aws_settings_load(struct aws_settings *ret, struct buf *errors);

/* NAME=value lines of what is in force, from whatever place. Nothing in them is secret. */
void aws_settings_print(const struct aws_settings *settings, struct buf *out);

/* The URL that is configured for a service ("sqs", "dynamodb", "sts"), by the order above;
 * variable: AWS_ENDPOINT_URL_<SERVICE>; profile: NULL if there is none. Null: none, or they are to
 * be ignored. */
struct slice aws_settings_custom_url(const struct aws_profile *profile, const char *variable,
                                     const char *service);

#endif
