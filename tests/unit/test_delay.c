#include "tests/harness/unit.h"

#include "common/compiler.h"
#include "common/delay.h"
#include "common/encode.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/timeval.h"
#include "tests/harness/vectors.h"

#define NOW    INT64_C(1790000000000)
#define RECORD (NOW - 5000)
#define MAX_MS (366 * MS_PER_DAY)
#define H(n, v)                                                                                    \
    {                                                                                              \
        SLICE_LITERAL(n), SLICE_LITERAL(v)                                                         \
    }
#define NULLH(n)                                                                                   \
    {                                                                                              \
        SLICE_LITERAL(n), SLICE_NULL                                                               \
    }

#define CONSTANT(text)                                                                             \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }
static const struct slice delay_topics[] = {CONSTANT("delay"), CONSTANT("delay-dead-letter")};

static const struct delay_rules plain_rules = {
    .default_delay_ms = -1,
    .delay_max_ms = MAX_MS,
    .forbidden = delay_topics,
    .forbidden_count = ARRAY_LEN(delay_topics),
};

static enum delay_rejection decide(const struct record_header *headers, size_t count,
                                   struct delay_request *ret)
{
    return delay_decide(headers, count, RECORD, NOW, &plain_rules, ret, NULL, 0);
}

static int64_t due_of(const char *name, const char *value)
{
    const struct record_header headers[] = {H("delay-target", "orders"),
                                            {slice_from_str(name), slice_from_str(value)}};
    struct delay_request request;
    enum delay_rejection rejection = decide(headers, ARRAY_LEN(headers), &request);
    if (rejection != DELAY_ACCEPTED)
        fail_msg("%s %s: %s", name, value, delay_rejection_code(rejection));
    assert_slice_equal(request.target, "orders");
    return request.due_ms;
}

static void assert_rejected(const char *name, struct slice value, const char *code)
{
    const struct record_header headers[] = {H("delay-target", "orders"),
                                            {slice_from_str(name), value}};
    struct delay_request request = {.due_ms = 7};
    enum delay_rejection rejection = decide(headers, ARRAY_LEN(headers), &request);
    if (strcmp(delay_rejection_code(rejection), code) != 0)
        fail_msg("%s: %s, expected %s", name, delay_rejection_code(rejection), code);
    assert_int_equal(request.due_ms, 7);
}

static void times_are_understood(void **state)
{
    (void)state;
    assert_int_equal(due_of("delay-for", "0"), RECORD);
    assert_int_equal(due_of("delay-for", "1500"), RECORD + 1500);
    assert_int_equal(due_of("delay-for", "250ms"), RECORD + 250);
    assert_int_equal(due_of("delay-for", "90s"), RECORD + 90000);
    assert_int_equal(due_of("delay-for", "15m"), RECORD + 15 * MS_PER_MINUTE);
    assert_int_equal(due_of("delay-for", "36h"), RECORD + 36 * MS_PER_HOUR);
    assert_int_equal(due_of("delay-for", "366d"), RECORD + MAX_MS);
    assert_int_equal(due_of("delay-until", "1790000000001"), NOW + 1);
    assert_int_equal(due_of("delay-until", "2026-11-21T22:50:05.123Z"), INT64_C(1795301405123));
    assert_int_equal(due_of("delay-until", "0"), 0);
    assert_int_equal(due_of("delay-until", "1970-01-01T00:00:00Z"), 0);
}

static void wrong_times_have_their_codes(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        " ",
        "-1",
        "-0",
        "+1",
        "1 ",
        "1.5",
        "1e3",
        "010",
        "1,000",
        "NaN",
        "null",
        "1w",
        "s",
        "1h30m",
        "0x10",
        "PT5M",
        "\xd9\xa1",
        "1\n",
        "2026-11-21",
        "\xef\xbb\xbf"
        "1",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_rejected("delay-for", slice_from_str(wrong[i]), "for-invalid");
        assert_rejected("delay-until", slice_from_str(wrong[i]), "until-invalid");
    }
    assert_rejected("delay-until", SLICE_LITERAL("15m"), "until-invalid");
    assert_rejected("delay-until", SLICE_LITERAL("2026-02-30T00:00:00Z"), "until-invalid");
    assert_rejected("delay-for", SLICE_LITERAL("2026-11-21T22:50:05Z"), "for-invalid");
    assert_rejected("delay-for", SLICE_LITERAL("1\0"), "for-invalid");
    assert_rejected("delay-for", SLICE_NULL, "for-invalid");
    assert_rejected("delay-until", SLICE_NULL, "until-invalid");
}

static void what_does_not_fit_has_its_codes(void **state)
{
    (void)state;
    assert_rejected("delay-for", SLICE_LITERAL("9223372036854775807"), "time-overflow");
    assert_rejected("delay-for", SLICE_LITERAL("9223372036854775808"), "time-overflow");
    assert_rejected("delay-for", SLICE_LITERAL("106751991168d"), "time-overflow");
    assert_rejected("delay-until", SLICE_LITERAL("9223372036854775808"), "time-overflow");
    assert_rejected("delay-until", SLICE_LITERAL("9223372036854775807"), "delay-too-long");
    assert_rejected("delay-until", SLICE_LITERAL("9999-12-31T23:59:59Z"), "delay-too-long");

    /* Counted from now, not from the record's timestamp. */
    assert_int_equal(due_of("delay-for", "31622405000"), NOW + MAX_MS);
    assert_rejected("delay-for", SLICE_LITERAL("31622405001"), "delay-too-long");

    const struct record_header headers[] = {H("delay-target", "t"), H("delay-for", "1")};
    struct delay_request request;
    const struct delay_rules endless = {.default_delay_ms = -1, .delay_max_ms = INT64_MAX};
    assert_int_equal(delay_decide(headers, 2, INT64_MAX, NOW, &endless, &request, NULL, 0),
                     DELAY_TIME_OVERFLOW);
    assert_int_equal(delay_decide(headers, 2, INT64_C(1) << 62, NOW, &endless, &request, NULL, 0),
                     DELAY_TIME_OVERFLOW);
    assert_int_equal(
        delay_decide(headers, 2, INT64_C(1) << 62, NOW, &plain_rules, &request, NULL, 0),
        DELAY_DELAY_TOO_LONG);
}

static void a_record_without_timestamp_can_only_say_until(void **state)
{
    (void)state;
    struct delay_request request;
    const struct record_header relative[] = {H("delay-target", "t"), H("delay-for", "1")};
    assert_int_equal(delay_decide(relative, 2, -1, NOW, &plain_rules, &request, NULL, 0),
                     DELAY_TIMESTAMP_MISSING);
    const struct record_header absolute[] = {H("delay-target", "t"), H("delay-until", "1")};
    assert_int_equal(delay_decide(absolute, 2, -1, NOW, &plain_rules, &request, NULL, 0),
                     DELAY_ACCEPTED);
    struct delay_rules rules = plain_rules;
    rules.default_delay_ms = 1000;
    assert_int_equal(delay_decide(relative, 1, -1, NOW, &rules, &request, NULL, 0),
                     DELAY_TIMESTAMP_MISSING);
}

static void exactly_one_time_unless_there_is_a_default(void **state)
{
    (void)state;
    struct delay_request request;
    const struct record_header both[] = {H("delay-target", "t"), H("delay-for", "1"),
                                         H("delay-until", "x")};
    assert_int_equal(decide(both, 3, &request), DELAY_TIME_AMBIGUOUS);
    assert_int_equal(decide(both, 1, &request), DELAY_TIME_MISSING);
    struct delay_rules rules = plain_rules;
    rules.default_delay_ms = 60000;
    assert_int_equal(delay_decide(both, 1, RECORD, NOW, &rules, &request, NULL, 0), DELAY_ACCEPTED);
    assert_int_equal(request.due_ms, RECORD + 60000);
    assert_int_equal(delay_decide(both, 2, RECORD, NOW, &rules, &request, NULL, 0), DELAY_ACCEPTED);
    assert_int_equal(request.due_ms, RECORD + 1);
    assert_int_equal(delay_decide(both, 3, RECORD, NOW, &rules, &request, NULL, 0),
                     DELAY_TIME_AMBIGUOUS);
    rules.default_delay_ms = INT64_MAX;
    assert_int_equal(delay_decide(both, 1, RECORD, NOW, &rules, &request, NULL, 0),
                     DELAY_TIME_OVERFLOW);
}

static enum delay_rejection target_verdict(const char *target, const struct delay_rules *rules)
{
    const struct record_header headers[] = {
        H("delay-for", "1"), {SLICE_LITERAL("delay-target"), slice_from_str(target)}};
    struct delay_request request;
    return delay_decide(headers, 2, RECORD, NOW, rules, &request, NULL, 0);
}

static void targets_are_checked(void **state)
{
    (void)state;
    static const char *const legal[] = {"orders", "a", "A.b_c-9", "...", "_x", "x__y", "delay2"};
    for (size_t i = 0; i < ARRAY_LEN(legal); i++)
        assert_int_equal(target_verdict(legal[i], &plain_rules), DELAY_ACCEPTED);
    static const char *const illegal[] = {"",    ".",   "..",        "a b",       "a\n", "\"a\"",
                                          "a/b", "a:b", "t\xc3\xb3", "${jndi:x}", "a*",  "a?"};
    for (size_t i = 0; i < ARRAY_LEN(illegal); i++)
        assert_int_equal(target_verdict(illegal[i], &plain_rules), DELAY_TARGET_INVALID);
    static const char *const forbidden[] = {"__consumer_offsets", "__", "__x", "delay",
                                            "delay-dead-letter"};
    for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
        assert_int_equal(target_verdict(forbidden[i], &plain_rules), DELAY_TARGET_FORBIDDEN);
    char longest[TOPIC_NAME_BYTES_MAX + 2];
    memset(longest, 'x', sizeof(longest));
    longest[TOPIC_NAME_BYTES_MAX] = '\0';
    assert_int_equal(target_verdict(longest, &plain_rules), DELAY_ACCEPTED);
    longest[TOPIC_NAME_BYTES_MAX] = 'x';
    longest[TOPIC_NAME_BYTES_MAX + 1] = '\0';
    assert_int_equal(target_verdict(longest, &plain_rules), DELAY_TARGET_INVALID);
    const struct record_header null_target[] = {H("delay-for", "1"), NULLH("delay-target")};
    struct delay_request request;
    assert_int_equal(decide(null_target, 2, &request), DELAY_TARGET_INVALID);
    assert_int_equal(decide(null_target, 1, &request), DELAY_TARGET_MISSING);
}

static bool allowed(const char *pattern, const char *target)
{
    const struct slice patterns[] = {SLICE_LITERAL("never"), slice_from_str(pattern)};
    struct delay_rules rules = plain_rules;
    rules.allow = patterns;
    rules.allow_count = ARRAY_LEN(patterns);
    enum delay_rejection rejection = target_verdict(target, &rules);
    assert_true(rejection == DELAY_ACCEPTED || rejection == DELAY_TARGET_FORBIDDEN);
    return rejection == DELAY_ACCEPTED;
}

static void globs_match(void **state)
{
    (void)state;
    assert_true(allowed("orders", "orders"));
    assert_false(allowed("orders", "orders2"));
    assert_false(allowed("orders", "order"));
    assert_false(allowed("orders", "Orders"));
    assert_true(allowed("orders.*", "orders."));
    assert_true(allowed("orders.*", "orders.eu.new"));
    assert_false(allowed("orders.*", "my.orders.eu"));
    assert_true(allowed("*", "anything"));
    assert_true(allowed("*.new", "a.new.new"));
    assert_true(allowed("a*b*c", "aXbXbXc"));
    assert_false(allowed("a*b*c", "aXbXbX"));
    assert_true(allowed("?rders", "orders"));
    assert_false(allowed("?rders", "rders"));
    assert_true(allowed("o**s", "orders"));
    assert_true(allowed("orders*", "orders"));
    assert_false(allowed("orders?", "orders"));
    assert_false(allowed("", "orders"));
    assert_true(allowed("never", "never"));
    /* The allow-list cannot open what is never allowed. */
    assert_false(allowed("*", "__consumer_offsets"));
    assert_false(allowed("*", "delay"));
    /* Exponential in a matcher that backtracks to every star. */
    assert_false(
        allowed("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void a_default_target_obeys_the_same_rules(void **state)
{
    (void)state;
    const struct record_header headers[] = {H("delay-for", "1"), H("delay-target", "other")};
    struct delay_request request;
    struct delay_rules rules = plain_rules;
    rules.default_target = SLICE_LITERAL("orders");
    assert_int_equal(delay_decide(headers, 1, RECORD, NOW, &rules, &request, NULL, 0),
                     DELAY_ACCEPTED);
    assert_slice_equal(request.target, "orders");
    assert_int_equal(delay_decide(headers, 2, RECORD, NOW, &rules, &request, NULL, 0),
                     DELAY_ACCEPTED);
    assert_slice_equal(request.target, "other");
    rules.default_target = SLICE_LITERAL("__secret");
    assert_int_equal(delay_decide(headers, 1, RECORD, NOW, &rules, &request, NULL, 0),
                     DELAY_TARGET_FORBIDDEN);
}

static void ids_are_printable(void **state)
{
    (void)state;
    char longest[DELAY_ID_BYTES_MAX + 1];
    memset(longest, '~', sizeof(longest));
    const struct record_header base[] = {H("delay-target", "t"), H("delay-for", "1"),
                                         H("delay-id", "")};
    struct record_header headers[3];
    memcpy(headers, base, sizeof(headers));
    struct delay_request request;
    struct slice fine[] = {SLICE_LITERAL("a"), SLICE_LITERAL("!\"#/\\{}~"),
                           slice_from(longest, DELAY_ID_BYTES_MAX)};
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        headers[2].value = fine[i];
        assert_int_equal(decide(headers, 3, &request), DELAY_ACCEPTED);
        assert_true(slice_equal(request.id, fine[i]));
    }
    struct slice wrong[] = {SLICE_NULL,           SLICE_LITERAL(""),
                            SLICE_LITERAL("a b"), SLICE_LITERAL("a\x7f"),
                            SLICE_LITERAL("a\0"), SLICE_LITERAL("\xc3\xa9"),
                            SLICE_LITERAL("a\n"), slice_from(longest, DELAY_ID_BYTES_MAX + 1)};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        headers[2].value = wrong[i];
        assert_int_equal(decide(headers, 3, &request), DELAY_ID_INVALID);
    }
    assert_int_equal(decide(headers, 2, &request), DELAY_ACCEPTED);
    assert_true(slice_is_null(request.id));
}

static void repeats_must_agree(void **state)
{
    (void)state;
    static const char *const names[] = {"delay-target", "delay-for", "delay-id"};
    for (size_t n = 0; n < ARRAY_LEN(names); n++) {
        struct record_header headers[] = {H("delay-target", "t"),
                                          H("delay-for", "1"),
                                          H("delay-id", "i"),
                                          {slice_from_str(names[n]), SLICE_NULL}};
        struct delay_request request;
        headers[3].value = headers[n].value;
        assert_int_equal(decide(headers, 4, &request), DELAY_ACCEPTED);
        headers[3].value = SLICE_LITERAL("2");
        assert_int_equal(decide(headers, 4, &request), DELAY_HEADER_CONFLICT);
        headers[3].value = SLICE_NULL;
        assert_int_equal(decide(headers, 4, &request), DELAY_HEADER_CONFLICT);
    }
    const struct record_header same_time[] = {H("delay-target", "t"), H("delay-for", "1000"),
                                              H("delay-for", "1s")};
    struct delay_request request;
    assert_int_equal(decide(same_time, 3, &request), DELAY_HEADER_CONFLICT);
}

static void names_are_exact(void **state)
{
    (void)state;
    const struct record_header headers[] = {H("Delay-Target", "x"), H("delay-target ", "x"),
                                            H("delay-target", "t"), H("DELAY-FOR", "x"),
                                            H("delay-for", "1"),    H("delay-until-", "x")};
    struct delay_request request;
    assert_int_equal(decide(headers, ARRAY_LEN(headers), &request), DELAY_ACCEPTED);
    assert_slice_equal(request.target, "t");
    static const char *const ours[] = {"delay-target", "delay-until", "delay-for",
                                       "delay-id",     "delay-due",   "delay-source"};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        assert_true(delay_header_is_ours(slice_from_str(ours[i])));
    assert_false(delay_header_is_ours(SLICE_LITERAL("delay-")));
    assert_false(delay_header_is_ours(SLICE_LITERAL("Delay-Id")));
    assert_false(delay_header_is_ours(SLICE_LITERAL("")));
    assert_false(delay_header_is_ours(SLICE_NULL));
}

static void headers_are_counted(void **state)
{
    (void)state;
    struct record_header *headers = mem_calloc(RECORD_HEADERS_MAX + 1, sizeof(*headers));
    for (size_t i = 0; i < RECORD_HEADERS_MAX + 1; i++)
        headers[i] = (struct record_header)H("x", "y");
    headers[RECORD_HEADERS_MAX - 2] = (struct record_header)H("delay-target", "t");
    headers[RECORD_HEADERS_MAX - 1] = (struct record_header)H("delay-for", "1");
    struct delay_request request;
    assert_int_equal(decide(headers, RECORD_HEADERS_MAX, &request), DELAY_ACCEPTED);
    assert_int_equal(decide(headers, RECORD_HEADERS_MAX + 1, &request), DELAY_TOO_MANY_HEADERS);
    mem_free(headers);
}

static void the_detail_is_printable_and_cut(void **state)
{
    (void)state;
    char detail[400];
    struct delay_request request;
    const struct record_header headers[] = {H("delay-target", "t"),
                                            H("delay-for", "1\r\nX: \"\\\x00\xff")};
    assert_int_equal(
        delay_decide(headers, 2, RECORD, NOW, &plain_rules, &request, detail, sizeof(detail)),
        DELAY_FOR_INVALID);
    assert_non_null(strstr(detail, "delay-for is \"1\\x0d\\x0aX: \\x22\\x5c\\x00\\xff\""));
    char tiny[8];
    assert_int_equal(
        delay_decide(headers, 2, RECORD, NOW, &plain_rules, &request, tiny, sizeof(tiny)),
        DELAY_FOR_INVALID);
    assert_int_equal(strlen(tiny), sizeof(tiny) - 1);
    char endless[5000];
    memset(endless, '9', sizeof(endless));
    const struct record_header long_value[] = {
        H("delay-target", "t"), {SLICE_LITERAL("delay-for"), slice_from(endless, sizeof(endless))}};
    assert_int_equal(
        delay_decide(long_value, 2, RECORD, NOW, &plain_rules, &request, detail, sizeof(detail)),
        DELAY_TIME_OVERFLOW);
    assert_true(strlen(detail) < 200);
    const struct record_header nothing[] = {H("delay-target", "t"), NULLH("delay-until")};
    assert_int_equal(
        delay_decide(nothing, 2, RECORD, NOW, &plain_rules, &request, detail, sizeof(detail)),
        DELAY_UNTIL_INVALID);
    assert_non_null(strstr(detail, "delay-until is null"));
}

static void paths_part_at_the_horizon(void **state)
{
    (void)state;
    int64_t horizon = 15 * MS_PER_MINUTE;
    assert_int_equal(delay_path(NOW - 1, NOW, horizon), DELAY_PATH_SHORT);
    assert_int_equal(delay_path(NOW + horizon - 1, NOW, horizon), DELAY_PATH_SHORT);
    assert_int_equal(delay_path(NOW + horizon, NOW, horizon), DELAY_PATH_SHORT);
    assert_int_equal(delay_path(NOW + horizon + 1, NOW, horizon), DELAY_PATH_LONG);
    assert_int_equal(delay_path(INT64_MAX, -1, horizon), DELAY_PATH_LONG);
    assert_int_equal(delay_path(INT64_MIN, 1, horizon), DELAY_PATH_SHORT);
}

static void delay_seconds_is_never_late(void **state)
{
    (void)state;
    assert_int_equal(delay_seconds(NOW, NOW, 2000), 0);
    assert_int_equal(delay_seconds(NOW + 2999, NOW, 2000), 0);
    assert_int_equal(delay_seconds(NOW + 3000, NOW, 2000), 1);
    assert_int_equal(delay_seconds(NOW + 3999, NOW, 2000), 1);
    assert_int_equal(delay_seconds(NOW + 902000, NOW, 2000), 900);
    assert_int_equal(delay_seconds(NOW + 1000000, NOW, 2000), 900);
    assert_int_equal(delay_seconds(INT64_MAX, INT64_MIN, 0), 900);
    assert_int_equal(delay_seconds(INT64_MIN, INT64_MAX, 2000), 0);
    for (int64_t left = -5000; left < 920000; left += 37) {
        int64_t seconds = delay_seconds(NOW + left, NOW, 2000);
        assert_true(seconds >= 0 && seconds <= 900);
        assert_true(seconds == 0 || seconds * 1000 <= left - 2000);
    }
}

static void codes_are_stable(void **state)
{
    (void)state;
    assert_string_equal(delay_rejection_code(DELAY_ACCEPTED), "accepted");
    assert_string_equal(delay_rejection_code(DELAY_RECORD_TOO_LARGE), "record-too-large");
    for (int r = DELAY_ACCEPTED; r <= DELAY_TOO_MANY_HEADERS; r++) {
        const char *code = delay_rejection_code((enum delay_rejection)r);
        assert_true(strlen(code) > 0 && strlen(delay_rejection_text((enum delay_rejection)r)) > 0);
        for (int other = DELAY_ACCEPTED; other < r; other++)
            assert_string_not_equal(code, delay_rejection_code((enum delay_rejection)other));
    }
}

/* One row of the hostile headers; those of other kinds are not counted. */
static void check_row(const cJSON *row, struct slice line, void *ctx)
{
    unsigned *seen = ctx;
    (void)line;
    assert_non_null(row);
    struct slice kind = json_get_text(row, "kind");
    bool is_for = slice_equal_str(kind, "delay-for");
    if (!is_for && !slice_equal_str(kind, "delay-target"))
        return;
    struct buf value;
    buf_init(&value, MIB);
    assert_status(decode_base64(json_get_text(row, "value_b64"), &value), STATUS_OK);
    const struct record_header headers[] = {
        {kind, buf_slice(&value)},
        {slice_from_str(is_for ? "delay-target" : "delay-for"), SLICE_LITERAL("1")}};
    struct delay_request request;
    enum delay_rejection rejection = decide(headers, 2, &request);
    if ((rejection == DELAY_ACCEPTED) != json_get_bool(row, "accept", false))
        fail_msg("%s", json_get_text(row, "why").ptr);
    buf_release(&value);
    (*seen)++;
}

static void hostile_headers_are_judged_as_listed(void **state)
{
    (void)state;
    const char *path = vectors_path("hostile/delay_headers.jsonl");
    if (path == NULL)
        return;
    unsigned seen = 0;
    vectors_each_line(path, check_row, &seen);
    assert_true(seen > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_understood),
        cmocka_unit_test(wrong_times_have_their_codes),
        cmocka_unit_test(what_does_not_fit_has_its_codes),
        cmocka_unit_test(a_record_without_timestamp_can_only_say_until),
        cmocka_unit_test(exactly_one_time_unless_there_is_a_default),
        cmocka_unit_test(targets_are_checked),
        cmocka_unit_test(globs_match),
        cmocka_unit_test(a_default_target_obeys_the_same_rules),
        cmocka_unit_test(ids_are_printable),
        cmocka_unit_test(repeats_must_agree),
        cmocka_unit_test(names_are_exact),
        cmocka_unit_test(headers_are_counted),
        cmocka_unit_test(the_detail_is_printable_and_cut),
        cmocka_unit_test(paths_part_at_the_horizon),
        cmocka_unit_test(delay_seconds_is_never_late),
        cmocka_unit_test(codes_are_stable),
        cmocka_unit_test(hostile_headers_are_judged_as_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
