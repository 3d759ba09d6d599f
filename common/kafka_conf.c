#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/check.h"
#include "common/kafka_internal.h"
#include "common/mem.h"

#define ENVIRONMENT_PREFIX "KAFKA_PROPERTY_"
#define NAME_SIZE          128

static bool set(rd_kafka_conf_t *conf, const char *shown_name, const char *name, const char *value,
                struct buf *errors)
{
    char text[KAFKA_TEXT_SIZE];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof(text)) == RD_KAFKA_CONF_OK)
        return true;
    buf_printf(errors, "%s: %s\n", shown_name, text);
    return false;
}

static bool set_all(rd_kafka_conf_t *conf, const struct kafka_property *properties, size_t count,
                    struct buf *errors)
{
    bool good = true;
    for (size_t i = 0; i < count; i++)
        good =
            set(conf, properties[i].name, properties[i].name, properties[i].value, errors) && good;
    return good;
}

/* KAFKA_PROPERTY_SECURITY_PROTOCOL to security.protocol; false: too long. */
static bool property_name(struct slice variable, char name[NAME_SIZE])
{
    size_t prefix_len = strlen(ENVIRONMENT_PREFIX);
    size_t len = variable.len - prefix_len;
    if (len >= NAME_SIZE)
        return false;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = variable.ptr[prefix_len + i];
        name[i] = (char)(byte == '_' ? '.' : tolower(byte));
    }
    name[len] = '\0';
    return true;
}

/* Ours to decide, in all clients. */
static bool is_reserved(const struct kafka_settings *settings, const char *name)
{
    static const char *const reserved[] = {"bootstrap.servers",
                                           "metadata.broker.list",
                                           "group.id",
                                           "log.queue",
                                           "acks",
                                           "request.required.acks",
                                           "enable.idempotence",
                                           "enable.auto.commit",
                                           "enable.auto.offset.store"};
    for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
        if (strcmp(name, reserved[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < settings->forced_count; i++) {
        if (strcmp(name, settings->forced[i].name) == 0)
            return true;
    }
    return false;
}

/* What comes of MSK IAM alone: the protocol, all of SASL, and that the broker is who it says: a
 * token serves whoever has it. */
static bool contradicts_iam(const char *name)
{
    static const char *const names[] = {
        "security.protocol",
        "enable.sasl.oauthbearer.unsecure.jwt",
        "enable.ssl.certificate.verification",
        "ssl.endpoint.identification.algorithm",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return strncmp(name, "sasl.", 5) == 0;
}

/* librdkafka's own table of properties, which says what type of client each is for. */
static char *print_table(void)
{
    char *table = NULL;
    size_t size;
    FILE *out = open_memstream(&table, &size);
    CHECK(out != NULL);
    rd_kafka_conf_properties_show(out);
    CHECK(fclose(out) == 0);
    return table;
}

/* Its lines are "name | C | ...", where C is for consumers, P for producers and * for both. What it
 * does not list is for everybody. */
static bool is_for(const char *table, const char *name, rd_kafka_type_t type)
{
    char foreign = type == RD_KAFKA_CONSUMER ? 'P' : 'C';
    size_t len = strlen(name);
    for (const char *line = table; line != NULL; line = strchr(line, '\n')) {
        line += line[0] == '\n';
        if (strncmp(line, name, len) != 0)
            continue;
        const char *column = line + len + strspn(line + len, " ");
        if (column == line + len || column[0] != '|')
            continue;
        column++;
        return column[strspn(column, " ")] != foreign;
    }
    return true;
}

/* Into conf, or only looked at if it is for the other type of client. */
static bool set_if_for(rd_kafka_conf_t *conf, rd_kafka_type_t type, const char *table,
                       const char *variable, const char *name, const char *value,
                       struct buf *errors)
{
    if (is_for(table, name, type))
        return set(conf, variable, name, value, errors);
    rd_kafka_conf_t *scratch = rd_kafka_conf_new();
    bool good = set(scratch, variable, name, value, errors);
    rd_kafka_conf_destroy(scratch);
    return good;
}

static bool set_from_environment(rd_kafka_conf_t *conf, rd_kafka_type_t type,
                                 const struct kafka_settings *settings, struct buf *errors)
{
    bool good = true;
    char *table = print_table();
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) != 0)
            continue;
        size_t len = strcspn(*entry, "=");
        const char *value = *entry + len + ((*entry)[len] == '=' ? 1 : 0);
        CLEANUP(mem_freep) char *variable = mem_strndup(*entry, len);
        char name[NAME_SIZE];
        if (!property_name(slice_from_str(variable), name)) {
            buf_printf(errors, "%.*s...: no such property\n", NAME_SIZE, variable);
            good = false;
        } else if (is_reserved(settings, name)) {
            buf_printf(errors, "%s: %s is decided by Delayline\n", variable, name);
            good = false;
        } else if (settings->iam && contradicts_iam(name)) {
            buf_printf(errors, "%s: %s follows from DELAYLINE_KAFKA_AUTHENTICATION=msk-iam\n",
                       variable, name);
            good = false;
        } else {
            good = set_if_for(conf, type, table, variable, name, value, errors) && good;
        }
    }
    free(table); /* open_memstream's */
    return good;
}

static bool has_value(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[KAFKA_TEXT_SIZE];
    size_t size = sizeof(text);
    return rd_kafka_conf_get(conf, name, text, &size) == RD_KAFKA_CONF_OK &&
           strcasecmp(text, value) == 0;
}

/* Clients would wait for a token that nobody makes. */
static bool check_tokens(rd_kafka_conf_t *conf, struct buf *errors)
{
    if (!has_value(conf, "sasl.mechanisms", "OAUTHBEARER") ||
        has_value(conf, "sasl.oauthbearer.method", "oidc") ||
        has_value(conf, "enable.sasl.oauthbearer.unsecure.jwt", "true"))
        return true;
    buf_append_str(errors, "KAFKA_PROPERTY_SASL_MECHANISM=OAUTHBEARER needs "
                           "KAFKA_PROPERTY_SASL_OAUTHBEARER_METHOD=oidc; for MSK IAM set "
                           "DELAYLINE_KAFKA_AUTHENTICATION=msk-iam instead\n");
    return false;
}

/* Who is not who the certificate says would get passwords, tokens and records. */
static bool check_verification(rd_kafka_conf_t *conf, struct buf *errors)
{
    static const struct {
        const char *name;
        const char *off;
        const char *line;
    } switches[] = {
        {"enable.ssl.certificate.verification", "false",
         "KAFKA_PROPERTY_ENABLE_SSL_CERTIFICATE_VERIFICATION: brokers are always verified; "
         "KAFKA_PROPERTY_SSL_CA_LOCATION says by whose certificates\n"},
        {"ssl.endpoint.identification.algorithm", "none",
         "KAFKA_PROPERTY_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM: brokers are always verified, by "
         "the names that they are reached by\n"},
    };
    bool good = true;
    for (size_t i = 0; i < ARRAY_LEN(switches); i++) {
        if (!has_value(conf, switches[i].name, switches[i].off))
            continue;
        buf_append_str(errors, switches[i].line);
        good = false;
    }
    return good;
}

/* NULL: something was refused. */
static rd_kafka_conf_t *make_conf(rd_kafka_type_t type, const struct kafka_settings *settings,
                                  struct buf *errors)
{
    static const struct kafka_property iam[] = {{"security.protocol", "SASL_SSL"},
                                                {"sasl.mechanism", "OAUTHBEARER"}};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = set(conf, "KAFKA_BOOTSTRAP_SERVERS", "bootstrap.servers",
                    settings->bootstrap_servers, errors);
    good = set_all(conf, settings->defaults, settings->default_count, errors) && good;
    good = set_all(conf, settings->properties, settings->property_count, errors) && good;
    good = set_from_environment(conf, type, settings, errors) && good;
    good = set_all(conf, settings->forced, settings->forced_count, errors) && good;
    if (settings->iam)
        good = set_all(conf, iam, ARRAY_LEN(iam), errors) && good;
    else
        good = check_tokens(conf, errors) && good;
    good = check_verification(conf, errors) && good;
    if (good)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

rd_kafka_t *kafka_handle_new(rd_kafka_type_t type, const struct kafka_settings *settings,
                             int events, struct buf *errors)
{
    char text[KAFKA_TEXT_SIZE];
    rd_kafka_conf_t *conf = make_conf(type, settings, errors);
    if (conf == NULL)
        return NULL;
    rd_kafka_conf_set_events(conf, events);
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof(text));
    if (rk == NULL) { /* conf is librdkafka's only after success */
        buf_printf(errors, "Kafka: %s\n", text);
        rd_kafka_conf_destroy(conf);
    }
    return rk;
}

void kafka_properties_check(bool iam, struct buf *errors)
{
    const struct kafka_settings none = {.bootstrap_servers = "localhost", .iam = iam};
    rd_kafka_conf_t *conf = make_conf(RD_KAFKA_PRODUCER, &none, errors);
    if (conf != NULL)
        rd_kafka_conf_destroy(conf);
}

void kafka_error_set(struct error *reterr, enum error_kind kind, rd_kafka_resp_err_t err,
                     const char *text)
{
    const char *name = rd_kafka_err2name(err);
    while (*name == '_')
        name++;
    error_set(reterr, kind, name, "%s", text == NULL ? rd_kafka_err2str(err) : text);
}
