#include "tests/tools/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/delay.h"
#include "common/json.h"
#include "common/limits.h"
#include "common/num.h"
#include "common/timeval.h"

#define ANY_TARGET "target" /* when only the time matters */

struct question {
    const char *until;
    const char *wait;
    const char *target;
    int64_t timestamp_ms; /* -1: now */
    int64_t now_ms;       /* -1: the clock's */
    int64_t horizon_ms;
    int64_t max_ms;
    int64_t lead_ms;
};

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * MS_PER_SECOND + t.tv_nsec / 1000000;
}

static enum status parse_ms(struct slice text, int64_t *ret)
{
    return num_parse_i64(text, INT64_MAX, ret);
}

static enum status parse_duration(struct slice text, int64_t *ret)
{
    return num_parse_duration_ms(text, INT64_MAX, ret);
}

/* 0 or an exit code. */
static int parse_arguments(int argc, char **argv, struct question *q)
{
    const struct {
        const char *name;
        const char **text;
        int64_t *number;
        enum status (*parse)(struct slice text, int64_t *ret);
    } options[] = {
        {"--until", &q->until, NULL, NULL},
        {"--for", &q->wait, NULL, NULL},
        {"--target", &q->target, NULL, NULL},
        {"--timestamp", NULL, &q->timestamp_ms, parse_ms},
        {"--now", NULL, &q->now_ms, parse_ms},
        {"--horizon", NULL, &q->horizon_ms, parse_duration},
        {"--max", NULL, &q->max_ms, parse_duration},
        {"--lead", NULL, &q->lead_ms, parse_duration},
    };
    for (int i = 1; i < argc; i += 2) {
        size_t o = 0;
        while (o < ARRAY_LEN(options) && strcmp(argv[i], options[o].name) != 0)
            o++;
        if (o == ARRAY_LEN(options))
            return inspect_usage_error("unknown option %s", argv[i]);
        if (i + 1 == argc)
            return inspect_usage_error("%s needs a value", argv[i]);
        if (options[o].text != NULL)
            *options[o].text = argv[i + 1];
        else if (options[o].parse(slice_from_str(argv[i + 1]), options[o].number) != STATUS_OK)
            return inspect_usage_error("%s: %s is not such a number", argv[i], argv[i + 1]);
    }
    return 0;
}

static enum delay_rejection decide(const struct question *q, struct delay_request *ret,
                                   char *detail, size_t detail_size)
{
    struct record_header headers[3];
    size_t count = 0;
    const struct {
        const char *name;
        const char *value;
    } given[] = {
        {DELAY_HEADER_UNTIL, q->until},
        {DELAY_HEADER_FOR, q->wait},
        {DELAY_HEADER_TARGET, q->target},
    };
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        if (given[i].value != NULL)
            headers[count++] = (struct record_header){slice_from_str(given[i].name),
                                                      slice_from_str(given[i].value)};
    }
    const struct delay_rules rules = {
        .default_target = SLICE_LITERAL(ANY_TARGET),
        .default_delay_ms = -1,
        .delay_max_ms = q->max_ms,
    };
    return delay_decide(headers, count, q->timestamp_ms, q->now_ms, &rules, ret, detail,
                        detail_size);
}

int inspect_delay(int argc, char **argv)
{
    struct question q = {
        .timestamp_ms = -1,
        .now_ms = -1,
        .horizon_ms = SQS_DELAY_SECONDS_MAX * MS_PER_SECOND,
        .max_ms = 366 * MS_PER_DAY,
        .lead_ms = 2 * MS_PER_SECOND,
    };
    int wrong = parse_arguments(argc, argv, &q);
    if (wrong != 0)
        return wrong;
    if (q.now_ms < 0)
        q.now_ms = clock_ms();
    if (q.timestamp_ms < 0)
        q.timestamp_ms = q.now_ms;

    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 4 * KIB);
    char detail[512];
    struct delay_request request;
    enum delay_rejection rejection = decide(&q, &request, detail, sizeof(detail));
    if (rejection != DELAY_ACCEPTED) {
        buf_printf(&out, "{\"rejected\":\"%s\",\"detail\":", delay_rejection_code(rejection));
        json_append_string(&out, slice_from_str(detail));
        buf_append_str(&out, "}");
        inspect_print(&out);
        return INSPECT_REFUSED;
    }
    char due[NUM_RFC3339_SIZE];
    num_format_rfc3339(request.due_ms, due);
    bool is_short = delay_path(request.due_ms, q.now_ms, q.horizon_ms) == DELAY_PATH_SHORT;
    buf_printf(&out, "{\"due_ms\":%" PRId64 ",\"due\":\"%s\",\"path\":\"%s\",\"delay_seconds\":",
               request.due_ms, due, is_short ? "short" : "long");
    if (is_short)
        buf_printf(&out, "%" PRId32 "}", delay_seconds(request.due_ms, q.now_ms, q.lead_ms));
    else
        buf_append_str(&out, "null}");
    inspect_print(&out);
    return 0;
}
