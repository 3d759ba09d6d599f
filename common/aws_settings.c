#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/aws_client.h"
#include "common/limits.h"
#include "common/num.h"

/* An empty variable counts as unset, as in the SDKs. */
static const char *get(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

static bool read_bool(const char *name, struct buf *errors)
{
    const char *value = get(name);
    if (value == NULL || strcasecmp(value, "false") == 0)
        return false;
    if (strcasecmp(value, "true") == 0)
        return true;
    buf_printf(errors, "%s=%s: write true or false\n", name, value);
    return false;
}

static void read_region(char region[ENDPOINT_REGION_SIZE], struct buf *errors)
{
    const char *name = get("AWS_REGION") != NULL ? "AWS_REGION" : "AWS_DEFAULT_REGION";
    const char *value = get(name);
    if (value == NULL)
        return;
    if (strlen(value) < ENDPOINT_REGION_SIZE)
        memcpy(region, value, strlen(value) + 1);
    else
        buf_printf(errors, "%s: longer than %d characters\n", name, ENDPOINT_REGION_SIZE - 1);
}

static void read_attempts(uint32_t *ret, struct buf *errors)
{
    const char *value = get("AWS_MAX_ATTEMPTS");
    uint64_t attempts;
    if (value == NULL)
        return;
    if (num_parse_u64(slice_from_str(value), CLIENT_ATTEMPTS_MAX, &attempts) != STATUS_OK ||
        attempts == 0)
        buf_printf(errors, "AWS_MAX_ATTEMPTS=%s: a number from 1 to %d\n", value,
                   CLIENT_ATTEMPTS_MAX);
    else
        *ret = (uint32_t)attempts;
}

/* Our clients always retry as "adaptive" does; the variable is checked because it is the user's. */
static void check_retry_mode(struct buf *errors)
{
    static const char *const modes[] = {"standard", "adaptive", "legacy"};
    const char *value = get("AWS_RETRY_MODE");
    if (value == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (strcasecmp(value, modes[i]) == 0)
            return;
    buf_printf(errors, "AWS_RETRY_MODE=%s: write standard, adaptive or legacy\n", value);
}

static void read_ca_bundle(char ca_bundle[512], struct buf *errors)
{
    const char *value = get("AWS_CA_BUNDLE");
    if (value == NULL)
        return;
    if (strlen(value) >= 512)
        buf_append_str(errors, "AWS_CA_BUNDLE: longer than 511 characters\n");
    else if (access(value, R_OK) != 0)
        buf_printf(errors, "AWS_CA_BUNDLE=%s: cannot be read\n", value);
    else
        memcpy(ca_bundle, value, strlen(value) + 1);
}

static struct slice custom_url(const char *variable, bool ignored, const char **ret_name)
{
    *ret_name = NULL;
    if (ignored)
        return SLICE_NULL;
    const char *name = get(variable) != NULL ? variable : "AWS_ENDPOINT_URL";
    const char *value = get(name);
    if (value == NULL)
        return SLICE_NULL;
    *ret_name = name;
    return slice_from_str(value);
}

static void resolve(struct endpoint_query *query, const char *variable, bool ignored,
                    struct endpoint *ret, struct buf *errors)
{
    const char *name;
    struct error error;
    query->custom_url = custom_url(variable, ignored, &name);
    if (endpoint_resolve(query, ret, &error) == STATUS_OK)
        return;
    const char *service = query->service == ENDPOINT_SQS ? "SQS" : "DynamoDB";
    if (name == NULL) {
        buf_printf(errors, "AWS endpoint of %s: %s\n", service, error.text);
        return;
    }
    struct slice url = query->custom_url;
    bool has_password = memchr(url.ptr, '@', url.len) != NULL;
    struct slice shown = has_password ? SLICE_LITERAL("***") : url;
    buf_printf(errors, "%s=%.*s: %s\n", name, SLICE_ARG(shown), error.text);
}

enum status aws_settings_load(struct aws_settings *ret, struct buf *errors)
{
    struct aws_settings settings = {0};
    size_t errors_before = errors->len;
    bool ignored = read_bool("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", errors);
    read_region(settings.region, errors);
    read_attempts(&settings.attempts_max, errors);
    check_retry_mode(errors);
    read_ca_bundle(settings.ca_bundle, errors);
    struct endpoint_query query = {
        .service = ENDPOINT_SQS,
        .region = slice_from_str(settings.region),
        .fips = read_bool("AWS_USE_FIPS_ENDPOINT", errors),
        .dualstack = read_bool("AWS_USE_DUALSTACK_ENDPOINT", errors),
    };
    resolve(&query, "AWS_ENDPOINT_URL_SQS", ignored, &settings.sqs, errors);
    query.service = ENDPOINT_DYNAMODB;
    resolve(&query, "AWS_ENDPOINT_URL_DYNAMODB", ignored, &settings.dynamodb, errors);
    if (errors->len > errors_before || errors->overflow)
        return STATUS_INVALID;
    *ret = settings;
    return STATUS_OK;
}
