/* Allocate or abort: a service that is out of memory restarts and delivers at least once, which is
 * safer than recovery code that never runs. Sizes from outside are bounded before they come here.
 */
#ifndef COMMON_MEM_H
#define COMMON_MEM_H

#include <stddef.h>

#include "common/compiler.h"

/* The caller owns the result; mem_free accepts NULL. Sizes of 0 give a valid pointer. */
RETURNS_NONNULL ALLOC_SIZE(1) void *mem_alloc(size_t size);
RETURNS_NONNULL ALLOC_SIZE(1, 2) void *mem_calloc(size_t count, size_t size);
RETURNS_NONNULL ALLOC_SIZE(2) void *mem_realloc(void *ptr, size_t size);
RETURNS_NONNULL char *mem_strdup(const char *text);
RETURNS_NONNULL char *mem_strndup(const char *text, size_t len);
void mem_free(void *ptr);

/* For a constructor of a library that gave NULL: aborts, naming it. */
NORETURN COLD void mem_exhausted(const char *what, size_t size);

/* For CLEANUP on a pointer variable. */
void mem_freep(void *ptr_to_ptr);

#endif
