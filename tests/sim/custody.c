#include "tests/sim/custody.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/encode.h"
#include "common/envelope.h"
#include "common/limits.h"
#include "common/mem.h"
#include "tests/model/model_list.h"
#include "tests/model/model_map.h"
#include "tests/sim/environment.h"
#include "tests/sim/host.h"
#include "tests/sim/ledger.h"
#include "tests/sim/stored.h"

#define KEY_SIZE     96
#define SHARDS       64
#define SEQUENCES_MS SQS_MODEL_DEDUPLICATION_MS
/* The straggler pass of a bucket rides on the one so many later (a straggler delay of two). */
#define STRAGGLER_BUCKETS 3
/* Clocks of router and scheduler that are both wrong by what is not corrected, and a Date's
 * second. */
#define CLOCKS_APART_MS 9000

/* The records of an envelope, as indexes of the ledger. */
struct content {
    uint32_t count;
    uint32_t *indexes;
};

struct custody_message {
    struct model_map_node by_id;
    struct custody_message *next; /* of all, for freeing */
    char id[KEY_SIZE];
    enum world_queue queue;
    struct content content;
    bool gone;
    uint32_t shard; /* of a tick */
    int64_t bucket;
    uint64_t *lives; /* that have received it: host and life */
    uint32_t life_count;
    uint32_t life_capacity;
};

struct handle {
    struct model_map_node by_text;
    struct handle *next;
    struct custody_message *message;
    char text[KEY_SIZE];
};

/* A deduplication id of the ready queue and when it was last taken for new. */
struct sent_id {
    struct model_map_node by_id;
    struct sent_id *next;
    int64_t at_ms;
    char id[KEY_SIZE];
};

struct item {
    struct model_map_node by_key;
    struct item *next; /* of its shard, ahead of the cursor; or of those passed */
    char key[2 * KEY_SIZE];
    const char *sk; /* within key */
    int64_t bucket;
    bool far;  /* due after the end of the run */
    bool late; /* written when its bucket may have been read already: the straggler pass's */
    struct content content;
};

struct shard {
    struct item *ahead;
    int64_t bucket;
    char place[KEY_SIZE];
    char fence[KEY_SIZE];
    const struct host *holder; /* that wrote the fence */
};

struct custody {
    struct model_map messages;
    struct custody_message *all_messages;
    struct model_map handles;
    struct handle *all_handles;
    struct model_map sent;
    struct sent_id *all_sent;
    struct model_map items;
    struct item *passed;
    struct shard shards[SHARDS];
    size_t items_ahead;
};

/* --- life ------------------------------------------------------------------------------------ */

struct custody *custody_new(void)
{
    struct custody *c = mem_calloc(1, sizeof(*c));
    model_map_init(&c->messages);
    model_map_init(&c->handles);
    model_map_init(&c->sent);
    model_map_init(&c->items);
    return c;
}

static void free_items(struct item *item)
{
    while (item != NULL) {
        struct item *next = item->next;
        mem_free(item->content.indexes);
        mem_free(item);
        item = next;
    }
}

void custody_free(struct custody *c)
{
    for (struct custody_message *m = c->all_messages; m != NULL;) {
        struct custody_message *next = m->next;
        mem_free(m->content.indexes);
        mem_free(m->lives);
        mem_free(m);
        m = next;
    }
    for (struct handle *h = c->all_handles; h != NULL;) {
        struct handle *next = h->next;
        mem_free(h);
        h = next;
    }
    for (struct sent_id *s = c->all_sent; s != NULL;) {
        struct sent_id *next = s->next;
        mem_free(s);
        s = next;
    }
    for (uint32_t i = 0; i < SHARDS; i++)
        free_items(c->shards[i].ahead);
    free_items(c->passed);
    model_map_release(&c->messages);
    model_map_release(&c->handles);
    model_map_release(&c->sent);
    model_map_release(&c->items);
    mem_free(c);
}

size_t custody_items_ahead(const struct custody *c)
{
    return c->items_ahead;
}

/* --- what an envelope holds ------------------------------------------------------------------ */

static struct content look_into(struct sim *sim, struct slice frames)
{
    struct envelope *envelope;
    struct content content = {0};
    struct record record;
    if (envelope_decode(frames, &envelope, NULL) != STATUS_OK) {
        sim_fail(sim, "P6 envelope", "an envelope was stored that cannot be read");
        return content;
    }
    CLEANUP(mem_freep)
    struct record_header *headers = mem_calloc(RECORD_HEADERS_MAX, sizeof(*headers));
    content.count = envelope_get_info(envelope)->records;
    content.indexes = mem_calloc(content.count, sizeof(*content.indexes));
    for (uint32_t i = 0; i < content.count; i++) {
        envelope_record(envelope, i, headers, &record);
        const struct ledger_record *known =
            ledger_find(sim->ledger, record.source_partition, record.source_offset);
        if (known == NULL)
            sim_fail(sim, "P1 unexpected", "an envelope holds a record that nobody produced");
        else if (known->due_ms != record.due_ms)
            sim_fail(sim, "P3 due", "record %u is stored as due %" PRId64 " ms off", known->index,
                     record.due_ms - known->due_ms);
        content.indexes[i] = known == NULL ? 0 : known->index;
    }
    envelope_free(envelope);
    return content;
}

static struct content look_into_body(struct sim *sim, struct slice body)
{
    CLEANUP(buf_release) struct buf raw;
    buf_init(&raw, SQS_MESSAGE_BYTES_MAX);
    if (decode_base64(body, &raw) != STATUS_OK)
        sim_fail(sim, "P6 envelope", "a message is not base64");
    return look_into(sim, buf_slice(&raw));
}

static struct ledger_record *record_at(struct sim *sim, const struct content *content, uint32_t i)
{
    return sim->ledger->records[content->indexes[i]];
}

/* P1: somebody must have it. */
static void check_held(struct sim *sim, const struct ledger_record *r, const char *after)
{
    if (!r->committed || r->in_delay_queue + r->in_ready_queue + r->in_table > 0)
        return;
    if (r->copies + r->dead == 0)
        sim_fail(sim, "P2 custody", "nobody holds record %u after %s", r->index, after);
}

/* --- queues ---------------------------------------------------------------------------------- */

static struct custody_message *find_message(struct custody *c, const char *message_id)
{
    struct model_map_node *node = model_map_find(&c->messages, slice_from_str(message_id));
    return node == NULL ? NULL : container_of(node, struct custody_message, by_id);
}

/* Whether FIFO was to forget it: more than five minutes since it was last new. */
static bool note_sent(struct sim *sim, struct slice deduplication_id)
{
    struct custody *c = sim->custody;
    struct model_map_node *node = model_map_find(&c->sent, deduplication_id);
    if (node != NULL) {
        struct sent_id *sent = container_of(node, struct sent_id, by_id);
        bool forgotten = sim->now_ms - sent->at_ms >= SEQUENCES_MS;
        sent->at_ms = sim->now_ms;
        return forgotten;
    }
    struct sent_id *sent = mem_calloc(1, sizeof(*sent));
    CHECK(deduplication_id.len < KEY_SIZE);
    memcpy(sent->id, deduplication_id.ptr, deduplication_id.len);
    sent->at_ms = sim->now_ms;
    sent->next = c->all_sent;
    c->all_sent = sent;
    model_map_insert(&c->sent, &sent->by_id, slice_from_str(sent->id));
    return false;
}

/* "tick-<shard>-<bucket>" */
static void read_tick(struct sim *sim, struct custody_message *m, struct slice body)
{
    const char *text = (const char *)body.ptr;
    char *end = NULL;
    if (body.len < 6 || memcmp(text, "tick-", 5) != 0) {
        sim_fail(sim, "P2 tick", "a message of the timer queue is no tick");
        return;
    }
    m->shard = (uint32_t)strtoul(text + 5, &end, 10) % SHARDS;
    m->bucket = strtoll(end + 1, NULL, 10);
}

void custody_sent(struct sim *sim, enum world_queue queue, const char *message_id,
                  struct slice body, struct slice deduplication_id, bool duplicate)
{
    struct custody *c = sim->custody;
    if (duplicate)
        return;
    struct custody_message *m = mem_calloc(1, sizeof(*m));
    snprintf(m->id, sizeof(m->id), "%s", message_id);
    m->queue = queue;
    if (queue == WORLD_TIMER_QUEUE)
        read_tick(sim, m, body);
    else
        m->content = look_into_body(sim, body);
    m->next = c->all_messages;
    c->all_messages = m;
    model_map_insert(&c->messages, &m->by_id, slice_from_str(m->id));
    bool again = queue == WORLD_READY_QUEUE && note_sent(sim, deduplication_id);
    for (uint32_t i = 0; i < m->content.count; i++) {
        struct ledger_record *r = record_at(sim, &m->content, i);
        if (queue == WORLD_DELAY_QUEUE) {
            r->in_delay_queue++;
            r->stored++;
        } else {
            r->in_ready_queue++;
            r->handed_over++;
            r->handed_again += again;
        }
    }
}

void custody_unsure_send(struct sim *sim, struct slice body)
{
    struct content content = look_into_body(sim, body);
    for (uint32_t i = 0; i < content.count; i++)
        record_at(sim, &content, i)->unsure_sends++;
    mem_free(content.indexes);
}

static void note_life(struct sim *sim, struct custody_message *m, const struct host *host)
{
    uint64_t life = host->life * 64 + (uint64_t)(host - sim->hosts);
    for (uint32_t i = 0; i < m->life_count; i++)
        if (m->lives[i] == life)
            return;
    if (m->life_count == m->life_capacity) {
        m->life_capacity = MAX(4, 2 * m->life_capacity);
        m->lives = mem_realloc(m->lives, m->life_capacity * sizeof(*m->lives));
    }
    m->lives[m->life_count++] = life;
    for (uint32_t i = 0; i < m->content.count; i++)
        record_at(sim, &m->content, i)->held++;
}

void custody_received(struct sim *sim, enum world_queue queue, const struct host *host,
                      const char *message_id, const char *receipt_handle)
{
    struct custody *c = sim->custody;
    struct custody_message *m = find_message(c, message_id);
    CHECK(m != NULL && m->queue == queue);
    struct handle *handle = mem_calloc(1, sizeof(*handle));
    snprintf(handle->text, sizeof(handle->text), "%s", receipt_handle);
    handle->message = m;
    handle->next = c->all_handles;
    c->all_handles = handle;
    model_map_insert(&c->handles, &handle->by_text, slice_from_str(handle->text));
    note_life(sim, m, host);
}

void custody_deleted(struct sim *sim, enum world_queue queue, struct slice receipt_handle)
{
    struct custody *c = sim->custody;
    struct model_map_node *node = model_map_find(&c->handles, receipt_handle);
    CHECK(node != NULL);
    struct custody_message *m = container_of(node, struct handle, by_text)->message;
    CHECK(!m->gone);
    m->gone = true;
    if (queue == WORLD_TIMER_QUEUE && c->shards[m->shard].bucket <= m->bucket &&
        sim->options.dynamodb.overtaken == 0)
        sim_fail(sim, "P2 tick",
                 "the tick of bucket %" PRId64 " is deleted, the cursor is at %" PRId64, m->bucket,
                 c->shards[m->shard].bucket);
    for (uint32_t i = 0; i < m->content.count; i++) {
        struct ledger_record *r = record_at(sim, &m->content, i);
        if (queue == WORLD_DELAY_QUEUE)
            r->in_delay_queue--;
        else
            r->in_ready_queue--;
        if (r->copies + r->dead == 0)
            sim_fail(sim, "P2 relay", "record %u is deleted from %s and is not out", r->index,
                     sim->world->queues[queue].name);
    }
}

/* --- the table ------------------------------------------------------------------------------- */

static struct slice text_of(const struct ddb_value *item, const char *name)
{
    const struct ddb_value *value = ddb_value_get(item, slice_from_str(name));
    return value == NULL ? SLICE_NULL : value->bytes;
}

static int64_t number_of(struct slice text)
{
    int64_t number = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
        number = number * 10 + (text.ptr[i] - '0');
    return number;
}

static bool begins(struct slice text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.ptr, with, strlen(with)) == 0;
}

static bool is_behind(const struct shard *shard, const struct item *item)
{
    if (item->late)
        return shard->bucket > item->bucket + STRAGGLER_BUCKETS;
    if (item->bucket != shard->bucket)
        return item->bucket < shard->bucket;
    return strcmp(item->sk, shard->place) <= 0;
}

/* P2: the cursor leaves behind only what the ready queue has had. */
static void pass(struct sim *sim, struct item *item)
{
    for (uint32_t i = 0; i < item->content.count; i++) {
        struct ledger_record *r = record_at(sim, &item->content, i);
        r->in_table--;
        if (r->handed_over == 0 && r->copies + r->dead == 0 && !item->late)
            sim_fail(sim, "P2 scheduler", "the cursor has passed record %u, which was not sent",
                     r->index);
        check_held(sim, r, "the cursor passed it");
    }
}

/* P2: who has fenced a shard last is the only one that moves its cursor. */
static void check_fence(struct sim *sim, uint32_t number, const struct host *host,
                        struct slice fence)
{
    struct shard *shard = &sim->custody->shards[number];
    if (slice_equal_str(fence, shard->fence)) {
        if (shard->holder != NULL && shard->holder != host)
            sim_fail(sim, "P2 fence", "%s moves the cursor of shard %u, which %s has fenced",
                     host->name, number, shard->holder->name);
        return;
    }
    CHECK(fence.len < KEY_SIZE);
    memset(shard->fence, 0, KEY_SIZE);
    memcpy(shard->fence, fence.ptr, fence.len);
    shard->holder = host;
}

static void move_cursor(struct sim *sim, uint32_t number, const struct host *host,
                        const struct ddb_value *item)
{
    struct custody *c = sim->custody;
    struct shard *shard = &c->shards[number];
    check_fence(sim, number, host, text_of(item, "fence"));
    struct slice place = text_of(item, "place");
    int64_t bucket = number_of(text_of(item, "bucket"));
    CHECK(place.len < KEY_SIZE);
    /* Only a call that was overtaken may do so, under the fence of a holder that is one still. */
    if (bucket < shard->bucket && sim->options.dynamodb.overtaken == 0)
        sim_fail(sim, "P2 fence", "the cursor of shard %u goes back from %" PRId64 " to %" PRId64,
                 number, shard->bucket, bucket);
    shard->bucket = bucket;
    memset(shard->place, 0, KEY_SIZE);
    if (place.len > 0)
        memcpy(shard->place, place.ptr, place.len);
    for (struct item **link = &shard->ahead; *link != NULL;) {
        struct item *at = *link;
        if (!is_behind(shard, at)) {
            link = &at->next;
            continue;
        }
        *link = at->next;
        at->next = c->passed;
        c->passed = at;
        c->items_ahead -= !at->far;
        pass(sim, at);
    }
}

/* The key of the map: pk and sk. */
static struct item *find_item(struct custody *c, struct slice pk, struct slice sk, char *key)
{
    int len = snprintf(key, 2 * KEY_SIZE, "%.*s/%.*s", SLICE_ARG(pk), SLICE_ARG(sk));
    struct model_map_node *node = model_map_find(&c->items, slice_from(key, (size_t)len));
    return node == NULL ? NULL : container_of(node, struct item, by_key);
}

static bool is_late(struct sim *sim, const struct item *item)
{
    const struct options *o = &sim->options;
    bool clocks = o->clock_error_ms > 0 || o->nemesis.clock_step > 0 || o->nemesis.clock_drift > 0;
    int64_t read_from_ms = item->bucket * o->bucket_ms - o->handoff_ms;
    return sim->now_ms >= read_from_ms - (clocks ? CLOCKS_APART_MS : 0);
}

static void add_item(struct sim *sim, struct slice pk, struct slice sk, struct slice frames)
{
    struct custody *c = sim->custody;
    char key[2 * KEY_SIZE];
    if (find_item(c, pk, sk, key) != NULL)
        return; /* it overwrites itself */
    char *end;
    struct item *item = mem_calloc(1, sizeof(*item));
    memcpy(item->key, key, sizeof(item->key));
    item->sk = strchr(item->key, '/') + 1;
    item->bucket = strtoll(item->key, &end, 10);
    uint32_t number = (uint32_t)strtoul(end + 1, NULL, 10);
    CHECK(number < SHARDS);
    item->content = look_into(sim, frames);
    model_map_insert(&c->items, &item->by_key, slice_from_str(item->key));
    struct shard *shard = &c->shards[number];
    item->late = is_late(sim, item);
    item->next = shard->ahead;
    shard->ahead = item;
    item->far = item->content.count > 0 && record_at(sim, &item->content, 0)->far;
    c->items_ahead += !item->far;
    for (uint32_t i = 0; i < item->content.count; i++) {
        struct ledger_record *r = record_at(sim, &item->content, i);
        r->in_table++;
        r->stored++;
        r->items++;
    }
}

void custody_written(struct sim *sim, const struct host *host, const struct ddb_value *item)
{
    struct slice pk = text_of(item, "pk");
    if (begins(pk, "cursor#"))
        move_cursor(sim, (uint32_t)number_of(slice_from(pk.ptr + 7, pk.len - 7)), host, item);
    else if (!begins(pk, "blob#") && !begins(pk, "meta"))
        add_item(sim, pk, text_of(item, "sk"), text_of(item, "e"));
}

void custody_unsure_item(struct sim *sim, const struct ddb_value *item)
{
    if (begins(text_of(item, "pk"), "blob#"))
        return;
    struct content content = look_into(sim, text_of(item, "e"));
    for (uint32_t i = 0; i < content.count; i++)
        record_at(sim, &content, i)->unsure_sends++;
    mem_free(content.indexes);
}

/* --- the source ------------------------------------------------------------------------------ */

void custody_committed(struct sim *sim, int32_t partition, int64_t offset)
{
    for (int64_t at = offset - 1; at >= 0; at--) {
        struct ledger_record *r = ledger_find(sim->ledger, partition, at);
        if (r == NULL)
            continue;
        if (r->committed)
            return; /* and so is all before it */
        r->committed = true;
        check_held(sim, r, "its offset was committed");
    }
}

static void check_items(struct sim *sim, const struct item *item)
{
    for (; item != NULL; item = item->next) {
        struct slice pk = slice_from(item->key, (size_t)(item->sk - 1 - item->key));
        stored_check(sim, pk, slice_from_str(item->sk), item->content.indexes, item->content.count);
    }
}

void custody_check_residue(struct sim *sim)
{
    for (uint32_t i = 0; i < SHARDS; i++)
        check_items(sim, sim->custody->shards[i].ahead);
    for (uint32_t i = 0; i < sim->ledger->count; i++)
        if (!sim->ledger->records[i]->committed)
            sim_fail(sim, "P1 residue", "the offset of record %u was never committed", i);
    if (world_queued(sim) > 0)
        sim_fail(sim, "P1 residue", "%zu messages are left in the queues", world_queued(sim));
}
