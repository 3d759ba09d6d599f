/* cmocka with the headers that it wants before it, and what our unit tests share. */
#ifndef TESTS_HARNESS_UNIT_H
#define TESTS_HARNESS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/slice.h"
#include "common/status.h"

#define assert_status(expression, expected)                                                        \
    do {                                                                                           \
        enum status status_got_ = (expression);                                                    \
        if (status_got_ != (expected))                                                             \
            fail_msg("%s is \"%s\", expected \"%s\"", #expression, status_name(status_got_),       \
                     status_name(expected));                                                       \
    } while (0)

#define assert_slice_equal(a, text)                                                                \
    do {                                                                                           \
        struct slice slice_a_ = (a);                                                               \
        struct slice slice_b_ = slice_from_str(text);                                              \
        if (!slice_equal(slice_a_, slice_b_))                                                      \
            fail_msg("%s is \"%.*s\", expected \"%s\"", #a, SLICE_ARG(slice_a_), (text));          \
    } while (0)

/* Runs fn in a forked child and fails unless it ended by SIGABRT: for CHECKs. */
void expect_abort(void (*fn)(void *ctx), void *ctx);

/* Reads a whole file into out (max set by the caller); fails the test if it cannot. */
void read_whole_file(const char *path, struct buf *out);

#endif
