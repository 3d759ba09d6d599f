/* What the fuzz targets share. A target is one file, target_<name>.c, with the one function below:
 * libFuzzer calls it millions of times (`make fuzz`), replay.c once for every file of
 * corpus/<name>. It must not remember anything from one call to the next. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#include "common/check.h"
#include "common/envelope.h"
#include "common/slice.h"

/* libFuzzer's name for it; always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever comes in: one line and an abort, which the fuzzer keeps the input of. */
#define EXPECT(cond) CHECK(cond)

/* --- taking an input apart ------------------------------------------------------------------- */

/* What is behind the end reads as 0 and as empty. */
struct fuzz_input {
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct fuzz_input fuzz_open(const uint8_t *data, size_t size)
{
    return (struct fuzz_input){data, data + size};
}

bool fuzz_is_empty(const struct fuzz_input *in);
uint8_t fuzz_byte(struct fuzz_input *in);
/* A byte says how many bytes it has, 0 to 8, little-endian: small and huge ones come alike. */
uint64_t fuzz_number(struct fuzz_input *in);
struct slice fuzz_take(struct fuzz_input *in, size_t len);
/* A byte: 0 is null, else the length + 1. */
struct slice fuzz_nullable(struct fuzz_input *in);
/* Up to the next newline, which is eaten. */
struct slice fuzz_line(struct fuzz_input *in);
struct slice fuzz_rest(struct fuzz_input *in);

/* On the heap and not a byte longer, so that a sanitizer sees who reads behind its end. The caller
 * frees with mem_free. */
uint8_t *fuzz_copy(struct slice bytes);
/* The same as text that ends at the first NUL. */
char *fuzz_text(struct slice bytes);

/* --- oracles --------------------------------------------------------------------------------- */

/* Null and empty differ. */
bool fuzz_same(struct slice a, struct slice b);
bool fuzz_same_record(const struct record *a, const struct record *b);
/* Every byte is one of ASCII's visible characters or a space. */
bool fuzz_is_printable(struct slice text);

#endif
