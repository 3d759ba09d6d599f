#include "common/endpoint.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/num.h"

/* What a partition's regions look like, "<prefix><word>-<digits>", and where its names end. The
 * first one also takes every region that fits no other: a new region works before we know it. */
struct partition {
    const char *prefix; /* NULL: any */
    const char *global_region;
    const char *suffix;
    const char *dualstack_suffix;
    bool plain_fips; /* the usual name is the FIPS one, except with dual-stack */
};

static const struct partition partitions[] = {
    {NULL, "aws-global", "amazonaws.com", "api.aws", false},
    {"cn-", "aws-cn-global", "amazonaws.com.cn", "api.amazonwebservices.com.cn", false},
    {"eusc-de-", NULL, "amazonaws.eu", "api.amazonwebservices.eu", false},
    {"us-iso-", "aws-iso-global", "c2s.ic.gov", "api.aws.ic.gov", false},
    {"us-isob-", "aws-iso-b-global", "sc2s.sgov.gov", "api.aws.scloud", false},
    {"eu-isoe-", "aws-iso-e-global", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk", false},
    {"us-isof-", "aws-iso-f-global", "csp.hci.ic.gov", "api.aws.hci.ic.gov", false},
    {"us-gov-", "aws-us-gov-global", "amazonaws.com", "api.aws", true},
};

/* STS and DynamoDB Local are signed for this one; so is a custom endpoint without a region. */
#define DEFAULT_SIGNING_REGION "us-east-1"

static const char *service_name(enum endpoint_service service)
{
    switch (service) {
    case ENDPOINT_SQS:
        return "sqs";
    case ENDPOINT_DYNAMODB:
        return "dynamodb";
    case ENDPOINT_STS:
        return "sts";
    }
    UNREACHABLE();
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(uint8_t c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static enum status refuse(struct error *reterr, const char *text)
{
    error_set(reterr, ERROR_PERMANENT, "InvalidEndpoint", "%s", text);
    return STATUS_INVALID;
}

static bool in_partition(struct slice region, const struct partition *partition)
{
    if (partition->global_region != NULL && slice_equal_str(region, partition->global_region))
        return true;
    size_t prefix_len = partition->prefix == NULL ? 0 : strlen(partition->prefix);
    if (prefix_len == 0 || region.len < prefix_len ||
        memcmp(region.ptr, partition->prefix, prefix_len) != 0)
        return false;
    size_t i = prefix_len;
    while (i < region.len && (is_alnum(region.ptr[i]) || region.ptr[i] == '_'))
        i++;
    if (i == prefix_len || i == region.len || region.ptr[i] != '-')
        return false;
    size_t number = ++i;
    while (i < region.len && is_digit(region.ptr[i]))
        i++;
    return i > number && i == region.len;
}

static const struct partition *find_partition(struct slice region)
{
    for (size_t i = 1; i < ARRAY_LEN(partitions); i++)
        if (in_partition(region, &partitions[i]))
            return &partitions[i];
    return &partitions[0];
}

/* A host name's label: it becomes part of one; a typing error must not send requests elsewhere. */
static bool is_region(struct slice region)
{
    if (region.len == 0 || region.len >= ENDPOINT_REGION_SIZE || region.ptr[0] == '-' ||
        region.ptr[region.len - 1] == '-')
        return false;
    bool letters = false;
    for (size_t i = 0; i < region.len; i++) {
        if (!is_alnum(region.ptr[i]) && region.ptr[i] != '-')
            return false;
        letters |= !is_digit(region.ptr[i]);
    }
    return letters;
}

struct custom_url {
    const char *scheme;
    char host[ENDPOINT_URL_SIZE]; /* lower case, brackets included */
    uint16_t port;                /* 0: none, or the scheme's default */
    struct slice path;            /* without slashes at the end */
};

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

static bool starts_with(struct slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (text.len < len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (lower(text.ptr[i]) != (uint8_t)prefix[i])
            return false;
    return true;
}

/* "host", "host:8000", "[::1]:8000". Gives the host's length, 0 if it is none. */
static size_t host_length(struct slice authority)
{
    size_t i = 0;
    if (authority.len > 0 && authority.ptr[0] == '[') {
        while (i < authority.len && authority.ptr[i] != ']')
            i++;
        return i == authority.len || i < 3 ? 0 : i + 1;
    }
    while (i < authority.len && authority.ptr[i] != ':')
        i++;
    return i;
}

static bool host_valid(struct slice host)
{
    bool ipv6 = host.len > 0 && host.ptr[0] == '[';
    size_t first = ipv6 ? 1 : 0;
    size_t end = ipv6 ? host.len - 1 : host.len;
    for (size_t i = first; i < end; i++) {
        uint8_t c = host.ptr[i];
        bool good = is_alnum(c) || c == '.' || (ipv6 ? c == ':' : c == '-' || c == '_');
        if (!good || (!ipv6 && c == '.' && (i == 0 || host.ptr[i - 1] == '.')))
            return false;
    }
    return end > first;
}

static bool path_valid(struct slice path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] <= ' ' || path.ptr[i] >= 0x7f || memchr("?#\\\"<>", path.ptr[i], 6) != NULL)
            return false;
    return true;
}

static enum status parse_custom_url(struct slice text, struct custom_url *ret, struct error *reterr)
{
    if (text.len >= ENDPOINT_URL_SIZE)
        return refuse(reterr, "endpoint URL is longer than 511 bytes");
    bool tls = starts_with(text, "https://");
    if (!tls && !starts_with(text, "http://"))
        return refuse(reterr, "endpoint URL must begin with http:// or https://");
    size_t authority = tls ? strlen("https://") : strlen("http://");
    size_t end = authority;
    while (end < text.len && text.ptr[end] != '/' && text.ptr[end] != '?' && text.ptr[end] != '#')
        end++;
    struct slice rest = slice_from(text.ptr + authority, end - authority);
    struct slice host = slice_from(rest.ptr, host_length(rest));
    if (!host_valid(host))
        return refuse(reterr, "endpoint URL has no valid host; write http[s]://host[:port][/path]");
    uint64_t port = 0;
    if (host.len < rest.len) {
        struct slice digits = slice_from(rest.ptr + host.len + 1, rest.len - host.len - 1);
        if (rest.ptr[host.len] != ':' || num_parse_u64(digits, 65535, &port) != STATUS_OK ||
            port == 0)
            return refuse(reterr, "endpoint URL has no valid port; it is 1 to 65535");
    }
    struct slice path = slice_from(text.ptr + end, text.len - end);
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    if (!path_valid(path))
        return refuse(reterr, "endpoint URL may have a path, but no query, fragment or space");
    *ret = (struct custom_url){.scheme = tls ? "https" : "http", .path = path};
    ret->port = port == (tls ? 443U : 80U) ? 0 : (uint16_t)port;
    for (size_t i = 0; i < host.len; i++)
        ret->host[i] = (char)lower(host.ptr[i]);
    return STATUS_OK;
}

static void join(char *out, size_t size, const struct slice *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        CHECK(parts[i].len < size - len);
        if (parts[i].len > 0)
            memcpy(out + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
    }
    out[len] = '\0';
}

/* Into an array whose size bounds the parts: lengths were checked when they were read. */
#define JOIN(out, ...)                                                                             \
    join((out), sizeof(out), (const struct slice[]){__VA_ARGS__},                                  \
         sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice))

/* curl leaves a default port out of the Host header, so it is left out here too. */
static void fill_custom(const struct custom_url *custom, struct endpoint *ret)
{
    char port[sizeof(":65535")] = "";
    if (custom->port != 0)
        snprintf(port, sizeof(port), ":%u", (unsigned)custom->port);
    JOIN(ret->host, slice_from_str(custom->host), slice_from_str(port));
    JOIN(ret->url, slice_from_str(custom->scheme), SLICE_LITERAL("://"), slice_from_str(ret->host),
         custom->path);
    JOIN(ret->path, custom->path.len == 0 ? SLICE_LITERAL("/") : custom->path);
}

/* AWS's rule for DynamoDB: a dual-stack name is asked for by the switch, not as a URL. */
static bool is_dualstack_name(const struct endpoint_query *query, const struct custom_url *custom)
{
    if (query->service != ENDPOINT_DYNAMODB || query->region.len == 0 || custom->port != 0 ||
        custom->path.len > 0 || strcmp(custom->scheme, "https") != 0)
        return false;
    char name[ENDPOINT_URL_SIZE];
    JOIN(name, SLICE_LITERAL("dynamodb."), query->region, SLICE_LITERAL("."),
         slice_from_str(find_partition(query->region)->dualstack_suffix));
    return strcmp(name, custom->host) == 0;
}

static enum status resolve_custom(const struct endpoint_query *query, struct endpoint *ret,
                                  struct error *reterr)
{
    if (query->fips)
        return refuse(reterr, "FIPS and a custom endpoint cannot be combined: unset one of them");
    if (query->dualstack)
        return refuse(reterr,
                      "dual-stack and a custom endpoint cannot be combined: unset one of them");
    struct custom_url custom;
    enum status status = parse_custom_url(query->custom_url, &custom, reterr);
    if (status != STATUS_OK)
        return status;
    if (is_dualstack_name(query, &custom))
        return refuse(reterr, "the endpoint URL is a dual-stack name: switch dual-stack on instead "
                              "(AWS_USE_DUALSTACK_ENDPOINT=true)");
    fill_custom(&custom, ret);
    return STATUS_OK;
}

static void fill_aws(const struct endpoint_query *query, struct endpoint *ret)
{
    const struct partition *partition = find_partition(query->region);
    bool fips_name = query->fips && (query->dualstack || !partition->plain_fips);
    JOIN(ret->host, slice_from_str(service_name(query->service)),
         fips_name ? SLICE_LITERAL("-fips.") : SLICE_LITERAL("."), query->region,
         SLICE_LITERAL("."),
         slice_from_str(query->dualstack ? partition->dualstack_suffix : partition->suffix));
    JOIN(ret->url, SLICE_LITERAL("https://"), slice_from_str(ret->host));
    JOIN(ret->signing_region, query->region);
}

static enum status resolve_local(const struct endpoint_query *query, struct endpoint *ret,
                                 struct error *reterr)
{
    if (query->fips || query->dualstack)
        return refuse(reterr, "region \"local\" has neither FIPS nor dual-stack endpoints");
    JOIN(ret->host, SLICE_LITERAL("localhost:8000"));
    JOIN(ret->url, SLICE_LITERAL("http://localhost:8000"));
    return STATUS_OK;
}

enum status endpoint_resolve(const struct endpoint_query *query, struct endpoint *ret,
                             struct error *reterr)
{
    struct endpoint endpoint = {.path = "/", .signing_region = DEFAULT_SIGNING_REGION};
    struct slice region = query->region;
    if (region.len > 0 && !is_region(region))
        return refuse(reterr, "the region is not a name like eu-west-1");
    if (region.len == 0 && slice_is_null(query->custom_url))
        return refuse(reterr, "no region: set AWS_REGION, for example to eu-west-1");
    enum status status = STATUS_OK;
    if (!slice_is_null(query->custom_url)) {
        status = resolve_custom(query, &endpoint, reterr);
        if (region.len > 0)
            JOIN(endpoint.signing_region, region);
    } else if (query->service == ENDPOINT_DYNAMODB && slice_equal_str(region, "local")) {
        status = resolve_local(query, &endpoint, reterr);
    } else if (query->service == ENDPOINT_STS && slice_equal_str(region, "aws-global") &&
               !query->fips && !query->dualstack) {
        JOIN(endpoint.host, SLICE_LITERAL("sts.amazonaws.com"));
        JOIN(endpoint.url, SLICE_LITERAL("https://sts.amazonaws.com"));
    } else {
        fill_aws(query, &endpoint);
    }
    if (status == STATUS_OK)
        *ret = endpoint;
    return status;
}
