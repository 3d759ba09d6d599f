#include "common/check.h"
#include "common/kafka_internal.h"
#include "common/mem.h"

#define HEADERS_MIN ((size_t)8)

void kafka_held_put_back(struct kafka_held **spare, struct kafka_held *held)
{
    rd_kafka_event_destroy(held->event);
    held->event = NULL;
    mem_free(*spare);
    *spare = held;
}

static size_t count_headers(const rd_kafka_message_t *message, rd_kafka_headers_t **ret_headers)
{
    if (rd_kafka_message_headers(message, ret_headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    return rd_kafka_header_cnt(*ret_headers);
}

static void copy_headers(const rd_kafka_headers_t *headers, size_t count, struct record_header *out)
{
    for (size_t i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t len;
        CHECK(rd_kafka_header_get_all(headers, i, &name, &value, &len) ==
              RD_KAFKA_RESP_ERR_NO_ERROR);
        out[i] = (struct record_header){slice_from_str(name), slice_from(value, len)};
    }
}

struct kafka_held *kafka_held_new(struct kafka_held **spare, rd_kafka_event_t *event,
                                  const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    size_t count = count_headers(message, &headers);
    struct kafka_held *held = *spare;
    *spare = NULL;
    if (held == NULL || held->header_capacity < count) {
        mem_free(held);
        size_t capacity = MAX(count, HEADERS_MIN);
        held = mem_alloc(sizeof(*held) + capacity * sizeof(held->headers[0]));
        held->header_capacity = capacity;
    }
    held->event = event;
    held->header_count = count;
    copy_headers(headers, count, held->headers);
    return held;
}
