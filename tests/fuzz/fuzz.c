#include "tests/fuzz/fuzz.h"

#include "common/mem.h"

bool fuzz_is_empty(const struct fuzz_input *in)
{
    return in->at == in->end;
}

uint8_t fuzz_byte(struct fuzz_input *in)
{
    return in->at == in->end ? 0 : *in->at++;
}

uint64_t fuzz_number(struct fuzz_input *in)
{
    uint64_t value = 0;
    unsigned bytes = fuzz_byte(in) % 9;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)fuzz_byte(in) << 8 * i;
    return value;
}

struct slice fuzz_take(struct fuzz_input *in, size_t len)
{
    struct slice taken = slice_from(in->at, MIN(len, (size_t)(in->end - in->at)));
    in->at += taken.len;
    return taken;
}

struct slice fuzz_nullable(struct fuzz_input *in)
{
    uint8_t len = fuzz_byte(in);
    return len == 0 ? SLICE_NULL : fuzz_take(in, len - 1U);
}

struct slice fuzz_line(struct fuzz_input *in)
{
    size_t left = (size_t)(in->end - in->at);
    const uint8_t *newline = left == 0 ? NULL : memchr(in->at, '\n', left);
    struct slice line = fuzz_take(in, newline == NULL ? left : (size_t)(newline - in->at));
    if (newline != NULL)
        in->at++;
    return line;
}

struct slice fuzz_rest(struct fuzz_input *in)
{
    return fuzz_take(in, (size_t)(in->end - in->at));
}

uint8_t *fuzz_copy(struct slice bytes)
{
    uint8_t *copy = mem_alloc(bytes.len);
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    return copy;
}

char *fuzz_text(struct slice bytes)
{
    size_t len = bytes.len == 0 ? 0 : strnlen((const char *)bytes.ptr, bytes.len);
    return len == 0 ? mem_strdup("") : mem_strndup((const char *)bytes.ptr, len);
}

bool fuzz_same(struct slice a, struct slice b)
{
    return slice_is_null(a) == slice_is_null(b) && slice_equal(a, b);
}

bool fuzz_same_record(const struct record *a, const struct record *b)
{
    bool same = a->due_ms == b->due_ms && slice_equal(a->target, b->target) &&
                slice_equal(a->source_topic, b->source_topic) &&
                a->source_partition == b->source_partition &&
                a->source_offset == b->source_offset && fuzz_same(a->delay_id, b->delay_id) &&
                fuzz_same(a->key, b->key) && fuzz_same(a->value, b->value) &&
                a->header_count == b->header_count;
    for (uint32_t i = 0; same && i < a->header_count; i++)
        same = slice_equal(a->headers[i].name, b->headers[i].name) &&
               fuzz_same(a->headers[i].value, b->headers[i].value);
    return same;
}

bool fuzz_is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return true;
}
