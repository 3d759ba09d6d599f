/* What a producer may ask for: header lists and rules of every kind. */
#include "common/delay.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/num.h"
#include "tests/fuzz/fuzz.h"

#define HEADERS_MAX 12
#define DETAIL_SIZE 200

static struct slice take_name(struct fuzz_input *in)
{
    static const char *const names[] = {
        DELAY_HEADER_TARGET, DELAY_HEADER_UNTIL,  DELAY_HEADER_FOR, DELAY_HEADER_ID,
        DELAY_HEADER_DUE,    DELAY_HEADER_SOURCE, "Delay-Target",   "x",
    };
    uint8_t choice = fuzz_byte(in);
    return choice >= '0' && choice < '0' + (int)ARRAY_LEN(names)
               ? slice_from_str(names[choice - '0'])
               : fuzz_take(in, choice % 32);
}

/* A newline ends it; "~" alone is null. */
static struct slice take_value(struct fuzz_input *in)
{
    struct slice value = fuzz_line(in);
    return slice_equal_str(value, "~") ? SLICE_NULL : value;
}

static struct delay_rules take_rules(struct fuzz_input *in, struct slice allow[2],
                                     struct slice *forbidden)
{
    uint8_t kind = fuzz_byte(in);
    *forbidden = SLICE_LITERAL("delay");
    struct delay_rules rules = {
        .default_target = (kind & 1) != 0 ? SLICE_LITERAL("default") : SLICE_NULL,
        .default_delay_ms = (kind & 2) != 0 ? INT64_C(60000) : -1,
        .delay_max_ms = (kind & 4) != 0 ? INT64_MAX : INT64_C(31622400000),
        .allow = allow,
        .allow_count = (kind >> 3) % 3,
        .forbidden = forbidden,
        .forbidden_count = 1,
    };
    for (size_t i = 0; i < rules.allow_count; i++)
        allow[i] = fuzz_line(in);
    return rules;
}

/* The only value of a header of that name; absent: false. */
static bool value_of(const struct record_header *headers, size_t count, const char *name,
                     struct slice *ret)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal_str(headers[i].name, name)) {
            *ret = headers[i].value;
            return true;
        }
    return false;
}

static void check_accepted(const struct record_header *headers, size_t count, int64_t record_ms,
                           int64_t now_ms, const struct delay_rules *rules,
                           const struct delay_request *request)
{
    struct slice value;
    EXPECT(delay_topic_is_legal(request->target));
    EXPECT(request->target.len < 2 || memcmp(request->target.ptr, "__", 2) != 0);
    EXPECT(!slice_equal_str(request->target, "delay"));
    EXPECT(!value_of(headers, count, DELAY_HEADER_TARGET, &value) ||
           slice_equal(value, request->target));
    EXPECT(value_of(headers, count, DELAY_HEADER_ID, &value) == !slice_is_null(request->id));
    EXPECT(slice_is_null(request->id) ||
           (request->id.len <= DELAY_ID_BYTES_MAX && fuzz_is_printable(request->id)));
    EXPECT(request->due_ms >= 0 && request->due_ms <= INT64_C(999999999999999));
    EXPECT(request->due_ms - now_ms <= rules->delay_max_ms); /* neither is negative */
    /* Both grammars a second time, by what they come to. */
    int64_t ms;
    if (value_of(headers, count, DELAY_HEADER_FOR, &value)) {
        EXPECT(num_parse_duration_ms(value, INT64_MAX, &ms) == STATUS_OK);
        EXPECT(request->due_ms == record_ms + ms);
    } else if (value_of(headers, count, DELAY_HEADER_UNTIL, &value)) {
        EXPECT(num_parse_i64(value, INT64_MAX, &ms) == STATUS_OK ||
               num_parse_rfc3339(value, &ms) == STATUS_OK);
        EXPECT(request->due_ms == ms);
    } else {
        EXPECT(rules->default_delay_ms >= 0);
        EXPECT(request->due_ms == record_ms + rules->default_delay_ms);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(slice_from(data, size));
    struct fuzz_input in = fuzz_open(copy, size);
    struct slice allow[2];
    struct slice forbidden;
    struct record_header headers[HEADERS_MAX];
    size_t count = 0;
    struct delay_rules rules = take_rules(&in, allow, &forbidden);
    uint64_t stamp = fuzz_number(&in);
    int64_t record_ms = stamp > INT64_MAX ? -1 : (int64_t)stamp;
    int64_t now_ms = (int64_t)(fuzz_number(&in) & INT64_MAX);
    while (count < HEADERS_MAX && !fuzz_is_empty(&in)) {
        struct slice name = take_name(&in);
        headers[count++] = (struct record_header){name, take_value(&in)};
    }
    char detail[DETAIL_SIZE];
    memset(detail, 'x', sizeof(detail));
    size_t detail_size = 1 + size % DETAIL_SIZE;
    struct delay_request request = {.due_ms = -1};
    enum delay_rejection rejection =
        delay_decide(headers, count, record_ms, now_ms, &rules, &request, detail, detail_size);
    if (rejection == DELAY_ACCEPTED) {
        check_accepted(headers, count, record_ms, now_ms, &rules, &request);
    } else {
        EXPECT(request.due_ms == -1);
        EXPECT(memchr(detail, '\0', detail_size) != NULL);
        EXPECT(fuzz_is_printable(slice_from_str(detail)));
        EXPECT(strcmp(delay_rejection_code(rejection), "accepted") != 0);
    }
    for (size_t i = detail_size; i < sizeof(detail); i++)
        EXPECT(detail[i] == 'x');
    int32_t seconds = delay_seconds(request.due_ms, now_ms, 2000);
    EXPECT(seconds >= 0 && seconds <= SQS_DELAY_SECONDS_MAX);
    return 0;
}
