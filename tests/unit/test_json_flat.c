#include "tests/harness/unit.h"

#include "common/json.h"
#include "common/json_flat.h"

static struct json_flat flat_of(const char *text)
{
    struct json_flat flat;
    struct error error;
    if (json_flat_parse(slice_from_str(text), &flat, &error) != STATUS_OK)
        fail_msg("%s: %s", text, error.text);
    return flat;
}

static void values_are_found_by_name_and_place(void **state)
{
    (void)state;
    CLEANUP(json_flat_release)
    struct json_flat f =
        flat_of(" {\"a\":{\"x\":[1,[],{}],\"y\":\"deep\"},\"b\":\"text\",\"c\":null,"
                "\"d\":-2.5,\"e\":\"17\",\"\":true} ");
    uint32_t a = json_flat_get(&f, JSON_ROOT, "a");
    assert_true(json_flat_is(&f, a, JSON_OBJECT));
    assert_slice_equal(json_flat_get_text(&f, a, "y"), "deep");
    assert_slice_equal(json_flat_get_text(&f, JSON_ROOT, "b"), "text");
    assert_true(json_flat_is_null(&f, json_flat_get(&f, JSON_ROOT, "c")));
    assert_true(json_flat_number(&f, json_flat_get(&f, JSON_ROOT, "d")) == -2.5);
    assert_true(json_flat_is(&f, json_flat_get(&f, JSON_ROOT, ""), JSON_LITERAL));
    assert_false(json_flat_is_null(&f, json_flat_get(&f, JSON_ROOT, "")));
    /* A name is no value, and what is deeper is not here. */
    assert_int_equal(json_flat_get(&f, JSON_ROOT, "text"), JSON_ABSENT);
    assert_int_equal(json_flat_get(&f, JSON_ROOT, "y"), JSON_ABSENT);

    int64_t number = 0;
    assert_status(json_flat_get_text_i64(&f, JSON_ROOT, "e", 17, &number), STATUS_OK);
    assert_int_equal(number, 17);
    assert_status(json_flat_get_text_i64(&f, JSON_ROOT, "e", 16, &number), STATUS_TOO_LARGE);
    assert_status(json_flat_get_text_i64(&f, JSON_ROOT, "d", 16, &number), STATUS_INVALID);
    assert_status(json_flat_get_text_i64(&f, JSON_ROOT, "z", 16, &number), STATUS_NOT_FOUND);
}

static size_t count(const struct json_flat *f, uint32_t container)
{
    size_t count = 0;
    for (uint32_t at = json_flat_first(f, container); at != JSON_ABSENT;
         at = json_flat_after(f, container, at))
        count++;
    return count;
}

static void containers_are_walked_without_what_is_in_their_elements(void **state)
{
    (void)state;
    CLEANUP(json_flat_release)
    struct json_flat f = flat_of("[[],{},[1,2,3],{\"a\":[1,2],\"b\":{\"c\":0}},\"x\",4]");
    static const size_t inside[] = {0, 0, 3, 2, 0, 0};
    assert_int_equal(count(&f, JSON_ROOT), ARRAY_LEN(inside));
    size_t i = 0;
    for (uint32_t at = json_flat_first(&f, JSON_ROOT); at != JSON_ABSENT;
         at = json_flat_after(&f, JSON_ROOT, at))
        assert_int_equal(count(&f, at), inside[i++]);
}

static void what_is_absent_is_taken_everywhere(void **state)
{
    (void)state;
    CLEANUP(json_flat_release) struct json_flat f = flat_of("{\"a\":\"b\"}");
    CLEANUP(json_flat_release) struct json_flat none = {.text = SLICE_NULL};
    const struct json_flat *both[] = {&f, &none};
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        assert_int_equal(json_flat_get(both[i], JSON_ABSENT, "a"), JSON_ABSENT);
        assert_int_equal(json_flat_first(both[i], JSON_ABSENT), JSON_ABSENT);
        assert_true(slice_is_null(json_flat_text(both[i], JSON_ABSENT)));
        assert_true(slice_is_null(json_flat_get_text(both[i], JSON_ABSENT, "a")));
        assert_true(json_flat_number(both[i], JSON_ABSENT) == 0);
        assert_false(json_flat_is_null(both[i], JSON_ABSENT));
        assert_false(json_flat_is(both[i], JSON_ABSENT, JSON_OBJECT));
    }
    assert_false(json_flat_is(&none, JSON_ROOT, JSON_OBJECT));
}

static void escapes_are_resolved_in_names_too(void **state)
{
    (void)state;
    CLEANUP(json_flat_release)
    struct json_flat f = flat_of("{\"\\u0061\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"b\":\"plain\","
                                 "\"c\":\"x\\u00e9\\u20AC\\ud834\\udd1ey\"}");
    assert_slice_equal(json_flat_get_text(&f, JSON_ROOT, "a"), "\"\\/\b\f\n\r\t");
    assert_slice_equal(json_flat_get_text(&f, JSON_ROOT, "b"), "plain");
    assert_slice_equal(json_flat_get_text(&f, JSON_ROOT, "c"),
                       "x\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9ey");
}

/* Both faces take and refuse the same. */
static void it_is_as_strict_as_the_tree(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "{}",
        "[] x",
        "01",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\xc3(\"",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "[{\"b\":{\"c\":1,\"c\":1}}]",
        "{\"a\":1,\"A\":2}",
        "{\"a\":{\"a\":1},\"b\":{\"a\":1}}",
        "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}",
        "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"a\":1}",
        "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"i\":1}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct slice text = slice_from_str(texts[i]);
        struct json_flat flat;
        cJSON *json = NULL;
        struct error of_flat = {.text = ""};
        struct error of_tree = {.text = ""};
        enum status status = json_flat_parse(text, &flat, &of_flat);
        if (status != json_parse(text, &json, &of_tree) || strcmp(of_flat.text, of_tree.text) != 0)
            fail_msg("%s: %s, the tree: %s", texts[i], of_flat.text, of_tree.text);
        if (status != STATUS_OK)
            assert_null(flat.values.nodes);
        json_flat_release(&flat);
        cJSON_Delete(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found_by_name_and_place),
        cmocka_unit_test(containers_are_walked_without_what_is_in_their_elements),
        cmocka_unit_test(what_is_absent_is_taken_everywhere),
        cmocka_unit_test(escapes_are_resolved_in_names_too),
        cmocka_unit_test(it_is_as_strict_as_the_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
