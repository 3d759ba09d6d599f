/* A table with pk and sk, short ways to write items, and to read and write the table: shared by the
 * tests of the DynamoDB model. */
#ifndef TESTS_UNIT_DYNAMODB_MODEL_WORLD_H
#define TESTS_UNIT_DYNAMODB_MODEL_WORLD_H

#include "tests/harness/unit.h"

#include "common/mem.h"
#include "tests/model/dynamodb_model.h"

#define T0     INT64_C(1800000000000)
#define SECOND INT64_C(1000)

#define VALUE(kind, text) ((struct ddb_value){.type = (kind), .bytes = slice_from_str(text)})
#define S(name, text)     ((struct ddb_pair){slice_from_str(name), VALUE(DDB_S, text)})
#define N(name, text)     ((struct ddb_pair){slice_from_str(name), VALUE(DDB_N, text)})
#define MAP(...)                                                                                   \
    (&(const struct ddb_value){.type = DDB_M,                                                      \
                               .pairs = (const struct ddb_pair[]){__VA_ARGS__},                    \
                               .count = sizeof((const struct ddb_pair[]){__VA_ARGS__}) /           \
                                        sizeof(struct ddb_pair)})
#define KEY(pk_text, sk_text) MAP(S("pk", pk_text), S("sk", sk_text))

struct world {
    struct dynamodb_model *model;
    struct ddb_table *table;
    struct ddb_written written;
    struct ddb_page page;
    struct model_error error;
    struct ddb_name names[4]; /* #a #b #c #d */
    struct ddb_value values[4];
    struct ddb_bound bounds[4]; /* :a :b :c :d */
    struct ddb_scope scope;
};

static inline struct ddb_table *make_table(struct world *w, const char *name)
{
    struct ddb_schema schema = {SLICE_LITERAL("pk"), DDB_S, SLICE_LITERAL("sk"), DDB_S};
    struct ddb_table *table = NULL;
    struct model_error error = {0};
    if (!dynamodb_model_create_table(w->model, slice_from_str(name), &schema, T0, &table, &error))
        fail_msg("%s: %s", name, error.text);
    return table;
}

static inline int set_up(void **state)
{
    struct world *w = mem_calloc(1, sizeof(*w));
    w->model = dynamodb_model_new(3);
    w->table = make_table(w, "records");
    *state = w;
    return 0;
}

static inline int tear_down(void **state)
{
    struct world *w = *state;
    dynamodb_model_free(w->model);
    mem_free(w);
    return 0;
}

/* Values for :a, :b ... of the next expression; names for #a, #b ... */
static inline struct ddb_scope *bind(struct world *w, const struct ddb_value *values, size_t count)
{
    static const char *const placeholders[] = {":a", ":b", ":c", ":d"};
    for (size_t i = 0; i < count; i++) {
        w->values[i] = values[i];
        w->bounds[i] = (struct ddb_bound){slice_from_str(placeholders[i]), &w->values[i], false};
    }
    w->scope = (struct ddb_scope){w->names, 0, w->bounds, count};
    return &w->scope;
}

static inline struct ddb_scope *bind_name(struct world *w, const char *name)
{
    w->names[0] = (struct ddb_name){SLICE_LITERAL("#a"), slice_from_str(name), false};
    w->scope.names = w->names;
    w->scope.name_count = 1;
    return &w->scope;
}

static inline bool put_at(struct world *w, const struct ddb_value *item, const char *condition,
                          struct ddb_scope *scope, int64_t now_ms)
{
    struct ddb_write write = {
        .kind = DDB_PUT, .item = item, .condition = slice_from_str(condition), .scope = scope};
    return dynamodb_model_write(w->table, &write, now_ms, &w->written, &w->error);
}

static inline void put(struct world *w, const struct ddb_value *item)
{
    if (!put_at(w, item, NULL, NULL, T0))
        fail_msg("put: %s", w->error.text);
}

static inline bool update(struct world *w, const struct ddb_value *key, const char *expression,
                          const char *condition, struct ddb_scope *scope)
{
    struct ddb_write write = {.kind = DDB_UPDATE,
                              .item = key,
                              .condition = slice_from_str(condition),
                              .update = slice_from_str(expression),
                              .scope = scope};
    return dynamodb_model_write(w->table, &write, T0, &w->written, &w->error);
}

static inline const struct ddb_value *get_at(struct world *w, const char *pk, const char *sk,
                                             int64_t now_ms)
{
    const struct ddb_value *item = NULL;
    if (!dynamodb_model_get(w->table, KEY(pk, sk), now_ms, &item, &w->error))
        fail_msg("get: %s", w->error.text);
    return item;
}

static inline void assert_text(const struct ddb_value *item, const char *name, const char *text)
{
    assert_non_null(item);
    const struct ddb_value *value = ddb_value_get(item, slice_from_str(name));
    assert_non_null(value);
    assert_slice_equal(value->bytes, text);
}

static inline void assert_refused(const struct world *w, const char *code, const char *text)
{
    assert_string_equal(w->error.code, code);
    if (strstr(w->error.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", w->error.text, text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
