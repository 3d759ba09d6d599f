#include "tests/differential/normal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/timeval.h"

#define SHOWN_BYTES_MAX 160 /* longer texts are told by their length and ends */
#define RECENT_MS       (2 * MS_PER_MINUTE)
#define SORTED_MAX      4096

void normal_init(struct normal *normal, const char *prefix)
{
    *normal = (struct normal){.words = cJSON_CreateObject(), .prefix = prefix};
}

void normal_release(struct normal *normal)
{
    cJSON_Delete(normal->words);
    *normal = (struct normal){0};
}

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count && name != NULL; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}
#define IS_ONE_OF(name, ...)                                                                       \
    is_one_of(name, (const char *const[]){__VA_ARGS__},                                            \
              ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

/* --- words ----------------------------------------------------------------------------------- */

static void set_text(cJSON *item, const char *text)
{
    /* In place of whatever type it had; a name stays. */
    if (cJSON_IsString(item)) {
        cJSON_SetValuestring(item, text);
        return;
    }
    CHECK(!cJSON_IsObject(item) && !cJSON_IsArray(item));
    item->type = cJSON_String;
    item->valuestring = cJSON_malloc(strlen(text) + 1);
    CHECK(item->valuestring != NULL);
    memcpy(item->valuestring, text, strlen(text) + 1);
}

static void put_word(struct normal *normal, cJSON *item, const char *kind, unsigned *counter)
{
    struct slice known = json_get_text(normal->words, item->valuestring);
    char word[64];
    if (slice_is_null(known)) {
        snprintf(word, sizeof(word), "%s %u", kind, ++*counter);
        cJSON_AddStringToObject(normal->words, item->valuestring, word);
    } else {
        snprintf(word, sizeof(word), "%.60s", (const char *)known.ptr);
    }
    set_text(item, word);
}

/* Grows: they are decimal numbers of up to 128 bits. */
static bool is_higher(const char *a, const char *b)
{
    a += strspn(a, "0");
    b += strspn(b, "0");
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    return a_len != b_len ? a_len > b_len : strcmp(a, b) > 0;
}

static void put_sequence(struct normal *normal, cJSON *item)
{
    bool known = !slice_is_null(json_get_text(normal->words, item->valuestring));
    bool fell =
        !known && normal->highest[0] != '\0' && !is_higher(item->valuestring, normal->highest);
    if (!known)
        snprintf(normal->highest, sizeof(normal->highest), "%s", item->valuestring);
    put_word(normal, item, fell ? "lower sequence" : "sequence", &normal->sequences);
}

/* ms_per: 1 for milliseconds, 1000 for seconds. A number may come as a text. */
static void put_time(cJSON *item, int64_t ms_per, int64_t now_ms)
{
    double value = item->valuedouble;
    int64_t whole;
    if (cJSON_IsString(item)) {
        if (num_parse_i64(slice_from_str(item->valuestring), INT64_MAX / 1000, &whole) != STATUS_OK)
            return;
        value = (double)whole;
    }
    double off_ms = value * (double)ms_per - (double)now_ms;
    if (off_ms > (double)-RECENT_MS && off_ms < (double)RECENT_MS)
        set_text(item, cJSON_IsString(item) ? "recent" : "recent number");
}

/* What stands behind the last of these characters: of URLs and ARNs the name. */
static void keep_last(cJSON *item, char separator)
{
    const char *last = strrchr(item->valuestring, separator);
    if (last == NULL)
        return;
    char *copy = mem_strdup(last + 1);
    set_text(item, copy);
    mem_free(copy);
}

static void take_out_prefix(const struct normal *normal, char *text)
{
    size_t len = strlen(normal->prefix);
    char *at;
    while (len > 0 && text != NULL && (at = strstr(text, normal->prefix)) != NULL)
        memmove(at, at + len, strlen(at + len) + 1);
}

static void shorten(cJSON *item)
{
    size_t len = strlen(item->valuestring);
    char text[128];
    if (len <= SHOWN_BYTES_MAX)
        return;
    snprintf(text, sizeof(text), "%.16s... (%zu bytes) ...%.16s", item->valuestring, len,
             item->valuestring + len - 16);
    set_text(item, text);
}

static void put_scalar(struct normal *normal, cJSON *item, int64_t now_ms)
{
    const char *name = item->string;
    if (IS_ONE_OF(name, "SentTimestamp", "ApproximateFirstReceiveTimestamp", "sent_ms"))
        put_time(item, 1, now_ms);
    else if (IS_ONE_OF(name, "CreatedTimestamp", "LastModifiedTimestamp", "CreationDateTime",
                       "LastUpdateToPayPerRequestDateTime"))
        put_time(item, 1000, now_ms);
    if (!cJSON_IsString(item))
        return;
    if (IS_ONE_OF(name, "MessageId", "message_id"))
        put_word(normal, item, "id", &normal->ids);
    else if (IS_ONE_OF(name, "ReceiptHandle", "receipt_handle"))
        put_word(normal, item, "handle", &normal->handles);
    else if (IS_ONE_OF(name, "SequenceNumber", "sequence_number"))
        put_sequence(normal, item);
    else if (IS_ONE_OF(name, "QueueUrl", "queue_url"))
        keep_last(item, '/');
    else if (IS_ONE_OF(name, "QueueArn"))
        keep_last(item, ':');
    else if (IS_ONE_OF(name, "SenderId"))
        set_text(item, "sender");
    take_out_prefix(normal, item->valuestring);
    shorten(item);
}

/* --- order ----------------------------------------------------------------------------------- */

struct sortable {
    cJSON *item;
    char *key;
};

static int compare_sortables(const void *a, const void *b)
{
    return strcmp(((const struct sortable *)a)->key, ((const struct sortable *)b)->key);
}

/* member NULL: by all of the element. */
static void sort_array(cJSON *array, const char *member)
{
    size_t count = (size_t)cJSON_GetArraySize(array);
    if (count < 2 || count > SORTED_MAX)
        return;
    struct sortable *sortables = mem_calloc(count, sizeof(*sortables));
    for (size_t i = 0; i < count; i++) {
        cJSON *item = cJSON_DetachItemFromArray(array, 0);
        const cJSON *by = member == NULL ? item : cJSON_GetObjectItemCaseSensitive(item, member);
        char *text = cJSON_PrintUnformatted(by);
        sortables[i] = (struct sortable){item, mem_strdup(text == NULL ? "" : text)};
        cJSON_free(text);
    }
    qsort(sortables, count, sizeof(*sortables), compare_sortables);
    for (size_t i = 0; i < count; i++) {
        cJSON_AddItemToArray(array, sortables[i].item);
        mem_free(sortables[i].key);
    }
    mem_free(sortables);
}

static void put_order(cJSON *array, bool fifo)
{
    const char *name = array->string;
    if (IS_ONE_OF(name, "Successful", "Failed"))
        sort_array(array, "Id");
    else if (!fifo && IS_ONE_OF(name, "Messages"))
        sort_array(array, "Body");
    else if (!fifo && IS_ONE_OF(name, "messages"))
        sort_array(array, "body");
    else if (IS_ONE_OF(name, "AttributeDefinitions"))
        sort_array(array, "AttributeName");
    else if (IS_ONE_OF(name, "SS", "NS", "BS", "QueueUrls"))
        sort_array(array, NULL);
}

/* --- the whole ------------------------------------------------------------------------------- */

/* SQS leaves empty lists out, and a missing one means the same. Texts of errors are for people. */
static void take_out(cJSON *object)
{
    cJSON *next;
    for (cJSON *member = object->child; member != NULL; member = next) {
        next = member->next;
        bool empty_list =
            cJSON_IsArray(member) && member->child == NULL &&
            IS_ONE_OF(member->string, "Messages", "Successful", "Failed", "QueueUrls");
        bool of_entry =
            cJSON_HasObjectItem(object, "SenderFault") && IS_ONE_OF(member->string, "Message");
        if (empty_list || of_entry)
            cJSON_Delete(cJSON_DetachItemViaPointer(object, member));
    }
}

static void put(struct normal *normal, cJSON *json, bool fifo, int64_t now_ms)
{
    take_out_prefix(normal, json->string);
    if (!cJSON_IsObject(json) && !cJSON_IsArray(json)) {
        put_scalar(normal, json, now_ms);
        return;
    }
    bool urls = cJSON_IsArray(json) && IS_ONE_OF(json->string, "QueueUrls");
    cJSON *member;
    if (cJSON_IsObject(json))
        take_out(json);
    else
        put_order(json, fifo);
    cJSON_ArrayForEach(member, json)
    {
        if (urls)
            keep_last(member, '/');
        put(normal, member, fifo, now_ms);
    }
}

void normal_answer(struct normal *normal, cJSON *answer, bool fifo, int64_t now_ms)
{
    put(normal, answer, fifo, now_ms);
}
