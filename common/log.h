/* JSON lines on standard output: time, level, event, fields. Never blocks a message: a line that
 * cannot be written (slow reader, closed pipe) is dropped and counted. Modules below the shells do
 * not log. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/compiler.h"
#include "common/slice.h"
#include "common/status.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_field_type { LOG_FIELD_TEXT, LOG_FIELD_NUMBER, LOG_FIELD_BOOL };

struct log_field {
    const char *name;
    enum log_field_type type;
    struct slice text;
    int64_t number;
};

#define LOG_TEXT(n, s) ((struct log_field){.name = (n), .type = LOG_FIELD_TEXT, .text = (s)})
#define LOG_STR(n, s)  LOG_TEXT(n, slice_from_str(s))
#define LOG_NUMBER(n, v)                                                                           \
    ((struct log_field){.name = (n), .type = LOG_FIELD_NUMBER, .number = (int64_t)(v)})
#define LOG_BOOL(n, v) ((struct log_field){.name = (n), .type = LOG_FIELD_BOOL, .number = (v)})

struct log;
/* program, constant text, goes into every line. */
struct log *log_new(const char *program, enum log_level least);
/* Writes what still goes without blocking. */
void log_free(struct log *log);
/* "debug", "info", "warn", "error". */
NODISCARD enum status log_level_parse(const char *text, enum log_level *ret);

/* event and the names of fields are constant: "record_rejected". Text is cut at 1 KiB; what is not
 * printable is escaped as \u00XX, bytes that are not UTF-8 too; a null slice is null. */
void log_write(struct log *log, enum log_level level, const char *event,
               const struct log_field *fields, size_t count);
#define log_event(log, level, event, ...)                                                          \
    log_write(log, level, event, (const struct log_field[]){__VA_ARGS__},                          \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
/* kind, code, http_status and text of an error. */
void log_error(struct log *log, const char *event, const struct error *error);
/* A line with these members, JSON with a comma before each, instead of fields. Whatever the least
 * level is, since it was asked for. False: it was dropped. */
NODISCARD bool log_write_members(struct log *log, const char *event, struct slice members);
/* Tries to write lines that a slow reader has left waiting; log_write does so too. */
void log_flush(struct log *log);
/* Lines that were dropped. */
uint64_t log_dropped(const struct log *log);

#endif
