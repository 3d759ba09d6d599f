/* What a producer asks for (design, section 3): the delay-* headers of a record -> target, due time
 * and path, or a rejection with a stable code. Pure; also names the headers that the relay adds. */
#ifndef COMMON_DELAY_H
#define COMMON_DELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/compiler.h"
#include "common/envelope.h"
#include "common/slice.h"

#define DELAY_HEADER_TARGET       "delay-target"
#define DELAY_HEADER_UNTIL        "delay-until"
#define DELAY_HEADER_FOR          "delay-for"
#define DELAY_HEADER_ID           "delay-id"
#define DELAY_HEADER_DUE          "delay-due"    /* epoch ms, added on delivery */
#define DELAY_HEADER_SOURCE       "delay-source" /* topic/partition/offset, added on delivery */
#define DELAY_HEADER_ERROR        "delay-error" /* one of the codes below, added on dead-lettering */
#define DELAY_HEADER_ERROR_DETAIL "delay-error-detail"

/* Codes that users match on; they never change. */
#define DELAY_REJECTIONS(X)                                                                        \
    X(TARGET_MISSING, "target-missing",                                                            \
      "no delay-target header and the delay topic has no default target")                          \
    X(TARGET_INVALID, "target-invalid", "delay-target is not a legal Kafka topic name")            \
    X(TARGET_FORBIDDEN, "target-forbidden", "delay-target is not on the allow-list")               \
    X(TIME_MISSING, "time-missing",                                                                \
      "neither delay-until nor delay-for and the delay topic has no default delay")                \
    X(TIME_AMBIGUOUS, "time-ambiguous", "both delay-until and delay-for")                          \
    X(UNTIL_INVALID, "until-invalid", "delay-until is neither epoch milliseconds nor RFC 3339")    \
    X(FOR_INVALID, "for-invalid",                                                                  \
      "delay-for is neither whole milliseconds nor 250ms, 90s, 15m, 36h, 7d")                      \
    X(TIME_OVERFLOW, "time-overflow", "the due time does not fit")                                 \
    X(DELAY_TOO_LONG, "delay-too-long", "due later than the maximum delay")                        \
    X(ID_INVALID, "id-invalid", "delay-id is not 1..128 printable ASCII characters without space") \
    X(HEADER_CONFLICT, "header-conflict", "a delay-* header is repeated with different values")    \
    X(TIMESTAMP_MISSING, "timestamp-missing",                                                      \
      "delay-for needs the record's timestamp, which it does not have")                            \
    X(RECORD_TOO_LARGE, "record-too-large", "over the configured record maximum")                  \
    X(TOO_MANY_HEADERS, "too-many-headers", "over the limit of headers")

enum delay_rejection {
    DELAY_ACCEPTED = 0,
#define X(name, code, text) DELAY_##name,
    DELAY_REJECTIONS(X)
#undef X
};

const char *delay_rejection_code(enum delay_rejection rejection);
const char *delay_rejection_text(enum delay_rejection rejection);

enum delay_path { DELAY_PATH_SHORT, DELAY_PATH_LONG };

/* Short if due at most horizon_ms from now: exactly, to the millisecond. */
enum delay_path delay_path(int64_t due_ms, int64_t now_ms, int64_t horizon_ms);

/* What DelaySeconds to send: SQS hands the envelope over at or before due - lead, never later;
 * 0..900. */
int32_t delay_seconds(int64_t due_ms, int64_t now_ms, int64_t lead_ms);

/* Rules of one delay topic and of the deployment. Borrowed. */
struct delay_rules {
    struct slice default_target; /* null: none */
    int64_t default_delay_ms;    /* -1: none */
    int64_t delay_max_ms;
    const struct slice *allow; /* glob patterns (* and ?); count 0: all but the forbidden ones */
    size_t allow_count;
    const struct slice
        *forbidden; /* exact names: delay topics, dead-letter topic; "__*" is forbidden always */
    size_t forbidden_count;
};

struct delay_request {
    struct slice target;
    int64_t due_ms;
    struct slice id; /* null: none given */
};

/* record_ms: the record's timestamp, -1 if it has none. On DELAY_ACCEPTED *ret is filled (slices
 * point into headers or rules). Otherwise detail, if not NULL, gets what was wrong with which
 * value, printable. */
NODISCARD enum delay_rejection delay_decide(const struct record_header *headers, size_t count,
                                            int64_t record_ms, int64_t now_ms,
                                            const struct delay_rules *rules,
                                            struct delay_request *ret, char *detail,
                                            size_t detail_size);

/* Headers that steer us or that we add ourselves, so they are not the user's: delay-target, -until,
 * -for, -id, -due, -source. Exact spelling; Kafka's header names are case-sensitive. */
bool delay_header_is_ours(struct slice name);

/* Kafka's rule: 1..249 of [a-zA-Z0-9._-], not "." or "..". */
bool delay_topic_is_legal(struct slice topic);
/* __consumer_offsets and its like: Kafka's own. */
bool delay_topic_is_internal(struct slice topic);

#endif
