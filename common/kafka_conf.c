#include <ctype.h>
#include <string.h>
#include <unistd.h>

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
        name[i] = byte == '_' ? '.' : (char)tolower(byte);
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

static bool set_from_environment(rd_kafka_conf_t *conf, const struct kafka_settings *settings,
                                 struct buf *errors)
{
    bool good = true;
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
        } else {
            good = set(conf, variable, name, value, errors) && good;
        }
    }
    return good;
}

rd_kafka_conf_t *kafka_conf_new(const struct kafka_settings *settings, struct buf *errors)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = set(conf, "KAFKA_BOOTSTRAP_SERVERS", "bootstrap.servers",
                    settings->bootstrap_servers, errors);
    good = set_all(conf, settings->defaults, settings->default_count, errors) && good;
    good = set_all(conf, settings->properties, settings->property_count, errors) && good;
    good = set_from_environment(conf, settings, errors) && good;
    good = set_all(conf, settings->forced, settings->forced_count, errors) && good;
    if (good)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

void kafka_properties_check(struct buf *errors)
{
    const struct kafka_settings none = {.bootstrap_servers = "localhost"};
    rd_kafka_conf_t *conf = kafka_conf_new(&none, errors);
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
