#include "tests/emulator/kafka_mock.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>

#include "common/mem.h"

#define PUSHED_ERRORS_MAX 64
#define NAME_MAX_BYTES    512

struct kafka_mock {
    rd_kafka_t *handle; /* the cluster lives on a client that does nothing else */
    rd_kafka_mock_cluster_t *cluster;
    int brokers;
};

struct kafka_mock *kafka_mock_new(int brokers, struct buf *errors)
{
    char text[NAME_MAX_BYTES];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    /* "logger" off: the client's own remarks are of no use to anybody. */
    rd_kafka_conf_set_log_cb(conf, NULL);
    /* Of the cluster's sockets, too: else small answers wait up to 40 ms for the client's ACK. */
    rd_kafka_conf_set(conf, "socket.nagle.disable", "true", NULL, 0);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
    if (handle == NULL) {
        buf_printf(errors, "mock cluster: %s\n", text);
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(handle, brokers);
    if (cluster == NULL) {
        buf_printf(errors, "mock cluster: %d brokers refused\n", brokers);
        rd_kafka_destroy(handle);
        return NULL;
    }
    struct kafka_mock *mock = mem_alloc(sizeof(*mock));
    *mock = (struct kafka_mock){.handle = handle, .cluster = cluster, .brokers = brokers};
    return mock;
}

void kafka_mock_free(struct kafka_mock *mock)
{
    if (mock == NULL)
        return;
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->handle);
    mem_free(mock);
}

const char *kafka_mock_bootstrap_servers(const struct kafka_mock *mock)
{
    return rd_kafka_mock_cluster_bootstraps(mock->cluster);
}

bool kafka_mock_create_topic(struct kafka_mock *mock, const char *name, int partitions,
                             struct buf *errors)
{
    rd_kafka_resp_err_t error = rd_kafka_mock_topic_create(mock->cluster, name, partitions,
                                                           mock->brokers < 3 ? mock->brokers : 3);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        buf_printf(errors, "topic %s: %s\n", name, rd_kafka_err2str(error));
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* --- control --------------------------------------------------------------------------------- */

static bool find_error(const char *name, rd_kafka_resp_err_t *ret)
{
    const struct rd_kafka_err_desc *list;
    size_t count;
    rd_kafka_get_err_descs(&list, &count);
    for (size_t i = 0; i < count; i++) {
        if (list[i].name != NULL && strcmp(list[i].name, name) == 0) {
            *ret = list[i].code;
            return true;
        }
    }
    return false;
}

static bool read_number(const cJSON *command, const char *name, int least, int *ret,
                        struct buf *errors)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(command, name);
    if (!cJSON_IsNumber(value) || value->valueint < least) {
        buf_printf(errors, "\"%s\" must be a number of at least %d\n", name, least);
        return false;
    }
    *ret = value->valueint;
    return true;
}

static bool read_text(const cJSON *command, const char *name, const char **ret, struct buf *errors)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(command, name);
    if (!cJSON_IsString(value)) {
        buf_printf(errors, "\"%s\" must be a string\n", name);
        return false;
    }
    *ret = value->valuestring;
    return true;
}

static bool accepted(rd_kafka_resp_err_t error, struct buf *errors)
{
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        buf_printf(errors, "%s\n", rd_kafka_err2str(error));
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool push_errors(struct kafka_mock *mock, const cJSON *command, struct buf *errors)
{
    int api_key;
    rd_kafka_resp_err_t codes[PUSHED_ERRORS_MAX];
    size_t count = 0;
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(command, "errors");
    if (!read_number(command, "api_key", 0, &api_key, errors))
        return false;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > PUSHED_ERRORS_MAX) {
        buf_printf(errors, "\"errors\" must be an array of at most %d\n", PUSHED_ERRORS_MAX);
        return false;
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item) || !find_error(item->valuestring, &codes[count])) {
            buf_append_str(errors, "an element of \"errors\" is no name of an error\n");
            return false;
        }
        count++;
    }
    rd_kafka_mock_push_request_errors_array(mock->cluster, (int16_t)api_key, count, codes);
    return true;
}

static bool control_broker(struct kafka_mock *mock, const char *what, const cJSON *command,
                           struct buf *errors)
{
    int broker;
    int rtt_ms;
    if (!read_number(command, "broker", 1, &broker, errors))
        return false;
    if (strcmp(what, "broker_down") == 0)
        return accepted(rd_kafka_mock_broker_set_down(mock->cluster, broker), errors);
    if (strcmp(what, "broker_up") == 0)
        return accepted(rd_kafka_mock_broker_set_up(mock->cluster, broker), errors);
    return read_number(command, "rtt_ms", 0, &rtt_ms, errors) &&
           accepted(rd_kafka_mock_broker_set_rtt(mock->cluster, broker, rtt_ms), errors);
}

static bool control_topic(struct kafka_mock *mock, const char *what, const cJSON *command,
                          struct buf *errors)
{
    const char *topic;
    const char *name;
    int partition;
    int broker;
    rd_kafka_resp_err_t error;
    if (!read_text(command, "topic", &topic, errors))
        return false;
    if (strcmp(what, "topic_create") == 0)
        return read_number(command, "partitions", 1, &partition, errors) &&
               kafka_mock_create_topic(mock, topic, partition, errors);
    if (strcmp(what, "partition_leader") == 0)
        return read_number(command, "partition", 0, &partition, errors) &&
               read_number(command, "broker", -1, &broker, errors) &&
               accepted(rd_kafka_mock_partition_set_leader(mock->cluster, topic, partition, broker),
                        errors);
    if (!read_text(command, "error", &name, errors))
        return false;
    if (!find_error(name, &error)) {
        buf_printf(errors, "%s is no name of an error\n", name);
        return false;
    }
    rd_kafka_mock_topic_set_error(mock->cluster, topic, error);
    return true;
}

bool kafka_mock_control(struct kafka_mock *mock, const cJSON *command, struct buf *errors)
{
    const char *what;
    if (!read_text(command, "do", &what, errors))
        return false;
    if (strcmp(what, "broker_down") == 0 || strcmp(what, "broker_up") == 0 ||
        strcmp(what, "broker_rtt") == 0)
        return control_broker(mock, what, command, errors);
    if (strcmp(what, "topic_create") == 0 || strcmp(what, "topic_error") == 0 ||
        strcmp(what, "partition_leader") == 0)
        return control_topic(mock, what, command, errors);
    if (strcmp(what, "request_errors") == 0)
        return push_errors(mock, command, errors);
    int api_key;
    if (strcmp(what, "clear_request_errors") == 0) {
        if (!read_number(command, "api_key", 0, &api_key, errors))
            return false;
        rd_kafka_mock_clear_request_errors(mock->cluster, (int16_t)api_key);
        return true;
    }
    const char *group;
    int broker;
    if (strcmp(what, "coordinator") == 0)
        return read_text(command, "group", &group, errors) &&
               read_number(command, "broker", 1, &broker, errors) &&
               accepted(rd_kafka_mock_coordinator_set(mock->cluster, "group", group, broker),
                        errors);
    buf_printf(errors, "\"do\": \"%s\" is not known\n", what);
    return false;
}
