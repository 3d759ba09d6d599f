#include "tests/sim/stored.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/check.h"
#include "common/envelope.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/num.h"
#include "tests/model/dynamodb_model.h"
#include "tests/sim/ledger.h"
#include "tests/sim/world.h"

/* NULL: it is not there, or not for so long. */
static const struct ddb_value *find(struct sim *sim, struct slice pk, struct slice sk,
                                    int64_t until_ms)
{
    const struct ddb_pair keys[] = {
        {SLICE_LITERAL("pk"), {.type = DDB_S, .bytes = pk}},
        {SLICE_LITERAL("sk"), {.type = DDB_S, .bytes = sk}},
    };
    const struct ddb_value key = {.type = DDB_M, .pairs = keys, .count = ARRAY_LEN(keys)};
    const struct ddb_value *item = NULL;
    struct model_error error;
    int64_t expires_s = 0;
    CHECK(dynamodb_model_get(sim->world->table, &key, sim->now_ms, &item, &error));
    if (item == NULL)
        return NULL;
    const struct ddb_value *expires = ddb_value_get(item, SLICE_LITERAL("expires"));
    if (expires == NULL || num_parse_i64(expires->bytes, INT64_MAX, &expires_s) != STATUS_OK ||
        expires_s <= until_ms / MS_PER_SECOND)
        return NULL;
    return item;
}

static struct slice frames_of(const struct ddb_value *item)
{
    const struct ddb_value *frames = ddb_value_get(item, SLICE_LITERAL("e"));
    return frames == NULL ? SLICE_NULL : frames->bytes;
}

/* False: a part is missing, or they do not make the record. */
static bool attach_parts(struct sim *sim, struct envelope *envelope, int64_t until_ms)
{
    const struct blob_ref *ref = envelope_blob_ref(envelope);
    if (ref == NULL)
        return true;
    char id[ENVELOPE_ID_HEX_SIZE];
    char pk[ENVELOPE_ID_HEX_SIZE + 8];
    char sk[16];
    CLEANUP(buf_release) struct buf blob;
    buf_init(&blob, ref->total_bytes);
    envelope_id_hex(&ref->blob_id, id);
    snprintf(pk, sizeof(pk), "blob#%s", id);
    for (uint32_t i = 0; i < ref->parts; i++) {
        snprintf(sk, sizeof(sk), "%04" PRIu32, i);
        const struct ddb_value *part = find(sim, slice_from_str(pk), slice_from_str(sk), until_ms);
        if (part == NULL)
            return false;
        buf_append_slice(&blob, frames_of(part));
    }
    return envelope_attach_blob(envelope, buf_slice(&blob), NULL) == STATUS_OK;
}

static bool same(struct slice a, struct slice b)
{
    return slice_is_null(a) == slice_is_null(b) && slice_equal(a, b);
}

static bool is_as_produced(const struct ledger_record *r, const struct record *record)
{
    bool good = record->source_partition == r->partition && record->source_offset == r->offset &&
                record->due_ms == r->due_ms && same(record->key, r->key) &&
                same(record->value, r->value) && record->header_count == r->header_count;
    for (uint32_t i = 0; i < record->header_count && good; i++)
        good = same(record->headers[i].name, r->headers[i].name) &&
               same(record->headers[i].value, r->headers[i].value);
    return good;
}

static void check_records(struct sim *sim, const struct envelope *envelope, const uint32_t *indexes,
                          uint32_t count)
{
    CLEANUP(mem_freep)
    struct record_header *headers = mem_calloc(RECORD_HEADERS_MAX, sizeof(*headers));
    for (uint32_t i = 0; i < count; i++) {
        struct record record;
        envelope_record(envelope, i, headers, &record);
        if (!is_as_produced(sim->ledger->records[indexes[i]], &record))
            sim_fail(sim, "P6 bytes", "record %u is not in the table as it was produced",
                     indexes[i]);
    }
}

void stored_check(struct sim *sim, struct slice pk, struct slice sk, const uint32_t *indexes,
                  uint32_t count)
{
    int64_t until_ms = 0;
    struct envelope *envelope = NULL;
    for (uint32_t i = 0; i < count; i++)
        until_ms = MAX(until_ms, sim->ledger->records[indexes[i]]->due_ms);
    const struct ddb_value *item = find(sim, pk, sk, until_ms);
    if (item == NULL || envelope_decode(frames_of(item), &envelope, NULL) != STATUS_OK ||
        envelope_get_info(envelope)->records != count || !attach_parts(sim, envelope, until_ms))
        sim_fail(sim, "P1 residue", "%.*s of the table is not whole, or not until it is due",
                 SLICE_ARG(sk));
    else
        check_records(sim, envelope, indexes, count);
    envelope_free(envelope);
}
