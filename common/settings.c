#include "common/settings.h"

#include <stddef.h>
#include <string.h>

#include "common/emf.h"
#include "common/limits.h"
#include "common/num.h"
#include "common/timeval.h"

#define KAFKA_PROGRAMS (CONFIG_ROUTER | CONFIG_RELAY)
#define TABLE_PROGRAMS (CONFIG_ROUTER | CONFIG_SCHEDULER)
#define PORT_MAX       65535
#define AS_PROPERTIES  "properties"
#define MSK_IAM        "msk-iam"

#define OPTION(env, who, kind, member, value, least, most, text)                                   \
    {                                                                                              \
        .name = (env), .programs = (who), .type = (kind),                                          \
        .offset = offsetof(struct settings, member), .default_value = (value), .min = (least),     \
        .max = (most), .help = (text)                                                              \
    }

static const struct config_option options[] = {
    OPTION("KAFKA_BOOTSTRAP_SERVERS", KAFKA_PROGRAMS, CONFIG_TEXT, bootstrap_servers, NULL, 0, 0,
           "Kafka brokers, host:port[,host:port]"),
    OPTION("DELAYLINE_KAFKA_AUTHENTICATION", KAFKA_PROGRAMS, CONFIG_TEXT, kafka_authentication,
           AS_PROPERTIES, 0, 0,
           "properties: as KAFKA_PROPERTY_SECURITY_PROTOCOL, KAFKA_PROPERTY_SASL_MECHANISM and so "
           "on say; msk-iam: by the AWS credentials, over TLS, in AWS_REGION"),
    OPTION("DELAYLINE_DELAY_TOPICS", KAFKA_PROGRAMS, CONFIG_LIST, delay_topics, "delay", 0, 0,
           "topics to consume; topic:target gives one a default target, topic:target:15m a default "
           "delay too"),
    OPTION("DELAYLINE_DEAD_LETTER_TOPIC", KAFKA_PROGRAMS, CONFIG_TEXT, dead_letter_topic,
           "delay-dead-letter", 0, 0, "where rejected and undeliverable records go"),
    OPTION("DELAYLINE_DELAY_QUEUE", KAFKA_PROGRAMS, CONFIG_TEXT, delay_queue, "delayline-delay", 0,
           0, "standard queue for what is due within the horizon, name or URL"),
    OPTION("DELAYLINE_READY_QUEUE", CONFIG_SCHEDULER | CONFIG_RELAY, CONFIG_TEXT, ready_queue,
           "delayline-ready.fifo", 0, 0, "FIFO queue from scheduler to relay, name or URL"),
    OPTION("DELAYLINE_TIMER_QUEUE", CONFIG_SCHEDULER, CONFIG_TEXT, timer_queue,
           "delayline-timer.fifo", 0, 0, "FIFO queue of ticks, name or URL"),
    OPTION("DELAYLINE_TABLE", CONFIG_EVERYONE, CONFIG_TEXT, table, "delayline", 0, 0,
           "DynamoDB table"),
    OPTION("DELAYLINE_SHARDS", TABLE_PROGRAMS, CONFIG_NUMBER, shards, "8", 1, SHARDS_MAX,
           "shards a bucket is spread over; may be raised while running"),
    OPTION("DELAYLINE_HORIZON", CONFIG_EVERYONE, CONFIG_DURATION, horizon_ms, "15m", 1000,
           SQS_DELAY_SECONDS_MAX *MS_PER_SECOND, "due later than this goes to the table"),
    OPTION(
        "DELAYLINE_BUCKET", TABLE_PROGRAMS, CONFIG_DURATION, bucket_ms, "1m", 1000, MS_PER_HOUR,
        "span of a bucket; the table keeps it from its first use on, and another one is refused"),
    OPTION("DELAYLINE_HANDOFF", CONFIG_EVERYONE, CONFIG_DURATION, handoff_ms, "20s", 500,
           10 * MS_PER_MINUTE, "the scheduler sends an envelope this long before it is due"),
    OPTION(
        "DELAYLINE_CUTOFF", TABLE_PROGRAMS, CONFIG_DURATION, cutoff_ms, "1m", 500,
        10 * MS_PER_MINUTE,
        "a table write acknowledged later than this before its bucket's handoff counts as unknown; "
        "all hosts' clocks must be closer together than this"),
    OPTION("DELAYLINE_LEAD", KAFKA_PROGRAMS, CONFIG_DURATION, lead_ms, "2s", 100, MS_PER_MINUTE,
           "SQS hands an envelope to a relay this long before it is due"),
    OPTION("DELAYLINE_RETENTION", TABLE_PROGRAMS, CONFIG_DURATION, retention_ms, "7d",
           MS_PER_MINUTE, 366 * MS_PER_DAY, "table items outlive their due time by this"),
    OPTION("DELAYLINE_STOP_GRACE", CONFIG_EVERYONE, CONFIG_DURATION, stop_grace_ms, "9s", 100,
           2 * MS_PER_MINUTE, "from SIGTERM to giving up on what is unfinished"),
    OPTION("DELAYLINE_ADMIN_ADDRESS", CONFIG_EVERYONE, CONFIG_TEXT, admin_address, "0.0.0.0:8080",
           0, 0, "address of /healthz, /readyz and /metrics; port 0 picks one and logs it"),
    OPTION("DELAYLINE_LOG_LEVEL", CONFIG_EVERYONE, CONFIG_TEXT, log_level, "info", 0, 0,
           "debug, info, warn or error"),
    OPTION("DELAYLINE_EMF_NAMESPACE", CONFIG_EVERYONE, CONFIG_TEXT, emf_namespace, "", 0, 0,
           "CloudWatch namespace: some metrics go there by the log, in embedded metric format; "
           "empty: none do"),
    OPTION("DELAYLINE_EMF_INTERVAL", CONFIG_EVERYONE, CONFIG_DURATION, emf_interval_ms, "1m", 1000,
           MS_PER_HOUR, "how often"),
    OPTION("DELAYLINE_CORE_DUMPS", CONFIG_EVERYONE, CONFIG_BOOL, core_dumps, "false", 0, 0,
           "allow core dumps and debuggers: they show keys and records"),
};

const struct config_table settings_table = {options, ARRAY_LEN(options)};

static void require(bool holds, struct buf *errors, const char *text)
{
    if (!holds)
        buf_printf(errors, "%s\n", text);
}

/* librdkafka takes what it can read of a list and drops the rest without a word. */
static bool broker_is_legal(struct slice broker)
{
    while (broker.len > 0 && broker.ptr[0] == ' ') /* after a comma */
        broker = slice_from(broker.ptr + 1, broker.len - 1);
    const uint8_t *scheme = memmem(broker.ptr, broker.len, "://", 3);
    if (scheme != NULL)
        broker = slice_from(scheme + 3, broker.len - (size_t)(scheme + 3 - broker.ptr));
    const uint8_t *bracket = broker.len > 0 ? memrchr(broker.ptr, ']', broker.len) : NULL;
    const uint8_t *start = bracket != NULL ? bracket : broker.ptr;
    size_t rest = broker.len - (size_t)(start - broker.ptr);
    const uint8_t *colon = rest > 0 ? memchr(start, ':', rest) : NULL;
    size_t host_bytes = colon != NULL ? (size_t)(colon - broker.ptr) : broker.len;
    for (size_t i = 0; i < host_bytes; i++)
        if (broker.ptr[i] <= ' ')
            return false;
    int64_t port = 1;
    if (colon != NULL && num_parse_i64(slice_from(colon + 1, broker.len - host_bytes - 1), PORT_MAX,
                                       &port) != STATUS_OK)
        return false;
    return host_bytes > 0 && port > 0;
}

static void check_brokers(const char *servers, struct buf *errors)
{
    for (const char *at = servers; at != NULL;) {
        const char *comma = strchr(at, ',');
        size_t len = comma != NULL ? (size_t)(comma - at) : strlen(at);
        if (!broker_is_legal(slice_from(at, len)))
            buf_printf(errors,
                       "KAFKA_BOOTSTRAP_SERVERS must be host:port[,host:port], not \"%.*s\"\n",
                       (int)len, at);
        at = comma != NULL ? comma + 1 : NULL;
    }
}

static bool is(const char *text, const char *expected)
{
    return text != NULL && strcmp(text, expected) == 0;
}

bool settings_want_msk_iam(const struct settings *s)
{
    return is(s->kafka_authentication, MSK_IAM);
}

enum status settings_check(const struct settings *s, enum config_program program,
                           struct buf *errors)
{
    size_t before = errors->len;
    require(s->emf_namespace == NULL || s->emf_namespace[0] == '\0' ||
                emf_namespace_check(s->emf_namespace) == STATUS_OK,
            errors,
            "DELAYLINE_EMF_NAMESPACE must be 1 to 255 letters, digits, spaces or .-_/#: and begin "
            "neither with a colon nor with AWS/");
    if (((unsigned)program & KAFKA_PROGRAMS) != 0 && s->bootstrap_servers != NULL)
        check_brokers(s->bootstrap_servers, errors);
    if (((unsigned)program & KAFKA_PROGRAMS) != 0)
        require(is(s->kafka_authentication, AS_PROPERTIES) || settings_want_msk_iam(s), errors,
                "DELAYLINE_KAFKA_AUTHENTICATION must be " AS_PROPERTIES " or " MSK_IAM);
    if (((unsigned)program & TABLE_PROGRAMS) != 0) {
        require(s->horizon_ms > s->bucket_ms + s->handoff_ms + s->cutoff_ms, errors,
                "DELAYLINE_HORIZON must be more than DELAYLINE_BUCKET + DELAYLINE_HANDOFF + "
                "DELAYLINE_CUTOFF, or a table write could come after its bucket was read");
        require(MS_PER_DAY % s->bucket_ms == 0, errors,
                "DELAYLINE_BUCKET must divide a day evenly");
        require(s->retention_ms > s->bucket_ms, errors,
                "DELAYLINE_RETENTION must be more than DELAYLINE_BUCKET");
    }
    if (program == CONFIG_RELAY)
        require(s->handoff_ms > s->lead_ms, errors,
                "DELAYLINE_HANDOFF must be more than DELAYLINE_LEAD, or the ready queue comes too "
                "late");
    if (program == CONFIG_ROUTER)
        require(s->horizon_ms > s->lead_ms, errors,
                "DELAYLINE_HORIZON must be more than DELAYLINE_LEAD");
    return errors->len == before ? STATUS_OK : STATUS_INVALID;
}
