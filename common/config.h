/* Environment variables, one table a program: it makes the parser, --help, --print-config, the
 * README block and the validation. All mistakes are reported in one go. */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/slice.h"
#include "common/status.h"

enum config_type {
    CONFIG_TEXT,     /* char *, owned by the struct */
    CONFIG_NUMBER,   /* int64_t */
    CONFIG_BYTES,    /* int64_t; "64MiB", "48KiB", "1000" */
    CONFIG_DURATION, /* int64_t ms; "250ms", "15m", "1500" */
    CONFIG_BOOL,     /* bool; true, false */
    CONFIG_LIST,     /* char *, comma-separated; config_list_next walks it */
};

/* Who reads an option: a bit each. */
enum config_program {
    CONFIG_ROUTER = 1,
    CONFIG_SCHEDULER = 2,
    CONFIG_RELAY = 4,
    CONFIG_EVERYONE = 7,
};

struct config_option {
    const char *name;  /* environment variable */
    unsigned programs; /* others know the name but leave it alone */
    enum config_type type;
    size_t offset;             /* offsetof the member in the program's struct */
    const char *default_value; /* text as in the environment; NULL: required; "": none */
    int64_t min;               /* of numbers, bytes, durations (ms) */
    int64_t max;
    bool secret;      /* masked everywhere */
    const char *help; /* one line */
};

struct config_table {
    const struct config_option *options;
    size_t count;
};

/* The tables of one program: settings.h's and its own. All offsets count from one struct, which
 * begins with struct settings. */
struct config_schema {
    enum config_program program;
    const struct config_table *tables;
    size_t table_count;
};

/* Fills base from the environment; a variable that is set to nothing counts as not set. Every
 * mistake is a line in errors ("DELAYLINE_LEAD=2x: not a duration; write 250ms, 90s, 15m, 36h, 7d
 * or whole milliseconds"): missing, malformed, out of range, and a DELAYLINE_ variable that is in
 * no table (a typing error; those of the other programs, DELAYLINE_<PROGRAM>_*, and of the tests
 * and the local stack, DELAYLINE_TEST_* and DELAYLINE_STACK_*, are left alone). STATUS_INVALID if
 * there is any; the mistaken members then hold their defaults, or empty text and 0, so that the
 * relations can be checked in the same go. base is to be released in any case. */
NODISCARD enum status config_load(const struct config_schema *schema, void *base,
                                  struct buf *errors);
void config_release(const struct config_schema *schema, void *base);

void config_print_help(const struct config_schema *schema, struct buf *out);
/* NAME=value lines, secrets as "***". */
void config_print(const struct config_schema *schema, const void *base, struct buf *out);
/* In the largest unit that shows it exactly: "90s", "15m". */
void config_print_duration(struct buf *out, int64_t duration_ms);
/* Rows of the README's table. */
void config_print_markdown(const struct config_schema *schema, struct buf *out);

/* Walks a CONFIG_LIST, *cursor being its text at first: false at its end. *ret_item is trimmed and
 * not empty. */
bool config_list_next(const char **cursor, struct slice *ret_item);

#endif
