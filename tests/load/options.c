#include "tests/load/options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/compiler.h"

#define EXIT_USAGE 64
/* Due times are kept in 32 bits of milliseconds. */
#define DELAY_MAX_MS (INT64_C(49) * 24 * 3600 * 1000)

static const char help[] =
    "usage: load --records N --rate R --delay MIN..MAX [options]\n"
    "\n"
    "Writes N delayed records, reads the target topics and the dead-letter topic, and accounts for "
    "every\n"
    "record. Exit 0 only if none is lost, duplicated, early, corrupted, misrouted or unexpected.\n"
    "\n"
    "  --records N          how many\n"
    "  --rate R             a second; 0: as fast as the broker takes them\n"
    "  --delay MIN..MAX     uniform between the two: 0..30s, 500ms..2m\n"
    "  --size BYTES         of the value, a JSON order (default: as the order comes, about 200)\n"
    "  --orders             values with more variety: customers, addresses, articles, amounts; all "
    "of "
    "--size\n"
    "  --at-once            all are as old as the run: one delay makes them due at one "
    "millisecond\n"
    "  --targets K          topics to spread over: TARGET, or TARGET-0 .. TARGET-(K-1)\n"
    "  --seed S             what is random in the records (default: random, printed)\n"
    "  --poison PER_MILLE   of the records break the contract and must be dead-lettered with their "
    "code\n"
    "  --refused N          of the others at most so many are dead-lettered, too (0)\n"
    "  --report FILE        JSON\n"
    "  --faults FILE        what was done to the programs meanwhile, read at the end: a JSON "
    "object "
    "a line with\n"
    "                       what, begin_ms, end_ms, wait_ms (how long after it copies may come) "
    "and "
    "records\n"
    "                       (how many may come twice); duplicates that they explain are no "
    "mistake\n"
    "  --bootstrap SERVERS  default: KAFKA_BOOTSTRAP_SERVERS\n"
    "  --topic NAME         delay topic; default: DELAYLINE_STACK_DELAY_TOPIC or \"delay\"\n"
    "  --target NAME        default: DELAYLINE_STACK_TARGET_TOPIC or \"orders\"\n"
    "  --dead-letter NAME   default: DELAYLINE_DEAD_LETTER_TOPIC or \"delay-dead-letter\"\n"
    "  --admin ADDRESSES    admin ports of all replicas, for the price: host:port, comma or space "
    "between;\n"
    "                       default: DELAYLINE_STACK_ADMIN_ADDRESSES. The billable units that they "
    "count\n"
    "                       during the run are priced as AWS lists them for us-east-1 (SQS "
    "standard $0.40 and\n"
    "                       FIFO $0.50 a million requests of 64 KB, DynamoDB $0.625 a million "
    "writes and $0.125\n"
    "                       a million reads). Without any, or if\n"
    "                       one ends during the run, cost_usd_per_million is null\n"
    "  --drain DURATION     give up when nothing has come for that long after the last due time "
    "(30s)\n"
    "  --settle DURATION    go on looking for duplicates that long after the last record (2s)\n"
    "  --linger-ms MS       linger.ms of the producer (2)\n"
    "  --fetch-wait-ms MS   fetch.wait.max.ms of the consumer (2; a broker that is not a mock may "
    "have 500)\n";

static void NORETURN usage(const char *format, const char *what)
{
    fprintf(stderr, "load: ");
    fprintf(stderr, "%s: %s", format, what);
    fprintf(stderr, "\nload --help tells more\n");
    exit(EXIT_USAGE);
}

static int64_t parse_duration(const char *text, size_t len, const char *option)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char copy[32];
    if (len == 0 || len >= sizeof(copy))
        usage(option, text);
    memcpy(copy, text, len);
    copy[len] = '\0';
    char *end;
    long long value = strtoll(copy, &end, 10);
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (end != copy && value >= 0 && strcmp(end, units[i].unit) == 0 &&
            value <= DELAY_MAX_MS / units[i].ms)
            return value * units[i].ms;
    usage(option, text);
}

static void parse_delay(const char *text, struct plan *plan)
{
    const char *dots = strstr(text, "..");
    size_t first = dots == NULL ? strlen(text) : (size_t)(dots - text);
    const char *second = dots == NULL ? text : dots + 2;
    plan->delay_max_ms =
        parse_duration(second, strlen(second), "--delay takes MIN..MAX, each up to 49d");
    /* "0..30s": a bare minimum has the unit of milliseconds, which is right for 0 */
    plan->delay_min_ms = parse_duration(text, first, "--delay takes MIN..MAX, each up to 49d");
    if (plan->delay_min_ms > plan->delay_max_ms)
        usage("--delay takes MIN..MAX with MIN <= MAX", text);
}

static uint64_t parse_number(const char *text, uint64_t least, uint64_t most, const char *option)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text == '\0' || *text == '-' || *end != '\0' || value < least || value > most)
        usage(option, text);
    return value;
}

static const char *env_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value == NULL || *value == '\0' ? otherwise : value;
}

static void defaults(struct options *o)
{
    uint64_t random[2];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        abort();
    *o = (struct options){
        .bootstrap = env_or("KAFKA_BOOTSTRAP_SERVERS", NULL),
        .topic = env_or("DELAYLINE_STACK_DELAY_TOPIC", "delay"),
        .dead_letter_topic = env_or("DELAYLINE_DEAD_LETTER_TOPIC", "delay-dead-letter"),
        .admin_addresses = env_or("DELAYLINE_STACK_ADMIN_ADDRESSES", ""),
        .linger_ms = "2",
        .fetch_wait_ms = "2",
        .drain_ms = 30000,
        .settle_ms = 2000,
    };
    o->plan = (struct plan){.seed = random[0] % 1000000, .targets = 1, .delay_max_ms = -1};
    snprintf(o->plan.run, sizeof(o->plan.run), "%016" PRIx64, random[1]);
    snprintf(o->plan.target_base, sizeof(o->plan.target_base), "%s",
             env_or("DELAYLINE_STACK_TARGET_TOPIC", "orders"));
    const char *horizon = env_or("DELAYLINE_HORIZON", "15m");
    o->horizon_ms = parse_duration(horizon, strlen(horizon), "DELAYLINE_HORIZON");
}

enum option_id {
    RECORDS = 1,
    RATE,
    DELAY,
    SIZE,
    ORDERS,
    AT_ONCE,
    TARGETS,
    SEED,
    POISON,
    REFUSED,
    REPORT,
    FAULTS,
    BOOTSTRAP,
    TOPIC,
    TARGET,
    DEAD,
    ADMIN,
    DRAIN,
    SETTLE,
    LINGER,
    FETCH_WAIT,
    HELP
};

static const struct option long_options[] = {
    {"records", 1, NULL, RECORDS},
    {"rate", 1, NULL, RATE},
    {"delay", 1, NULL, DELAY},
    {"size", 1, NULL, SIZE},
    {"orders", 0, NULL, ORDERS},
    {"at-once", 0, NULL, AT_ONCE},
    {"targets", 1, NULL, TARGETS},
    {"seed", 1, NULL, SEED},
    {"poison", 1, NULL, POISON},
    {"report", 1, NULL, REPORT},
    {"faults", 1, NULL, FAULTS},
    {"bootstrap", 1, NULL, BOOTSTRAP},
    {"topic", 1, NULL, TOPIC},
    {"target", 1, NULL, TARGET},
    {"dead-letter", 1, NULL, DEAD},
    {"admin", 1, NULL, ADMIN},
    {"drain", 1, NULL, DRAIN},
    {"settle", 1, NULL, SETTLE},
    {"linger-ms", 1, NULL, LINGER},
    {"fetch-wait-ms", 1, NULL, FETCH_WAIT},
    {"refused", 1, NULL, REFUSED},
    {"help", 0, NULL, HELP},
    {NULL, 0, NULL, 0},
};

/* What the records are; false: not an option of the plan. */
static bool plan_option(struct plan *plan, int id, const char *value)
{
    switch (id) {
    case RECORDS:
        plan->records = parse_number(value, 1, 100000000, "--records takes 1 .. 100000000");
        return true;
    case DELAY:
        parse_delay(value, plan);
        return true;
    case SIZE:
        plan->value_bytes = parse_number(value, 1, 16 << 20, "--size takes 1 .. 16777216 bytes");
        return true;
    case ORDERS:
        plan->orders = true;
        return true;
    case TARGETS:
        plan->targets = (unsigned)parse_number(value, 1, 1000, "--targets takes 1 .. 1000");
        return true;
    case SEED:
        plan->seed = parse_number(value, 0, UINT64_MAX, "--seed takes a number");
        return true;
    case POISON:
        plan->poison_per_mille = (unsigned)parse_number(value, 0, 1000, "--poison takes 0 .. 1000");
        return true;
    case TARGET:
        snprintf(plan->target_base, sizeof(plan->target_base), "%s", value);
        return true;
    default:
        return false;
    }
}

/* Where they go, how fast, and how long to wait for them. */
static void run_option(struct options *o, int id, const char *value)
{
    switch (id) {
    case RATE:
        o->rate = parse_number(value, 0, 10000000, "--rate takes records a second");
        break;
    case AT_ONCE:
        o->at_once = true;
        break;
    case REFUSED:
        o->refused_max = parse_number(value, 0, 100000000, "--refused takes 0 .. 100000000");
        break;
    case REPORT:
        o->report = value;
        break;
    case FAULTS:
        o->faults = value;
        break;
    case BOOTSTRAP:
        o->bootstrap = value;
        break;
    case TOPIC:
        o->topic = value;
        break;
    case DEAD:
        o->dead_letter_topic = value;
        break;
    case ADMIN:
        o->admin_addresses = value;
        break;
    case DRAIN:
        o->drain_ms = parse_duration(value, strlen(value), "--drain takes a duration");
        break;
    case SETTLE:
        o->settle_ms = parse_duration(value, strlen(value), "--settle takes a duration");
        break;
    case LINGER:
        parse_number(value, 0, 60000, "--linger-ms takes 0 .. 60000");
        o->linger_ms = value;
        break;
    case FETCH_WAIT:
        parse_number(value, 0, 60000, "--fetch-wait-ms takes 0 .. 60000");
        o->fetch_wait_ms = value;
        break;
    case HELP:
        fputs(help, stdout);
        exit(0);
    default:
        usage("unknown option", value);
    }
}

void options_parse(int argc, char **argv, struct options *o)
{
    bool rate_given = false;
    defaults(o);
    for (int id; (id = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
        if (id == ':')
            usage("a value is missing after", argv[optind - 1]);
        const char *value = id == '?' ? argv[optind - 1] : optarg;
        rate_given = rate_given || id == RATE;
        if (!plan_option(&o->plan, id, value))
            run_option(o, id, value);
    }
    if (optind < argc)
        usage("unexpected argument", argv[optind]);
    if (o->plan.records == 0 || !rate_given || o->plan.delay_max_ms < 0)
        usage("required", "--records N --rate R --delay MIN..MAX");
    if (o->bootstrap == NULL)
        usage("required", "KAFKA_BOOTSTRAP_SERVERS or --bootstrap");
}
