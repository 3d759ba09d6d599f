/* What DynamoDB does, in memory, with time as an argument in epoch milliseconds. The emulator
 * serves it over HTTP, the simulator calls it. No clock, no I/O; the same calls with the same seed
 * give the same answers.
 *
 * Where AWS leaves room, the model takes the strict side: reads are always consistent, items are
 * removed at their TTL on the second, placeholders that no expression uses and reserved words are
 * refused. Secondary indexes, transactions, and paths into maps and lists are not modelled.
 *
 * Calls that can be refused return false and fill *reterr. What they give back is borrowed and
 * valid until the next call on the same model.
 */
#ifndef TESTS_MODEL_DYNAMODB_MODEL_H
#define TESTS_MODEL_DYNAMODB_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/model/ddb_expression.h"
#include "tests/model/ddb_value.h"
#include "tests/model/model_error.h"

#define DDB_ITEM_BYTES_MAX        (400 * 1024)
#define DDB_PAGE_BYTES_MAX        (1024 * 1024)
#define DDB_BATCH_WRITE_MAX       25
#define DDB_BATCH_WRITE_BYTES_MAX (16 * 1024 * 1024)
#define DDB_BATCH_GET_MAX         100
#define DDB_HASH_KEY_BYTES_MAX    2048
#define DDB_RANGE_KEY_BYTES_MAX   1024

struct dynamodb_model;
struct ddb_table;

struct dynamodb_model *dynamodb_model_new(uint64_t seed);
void dynamodb_model_free(struct dynamodb_model *model);

/* --- tables ---------------------------------------------------------------------------------- */

struct ddb_schema {
    struct slice hash_name;
    enum ddb_type hash_type; /* S, N or B */
    struct slice range_name; /* null: no sort key */
    enum ddb_type range_type;
};

NODISCARD bool dynamodb_model_create_table(struct dynamodb_model *model, struct slice name,
                                           const struct ddb_schema *schema, int64_t now_ms,
                                           struct ddb_table **ret, struct model_error *reterr);
NODISCARD bool dynamodb_model_find_table(struct dynamodb_model *model, struct slice name,
                                         struct ddb_table **ret, struct model_error *reterr);
void dynamodb_model_delete_table(struct dynamodb_model *model, struct ddb_table *table);
/* In order of creation; NULL: the first, and NULL behind the last. */
struct ddb_table *dynamodb_model_next_table(struct dynamodb_model *model,
                                            const struct ddb_table *after);

struct ddb_table_info {
    struct slice name;
    const struct ddb_schema *schema;
    int64_t created_ms;
    uint64_t items;
    uint64_t bytes;
    uint64_t expired; /* items that TTL has removed so far */
    bool ttl_enabled;
    struct slice ttl_attribute; /* null: never enabled */
};
struct ddb_table_info dynamodb_model_table_info(struct ddb_table *table, int64_t now_ms);
NODISCARD bool dynamodb_model_set_ttl(struct ddb_table *table, struct slice attribute, bool enabled,
                                      int64_t now_ms, struct model_error *reterr);

/* --- writing --------------------------------------------------------------------------------- */

enum ddb_write_kind {
    DDB_PUT,
    DDB_DELETE,
    DDB_UPDATE,
};

struct ddb_write {
    enum ddb_write_kind kind;
    const struct ddb_value *item; /* PUT: the item; otherwise its key, as a map */
    struct slice condition;       /* null: none */
    struct slice update;          /* UPDATE only; null: creates a bare item at most */
    struct ddb_scope *scope;      /* NULL: no placeholders */
};

struct ddb_written {
    const struct ddb_value *old_item; /* NULL: none. After a refused condition: what blocks */
    const struct ddb_value *new_item; /* NULL: none */
    uint64_t write_units;             /* also after a refused condition */
};

NODISCARD bool dynamodb_model_write(struct ddb_table *table, const struct ddb_write *write,
                                    int64_t now_ms, struct ddb_written *ret,
                                    struct model_error *reterr);

/* What refuses a BatchWriteItem as a whole: too many, too large, one key twice, an item that is not
 * valid. Puts and deletes are then applied one by one. */
NODISCARD bool dynamodb_model_check_batch(struct ddb_table *const *tables,
                                          const struct ddb_write *writes, size_t count,
                                          struct model_error *reterr);

/* --- reading --------------------------------------------------------------------------------- */

/* key: a map of exactly the key attributes. *ret_item NULL: there is none. */
NODISCARD bool dynamodb_model_get(struct ddb_table *table, const struct ddb_value *key,
                                  int64_t now_ms, const struct ddb_value **ret_item,
                                  struct model_error *reterr);
/* Halves of a read unit, so that eventual reads stay whole numbers. */
uint64_t dynamodb_model_read_half_units(size_t bytes, bool consistent);

struct ddb_query {
    bool scan; /* the whole table; key_condition is then unused */
    struct slice key_condition;
    struct slice filter;               /* null: none */
    struct slice projection;           /* null: all attributes */
    const struct ddb_value *start_key; /* NULL: from the start */
    int64_t limit;                     /* 0: as many as a page holds */
    bool backward;
    bool consistent;
    struct ddb_scope *scope;
    bool fault_empty_page; /* no items and yet a last key, from which nothing is lost */
};

struct ddb_page {
    const struct ddb_value *const *items;
    size_t count;
    size_t scanned;
    struct ddb_projection projection;
    const struct ddb_value
        *last_key; /* a map, or the start_key that was given; NULL: that was all */
    uint64_t read_half_units;
};

NODISCARD bool dynamodb_model_query(struct ddb_table *table, const struct ddb_query *query,
                                    int64_t now_ms, struct ddb_page *ret,
                                    struct model_error *reterr);

#endif
