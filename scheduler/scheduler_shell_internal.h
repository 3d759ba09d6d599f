/* The shell's state, shared by its files and nobody else.
 *
 *   scheduler_shell.c          life cycle, steps, effects, the log
 *   scheduler_shell_queues.c   calls to the timer queue and the ready queue
 *   scheduler_shell_table.c    calls to the table
 *   scheduler_shell_pages.c    bytes of the items that were read
 *   scheduler_shell_check.c    are queues and table what they must be?
 *   scheduler_shell_metrics.c  metrics and readiness
 */
#ifndef SCHEDULER_SHELL_INTERNAL_H
#define SCHEDULER_SHELL_INTERNAL_H

#include "common/aws_services.h"
#include "common/buf.h"
#include "common/dependency_check.h"
#include "common/envelope.h"
#include "common/program.h"
#include "common/table_setup.h"
#include "scheduler/scheduler_config.h"
#include "scheduler/scheduler_core.h"

/* An item of a page: what a message is made of. */
struct stored_item {
    uint8_t *bytes;
    size_t len;
    char id_hex[ENVELOPE_ID_HEX_SIZE]; /* of the item alone */
};

struct page_slot {
    uint64_t call; /* that may still fill it; 0: none */
    struct stored_item *items;
    uint32_t count;
    uint32_t capacity;
};

struct tick_slot {
    char *receipt_handle;
};

enum queue_role { QUEUE_READY, QUEUE_TIMER, QUEUE_ROLES };

/* A call under way. */
struct call {
    struct scheduler_shell *shell;
    struct call *next;
    struct call **link; /* what points here */
    uint64_t id;
    enum scheduler_event_kind kind; /* of its completion */
    uint32_t page;
    uint32_t slots[SCHEDULER_BATCH_MAX]; /* of a receive */
};

struct scheduler_shell {
    struct program *program;
    const struct scheduler_config *config;
    struct scheduler_limits limits;
    struct loop *loop;
    struct log *log;
    struct aws_services aws;
    char *queue_urls[QUEUE_ROLES]; /* known after the check */

    struct dependency_check check;
    struct dependency_queue queues_wanted[QUEUE_ROLES];

    struct table_setup *setup; /* NULL: not under way */
    struct error setup_error;
    struct loop_timer *timer; /* the core's, or the next try of the set-up */
    bool stopping;

    void *storage;
    struct scheduler_core *core; /* NULL until the set-up is done */
    struct scheduler_effects effects;
    struct call *calls;
    struct page_slot *pages;
    struct tick_slot *ticks;
    struct buf joined; /* scratch of a send: packs of several items */
    uint64_t items_unreadable;
    uint64_t items_foreign;
};

/* --- scheduler_shell.c ----------------------------------------------------------------------- */

void scheduler_shell_step(struct scheduler_shell *shell, const struct scheduler_event *event);
/* A call's context, freed by scheduler_shell_call_end or with the shell. */
struct call *scheduler_shell_call_begin(struct scheduler_shell *shell, uint64_t id,
                                        enum scheduler_event_kind kind);
/* Copies it out and frees it. */
struct call scheduler_shell_call_end(struct call *call);
enum scheduler_result scheduler_shell_result_of(const struct error *error);
struct slice scheduler_shell_key_slice(const char *key); /* of TABLE_KEY_SIZE, zero-padded */

/* --- scheduler_shell_queues.c ---------------------------------------------------------------- */

void scheduler_shell_send_ticks(struct scheduler_shell *shell,
                                const struct scheduler_effect *effect);
void scheduler_shell_receive(struct scheduler_shell *shell, const struct scheduler_effect *effect);
void scheduler_shell_set_visibility(struct scheduler_shell *shell,
                                    const struct scheduler_effect *effect);
void scheduler_shell_delete_ticks(struct scheduler_shell *shell,
                                  const struct scheduler_effect *effect);
void scheduler_shell_send_packs(struct scheduler_shell *shell,
                                const struct scheduler_effect *effect);

/* --- scheduler_shell_table.c ----------------------------------------------------------------- */

void scheduler_shell_read_meta(struct scheduler_shell *shell,
                               const struct scheduler_effect *effect);
void scheduler_shell_read_cursor(struct scheduler_shell *shell,
                                 const struct scheduler_effect *effect);
void scheduler_shell_write_fence(struct scheduler_shell *shell,
                                 const struct scheduler_effect *effect);
void scheduler_shell_move_cursor(struct scheduler_shell *shell,
                                 const struct scheduler_effect *effect);
void scheduler_shell_read_page(struct scheduler_shell *shell,
                               const struct scheduler_effect *effect);

/* --- scheduler_shell_pages.c ----------------------------------------------------------------- */

/* Moves the items that the page begins with, and notes which call may fill it. */
void scheduler_shell_pages_expect(struct scheduler_shell *shell,
                                  const struct scheduler_effect *effect);
void scheduler_shell_pages_free(struct scheduler_shell *shell, uint32_t page);
/* Adds an item of a query; false: it is no envelope of ours and was left alone. */
bool scheduler_shell_pages_add(struct scheduler_shell *shell, uint32_t page,
                               const struct dynamodb_item *item, struct scheduler_item *ret_item);
/* The bytes of a pack, its id to id_hex: those of one item where they lie, of several at the end of
 * joined, which must have room for them. */
struct slice scheduler_shell_pages_message(const struct scheduler_shell *shell,
                                           const struct scheduler_pack_ref *ref, struct buf *joined,
                                           char id_hex[ENVELOPE_ID_HEX_SIZE]);
void scheduler_shell_pages_release(struct scheduler_shell *shell);

/* --- scheduler_shell_check.c ----------------------------------------------------------------- */

void scheduler_shell_check(void *shell);

/* --- scheduler_shell_metrics.c --------------------------------------------------------------- */

extern const struct emf_table scheduler_shell_emf;
void scheduler_shell_metrics(void *shell);
void scheduler_shell_ready(void *shell, struct buf *reasons);

#endif
