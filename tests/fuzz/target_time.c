/* Integers, durations, RFC 3339 and HTTP dates: each against a second reading, and back. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "common/mem.h"
#include "common/num.h"
#include "tests/fuzz/fuzz.h"

#define WIDE    __extension__ __int128
#define MS_LAST INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static void check_integer(struct slice text)
{
    uint64_t value;
    int64_t signed_value;
    char again[24];
    if (num_parse_u64(text, UINT64_MAX, &value) == STATUS_OK) {
        snprintf(again, sizeof(again), "%" PRIu64, value);
        EXPECT(slice_equal_str(text, again));
        EXPECT((num_parse_i64(text, INT64_MAX, &signed_value) == STATUS_OK) ==
               (value <= INT64_MAX));
        EXPECT(value == 0 || num_parse_u64(text, value - 1, &value) == STATUS_TOO_LARGE);
    } else {
        EXPECT(num_parse_i64(text, INT64_MAX, &signed_value) != STATUS_OK);
    }
}

/* In 128 bits there is nothing to overflow. */
static void check_duration(struct slice text)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    int64_t ms = -1;
    enum status status = num_parse_duration_ms(text, INT64_MAX, &ms);
    WIDE value = 0;
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') {
        value = value > INT64_MAX ? value : value * 10 + (text.ptr[digits] - '0');
        digits++;
    }
    bool zero_first = digits > 1 && text.ptr[0] == '0';
    struct slice unit = slice_from(text.ptr + digits, text.len - digits);
    WIDE expected = -1;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (digits > 0 && !zero_first && slice_equal_str(unit, units[i].unit))
            expected = value * units[i].ms;
    if (expected < 0)
        EXPECT(status == STATUS_INVALID);
    else if (expected > INT64_MAX)
        EXPECT(status == STATUS_TOO_LARGE);
    else
        EXPECT(status == STATUS_OK && ms == (int64_t)expected);
}

static void check_http_date(struct slice text)
{
    static const char format[] = "%a, %d %b %Y %H:%M:%S GMT";
    CLEANUP(mem_freep) char *copy = fuzz_text(text);
    struct tm tm = {.tm_mday = 0};
    char again[64] = "";
    int64_t epoch_s;
    const char *end = strlen(copy) == text.len ? strptime(copy, format, &tm) : NULL;
    bool expected = false;
    time_t seconds = 0;
    if (end != NULL && *end == '\0' && tm.tm_sec < 60) {
        seconds = timegm(&tm); /* puts the weekday right */
        expected = seconds >= 0 && strftime(again, sizeof(again), format, &tm) == text.len &&
                   slice_equal_str(text, again);
    }
    bool taken = num_parse_http_date(text, &epoch_s) == STATUS_OK;
    if (expected)
        EXPECT(taken && epoch_s == seconds);
    else
        EXPECT(!taken || memcmp(text.ptr + 23, "60", 2) == 0); /* a leap second */
}

/* What a time would look like as we write it, or "" if that is not how it was written: another
 * zone, a fraction beyond milliseconds, a leap second. */
static void canonical(struct slice text, char out[NUM_RFC3339_SIZE])
{
    size_t fraction = text.len < 21 ? 0 : text.len - 21;
    out[0] = '\0';
    if (text.len < 20 || text.len > 24 || (text.ptr[text.len - 1] | 0x20) != 'z' ||
        memcmp(text.ptr + 17, "60", 2) == 0)
        return;
    memcpy(out, text.ptr, 19);
    out[10] = 'T';
    memcpy(out + 19, ".000Z", 6);
    if (text.len > 21)
        memcpy(out + 20, text.ptr + 20, fraction);
}

static void check_rfc3339(struct slice text)
{
    int64_t ms;
    char expected[NUM_RFC3339_SIZE];
    char shown[NUM_RFC3339_SIZE];
    char amz[NUM_AMZ_DATE_SIZE];
    if (num_parse_rfc3339(text, &ms) != STATUS_OK)
        return;
    /* A zone behind UTC and a leap second lead past the end of the last year. */
    EXPECT(ms >= 0 && ms <= MS_LAST + INT64_C(86400000) + 1001);
    canonical(text, expected);
    num_format_rfc3339(ms, shown);
    if (expected[0] != '\0')
        EXPECT(strcmp(expected, shown) == 0);
    num_format_amz_date(ms, amz);
    EXPECT(strlen(amz) == 16 && memcmp(amz, shown, 4) == 0 && memcmp(amz + 9, shown + 11, 2) == 0);
}

static void check_instant(int64_t ms)
{
    char shown[NUM_RFC3339_SIZE];
    int64_t again;
    num_format_rfc3339(ms, shown);
    EXPECT(strlen(shown) == 24);
    EXPECT(num_parse_rfc3339(slice_from_str(shown), &again) == STATUS_OK);
    EXPECT(again == (ms < 0 ? 0 : ms > MS_LAST ? MS_LAST : ms));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(mem_freep) uint8_t *copy = fuzz_copy(slice_from(data, size));
    struct slice text = slice_from(copy, size);
    check_integer(text);
    check_duration(text);
    check_http_date(text);
    check_rfc3339(text);
    if (size >= 8) {
        uint64_t bits;
        memcpy(&bits, copy, sizeof(bits));
        check_instant((int64_t)bits);
        check_instant((int64_t)(bits % MS_LAST));
    }
    return 0;
}
