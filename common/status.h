/* How a function that can fail says so, and how a call to a server ended. */
#ifndef COMMON_STATUS_H
#define COMMON_STATUS_H

#include <stdint.h>

#include "common/compiler.h"

/* The result of a local operation. Outputs are untouched unless it is STATUS_OK. */
enum status {
    STATUS_OK = 0,
    STATUS_INVALID,     /* breaks the grammar or the contract */
    STATUS_TOO_LARGE,   /* over a named limit */
    STATUS_CORRUPT,     /* a checksum or a length does not hold */
    STATUS_UNSUPPORTED, /* a version or a feature we do not know */
    STATUS_NOT_FOUND,
    STATUS_FULL, /* no room now; take no more in until there is */
    STATUS_IO,   /* the operating system or a library refused */
};

/* What a caller may do about a failure; callers branch on this and on nothing else. */
enum error_kind {
    ERROR_NONE = 0,
    ERROR_RETRY,     /* surely not done; trying again may help */
    ERROR_THROTTLED, /* surely not done; the server wants fewer calls */
    ERROR_AUTH,      /* surely not done; credentials or permissions */
    ERROR_PERMANENT, /* surely not done; the same call never succeeds */
    ERROR_UNKNOWN,   /* may have been done: timed out, cut off, 5xx on a write, unreadable answer */
};

#define ERROR_CODE_SIZE 80
#define ERROR_TEXT_SIZE 256

struct error {
    enum error_kind kind;
    int http_status;            /* 0: no answer */
    int64_t retry_after_ms;     /* the server's hint; 0: none */
    char code[ERROR_CODE_SIZE]; /* AWS or Kafka code, or our own constant; never empty if kind is
                                   set */
    char text[ERROR_TEXT_SIZE]; /* for people; may be cut */
};

/* The three ways an effect ends. Unknown is not failed. */
enum outcome {
    OUTCOME_DONE = 0,
    OUTCOME_FAILED, /* surely not done */
    OUTCOME_UNKNOWN,
};

const char *status_name(enum status status);
const char *error_kind_name(enum error_kind kind);
const char *outcome_name(enum outcome outcome);

/* Sets *reterr if it is not NULL; the text is cut to fit. */
void error_set(struct error *reterr, enum error_kind kind, const char *code, const char *format,
               ...) PRINTF_LIKE(4, 5);

/* ERROR_NONE is done, ERROR_UNKNOWN unknown, all else failed. */
enum outcome error_outcome(enum error_kind kind);

/* For a result that may be ignored; the reason is for the reader. */
static inline void status_ignore(enum status status, const char *why)
{
    (void)status;
    (void)why;
}

#endif
