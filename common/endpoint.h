/* Region, FIPS, dual-stack and a configured endpoint -> the URL to connect to and the region to
 * sign for. */
#ifndef COMMON_ENDPOINT_H
#define COMMON_ENDPOINT_H

#include <stdbool.h>

#include "common/compiler.h"
#include "common/slice.h"
#include "common/status.h"

enum endpoint_service { ENDPOINT_SQS, ENDPOINT_DYNAMODB, ENDPOINT_STS };

struct endpoint_query {
    enum endpoint_service service;
    struct slice region; /* null or empty: none */
    bool fips;
    bool dualstack;
    struct slice custom_url; /* null: none configured */
};

#define ENDPOINT_URL_SIZE    512
#define ENDPOINT_REGION_SIZE 64

struct endpoint {
    char url[ENDPOINT_URL_SIZE];  /* "https://sqs.eu-west-1.amazonaws.com", no slash at the end */
    char host[ENDPOINT_URL_SIZE]; /* to sign: with the port unless it is the scheme's default */
    char path[ENDPOINT_URL_SIZE]; /* "/" or the custom URL's path */
    char signing_region[ENDPOINT_REGION_SIZE];
};

/* STATUS_INVALID with a text that says what and what would be right. */
NODISCARD enum status endpoint_resolve(const struct endpoint_query *query, struct endpoint *ret,
                                       struct error *reterr);

#endif
