/* What json.h does not show of the scan: where it stops, and what it tells cJSON's side. */
#include "tests/harness/unit.h"

#include "common/json_scan.h"
#include "common/limits.h"

static void the_place_of_a_mistake_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
        size_t at;
    } cases[] = {
        {"", "empty text", 0},
        {"  ", "text ends early", 2},
        {"{", "no member name", 1},
        {"[1", "neither comma nor end of container", 2},
        {"[1,", "text ends early", 3},
        {"{\"a\"", "no colon", 4},
        {"{\"a\":", "text ends early", 5},
        {"{\"a\":1,}", "no member name", 7},
        {"{1:2}", "no member name", 1},
        {"[}", "bad number", 1},
        {"[1}", "neither comma nor end of container", 2},
        {"[] x", "text behind the value", 3},
        {"tru", "not a value", 0},
        {"[falsy]", "not a value", 1},
        {"-", "bad number", 1},
        {"1.", "bad number", 2},
        {"1e+", "bad number", 3},
        {"01", "text behind the value", 1},
        {"\"a", "string without end", 2},
        {"\"\\", "bad escape", 2},
        {"\"\\x\"", "bad escape", 2},
        {"\"\\u12", "bad \\u escape", 3},
        {"\"\\u0000\"", "U+0000 in a string", 7},
        {"\"\\ud800\"", "lone surrogate", 7},
        {"\"\\udc00\"", "lone surrogate", 7},
        {"\"\xc3(\"", "not UTF-8", 1},
        {"\"a\tb\"", "control character in a string", 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json_scan scan = json_scan(slice_from_str(cases[i].text));
        if (scan.error == NULL || strcmp(scan.error, cases[i].error) != 0 || scan.at != cases[i].at)
            fail_msg("%s: \"%s\" at %zu", cases[i].text, scan.error == NULL ? "-" : scan.error,
                     scan.at);
    }
    assert_non_null(json_scan(SLICE_NULL).error);
}

/* A value that ends where memory ends: under the sanitizer a step too far is a crash. */
static void nothing_is_read_behind_the_end(void **state)
{
    (void)state;
    static const char whole[] =
        "{\"k\":[true,false,null,-1.5e+3,\"\\ud834\\udd1e\\n\xc3\xa9\xf0\x9d\x84\x9e\"],\"\":{}}";
    size_t len = sizeof(whole) - 1;
    for (size_t cut = 1; cut <= len; cut++) {
        char *copy = malloc(cut);
        assert_non_null(copy);
        memcpy(copy, whole, cut);
        struct json_scan scan = json_scan(slice_from(copy, cut));
        assert_int_equal(scan.error == NULL, cut == len);
        assert_true(scan.at <= cut);
        free(copy);
    }
}

static void long_numbers_are_noticed(void **state)
{
    (void)state;
    for (size_t len = JSON_SCAN_NUMBER_BYTES - 1; len <= JSON_SCAN_NUMBER_BYTES + 1; len++) {
        char text[2 * JSON_SCAN_NUMBER_BYTES];
        memset(text, '1', len);
        struct json_scan scan = json_scan(slice_from(text, len));
        assert_null(scan.error);
        assert_int_equal(scan.has_long_number, len > JSON_SCAN_NUMBER_BYTES);
    }
    CLEANUP(buf_release) struct buf text; /* digits in a string are no number */
    buf_init(&text, KIB);
    buf_printf(&text, "\"%0*d\"", 2 * JSON_SCAN_NUMBER_BYTES, 1);
    assert_false(json_scan(buf_slice(&text)).has_long_number);
}

/* Objects and arrays by turns: every level remembers which it is, also after inner ones closed. */
static void depth_counts_open_containers(void **state)
{
    (void)state;
    for (int depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX; depth++) {
        CLEANUP(buf_release) struct buf text;
        buf_init(&text, 16 * KIB);
        for (int i = 0; i < depth - 1; i++)
            buf_append_str(&text, i % 2 == 0 ? "[[],{}," : "{\"a\":[],\"b\":");
        size_t open_len = text.len;
        for (int deeper = 1; deeper <= 2; deeper++) {
            text.len = open_len;
            buf_append_str(&text, deeper == 1 ? "[]" : "[[]]");
            for (int i = depth - 2; i >= 0; i--)
                buf_append_byte(&text, i % 2 == 0 ? ']' : '}');
            struct json_scan scan = json_scan(buf_slice(&text));
            if (depth - 1 + deeper <= JSON_DEPTH_MAX)
                assert_null(scan.error);
            else
                assert_string_equal(scan.error, "nested too deeply");
        }
    }
}

static void plain_bytes_are_skipped_to_the_first_that_is_not(void **state)
{
    (void)state;
    char text[41];
    for (int c = 0; c < 256; c++) {
        bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
        for (size_t place = 0; place < 24; place++) {
            memset(text, 'x', sizeof(text));
            text[place] = (char)c;
            text[30] = '"';
            struct slice all = slice_from(text, sizeof(text));
            assert_int_equal(json_scan_plain(all, 0), plain ? 30 : place);
            assert_int_equal(json_scan_plain(all, place), plain ? 30 : place);
            assert_int_equal(json_scan_plain(all, place + 1), 30);
        }
    }
    assert_int_equal(json_scan_plain(slice_from(text, 5), 5), 5);
    assert_int_equal(json_scan_plain(SLICE_LITERAL(""), 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_place_of_a_mistake_is_told),
        cmocka_unit_test(nothing_is_read_behind_the_end),
        cmocka_unit_test(long_numbers_are_noticed),
        cmocka_unit_test(depth_counts_open_containers),
        cmocka_unit_test(plain_bytes_are_skipped_to_the_first_that_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
