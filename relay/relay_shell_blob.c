/* Large records: their parts come from the table, in order, page by page.
 *
 * The happy path is: pages until all parts are there, the whole fits the reference, it is attached.
 * The failure modes are: the table does not answer, a part is missing or is not what the reference
 * says (all the same to the core: it tries again later and emits nothing until then). */
#include <string.h>

#include "common/mem.h"
#include "common/table.h"
#include "relay/relay_shell_internal.h"

static void query(struct relay_fetch *f, struct slice sk_after);

static void end(struct relay_fetch *f, bool attached)
{
    struct relay_shell *s = f->shell;
    struct relay_fetch **at = &s->fetches;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    struct relay_event event = {.type = RELAY_FETCHED,
                                .fetched = {.slot = f->slot, .attached = attached}};
    buf_release(&f->data);
    mem_free(f);
    relay_shell_feed(s, &event);
}

static void fail(struct relay_fetch *f, const char *code, const char *text)
{
    struct relay_shell *s = f->shell;
    char id[ENVELOPE_ID_HEX_SIZE];
    envelope_id_hex(&f->blob_id, id);
    if (relay_shell_may_log(s))
        log_event(s->log, LOG_WARN, "blob_unreadable", LOG_STR("envelope_id", id),
                  LOG_STR("code", code), LOG_STR("text", text),
                  LOG_NUMBER("parts_got", f->parts_got), LOG_NUMBER("parts", f->parts));
    end(f, false);
}

/* False: not the part that should be next. */
static bool add_part(struct relay_fetch *f, const struct dynamodb_item *item)
{
    char sk[TABLE_KEY_SIZE];
    const struct dynamodb_attribute *key = dynamodb_item_get(item, TABLE_SK);
    const struct dynamodb_attribute *part = dynamodb_item_get(item, TABLE_ENVELOPE);
    table_blob_sk(f->parts_got, sk);
    if (key == NULL || part == NULL || part->type != DYNAMODB_B || !slice_equal_str(key->value, sk))
        return false;
    buf_append_slice(&f->data, part->value);
    f->parts_got++;
    return !f->data.overflow;
}

static void attach(struct relay_fetch *f)
{
    struct relay_shell *s = f->shell;
    struct error error;
    /* The core may have let go of the slot meanwhile; then nobody waits for the answer. */
    if (relay_core_ref(s->core, f->slot.index).generation != f->slot.generation) {
        end(f, false);
        return;
    }
    struct envelope *e = s->held[f->slot.index].envelope;
    if (envelope_attach_blob(e, buf_slice(&f->data), &error) == STATUS_OK)
        end(f, true);
    else
        fail(f, error.code, error.text);
}

static void on_page(void *ctx, const struct dynamodb_item *items, size_t count, bool more,
                    struct slice more_after, const struct error *error)
{
    struct relay_fetch *f = ctx;
    if (error->kind != ERROR_NONE) {
        fail(f, error->code, error->text);
        return;
    }
    for (size_t i = 0; i < count && f->parts_got < f->parts; i++) {
        if (!add_part(f, &items[i])) {
            fail(f, "PartMissing", "a part is missing or not readable");
            return;
        }
    }
    if (f->parts_got == f->parts)
        attach(f);
    else if (more)
        query(f, more_after);
    else
        fail(f, "PartMissing", "the table does not hold all parts");
}

static void query(struct relay_fetch *f, struct slice sk_after)
{
    char pk[TABLE_KEY_SIZE];
    table_blob_pk(&f->blob_id, pk);
    const struct dynamodb_query_spec spec = {
        .table = f->shell->config->settings.table, .pk = slice_from_str(pk), .sk_after = sk_after};
    dynamodb_query(f->shell->aws.dynamodb, &spec, on_page, f);
}

void relay_shell_fetch(struct relay_shell *s, struct relay_ref slot)
{
    const struct blob_ref *blob = envelope_blob_ref(s->held[slot.index].envelope);
    struct relay_fetch *f = mem_calloc(1, sizeof(*f));
    *f = (struct relay_fetch){.next = s->fetches,
                              .shell = s,
                              .slot = slot,
                              .blob_id = blob->blob_id,
                              .parts = blob->parts};
    buf_init(&f->data, blob->total_bytes);
    s->fetches = f;
    query(f, slice_from("", 0));
}

void relay_shell_drop_fetches(struct relay_shell *s)
{
    while (s->fetches != NULL) {
        struct relay_fetch *f = s->fetches;
        s->fetches = f->next;
        buf_release(&f->data);
        mem_free(f);
    }
}
