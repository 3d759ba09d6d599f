/* What the files of the Kafka model share; nobody else includes it. */
#ifndef TESTS_MODEL_KAFKA_MODEL_INTERNAL_H
#define TESTS_MODEL_KAFKA_MODEL_INTERNAL_H

#include "tests/model/kafka_model.h"
#include "tests/model/model_heap.h"
#include "tests/model/model_list.h"
#include "tests/model/model_map.h"

struct kafka_model_stored {
    struct kafka_model_record record; /* points behind the struct */
    uint64_t digest;
};

/* What a partition knows of one producer. */
struct kafka_model_sequences {
    uint64_t producer;
    int64_t *offsets; /* by sequence number; NO_OFFSET: not seen */
    size_t len;
    size_t capacity;
    uint64_t digest; /* sum over what was seen */
};

struct kafka_model_partition {
    struct kafka_model_stored **records; /* [first, end), by offset, with gaps */
    size_t first;
    size_t end;
    size_t capacity;
    int64_t log_start;
    int64_t log_end;
    int64_t held_watermark; /* what readers see until held_until_ms */
    int64_t held_until_ms;
    int64_t moving_until_ms;
    int32_t leader;
    uint64_t digest; /* sum over the records: order comes in by their offsets */
    struct kafka_model_sequences *producers;
    size_t producer_count;
};

struct kafka_model_topic {
    struct model_list_node by_creation;
    struct model_map_node by_name;
    uint64_t number; /* rises in by_creation; never used again */
    struct kafka_model_topic_options options;
    enum kafka_model_error refusal;
    int64_t refused_until_ms;
    struct kafka_model_partition *partitions; /* options.partitions of them */
    size_t name_len;
    char name[];
};

struct kafka_model_member {
    struct model_list_node by_id;
    struct model_heap_node session; /* in the heap while no join waits */
    struct kafka_model_group *group;
    uint64_t id;
    struct slice *topics; /* texts in one block behind */
    size_t topic_count;
    int64_t session_timeout_ms;
    int64_t rebalance_timeout_ms;
    bool joined;  /* waits for the generation to begin */
    int32_t told; /* generation whose assignment it has seen; 0: none */
    size_t load;  /* scratch of the assignor */
};

/* A partition that the group reads. holder: who may be working on it; owner: who should in this
 * generation, 0 while it moves. Then owner is 0 or holder, or holder is 0. */
struct kafka_model_share {
    struct kafka_model_topic *topic;
    int32_t partition;
    uint64_t holder;
    uint64_t owner;
    uint64_t former; /* last owner: where it stays if it can */
};

struct kafka_model_committed_offset {
    struct model_list_node by_creation;
    struct model_map_node by_key; /* partition, then topic */
    int64_t offset;
    size_t key_len;
    uint8_t key[];
};

enum kafka_model_group_state {
    KAFKA_MODEL_GROUP_EMPTY,
    KAFKA_MODEL_GROUP_JOINING, /* wake: the deadline, or the end of the first wait */
    KAFKA_MODEL_GROUP_SYNCING, /* wake: the assignment is there */
    KAFKA_MODEL_GROUP_STABLE,
};

struct kafka_model_group {
    struct model_list_node by_creation;
    struct model_map_node by_name;
    struct model_heap_node wake;
    struct kafka_model *model;
    enum kafka_model_group_state state;
    bool eager;
    bool gathering; /* waits for members that nobody knows of yet */
    int32_t generation;
    int32_t coordinator;
    int64_t moving_until_ms;
    struct model_list members;
    size_t member_count;
    struct kafka_model_share *shares; /* by topic number, then partition */
    size_t share_count;
    struct model_list offsets;
    struct model_map offsets_by_key;
    size_t name_len;
    char name[];
};

struct kafka_model {
    struct kafka_model_options options;
    int64_t *brokers_down_until_ms;
    uint64_t next_topic;
    uint64_t next_producer;
    uint64_t next_member;
    struct model_list topics;
    struct model_map topics_by_name;
    struct model_list groups;
    struct model_map groups_by_name;
    struct model_heap sessions;
    struct model_heap wakes;
};

static inline uint64_t kafka_model_mix(uint64_t digest, uint64_t value)
{
    digest ^= value + UINT64_C(0x9e3779b97f4a7c15) + (digest << 6) + (digest >> 2);
    digest *= UINT64_C(0xbf58476d1ce4e5b9);
    return digest ^ (digest >> 31);
}

/* Null and empty differ. */
static inline uint64_t kafka_model_mix_slice(uint64_t digest, struct slice s)
{
    return kafka_model_mix(kafka_model_mix(digest, slice_is_null(s) ? UINT64_MAX : s.len),
                           model_hash(s));
}

static inline struct slice kafka_model_topic_name(const struct kafka_model_topic *topic)
{
    return slice_from(topic->name, topic->name_len);
}

/* kafka_model.c */
struct kafka_model_topic *kafka_model_topic_find(const struct kafka_model *model,
                                                 struct slice name);
/* Of any topic that may be there, after auto-creation; NULL with *reterr. */
struct kafka_model_partition *kafka_model_locate(struct kafka_model *model, struct slice topic,
                                                 int32_t partition,
                                                 struct kafka_model_topic **ret_topic,
                                                 enum kafka_model_error *reterr);
bool kafka_model_broker_is_down(const struct kafka_model *model, int32_t broker, int64_t now_ms);
/* Whether the request is done at all; if not, the answer is in *reterr. */
bool kafka_model_fault_lets_through(const struct kafka_model_fault *fault,
                                    enum kafka_model_error *reterr);
/* What the client gets to see of a request that was done with this result. */
enum kafka_model_error kafka_model_fault_answer(const struct kafka_model_fault *fault,
                                                enum kafka_model_error result);
int64_t kafka_model_fault_answer_ms(const struct kafka_model_fault *fault,
                                    enum kafka_model_error answer, int64_t now_ms);

/* kafka_model_log.c */
void kafka_model_partition_init(struct kafka_model_partition *p, int32_t leader);
void kafka_model_partition_release(struct kafka_model_partition *p);
uint64_t kafka_model_partition_digest(const struct kafka_model_partition *p);

/* kafka_model_offsets.c: committed offsets. */
struct kafka_model_group *kafka_model_group_find(const struct kafka_model *model,
                                                 struct slice name);
struct kafka_model_group *kafka_model_group_make(struct kafka_model *model, struct slice name);
/* Finds nothing wrong with the way to the coordinator: NONE. */
enum kafka_model_error kafka_model_group_reach(const struct kafka_model_group *group,
                                               int64_t now_ms);
void kafka_model_group_free(struct kafka_model_group *group);
/* The topic is about to go. */
void kafka_model_group_drop_topic(struct kafka_model_group *group,
                                  const struct kafka_model_topic *topic);
uint64_t kafka_model_group_digest(const struct kafka_model_group *group);

/* kafka_model_group.c */
struct kafka_model_member *kafka_model_member_find(const struct kafka_model_group *group,
                                                   uint64_t id);
void kafka_model_member_alive(struct kafka_model_member *member, int64_t now_ms);
void kafka_model_member_free(struct kafka_model_member *member);

/* kafka_model_assign.c: gives every share a new owner, or none while its holder must first hand it
 * back. */
void kafka_model_assign(struct kafka_model_group *group);

#endif
