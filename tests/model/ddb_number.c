#include "tests/model/ddb_number.h"

#include <string.h>

#define DIGITS_MAX 38
#define POINT_MAX  126 /* 0.d1d2.. x 10^point */
#define POINT_MIN  -129

/* 0.d1d2d3.. x 10^point, d1 not 0; no digits: zero. */
struct number {
    bool negative;
    int count;
    int point;
    char digits[DIGITS_MAX];
};

static bool is_digit(struct slice text, size_t at)
{
    return at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9';
}

static bool parse_exponent(struct slice text, size_t *at, int *ret)
{
    *ret = 0;
    if (*at == text.len)
        return true;
    if (text.ptr[*at] != 'e' && text.ptr[*at] != 'E')
        return false;
    (*at)++;
    bool negative = *at < text.len && text.ptr[*at] == '-';
    if (*at < text.len && (text.ptr[*at] == '-' || text.ptr[*at] == '+'))
        (*at)++;
    if (!is_digit(text, *at))
        return false;
    for (; is_digit(text, *at); (*at)++) {
        *ret = *ret * 10 + (text.ptr[*at] - '0');
        if (*ret > 1000)
            return false;
    }
    *ret = negative ? -*ret : *ret;
    return *at == text.len;
}

static bool parse(struct slice text, struct number *ret)
{
    struct number n = {0};
    size_t at = 0;
    if (at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+'))
        n.negative = text.ptr[at++] == '-';
    int zeros = 0; /* seen since the last digit that was kept */
    bool any = false;
    bool fraction = false;
    for (; is_digit(text, at) || (at < text.len && text.ptr[at] == '.' && !fraction); at++) {
        char c = (char)text.ptr[at];
        if (c == '.') {
            fraction = true;
            continue;
        }
        any = true;
        if (!fraction && (n.count > 0 || c != '0'))
            n.point++;
        if (fraction && n.count == 0 && c == '0')
            n.point--;
        if (c == '0') {
            zeros += n.count > 0;
            continue;
        }
        if (n.count + zeros >= DIGITS_MAX)
            return false;
        memset(n.digits + n.count, '0', (size_t)zeros);
        n.count += zeros;
        zeros = 0;
        n.digits[n.count++] = c;
    }
    int exponent;
    if (!any || !parse_exponent(text, &at, &exponent))
        return false;
    n.point += exponent;
    if (n.count == 0)
        n = (struct number){0};
    else if (n.point > POINT_MAX || n.point < POINT_MIN)
        return false;
    *ret = n;
    return true;
}

bool ddb_number_normalize(struct slice text, char out[DDB_NUMBER_SIZE])
{
    struct number n;
    if (!parse(text, &n))
        return false;
    char *at = out;
    if (n.count == 0) {
        memcpy(out, "0", 2);
        return true;
    }
    if (n.negative)
        *at++ = '-';
    if (n.point <= 0) {
        *at++ = '0';
        *at++ = '.';
        memset(at, '0', (size_t)-n.point);
        at += -n.point;
    }
    for (int i = 0; i < n.count; i++) {
        if (i == n.point && i > 0)
            *at++ = '.';
        *at++ = n.digits[i];
    }
    for (int i = n.count; i < n.point; i++)
        *at++ = '0';
    *at = '\0';
    return true;
}

static int compare_magnitude(const struct number *a, const struct number *b)
{
    if (a->count == 0 || b->count == 0)
        return (a->count > 0) - (b->count > 0);
    if (a->point != b->point)
        return a->point < b->point ? -1 : 1;
    int shared = a->count < b->count ? a->count : b->count;
    int order = memcmp(a->digits, b->digits, (size_t)shared);
    return order != 0 ? order : a->count - b->count;
}

int ddb_number_compare(struct slice a, struct slice b)
{
    struct number x = {0};
    struct number y = {0};
    if (!parse(a, &x) || !parse(b, &y))
        return slice_compare(a, b);
    if (x.negative != y.negative)
        return x.negative ? -1 : 1;
    return x.negative ? compare_magnitude(&y, &x) : compare_magnitude(&x, &y);
}

size_t ddb_number_size(struct slice text)
{
    struct number n;
    if (!parse(text, &n))
        return text.len;
    return (size_t)(n.count + 1) / 2 + 1 + n.negative;
}
