#include "tests/tools/inspect.h"

#include <stdio.h>
#include <string.h>

#include "common/endpoint.h"
#include "common/json.h"

static bool parse_service(const char *name, enum endpoint_service *ret)
{
    static const struct {
        const char *name;
        enum endpoint_service service;
    } services[] = {{"sqs", ENDPOINT_SQS}, {"dynamodb", ENDPOINT_DYNAMODB}, {"sts", ENDPOINT_STS}};
    for (size_t i = 0; i < ARRAY_LEN(services); i++) {
        if (strcmp(name, services[i].name) == 0) {
            *ret = services[i].service;
            return true;
        }
    }
    return false;
}

static int parse_arguments(int argc, char **argv, struct endpoint_query *query)
{
    const char *service = NULL;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--fips") == 0) {
            query->fips = true;
            continue;
        }
        if (strcmp(argv[i], "--dualstack") == 0) {
            query->dualstack = true;
            continue;
        }
        if (strcmp(argv[i], "--service") == 0)
            service = value;
        else if (strcmp(argv[i], "--region") == 0)
            query->region = slice_from_str(value);
        else if (strcmp(argv[i], "--endpoint") == 0)
            query->custom_url = slice_from_str(value);
        else
            return inspect_usage_error("unknown argument %s", argv[i]);
        if (value == NULL)
            return inspect_usage_error("%s needs a value", argv[i]);
        i++;
    }
    if (service == NULL || !parse_service(service, &query->service))
        return inspect_usage_error("--service is one of sqs, dynamodb, sts");
    return 0;
}

int inspect_endpoint(int argc, char **argv)
{
    struct endpoint_query query = {.region = SLICE_NULL, .custom_url = SLICE_NULL};
    int usage = parse_arguments(argc, argv, &query);
    if (usage != 0)
        return usage;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, (size_t)16 * ENDPOINT_URL_SIZE);
    struct endpoint endpoint;
    struct error error;
    if (endpoint_resolve(&query, &endpoint, &error) != STATUS_OK) {
        fprintf(stderr, "inspect: %s\n", error.text);
        buf_append_str(&out, "{\"error\":");
        json_append_string(&out, slice_from_str(error.text));
        buf_append_byte(&out, '}');
        inspect_print(&out);
        return INSPECT_REFUSED;
    }
    buf_append_str(&out, "{\"url\":");
    json_append_string(&out, slice_from_str(endpoint.url));
    buf_append_str(&out, ",\"signing_region\":");
    json_append_string(&out, slice_from_str(endpoint.signing_region));
    buf_append_byte(&out, '}');
    inspect_print(&out);
    return 0;
}
