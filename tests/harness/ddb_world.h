/* A table with pk and sk, short ways to write items, and to read and write the table: shared by the
 * tests of the DynamoDB model. */
#ifndef TESTS_HARNESS_DDB_WORLD_H
#define TESTS_HARNESS_DDB_WORLD_H

#include "tests/harness/unit.h"

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

struct ddb_world {
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

struct ddb_table *ddb_world_make_table(struct ddb_world *w, const char *name);
int ddb_world_set_up(void **state);
int ddb_world_tear_down(void **state);
/* Values for :a, :b ... of the next expression. */
struct ddb_scope *ddb_world_bind(struct ddb_world *w, const struct ddb_value *values, size_t count);
/* A name for #a, besides. */
struct ddb_scope *ddb_world_bind_name(struct ddb_world *w, const char *name);
/* False and w->error: refused. What there is to say of a write is in w->written. */
bool ddb_world_put_at(struct ddb_world *w, const struct ddb_value *item, const char *condition,
                      struct ddb_scope *scope, int64_t now_ms);
void ddb_world_put(struct ddb_world *w, const struct ddb_value *item);
bool ddb_world_update(struct ddb_world *w, const struct ddb_value *key, const char *expression,
                      const char *condition, struct ddb_scope *scope);
/* NULL: there is none. */
const struct ddb_value *ddb_world_get_at(struct ddb_world *w, const char *pk, const char *sk,
                                         int64_t now_ms);
void ddb_world_assert_text(const struct ddb_value *item, const char *name, const char *text);
void ddb_world_assert_refused(const struct ddb_world *w, const char *code, const char *text);

#define CASE(name) cmocka_unit_test_setup_teardown(name, ddb_world_set_up, ddb_world_tear_down)

#endif
