/* Partitions: appending with sequence numbers, reading, and what takes records away. */
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/model/kafka_model_internal.h"

#define BATCH_OVERHEAD 61 /* of format 2, before its first record */

void kafka_model_partition_init(struct kafka_model_partition *p, int32_t leader)
{
    *p = (struct kafka_model_partition){
        .leader = leader, .held_until_ms = INT64_MIN, .moving_until_ms = INT64_MIN};
}

void kafka_model_partition_release(struct kafka_model_partition *p)
{
    for (size_t i = p->first; i < p->end; i++)
        mem_free(p->records[i]);
    for (size_t i = 0; i < p->producer_count; i++)
        mem_free(p->producers[i].offsets);
    mem_free(p->producers);
    mem_free(p->records);
}

uint64_t kafka_model_partition_digest(const struct kafka_model_partition *p)
{
    uint64_t digest = kafka_model_mix(p->digest, (uint64_t)p->log_start);
    digest = kafka_model_mix(digest, (uint64_t)p->log_end);
    digest = kafka_model_mix(digest, (uint64_t)p->held_watermark);
    digest = kafka_model_mix(digest, (uint64_t)p->held_until_ms);
    digest = kafka_model_mix(digest, (uint64_t)p->moving_until_ms);
    digest = kafka_model_mix(digest, (uint64_t)p->leader);
    for (size_t i = 0; i < p->producer_count; i++) {
        digest = kafka_model_mix(digest, p->producers[i].producer);
        digest = kafka_model_mix(digest, p->producers[i].digest);
    }
    return digest;
}

/* --- records --------------------------------------------------------------------------------- */

static size_t varint_bytes(int64_t value)
{
    uint64_t zigzag = ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
    size_t count = 1;
    for (; zigzag >= 0x80; zigzag >>= 7)
        count++;
    return count;
}

static size_t field_bytes(struct slice s)
{
    return slice_is_null(s) ? 1 : varint_bytes((int64_t)s.len) + s.len;
}

size_t kafka_model_record_bytes(const struct kafka_model_produce *record)
{
    /* attributes, and differences of time and offset, which are 0 in a batch of one */
    size_t body = 3 + field_bytes(record->key) + field_bytes(record->value) +
                  varint_bytes((int64_t)record->header_count);
    for (size_t i = 0; i < record->header_count; i++)
        body += field_bytes(record->headers[i].name) + field_bytes(record->headers[i].value);
    return BATCH_OVERHEAD + varint_bytes((int64_t)body) + body;
}

static struct slice copy(uint8_t **at, struct slice s)
{
    if (slice_is_null(s))
        return SLICE_NULL;
    struct slice copied = slice_from(*at, s.len);
    if (s.len > 0)
        memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return copied;
}

static size_t payload_bytes(const struct kafka_model_record *record)
{
    size_t bytes = record->key.len + record->value.len;
    for (size_t i = 0; i < record->header_count; i++)
        bytes += record->headers[i].name.len + record->headers[i].value.len;
    return bytes;
}

static uint64_t record_digest(const struct kafka_model_record *record)
{
    uint64_t digest = kafka_model_mix((uint64_t)record->offset, (uint64_t)record->timestamp_ms);
    digest = kafka_model_mix_slice(digest, record->key);
    digest = kafka_model_mix_slice(digest, record->value);
    for (size_t i = 0; i < record->header_count; i++) {
        digest = kafka_model_mix_slice(digest, record->headers[i].name);
        digest = kafka_model_mix_slice(digest, record->headers[i].value);
    }
    return digest;
}

static struct kafka_model_stored *stored_new(const struct kafka_model_produce *from, int64_t offset)
{
    struct kafka_model_record given = {.key = from->key,
                                       .value = from->value,
                                       .headers = from->headers,
                                       .header_count = from->header_count};
    size_t headers_bytes = from->header_count * sizeof(*from->headers);
    /* one byte more, so that empty fields point into the block too */
    struct kafka_model_stored *stored =
        mem_alloc(sizeof(*stored) + headers_bytes + payload_bytes(&given) + 1);
    struct kafka_model_header *headers = (struct kafka_model_header *)(void *)(stored + 1);
    uint8_t *at = (uint8_t *)(headers + from->header_count);
    for (size_t i = 0; i < from->header_count; i++)
        headers[i] = (struct kafka_model_header){.name = copy(&at, from->headers[i].name),
                                                 .value = copy(&at, from->headers[i].value)};
    stored->record = (struct kafka_model_record){.offset = offset,
                                                 .timestamp_ms = from->timestamp_ms,
                                                 .key = copy(&at, from->key),
                                                 .value = copy(&at, from->value),
                                                 .headers = headers,
                                                 .header_count = from->header_count};
    stored->digest = record_digest(&stored->record);
    return stored;
}

static void append(struct kafka_model_partition *p, struct kafka_model_stored *stored)
{
    if (p->end == p->capacity && p->first > p->capacity / 2) {
        memmove(p->records, p->records + p->first, (p->end - p->first) * sizeof(*p->records));
        p->end -= p->first;
        p->first = 0;
    } else if (p->end == p->capacity) {
        p->capacity = p->capacity == 0 ? 16 : 2 * p->capacity;
        p->records = mem_realloc(p->records, p->capacity * sizeof(*p->records));
    }
    p->records[p->end++] = stored;
    p->digest += stored->digest;
    p->log_end++;
}

static void drop(struct kafka_model_partition *p, struct kafka_model_stored *stored)
{
    p->digest -= stored->digest;
    mem_free(stored);
}

static void start_at(struct kafka_model_partition *p, int64_t offset)
{
    p->log_start = MAX(p->log_start, MIN(offset, p->log_end));
    while (p->first < p->end && p->records[p->first]->record.offset < p->log_start)
        drop(p, p->records[p->first++]);
}

static void retain(const struct kafka_model_topic *topic, struct kafka_model_partition *p,
                   int64_t now_ms)
{
    if (topic->options.retention_ms == 0)
        return;
    while (p->first < p->end &&
           p->records[p->first]->record.timestamp_ms <= now_ms - topic->options.retention_ms)
        start_at(p, p->records[p->first]->record.offset + 1);
}

static struct kafka_model_offsets offsets_at(const struct kafka_model_partition *p, int64_t now_ms)
{
    return (struct kafka_model_offsets){.log_start = p->log_start,
                                        .high_watermark = now_ms < p->held_until_ms
                                                              ? MAX(p->held_watermark, p->log_start)
                                                              : p->log_end,
                                        .log_end = p->log_end};
}

/* The partition, if its leader answers; NULL with *reterr. */
static struct kafka_model_partition *reach(struct kafka_model *model, struct slice name,
                                           int32_t partition, int64_t now_ms,
                                           struct kafka_model_topic **ret_topic,
                                           enum kafka_model_error *reterr)
{
    kafka_model_advance(model, now_ms);
    struct kafka_model_partition *p = kafka_model_locate(model, name, partition, ret_topic, reterr);
    if (p == NULL)
        return NULL;
    if (kafka_model_broker_is_down(model, p->leader, now_ms))
        *reterr = KAFKA_MODEL_TRANSPORT;
    else if (now_ms < p->moving_until_ms)
        *reterr = KAFKA_MODEL_NOT_LEADER_OR_FOLLOWER;
    else if (now_ms < (*ret_topic)->refused_until_ms)
        *reterr = (*ret_topic)->refusal;
    if (*reterr != KAFKA_MODEL_NONE)
        return NULL;
    retain(*ret_topic, p, now_ms);
    return p;
}

/* --- producing ------------------------------------------------------------------------------- */

uint64_t kafka_model_init_producer(struct kafka_model *model)
{
    return model->next_producer++;
}

static struct kafka_model_sequences *sequences_of(struct kafka_model_partition *p,
                                                  uint64_t producer)
{
    for (size_t i = 0; i < p->producer_count; i++) {
        if (p->producers[i].producer == producer)
            return &p->producers[i];
    }
    p->producers = mem_realloc(p->producers, (p->producer_count + 1) * sizeof(*p->producers));
    p->producers[p->producer_count] = (struct kafka_model_sequences){.producer = producer};
    return &p->producers[p->producer_count++];
}

static void sequence_set(struct kafka_model_sequences *s, size_t sequence, int64_t offset)
{
    if (sequence >= s->capacity) {
        s->capacity = MAX(sequence + 1, s->capacity == 0 ? 16 : 2 * s->capacity);
        s->offsets = mem_realloc(s->offsets, s->capacity * sizeof(*s->offsets));
    }
    while (s->len <= sequence)
        s->offsets[s->len++] = KAFKA_MODEL_NO_OFFSET;
    s->offsets[sequence] = offset;
    s->digest += kafka_model_mix(sequence, (uint64_t)offset);
}

/* NONE with the offset of then if the number was seen, or NO_OFFSET if it may be appended. */
static enum kafka_model_error check_sequence(const struct kafka_model *model,
                                             struct kafka_model_partition *p,
                                             const struct kafka_model_produce *record,
                                             int64_t *ret_offset)
{
    *ret_offset = KAFKA_MODEL_NO_OFFSET;
    if (record->producer == KAFKA_MODEL_NO_PRODUCER)
        return KAFKA_MODEL_NONE;
    if (record->producer >= model->next_producer)
        return KAFKA_MODEL_UNKNOWN_PRODUCER_ID;
    const struct kafka_model_sequences *s = sequences_of(p, record->producer);
    size_t gap_max = model->options.sequence_gaps ? KAFKA_MODEL_SEQUENCE_GAP_MAX : 0;
    if (record->sequence < 0 || (size_t)record->sequence > s->len + gap_max)
        return KAFKA_MODEL_OUT_OF_ORDER_SEQUENCE_NUMBER;
    if ((size_t)record->sequence < s->len)
        *ret_offset = s->offsets[record->sequence];
    return KAFKA_MODEL_NONE;
}

/* What the leader does. */
static enum kafka_model_error append_checked(struct kafka_model *model,
                                             const struct kafka_model_topic *topic,
                                             struct kafka_model_partition *p,
                                             const struct kafka_model_produce *record,
                                             struct kafka_model_produced *ret)
{
    if (kafka_model_record_bytes(record) > topic->options.message_bytes_max)
        return KAFKA_MODEL_MESSAGE_TOO_LARGE;
    if (topic->options.compacted && slice_is_null(record->key))
        return KAFKA_MODEL_INVALID_RECORD;
    enum kafka_model_error error = check_sequence(model, p, record, &ret->offset);
    if (error != KAFKA_MODEL_NONE)
        return error;
    ret->duplicate = ret->offset != KAFKA_MODEL_NO_OFFSET;
    if (ret->duplicate)
        return KAFKA_MODEL_NONE;
    ret->offset = p->log_end;
    append(p, stored_new(record, ret->offset));
    if (record->producer != KAFKA_MODEL_NO_PRODUCER)
        sequence_set(sequences_of(p, record->producer), (size_t)record->sequence, ret->offset);
    return KAFKA_MODEL_NONE;
}

void kafka_model_produce(struct kafka_model *model, const struct kafka_model_produce *record,
                         int64_t now_ms, struct kafka_model_produced *ret)
{
    *ret = (struct kafka_model_produced){.offset = KAFKA_MODEL_NO_OFFSET};
    struct kafka_model_topic *topic = NULL;
    struct kafka_model_partition *p =
        reach(model, record->topic, record->partition, now_ms, &topic, &ret->error);
    int64_t written_ms = now_ms;
    if (p != NULL && kafka_model_fault_lets_through(&record->fault, &ret->error)) {
        ret->error = append_checked(model, topic, p, record, ret);
        if (ret->error == KAFKA_MODEL_NONE && ret->offset >= p->held_watermark)
            written_ms = MAX(now_ms, p->held_until_ms);
        ret->error = kafka_model_fault_answer(&record->fault, ret->error);
    }
    if (ret->error != KAFKA_MODEL_NONE) {
        ret->offset = KAFKA_MODEL_NO_OFFSET;
        ret->duplicate = false;
    }
    ret->answer_ms = kafka_model_fault_answer_ms(&record->fault, ret->error, written_ms);
}

/* --- reading --------------------------------------------------------------------------------- */

enum kafka_model_error kafka_model_offsets(struct kafka_model *model, struct slice name,
                                           int32_t partition, int64_t now_ms,
                                           struct kafka_model_offsets *ret)
{
    struct kafka_model_topic *topic;
    enum kafka_model_error error;
    struct kafka_model_partition *p = reach(model, name, partition, now_ms, &topic, &error);
    if (p != NULL)
        *ret = offsets_at(p, now_ms);
    return error;
}

/* The first record at or behind the offset. */
static size_t seek(const struct kafka_model_partition *p, int64_t offset)
{
    size_t low = p->first;
    size_t high = p->end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (p->records[middle]->record.offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void read_from(const struct kafka_model_partition *p, const struct kafka_model_fetch *spec,
                      struct kafka_model_record *ret_records, struct kafka_model_fetched *ret)
{
    size_t bytes = 0;
    size_t at = seek(p, spec->offset);
    for (; at < p->end; at++) {
        const struct kafka_model_record *record = &p->records[at]->record;
        if (record->offset >= ret->offsets.high_watermark)
            break;
        bytes += payload_bytes(record);
        if (ret->count == spec->records_max || (ret->count > 0 && bytes > spec->bytes_max))
            return; /* there is more: no gap to skip */
        ret_records[ret->count++] = *record;
        ret->next_offset = record->offset + 1;
    }
    ret->next_offset = MAX(spec->offset, ret->offsets.high_watermark);
}

void kafka_model_fetch(struct kafka_model *model, const struct kafka_model_fetch *spec,
                       int64_t now_ms, struct kafka_model_record *ret_records,
                       struct kafka_model_fetched *ret)
{
    *ret = (struct kafka_model_fetched){.next_offset = spec->offset};
    struct kafka_model_topic *topic;
    struct kafka_model_partition *p =
        reach(model, spec->topic, spec->partition, now_ms, &topic, &ret->error);
    if (p != NULL && kafka_model_fault_lets_through(&spec->fault, &ret->error)) {
        ret->offsets = offsets_at(p, now_ms);
        if (spec->offset < p->log_start || spec->offset > p->log_end)
            ret->error = KAFKA_MODEL_OFFSET_OUT_OF_RANGE;
        ret->error = kafka_model_fault_answer(&spec->fault, ret->error);
        if (ret->error == KAFKA_MODEL_NONE)
            read_from(p, spec, ret_records, ret);
    }
    ret->answer_ms = kafka_model_fault_answer_ms(&spec->fault, ret->error, now_ms);
}

/* --- taking away ----------------------------------------------------------------------------- */

enum kafka_model_error kafka_model_delete_before(struct kafka_model *model, struct slice name,
                                                 int32_t partition, int64_t offset)
{
    struct kafka_model_topic *topic;
    enum kafka_model_error error;
    struct kafka_model_partition *p = kafka_model_locate(model, name, partition, &topic, &error);
    if (p != NULL)
        start_at(p, offset);
    return error;
}

enum kafka_model_error kafka_model_compact(struct kafka_model *model, struct slice name,
                                           int32_t partition)
{
    struct kafka_model_topic *topic;
    enum kafka_model_error error;
    struct kafka_model_partition *p = kafka_model_locate(model, name, partition, &topic, &error);
    if (p == NULL || p->first == p->end)
        return error;
    struct model_map newest;
    model_map_init(&newest);
    struct model_map_node *nodes = mem_calloc(p->end - p->first, sizeof(*nodes));
    struct kafka_model_stored **dropped =
        mem_calloc(p->end - p->first, sizeof(struct kafka_model_stored *));
    size_t dropped_count = 0;
    size_t to = p->end;
    for (size_t at = p->end; at-- > p->first;) { /* keys point into records: dropped at the end */
        struct kafka_model_stored *stored = p->records[at];
        bool keyed = !slice_is_null(stored->record.key);
        bool superseded = keyed && model_map_find(&newest, stored->record.key) != NULL;
        if (keyed && !superseded)
            model_map_insert(&newest, &nodes[at - p->first], stored->record.key);
        if (superseded || (keyed && slice_is_null(stored->record.value)))
            dropped[dropped_count++] = stored;
        else
            p->records[--to] = stored;
    }
    p->first = to;
    for (size_t i = 0; i < dropped_count; i++)
        drop(p, dropped[i]);
    model_map_release(&newest);
    mem_free(dropped);
    mem_free(nodes);
    return KAFKA_MODEL_NONE;
}

enum kafka_model_error kafka_model_skip_offsets(struct kafka_model *model, struct slice name,
                                                int32_t partition, int64_t count)
{
    struct kafka_model_topic *topic;
    enum kafka_model_error error;
    struct kafka_model_partition *p = kafka_model_locate(model, name, partition, &topic, &error);
    if (p != NULL)
        p->log_end += count;
    return error;
}

enum kafka_model_error kafka_model_hold_watermark(struct kafka_model *model, struct slice name,
                                                  int32_t partition, int64_t now_ms,
                                                  int64_t until_ms)
{
    struct kafka_model_topic *topic;
    enum kafka_model_error error;
    struct kafka_model_partition *p = kafka_model_locate(model, name, partition, &topic, &error);
    if (p != NULL) {
        p->held_watermark = offsets_at(p, now_ms).high_watermark;
        p->held_until_ms = until_ms;
    }
    return error;
}
