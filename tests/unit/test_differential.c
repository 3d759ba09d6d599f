/* The judge of the differential test: what it takes for the same, what it reports, and that the
 * list of deviations is held to both ways. */
#include "tests/harness/unit.h"

#include "common/json.h"
#include "tests/differential/compare.h"
#include "tests/differential/deviations.h"
#include "tests/differential/expand.h"
#include "tests/differential/normal.h"
#include "tests/harness/temp_dir.h"

#define NOW_MS INT64_C(1800000000000)

struct fixture {
    struct buf text;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    buf_init(&fixture.text, 65536);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    buf_release(&f->text);
    return 0;
}

static cJSON *parse(const char *text)
{
    cJSON *json = NULL;
    assert_status(json_parse(slice_from_str(text), &json, NULL), STATUS_OK);
    return json;
}

static void on_difference(void *ctx, const char *field, const cJSON *right, const cJSON *answers)
{
    struct buf *out = ctx;
    char *right_text = compare_show(right);
    char *answers_text = compare_show(answers);
    buf_printf(out, "%s:%s/%s ", field, right_text, answers_text);
    cJSON_free(right_text);
    cJSON_free(answers_text);
}

static void assert_compared(struct fixture *f, bool expected, const char *right, const char *answer,
                            const char *differences)
{
    cJSON *a = parse(right);
    cJSON *b = parse(answer);
    buf_clear(&f->text);
    if (expected)
        compare_expected(a, b, on_difference, &f->text);
    else
        compare_answers(a, b, on_difference, &f->text);
    assert_string_equal(buf_text(&f->text), differences);
    cJSON_Delete(a);
    cJSON_Delete(b);
}

static void answers_are_compared_field_by_field_both_ways(void **state)
{
    struct fixture *f = *state;
    assert_compared(f, false, "{\"a\":1,\"b\":[{\"c\":\"x\"}]}", "{\"b\":[{\"c\":\"x\"}],\"a\":1}",
                    "");
    assert_compared(f, false, "{\"a\":1,\"b\":[{\"c\":\"x\"}]}", "{\"b\":[{\"c\":\"y\"}],\"d\":2}",
                    "a:1/null b.0.c:\"x\"/\"y\" d:null/2 ");
    assert_compared(f, false, "{\"a\":[1]}", "{\"a\":[1,2]}", "a.1:null/2 ");
    assert_compared(f, false, "{\"a\":[1]}", "{\"a\":1}", "a:[1]/1 ");
    assert_compared(f, false, "{\"a\":\"1\"}", "{\"a\":1}", "a:\"1\"/1 ");
}

static void an_error_that_differs_is_all_that_is_reported(void **state)
{
    struct fixture *f = *state;
    assert_compared(f, false, "{\"a\":1,\"b\":2}", "{\"error\":\"500 X\",\"kind\":\"retry\"}",
                    "error:null/\"500 X\" ");
    assert_compared(f, false, "{\"error\":\"400 X\",\"Item\":1}", "{\"error\":\"400 X\"}",
                    "Item:1/null ");
}

static void expectations_are_partial_and_null_is_absent(void **state)
{
    struct fixture *f = *state;
    assert_compared(f, true, "{\"a\":1,\"gone\":null}", "{\"a\":1,\"more\":2}", "");
    assert_compared(f, true, "{\"gone\":null}", "{\"gone\":1}", "gone:null/1 ");
    assert_compared(f, true, "{\"a\":[{\"b\":1}]}", "{\"a\":[{\"b\":1,\"c\":2},{\"b\":1}]}",
                    "a.1:null/{\"b\":1} ");
    assert_compared(f, true, "{}", "{\"error\":\"400 X\"}", "error:null/\"400 X\" ");
    assert_compared(f, true, "\"400 X\"", "{\"error\":\"400 X\",\"type\":\"Y\"}", "");
    assert_compared(f, true, "\"400 X\"", "{\"a\":1}", "error:\"400 X\"/null ");
}

static void assert_normal(struct normal *normal, bool fifo, const char *answer, const char *shown)
{
    cJSON *json = parse(answer);
    normal_answer(normal, json, fifo, NOW_MS);
    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(text, shown);
    cJSON_free(text);
    cJSON_Delete(json);
}

static void ids_times_and_names_become_words(void **state)
{
    (void)state;
    struct normal normal;
    normal_init(&normal, "run-1-");
    assert_normal(&normal, false, "{\"MessageId\":\"abc\",\"SequenceNumber\":\"99\"}",
                  "{\"MessageId\":\"id 1\",\"SequenceNumber\":\"sequence 1\"}");
    assert_normal(&normal, false, "{\"MessageId\":\"def\",\"SequenceNumber\":\"100\"}",
                  "{\"MessageId\":\"id 2\",\"SequenceNumber\":\"sequence 2\"}");
    assert_normal(&normal, false, "{\"MessageId\":\"abc\",\"SequenceNumber\":\"98\"}",
                  "{\"MessageId\":\"id 1\",\"SequenceNumber\":\"lower sequence 3\"}");
    assert_normal(&normal, false,
                  "{\"SentTimestamp\":\"1800000000500\",\"CreatedTimestamp\":\"1800000000\"}",
                  "{\"SentTimestamp\":\"recent\",\"CreatedTimestamp\":\"recent\"}");
    assert_normal(&normal, false, "{\"SentTimestamp\":\"1800000000\"}",
                  "{\"SentTimestamp\":\"1800000000\"}"); /* seconds are not milliseconds */
    assert_normal(&normal, false, "{\"QueueUrl\":\"http://h:1/0/run-1-q\",\"run-1-t\":[]}",
                  "{\"QueueUrl\":\"q\",\"t\":[]}");
    normal_release(&normal);
}

static void lists_without_an_order_are_sorted_and_empty_ones_left_out(void **state)
{
    (void)state;
    struct normal normal;
    const char *messages = "{\"Messages\":[{\"Body\":\"b\"},{\"Body\":\"a\"}],\"Failed\":[]}";
    normal_init(&normal, "run-1-");
    assert_normal(&normal, false, messages, "{\"Messages\":[{\"Body\":\"a\"},{\"Body\":\"b\"}]}");
    assert_normal(&normal, true, messages, "{\"Messages\":[{\"Body\":\"b\"},{\"Body\":\"a\"}]}");
    assert_normal(&normal, false,
                  "{\"Failed\":[{\"Id\":\"1\",\"SenderFault\":true,\"Message\":\"m\"}]}",
                  "{\"Failed\":[{\"Id\":\"1\",\"SenderFault\":true}]}");
    assert_normal(&normal, false, "{\"Items\":[]}", "{\"Items\":[]}");
    normal_release(&normal);
}

static void requests_are_expanded(void **state)
{
    struct fixture *f = *state;
    cJSON *variables = parse("{\"q\":\"url\"}");
    cJSON *form = parse("{\"$(q)\":\"<$(q)>\",\"r\":{\"$repeat\":[\"ab\",2]},\"b\":{\"$base64\":3},"
                        "\"e\":{\"$each\":[2,{\"i\":\"$(i)\"}]}}");
    cJSON *made = expand(form, variables, &f->text);
    char *text = cJSON_PrintUnformatted(made);
    assert_string_equal(text, "{\"url\":\"<url>\",\"r\":\"abab\",\"b\":\"AAAA\","
                              "\"e\":[{\"i\":\"0\"},{\"i\":\"1\"}]}");
    cJSON_free(text);
    cJSON_Delete(made);
    cJSON_Delete(form);
    form = parse("{\"a\":\"$(missing)\"}");
    assert_null(expand(form, variables, &f->text));
    assert_non_null(strstr(buf_text(&f->text), "missing"));
    cJSON_Delete(form);
    cJSON_Delete(variables);
}

/* --- the list -------------------------------------------------------------------------------- */

static bool load(const char *text, struct deviations *ret, struct buf *errors)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    temp_dir_write(&dir, "deviations.json", text);
    bool fine = deviations_load(temp_dir_at(&dir, "deviations.json").text, ret, errors);
    temp_dir_release(&dir);
    return fine;
}

static void on_listed(void *ctx, const char *step, const char *field)
{
    buf_printf(ctx, "%s %s;", step, field);
}

#define LIST(entries)                                                                              \
    "{\"reasons\":{\"r\":\"because\"},\"servers\":{\"s\":{\"version\":\"1\",\"deviations\":"       \
    "[" entries "]}}}"
#define ENTRY(name, step, field)                                                                   \
    "{\"case\":\"" name "\",\"step\":\"" step "\",\"field\":\"" field                              \
    "\",\"right\":1,\"answers\":null,\"why\":\"r\"}"

static void every_deviation_is_listed_and_every_listed_one_happens(void **state)
{
    struct fixture *f = *state;
    struct deviations d;
    cJSON *one = parse("1");
    cJSON *cases = parse("{\"c\":[]}");
    assert_true(load(LIST(ENTRY("c", "1 Op", "a") "," ENTRY("c", "2 Op", "b") "," ENTRY(
                         "*", "*", "w") "," ENTRY("x", "1 Op", "a")),
                     &d, &f->text));
    assert_string_equal(deviations_version(&d, "s"), "1");
    assert_null(deviations_version(&d, "other"));
    assert_true(deviations_take(&d, "s", "c", "1 Op", "a", one, NULL));
    assert_false(deviations_take(&d, "s", "c", "1 Op", "a", NULL, one));
    assert_false(deviations_take(&d, "s", "c", "1 Op", "a", one, one));
    assert_false(deviations_take(&d, "s", "c", "3 Op", "a", one, NULL));
    assert_false(deviations_take(&d, "other", "c", "1 Op", "a", one, NULL));
    deviations_unseen(&d, "s", "c", on_listed, &f->text);
    assert_string_equal(buf_text(&f->text), "2 Op b;");
    buf_clear(&f->text);
    deviations_foreign(&d, "s", cases, on_listed, &f->text);
    assert_string_equal(buf_text(&f->text), "* w;x a;");
    assert_true(deviations_take(&d, "s", "anything", "9 Op", "w", one, NULL));
    buf_clear(&f->text);
    deviations_foreign(&d, "s", cases, on_listed, &f->text);
    assert_string_equal(buf_text(&f->text), "x a;");
    deviations_release(&d);
    cJSON_Delete(one);
    cJSON_Delete(cases);
}

static void a_deviation_without_a_reason_is_refused(void **state)
{
    struct fixture *f = *state;
    struct deviations d;
    assert_false(load(LIST("{\"case\":\"c\",\"step\":\"1\",\"field\":\"a\",\"right\":1,"
                           "\"answers\":2,\"why\":\"unlisted\"}"),
                      &d, &f->text));
    assert_false(
        load(LIST("{\"case\":\"c\",\"step\":\"1\",\"field\":\"a\",\"why\":\"r\"}"), &d, &f->text));
    assert_false(load("{\"servers\":", &d, &f->text));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answers_are_compared_field_by_field_both_ways),
        CASE(an_error_that_differs_is_all_that_is_reported),
        CASE(expectations_are_partial_and_null_is_absent),
        CASE(ids_times_and_names_become_words),
        CASE(lists_without_an_order_are_sorted_and_empty_ones_left_out),
        CASE(requests_are_expanded),
        CASE(every_deviation_is_listed_and_every_listed_one_happens),
        CASE(a_deviation_without_a_reason_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
