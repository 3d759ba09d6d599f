#include "common/delay.h"

#include <string.h>

#include "common/check.h"
#include "common/limits.h"
#include "common/mutant.h"
#include "common/num.h"
#include "common/timeval.h"

#define INTERNAL_TOPIC_PREFIX "__"
#define DUE_MS_MAX            INT64_C(999999999999999) /* 15 digits, as the table's keys have it */
#define SHOWN_VALUE_BYTES     64                       /* of a wrong value, in a detail */

const char *delay_rejection_code(enum delay_rejection rejection)
{
    switch (rejection) {
    case DELAY_ACCEPTED:
        return "accepted";
#define X(name, code, text)                                                                        \
    case DELAY_##name:                                                                             \
        return code;
        DELAY_REJECTIONS(X)
#undef X
    }
    UNREACHABLE();
}

const char *delay_rejection_text(enum delay_rejection rejection)
{
    switch (rejection) {
    case DELAY_ACCEPTED:
        return "accepted";
#define X(name, code, text)                                                                        \
    case DELAY_##name:                                                                             \
        return text;
        DELAY_REJECTIONS(X)
#undef X
    }
    UNREACHABLE();
}

enum delay_path delay_path(int64_t due_ms, int64_t now_ms, int64_t horizon_ms)
{
    return time_sub(due_ms, now_ms) <= horizon_ms ? DELAY_PATH_SHORT : DELAY_PATH_LONG;
}

int32_t delay_seconds(int64_t due_ms, int64_t now_ms, int64_t lead_ms)
{
    int64_t left_ms = time_sub(time_sub(due_ms, now_ms), lead_ms);
    if (left_ms <= 0)
        return 0;
    int64_t seconds = left_ms / MS_PER_SECOND + 3 * MUTANT_IS(13);
    return seconds > SQS_DELAY_SECONDS_MAX ? SQS_DELAY_SECONDS_MAX : (int32_t)seconds;
}

bool delay_header_is_ours(struct slice name)
{
    const struct slice ours[] = {
        SLICE_LITERAL(DELAY_HEADER_TARGET), SLICE_LITERAL(DELAY_HEADER_UNTIL),
        SLICE_LITERAL(DELAY_HEADER_FOR),    SLICE_LITERAL(DELAY_HEADER_ID),
        SLICE_LITERAL(DELAY_HEADER_DUE),    SLICE_LITERAL(DELAY_HEADER_SOURCE),
    };
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (slice_equal(name, ours[i]))
            return true;
    }
    return false;
}

static bool topic_byte_is_legal(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool delay_topic_is_legal(struct slice topic)
{
    if (topic.len == 0 || topic.len > TOPIC_NAME_BYTES_MAX || slice_equal_str(topic, ".") ||
        slice_equal_str(topic, ".."))
        return false;
    for (size_t i = 0; i < topic.len; i++) {
        if (!topic_byte_is_legal(topic.ptr[i]))
            return false;
    }
    return true;
}

/* A mismatch goes back to the last star only: what earlier ones took can stay, so the time is at
 * most the product of both lengths. */
static bool glob_matches(struct slice pattern, struct slice text)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX;
    size_t star_text = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            star_text = t;
        } else if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == text.ptr[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

bool delay_topic_is_internal(struct slice topic)
{
    size_t prefix_len = strlen(INTERNAL_TOPIC_PREFIX);
    return topic.len >= prefix_len && memcmp(topic.ptr, INTERNAL_TOPIC_PREFIX, prefix_len) == 0;
}

static bool target_is_allowed(struct slice target, const struct delay_rules *rules)
{
    if (delay_topic_is_internal(target))
        return false;
    for (size_t i = 0; i < rules->forbidden_count; i++) {
        if (slice_equal(target, rules->forbidden[i]))
            return false;
    }
    for (size_t i = 0; i < rules->allow_count; i++) {
        if (glob_matches(rules->allow[i], target))
            return true;
    }
    return rules->allow_count == 0;
}

static bool id_is_legal(struct slice id)
{
    if (id.len == 0 || id.len > DELAY_ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~')
            return false;
    }
    return true;
}

/* What the producer wrote. A header that is absent is not the same as one with a null value. */
struct wish {
    const struct record_header *target;
    const struct record_header *until;
    const struct record_header *wait; /* delay-for */
    const struct record_header *id;
};

/* Where a rejection tells its reason: a text that is cut where its room ends, always with a NUL. By
 * hand, since cores decide delays and neither printf nor the heap is for cores. */
struct report {
    char *detail;
    size_t size;
};

struct writer {
    char *at;
    char *end; /* of the room, NUL included */
};

static void put_text(struct writer *w, const char *text)
{
    for (; *text != '\0' && w->at + 1 < w->end; text++)
        *w->at++ = *text;
    *w->at = '\0';
}

/* Printable ASCII alone, cut to a readable length: it goes into a header and into logs. */
static void put_shown(struct writer *w, struct slice value)
{
    static const char digits[] = "0123456789abcdef";
    size_t shown = value.len < SHOWN_VALUE_BYTES ? value.len : SHOWN_VALUE_BYTES;
    for (size_t i = 0; i < shown; i++) {
        uint8_t c = value.ptr[i];
        bool plain = c >= ' ' && c <= '~' && c != '\\' && c != '"';
        char text[5] = {(char)c, '\0'};
        char escape[5] = {'\\', 'x', digits[c >> 4], digits[c & 15], '\0'};
        put_text(w, plain ? text : escape);
    }
    if (shown < value.len)
        put_text(w, "...");
}

/* name is NULL if no header is to blame. */
static enum delay_rejection reject(const struct report *report, enum delay_rejection rejection,
                                   const char *name, struct slice value)
{
    if (report->detail == NULL || report->size == 0)
        return rejection;
    struct writer w = {report->detail, report->detail + report->size};
    put_text(&w, delay_rejection_text(rejection));
    if (name == NULL)
        return rejection;
    put_text(&w, "; ");
    put_text(&w, name);
    put_text(&w, slice_is_null(value) ? " is null" : " is \"");
    if (!slice_is_null(value)) {
        put_shown(&w, value);
        put_text(&w, "\"");
    }
    return rejection;
}

static enum delay_rejection find_headers(const struct record_header *headers, size_t count,
                                         const struct report *report, struct wish *ret)
{
    const struct {
        struct slice name; /* ends in NUL */
        const struct record_header **place;
    } wanted[] = {
        {SLICE_LITERAL(DELAY_HEADER_TARGET), &ret->target},
        {SLICE_LITERAL(DELAY_HEADER_UNTIL), &ret->until},
        {SLICE_LITERAL(DELAY_HEADER_FOR), &ret->wait},
        {SLICE_LITERAL(DELAY_HEADER_ID), &ret->id},
    };
    for (size_t i = 0; i < count; i++) {
        for (size_t w = 0; w < ARRAY_LEN(wanted); w++) {
            if (!slice_equal(headers[i].name, wanted[w].name))
                continue;
            const struct record_header *seen = *wanted[w].place;
            if (seen == NULL)
                *wanted[w].place = &headers[i];
            else if (slice_is_null(seen->value) != slice_is_null(headers[i].value) ||
                     !slice_equal(seen->value, headers[i].value))
                return reject(report, DELAY_HEADER_CONFLICT, (const char *)wanted[w].name.ptr,
                              headers[i].value);
        }
    }
    return DELAY_ACCEPTED;
}

static enum delay_rejection decide_target(const struct wish *wish, const struct delay_rules *rules,
                                          const struct report *report, struct slice *ret)
{
    struct slice target = wish->target != NULL ? wish->target->value : rules->default_target;
    if (wish->target == NULL && slice_is_null(target))
        return reject(report, DELAY_TARGET_MISSING, NULL, SLICE_NULL);
    if (!delay_topic_is_legal(target))
        return reject(report, DELAY_TARGET_INVALID, DELAY_HEADER_TARGET, target);
    if (!target_is_allowed(target, rules))
        return reject(report, DELAY_TARGET_FORBIDDEN, DELAY_HEADER_TARGET, target);
    *ret = target;
    return DELAY_ACCEPTED;
}

static enum delay_rejection parse_until(struct slice text, const struct report *report,
                                        int64_t *ret_due_ms)
{
    enum status status = num_parse_i64(text, INT64_MAX, ret_due_ms);
    if (status == STATUS_INVALID)
        status = num_parse_rfc3339(text, ret_due_ms);
    if (status == STATUS_OK)
        return DELAY_ACCEPTED;
    return reject(report, status == STATUS_TOO_LARGE ? DELAY_TIME_OVERFLOW : DELAY_UNTIL_INVALID,
                  DELAY_HEADER_UNTIL, text);
}

static enum delay_rejection parse_for(struct slice text, int64_t record_ms,
                                      const struct report *report, int64_t *ret_due_ms)
{
    int64_t wait_ms;
    enum status status = num_parse_duration_ms(text, INT64_MAX, &wait_ms);
    if (status == STATUS_INVALID)
        return reject(report, DELAY_FOR_INVALID, DELAY_HEADER_FOR, text);
    if (status != STATUS_OK)
        return reject(report, DELAY_TIME_OVERFLOW, DELAY_HEADER_FOR, text);
    if (record_ms < 0)
        return reject(report, DELAY_TIMESTAMP_MISSING, DELAY_HEADER_FOR, text);
    if (__builtin_add_overflow(record_ms, wait_ms, ret_due_ms))
        return reject(report, DELAY_TIME_OVERFLOW, DELAY_HEADER_FOR, text);
    return DELAY_ACCEPTED;
}

static enum delay_rejection decide_due(const struct wish *wish, int64_t record_ms, int64_t now_ms,
                                       const struct delay_rules *rules, const struct report *report,
                                       int64_t *ret_due_ms)
{
    int64_t due_ms = 0;
    enum delay_rejection rejection = DELAY_ACCEPTED;
    const char *name = NULL;
    struct slice value = SLICE_NULL;
    if (wish->until != NULL && wish->wait != NULL)
        return reject(report, DELAY_TIME_AMBIGUOUS, NULL, SLICE_NULL);
    if (wish->until != NULL) {
        name = DELAY_HEADER_UNTIL;
        value = wish->until->value;
        rejection = parse_until(value, report, &due_ms);
    } else if (wish->wait != NULL) {
        name = DELAY_HEADER_FOR;
        value = wish->wait->value;
        rejection = parse_for(value, record_ms, report, &due_ms);
    } else if (rules->default_delay_ms < 0) {
        return reject(report, DELAY_TIME_MISSING, NULL, SLICE_NULL);
    } else if (record_ms < 0) {
        return reject(report, DELAY_TIMESTAMP_MISSING, NULL, SLICE_NULL);
    } else if (__builtin_add_overflow(record_ms, rules->default_delay_ms, &due_ms)) {
        return reject(report, DELAY_TIME_OVERFLOW, NULL, SLICE_NULL);
    }
    if (rejection != DELAY_ACCEPTED)
        return rejection;
    if (time_sub(due_ms, now_ms) > rules->delay_max_ms)
        return reject(report, DELAY_DELAY_TOO_LONG, name, value);
    if (due_ms > DUE_MS_MAX)
        return reject(report, DELAY_TIME_OVERFLOW, name, value);
    *ret_due_ms = due_ms;
    return DELAY_ACCEPTED;
}

enum delay_rejection delay_decide(const struct record_header *headers, size_t count,
                                  int64_t record_ms, int64_t now_ms,
                                  const struct delay_rules *rules, struct delay_request *ret,
                                  char *detail, size_t detail_size)
{
    const struct report report = {detail, detail_size};
    if (count > RECORD_HEADERS_MAX)
        return reject(&report, DELAY_TOO_MANY_HEADERS, NULL, SLICE_NULL);
    struct wish wish = {.target = NULL};
    struct delay_request request = {.id = SLICE_NULL};
    enum delay_rejection rejection = find_headers(headers, count, &report, &wish);
    if (rejection == DELAY_ACCEPTED)
        rejection = decide_target(&wish, rules, &report, &request.target);
    if (rejection == DELAY_ACCEPTED)
        rejection = decide_due(&wish, record_ms, now_ms, rules, &report, &request.due_ms);
    if (rejection != DELAY_ACCEPTED)
        return rejection;
    if (wish.id != NULL) {
        if (!id_is_legal(wish.id->value))
            return reject(&report, DELAY_ID_INVALID, DELAY_HEADER_ID, wish.id->value);
        request.id = wish.id->value;
    }
    *ret = request;
    return DELAY_ACCEPTED;
}
