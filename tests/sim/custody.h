/* Who holds which record: the log of everything that the services have applied, as it happens. It
 * shares no decision with the product; of its code only the envelope's codec, whose mistakes would
 * show as lost or changed records.
 *
 * At every letting go (a delete, a cursor's move, a commit) each record concerned must have another
 * holder: P1 and P2 of tests/FAULTS.md, at the very instant.
 */
#ifndef TESTS_SIM_CUSTODY_H
#define TESTS_SIM_CUSTODY_H

#include "common/slice.h"
#include "tests/model/ddb_value.h"
#include "tests/sim/world.h"

struct custody;
struct custody_message;

struct custody *custody_new(void);
void custody_free(struct custody *custody);

/* A message is in the queue now; duplicate: FIFO dropped it as one that it had within 5 min. */
void custody_sent(struct sim *sim, enum world_queue queue, const char *message_id,
                  struct slice body, struct slice deduplication_id, bool duplicate);
void custody_received(struct sim *sim, enum world_queue queue, const struct host *host,
                      const char *message_id, const char *receipt_handle);
/* The message behind this handle is gone. */
void custody_deleted(struct sim *sim, enum world_queue queue, struct slice receipt_handle);
/* An item stands in the table, new or as it was, by a call of this host. */
void custody_written(struct sim *sim, const struct host *host, const struct ddb_value *item);
void custody_committed(struct sim *sim, int32_t partition, int64_t offset);

/* A send to the delay queue or the table was done and the sender knows nothing of it, or too late:
 * it may store the same records again. */
void custody_unsure_send(struct sim *sim, struct slice body);
void custody_unsure_item(struct sim *sim, const struct ddb_value *item);

/* Items that no cursor has passed yet. */
size_t custody_items_ahead(const struct custody *custody);
/* Once all has come to rest: nothing may be left over, and the items ahead of their cursors are in
 * the table. */
void custody_check_residue(struct sim *sim);

#endif
