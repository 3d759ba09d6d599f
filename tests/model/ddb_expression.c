#include <string.h>

#include "common/check.h"
#include "tests/model/ddb_expression_internal.h"

#define DEPTH_MAX    64  /* of parentheses: the parser recurses */
#define OPERANDS_MAX 102 /* x IN (100 operands) */

/* --- tokens ---------------------------------------------------------------------------------- */

static bool is_word_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void ddb_parser_advance(struct ddb_parser *p)
{
    const uint8_t *text = p->text.ptr;
    while (p->at < p->text.len && strchr(" \t\r\n", text[p->at]) != NULL && text[p->at] != '\0')
        p->at++;
    size_t start = p->at;
    enum ddb_token_kind kind = DDB_TOKEN_OTHER;
    if (p->at == p->text.len) {
        p->token = (struct ddb_token){DDB_TOKEN_END, SLICE_LITERAL("<EOF>")};
        return;
    }
    uint8_t c = text[p->at++];
    uint8_t next = p->at < p->text.len ? text[p->at] : 0;
    if (is_word_byte(c) || c == '#' || c == ':') {
        while (p->at < p->text.len && is_word_byte(text[p->at]))
            p->at++;
        kind = c == '#' ? DDB_TOKEN_NAME : c == ':' ? DDB_TOKEN_VALUE : DDB_TOKEN_WORD;
    } else if (c == '<') {
        kind = next == '>' ? DDB_TOKEN_NE : next == '=' ? DDB_TOKEN_LE : DDB_TOKEN_LT;
        p->at += kind != DDB_TOKEN_LT;
    } else if (c == '>') {
        kind = next == '=' ? DDB_TOKEN_GE : DDB_TOKEN_GT;
        p->at += kind != DDB_TOKEN_GT;
    } else if (c == '=') {
        kind = DDB_TOKEN_EQ;
    } else if (c == '(') {
        kind = DDB_TOKEN_OPEN;
    } else if (c == ')') {
        kind = DDB_TOKEN_CLOSE;
    } else if (c == ',') {
        kind = DDB_TOKEN_COMMA;
    }
    p->token = (struct ddb_token){kind, slice_from(text + start, p->at - start)};
}

bool ddb_parser_refuse(struct ddb_parser *p, const char *what, struct slice detail)
{
    return model_refuse(p->error, 400, "ValidationException", NULL, "Invalid %s: %s%.*s", p->kind,
                        what, SLICE_ARG(detail));
}

bool ddb_parser_refuse_syntax(struct ddb_parser *p)
{
    struct slice rest = slice_from(p->text.ptr, p->text.len);
    return model_refuse(p->error, 400, "ValidationException", NULL,
                        "Invalid %s: Syntax error; token: \"%.*s\", near: \"%.*s\"", p->kind,
                        SLICE_ARG(p->token.text), (int)MIN(rest.len, (size_t)200),
                        rest.ptr == NULL ? "" : (const char *)rest.ptr);
}

bool ddb_token_is_keyword(const struct ddb_token *token, const char *word)
{
    return token->kind == DDB_TOKEN_WORD && token->text.len == strlen(word) &&
           strncasecmp((const char *)token->text.ptr, word, token->text.len) == 0;
}

bool ddb_parser_expect(struct ddb_parser *p, enum ddb_token_kind kind)
{
    if (p->token.kind != kind)
        return ddb_parser_refuse_syntax(p);
    ddb_parser_advance(p);
    return true;
}

bool ddb_parser_start(struct ddb_parser *p, const char *kind, struct slice text,
                      struct ddb_scope *scope, struct model_arena *arena, struct model_error *error)
{
    *p = (struct ddb_parser){
        .kind = kind, .text = text, .scope = scope, .arena = arena, .error = error};
    ddb_parser_advance(p);
    if (p->token.kind == DDB_TOKEN_END)
        return ddb_parser_refuse(p, "The expression can not be empty;", SLICE_NULL);
    return true;
}

/* --- operands -------------------------------------------------------------------------------- */

bool ddb_parse_path(struct ddb_parser *p, struct slice *ret)
{
    if (p->token.kind == DDB_TOKEN_NAME) {
        for (size_t i = 0; i < p->scope->name_count; i++) {
            struct ddb_name *name = &p->scope->names[i];
            if (slice_equal(name->placeholder, p->token.text)) {
                name->used = true;
                *ret = name->name;
                ddb_parser_advance(p);
                return true;
            }
        }
        return ddb_parser_refuse(
            p,
            "An expression attribute name used in the document path is not defined; "
            "attribute name: ",
            p->token.text);
    }
    if (p->token.kind != DDB_TOKEN_WORD)
        return ddb_parser_refuse_syntax(p);
    if (ddb_is_reserved(p->token.text))
        return ddb_parser_refuse(
            p, "Attribute name is a reserved keyword; reserved keyword: ", p->token.text);
    *ret = p->token.text;
    ddb_parser_advance(p);
    return true;
}

bool ddb_parse_value(struct ddb_parser *p, const struct ddb_value **ret)
{
    if (p->token.kind != DDB_TOKEN_VALUE)
        return ddb_parser_refuse_syntax(p);
    for (size_t i = 0; i < p->scope->value_count; i++) {
        struct ddb_bound *bound = &p->scope->values[i];
        if (slice_equal(bound->placeholder, p->token.text)) {
            bound->used = true;
            *ret = bound->value;
            ddb_parser_advance(p);
            return true;
        }
    }
    return ddb_parser_refuse(
        p, "An expression attribute value used in expression is not defined; attribute value: ",
        p->token.text);
}

static bool parse_operand(struct ddb_parser *p, struct ddb_operand *ret)
{
    *ret = (struct ddb_operand){.kind = DDB_OPERAND_PATH};
    if (p->token.kind == DDB_TOKEN_VALUE) {
        ret->kind = DDB_OPERAND_VALUE;
        return ddb_parse_value(p, &ret->value);
    }
    if (ddb_token_is_keyword(&p->token, "size")) {
        ddb_parser_advance(p);
        ret->kind = DDB_OPERAND_SIZE;
        return ddb_parser_expect(p, DDB_TOKEN_OPEN) && ddb_parse_path(p, &ret->path) &&
               ddb_parser_expect(p, DDB_TOKEN_CLOSE);
    }
    return ddb_parse_path(p, &ret->path);
}

/* --- conditions ------------------------------------------------------------------------------ */

static struct ddb_condition *new_condition(struct ddb_parser *p, enum ddb_condition_kind kind,
                                           const struct ddb_operand *operands, size_t count)
{
    struct ddb_condition *condition = model_arena_take(p->arena, sizeof(*condition));
    condition->kind = kind;
    condition->operand_count = count;
    struct ddb_operand *copies = model_arena_take(p->arena, count * sizeof(*copies));
    if (count > 0)
        memcpy(copies, operands, count * sizeof(*copies));
    condition->operands = copies;
    return condition;
}

static bool parse_list(struct ddb_parser *p, struct ddb_operand *operands, size_t *count,
                       size_t most)
{
    do {
        if (*count == most)
            return ddb_parser_refuse_syntax(p);
        if (!parse_operand(p, &operands[(*count)++]))
            return false;
    } while (p->token.kind == DDB_TOKEN_COMMA && (ddb_parser_advance(p), true));
    return ddb_parser_expect(p, DDB_TOKEN_CLOSE);
}

static bool parse_function(struct ddb_parser *p, const struct ddb_condition **ret, bool *ret_is_one)
{
    static const struct {
        const char *name;
        enum ddb_condition_kind kind;
        size_t count;
    } functions[] = {
        {"attribute_exists", DDB_CONDITION_EXISTS, 1},
        {"attribute_not_exists", DDB_CONDITION_NOT_EXISTS, 1},
        {"begins_with", DDB_CONDITION_BEGINS_WITH, 2},
        {"contains", DDB_CONDITION_CONTAINS, 2},
        {"attribute_type", DDB_CONDITION_TYPE, 2},
    };
    *ret_is_one = false;
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (p->token.kind != DDB_TOKEN_WORD || !slice_equal_str(p->token.text, functions[i].name))
            continue;
        *ret_is_one = true;
        struct ddb_operand operands[2];
        size_t count = 0;
        ddb_parser_advance(p);
        if (!ddb_parser_expect(p, DDB_TOKEN_OPEN) || !parse_list(p, operands, &count, 2))
            return false;
        if (count != functions[i].count)
            return ddb_parser_refuse(
                p, "Incorrect number of operands for operator or function; operator: ",
                slice_from_str(functions[i].name));
        if (operands[0].kind != DDB_OPERAND_PATH)
            return ddb_parser_refuse(p, "Operator or function requires a document path; operator: ",
                                     slice_from_str(functions[i].name));
        *ret = new_condition(p, functions[i].kind, operands, count);
        return true;
    }
    return true;
}

static bool parse_comparison(struct ddb_parser *p, const struct ddb_condition **ret)
{
    struct ddb_operand operands[OPERANDS_MAX];
    size_t count = 1;
    if (!parse_operand(p, &operands[0]))
        return false;
    if (ddb_token_is_keyword(&p->token, "BETWEEN")) {
        ddb_parser_advance(p);
        if (!parse_operand(p, &operands[1]))
            return false;
        if (!ddb_token_is_keyword(&p->token, "AND"))
            return ddb_parser_refuse_syntax(p);
        ddb_parser_advance(p);
        if (!parse_operand(p, &operands[2]))
            return false;
        *ret = new_condition(p, DDB_CONDITION_BETWEEN, operands, 3);
        return true;
    }
    if (ddb_token_is_keyword(&p->token, "IN")) {
        ddb_parser_advance(p);
        if (!ddb_parser_expect(p, DDB_TOKEN_OPEN) ||
            !parse_list(p, operands, &count, OPERANDS_MAX - 1))
            return false;
        *ret = new_condition(p, DDB_CONDITION_IN, operands, count);
        return true;
    }
    enum ddb_token_kind comparator = p->token.kind;
    if (comparator < DDB_TOKEN_EQ || comparator > DDB_TOKEN_GE)
        return ddb_parser_refuse_syntax(p);
    ddb_parser_advance(p);
    if (!parse_operand(p, &operands[1]))
        return false;
    struct ddb_condition *condition = new_condition(p, DDB_CONDITION_COMPARE, operands, 2);
    condition->comparator = comparator;
    *ret = condition;
    return true;
}

static bool parse_not(struct ddb_parser *p, const struct ddb_condition **ret)
{
    if (++p->depth > DEPTH_MAX)
        return ddb_parser_refuse(p, "The expression nests too deep;", SLICE_NULL);
    bool ok;
    if (ddb_token_is_keyword(&p->token, "NOT")) {
        ddb_parser_advance(p);
        const struct ddb_condition *inner = NULL;
        ok = parse_not(p, &inner);
        struct ddb_condition *condition = new_condition(p, DDB_CONDITION_NOT, NULL, 0);
        condition->left = inner;
        *ret = condition;
    } else if (p->token.kind == DDB_TOKEN_OPEN) {
        ddb_parser_advance(p);
        ok = ddb_parse_or(p, ret) && ddb_parser_expect(p, DDB_TOKEN_CLOSE);
    } else {
        bool function;
        ok = parse_function(p, ret, &function) && (function || parse_comparison(p, ret));
    }
    p->depth--;
    return ok;
}

static bool parse_and(struct ddb_parser *p, const struct ddb_condition **ret)
{
    if (!parse_not(p, ret))
        return false;
    while (ddb_token_is_keyword(&p->token, "AND")) {
        ddb_parser_advance(p);
        struct ddb_condition *both = new_condition(p, DDB_CONDITION_AND, NULL, 0);
        both->left = *ret;
        if (!parse_not(p, &both->right))
            return false;
        *ret = both;
    }
    return true;
}

bool ddb_parse_or(struct ddb_parser *p, const struct ddb_condition **ret)
{
    if (!parse_and(p, ret))
        return false;
    while (ddb_token_is_keyword(&p->token, "OR")) {
        ddb_parser_advance(p);
        struct ddb_condition *either = new_condition(p, DDB_CONDITION_OR, NULL, 0);
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
    struct ddb_parser p;
    return ddb_parser_start(&p, kind, text, scope, arena, reterr) && ddb_parse_or(&p, ret) &&
           (p.token.kind == DDB_TOKEN_END || ddb_parser_refuse_syntax(&p));
}

/* space: for the number that size() gives. */
static const struct ddb_value *operand_value(const struct ddb_operand *operand,
                                             const struct ddb_value *item, struct ddb_value *space,
                                             char digits[24])
{
    if (operand->kind == DDB_OPERAND_VALUE)
        return operand->value;
    const struct ddb_value *value = ddb_value_get(item, operand->path);
    if (operand->kind == DDB_OPERAND_PATH || value == NULL)
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

static bool compares(enum ddb_token_kind comparator, const struct ddb_value *a,
                     const struct ddb_value *b)
{
    if (a == NULL || b == NULL)
        return false;
    if (comparator == DDB_TOKEN_EQ)
        return ddb_value_equal(a, b);
    if (comparator == DDB_TOKEN_NE)
        return !ddb_value_equal(a, b);
    int order;
    if (!ddb_value_compare(a, b, &order))
        return false;
    return comparator == DDB_TOKEN_LT   ? order < 0
           : comparator == DDB_TOKEN_LE ? order <= 0
           : comparator == DDB_TOKEN_GT ? order > 0
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
    case DDB_CONDITION_COMPARE:
        return compares(c->comparator, v[0], v[1]);
    case DDB_CONDITION_BETWEEN:
        return compares(DDB_TOKEN_GE, v[0], v[1]) && compares(DDB_TOKEN_LE, v[0], v[2]);
    case DDB_CONDITION_IN:
        for (size_t i = 1; i < c->operand_count; i++) {
            if (compares(DDB_TOKEN_EQ, v[0],
                         operand_value(&c->operands[i], item, &space[1], digits[1])))
                return true;
        }
        return false;
    case DDB_CONDITION_EXISTS:
        return v[0] != NULL;
    case DDB_CONDITION_NOT_EXISTS:
        return v[0] == NULL;
    case DDB_CONDITION_BEGINS_WITH:
        return v[0] != NULL && v[1] != NULL && v[0]->type == v[1]->type &&
               (v[0]->type == DDB_S || v[0]->type == DDB_B) && v[0]->bytes.len >= v[1]->bytes.len &&
               slice_equal(slice_from(v[0]->bytes.ptr, v[1]->bytes.len), v[1]->bytes);
    case DDB_CONDITION_CONTAINS:
        return v[0] != NULL && v[1] != NULL && contains(v[0], v[1]);
    case DDB_CONDITION_TYPE:
        return v[0] != NULL && v[1] != NULL && v[1]->type == DDB_S &&
               slice_equal_str(v[1]->bytes, ddb_type_name(v[0]->type));
    case DDB_CONDITION_AND:
    case DDB_CONDITION_OR:
    case DDB_CONDITION_NOT:
        break;
    }
    UNREACHABLE();
}

bool ddb_condition_holds(const struct ddb_condition *c, const struct ddb_value *item)
{
    if (c == NULL)
        return true;
    if (c->kind == DDB_CONDITION_AND)
        return ddb_condition_holds(c->left, item) && ddb_condition_holds(c->right, item);
    if (c->kind == DDB_CONDITION_OR)
        return ddb_condition_holds(c->left, item) || ddb_condition_holds(c->right, item);
    if (c->kind == DDB_CONDITION_NOT)
        return !ddb_condition_holds(c->left, item);
    return predicate_holds(c, item);
}

bool ddb_condition_names(const struct ddb_condition *c, struct slice attribute)
{
    if (c == NULL)
        return false;
    for (size_t i = 0; i < c->operand_count; i++) {
        if (c->operands[i].kind != DDB_OPERAND_VALUE && slice_equal(c->operands[i].path, attribute))
            return true;
    }
    return ddb_condition_names(c->left, attribute) || ddb_condition_names(c->right, attribute);
}
