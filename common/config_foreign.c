#include "common/config_foreign.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/compiler.h"
#include "common/mem.h"

#define KAFKA_PREFIX "KAFKA_PROPERTY_"

static const struct {
    const char *name;
    bool secret;
} aws_variables[] = {
    {"AWS_PROFILE", false},
    {"AWS_CONFIG_FILE", false},
    {"AWS_SHARED_CREDENTIALS_FILE", false},
    {"AWS_ACCESS_KEY_ID", false},
    {"AWS_SECRET_ACCESS_KEY", true},
    {"AWS_SESSION_TOKEN", true},
    {"AWS_SECURITY_TOKEN", true},
    {"AWS_CREDENTIAL_EXPIRATION", false},
    {"AWS_ROLE_ARN", false},
    {"AWS_ROLE_SESSION_NAME", false},
    {"AWS_WEB_IDENTITY_TOKEN_FILE", false},
    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", true}, /* who knows it gets the task's keys */
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", true},
    {"AWS_CONTAINER_AUTHORIZATION_TOKEN", true},
    {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", false},
    {"AWS_EC2_METADATA_DISABLED", false},
    {"AWS_EC2_METADATA_V1_DISABLED", false},
    {"AWS_EC2_METADATA_SERVICE_ENDPOINT", false},
    {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", false},
    {"AWS_METADATA_SERVICE_TIMEOUT", false},
    {"AWS_METADATA_SERVICE_NUM_ATTEMPTS", false},
    {"AWS_ENDPOINT_URL_STS", false},
    {"AWS_USE_FIPS_ENDPOINT", false},
    {"AWS_USE_DUALSTACK_ENDPOINT", false},
    {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", false},
};

/* Whatever the name says: PEM texts, and URLs with a user before the host. */
static bool looks_secret(const char *value)
{
    return strstr(value, "-----BEGIN") != NULL ||
           (strstr(value, "://") != NULL && strchr(value, '@') != NULL);
}

/* name: in upper case, with _ for '.'. Rather one too many. */
static bool is_secret_property(const char *name)
{
    static const char *const parts[] = {"PASSWORD", "SECRET",  "JAAS",  "_PEM",
                                        "PRIVATE",  "CREDENT", "TOKEN", "OAUTHBEARER_CONFIG"};
    if (strcmp(name, KAFKA_PREFIX "SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL") == 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strcasestr(name, parts[i]) != NULL)
            return true;
    return false;
}

static void print(struct buf *out, const char *name, const char *value, bool secret)
{
    buf_printf(out, "%s=", name);
    if (secret || looks_secret(value))
        value = "***";
    for (; *value != '\0'; value++)
        buf_append_byte(out, *value >= 0x20 && *value < 0x7f ? (uint8_t)*value : '?');
    buf_append_byte(out, '\n');
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_kafka(struct buf *out)
{
    size_t count = 0;
    for (char **entry = environ; *entry != NULL; entry++)
        count += strncmp(*entry, KAFKA_PREFIX, strlen(KAFKA_PREFIX)) == 0;
    CLEANUP(mem_freep) char **names = mem_calloc(count + 1, sizeof(*names));
    size_t i = 0;
    for (char **entry = environ; *entry != NULL; entry++)
        if (strncmp(*entry, KAFKA_PREFIX, strlen(KAFKA_PREFIX)) == 0)
            names[i++] = mem_strndup(*entry, strcspn(*entry, "="));
    qsort(names, count, sizeof(*names), compare);
    for (i = 0; i < count; i++) {
        const char *value = getenv(names[i]);
        print(out, names[i], value == NULL ? "" : value, is_secret_property(names[i]));
        mem_free(names[i]);
    }
}

void config_foreign_print(enum config_program program, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(aws_variables); i++) {
        const char *value = getenv(aws_variables[i].name);
        if (value != NULL && value[0] != '\0')
            print(out, aws_variables[i].name, value, aws_variables[i].secret);
    }
    if (program != CONFIG_SCHEDULER)
        print_kafka(out);
}
