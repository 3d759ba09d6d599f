/* The subcommands of inspect, a tool for people who debug. Each prints JSON on standard output, and
 * what is wrong with its arguments or its input on standard error. argv[0] is the subcommand.
 * The result is the exit code: 0 fine, 1 the answer is a refusal, 64 wrong usage, 65 bad input. */
#ifndef TESTS_TOOLS_INSPECT_H
#define TESTS_TOOLS_INSPECT_H

#include "common/buf.h"

#define INSPECT_REFUSED   1
#define INSPECT_USAGE     64 /* EX_USAGE */
#define INSPECT_BAD_INPUT 65 /* EX_DATAERR */
#define INSPECT_NO_OUTPUT 74 /* EX_IOERR */

int inspect_envelope(int argc, char **argv);
int inspect_delay(int argc, char **argv);
int inspect_sign(int argc, char **argv);
int inspect_msk_iam(int argc, char **argv);
int inspect_endpoint(int argc, char **argv);

/* What inspect --help shows. */
extern const char inspect_help[];

/* All of standard input into out. false: not readable, or more than its maximum. */
bool inspect_read_input(struct buf *out);
#define INSPECT_LINE_BYTES_MAX (64 * 1024 * 1024)
/* Appends the answer to a line to out; NULL, or what is wrong with it. */
typedef const char *inspect_line_fn(struct slice line, struct buf *out);
/* Prints the answer to each line of standard input, up to one that is wrong. Takes no arguments. */
int inspect_each_line(int argc, char **argv, inspect_line_fn *answer);
/* Writes out to standard output, with a newline. */
void inspect_print(const struct buf *out);
/* Says on standard error what is wrong; gives INSPECT_USAGE. */
int inspect_usage_error(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
