#include "common/num.h"

#include <stdbool.h>
#include <string.h>

#include "common/timeval.h"

#define SECONDS_PER_DAY  INT64_C(86400)
#define YEAR_FIRST       1970
#define YEAR_LAST        9999
#define EPOCH_MS_LAST    INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */
#define HTTP_DATE_LENGTH 29

struct civil {
    int64_t year;
    int month; /* 1..12 */
    int day;   /* 1..31 */
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

enum status num_parse_u64(struct slice text, uint64_t max, uint64_t *ret_value)
{
    if (text.len == 0 || (text.len > 1 && text.ptr[0] == '0'))
        return STATUS_INVALID;
    uint64_t value = 0;
    bool over = false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.ptr[i]))
            return STATUS_INVALID;
        over = over || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
               __builtin_add_overflow(value, (uint64_t)(text.ptr[i] - '0'), &value);
    }
    if (over || value > max)
        return STATUS_TOO_LARGE;
    *ret_value = value;
    return STATUS_OK;
}

enum status num_parse_i64(struct slice text, int64_t max, int64_t *ret_value)
{
    uint64_t value;
    enum status status = num_parse_u64(text, max < 0 ? 0 : (uint64_t)max, &value);
    if (status == STATUS_OK)
        *ret_value = (int64_t)value;
    return status;
}

enum status num_parse_duration_ms(struct slice text, int64_t max_ms, int64_t *ret_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {
        {"", 1},
        {"ms", 1},
        {"s", MS_PER_SECOND},
        {"m", MS_PER_MINUTE},
        {"h", MS_PER_HOUR},
        {"d", MS_PER_DAY},
    };
    size_t digits = 0;
    while (digits < text.len && is_digit(text.ptr[digits]))
        digits++;
    struct slice unit = digits == 0 ? text : slice_from(text.ptr + digits, text.len - digits);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!slice_equal_str(unit, units[i].name))
            continue;
        int64_t count;
        enum status status = num_parse_i64(slice_from(text.ptr, digits), INT64_MAX, &count);
        if (status != STATUS_OK)
            return status;
        int64_t ms;
        if (__builtin_mul_overflow(count, units[i].ms, &ms) || ms > max_ms)
            return STATUS_TOO_LARGE;
        *ret_ms = ms;
        return STATUS_OK;
    }
    return STATUS_INVALID;
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar. Years are counted from March, so that
 * the leap day is the last of its year; 400 years are one turn of the calendar. */
static int64_t days_from_civil(struct civil date)
{
    int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month_from_march = date.month > 2 ? date.month - 3 : date.month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct civil civil_from_days(int64_t days)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    return (struct civil){year, month, day};
}

static bool civil_is_valid(struct civil date)
{
    static const int days_in_month[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (date.year < YEAR_FIRST || date.year > YEAR_LAST || date.month < 1 || date.month > 12 ||
        date.day < 1 || date.day > days_in_month[date.month - 1])
        return false;
    bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
    return date.month != 2 || date.day < 29 || leap;
}

/* A reading position; failed is sticky, so that a grammar reads as a list of its parts. */
struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static int read_digits(struct reader *r, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (r->at == r->end || !is_digit(*r->at)) {
            r->failed = true;
            return 0;
        }
        value = value * 10 + (*r->at++ - '0');
    }
    return value;
}

static bool next_is(const struct reader *r, char c)
{
    return !r->failed && r->at < r->end && *r->at == (uint8_t)c;
}

static void read_char(struct reader *r, char c)
{
    if (next_is(r, c))
        r->at++;
    else
        r->failed = true;
}

/* HH:MM:SS as seconds of the day; 60 is allowed as a leap second. */
static int read_time(struct reader *r)
{
    int hour = read_digits(r, 2);
    read_char(r, ':');
    int minute = read_digits(r, 2);
    read_char(r, ':');
    int second = read_digits(r, 2);
    if (hour > 23 || minute > 59 || second > 60)
        r->failed = true;
    return (hour * 60 + minute) * 60 + second;
}

static int read_fraction_ms(struct reader *r)
{
    if (!next_is(r, '.'))
        return 0;
    r->at++;
    const uint8_t *first = r->at;
    int ms = 0;
    int digits = 0;
    bool is_more = false;
    for (; r->at < r->end && is_digit(*r->at); r->at++) {
        if (digits < 3) {
            ms = ms * 10 + (*r->at - '0');
            digits++;
        } else {
            is_more = is_more || *r->at != '0';
        }
    }
    if (r->at == first)
        r->failed = true;
    for (; digits < 3; digits++)
        ms *= 10;
    return is_more ? ms + 1 : ms;
}

static int read_offset_s(struct reader *r)
{
    if (next_is(r, 'Z') || next_is(r, 'z')) {
        r->at++;
        return 0;
    }
    int sign = next_is(r, '-') ? -1 : 1;
    read_char(r, sign < 0 ? '-' : '+');
    int hour = read_digits(r, 2);
    read_char(r, ':');
    int minute = read_digits(r, 2);
    if (hour > 23 || minute > 59)
        r->failed = true;
    return sign * (hour * 60 + minute) * 60;
}

enum status num_parse_rfc3339(struct slice text, int64_t *ret_epoch_ms)
{
    if (text.len == 0)
        return STATUS_INVALID;
    struct reader r = {.at = text.ptr, .end = text.ptr + text.len};
    struct civil date;
    date.year = read_digits(&r, 4);
    read_char(&r, '-');
    date.month = read_digits(&r, 2);
    read_char(&r, '-');
    date.day = read_digits(&r, 2);
    read_char(&r, next_is(&r, 't') ? 't' : 'T');
    int second_of_day = read_time(&r);
    bool leap_second = second_of_day % 60 == 0 && !r.failed && r.at[-2] == '6';
    int fraction_ms = read_fraction_ms(&r);
    int offset_s = read_offset_s(&r);
    if (r.failed || r.at != r.end || !civil_is_valid(date))
        return STATUS_INVALID;
    int64_t epoch_s = days_from_civil(date) * SECONDS_PER_DAY + second_of_day - offset_s;
    /* Leap seconds come at the end of a month, UTC. */
    if (leap_second &&
        (epoch_s % SECONDS_PER_DAY != 0 || civil_from_days(epoch_s / SECONDS_PER_DAY).day != 1))
        return STATUS_INVALID;
    if (epoch_s < 0)
        return STATUS_INVALID;
    *ret_epoch_ms = epoch_s * MS_PER_SECOND + fraction_ms;
    return STATUS_OK;
}

/* Reads one of count names of three letters; its index. */
static int read_name(struct reader *r, const char *names, int count)
{
    if (r->end - r->at >= 3) {
        for (int i = 0; i < count; i++) {
            if (memcmp(r->at, names + 3 * i, 3) == 0) {
                r->at += 3;
                return i;
            }
        }
    }
    r->failed = true;
    return 0;
}

enum status num_parse_http_date(struct slice text, int64_t *ret_epoch_s)
{
    if (text.len != HTTP_DATE_LENGTH || memcmp(text.ptr + text.len - 4, " GMT", 4) != 0)
        return STATUS_INVALID;
    struct reader r = {.at = text.ptr, .end = text.ptr + text.len - 4};
    int weekday = read_name(&r, "ThuFriSatSunMonTueWed", 7); /* of 1970-01-01 first */
    read_char(&r, ',');
    read_char(&r, ' ');
    struct civil date;
    date.day = read_digits(&r, 2);
    read_char(&r, ' ');
    date.month = 1 + read_name(&r, "JanFebMarAprMayJunJulAugSepOctNovDec", 12);
    read_char(&r, ' ');
    date.year = read_digits(&r, 4);
    read_char(&r, ' ');
    int second_of_day = read_time(&r);
    if (r.failed || r.at != r.end || !civil_is_valid(date))
        return STATUS_INVALID;
    int64_t days = days_from_civil(date);
    if (days % 7 != weekday)
        return STATUS_INVALID;
    *ret_epoch_s = days * SECONDS_PER_DAY + second_of_day;
    return STATUS_OK;
}

struct broken_down {
    struct civil date;
    int hour;
    int minute;
    int second;
    int ms;
};

static struct broken_down break_down(int64_t epoch_ms)
{
    int64_t days = epoch_ms / MS_PER_DAY;
    int64_t rest = epoch_ms % MS_PER_DAY;
    if (rest < 0) {
        rest += MS_PER_DAY;
        days--;
    }
    return (struct broken_down){
        .date = civil_from_days(days),
        .hour = (int)(rest / MS_PER_HOUR),
        .minute = (int)(rest / MS_PER_MINUTE % 60),
        .second = (int)(rest / MS_PER_SECOND % 60),
        .ms = (int)(rest % MS_PER_SECOND),
    };
}

/* Years that the formats can hold. */
static int64_t clamp_epoch_ms(int64_t epoch_ms)
{
    return epoch_ms < 0 ? 0 : epoch_ms > EPOCH_MS_LAST ? EPOCH_MS_LAST : epoch_ms;
}

static char *put_digits(char *to, int64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + count;
}

static char *put_char(char *to, char c)
{
    *to = c;
    return to + 1;
}

void num_format_rfc3339(int64_t epoch_ms, char *out)
{
    struct broken_down t = break_down(clamp_epoch_ms(epoch_ms));
    out = put_char(put_digits(out, t.date.year, 4), '-');
    out = put_char(put_digits(out, t.date.month, 2), '-');
    out = put_char(put_digits(out, t.date.day, 2), 'T');
    out = put_char(put_digits(out, t.hour, 2), ':');
    out = put_char(put_digits(out, t.minute, 2), ':');
    out = put_char(put_digits(out, t.second, 2), '.');
    out = put_char(put_digits(out, t.ms, 3), 'Z');
    *out = '\0';
}

void num_format_amz_date(int64_t epoch_ms, char *out)
{
    struct broken_down t = break_down(clamp_epoch_ms(epoch_ms));
    out = put_digits(out, t.date.year, 4);
    out = put_digits(out, t.date.month, 2);
    out = put_char(put_digits(out, t.date.day, 2), 'T');
    out = put_digits(out, t.hour, 2);
    out = put_digits(out, t.minute, 2);
    out = put_char(put_digits(out, t.second, 2), 'Z');
    *out = '\0';
}

size_t num_format_i64(int64_t value, char *out)
{
    char digits[NUM_DECIMAL_SIZE];
    size_t at = sizeof(digits);
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        digits[--at] = '-';
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}
