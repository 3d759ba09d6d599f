#include "tests/harness/ddb_world.h"

#include "common/mem.h"
#include "tests/model/ddb_number.h"

static void put_and_get(void **state)
{
    struct ddb_world *w = *state;
    assert_null(ddb_world_get_at(w, "a", "1", T0));
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "1"), N("n", "5")));
    assert_null(w->written.old_item);
    ddb_world_assert_text(ddb_world_get_at(w, "a", "1", T0), "n", "5");
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "1"), N("n", "6")));
    ddb_world_assert_text(w->written.old_item, "n", "5");
    ddb_world_assert_text(w->written.new_item, "n", "6");
    struct ddb_table_info info = dynamodb_model_table_info(w->table, T0);
    assert_int_equal(info.items, 1);
    assert_int_equal(info.bytes, 2 + 1 + 2 + 1 + 1 + 2);
}

static void delete_gives_the_old_item_and_costs_even_without_one(void **state)
{
    struct ddb_world *w = *state;
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "1"), S("v", "x")));
    struct ddb_write write = {.kind = DDB_DELETE, .item = KEY("a", "1")};
    assert_true(dynamodb_model_write(w->table, &write, T0, &w->written, &w->error));
    ddb_world_assert_text(w->written.old_item, "v", "x");
    assert_null(w->written.new_item);
    assert_true(dynamodb_model_write(w->table, &write, T0, &w->written, &w->error));
    assert_null(w->written.old_item);
    assert_int_equal(w->written.write_units, 1);
}

static void conditions_decide_writes(void **state)
{
    struct ddb_world *w = *state;
    const struct ddb_value *first = MAP(S("pk", "a"), S("sk", "-"), S("fence", "05"));
    assert_true(ddb_world_put_at(w, first, "attribute_not_exists(pk)", NULL, T0));
    assert_false(ddb_world_put_at(w, first, "attribute_not_exists(pk)", NULL, T0));
    ddb_world_assert_refused(w, "ConditionalCheckFailedException",
                             "The conditional request failed");
    ddb_world_assert_text(w->written.old_item, "fence", "05"); /* what blocks */
    static const struct {
        const char *condition;
        const char *a;
        bool holds;
    } cases[] = {
        {"fence < :a", "06", true},
        {"fence < :a", "05", false},
        {"fence <= :a", "05", true},
        {"fence > :a", "04", true},
        {"fence >= :a", "06", false},
        {"fence = :a", "05", true},
        {"fence <> :a", "05", false},
        {":a = fence", "05", true},
        {"absent = :a", "05", false},
        {"NOT absent = :a", "05", true},
        {"absent < :a OR fence < :a", "06", true},
        {"absent < :a AND fence < :a", "06", false},
        {"attribute_not_exists(fence) OR fence < :a", "06", true},
        {"attribute_exists(fence) AND (fence = :a OR sk = :a)", "05", true},
        {"not (fence = :a) and attribute_exists(pk)", "05", false},
        {"fence BETWEEN :a AND :a", "05", true},
        {"fence IN (:a, :a)", "05", true},
        {"begins_with(fence, :a)", "0", true},
        {"begins_with(fence, :a)", "055", false},
        {"contains(fence, :a)", "5", true},
        {"size(fence) > :a", "1", false}, /* a number is no string */
        {"attribute_type(fence, :a)", "S", true},
        {"attribute_exists(pk) OR attribute_exists(sk) AND fence = :a", "no", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ddb_value a = VALUE(DDB_S, cases[i].a);
        if (ddb_world_put_at(w, first, cases[i].condition, ddb_world_bind(w, &a, 1), T0) !=
            cases[i].holds)
            fail_msg("%s with %s: %s", cases[i].condition, cases[i].a, w->error.text);
    }
}

static void numbers_compare_as_numbers(void **state)
{
    struct ddb_world *w = *state;
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "-"), N("n", "9")));
    struct ddb_value a = VALUE(DDB_N, "10");
    assert_true(ddb_world_put_at(w, MAP(S("pk", "a"), S("sk", "-"), N("n", "10")), "n < :a",
                                 ddb_world_bind(w, &a, 1), T0));
    struct ddb_value size = VALUE(DDB_N, "1");
    assert_true(ddb_world_put_at(w, MAP(S("pk", "a"), S("sk", "-")), "size(pk) = :a",
                                 ddb_world_bind(w, &size, 1), T0));
}

static void number_texts_are_made_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *canonical; /* NULL: refused */
    } cases[] = {
        {"0", "0"},
        {"-0.00", "0"},
        {"007", "7"},
        {"1.50", "1.5"},
        {"1e2", "100"},
        {"12E-3", "0.012"},
        {"+5", "5"},
        {"-1.0e0", "-1"},
        {"99999999999999999999999999999999999999", "99999999999999999999999999999999999999"},
        {"100000000000000000000000000000000000000", "100000000000000000000000000000000000000"},
        {"999999999999999999999999999999999999999", NULL}, /* 39 digits */
        {"1e126", NULL},
        {"1e-131", NULL},
        {"", NULL},
        {".", NULL},
        {"1x", NULL},
        {"1e", NULL},
        {"--1", NULL},
        {"1.2.3", NULL},
        {"NaN", NULL},
    };
    char out[DDB_NUMBER_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool valid = ddb_number_normalize(slice_from_str(cases[i].text), out);
        if (valid != (cases[i].canonical != NULL))
            fail_msg("%s", cases[i].text);
        if (valid)
            assert_string_equal(out, cases[i].canonical);
    }
    static const char *const ascending[] = {"-100", "-2",   "-1.5", "0",  "0.001",
                                            "1",    "1.01", "9",    "10", "1e20"};
    for (size_t i = 0; i + 1 < ARRAY_LEN(ascending); i++) {
        assert_true(
            ddb_number_compare(slice_from_str(ascending[i]), slice_from_str(ascending[i + 1])) < 0);
        assert_true(
            ddb_number_compare(slice_from_str(ascending[i + 1]), slice_from_str(ascending[i])) > 0);
    }
    assert_int_equal(ddb_number_size(SLICE_LITERAL("12345")), 4);
    assert_int_equal(ddb_number_size(SLICE_LITERAL("-12345")), 5);
    assert_int_equal(ddb_number_size(SLICE_LITERAL("1200")), 2);
}

static void update_sets_removes_and_creates(void **state)
{
    struct ddb_world *w = *state;
    struct ddb_value values[2] = {VALUE(DDB_N, "5"), VALUE(DDB_S, "x")};
    assert_true(ddb_world_update(w, KEY("c", "-"), "SET place = :a, fence = :b", NULL,
                                 ddb_world_bind(w, values, 2)));
    assert_null(w->written.old_item);
    ddb_world_assert_text(ddb_world_get_at(w, "c", "-", T0), "place", "5");
    assert_true(ddb_world_update(w, KEY("c", "-"), "SET place = :b REMOVE fence", "fence = :b",
                                 ddb_world_bind(w, &values[1], 1)) == false);
    /* :b is not bound when only one value is given. */
    ddb_world_assert_refused(w, "ValidationException", "value used in expression is not defined");
    assert_true(ddb_world_update(w, KEY("c", "-"), "REMOVE fence SET place = :a", "fence = :b",
                                 ddb_world_bind(w, values, 2)));
    assert_null(ddb_value_get(w->written.new_item, SLICE_LITERAL("fence")));
    ddb_world_assert_text(w->written.old_item, "fence", "x");
    assert_true(ddb_world_update(w, KEY("c", "-"),
                                 "SET place = if_not_exists(place, :a), made = "
                                 "if_not_exists(made, :a)",
                                 NULL, ddb_world_bind(w, values + 1, 1)));
    ddb_world_assert_text(w->written.new_item, "place", "5");
    ddb_world_assert_text(w->written.new_item, "made", "x");
    assert_true(ddb_world_update(w, KEY("bare", "-"), NULL, NULL, NULL));
    assert_int_equal(ddb_world_get_at(w, "bare", "-", T0)->count, 2);
}

static void update_must_not_touch_keys_or_overlap(void **state)
{
    struct ddb_world *w = *state;
    struct ddb_value a = VALUE(DDB_S, "x");
    assert_false(ddb_world_update(w, KEY("c", "-"), "SET sk = :a", NULL, ddb_world_bind(w, &a, 1)));
    ddb_world_assert_refused(w, "ValidationException", "part of the key");
    assert_false(
        ddb_world_update(w, KEY("c", "-"), "SET v = :a, v = :a", NULL, ddb_world_bind(w, &a, 1)));
    ddb_world_assert_refused(w, "ValidationException", "overlap");
    assert_false(ddb_world_update(w, KEY("c", "-"), "SET v = :a SET u = :a", NULL,
                                  ddb_world_bind(w, &a, 1)));
    assert_false(ddb_world_update(w, KEY("c", "-"), "SET v = u", NULL, ddb_world_bind(w, &a, 1)));
    assert_null(ddb_world_get_at(w, "c", "-", T0));
}

static void reserved_words_need_a_placeholder(void **state)
{
    struct ddb_world *w = *state;
    struct ddb_value a = VALUE(DDB_S, "x");
    assert_false(
        ddb_world_update(w, KEY("c", "-"), "SET bucket = :a", NULL, ddb_world_bind(w, &a, 1)));
    ddb_world_assert_refused(w, "ValidationException", "reserved keyword: bucket");
    ddb_world_bind(w, &a, 1);
    assert_true(
        ddb_world_update(w, KEY("c", "-"), "SET #a = :a", NULL, ddb_world_bind_name(w, "bucket")));
    ddb_world_assert_text(w->written.new_item, "bucket", "x");
    assert_true(ddb_is_reserved(SLICE_LITERAL("Zone")));
    assert_true(ddb_is_reserved(SLICE_LITERAL("abort")));
    assert_true(ddb_is_reserved(SLICE_LITERAL("ttl")));
    assert_false(ddb_is_reserved(SLICE_LITERAL("fence")));
    assert_false(ddb_is_reserved(SLICE_LITERAL("")));
}

static void placeholders_must_be_defined_and_used(void **state)
{
    struct ddb_world *w = *state;
    const struct ddb_value *item = KEY("a", "1");
    struct ddb_value values[2] = {VALUE(DDB_S, "x"), VALUE(DDB_S, "y")};
    assert_false(ddb_world_put_at(w, item, "pk = :c", ddb_world_bind(w, values, 2), T0));
    ddb_world_assert_refused(w, "ValidationException", "attribute value: :c");
    assert_false(ddb_world_put_at(w, item, "pk <> :a", ddb_world_bind(w, values, 2), T0));
    ddb_world_assert_refused(w, "ValidationException", "unused in expressions: keys: {:b}");
    assert_false(
        ddb_world_put_at(w, item, "attribute_exists(#z)", ddb_world_bind(w, values, 0), T0));
    ddb_world_assert_refused(w, "ValidationException", "attribute name: #z");
}

static void broken_expressions_are_refused(void **state)
{
    struct ddb_world *w = *state;
    static const char *const bad[] = {
        "",          "pk",        "pk =",          "pk = :a AND",     "(pk = :a",
        "pk = :a)",  "pk == :a",  "pk = :a OR OR", "nonsense(pk)",    "attribute_exists(:a)",
        "pk = :a x", "NOT",       "pk BETWEEN :a", "begins_with(pk)", "pk IN ()",
        "a.b = :a",  "a[0] = :a", "pk ! :a",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct ddb_value a = VALUE(DDB_S, "x");
        if (ddb_world_put_at(w, KEY("a", "1"), bad[i], ddb_world_bind(w, &a, 1), T0))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_string_equal(w->error.code, "ValidationException");
    }
    char deep[1001];
    memset(deep, '(', 1000);
    deep[1000] = '\0';
    assert_false(ddb_world_put_at(w, KEY("a", "1"), deep, NULL, T0));
}

static void keys_are_checked(void **state)
{
    struct ddb_world *w = *state;
    assert_false(ddb_world_put_at(w, MAP(S("pk", "a")), NULL, NULL, T0));
    ddb_world_assert_refused(w, "ValidationException", "Missing the key sk");
    assert_false(ddb_world_put_at(w, MAP(S("pk", "a"), N("sk", "1")), NULL, NULL, T0));
    ddb_world_assert_refused(w, "ValidationException",
                             "Type mismatch for key sk expected: S actual: N");
    assert_false(ddb_world_put_at(w, KEY("", "1"), NULL, NULL, T0));
    ddb_world_assert_refused(w, "ValidationException", "empty string value");
    const struct ddb_value *item;
    assert_false(dynamodb_model_get(w->table, MAP(S("pk", "a")), T0, &item, &w->error));
    assert_false(dynamodb_model_get(w->table, MAP(S("pk", "a"), S("sk", "1"), S("x", "1")), T0,
                                    &item, &w->error));
    ddb_world_assert_refused(w, "ValidationException", "does not match the schema");
    char *text = mem_calloc(1, 2050);
    memset(text, 'x', 2048);
    ddb_world_put(w, KEY(text, "1"));
    text[2048] = 'x';
    assert_false(ddb_world_put_at(w, KEY(text, "1"), NULL, NULL, T0));
    text[1024] = '\0';
    ddb_world_put(w, KEY("a", text));
    text[1024] = 'x';
    text[1025] = '\0';
    assert_false(ddb_world_put_at(w, KEY("a", text), NULL, NULL, T0));
    mem_free(text);
}

static void items_have_at_most_400_kb(void **state)
{
    struct ddb_world *w = *state;
    size_t most = DDB_ITEM_BYTES_MAX - (2 + 1 + 2 + 1 + 1);
    char *text = mem_alloc(most + 2);
    memset(text, 'x', most + 1);
    text[most] = '\0';
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "1"), S("v", text)));
    assert_int_equal(w->written.write_units, 400);
    text[most] = 'x';
    text[most + 1] = '\0';
    assert_false(
        ddb_world_put_at(w, MAP(S("pk", "a"), S("sk", "1"), S("v", text)), NULL, NULL, T0));
    ddb_world_assert_refused(w, "ValidationException", "Item size has exceeded");
    struct ddb_value a = VALUE(DDB_S, text);
    assert_false(ddb_world_update(w, KEY("a", "2"), "SET v = :a", NULL, ddb_world_bind(w, &a, 1)));
    ddb_world_assert_refused(w, "ValidationException", "Item size to update");
    mem_free(text);
}

static void write_units_round_up_and_count_the_larger_image(void **state)
{
    struct ddb_world *w = *state;
    char text[2100];
    memset(text, 'x', sizeof(text));
    text[1024 - 7] = '\0'; /* names and keys take seven */
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "1"), S("v", text)));
    assert_int_equal(w->written.write_units, 1);
    text[1024 - 7] = 'x';
    text[1024 - 6] = '\0';
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "1"), S("v", text)));
    assert_int_equal(w->written.write_units, 2);
    ddb_world_put(w, KEY("a", "1")); /* smaller than what it replaces */
    assert_int_equal(w->written.write_units, 2);
    text[1024 - 6] = 'x';
    text[2050] = '\0';
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "2"), S("v", text)));
    assert_int_equal(w->written.write_units, 3);
    /* A refused condition costs what stands there. */
    assert_false(ddb_world_put_at(w, KEY("a", "2"), "attribute_not_exists(pk)", NULL, T0));
    assert_int_equal(w->written.write_units, 3);
    struct ddb_value a = VALUE(DDB_S, "x");
    assert_false(ddb_world_put_at(w, KEY("a", "none"), "pk = :a", ddb_world_bind(w, &a, 1), T0));
    assert_int_equal(w->written.write_units, 1);
}

static void read_units_round_up_once(void **state)
{
    (void)state;
    assert_int_equal(dynamodb_model_read_half_units(0, true), 2);
    assert_int_equal(dynamodb_model_read_half_units(0, false), 1);
    assert_int_equal(dynamodb_model_read_half_units(4096, true), 2);
    assert_int_equal(dynamodb_model_read_half_units(4097, true), 4);
    assert_int_equal(dynamodb_model_read_half_units(1500 * 64, true), 2 * 24); /* AWS's example */
    assert_int_equal(dynamodb_model_read_half_units(1500 * 64, false), 24);
}

static void batches_are_refused_whole(void **state)
{
    struct ddb_world *w = *state;
    struct ddb_write writes[26];
    struct ddb_table *tables[26];
    char sk[26][8];
    struct ddb_pair pairs[26][2];
    struct ddb_value items[26];
    for (size_t i = 0; i < 26; i++) {
        snprintf(sk[i], sizeof(sk[i]), "%zu", i);
        pairs[i][0] = S("pk", "a");
        pairs[i][1] = S("sk", sk[i]);
        items[i] = (struct ddb_value){.type = DDB_M, .pairs = pairs[i], .count = 2};
        writes[i] = (struct ddb_write){.kind = DDB_PUT, .item = &items[i]};
        tables[i] = w->table;
    }
    assert_true(dynamodb_model_check_batch(tables, writes, 25, &w->error));
    assert_false(dynamodb_model_check_batch(tables, writes, 26, &w->error));
    ddb_world_assert_refused(w, "ValidationException", "Too many items");
    assert_false(dynamodb_model_check_batch(tables, writes, 0, &w->error));
    writes[4] = (struct ddb_write){.kind = DDB_DELETE, .item = &items[7]};
    assert_false(dynamodb_model_check_batch(tables, writes, 25, &w->error));
    ddb_world_assert_refused(w, "ValidationException", "duplicates");
    tables[4] = ddb_world_make_table(w, "other"); /* the same key of another table is another */
    assert_true(dynamodb_model_check_batch(tables, writes, 25, &w->error));
    pairs[9][1] = S("sk", "");
    assert_false(dynamodb_model_check_batch(tables, writes, 25, &w->error));
}

static void ttl_removes_on_the_second(void **state)
{
    struct ddb_world *w = *state;
    char stamp[24];
    snprintf(stamp, sizeof(stamp), "%lld", (long long)(T0 / 1000 + 100));
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "1"), N("expires", stamp)));
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "text"), S("expires", stamp)));
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "never")));
    assert_non_null(ddb_world_get_at(w, "a", "1", T0 + 200 * SECOND)); /* not enabled yet */
    assert_true(dynamodb_model_set_ttl(w->table, SLICE_LITERAL("expires"), true, T0, &w->error));
    assert_non_null(ddb_world_get_at(w, "a", "1", T0 + 100 * SECOND - 1));
    assert_null(ddb_world_get_at(w, "a", "1", T0 + 100 * SECOND));
    assert_non_null(ddb_world_get_at(w, "a", "text", T0 + 100 * SECOND));
    assert_non_null(ddb_world_get_at(w, "a", "never", T0 + 100 * SECOND));
    assert_int_equal(dynamodb_model_table_info(w->table, T0 + 100 * SECOND).expired, 1);
    assert_int_equal(dynamodb_model_table_info(w->table, T0 + 100 * SECOND).items, 2);
    /* Written over with a later end it stays; stamps older than five years are left alone. */
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "2"), N("expires", stamp)));
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "2"), N("expires", "1900000000")));
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "ancient"), N("expires", "1000000000")));
    assert_non_null(ddb_world_get_at(w, "a", "2", T0 + 200 * SECOND));
    assert_non_null(ddb_world_get_at(w, "a", "ancient", T0 + 200 * SECOND));
}

static void ttl_changes_once_an_hour(void **state)
{
    struct ddb_world *w = *state;
    struct slice name = SLICE_LITERAL("expires");
    assert_false(dynamodb_model_set_ttl(w->table, name, false, T0, &w->error));
    assert_true(dynamodb_model_set_ttl(w->table, name, true, T0, &w->error));
    assert_false(dynamodb_model_set_ttl(w->table, name, true, T0 + 7200 * SECOND, &w->error));
    ddb_world_assert_refused(w, "ValidationException", "already enabled");
    assert_false(dynamodb_model_set_ttl(w->table, name, false, T0 + 3600 * SECOND - 1, &w->error));
    ddb_world_assert_refused(w, "ValidationException", "multiple times");
    assert_true(dynamodb_model_set_ttl(w->table, name, false, T0 + 3600 * SECOND, &w->error));
}

static void tables_are_found_by_name(void **state)
{
    struct ddb_world *w = *state;
    struct ddb_schema schema = {SLICE_LITERAL("pk"), DDB_S, SLICE_NULL, DDB_S};
    struct ddb_table *table;
    assert_false(dynamodb_model_create_table(w->model, SLICE_LITERAL("records"), &schema, T0,
                                             &table, &w->error));
    ddb_world_assert_refused(w, "ResourceInUseException", "already exists");
    assert_false(
        dynamodb_model_create_table(w->model, SLICE_LITERAL("ab"), &schema, T0, &table, &w->error));
    assert_false(dynamodb_model_find_table(w->model, SLICE_LITERAL("nothing"), &table, &w->error));
    ddb_world_assert_refused(w, "ResourceNotFoundException", "nothing not found");
    ddb_world_put(w, KEY("a", "1"));
    dynamodb_model_delete_table(w->model, w->table);
    assert_null(dynamodb_model_next_table(w->model, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(put_and_get),
        CASE(delete_gives_the_old_item_and_costs_even_without_one),
        CASE(conditions_decide_writes),
        CASE(numbers_compare_as_numbers),
        cmocka_unit_test(number_texts_are_made_canonical),
        CASE(update_sets_removes_and_creates),
        CASE(update_must_not_touch_keys_or_overlap),
        CASE(reserved_words_need_a_placeholder),
        CASE(placeholders_must_be_defined_and_used),
        CASE(broken_expressions_are_refused),
        CASE(keys_are_checked),
        CASE(items_have_at_most_400_kb),
        CASE(write_units_round_up_and_count_the_larger_image),
        cmocka_unit_test(read_units_round_up_once),
        CASE(batches_are_refused_whole),
        CASE(ttl_removes_on_the_second),
        CASE(ttl_changes_once_an_hour),
        CASE(tables_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
