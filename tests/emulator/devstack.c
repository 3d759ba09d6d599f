/* The local stack in one process: the AWS emulator, librdkafka's mock cluster, and the queues,
 * table and topics that the programs expect. Prints the environment that they need, then "ready";
 * runs until SIGTERM or SIGINT. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "common/buf.h"
#include "common/mem.h"
#include "tests/emulator/emulator.h"
#include "tests/emulator/kafka_mock.h"

#define TEXT_BYTES_MAX 65536
#define NAME_BYTES_MAX 256
/* The mock looks for an offset from the first message set of a partition on: 50,000 records in 8
 * partitions made fetches take 100 ms. */
#define PARTITIONS_DEFAULT 64 /* the mock keeps 5 MiB a partition */
#define FETCH_WAIT_MS      5
/* The mock's joins last a second less than this, whoever is there. */
#define SESSION_TIMEOUT_MS 4000
#define HEARTBEAT_MS       500
#define PARTITIONS_MAX     256
#define REGION             "us-east-1"
#define ACCESS_KEY_ID      "AKIAIOSFODNN7EXAMPLE"
#define SECRET_ACCESS_KEY  "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define CONTAINER_TOKEN    "devstack-container-token"
#define EXIT_USAGE         64
#define EXIT_SOFTWARE      70

enum credentials {
    CREDENTIALS_STATIC,
    CREDENTIALS_CONTAINER,
    CREDENTIALS_IMDS,
};

struct options {
    const char *env_file; /* NULL: none */
    int aws_port;
    enum credentials credentials;
    int session_seconds;
    int brokers;
    const char *topics; /* "name:partitions,..." beside the usual ones */
    unsigned seed;
};

struct stack {
    uv_loop_t loop;
    uv_signal_t signals[2];
    struct emulator *emulator;
    struct kafka_mock *kafka;
};

static const char usage[] =
    "usage: devstack [options]\n"
    "  --env FILE                 write the export lines there too\n"
    "  --aws-port N               port of the AWS emulator; 0: any (default)\n"
    "  --credentials KIND         what the programs get: static (default), container or imds\n"
    "  --session-seconds N        how long issued keys live (default 3600)\n"
    "  --brokers N                brokers of the mock cluster (default 1)\n"
    "  --topics NAME:N,...        more topics, or other numbers of partitions (default 64);\n"
    "                             default: DELAYLINE_STACK_TOPICS\n"
    "  --seed N                   of ids and chance (default 1)\n"
    "Names of topics, queues and table come from the DELAYLINE_ variables that the programs "
    "read.\n";

/* --- names ----------------------------------------------------------------------------------- */

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? otherwise : value;
}

/* A queue's setting may be a URL. */
static const char *queue_name(const char *variable, const char *otherwise)
{
    const char *value = setting(variable, otherwise);
    const char *slash = strrchr(value, '/');
    return slash == NULL ? value : slash + 1;
}

/* The name that an element of a list begins with ("topic:target:15m", "topic:8"); *at goes to the
 * next element. */
static void next_name(const char **at, char out[NAME_BYTES_MAX])
{
    const char *start = *at + strspn(*at, " ,");
    size_t len = MIN(strcspn(start, " ,:"), (size_t)NAME_BYTES_MAX - 1);
    memcpy(out, start, len);
    out[len] = '\0';
    *at = start + strcspn(start, ",");
}

static bool parse_number(const char *text, long least, long most, int *ret)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < least || value > most)
        return false;
    *ret = (int)value;
    return true;
}

/* Partitions that --topics asks for; the default if it does not name the topic. */
static int partitions_of(const char *topics, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = topics; *at != '\0';) {
        if (strncmp(at, name, len) == 0 && at[len] == ':')
            return (int)strtol(at + len + 1, NULL, 10);
        at += strcspn(at, ",");
        at += *at == ',';
    }
    return PARTITIONS_DEFAULT;
}

static bool is_listed(const struct buf *names, const char *name)
{
    char pattern[NAME_BYTES_MAX + 2];
    snprintf(pattern, sizeof(pattern), "\n%s\n", name);
    return strstr(buf_text(names), pattern) != NULL;
}

/* Once each, whoever names it. */
static bool create_topic(struct stack *stack, const struct options *options, struct buf *created,
                         const char *name, struct buf *errors)
{
    if (name[0] == '\0' || is_listed(created, name))
        return true;
    int partitions = partitions_of(options->topics, name);
    if (partitions < 1 || partitions > PARTITIONS_MAX) {
        buf_printf(errors, "topic %s: 1 to %d partitions\n", name, PARTITIONS_MAX);
        return false;
    }
    buf_printf(created, "%s\n", name);
    return kafka_mock_create_topic(stack->kafka, name, partitions, errors);
}

/* --- set-up ---------------------------------------------------------------------------------- */

static bool create_topics(struct stack *stack, const struct options *options, struct buf *errors)
{
    char name[NAME_BYTES_MAX];
    struct buf created;
    buf_init(&created, TEXT_BYTES_MAX);
    buf_append_byte(&created, '\n');
    bool ok = create_topic(stack, options, &created,
                           setting("DELAYLINE_STACK_TARGET_TOPIC", "orders"), errors) &&
              create_topic(stack, options, &created,
                           setting("DELAYLINE_DEAD_LETTER_TOPIC", "delay-dead-letter"), errors);
    const char *lists[2] = {setting("DELAYLINE_DELAY_TOPICS", "delay"), options->topics};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        for (const char *at = lists[i]; *at != '\0' && ok;) {
            next_name(&at, name);
            ok = create_topic(stack, options, &created, name, errors);
        }
    }
    buf_release(&created);
    return ok;
}

static bool create_queues(struct stack *stack, struct buf *errors)
{
    static const char *const standard[][2] = {{"MessageRetentionPeriod", "1209600"}};
    static const char *const fifo[][2] = {{"FifoQueue", "true"},
                                          {"MessageRetentionPeriod", "1209600"}};
    static const char *const fast_fifo[][2] = {{"FifoQueue", "true"},
                                               {"DeduplicationScope", "messageGroup"},
                                               {"FifoThroughputLimit", "perMessageGroupId"},
                                               {"MessageRetentionPeriod", "1209600"}};
    return emulator_create_queue(stack->emulator,
                                 queue_name("DELAYLINE_DELAY_QUEUE", "delayline-delay"), standard,
                                 ARRAY_LEN(standard), errors) &&
           emulator_create_queue(stack->emulator,
                                 queue_name("DELAYLINE_READY_QUEUE", "delayline-ready.fifo"),
                                 fast_fifo, ARRAY_LEN(fast_fifo), errors) &&
           emulator_create_queue(stack->emulator,
                                 queue_name("DELAYLINE_TIMER_QUEUE", "delayline-timer.fifo"), fifo,
                                 ARRAY_LEN(fifo), errors) &&
           emulator_create_table(stack->emulator, setting("DELAYLINE_TABLE", "delayline"), errors);
}

static int delay_partitions(const struct options *options)
{
    const char *at = setting("DELAYLINE_DELAY_TOPICS", "delay");
    char name[NAME_BYTES_MAX];
    int sum = 0;
    while (*at != '\0') {
        next_name(&at, name);
        sum += name[0] == '\0' ? 0 : partitions_of(options->topics, name);
    }
    return sum;
}

static void export_queue(struct buf *out, int port, const char *variable, const char *otherwise)
{
    buf_printf(out, "export %s=http://127.0.0.1:%d/" EMULATOR_ACCOUNT "/%s\n", variable, port,
               queue_name(variable, otherwise));
}

/* What the environment says goes before what suits the mock cluster. */
static void export_property(struct buf *out, const char *name, int value)
{
    const char *own = getenv(name);
    if (own == NULL || own[0] == '\0')
        buf_printf(out, "export %s=%d\n", name, value);
    else
        buf_printf(out, "export %s='%s'\n", name, own);
}

static void write_exports(const struct stack *stack, const struct options *options, struct buf *out)
{
    int port = emulator_port(stack->emulator);
    const char *delay_topics = setting("DELAYLINE_DELAY_TOPICS", "delay");
    char first[NAME_BYTES_MAX];
    const char *at = delay_topics;
    next_name(&at, first);
    buf_printf(out, "export KAFKA_BOOTSTRAP_SERVERS=%s\n",
               kafka_mock_bootstrap_servers(stack->kafka));
    /* The mock answers a fetch that finds nothing only when the wait is over: see kafka_mock.h. */
    export_property(out, "KAFKA_PROPERTY_FETCH_WAIT_MAX_MS", FETCH_WAIT_MS);
    export_property(out, "KAFKA_PROPERTY_SESSION_TIMEOUT_MS", SESSION_TIMEOUT_MS);
    export_property(out, "KAFKA_PROPERTY_HEARTBEAT_INTERVAL_MS", HEARTBEAT_MS);
    buf_printf(out, "export AWS_ENDPOINT_URL=http://127.0.0.1:%d\n", port);
    buf_printf(out, "export AWS_REGION=%s\nexport AWS_DEFAULT_REGION=%s\n", REGION, REGION);
    switch (options->credentials) {
    case CREDENTIALS_STATIC:
        buf_printf(out, "export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n",
                   ACCESS_KEY_ID, SECRET_ACCESS_KEY);
        break;
    case CREDENTIALS_CONTAINER:
        buf_printf(out,
                   "export AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:%d/credentials\n"
                   "export AWS_CONTAINER_AUTHORIZATION_TOKEN=%s\n",
                   port, CONTAINER_TOKEN);
        break;
    case CREDENTIALS_IMDS:
        buf_printf(out, "export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:%d\n", port);
        break;
    }
    buf_printf(out, "export DELAYLINE_DELAY_TOPICS='%s'\n", delay_topics);
    buf_printf(out, "export DELAYLINE_DEAD_LETTER_TOPIC=%s\n",
               setting("DELAYLINE_DEAD_LETTER_TOPIC", "delay-dead-letter"));
    buf_printf(out, "export DELAYLINE_STACK_DELAY_TOPIC=%s\n", first);
    buf_printf(out, "export DELAYLINE_STACK_DELAY_PARTITIONS=%d\n", delay_partitions(options));
    buf_printf(out, "export DELAYLINE_STACK_TARGET_TOPIC=%s\n",
               setting("DELAYLINE_STACK_TARGET_TOPIC", "orders"));
    export_queue(out, port, "DELAYLINE_DELAY_QUEUE", "delayline-delay");
    export_queue(out, port, "DELAYLINE_READY_QUEUE", "delayline-ready.fifo");
    export_queue(out, port, "DELAYLINE_TIMER_QUEUE", "delayline-timer.fifo");
    buf_printf(out, "export DELAYLINE_TABLE=%s\n", setting("DELAYLINE_TABLE", "delayline"));
}

/* Whole or not at all: others wait for the file to appear. */
static bool write_env_file(const char *path, const struct buf *text, struct buf *errors)
{
    char temporary[4096];
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    FILE *file = fopen(temporary, "we");
    bool ok = file != NULL && fwrite(text->ptr, 1, text->len, file) == text->len;
    if (file != NULL && fclose(file) != 0)
        ok = false;
    if (ok && rename(temporary, path) == 0)
        return true;
    buf_printf(errors, "%s: %s\n", path, strerror(errno));
    return false;
}

static bool start_stack(struct stack *stack, const struct options *options, struct buf *errors)
{
    int error = 0;
    stack->kafka = kafka_mock_new(options->brokers, errors);
    if (stack->kafka == NULL)
        return false;
    stack->emulator =
        emulator_new(&stack->loop,
                     &(struct emulator_options){.port = options->aws_port,
                                                .region = REGION,
                                                .access_key_id = ACCESS_KEY_ID,
                                                .secret_access_key = SECRET_ACCESS_KEY,
                                                .container_token = CONTAINER_TOKEN,
                                                .session_seconds = options->session_seconds,
                                                .seed = options->seed,
                                                .kafka = stack->kafka},
                     &error);
    if (stack->emulator == NULL) {
        buf_printf(errors, "port %d: %s\n", options->aws_port, uv_strerror(error));
        return false;
    }
    return create_queues(stack, errors) && create_topics(stack, options, errors);
}

/* --- running --------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

static bool watch_signals(struct stack *stack)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (uv_signal_init(&stack->loop, &stack->signals[i]) != 0 ||
            uv_signal_start(&stack->signals[i], on_signal, numbers[i]) != 0)
            return false;
    }
    return true;
}

static int stop_stack(struct stack *stack)
{
    for (size_t i = 0; i < ARRAY_LEN(stack->signals); i++)
        uv_close((uv_handle_t *)&stack->signals[i], NULL);
    if (stack->emulator != NULL)
        emulator_close(stack->emulator);
    uv_run(&stack->loop, UV_RUN_DEFAULT);
    kafka_mock_free(stack->kafka);
    return uv_loop_close(&stack->loop) == 0 ? EXIT_SUCCESS : EXIT_SOFTWARE;
}

static bool parse_credentials(const char *text, enum credentials *ret)
{
    static const char *const names[] = {"static", "container", "imds"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum credentials)i;
            return true;
        }
    }
    return false;
}

static bool parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option known[] = {
        {"env", required_argument, NULL, 'e'},
        {"aws-port", required_argument, NULL, 'p'},
        {"credentials", required_argument, NULL, 'c'},
        {"session-seconds", required_argument, NULL, 's'},
        {"brokers", required_argument, NULL, 'b'},
        {"topics", required_argument, NULL, 't'},
        {"seed", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    *ret = (struct options){.session_seconds = 3600,
                            .brokers = 1,
                            .topics = setting("DELAYLINE_STACK_TOPICS", ""),
                            .seed = 1};
    int option;
    int seed = 1;
    bool ok = true;
    while (ok && (option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'e')
            ret->env_file = optarg;
        else if (option == 't')
            ret->topics = optarg;
        else if (option == 'p')
            ok = parse_number(optarg, 0, 65535, &ret->aws_port);
        else if (option == 'c')
            ok = parse_credentials(optarg, &ret->credentials);
        else if (option == 's')
            ok = parse_number(optarg, 1, 43200, &ret->session_seconds);
        else if (option == 'b')
            ok = parse_number(optarg, 1, 100, &ret->brokers);
        else if (option == 'r')
            ok = parse_number(optarg, 0, 1000000000, &seed);
        else
            ok = false;
    }
    ret->seed = (unsigned)seed;
    return ok && optind == argc;
}

static bool announce(const struct stack *stack, const struct options *options, struct buf *errors)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    write_exports(stack, options, &text);
    bool ok = options->env_file == NULL || write_env_file(options->env_file, &text, errors);
    if (ok)
        printf("%sready\n", buf_text(&text));
    buf_release(&text);
    return ok && fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    struct options options;
    struct stack stack = {0};
    struct buf errors;
    if (!parse_options(argc, argv, &options)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    buf_init(&errors, TEXT_BYTES_MAX);
    signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&stack.loop) != 0 || !watch_signals(&stack)) {
        fputs("devstack: no loop\n", stderr);
        return EXIT_SOFTWARE;
    }
    bool started = start_stack(&stack, &options, &errors) && announce(&stack, &options, &errors);
    if (started)
        uv_run(&stack.loop, UV_RUN_DEFAULT);
    else
        fprintf(stderr, "devstack: %s", buf_text(&errors));
    int code = stop_stack(&stack);
    buf_release(&errors);
    return started ? code : EXIT_SOFTWARE;
}
