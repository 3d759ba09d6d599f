/* DynamoDB's expressions: conditions, filters, key conditions, updates and projections over
 * top-level attributes (paths into maps and lists are refused: nobody here uses them). */
#ifndef TESTS_MODEL_DDB_EXPRESSION_H
#define TESTS_MODEL_DDB_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "common/compiler.h"
#include "common/slice.h"
#include "tests/model/ddb_value.h"
#include "tests/model/model_arena.h"
#include "tests/model/model_error.h"

struct ddb_name {
    struct slice placeholder; /* "#n" */
    struct slice name;
    bool used; /* set by the parser */
};

struct ddb_bound {
    struct slice placeholder; /* ":v" */
    const struct ddb_value *value;
    bool used;
};

/* What the expressions of one request share. Unused placeholders are refused, as AWS does. */
struct ddb_scope {
    struct ddb_name *names;
    size_t name_count;
    struct ddb_bound *values;
    size_t value_count;
};
NODISCARD bool ddb_scope_check_all_used(const struct ddb_scope *scope, struct model_error *reterr);

struct ddb_condition; /* lives in the arena; NULL: always true */

/* kind names the expression in messages: "ConditionExpression". A null text gives NULL. */
NODISCARD bool ddb_condition_parse(const char *kind, struct slice text, struct ddb_scope *scope,
                                   struct model_arena *arena, const struct ddb_condition **ret,
                                   struct model_error *reterr);
/* item NULL: there is none. */
bool ddb_condition_holds(const struct ddb_condition *condition, const struct ddb_value *item);
/* Whether it names the attribute: filters must not name keys. */
bool ddb_condition_names(const struct ddb_condition *condition, struct slice attribute);

enum ddb_key_operator {
    DDB_KEY_ANY, /* no condition on the sort key */
    DDB_KEY_EQ,
    DDB_KEY_LT,
    DDB_KEY_LE,
    DDB_KEY_GT,
    DDB_KEY_GE,
    DDB_KEY_BETWEEN,
    DDB_KEY_BEGINS_WITH,
};

struct ddb_key_condition {
    const struct ddb_value *hash;
    enum ddb_key_operator range_operator;
    const struct ddb_value *range;     /* NULL with DDB_KEY_ANY */
    const struct ddb_value *range_end; /* BETWEEN only */
};
NODISCARD bool ddb_key_condition_parse(struct slice text, struct slice hash_name,
                                       struct slice range_name, struct ddb_scope *scope,
                                       struct model_arena *arena, struct ddb_key_condition *ret,
                                       struct model_error *reterr);

struct ddb_update; /* lives in the arena */
NODISCARD bool ddb_update_parse(struct slice text, struct ddb_scope *scope,
                                struct model_arena *arena, const struct ddb_update **ret,
                                struct model_error *reterr);
/* Whether it sets or removes the attribute: keys must not be. */
bool ddb_update_touches(const struct ddb_update *update, struct slice attribute);
/* The item with the update applied, in the arena and borrowing from both. */
void ddb_update_apply(const struct ddb_update *update, const struct ddb_value *item,
                      struct model_arena *arena, struct ddb_value *ret);

/* Names in the arena; a null text gives none, which means all. */
struct ddb_projection {
    const struct slice *names;
    size_t count;
};
NODISCARD bool ddb_projection_parse(struct slice text, struct ddb_scope *scope,
                                    struct model_arena *arena, struct ddb_projection *ret,
                                    struct model_error *reterr);

/* Whether an attribute must be written as #n in an expression; upper and lower case alike. */
bool ddb_is_reserved(struct slice name);

#endif
