/* The expressions that are not plain conditions. */
#include <string.h>

#include "tests/model/ddb_expression_internal.h"

struct assignment {
    struct slice name;
    const struct ddb_value *value;
    struct slice unless; /* if_not_exists(unless, value): null otherwise */
    bool removes;
    struct assignment *next;
};

struct ddb_update {
    struct assignment *first; /* in the order written */
};

/* --- key conditions -------------------------------------------------------------------------- */

static bool take_key_part(struct ddb_parser *p, const struct ddb_condition *c,
                          struct slice hash_name, struct slice range_name,
                          struct ddb_key_condition *ret)
{
    if (c->kind == DDB_CONDITION_AND)
        return take_key_part(p, c->left, hash_name, range_name, ret) &&
               take_key_part(p, c->right, hash_name, range_name, ret);
    if (c->kind != DDB_CONDITION_COMPARE && c->kind != DDB_CONDITION_BETWEEN &&
        c->kind != DDB_CONDITION_BEGINS_WITH)
        return ddb_parser_refuse(p, "Invalid operator used in KeyConditionExpression", SLICE_NULL);
    if (c->operands[0].kind != DDB_OPERAND_PATH || c->operands[1].kind != DDB_OPERAND_VALUE ||
        (c->kind == DDB_CONDITION_BETWEEN && c->operands[2].kind != DDB_OPERAND_VALUE))
        return ddb_parser_refuse(p, "Each condition must compare a key with a value", SLICE_NULL);
    const struct ddb_value *value = c->operands[1].value;
    if (slice_equal(c->operands[0].path, hash_name)) {
        if (c->kind != DDB_CONDITION_COMPARE || c->comparator != DDB_TOKEN_EQ || ret->hash != NULL)
            return model_refuse(p->error, 400, "ValidationException", NULL,
                                "Query key condition not supported");
        ret->hash = value;
        return true;
    }
    if (!slice_equal(c->operands[0].path, range_name))
        return model_refuse(p->error, 400, "ValidationException", NULL,
                            "Query condition missed key schema element: %.*s",
                            SLICE_ARG(ret->hash == NULL ? hash_name : range_name));
    static const enum ddb_key_operator operators[] = {
        [DDB_TOKEN_EQ] = DDB_KEY_EQ, [DDB_TOKEN_LT] = DDB_KEY_LT, [DDB_TOKEN_LE] = DDB_KEY_LE,
        [DDB_TOKEN_GT] = DDB_KEY_GT, [DDB_TOKEN_GE] = DDB_KEY_GE,
    };
    if (ret->range != NULL || (c->kind == DDB_CONDITION_COMPARE && c->comparator == DDB_TOKEN_NE))
        return model_refuse(p->error, 400, "ValidationException", NULL,
                            "Query key condition not supported");
    ret->range = value;
    ret->range_operator = c->kind == DDB_CONDITION_COMPARE   ? operators[c->comparator]
                          : c->kind == DDB_CONDITION_BETWEEN ? DDB_KEY_BETWEEN
                                                             : DDB_KEY_BEGINS_WITH;
    if (c->kind == DDB_CONDITION_BETWEEN)
        ret->range_end = c->operands[2].value;
    return true;
}

bool ddb_key_condition_parse(struct slice text, struct slice hash_name, struct slice range_name,
                             struct ddb_scope *scope, struct model_arena *arena,
                             struct ddb_key_condition *ret, struct model_error *reterr)
{
    *ret = (struct ddb_key_condition){.range_operator = DDB_KEY_ANY};
    struct ddb_parser p;
    const struct ddb_condition *condition = NULL;
    if (!ddb_parser_start(&p, "KeyConditionExpression", text, scope, arena, reterr) ||
        !ddb_parse_or(&p, &condition))
        return false;
    if (p.token.kind != DDB_TOKEN_END)
        return ddb_parser_refuse_syntax(&p);
    if (!take_key_part(&p, condition, hash_name, range_name, ret))
        return false;
    if (ret->hash == NULL)
        return model_refuse(reterr, 400, "ValidationException", NULL,
                            "Query condition missed key schema element: %.*s",
                            SLICE_ARG(hash_name));
    return true;
}

/* --- updates and projections ----------------------------------------------------------------- */

static bool parse_assignment(struct ddb_parser *p, struct assignment *a)
{
    if (!ddb_parse_path(p, &a->name) || !ddb_parser_expect(p, DDB_TOKEN_EQ))
        return false;
    if (!ddb_token_is_keyword(&p->token, "if_not_exists"))
        return ddb_parse_value(p, &a->value);
    ddb_parser_advance(p);
    return ddb_parser_expect(p, DDB_TOKEN_OPEN) && ddb_parse_path(p, &a->unless) &&
           ddb_parser_expect(p, DDB_TOKEN_COMMA) && ddb_parse_value(p, &a->value) &&
           ddb_parser_expect(p, DDB_TOKEN_CLOSE);
}

static bool parse_clause(struct ddb_parser *p, bool removes, struct ddb_update *update,
                         struct assignment ***tail)
{
    do {
        struct assignment *a = model_arena_take(p->arena, sizeof(*a));
        a->removes = removes;
        if (removes ? !ddb_parse_path(p, &a->name) : !parse_assignment(p, a))
            return false;
        if (ddb_update_touches(update, a->name))
            return ddb_parser_refuse(
                p,
                "Two document paths overlap with each other; must remove or rewrite one "
                "of these paths; path: ",
                a->name);
        **tail = a;
        *tail = &a->next;
    } while (p->token.kind == DDB_TOKEN_COMMA && (ddb_parser_advance(p), true));
    return true;
}

bool ddb_update_parse(struct slice text, struct ddb_scope *scope, struct model_arena *arena,
                      const struct ddb_update **ret, struct model_error *reterr)
{
    struct ddb_update *update = model_arena_take(arena, sizeof(*update));
    struct assignment **tail = &update->first;
    *ret = update;
    if (slice_is_null(text))
        return true;
    struct ddb_parser p;
    if (!ddb_parser_start(&p, "UpdateExpression", text, scope, arena, reterr))
        return false;
    bool seen[2] = {false, false};
    while (p.token.kind != DDB_TOKEN_END) {
        bool removes = ddb_token_is_keyword(&p.token, "REMOVE");
        if (!removes && !ddb_token_is_keyword(&p.token, "SET"))
            return ddb_parser_refuse_syntax(&p);
        if (seen[removes])
            return ddb_parser_refuse(
                &p, "The clause can only be used once in an update expression: ", p.token.text);
        seen[removes] = true;
        ddb_parser_advance(&p);
        if (!parse_clause(&p, removes, update, &tail))
            return false;
    }
    return true;
}

bool ddb_update_touches(const struct ddb_update *update, struct slice attribute)
{
    for (const struct assignment *a = update->first; a != NULL; a = a->next) {
        if (slice_equal(a->name, attribute))
            return true;
    }
    return false;
}

void ddb_update_apply(const struct ddb_update *update, const struct ddb_value *item,
                      struct model_arena *arena, struct ddb_value *ret)
{
    size_t count = item->count;
    for (const struct assignment *a = update->first; a != NULL; a = a->next)
        count++;
    struct ddb_pair *pairs = model_arena_take(arena, count * sizeof(*pairs));
    size_t used = 0;
    for (size_t i = 0; i < item->count; i++) {
        if (!ddb_update_touches(update, item->pairs[i].name))
            pairs[used++] = item->pairs[i];
    }
    for (const struct assignment *a = update->first; a != NULL; a = a->next) {
        const struct ddb_value *there =
            slice_is_null(a->unless) ? NULL : ddb_value_get(item, a->unless);
        if (!a->removes)
            pairs[used++] = (struct ddb_pair){a->name, there != NULL ? *there : *a->value};
    }
    *ret = (struct ddb_value){.type = DDB_M, .pairs = pairs, .count = used};
}

bool ddb_projection_parse(struct slice text, struct ddb_scope *scope, struct model_arena *arena,
                          struct ddb_projection *ret, struct model_error *reterr)
{
    *ret = (struct ddb_projection){0};
    if (slice_is_null(text))
        return true;
    struct ddb_parser p;
    if (!ddb_parser_start(&p, "ProjectionExpression", text, scope, arena, reterr))
        return false;
    size_t most = text.len / 2 + 1; /* a name and a comma each */
    struct slice *names = model_arena_take(arena, most * sizeof(*names));
    size_t count = 0;
    do {
        if (!ddb_parse_path(&p, &names[count++]))
            return false;
    } while (p.token.kind == DDB_TOKEN_COMMA && (ddb_parser_advance(&p), true));
    *ret = (struct ddb_projection){names, count};
    return p.token.kind == DDB_TOKEN_END || ddb_parser_refuse_syntax(&p);
}

bool ddb_scope_check_all_used(const struct ddb_scope *scope, struct model_error *reterr)
{
    for (size_t i = 0; i < scope->name_count; i++) {
        if (!scope->names[i].used)
            return model_refuse(reterr, 400, "ValidationException", NULL,
                                "Value provided in ExpressionAttributeNames unused in "
                                "expressions: keys: {%.*s}",
                                SLICE_ARG(scope->names[i].placeholder));
    }
    for (size_t i = 0; i < scope->value_count; i++) {
        if (!scope->values[i].used)
            return model_refuse(reterr, 400, "ValidationException", NULL,
                                "Value provided in ExpressionAttributeValues unused in "
                                "expressions: keys: {%.*s}",
                                SLICE_ARG(scope->values[i].placeholder));
    }
    return true;
}
