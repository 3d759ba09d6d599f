/* The parser that all expressions share; nobody but ddb_expression*.c includes it. */
#ifndef TESTS_MODEL_DDB_EXPRESSION_INTERNAL_H
#define TESTS_MODEL_DDB_EXPRESSION_INTERNAL_H

#include "tests/model/ddb_expression.h"

enum ddb_token_kind {
    DDB_TOKEN_END,
    DDB_TOKEN_WORD,  /* attribute, function or keyword */
    DDB_TOKEN_NAME,  /* #n */
    DDB_TOKEN_VALUE, /* :v */
    DDB_TOKEN_EQ,
    DDB_TOKEN_NE,
    DDB_TOKEN_LT,
    DDB_TOKEN_LE,
    DDB_TOKEN_GT,
    DDB_TOKEN_GE,
    DDB_TOKEN_OPEN,
    DDB_TOKEN_CLOSE,
    DDB_TOKEN_COMMA,
    DDB_TOKEN_OTHER, /* what no grammar here takes */
};

struct ddb_token {
    enum ddb_token_kind kind;
    struct slice text;
};

struct ddb_parser {
    const char *kind;
    struct slice text;
    size_t at; /* behind token */
    struct ddb_token token;
    int depth;
    struct ddb_scope *scope;
    struct model_arena *arena;
    struct model_error *error;
};

enum ddb_operand_kind {
    DDB_OPERAND_PATH,
    DDB_OPERAND_VALUE,
    DDB_OPERAND_SIZE, /* size(path) */
};

struct ddb_operand {
    enum ddb_operand_kind kind;
    struct slice path;
    const struct ddb_value *value;
};

enum ddb_condition_kind {
    DDB_CONDITION_AND,
    DDB_CONDITION_OR,
    DDB_CONDITION_NOT,
    DDB_CONDITION_COMPARE, /* token_kind in comparator */
    DDB_CONDITION_BETWEEN,
    DDB_CONDITION_IN,
    DDB_CONDITION_EXISTS,
    DDB_CONDITION_NOT_EXISTS,
    DDB_CONDITION_BEGINS_WITH,
    DDB_CONDITION_CONTAINS,
    DDB_CONDITION_TYPE,
};

struct ddb_condition {
    enum ddb_condition_kind kind;
    enum ddb_token_kind comparator;
    const struct ddb_condition *left; /* AND, OR, NOT */
    const struct ddb_condition *right;
    const struct ddb_operand *operands; /* the others */
    size_t operand_count;
};

/* Begins with the first token; an empty text is refused. */
NODISCARD bool ddb_parser_start(struct ddb_parser *p, const char *kind, struct slice text,
                                struct ddb_scope *scope, struct model_arena *arena,
                                struct model_error *error);
void ddb_parser_advance(struct ddb_parser *p);
NODISCARD bool ddb_parser_expect(struct ddb_parser *p, enum ddb_token_kind kind);
bool ddb_token_is_keyword(const struct ddb_token *token, const char *word);
/* Both fill the error and return false. */
bool ddb_parser_refuse(struct ddb_parser *p, const char *what, struct slice detail);
bool ddb_parser_refuse_syntax(struct ddb_parser *p);

/* A top-level attribute, written out or as #n; a value :v; a whole condition. */
NODISCARD bool ddb_parse_path(struct ddb_parser *p, struct slice *ret);
NODISCARD bool ddb_parse_value(struct ddb_parser *p, const struct ddb_value **ret);
NODISCARD bool ddb_parse_or(struct ddb_parser *p, const struct ddb_condition **ret);

#endif
