/* What each record of a run is: everything follows from (seed, id), so that nothing about a record
 * has to be remembered but when it is due. */
#ifndef TESTS_LOAD_PLAN_H
#define TESTS_LOAD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_HEADERS_MAX 12
#define PLAN_TOPIC_SIZE  256

/* What is wrong with a record that must be dead-lettered, and the code it must arrive with. */
enum poison {
    POISON_NONE,
    POISON_NO_TARGET,
    POISON_FORBIDDEN_TARGET,
    POISON_BOTH_TIMES,
    POISON_NO_TIME,
    POISON_BAD_FOR,
    POISON_BAD_UNTIL,
    POISON_BAD_ID,
    POISON_CONFLICT,
    POISON_KINDS
};

struct plan {
    uint64_t seed;
    char run[17]; /* hex, names this run in every record */
    uint64_t records;
    int64_t delay_min_ms;
    int64_t delay_max_ms;
    size_t value_bytes; /* 0: as long as the order happens to be */
    bool orders;        /* values as order.h makes them, each of value_bytes, none empty or null */
    unsigned targets;
    char target_base[PLAN_TOPIC_SIZE - 16]; /* "-<target>" fits behind it */
    unsigned poison_per_mille;
};

struct planned_header {
    const char *name;
    const uint8_t *value; /* NULL: null */
    size_t len;
    bool steers; /* delay-*: not delivered */
};

/* Pointers lead into the struct itself or into its value buffer; reuse one for all records. */
struct planned {
    uint64_t id;
    unsigned target; /* 0 .. targets-1 */
    int64_t delay_ms;
    enum poison poison;
    const uint8_t *key; /* NULL: null */
    size_t key_len;
    const uint8_t *value; /* NULL: null */
    size_t value_len;
    struct planned_header headers[PLAN_HEADERS_MAX];
    size_t header_count;
    bool own_id;

    char key_text[64];
    char id_text[64];
    char own_id_text[64];
    char time_text[64];
    char target_text[PLAN_TOPIC_SIZE];
    uint8_t noise[24];
    uint8_t *value_buffer;
    size_t value_capacity;
};

/* The record as it is sent at sent_ms (also its timestamp). Its due time is sent_ms + delay_ms. */
void plan_record(const struct plan *plan, uint64_t id, int64_t sent_ms, struct planned *out);
void planned_release(struct planned *p);

/* Just the draw that the ledger needs again and again. */
int64_t plan_delay_ms(const struct plan *plan, uint64_t id);
enum poison plan_poison(const struct plan *plan, uint64_t id);

void plan_target_name(const struct plan *plan, unsigned target, char out[PLAN_TOPIC_SIZE]);
/* The code that a poisoned record must be dead-lettered with. */
const char *poison_code(enum poison poison);

/* The header that names a record: "<run>:<id>". */
#define PLAN_ID_HEADER "load-id"
/* false: not a record of this run. */
bool plan_parse_id(const struct plan *plan, const void *text, size_t len, uint64_t *ret_id);

#endif
