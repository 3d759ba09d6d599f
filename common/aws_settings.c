#include "common/aws_settings.h"

#include <unistd.h>

#include "common/aws_credentials_source.h"
#include "common/limits.h"
#include "common/num.h"

/* A value and where it came from. */
struct setting {
    struct slice value;   /* null: nowhere */
    const char *variable; /* NULL: from the profile */
    const char *property; /* with the service's name before it if it is from a services section */
    const char *profile;
};

#define NO_SETTING ((struct setting){.value = SLICE_NULL})

static void print_origin(struct buf *out, const struct setting *s)
{
    if (s->variable != NULL)
        buf_append_str(out, s->variable);
    else
        buf_printf(out, "profile %s, %s", s->profile, s->property);
}

static void begin_mistake(struct buf *errors, const struct setting *s)
{
    print_origin(errors, s);
    buf_printf(errors, "=%.*s: ", SLICE_ARG(s->value));
}

/* An empty value counts as none, as in the SDKs. */
static struct setting find(const struct aws_profile *profile, const char *variable,
                           const char *property)
{
    struct slice value = credentials_getenv(variable);
    if (!slice_is_null(value))
        return (struct setting){.value = value, .variable = variable};
    if (profile == NULL)
        return NO_SETTING;
    value = aws_profile_get(profile, property);
    if (value.len == 0)
        return NO_SETTING;
    return (struct setting){.value = value, .property = property, .profile = profile->name};
}

/* --- endpoints ------------------------------------------------------------------------------- */

static struct setting find_url(const struct aws_profile *profile, const char *variable,
                               const char *service)
{
    const char *const variables[] = {variable, "AWS_ENDPOINT_URL"};
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        struct slice value = credentials_getenv(variables[i]);
        if (!slice_is_null(value))
            return (struct setting){.value = value, .variable = variables[i]};
    }
    if (profile == NULL)
        return NO_SETTING;
    struct setting s = {.property = "endpoint_url of its services section",
                        .profile = profile->name};
    s.value = aws_profile_service_get(profile, service, "endpoint_url");
    if (s.value.len > 0)
        return s;
    return find(profile, "AWS_ENDPOINT_URL", "endpoint_url");
}

struct slice aws_settings_custom_url(const struct aws_profile *profile, const char *variable,
                                     const char *service)
{
    struct setting ignore =
        find(profile, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls");
    if (!slice_is_null(ignore.value) && credentials_equal_any_case(ignore.value, "true"))
        return SLICE_NULL;
    return find_url(profile, variable, service).value;
}

static void resolve(struct endpoint_query *query, const struct setting *url, struct endpoint *ret,
                    struct buf *errors)
{
    struct error error;
    query->custom_url = url->value;
    if (slice_is_null(url->value) && query->region.len == 0)
        return; /* said already */
    if (endpoint_resolve(query, ret, &error) == STATUS_OK)
        return;
    if (slice_is_null(url->value)) {
        buf_printf(errors, "AWS endpoint of %s: %s\n",
                   query->service == ENDPOINT_SQS ? "SQS" : "DynamoDB", error.text);
        return;
    }
    struct setting shown = *url;
    if (memchr(url->value.ptr, '@', url->value.len) != NULL) /* with a password before it */
        shown.value = SLICE_LITERAL("***");
    begin_mistake(errors, &shown);
    buf_printf(errors, "%s\n", error.text);
}

/* --- the others ------------------------------------------------------------------------------ */

static bool read_bool(const struct aws_profile *profile, const char *variable, const char *property,
                      struct buf *errors)
{
    struct setting s = find(profile, variable, property);
    if (slice_is_null(s.value) || credentials_equal_any_case(s.value, "false"))
        return false;
    if (credentials_equal_any_case(s.value, "true"))
        return true;
    begin_mistake(errors, &s);
    buf_append_str(errors, "write true or false\n");
    return false;
}

static bool copy_text(struct slice value, char *out, size_t size)
{
    if (value.len >= size)
        return false;
    memcpy(out, value.ptr, value.len);
    out[value.len] = '\0';
    return true;
}

/* Signatures name a region, so it is needed with endpoints of one's own too. */
static void read_region(const struct aws_profile *profile, char region[ENDPOINT_REGION_SIZE],
                        struct buf *errors)
{
    struct setting s = find(NULL, "AWS_REGION", "");
    if (slice_is_null(s.value))
        s = find(profile, "AWS_DEFAULT_REGION", "region");
    if (slice_is_null(s.value)) {
        buf_append_str(errors,
                       "AWS_REGION: must be set, for example to eu-west-1; with an endpoint "
                       "of your own too, because requests are signed for it\n");
    } else if (!copy_text(s.value, region, ENDPOINT_REGION_SIZE)) {
        print_origin(errors, &s);
        buf_printf(errors, ": longer than %d characters\n", ENDPOINT_REGION_SIZE - 1);
    }
}

static void read_attempts(const struct aws_profile *profile, uint32_t *ret, struct buf *errors)
{
    struct setting s = find(profile, "AWS_MAX_ATTEMPTS", "max_attempts");
    uint64_t attempts;
    if (slice_is_null(s.value))
        return;
    if (num_parse_u64(s.value, CLIENT_ATTEMPTS_MAX, &attempts) == STATUS_OK && attempts > 0) {
        *ret = (uint32_t)attempts;
        return;
    }
    begin_mistake(errors, &s);
    buf_printf(errors, "a number from 1 to %d\n", CLIENT_ATTEMPTS_MAX);
}

static bool read_without_rate(const struct aws_profile *profile, struct buf *errors)
{
    struct setting s = find(profile, "AWS_RETRY_MODE", "retry_mode");
    if (slice_is_null(s.value) || credentials_equal_any_case(s.value, "adaptive"))
        return false;
    if (credentials_equal_any_case(s.value, "standard") ||
        credentials_equal_any_case(s.value, "legacy"))
        return true;
    begin_mistake(errors, &s);
    buf_append_str(errors, "write standard, adaptive or legacy\n");
    return false;
}

static void read_ca_bundle(const struct aws_profile *profile, char *out, size_t size,
                           struct buf *errors)
{
    struct setting s = find(profile, "AWS_CA_BUNDLE", "ca_bundle");
    if (slice_is_null(s.value))
        return;
    if (!copy_text(s.value, out, size)) {
        print_origin(errors, &s);
        buf_printf(errors, ": longer than %zu characters\n", size - 1);
    } else if (access(out, R_OK) != 0) {
        begin_mistake(errors, &s);
        buf_append_str(errors, "cannot be read\n");
    }
}

/* --- the whole ------------------------------------------------------------------------------- */

static void check_services(const struct aws_profile *profile, struct buf *errors)
{
    if (profile == NULL || aws_profile_services_known(profile))
        return;
    buf_printf(errors, "profile %s, services=%.*s: the config file has no such section\n",
               profile->name, SLICE_ARG(aws_profile_get(profile, "services")));
}

static void read_all(const struct aws_profile *profile, struct aws_settings *ret,
                     struct buf *errors)
{
    check_services(profile, errors);
    bool ignore = read_bool(profile, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
                            "ignore_configured_endpoint_urls", errors);
    read_region(profile, ret->region, errors);
    read_attempts(profile, &ret->attempts_max, errors);
    ret->without_rate = read_without_rate(profile, errors);
    read_ca_bundle(profile, ret->ca_bundle, sizeof(ret->ca_bundle), errors);
    struct endpoint_query query = {
        .service = ENDPOINT_SQS,
        .region = slice_from_str(ret->region),
        .fips = read_bool(profile, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", errors),
        .dualstack =
            read_bool(profile, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint", errors),
    };
    struct setting url = ignore ? NO_SETTING : find_url(profile, "AWS_ENDPOINT_URL_SQS", "sqs");
    resolve(&query, &url, &ret->sqs, errors);
    query.service = ENDPOINT_DYNAMODB;
    url = ignore ? NO_SETTING : find_url(profile, "AWS_ENDPOINT_URL_DYNAMODB", "dynamodb");
    resolve(&query, &url, &ret->dynamodb, errors);
}

enum status aws_settings_load(struct aws_settings *ret, struct buf *errors)
{
    struct aws_settings settings = {.attempts_max = 0};
    size_t errors_before = errors->len;
    CLEANUP(aws_profiles_release) struct aws_profiles profiles;
    const struct aws_profile *profile = NULL;
    struct error error;
    aws_profiles_init(&profiles);
    if (credentials_load_profile(&profiles, &profile, &error) != STATUS_OK)
        buf_printf(errors, "%s\n", error.text);
    read_all(profile, &settings, errors);
    if (errors->len > errors_before || errors->overflow)
        return STATUS_INVALID;
    *ret = settings;
    return STATUS_OK;
}

void aws_settings_print(const struct aws_settings *s, struct buf *out)
{
    buf_printf(out, "AWS_REGION=%s\n", s->region);
    buf_printf(out, "AWS_ENDPOINT_URL_SQS=%s\n", s->sqs.url);
    buf_printf(out, "AWS_ENDPOINT_URL_DYNAMODB=%s\n", s->dynamodb.url);
    buf_printf(out, "AWS_RETRY_MODE=%s\n", s->without_rate ? "standard" : "adaptive");
    if (s->attempts_max > 0)
        buf_printf(out, "AWS_MAX_ATTEMPTS=%u\n", s->attempts_max);
    if (s->ca_bundle[0] != '\0')
        buf_printf(out, "AWS_CA_BUNDLE=%s\n", s->ca_bundle);
}
