#include "tests/harness/unit.h"

#include "common/compress.h"
#include "common/limits.h"

static void zstd_is_bounded(void **state)
{
    (void)state;
    struct compressor *c = compressor_new();
    struct buf out;
    buf_init(&out, MIB);
    uint8_t zeros[1000] = {0};
    uint8_t back[1000];
    assert_status(compressor_pack(c, slice_from(zeros, sizeof(zeros)), &out), STATUS_OK);
    assert_true(out.len < 100);
    assert_status(compress_unpack(buf_slice(&out), back, sizeof(back)), STATUS_OK);
    assert_memory_equal(zeros, back, sizeof(back));
    assert_status(compress_unpack(buf_slice(&out), back, sizeof(back) - 1), STATUS_CORRUPT);
    assert_status(compress_unpack(slice_from(out.ptr, out.len - 1), back, sizeof(back)),
                  STATUS_CORRUPT);
    size_t len = out.len;
    assert_status(compressor_pack(c, SLICE_LITERAL("abc"), &out), STATUS_TOO_LARGE);
    assert_status(compressor_pack(c, SLICE_NULL, &out), STATUS_TOO_LARGE);
    assert_int_equal(out.len, len);
    assert_false(out.overflow);
    buf_release(&out);
    compressor_free(c);
    compressor_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zstd_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
