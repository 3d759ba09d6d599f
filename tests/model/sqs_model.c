#include "tests/model/sqs_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "tests/model/sqs_model_internal.h"

#define INVALID_VALUE 400, "InvalidParameterValueException", "InvalidParameterValue"

struct sqs_model *sqs_model_new(const struct sqs_model_options *options)
{
    struct sqs_model *model = mem_alloc(sizeof(*model));
    *model =
        (struct sqs_model){.in_flight_max = options->in_flight_max == 0 ? SQS_MODEL_IN_FLIGHT_MAX
                                                                        : options->in_flight_max,
                           .next_queue_id = 1,
                           .next_number = 1};
    prng_init(&model->random, options->seed);
    model->handle_key = prng_next(&model->random);
    model_map_init(&model->by_name);
    model_list_init(&model->queues);
    model_list_init(&model->tombstones);
    return model;
}

static void free_queue(struct sqs_model_queue *queue)
{
    sqs_model_store_release(queue);
    sqs_model_attributes_release(queue);
    mem_free(queue);
}

void sqs_model_free(struct sqs_model *model)
{
    if (model == NULL)
        return;
    struct model_list_node *node;
    while ((node = model_list_first(&model->queues)) != NULL) {
        model_list_remove(node);
        free_queue(container_of(node, struct sqs_model_queue, by_creation));
    }
    while ((node = model_list_first(&model->tombstones)) != NULL) {
        model_list_remove(node);
        mem_free(container_of(node, struct sqs_model_tombstone, by_age));
    }
    model_map_release(&model->by_name);
    mem_free(model);
}

static struct sqs_model_queue *queue_by_name(const struct sqs_model *model, struct slice name)
{
    struct model_map_node *node = model_map_find(&model->by_name, name);
    return node == NULL ? NULL : container_of(node, struct sqs_model_queue, by_name);
}

static bool deleted_recently(struct sqs_model *model, struct slice name, int64_t now_ms)
{
    struct model_list_node *node;
    while ((node = model_list_first(&model->tombstones)) != NULL) {
        struct sqs_model_tombstone *tombstone =
            container_of(node, struct sqs_model_tombstone, by_age);
        if (tombstone->deleted_ms + SQS_MODEL_RECREATE_WAIT_MS > now_ms)
            break;
        model_list_remove(node);
        mem_free(tombstone);
    }
    for (node = model_list_first(&model->tombstones); node != NULL;
         node = model_list_next(&model->tombstones, node)) {
        if (slice_equal_str(name, container_of(node, struct sqs_model_tombstone, by_age)->name))
            return true;
    }
    return false;
}

bool sqs_model_create_queue(struct sqs_model *model, struct slice name,
                            const struct sqs_model_pair *attributes, size_t count, int64_t now_ms,
                            struct model_error *reterr)
{
    bool fifo = false;
    for (size_t i = 0; i < count; i++)
        fifo = fifo || (slice_equal_str(attributes[i].name, "FifoQueue") &&
                        slice_equal_str(attributes[i].value, "true"));
    if (!sqs_model_check_queue_name(name, fifo, reterr))
        return false;
    struct sqs_model_queue *queue = queue_by_name(model, name);
    if (queue != NULL)
        return sqs_model_attributes_equal(queue, attributes, count, reterr);
    if (deleted_recently(model, name, now_ms))
        return model_refuse(reterr, 400, "QueueDeletedRecently",
                            "AWS.SimpleQueueService.QueueDeletedRecently",
                            "You must wait 60 seconds after deleting a queue before you can "
                            "create another with the same name.");
    queue = mem_alloc(sizeof(*queue) + name.len + 1);
    *queue = (struct sqs_model_queue){.model = model,
                                      .fifo = fifo,
                                      .created_ms = now_ms,
                                      .modified_ms = now_ms,
                                      .purged_ms = INT64_MIN / 2};
    memcpy(queue->name, name.ptr, name.len);
    queue->name[name.len] = '\0';
    sqs_model_store_init(queue);
    if (!sqs_model_attributes_create(queue, attributes, count, reterr)) {
        free_queue(queue);
        return false;
    }
    queue->id = model->next_queue_id++;
    model_map_insert(&model->by_name, &queue->by_name, slice_from(queue->name, name.len));
    model_list_append(&model->queues, &queue->by_creation);
    return true;
}

bool sqs_model_find_queue(struct sqs_model *model, struct slice name, struct sqs_model_queue **ret,
                          struct model_error *reterr)
{
    struct sqs_model_queue *queue = queue_by_name(model, name);
    if (queue == NULL)
        return model_refuse(reterr, 400, "QueueDoesNotExist",
                            "AWS.SimpleQueueService.NonExistentQueue",
                            "The specified queue does not exist.");
    *ret = queue;
    return true;
}

void sqs_model_delete_queue(struct sqs_model *model, struct sqs_model_queue *queue, int64_t now_ms)
{
    size_t size = strlen(queue->name) + 1;
    struct sqs_model_tombstone *tombstone = mem_alloc(sizeof(*tombstone) + size);
    *tombstone = (struct sqs_model_tombstone){.deleted_ms = now_ms};
    memcpy(tombstone->name, queue->name, size);
    model_list_append(&model->tombstones, &tombstone->by_age);
    model_map_remove(&model->by_name, &queue->by_name);
    model_list_remove(&queue->by_creation);
    free_queue(queue);
}

bool sqs_model_purge_queue(struct sqs_model_queue *queue, int64_t now_ms,
                           struct model_error *reterr)
{
    if (queue->purged_ms + SQS_MODEL_RECREATE_WAIT_MS > now_ms)
        return model_refuse(
            reterr, 403, "PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress",
            "Only one PurgeQueue operation on %s is allowed every 60 seconds.", queue->name);
    queue->purged_ms = now_ms;
    sqs_model_store_remove_all(queue);
    return true;
}

struct sqs_model_queue *sqs_model_next_queue(struct sqs_model *model,
                                             const struct sqs_model_queue *after)
{
    struct model_list_node *node = after == NULL
                                       ? model_list_first(&model->queues)
                                       : model_list_next(&model->queues, &after->by_creation);
    return node == NULL ? NULL : container_of(node, struct sqs_model_queue, by_creation);
}

struct slice sqs_model_queue_name(const struct sqs_model_queue *queue)
{
    return slice_from_str(queue->name);
}

struct sqs_model_depth sqs_model_depth(struct sqs_model_queue *queue, int64_t now_ms)
{
    sqs_model_store_advance(queue, now_ms);
    return queue->depth;
}

int64_t sqs_model_next_ms(const struct sqs_model_queue *queue)
{
    return model_heap_next_ms(&queue->wake);
}

/* --- sending --------------------------------------------------------------------------------- */

/* Group and id where the scope is the group; the id alone otherwise. */
static struct slice deduplication_key(const struct sqs_model_queue *queue,
                                      const struct sqs_model_send *entry, struct slice id,
                                      char out[260])
{
    size_t len = 0;
    if (queue->deduplicates_per_group) {
        memcpy(out, entry->group_id.ptr, entry->group_id.len);
        len = entry->group_id.len;
        out[len++] = '\0'; /* in no id */
    }
    memcpy(out + len, id.ptr, id.len);
    return slice_from(out, len + id.len);
}

static void remember_send(struct sqs_model_queue *queue, struct slice key,
                          const struct sqs_model_message *message)
{
    struct sqs_model_deduplication *entry = mem_alloc(sizeof(*entry) + key.len);
    *entry = (struct sqs_model_deduplication){.expires_ms =
                                                  message->sent_ms + SQS_MODEL_DEDUPLICATION_MS};
    memcpy(entry->message_id, message->message_id, sizeof(entry->message_id));
    memcpy(entry->sequence_number, message->sequence_number, sizeof(entry->sequence_number));
    if (key.len > 0)
        memcpy(entry->key, key.ptr, key.len);
    model_map_insert(&queue->deduplications, &entry->by_key, slice_from(entry->key, key.len));
    model_list_append(&queue->deduplications_by_age, &entry->by_age);
}

void sqs_model_send(struct sqs_model_queue *queue, const struct sqs_model_send *entry,
                    int64_t now_ms, struct sqs_model_sent *ret)
{
    *ret = (struct sqs_model_sent){0};
    sqs_model_store_advance(queue, now_ms);
    if (!sqs_model_check_send(queue, entry, &ret->error))
        return;
    sqs_model_md5(entry->body, ret->body_md5);
    if (entry->attribute_count > 0)
        sqs_model_attributes_md5(entry->attributes, entry->attribute_count, ret->attributes_md5);
    char content[SQS_MODEL_SHA256_SIZE];
    char key_space[260];
    struct slice id = entry->deduplication_id;
    struct slice key = SLICE_NULL;
    if (queue->fifo) {
        if (slice_is_null(id)) {
            sqs_model_sha256(entry->body, content);
            id = slice_from_str(content);
        }
        key = deduplication_key(queue, entry, id, key_space);
        struct model_map_node *node = model_map_find(&queue->deduplications, key);
        if (node != NULL) {
            struct sqs_model_deduplication *first =
                container_of(node, struct sqs_model_deduplication, by_key);
            memcpy(ret->message_id, first->message_id, sizeof(ret->message_id));
            memcpy(ret->sequence_number, first->sequence_number, sizeof(ret->sequence_number));
            ret->duplicate = true;
            return;
        }
    }
    struct sqs_model_message *message = sqs_model_store_add(queue, entry, id, now_ms);
    memcpy(message->body_md5, ret->body_md5, sizeof(message->body_md5));
    memcpy(message->attributes_md5, ret->attributes_md5, sizeof(message->attributes_md5));
    memcpy(ret->message_id, message->message_id, sizeof(ret->message_id));
    memcpy(ret->sequence_number, message->sequence_number, sizeof(ret->sequence_number));
    if (queue->fifo)
        remember_send(queue, key, message);
}
