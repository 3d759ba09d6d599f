#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/model/sqs_model_internal.h"

#define FIRST_SLOTS 64

void sqs_model_store_init(struct sqs_model_queue *queue)
{
    model_list_init(&queue->by_age);
    model_heap_init(&queue->wake);
    model_list_init(&queue->ready);
    model_map_init(&queue->groups);
    model_map_init(&queue->deduplications);
    model_list_init(&queue->deduplications_by_age);
    model_map_init(&queue->attempts);
    model_list_init(&queue->attempts_by_age);
}

static void remove_deduplication(struct sqs_model_queue *queue, struct model_list_node *node)
{
    struct sqs_model_deduplication *entry =
        container_of(node, struct sqs_model_deduplication, by_age);
    model_list_remove(&entry->by_age);
    model_map_remove(&queue->deduplications, &entry->by_key);
    mem_free(entry);
}

static void remove_attempt(struct sqs_model_queue *queue, struct model_list_node *node)
{
    struct sqs_model_attempt *attempt = container_of(node, struct sqs_model_attempt, by_age);
    model_list_remove(&attempt->by_age);
    model_map_remove(&queue->attempts, &attempt->by_id);
    mem_free(attempt);
}

void sqs_model_store_release(struct sqs_model_queue *queue)
{
    sqs_model_store_remove_all(queue);
    struct model_list_node *node;
    while ((node = model_list_first(&queue->deduplications_by_age)) != NULL)
        remove_deduplication(queue, node);
    while ((node = model_list_first(&queue->attempts_by_age)) != NULL)
        remove_attempt(queue, node);
    model_map_release(&queue->groups);
    model_map_release(&queue->deduplications);
    model_map_release(&queue->attempts);
    model_heap_release(&queue->wake);
    mem_free(queue->slots);
    mem_free(queue->free_slots);
}

static struct sqs_model_group *group_of(struct sqs_model_queue *queue, struct slice id)
{
    struct model_map_node *node = model_map_find(&queue->groups, id);
    if (node != NULL)
        return container_of(node, struct sqs_model_group, by_id);
    struct sqs_model_group *group = mem_alloc(sizeof(*group) + id.len);
    *group = (struct sqs_model_group){0};
    memcpy(group->id, id.ptr, id.len);
    model_list_init(&group->messages);
    model_map_insert(&queue->groups, &group->by_id, slice_from(group->id, id.len));
    return group;
}

static struct sqs_model_message *group_head(const struct sqs_model_group *group)
{
    struct model_list_node *node = model_list_first(&group->messages);
    return node == NULL ? NULL : container_of(node, struct sqs_model_message, place);
}

/* Links the group into the ready list or takes it out, as its messages now stand; frees it when it
 * is empty. */
static void settle_group(struct sqs_model_queue *queue, struct sqs_model_group *group)
{
    struct sqs_model_message *head = group_head(group);
    bool ready = head != NULL && head->state == SQS_MODEL_VISIBLE;
    if (ready && !model_list_linked(&group->ready))
        model_list_append(&queue->ready, &group->ready);
    if (!ready)
        model_list_remove(&group->ready);
    if (head == NULL) {
        model_map_remove(&queue->groups, &group->by_id);
        mem_free(group);
    }
}

static size_t *depth_of(struct sqs_model_queue *queue, enum sqs_model_message_state state)
{
    switch (state) {
    case SQS_MODEL_DELAYED:
        return &queue->depth.delayed;
    case SQS_MODEL_VISIBLE:
        return &queue->depth.visible;
    case SQS_MODEL_IN_FLIGHT:
        return &queue->depth.in_flight;
    }
    UNREACHABLE();
}

static void leave_state(struct sqs_model_queue *queue, struct sqs_model_message *message)
{
    (*depth_of(queue, message->state))--;
    model_heap_remove(&queue->wake, &message->wake);
    if (message->group == NULL)
        model_list_remove(&message->place);
}

static void enter_state(struct sqs_model_queue *queue, struct sqs_model_message *message,
                        enum sqs_model_message_state state, int64_t until_ms)
{
    message->state = state;
    (*depth_of(queue, state))++;
    if (state != SQS_MODEL_VISIBLE)
        model_heap_set(&queue->wake, &message->wake, until_ms);
    else if (message->group == NULL)
        model_list_append(&queue->ready, &message->place);
    if (message->group != NULL)
        settle_group(queue, message->group);
}

void sqs_model_store_set_state(struct sqs_model_queue *queue, struct sqs_model_message *message,
                               enum sqs_model_message_state state, int64_t until_ms)
{
    leave_state(queue, message);
    enter_state(queue, message, state, until_ms);
}

static int64_t fifo_delayed_until(const struct sqs_model_queue *queue,
                                  const struct sqs_model_message *message)
{
    return message->sent_ms + queue->numbers[SQS_MODEL_ATTRIBUTE_DELAY] * 1000;
}

void sqs_model_store_hand_back(struct sqs_model_queue *queue, struct sqs_model_message *message,
                               int64_t now_ms)
{
    if (queue->fifo && fifo_delayed_until(queue, message) > now_ms)
        sqs_model_store_set_state(queue, message, SQS_MODEL_DELAYED,
                                  fifo_delayed_until(queue, message));
    else
        sqs_model_store_set_state(queue, message, SQS_MODEL_VISIBLE, 0);
}

void sqs_model_store_apply_fifo_delay(struct sqs_model_queue *queue, int64_t now_ms)
{
    struct model_list_node *node = model_list_first(&queue->by_age);
    for (; node != NULL; node = model_list_next(&queue->by_age, node)) {
        struct sqs_model_message *message = container_of(node, struct sqs_model_message, by_age);
        if (message->state !=
            SQS_MODEL_IN_FLIGHT) /* those meet the delay when they are handed back */
            sqs_model_store_hand_back(queue, message, now_ms);
    }
}

void sqs_model_store_advance(struct sqs_model_queue *queue, int64_t now_ms)
{
    struct model_list_node *oldest;
    int64_t retention_ms = queue->numbers[SQS_MODEL_ATTRIBUTE_RETENTION] * 1000;
    while ((oldest = model_list_first(&queue->by_age)) != NULL) {
        struct sqs_model_message *message = container_of(oldest, struct sqs_model_message, by_age);
        if (message->sent_ms + retention_ms > now_ms)
            break;
        sqs_model_store_remove(queue, message);
    }
    struct model_heap_node *due;
    while ((due = model_heap_pop(&queue->wake, now_ms)) != NULL) {
        struct sqs_model_message *message = container_of(due, struct sqs_model_message, wake);
        sqs_model_store_hand_back(queue, message, due->at_ms);
    }
    while ((oldest = model_list_first(&queue->deduplications_by_age)) != NULL &&
           container_of(oldest, struct sqs_model_deduplication, by_age)->expires_ms <= now_ms)
        remove_deduplication(queue, oldest);
    while ((oldest = model_list_first(&queue->attempts_by_age)) != NULL &&
           container_of(oldest, struct sqs_model_attempt, by_age)->expires_ms <= now_ms)
        remove_attempt(queue, oldest);
}

static uint32_t take_slot(struct sqs_model_queue *queue)
{
    if (queue->free_count > 0)
        return queue->free_slots[--queue->free_count];
    if (queue->slot_count == queue->slot_capacity) {
        uint32_t capacity = queue->slot_capacity == 0 ? FIRST_SLOTS : 2 * queue->slot_capacity;
        queue->slots = mem_realloc(queue->slots, capacity * sizeof(*queue->slots));
        queue->free_slots = mem_realloc(queue->free_slots, capacity * sizeof(*queue->free_slots));
        queue->slot_capacity = capacity;
    }
    return queue->slot_count++;
}

/* Copies to *at and moves it on; null stays null. */
static struct slice copy_slice(struct slice from, uint8_t **at)
{
    if (slice_is_null(from))
        return SLICE_NULL;
    if (from.len > 0)
        memcpy(*at, from.ptr, from.len);
    struct slice copy = slice_from(*at, from.len);
    *at += from.len;
    return copy;
}

static void make_message_id(struct prng *random, char out[SQS_MODEL_MESSAGE_ID_SIZE])
{
    uint64_t a = prng_next(random);
    uint64_t b = prng_next(random);
    snprintf(out, SQS_MODEL_MESSAGE_ID_SIZE, "%08x-%04x-4%03x-%04x-%04x%08x", (unsigned)(a >> 32),
             (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff,
             0x8000U | ((unsigned)(b >> 48) & 0x3fff), (unsigned)(b >> 32) & 0xffff, (unsigned)b);
}

struct sqs_model_message *sqs_model_store_add(struct sqs_model_queue *queue,
                                              const struct sqs_model_send *entry,
                                              struct slice deduplication_id, int64_t now_ms)
{
    size_t attributes_bytes = entry->attribute_count * sizeof(struct sqs_model_message_attribute);
    size_t size = sizeof(struct sqs_model_message) + attributes_bytes +
                  sqs_model_send_bytes(entry) + entry->group_id.len + deduplication_id.len;
    struct sqs_model_message *message = mem_alloc(size);
    *message = (struct sqs_model_message){.sent_ms = now_ms,
                                          .number = queue->model->next_number++,
                                          .slot = take_slot(queue),
                                          .attribute_count = entry->attribute_count};
    queue->slots[message->slot] = message;
    message->attributes = (struct sqs_model_message_attribute *)(message + 1);
    uint8_t *at = (uint8_t *)(message->attributes + entry->attribute_count);
    message->body = copy_slice(entry->body, &at);
    message->group_id = copy_slice(entry->group_id, &at);
    message->deduplication_id = copy_slice(deduplication_id, &at);
    for (size_t i = 0; i < entry->attribute_count; i++) {
        struct sqs_model_message_attribute *attribute = &message->attributes[i];
        attribute->binary = entry->attributes[i].binary;
        attribute->name = copy_slice(entry->attributes[i].name, &at);
        attribute->data_type = copy_slice(entry->attributes[i].data_type, &at);
        attribute->value = copy_slice(entry->attributes[i].value, &at);
    }
    make_message_id(&queue->model->random, message->message_id);
    model_list_append(&queue->by_age, &message->by_age);
    int64_t delayed_until;
    if (queue->fifo) {
        /* 20 digits that grow, with holes, as AWS's do. */
        snprintf(message->sequence_number, sizeof(message->sequence_number), "1884%016" PRIu64,
                 message->number * 256);
        message->group = group_of(queue, entry->group_id);
        model_list_append(&message->group->messages, &message->place);
        delayed_until = fifo_delayed_until(queue, message);
    } else {
        delayed_until = now_ms + 1000 * (entry->delay_seconds == SQS_MODEL_ABSENT
                                             ? queue->numbers[SQS_MODEL_ATTRIBUTE_DELAY]
                                             : entry->delay_seconds);
    }
    enter_state(queue, message, delayed_until > now_ms ? SQS_MODEL_DELAYED : SQS_MODEL_VISIBLE,
                delayed_until);
    return message;
}

void sqs_model_store_remove(struct sqs_model_queue *queue, struct sqs_model_message *message)
{
    leave_state(queue, message);
    model_list_remove(&message->by_age);
    if (message->group != NULL) {
        model_list_remove(&message->place);
        settle_group(queue, message->group);
    }
    queue->slots[message->slot] = NULL;
    queue->free_slots[queue->free_count++] = message->slot;
    mem_free(message);
}

void sqs_model_store_remove_all(struct sqs_model_queue *queue)
{
    struct model_list_node *node;
    while ((node = model_list_first(&queue->by_age)) != NULL)
        sqs_model_store_remove(queue, container_of(node, struct sqs_model_message, by_age));
}
