/* Invariants of our own. CHECK stays on in release builds: a broken invariant ends the process,
 * which restarts and delivers at least once. Never for input from outside. */
#ifndef COMMON_CHECK_H
#define COMMON_CHECK_H

#include "common/compiler.h"

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            check_failed(__FILE__, __LINE__, #cond);                                               \
    } while (0)

#define UNREACHABLE() check_failed(__FILE__, __LINE__, "unreachable")

/* Writes one line to standard error and aborts. */
NORETURN COLD void check_failed(const char *file, int line, const char *what);

#endif
