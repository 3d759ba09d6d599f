/* Attributes and small macros that gcc 12 and clang 14 both understand (C17). */
#ifndef COMMON_COMPILER_H
#define COMMON_COMPILER_H

#include <stddef.h>
#include <sys/param.h> /* MIN, MAX: uv.h brings it too, and it defines them without asking */

#define NODISCARD         __attribute__((warn_unused_result))
#define NORETURN          __attribute__((noreturn))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define RETURNS_NONNULL   __attribute__((returns_nonnull))
#define ALLOC_SIZE(...)   __attribute__((alloc_size(__VA_ARGS__)))
#define COLD              __attribute__((cold))

/* Runs fn(&variable) when the variable goes out of scope: CLEANUP(buf_release) struct buf b; */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
