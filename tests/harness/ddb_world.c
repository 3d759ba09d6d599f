#include "tests/harness/ddb_world.h"

#include "common/mem.h"

struct ddb_table *ddb_world_make_table(struct ddb_world *w, const char *name)
{
    struct ddb_schema schema = {SLICE_LITERAL("pk"), DDB_S, SLICE_LITERAL("sk"), DDB_S};
    struct ddb_table *table = NULL;
    struct model_error error = {0};
    if (!dynamodb_model_create_table(w->model, slice_from_str(name), &schema, T0, &table, &error))
        fail_msg("%s: %s", name, error.text);
    return table;
}

int ddb_world_set_up(void **state)
{
    struct ddb_world *w = mem_calloc(1, sizeof(*w));
    w->model = dynamodb_model_new(3);
    w->table = ddb_world_make_table(w, "records");
    *state = w;
    return 0;
}

int ddb_world_tear_down(void **state)
{
    struct ddb_world *w = *state;
    dynamodb_model_free(w->model);
    mem_free(w);
    return 0;
}

struct ddb_scope *ddb_world_bind(struct ddb_world *w, const struct ddb_value *values, size_t count)
{
    static const char *const placeholders[] = {":a", ":b", ":c", ":d"};
    for (size_t i = 0; i < count; i++) {
        w->values[i] = values[i];
        w->bounds[i] = (struct ddb_bound){slice_from_str(placeholders[i]), &w->values[i], false};
    }
    w->scope = (struct ddb_scope){w->names, 0, w->bounds, count};
    return &w->scope;
}

struct ddb_scope *ddb_world_bind_name(struct ddb_world *w, const char *name)
{
    w->names[0] = (struct ddb_name){SLICE_LITERAL("#a"), slice_from_str(name), false};
    w->scope.names = w->names;
    w->scope.name_count = 1;
    return &w->scope;
}

bool ddb_world_put_at(struct ddb_world *w, const struct ddb_value *item, const char *condition,
                      struct ddb_scope *scope, int64_t now_ms)
{
    struct ddb_write write = {
        .kind = DDB_PUT, .item = item, .condition = slice_from_str(condition), .scope = scope};
    return dynamodb_model_write(w->table, &write, now_ms, &w->written, &w->error);
}

void ddb_world_put(struct ddb_world *w, const struct ddb_value *item)
{
    if (!ddb_world_put_at(w, item, NULL, NULL, T0))
        fail_msg("put: %s", w->error.text);
}

bool ddb_world_update(struct ddb_world *w, const struct ddb_value *key, const char *expression,
                      const char *condition, struct ddb_scope *scope)
{
    struct ddb_write write = {.kind = DDB_UPDATE,
                              .item = key,
                              .condition = slice_from_str(condition),
                              .update = slice_from_str(expression),
                              .scope = scope};
    return dynamodb_model_write(w->table, &write, T0, &w->written, &w->error);
}

const struct ddb_value *ddb_world_get_at(struct ddb_world *w, const char *pk, const char *sk,
                                         int64_t now_ms)
{
    const struct ddb_value *item = NULL;
    if (!dynamodb_model_get(w->table, KEY(pk, sk), now_ms, &item, &w->error))
        fail_msg("get: %s", w->error.text);
    return item;
}

void ddb_world_assert_text(const struct ddb_value *item, const char *name, const char *text)
{
    assert_non_null(item);
    const struct ddb_value *value = ddb_value_get(item, slice_from_str(name));
    assert_non_null(value);
    assert_slice_equal(value->bytes, text);
}

void ddb_world_assert_refused(const struct ddb_world *w, const char *code, const char *text)
{
    assert_string_equal(w->error.code, code);
    if (strstr(w->error.text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", w->error.text, text);
}
