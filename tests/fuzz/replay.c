/* replay FILE...: gives each file to the target that it is linked with. No fuzzer is needed for
 * that, so every build and every compiler can do it. */
#include <stdio.h>

#include "common/buf.h"
#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

#define FILE_BYTES_MAX ((size_t)16 << 20)

static bool read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    size_t got;
    char chunk[4096];
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_append(out, chunk, got);
    bool whole = ferror(file) == 0 && !out->overflow;
    fclose(file);
    return whole;
}

static bool replay(const char *path)
{
    CLEANUP(buf_release) struct buf content;
    buf_init(&content, FILE_BYTES_MAX);
    if (!read_file(path, &content)) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return false;
    }
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(buf_slice(&content));
    LLVMFuzzerTestOneInput(copy, content.len);
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s FILE...\n", argv[0]);
        return 64;
    }
    for (int i = 1; i < argc; i++) {
        /* Stays the last line if the target ends the process. */
        fprintf(stderr, "%s\n", argv[i]);
        if (!replay(argv[i]))
            return 1;
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
