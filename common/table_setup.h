/* Makes sure at start that `meta` and every cursor exist, and that `meta` names the configured
 * number of shards. Router and scheduler both do it before they write or read a bucket.
 *
 * The happy path is: meta is read, the cursors are put under a condition and stand already, done.
 * The failure modes are: the table cannot be reached or refuses (the error is handed on; start
 * anew), another program changed meta meanwhile (read again), meta names another bucket than the
 * configured one (TABLE_SETUP_CODE_MISMATCH: starting anew does not help).
 */
#ifndef COMMON_TABLE_SETUP_H
#define COMMON_TABLE_SETUP_H

#include <stdint.h>

#include "common/dynamodb.h"
#include "common/loop.h"
#include "common/table_setup_core.h"

struct table_setup;

struct table_setup_result {
    uint32_t shards;      /* to write to: as configured */
    uint32_t shards_most; /* to read: every cursor below it exists */
};

/* The error's code when the settings are not those that the table was set up with; its text is a
 * line for whoever configured them. */
#define TABLE_SETUP_CODE_MISMATCH "TableMismatch"

/* error->kind ERROR_NONE: done. Otherwise result is NULL. */
typedef void table_setup_fn(void *ctx, const struct table_setup_result *result,
                            const struct error *error);

/* New cursors start at the bucket of now. table is borrowed until on_done; shards 1..SHARDS_MAX.
 * on_done never comes before this returns. The handle is for table_setup_cancel alone and is gone
 * once on_done has come. */
struct table_setup *table_setup_start(struct loop *loop, struct dynamodb *dynamodb,
                                      const char *table, uint32_t shards, int64_t bucket_ms,
                                      table_setup_fn *on_done, void *ctx);
/* What an item `meta` says, NULL: it is not there. What it does not name is 0, what makes no sense
 * is -1. */
struct table_meta table_setup_meta(const struct dynamodb_item *item);
/* Appends why a program that is configured with bucket_ms cannot use a table whose meta names
 * another. */
void table_setup_explain(struct buf *out, const struct table_meta *meta);

/* No callback comes any more. Call it after dynamodb_free, which cancels the calls under way; NULL
 * is fine. */
void table_setup_cancel(struct table_setup *setup);

#endif
