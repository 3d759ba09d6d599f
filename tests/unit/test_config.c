#include "tests/harness/unit.h"

#include "common/config.h"
#include "common/timeval.h"

struct sample {
    char *text;
    char *list;
    char *secret;
    int64_t number;
    int64_t bytes;
    int64_t duration_ms;
    bool flag;
    int64_t other;
};

#define OPTION(env, who, kind, member, value, least, most)                                         \
    {                                                                                              \
        .name = (env), .programs = (who), .type = (kind),                                          \
        .offset = offsetof(struct sample, member), .default_value = (value), .min = (least),       \
        .max = (most), .help = "about " env                                                        \
    }

static const struct config_option shared_options[] = {
    OPTION("SAMPLE_TEXT", CONFIG_EVERYONE, CONFIG_TEXT, text, NULL, 0, 0),
    OPTION("DELAYLINE_LIST", CONFIG_EVERYONE, CONFIG_LIST, list, "", 0, 0),
    OPTION("DELAYLINE_NUMBER", CONFIG_EVERYONE, CONFIG_NUMBER, number, "8", 1, 256),
    OPTION("DELAYLINE_OTHER", CONFIG_SCHEDULER, CONFIG_NUMBER, other, NULL, 1, 256),
};
static const struct config_option own_options[] = {
    OPTION("DELAYLINE_RELAY_BYTES", CONFIG_RELAY, CONFIG_BYTES, bytes, "64MiB", 1024, 1 << 30),
    OPTION("DELAYLINE_DURATION", CONFIG_RELAY, CONFIG_DURATION, duration_ms, "15m", 250,
           MS_PER_DAY),
    OPTION("DELAYLINE_FLAG", CONFIG_RELAY, CONFIG_BOOL, flag, "false", 0, 0),
    {.name = "DELAYLINE_SECRET",
     .programs = CONFIG_RELAY,
     .type = CONFIG_TEXT,
     .offset = offsetof(struct sample, secret),
     .default_value = "hidden",
     .secret = true,
     .help = "a | b"},
};
static const struct config_table tables[] = {{shared_options, ARRAY_LEN(shared_options)},
                                             {own_options, ARRAY_LEN(own_options)}};
static const struct config_schema schema = {CONFIG_RELAY, tables, 2};

struct fixture {
    struct sample sample;
    struct buf text;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    buf_init(&f->text, 65536);
    clearenv();
    setenv("SAMPLE_TEXT", "some text", 1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    config_release(&schema, &f->sample);
    buf_release(&f->text);
    test_free(f);
    return 0;
}

static void what_is_not_set_has_its_default(void **state)
{
    struct fixture *f = *state;
    setenv("DELAYLINE_NUMBER", "", 1);
    assert_status(config_load(&schema, &f->sample, &f->text), STATUS_OK);
    assert_string_equal(buf_text(&f->text), "");
    assert_string_equal(f->sample.text, "some text");
    assert_string_equal(f->sample.list, "");
    assert_string_equal(f->sample.secret, "hidden");
    assert_int_equal(f->sample.number, 8);
    assert_int_equal(f->sample.bytes, 64 << 20);
    assert_int_equal(f->sample.duration_ms, 15 * MS_PER_MINUTE);
    assert_false(f->sample.flag);
    assert_int_equal(f->sample.other, 0);
}

static void values_are_read_by_type(void **state)
{
    struct fixture *f = *state;
    setenv("DELAYLINE_NUMBER", "256", 1);
    setenv("DELAYLINE_RELAY_BYTES", "48KiB", 1);
    setenv("DELAYLINE_DURATION", "1500", 1);
    setenv("DELAYLINE_FLAG", "true", 1);
    setenv("DELAYLINE_OTHER", "not read by a relay", 1);
    assert_status(config_load(&schema, &f->sample, &f->text), STATUS_OK);
    assert_int_equal(f->sample.number, 256);
    assert_int_equal(f->sample.bytes, 48 * 1024);
    assert_int_equal(f->sample.duration_ms, 1500);
    assert_true(f->sample.flag);
    assert_int_equal(f->sample.other, 0);
}

static void every_mistake_is_named(void **state)
{
    struct fixture *f = *state;
    unsetenv("SAMPLE_TEXT");
    setenv("DELAYLINE_NUMBER", "257", 1);
    setenv("DELAYLINE_RELAY_BYTES", "1MB", 1);
    setenv("DELAYLINE_DURATION", "2x\n", 1);
    setenv("DELAYLINE_FLAG", "yes", 1);
    setenv("DELAYLINE_NUMBERS", "8", 1);
    setenv("DELAYLINE_RELAY_UNHEARD_OF", "1", 1);
    assert_status(config_load(&schema, &f->sample, &f->text), STATUS_INVALID);
    static const char *const lines[] = {
        "SAMPLE_TEXT: must be set: about SAMPLE_TEXT\n",
        "DELAYLINE_NUMBER=257: must be 1 to 256\n",
        "DELAYLINE_RELAY_BYTES=1MB: not a size; write 64MiB, 48KiB or whole bytes\n",
        "DELAYLINE_DURATION=2x?: not a duration; write 250ms, 90s, 15m, 36h, 7d or whole "
        "milliseconds\n",
        "DELAYLINE_FLAG=yes: not a boolean; write true or false\n",
        "DELAYLINE_NUMBERS: no such setting; did you mean DELAYLINE_NUMBER?\n",
        "DELAYLINE_RELAY_UNHEARD_OF: no such setting; --help lists them\n",
    };
    size_t length = 0;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_non_null(strstr(buf_text(&f->text), lines[i]));
        length += strlen(lines[i]);
    }
    assert_int_equal(f->text.len, length);
    /* The relations can be checked in the same go. */
    assert_string_equal(f->sample.text, "");
    assert_int_equal(f->sample.number, 8);
    assert_int_equal(f->sample.duration_ms, 15 * MS_PER_MINUTE);
}

static void ranges_are_shown_in_their_units(void **state)
{
    struct fixture *f = *state;
    setenv("DELAYLINE_RELAY_BYTES", "1023", 1);
    setenv("DELAYLINE_DURATION", "25h", 1);
    assert_status(config_load(&schema, &f->sample, &f->text), STATUS_INVALID);
    assert_non_null(
        strstr(buf_text(&f->text), "DELAYLINE_RELAY_BYTES=1023: must be 1KiB to 1GiB\n"));
    assert_non_null(strstr(buf_text(&f->text), "DELAYLINE_DURATION=25h: must be 250ms to 1d\n"));
}

static void numbers_too_large_for_any_type_are_out_of_range(void **state)
{
    struct fixture *f = *state;
    setenv("DELAYLINE_NUMBER", "99999999999999999999", 1);
    setenv("DELAYLINE_RELAY_BYTES", "9999999999999GiB", 1);
    setenv("DELAYLINE_DURATION", "9223372036854775807d", 1);
    assert_status(config_load(&schema, &f->sample, &f->text), STATUS_INVALID);
    assert_non_null(strstr(buf_text(&f->text), "DELAYLINE_NUMBER=99999999999999999999: must be"));
    assert_non_null(strstr(buf_text(&f->text), "DELAYLINE_RELAY_BYTES=9999999999999GiB: must be"));
    assert_non_null(strstr(buf_text(&f->text), "DELAYLINE_DURATION=9223372036854775807d: must be"));
}

static void names_of_others_are_left_alone(void **state)
{
    struct fixture *f = *state;
    setenv("DELAYLINE_ROUTER_LINGER", "1", 1);
    setenv("DELAYLINE_SCHEDULER_X", "1", 1);
    setenv("DELAYLINE_TEST_SEED", "1", 1);
    setenv("DELAYLINE_STACK_PORT", "1", 1);
    setenv("DELAY", "1", 1);
    assert_status(config_load(&schema, &f->sample, &f->text), STATUS_OK);
}

static void print_config_masks_and_can_be_read_back(void **state)
{
    struct fixture *f = *state;
    setenv("DELAYLINE_RELAY_BYTES", "1025", 1);
    assert_status(config_load(&schema, &f->sample, &f->text), STATUS_OK);
    config_print(&schema, &f->sample, &f->text);
    assert_string_equal(buf_text(&f->text), "SAMPLE_TEXT=some text\n"
                                            "DELAYLINE_LIST=\n"
                                            "DELAYLINE_NUMBER=8\n"
                                            "DELAYLINE_RELAY_BYTES=1025\n"
                                            "DELAYLINE_DURATION=15m\n"
                                            "DELAYLINE_FLAG=false\n"
                                            "DELAYLINE_SECRET=***\n");
}

static void help_and_readme_come_from_the_table(void **state)
{
    struct fixture *f = *state;
    config_print_help(&schema, &f->text);
    assert_non_null(strstr(buf_text(&f->text), "  SAMPLE_TEXT (text, required)\n"
                                               "      about SAMPLE_TEXT\n"));
    assert_non_null(
        strstr(buf_text(&f->text), "  DELAYLINE_DURATION (duration, default 15m, 250ms to 1d)\n"));
    assert_non_null(strstr(buf_text(&f->text), "  DELAYLINE_FLAG (boolean, default false)\n"));
    assert_null(strstr(buf_text(&f->text), "DELAYLINE_OTHER"));
    buf_clear(&f->text);
    config_print_markdown(&schema, &f->text);
    assert_non_null(strstr(buf_text(&f->text), "| `DELAYLINE_NUMBER` | number, 1 to 256 | `8` | "
                                               "about DELAYLINE_NUMBER |\n"));
    assert_non_null(strstr(buf_text(&f->text), "| a \\| b |\n"));
}

static void lists_are_walked(void **state)
{
    (void)state;
    const char *cursor = " a, b:c:15m ,,\td,";
    struct slice item;
    assert_true(config_list_next(&cursor, &item));
    assert_slice_equal(item, "a");
    assert_true(config_list_next(&cursor, &item));
    assert_slice_equal(item, "b:c:15m");
    assert_true(config_list_next(&cursor, &item));
    assert_slice_equal(item, "d");
    assert_false(config_list_next(&cursor, &item));
    assert_false(config_list_next(&cursor, &item));
    cursor = "";
    assert_false(config_list_next(&cursor, &item));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_set_has_its_default),
        TEST(values_are_read_by_type),
        TEST(every_mistake_is_named),
        TEST(ranges_are_shown_in_their_units),
        TEST(numbers_too_large_for_any_type_are_out_of_range),
        TEST(names_of_others_are_left_alone),
        TEST(print_config_masks_and_can_be_read_back),
        TEST(help_and_readme_come_from_the_table),
        cmocka_unit_test(lists_are_walked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
