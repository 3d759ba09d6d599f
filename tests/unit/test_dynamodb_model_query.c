#include "tests/harness/ddb_world.h"

#include "common/mem.h"
#include "common/prng.h"

static void fill(struct ddb_world *w, const char *pk, int count)
{
    char sk[16];
    for (int i = 0; i < count; i++) {
        snprintf(sk, sizeof(sk), "%04d", i);
        ddb_world_put(w, MAP(S("pk", pk), S("sk", sk)));
    }
}

/* The sort keys of the page, each behind a space. */
static void keys_of(const struct ddb_world *w, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < w->page.count; i++) {
        const struct ddb_value *sk = ddb_value_get(w->page.items[i], SLICE_LITERAL("sk"));
        buf_append_byte(out, ' ');
        buf_append_slice(out, sk->bytes);
    }
}

static void query_ok(struct ddb_world *w, const struct ddb_query *query)
{
    if (!dynamodb_model_query(w->table, query, T0, &w->page, &w->error))
        fail_msg("query: %s", w->error.text);
}

static void conditions_choose_a_range_in_order(void **state)
{
    struct ddb_world *w = *state;
    fill(w, "a", 6);
    fill(w, "b", 3);
    static const struct {
        const char *condition;
        const char *b;
        const char *c;
        const char *keys;
        const char *backward;
    } cases[] = {
        {"pk = :a", NULL, NULL, " 0000 0001 0002 0003 0004 0005", " 0005 0004 0003 0002 0001 0000"},
        {"pk = :a AND sk > :b", "0003", NULL, " 0004 0005", " 0005 0004"},
        {"pk = :a AND sk >= :b", "0004", NULL, " 0004 0005", " 0005 0004"},
        {"pk = :a AND sk < :b", "0002", NULL, " 0000 0001", " 0001 0000"},
        {"pk = :a AND sk <= :b", "0001", NULL, " 0000 0001", " 0001 0000"},
        {"pk = :a AND sk = :b", "0003", NULL, " 0003", " 0003"},
        {"sk = :b AND pk = :a", "0003", NULL, " 0003", " 0003"},
        {"pk = :a AND sk BETWEEN :b AND :c", "0001", "0003", " 0001 0002 0003", " 0003 0002 0001"},
        {"(pk = :a) AND (sk BETWEEN :b AND :c)", "00005", "0002", " 0001 0002", " 0002 0001"},
        {"pk = :a AND begins_with(sk, :b)", "000", NULL, " 0000 0001 0002 0003 0004 0005",
         " 0005 0004 0003 0002 0001 0000"},
        {"pk = :a AND begins_with(sk, :b)", "0002", NULL, " 0002", " 0002"},
        {"pk = :a AND begins_with(sk, :b)", "1", NULL, "", ""},
        {"pk = :a AND sk > :b", "9", NULL, "", ""},
    };
    struct buf keys;
    buf_init(&keys, 1024);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ddb_value values[3] = {VALUE(DDB_S, "a"), VALUE(DDB_S, cases[i].b),
                                      VALUE(DDB_S, cases[i].c)};
        size_t count = cases[i].c != NULL ? 3 : cases[i].b != NULL ? 2 : 1;
        for (int backward = 0; backward < 2; backward++) {
            struct ddb_query query = {.key_condition = slice_from_str(cases[i].condition),
                                      .backward = backward == 1,
                                      .scope = ddb_world_bind(w, values, count)};
            query_ok(w, &query);
            keys_of(w, &keys);
            assert_string_equal(buf_text(&keys), backward ? cases[i].backward : cases[i].keys);
            assert_null(w->page.last_key);
        }
    }
    buf_release(&keys);
}

static void key_conditions_are_checked(void **state)
{
    struct ddb_world *w = *state;
    static const char *const bad[] = {
        "sk = :a",
        "pk > :a",
        "pk = :a OR sk = :a",
        "pk = :a AND v = :a",
        "pk = :a AND sk <> :a",
        "pk = :a AND sk = :a AND sk = :a",
        "pk = :a AND contains(sk, :a)",
        "NOT pk = :a",
        "pk = sk",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct ddb_value a = VALUE(DDB_S, "a");
        struct ddb_query query = {.key_condition = slice_from_str(bad[i]),
                                  .scope = ddb_world_bind(w, &a, 1)};
        if (dynamodb_model_query(w->table, &query, T0, &w->page, &w->error))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_string_equal(w->error.code, "ValidationException");
    }
    struct ddb_value values[3] = {VALUE(DDB_S, "a"), VALUE(DDB_S, "2"), VALUE(DDB_S, "1")};
    struct ddb_query query = {.key_condition = SLICE_LITERAL("pk = :a AND sk BETWEEN :b AND :c"),
                              .scope = ddb_world_bind(w, values, 3)};
    assert_false(dynamodb_model_query(w->table, &query, T0, &w->page, &w->error));
    struct ddb_value number = VALUE(DDB_N, "1");
    query = (struct ddb_query){.key_condition = SLICE_LITERAL("pk = :a"),
                               .scope = ddb_world_bind(w, &number, 1)};
    assert_false(dynamodb_model_query(w->table, &query, T0, &w->page, &w->error));
}

/* Pages through everything and counts; with_fault: every second page is empty. */
static size_t page_through(struct ddb_world *w, struct ddb_query query, bool with_fault,
                           size_t *pages)
{
    struct ddb_value *start = NULL;
    size_t items = 0;
    char before[64] = "";
    *pages = 0;
    for (;; ++*pages) {
        assert_true(*pages < 10000);
        struct ddb_value a = VALUE(DDB_S, "a");
        query.scope = query.scan ? NULL : ddb_world_bind(w, &a, 1);
        query.start_key = start;
        query.fault_empty_page = with_fault && *pages % 2 == 0;
        query_ok(w, &query);
        for (size_t i = 0; i < w->page.count && !query.scan; i++) {
            const struct ddb_value *sk = ddb_value_get(w->page.items[i], SLICE_LITERAL("sk"));
            assert_true(slice_compare(sk->bytes, slice_from_str(before)) > 0);
            snprintf(before, sizeof(before), "%.*s", SLICE_ARG(sk->bytes));
        }
        items += w->page.count;
        struct ddb_value *next = w->page.last_key == NULL ? NULL : ddb_value_copy(w->page.last_key);
        mem_free(start); /* which the last key may be */
        start = next;
        if (start == NULL)
            return items;
    }
}

static void limit_pages_and_a_full_page_says_that_more_may_follow(void **state)
{
    struct ddb_world *w = *state;
    fill(w, "a", 10);
    fill(w, "b", 10);
    struct ddb_query query = {.key_condition = SLICE_LITERAL("pk = :a"), .limit = 5};
    size_t pages;
    assert_int_equal(page_through(w, query, false, &pages), 10);
    assert_int_equal(pages, 2); /* and one more, which is empty */
    query.limit = 3;
    assert_int_equal(page_through(w, query, false, &pages), 10);
    query.limit = 0;
    assert_int_equal(page_through(w, query, false, &pages), 10);
    assert_int_equal(pages, 0);
    query.limit = -1;
    assert_false(dynamodb_model_query(w->table, &query, T0, &w->page, &w->error));
}

static void a_page_holds_one_megabyte(void **state)
{
    struct ddb_world *w = *state;
    const size_t each = 100 * 1024;
    char *text = mem_calloc(1, each + 1);
    char sk[16];
    memset(text, 'x', each - (2 + 1 + 2 + 4 + 1)); /* names and keys */
    for (int i = 0; i < 25; i++) {
        snprintf(sk, sizeof(sk), "%04d", i);
        ddb_world_put(w, MAP(S("pk", "a"), S("sk", sk), S("v", text)));
    }
    struct ddb_value a = VALUE(DDB_S, "a");
    struct ddb_query query = {.key_condition = SLICE_LITERAL("pk = :a"),
                              .scope = ddb_world_bind(w, &a, 1)};
    query_ok(w, &query);
    assert_int_equal(w->page.count, 11); /* ten are 1,024,000 bytes, the next reaches 1,048,576 */
    assert_non_null(w->page.last_key);
    assert_int_equal(w->page.read_half_units, 275);
    size_t pages;
    assert_int_equal(page_through(w, query, false, &pages), 25);
    assert_int_equal(pages, 2);
    mem_free(text);
}

static void scan_gives_every_item_once(void **state)
{
    struct ddb_world *w = *state;
    char pk[16];
    for (int i = 0; i < 20; i++) {
        snprintf(pk, sizeof(pk), "p%d", i);
        fill(w, pk, 7);
    }
    size_t pages;
    struct ddb_query query = {.scan = true, .limit = 11};
    assert_int_equal(page_through(w, query, false, &pages), 140);
    query.limit = 0;
    assert_int_equal(page_through(w, query, false, &pages), 140);
    assert_int_equal(page_through(w, query, true, &pages), 140);
}

static void empty_pages_with_a_last_key_lose_nothing(void **state)
{
    struct ddb_world *w = *state;
    fill(w, "a", 30);
    struct ddb_query query = {.key_condition = SLICE_LITERAL("pk = :a"), .limit = 4};
    size_t pages;
    assert_int_equal(page_through(w, query, true, &pages), 30);
    assert_true(pages > 10);
}

static void a_start_key_must_lie_within_the_query(void **state)
{
    struct ddb_world *w = *state;
    fill(w, "a", 5);
    struct ddb_value values[2] = {VALUE(DDB_S, "a"), VALUE(DDB_S, "0002")};
    struct ddb_query query = {.key_condition = SLICE_LITERAL("pk = :a AND sk < :b"),
                              .start_key = KEY("b", "0001"),
                              .scope = ddb_world_bind(w, values, 2)};
    assert_false(dynamodb_model_query(w->table, &query, T0, &w->page, &w->error));
    ddb_world_assert_refused(w, "ValidationException", "outside query boundaries");
    query.scope = ddb_world_bind(w, values, 2);
    query.start_key = KEY("a", "0003");
    assert_false(dynamodb_model_query(w->table, &query, T0, &w->page, &w->error));
    query.scope = ddb_world_bind(w, values, 2);
    query.start_key = KEY("a", "00005"); /* need not exist */
    query_ok(w, &query);
    assert_int_equal(w->page.count, 1);
    query.scope = ddb_world_bind(w, values, 2);
    query.start_key = MAP(S("pk", "a"));
    assert_false(dynamodb_model_query(w->table, &query, T0, &w->page, &w->error));
}

static void filters_drop_items_but_not_their_cost(void **state)
{
    struct ddb_world *w = *state;
    fill(w, "a", 5);
    ddb_world_put(w, MAP(S("pk", "a"), S("sk", "9"), S("v", "x")));
    struct ddb_value values[2] = {VALUE(DDB_S, "a"), VALUE(DDB_S, "x")};
    struct ddb_query query = {.key_condition = SLICE_LITERAL("pk = :a"),
                              .filter = SLICE_LITERAL("v = :b"),
                              .projection = SLICE_LITERAL("sk, v"),
                              .consistent = true,
                              .scope = ddb_world_bind(w, values, 2)};
    query_ok(w, &query);
    assert_int_equal(w->page.count, 1);
    assert_int_equal(w->page.scanned, 6);
    assert_int_equal(w->page.projection.count, 2);
    assert_int_equal(w->page.read_half_units, 2);
    query.filter = SLICE_LITERAL("sk = :b");
    query.scope = ddb_world_bind(w, values, 2);
    assert_false(dynamodb_model_query(w->table, &query, T0, &w->page, &w->error));
    ddb_world_assert_refused(w, "ValidationException", "non-primary key");
}

/* Random puts, deletes and range queries, beside a plain array. */
static void agrees_with_a_plain_array(void **state)
{
    struct ddb_world *w = *state;
    enum { KEYS = 200 };
    bool there[KEYS] = {false};
    struct prng random;
    prng_init(&random, 9);
    char sk[16];
    char bound[16];
    for (int step = 0; step < 4000; step++) {
        int key = (int)prng_below(&random, KEYS);
        snprintf(sk, sizeof(sk), "%04d", key);
        bool puts = prng_below(&random, 2) == 0;
        struct ddb_write write = {.kind = puts ? DDB_PUT : DDB_DELETE, .item = KEY("a", sk)};
        assert_true(dynamodb_model_write(w->table, &write, T0, &w->written, &w->error));
        assert_int_equal(w->written.old_item != NULL, there[key]);
        there[key] = puts;
        int from = (int)prng_below(&random, KEYS);
        snprintf(bound, sizeof(bound), "%04d", from);
        struct ddb_value values[2] = {VALUE(DDB_S, "a"), VALUE(DDB_S, bound)};
        struct ddb_query query = {.key_condition = SLICE_LITERAL("pk = :a AND sk >= :b"),
                                  .scope = ddb_world_bind(w, values, 2)};
        query_ok(w, &query);
        size_t at = 0;
        for (int i = from; i < KEYS; i++) {
            if (!there[i])
                continue;
            assert_true(at < w->page.count);
            snprintf(sk, sizeof(sk), "%04d", i);
            ddb_world_assert_text(w->page.items[at++], "sk", sk);
        }
        assert_int_equal(at, w->page.count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(conditions_choose_a_range_in_order),
        CASE(key_conditions_are_checked),
        CASE(limit_pages_and_a_full_page_says_that_more_may_follow),
        CASE(a_page_holds_one_megabyte),
        CASE(scan_gives_every_item_once),
        CASE(empty_pages_with_a_last_key_lose_nothing),
        CASE(a_start_key_must_lie_within_the_query),
        CASE(filters_drop_items_but_not_their_cost),
        CASE(agrees_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
