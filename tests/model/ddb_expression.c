#include "tests/model/ddb_expression.h"

#include <string.h>

#include "common/check.h"

#define DEPTH_MAX    64  /* of parentheses: the parser recurses */
#define OPERANDS_MAX 102 /* x IN (100 operands) */

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,  /* attribute, function or keyword */
    TOKEN_NAME,  /* #n */
    TOKEN_VALUE, /* :v */
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_LT,
    TOKEN_LE,
    TOKEN_GT,
    TOKEN_GE,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_OTHER, /* what no grammar here takes */
};

struct token {
    enum token_kind kind;
    struct slice text;
};

struct parser {
    const char *kind;
    struct slice text;
    size_t at; /* behind token */
    struct token token;
    int depth;
    struct ddb_scope *scope;
    struct model_arena *arena;
    struct model_error *error;
};

enum operand_kind {
    OPERAND_PATH,
    OPERAND_VALUE,
    OPERAND_SIZE, /* size(path) */
};

struct operand {
    enum operand_kind kind;
    struct slice path;
    const struct ddb_value *value;
};

enum condition_kind {
    CONDITION_AND,
    CONDITION_OR,
    CONDITION_NOT,
    CONDITION_COMPARE, /* token_kind in comparator */
    CONDITION_BETWEEN,
    CONDITION_IN,
    CONDITION_EXISTS,
    CONDITION_NOT_EXISTS,
    CONDITION_BEGINS_WITH,
    CONDITION_CONTAINS,
    CONDITION_TYPE,
};

struct ddb_condition {
    enum condition_kind kind;
    enum token_kind comparator;
    const struct ddb_condition *left; /* AND, OR, NOT */
    const struct ddb_condition *right;
    const struct operand *operands; /* the others */
    size_t operand_count;
};

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

/* --- tokens ---------------------------------------------------------------------------------- */

static bool is_word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void advance(struct parser *p)
{
    const uint8_t *text = p->text.ptr;
    while (p->at < p->text.len && strchr(" \t\r\n", text[p->at]) != NULL && text[p->at] != '\0')
        p->at++;
    size_t start = p->at;
    enum token_kind kind = TOKEN_OTHER;
    if (p->at == p->text.len) {
        p->token = (struct token){TOKEN_END, SLICE_LITERAL("<EOF>")};
        return;
    }
    uint8_t c = text[p->at++];
    uint8_t next = p->at < p->text.len ? text[p->at] : 0;
    if (is_word_byte(c) || c == '#' || c == ':') {
        while (p->at < p->text.len && is_word_byte(text[p->at]))
            p->at++;
        kind = c == '#' ? TOKEN_NAME : c == ':' ? TOKEN_VALUE : TOKEN_WORD;
    } else if (c == '<') {
        kind = next == '>' ? TOKEN_NE : next == '=' ? TOKEN_LE : TOKEN_LT;
        p->at += kind != TOKEN_LT;
    } else if (c == '>') {
        kind = next == '=' ? TOKEN_GE : TOKEN_GT;
        p->at += kind != TOKEN_GT;
    } else if (c == '=') {
        kind = TOKEN_EQ;
    } else if (c == '(') {
        kind = TOKEN_OPEN;
    } else if (c == ')') {
        kind = TOKEN_CLOSE;
    } else if (c == ',') {
        kind = TOKEN_COMMA;
    }
    p->token = (struct token){kind, slice_from(text + start, p->at - start)};
}

static bool refuse(struct parser *p, const char *what, struct slice detail)
{
    return model_refuse(p->error, 400, "ValidationException", NULL, "Invalid %s: %s%.*s", p->kind,
                        what, SLICE_ARG(detail));
}

static bool refuse_syntax(struct parser *p)
{
    struct slice rest = slice_from(p->text.ptr, p->text.len);
    return model_refuse(p->error, 400, "ValidationException", NULL,
                        "Invalid %s: Syntax error; token: \"%.*s\", near: \"%.*s\"", p->kind,
                        SLICE_ARG(p->token.text), (int)MIN(rest.len, (size_t)200),
                        rest.ptr == NULL ? "" : (const char *)rest.ptr);
}

static bool is_keyword(const struct token *token, const char *word)
{
    return token->kind == TOKEN_WORD && token->text.len == strlen(word) &&
           strncasecmp((const char *)token->text.ptr, word, token->text.len) == 0;
}

static bool expect(struct parser *p, enum token_kind kind)
{
    if (p->token.kind != kind)
        return refuse_syntax(p);
    advance(p);
    return true;
}

static bool start(struct parser *p, const char *kind, struct slice text, struct ddb_scope *scope,
                  struct model_arena *arena, struct model_error *error)
{
    *p =
        (struct parser){.kind = kind, .text = text, .scope = scope, .arena = arena, .error = error};
    advance(p);
    if (p->token.kind == TOKEN_END)
        return refuse(p, "The expression can not be empty;", SLICE_NULL);
    return true;
}

/* --- operands -------------------------------------------------------------------------------- */

static bool parse_path(struct parser *p, struct slice *ret)
{
    if (p->token.kind == TOKEN_NAME) {
        for (size_t i = 0; i < p->scope->name_count; i++) {
            struct ddb_name *name = &p->scope->names[i];
            if (slice_equal(name->placeholder, p->token.text)) {
                name->used = true;
                *ret = name->name;
                advance(p);
                return true;
            }
        }
        return refuse(p,
                      "An expression attribute name used in the document path is not defined; "
                      "attribute name: ",
                      p->token.text);
    }
    if (p->token.kind != TOKEN_WORD)
        return refuse_syntax(p);
    if (ddb_is_reserved(p->token.text))
        return refuse(p, "Attribute name is a reserved keyword; reserved keyword: ", p->token.text);
    *ret = p->token.text;
    advance(p);
    return true;
}

static bool parse_value(struct parser *p, const struct ddb_value **ret)
{
    if (p->token.kind != TOKEN_VALUE)
        return refuse_syntax(p);
    for (size_t i = 0; i < p->scope->value_count; i++) {
        struct ddb_bound *bound = &p->scope->values[i];
        if (slice_equal(bound->placeholder, p->token.text)) {
            bound->used = true;
            *ret = bound->value;
            advance(p);
            return true;
        }
    }
    return refuse(
        p, "An expression attribute value used in expression is not defined; attribute value: ",
        p->token.text);
}

static bool parse_operand(struct parser *p, struct operand *ret)
{
    *ret = (struct operand){.kind = OPERAND_PATH};
    if (p->token.kind == TOKEN_VALUE) {
        ret->kind = OPERAND_VALUE;
        return parse_value(p, &ret->value);
    }
    if (is_keyword(&p->token, "size")) {
        advance(p);
        ret->kind = OPERAND_SIZE;
        return expect(p, TOKEN_OPEN) && parse_path(p, &ret->path) && expect(p, TOKEN_CLOSE);
    }
    return parse_path(p, &ret->path);
}

/* --- conditions ------------------------------------------------------------------------------ */

static struct ddb_condition *new_condition(struct parser *p, enum condition_kind kind,
                                           const struct operand *operands, size_t count)
{
    struct ddb_condition *condition = model_arena_take(p->arena, sizeof(*condition));
    condition->kind = kind;
    condition->operand_count = count;
    struct operand *copies = model_arena_take(p->arena, count * sizeof(*copies));
    if (count > 0)
        memcpy(copies, operands, count * sizeof(*copies));
    condition->operands = copies;
    return condition;
}

static bool parse_list(struct parser *p, struct operand *operands, size_t *count, size_t most)
{
    do {
        if (*count == most)
            return refuse_syntax(p);
        if (!parse_operand(p, &operands[(*count)++]))
            return false;
    } while (p->token.kind == TOKEN_COMMA && (advance(p), true));
    return expect(p, TOKEN_CLOSE);
}

static bool parse_function(struct parser *p, const struct ddb_condition **ret, bool *ret_is_one)
{
    static const struct {
        const char *name;
        enum condition_kind kind;
        size_t count;
    } functions[] = {
        {"attribute_exists", CONDITION_EXISTS, 1},
        {"attribute_not_exists", CONDITION_NOT_EXISTS, 1},
        {"begins_with", CONDITION_BEGINS_WITH, 2},
        {"contains", CONDITION_CONTAINS, 2},
        {"attribute_type", CONDITION_TYPE, 2},
    };
    *ret_is_one = false;
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (p->token.kind != TOKEN_WORD || !slice_equal_str(p->token.text, functions[i].name))
            continue;
        *ret_is_one = true;
        struct operand operands[2];
        size_t count = 0;
        advance(p);
        if (!expect(p, TOKEN_OPEN) || !parse_list(p, operands, &count, 2))
            return false;
        if (count != functions[i].count)
            return refuse(p, "Incorrect number of operands for operator or function; operator: ",
                          slice_from_str(functions[i].name));
        if (operands[0].kind != OPERAND_PATH)
            return refuse(p, "Operator or function requires a document path; operator: ",
                          slice_from_str(functions[i].name));
        *ret = new_condition(p, functions[i].kind, operands, count);
        return true;
    }
    return true;
}

static bool parse_comparison(struct parser *p, const struct ddb_condition **ret)
{
    struct operand operands[OPERANDS_MAX];
    size_t count = 1;
    if (!parse_operand(p, &operands[0]))
        return false;
    if (is_keyword(&p->token, "BETWEEN")) {
        advance(p);
        if (!parse_operand(p, &operands[1]))
            return false;
        if (!is_keyword(&p->token, "AND"))
            return refuse_syntax(p);
        advance(p);
        if (!parse_operand(p, &operands[2]))
            return false;
        *ret = new_condition(p, CONDITION_BETWEEN, operands, 3);
        return true;
    }
    if (is_keyword(&p->token, "IN")) {
        advance(p);
        if (!expect(p, TOKEN_OPEN) || !parse_list(p, operands, &count, OPERANDS_MAX - 1))
            return false;
        *ret = new_condition(p, CONDITION_IN, operands, count);
        return true;
    }
    enum token_kind comparator = p->token.kind;
    if (comparator < TOKEN_EQ || comparator > TOKEN_GE)
        return refuse_syntax(p);
    advance(p);
    if (!parse_operand(p, &operands[1]))
        return false;
    struct ddb_condition *condition = new_condition(p, CONDITION_COMPARE, operands, 2);
    condition->comparator = comparator;
    *ret = condition;
    return true;
}

static bool parse_or(struct parser *p, const struct ddb_condition **ret);

static bool parse_not(struct parser *p, const struct ddb_condition **ret)
{
    if (++p->depth > DEPTH_MAX)
        return refuse(p, "The expression nests too deep;", SLICE_NULL);
    bool ok;
    if (is_keyword(&p->token, "NOT")) {
        advance(p);
        const struct ddb_condition *inner = NULL;
        ok = parse_not(p, &inner);
        struct ddb_condition *condition = new_condition(p, CONDITION_NOT, NULL, 0);
        condition->left = inner;
        *ret = condition;
    } else if (p->token.kind == TOKEN_OPEN) {
        advance(p);
        ok = parse_or(p, ret) && expect(p, TOKEN_CLOSE);
    } else {
        bool function;
        ok = parse_function(p, ret, &function) && (function || parse_comparison(p, ret));
    }
    p->depth--;
    return ok;
}

static bool parse_and(struct parser *p, const struct ddb_condition **ret)
{
    if (!parse_not(p, ret))
        return false;
    while (is_keyword(&p->token, "AND")) {
        advance(p);
        struct ddb_condition *both = new_condition(p, CONDITION_AND, NULL, 0);
        both->left = *ret;
        if (!parse_not(p, &both->right))
            return false;
        *ret = both;
    }
    return true;
}

static bool parse_or(struct parser *p, const struct ddb_condition **ret)
{
    if (!parse_and(p, ret))
        return false;
    while (is_keyword(&p->token, "OR")) {
        advance(p);
        struct ddb_condition *either = new_condition(p, CONDITION_OR, NULL, 0);
        either->left = *ret;
        if (!parse_and(p, &either->right))
            return false;
        *ret = either;
    }
    return true;
}

bool ddb_condition_parse(const char *kind, struct slice text, struct ddb_scope *scope,
                         struct model_arena *arena, const struct ddb_condition **ret,
                         struct model_error *reterr)
{
    *ret = NULL;
    if (slice_is_null(text))
        return true;
    struct parser p;
    return start(&p, kind, text, scope, arena, reterr) && parse_or(&p, ret) &&
           (p.token.kind == TOKEN_END || refuse_syntax(&p));
}

/* space: for the number that size() gives. */
static const struct ddb_value *operand_value(const struct operand *operand,
                                             const struct ddb_value *item, struct ddb_value *space,
                                             char digits[24])
{
    if (operand->kind == OPERAND_VALUE)
        return operand->value;
    const struct ddb_value *value = ddb_value_get(item, operand->path);
    if (operand->kind == OPERAND_PATH || value == NULL)
        return value;
    size_t size = value->type == DDB_S || value->type == DDB_B ? value->bytes.len : value->count;
    char *at = digits + 24;
    do {
        *--at = (char)('0' + size % 10);
        size /= 10;
    } while (size > 0);
    *space = (struct ddb_value){.type = DDB_N, .bytes = slice_from(at, (size_t)(digits + 24 - at))};
    return space;
}

static bool compares(enum token_kind comparator, const struct ddb_value *a,
                     const struct ddb_value *b)
{
    if (a == NULL || b == NULL)
        return false;
    if (comparator == TOKEN_EQ)
        return ddb_value_equal(a, b);
    if (comparator == TOKEN_NE)
        return !ddb_value_equal(a, b);
    int order;
    if (!ddb_value_compare(a, b, &order))
        return false;
    return comparator == TOKEN_LT   ? order < 0
           : comparator == TOKEN_LE ? order <= 0
           : comparator == TOKEN_GT ? order > 0
                                    : order >= 0;
}

static bool contains(const struct ddb_value *whole, const struct ddb_value *part)
{
    if (whole->type == part->type && (whole->type == DDB_S || whole->type == DDB_B))
        return part->bytes.len == 0 ||
               memmem(whole->bytes.ptr, whole->bytes.len, part->bytes.ptr, part->bytes.len) != NULL;
    for (size_t i = 0; whole->elements != NULL && i < whole->count; i++) {
        if (ddb_value_equal(&whole->elements[i], part))
            return true;
    }
    return false;
}

static bool predicate_holds(const struct ddb_condition *c, const struct ddb_value *item)
{
    struct ddb_value space[3];
    char digits[3][24];
    const struct ddb_value *v[3] = {NULL, NULL, NULL};
    for (size_t i = 0; i < c->operand_count && i < 3; i++)
        v[i] = operand_value(&c->operands[i], item, &space[i], digits[i]);
    switch (c->kind) {
    case CONDITION_COMPARE:
        return compares(c->comparator, v[0], v[1]);
    case CONDITION_BETWEEN:
        return compares(TOKEN_GE, v[0], v[1]) && compares(TOKEN_LE, v[0], v[2]);
    case CONDITION_IN:
        for (size_t i = 1; i < c->operand_count; i++) {
            if (compares(TOKEN_EQ, v[0],
                         operand_value(&c->operands[i], item, &space[1], digits[1])))
                return true;
        }
        return false;
    case CONDITION_EXISTS:
        return v[0] != NULL;
    case CONDITION_NOT_EXISTS:
        return v[0] == NULL;
    case CONDITION_BEGINS_WITH:
        return v[0] != NULL && v[1] != NULL && v[0]->type == v[1]->type &&
               (v[0]->type == DDB_S || v[0]->type == DDB_B) && v[0]->bytes.len >= v[1]->bytes.len &&
               slice_equal(slice_from(v[0]->bytes.ptr, v[1]->bytes.len), v[1]->bytes);
    case CONDITION_CONTAINS:
        return v[0] != NULL && v[1] != NULL && contains(v[0], v[1]);
    case CONDITION_TYPE:
        return v[0] != NULL && v[1] != NULL && v[1]->type == DDB_S &&
               slice_equal_str(v[1]->bytes, ddb_type_name(v[0]->type));
    case CONDITION_AND:
    case CONDITION_OR:
    case CONDITION_NOT:
        break;
    }
    UNREACHABLE();
}

bool ddb_condition_holds(const struct ddb_condition *c, const struct ddb_value *item)
{
    if (c == NULL)
        return true;
    if (c->kind == CONDITION_AND)
        return ddb_condition_holds(c->left, item) && ddb_condition_holds(c->right, item);
    if (c->kind == CONDITION_OR)
        return ddb_condition_holds(c->left, item) || ddb_condition_holds(c->right, item);
    if (c->kind == CONDITION_NOT)
        return !ddb_condition_holds(c->left, item);
    return predicate_holds(c, item);
}

bool ddb_condition_names(const struct ddb_condition *c, struct slice attribute)
{
    if (c == NULL)
        return false;
    for (size_t i = 0; i < c->operand_count; i++) {
        if (c->operands[i].kind != OPERAND_VALUE && slice_equal(c->operands[i].path, attribute))
            return true;
    }
    return ddb_condition_names(c->left, attribute) || ddb_condition_names(c->right, attribute);
}

/* --- key conditions -------------------------------------------------------------------------- */

static bool take_key_part(struct parser *p, const struct ddb_condition *c, struct slice hash_name,
                          struct slice range_name, struct ddb_key_condition *ret)
{
    if (c->kind == CONDITION_AND)
        return take_key_part(p, c->left, hash_name, range_name, ret) &&
               take_key_part(p, c->right, hash_name, range_name, ret);
    if (c->kind != CONDITION_COMPARE && c->kind != CONDITION_BETWEEN &&
        c->kind != CONDITION_BEGINS_WITH)
        return refuse(p, "Invalid operator used in KeyConditionExpression", SLICE_NULL);
    if (c->operands[0].kind != OPERAND_PATH || c->operands[1].kind != OPERAND_VALUE ||
        (c->kind == CONDITION_BETWEEN && c->operands[2].kind != OPERAND_VALUE))
        return refuse(p, "Each condition must compare a key with a value", SLICE_NULL);
    const struct ddb_value *value = c->operands[1].value;
    if (slice_equal(c->operands[0].path, hash_name)) {
        if (c->kind != CONDITION_COMPARE || c->comparator != TOKEN_EQ || ret->hash != NULL)
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
        [TOKEN_EQ] = DDB_KEY_EQ, [TOKEN_LT] = DDB_KEY_LT, [TOKEN_LE] = DDB_KEY_LE,
        [TOKEN_GT] = DDB_KEY_GT, [TOKEN_GE] = DDB_KEY_GE,
    };
    if (ret->range != NULL || (c->kind == CONDITION_COMPARE && c->comparator == TOKEN_NE))
        return model_refuse(p->error, 400, "ValidationException", NULL,
                            "Query key condition not supported");
    ret->range = value;
    ret->range_operator = c->kind == CONDITION_COMPARE   ? operators[c->comparator]
                          : c->kind == CONDITION_BETWEEN ? DDB_KEY_BETWEEN
                                                         : DDB_KEY_BEGINS_WITH;
    if (c->kind == CONDITION_BETWEEN)
        ret->range_end = c->operands[2].value;
    return true;
}

bool ddb_key_condition_parse(struct slice text, struct slice hash_name, struct slice range_name,
                             struct ddb_scope *scope, struct model_arena *arena,
                             struct ddb_key_condition *ret, struct model_error *reterr)
{
    *ret = (struct ddb_key_condition){.range_operator = DDB_KEY_ANY};
    struct parser p;
    const struct ddb_condition *condition = NULL;
    if (!start(&p, "KeyConditionExpression", text, scope, arena, reterr) ||
        !parse_or(&p, &condition))
        return false;
    if (p.token.kind != TOKEN_END)
        return refuse_syntax(&p);
    if (!take_key_part(&p, condition, hash_name, range_name, ret))
        return false;
    if (ret->hash == NULL)
        return model_refuse(reterr, 400, "ValidationException", NULL,
                            "Query condition missed key schema element: %.*s",
                            SLICE_ARG(hash_name));
    return true;
}

/* --- updates and projections ----------------------------------------------------------------- */

static bool parse_assignment(struct parser *p, struct assignment *a)
{
    if (!parse_path(p, &a->name) || !expect(p, TOKEN_EQ))
        return false;
    if (!is_keyword(&p->token, "if_not_exists"))
        return parse_value(p, &a->value);
    advance(p);
    return expect(p, TOKEN_OPEN) && parse_path(p, &a->unless) && expect(p, TOKEN_COMMA) &&
           parse_value(p, &a->value) && expect(p, TOKEN_CLOSE);
}

static bool parse_clause(struct parser *p, bool removes, struct ddb_update *update,
                         struct assignment ***tail)
{
    do {
        struct assignment *a = model_arena_take(p->arena, sizeof(*a));
        a->removes = removes;
        if (removes ? !parse_path(p, &a->name) : !parse_assignment(p, a))
            return false;
        if (ddb_update_touches(update, a->name))
            return refuse(p,
                          "Two document paths overlap with each other; must remove or rewrite one "
                          "of these paths; path: ",
                          a->name);
        **tail = a;
        *tail = &a->next;
    } while (p->token.kind == TOKEN_COMMA && (advance(p), true));
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
    struct parser p;
    if (!start(&p, "UpdateExpression", text, scope, arena, reterr))
        return false;
    bool seen[2] = {false, false};
    while (p.token.kind != TOKEN_END) {
        bool removes = is_keyword(&p.token, "REMOVE");
        if (!removes && !is_keyword(&p.token, "SET"))
            return refuse_syntax(&p);
        if (seen[removes])
            return refuse(
                &p, "The clause can only be used once in an update expression: ", p.token.text);
        seen[removes] = true;
        advance(&p);
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

bool ddb_update_apply(const struct ddb_update *update, const struct ddb_value *item,
                      struct model_arena *arena, struct ddb_value *ret, struct model_error *reterr)
{
    (void)reterr; /* SET of a value and REMOVE cannot fail; arithmetic could */
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
    return true;
}

bool ddb_projection_parse(struct slice text, struct ddb_scope *scope, struct model_arena *arena,
                          struct ddb_projection *ret, struct model_error *reterr)
{
    *ret = (struct ddb_projection){0};
    if (slice_is_null(text))
        return true;
    struct parser p;
    if (!start(&p, "ProjectionExpression", text, scope, arena, reterr))
        return false;
    size_t most = text.len / 2 + 1; /* a name and a comma each */
    struct slice *names = model_arena_take(arena, most * sizeof(*names));
    size_t count = 0;
    do {
        if (!parse_path(&p, &names[count++]))
            return false;
    } while (p.token.kind == TOKEN_COMMA && (advance(&p), true));
    *ret = (struct ddb_projection){names, count};
    return p.token.kind == TOKEN_END || refuse_syntax(&p);
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
