#include "tests/harness/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/harness/vectors.h"

#define OUTPUT_BYTES_MAX ((size_t)8 << 20)

/* Standard output is a pipe while a test writes. */
struct fixture {
    int real_stdout;
    int reader;
    struct buf output;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    int ends[2];
    fflush(stdout);
    buf_init(&f->output, OUTPUT_BYTES_MAX);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_return_code(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    f->reader = ends[0];
    f->real_stdout = dup(STDOUT_FILENO);
    assert_true(dup2(ends[1], STDOUT_FILENO) >= 0);
    close(ends[1]);
    *state = f;
    return 0;
}

static void restore(struct fixture *f)
{
    if (f->real_stdout < 0)
        return;
    dup2(f->real_stdout, STDOUT_FILENO);
    close(f->real_stdout);
    f->real_stdout = -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    restore(f);
    close(f->reader);
    buf_release(&f->output);
    test_free(f);
    return 0;
}

static void read_output(struct fixture *f)
{
    uint8_t chunk[4096];
    ssize_t got;
    while ((got = read(f->reader, chunk, sizeof(chunk))) > 0)
        buf_append(&f->output, chunk, (size_t)got);
}

static cJSON *parse_only_line(struct fixture *f)
{
    struct error error;
    cJSON *json = NULL;
    read_output(f);
    restore(f);
    struct slice rest = buf_slice(&f->output);
    struct slice line;
    assert_true(rest.len > 0 && rest.ptr[rest.len - 1] == '\n');
    assert_true(vectors_next_line(&rest, &line));
    assert_int_equal(rest.len, 0);
    assert_status(json_parse(line, &json, &error), STATUS_OK);
    return json;
}

static void a_line_has_its_fields(void **state)
{
    struct fixture *f = *state;
    struct log *log = log_new("router", LOG_INFO);
    log_event(log, LOG_INFO, "record_rejected", LOG_STR("topic", "delay"), LOG_NUMBER("offset", -7),
              LOG_BOOL("late", true), LOG_TEXT("key", SLICE_NULL));
    log_event(log, LOG_DEBUG, "too_fine", LOG_NUMBER("n", 1));
    CLEANUP(json_freep) cJSON *line = parse_only_line(f);
    log_free(log);
    struct slice time = json_get_text(line, "time");
    assert_int_equal(time.len, 24);
    assert_int_equal(time.ptr[23], 'Z');
    assert_slice_equal(json_get_text(line, "level"), "info");
    assert_slice_equal(json_get_text(line, "program"), "router");
    assert_slice_equal(json_get_text(line, "event"), "record_rejected");
    assert_slice_equal(json_get_text(line, "topic"), "delay");
    assert_int_equal(vectors_i64(line, "offset"), -7);
    assert_true(json_get_bool(line, "late", false));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(line, "key")));
}

static void a_line_of_members_has_no_level(void **state)
{
    struct fixture *f = *state;
    struct log *log = log_new("router", LOG_ERROR);
    assert_true(log_write_members(log, "metrics", slice_from_str(",\"a\":{\"b\":[1.5]}")));
    CLEANUP(json_freep) cJSON *line = parse_only_line(f);
    log_free(log);
    assert_slice_equal(json_get_text(line, "program"), "router");
    assert_slice_equal(json_get_text(line, "event"), "metrics");
    assert_int_equal(cJSON_GetArraySize(json_get_array(json_get_object(line, "a"), "b")), 1);
}

static void an_error_is_told_whole(void **state)
{
    struct fixture *f = *state;
    struct log *log = log_new("relay", LOG_INFO);
    struct error error;
    error_set(&error, ERROR_THROTTLED, "ThrottlingException", "slow down");
    error.http_status = 400;
    log_error(log, "send_failed", &error);
    CLEANUP(json_freep) cJSON *line = parse_only_line(f);
    log_free(log);
    assert_slice_equal(json_get_text(line, "level"), "error");
    assert_slice_equal(json_get_text(line, "kind"), "throttled");
    assert_slice_equal(json_get_text(line, "code"), "ThrottlingException");
    assert_slice_equal(json_get_text(line, "text"), "slow down");
}

/* What comes after "v": in the line. */
static void expect_text(struct slice text, const char *expected)
{
    void *state = NULL;
    set_up(&state);
    struct fixture *f = state;
    struct log *log = log_new("x", LOG_INFO);
    log_event(log, LOG_INFO, "e", LOG_TEXT("v", text));
    read_output(f);
    restore(f);
    log_free(log);
    const char *start = strstr(buf_text(&f->output), "\"v\":");
    assert_non_null(start);
    start += strlen("\"v\":");
    char *end = strstr(start, "}\n");
    assert_non_null(end);
    *end = '\0';
    assert_string_equal(start, expected);
    tear_down(&state);
}

static void what_cannot_be_printed_is_escaped(void **state)
{
    (void)state;
    expect_text(SLICE_LITERAL("a\"b\\c"), "\"a\\\"b\\\\c\"");
    expect_text(SLICE_LITERAL("\0\n\x1b[31m\x7f"), "\"\\u0000\\u000a\\u001b[31m\\u007f\"");
    expect_text(SLICE_LITERAL("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\"");
    expect_text(SLICE_LITERAL("\xff\xc3"), "\"\\u00ff\\u00c3\"");
    expect_text(SLICE_LITERAL("\xed\xa0\x80"), "\"\\u00ed\\u00a0\\u0080\"");
    expect_text(SLICE_LITERAL("\xc2\x85"), "\"\\u0085\"");
    expect_text(SLICE_LITERAL("\xe2\x80\xae\xe2\x81\xa9"), "\"\\u202e\\u2069\"");
    expect_text(SLICE_LITERAL(""), "\"\"");
}

static void long_text_is_cut_between_characters(void **state)
{
    (void)state;
    char text[1200];
    char expected[1100];
    memset(text, 'a', sizeof(text));
    memcpy(text + 1023, "\xc3\xbc", 2);
    memset(expected, 0, sizeof(expected));
    memset(expected, 'a', 1025);
    expected[0] = expected[1024] = '"';
    expect_text(slice_from(text, sizeof(text)), expected);
}

static void a_slow_reader_costs_lines_not_time(void **state)
{
    struct fixture *f = *state;
    struct log *log = log_new("router", LOG_INFO);
    const int written = 4000;
    for (int i = 0; i < written; i++)
        log_event(log, LOG_INFO, "event", LOG_NUMBER("number", i));
    uint64_t dropped = log_dropped(log);
    assert_true(dropped > 0);
    size_t before;
    do {
        before = f->output.len;
        read_output(f);
        log_flush(log);
    } while (f->output.len > before);
    log_event(log, LOG_INFO, "last", LOG_NUMBER("number", written));
    read_output(f);
    restore(f);
    assert_int_equal(log_dropped(log), dropped);
    log_free(log);

    /* Whole lines, in order, and no more missing than were counted. */
    struct slice rest = buf_slice(&f->output);
    struct slice line;
    int64_t last = -1;
    int lines = 0;
    assert_int_equal(rest.ptr[rest.len - 1], '\n');
    while (vectors_next_line(&rest, &line)) {
        CLEANUP(json_freep) cJSON *json = NULL;
        struct error error;
        assert_status(json_parse(line, &json, &error), STATUS_OK);
        int64_t number = vectors_i64(json, "number");
        assert_true(number > last);
        last = number;
        lines++;
    }
    assert_int_equal(last, written);
    assert_int_equal(lines, written + 1 - (int)dropped);
}

static void a_reader_that_went_away_is_survived(void **state)
{
    struct fixture *f = *state;
    struct log *log = log_new("router", LOG_INFO);
    close(f->reader);
    f->reader = -1;
    log_event(log, LOG_INFO, "event", LOG_NUMBER("number", 1));
    assert_false(log_write_members(log, "metrics", slice_from_str(",\"a\":1")));
    restore(f);
    assert_int_equal(log_dropped(log), 2);
    log_free(log);
}

static void levels_have_names(void **state)
{
    (void)state;
    enum log_level level = LOG_DEBUG;
    assert_status(log_level_parse("warn", &level), STATUS_OK);
    assert_int_equal(level, LOG_WARN);
    assert_status(log_level_parse("WARN", &level), STATUS_INVALID);
    assert_int_equal(level, LOG_WARN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as loop_new does */
    const struct CMUnitTest tests[] = {
        TEST(a_line_has_its_fields),
        TEST(a_line_of_members_has_no_level),
        TEST(an_error_is_told_whole),
        cmocka_unit_test(what_cannot_be_printed_is_escaped),
        cmocka_unit_test(long_text_is_cut_between_characters),
        TEST(a_slow_reader_costs_lines_not_time),
        TEST(a_reader_that_went_away_is_survived),
        cmocka_unit_test(levels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
