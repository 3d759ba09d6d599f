/* What shall go wrong, and when: a script of faults, each for an operation, fired by number or by
 * chance, for a number of calls. Pure: time is an argument, chance is seeded. The README shows the
 * JSON. */
#ifndef TESTS_EMULATOR_FAULTS_H
#define TESTS_EMULATOR_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/compiler.h"

#define FAULTS_MAX        64
#define FAULT_CODE_SIZE   80
#define FAULT_TEXT_SIZE   256
#define FAULT_ALL_ENTRIES UINT32_MAX

/* Action names as the script spells them, and what they do. */
#define FAULT_ACTIONS(X)                                                                           \
    X(NONE, "none")                         /* only delay_ms, if given */                          \
    X(ERROR, "error")                       /* not applied; status, code, message */               \
    X(THROTTLE, "throttle")                 /* not applied; the service's own throttling error */  \
    X(RAW, "raw")                           /* not applied; status, content_type, body as given */ \
    X(DROP, "drop")                         /* not applied, no answer, connection reset */         \
    X(APPLY_THEN_DROP, "apply_then_drop")   /* applied, no answer, connection reset */             \
    X(APPLY_THEN_ERROR, "apply_then_error") /* applied, and an error says it was not */            \
    X(TRUNCATE, "truncate")                 /* applied; the answer ends after at bytes */          \
    X(CORRUPT_CRC, "corrupt_crc")           /* applied; x-amz-crc32 is wrong */                    \
    X(CORRUPT_MD5, "corrupt_md5")           /* applied; the MD5s of chosen entries are wrong */    \
    X(UNPROCESSED, "unprocessed")           /* chosen entries of a batch write or get are left */  \
    X(FAIL_ENTRIES, "fail_entries")         /* chosen entries of a batch fail with code */         \
    X(OMIT_ENTRIES, "omit_entries")         /* chosen entries are in neither list of the answer */ \
    X(DUPLICATE, "duplicate")               /* what is received stays visible (standard queues) */ \
    X(EMPTY_PAGE, "empty_page")             /* a query page without items but with a last key */   \
    X(EMPTY_RECEIVE, "empty_receive")       /* a receive that gives nothing although it could */

enum fault_action {
#define X(name, text) FAULT_##name,
    FAULT_ACTIONS(X)
#undef X
};

struct fault_effect {
    enum fault_action action;
    int status;
    char code[FAULT_CODE_SIZE]; /* empty: the default of action and service */
    char text[FAULT_TEXT_SIZE];
    int64_t delay_ms;       /* the answer comes so much later; what is applied is applied at once */
    int64_t retry_after_ms; /* 0: no hint */
    size_t cut_at;
    bool reset;   /* cut by RST, not FIN */
    bool applied; /* of failed and omitted entries: done all the same */
    bool sender_fault;
    uint32_t entries;         /* a bit each, the first is bit 0 */
    const char *body;         /* RAW only; valid until the script changes */
    const char *content_type; /* RAW only */
};

/* A number of JSON as an integer, at most 1e15 on either side. */
int64_t faults_integer(double value);

struct faults;

struct faults *faults_new(void);
void faults_free(struct faults *faults);
/* Replaces the script: {"seed": n, "faults": [{...}]}. False, with the old one kept: errors says
 * what is wrong. */
NODISCARD bool faults_load(struct faults *faults, const cJSON *script, int64_t now_ms,
                           struct buf *errors);
void faults_clear(struct faults *faults);
/* Asked once a call: counts it, and says what shall happen to it. resource: name of the queue or
 * table, or empty. */
struct fault_effect faults_decide(struct faults *faults, const char *operation,
                                  struct slice resource, int64_t now_ms);

static inline bool fault_hits_entry(const struct fault_effect *effect, size_t index)
{
    return index < 32 && (effect->entries >> index & 1) != 0;
}

/* For the statistics: how often each fault of the script has been asked and has fired. */
typedef void faults_count_fn(void *ctx, const char *operation, const char *action, uint64_t seen,
                             uint64_t fired);
void faults_each(const struct faults *faults, faults_count_fn *on_fault, void *ctx);

#endif
