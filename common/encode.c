#include "common/encode.h"

#include <endian.h>
#include <string.h>

#include "common/check.h"

/* Two characters of base64 for every twelve bits. */
#define E(c, d)                                                                                    \
    {                                                                                              \
        c, d                                                                                       \
    }
#define P16(c, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, da, db, dc, dd, de, df)                     \
    E(c, d0), E(c, d1), E(c, d2), E(c, d3), E(c, d4), E(c, d5), E(c, d6), E(c, d7), E(c, d8),      \
        E(c, d9), E(c, da), E(c, db), E(c, dc), E(c, dd), E(c, de), E(c, df)
#define P(c)                                                                                       \
    P16(c, 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P'),        \
        P16(c, 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f'),    \
        P16(c, 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v'),    \
        P16(c, 'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '+', '/')
static const uint8_t base64_pairs[4096][2] = {
    P('A'), P('B'), P('C'), P('D'), P('E'), P('F'), P('G'), P('H'), P('I'), P('J'), P('K'),
    P('L'), P('M'), P('N'), P('O'), P('P'), P('Q'), P('R'), P('S'), P('T'), P('U'), P('V'),
    P('W'), P('X'), P('Y'), P('Z'), P('a'), P('b'), P('c'), P('d'), P('e'), P('f'), P('g'),
    P('h'), P('i'), P('j'), P('k'), P('l'), P('m'), P('n'), P('o'), P('p'), P('q'), P('r'),
    P('s'), P('t'), P('u'), P('v'), P('w'), P('x'), P('y'), P('z'), P('0'), P('1'), P('2'),
    P('3'), P('4'), P('5'), P('6'), P('7'), P('8'), P('9'), P('+'), P('/')};
#undef P
#undef P16
#undef E

/* A base64 character's six bits, at each of the four places that they have in 24; FOREIGN for all
 * other characters, also after or-ing a group of four. */
#define FOREIGN              UINT32_C(0x80000000)
#define F(s)                 FOREIGN
#define F7(s)                F(s), F(s), F(s), F(s), F(s), F(s), F(s)
#define F43(s)               F7(s), F7(s), F7(s), F7(s), F7(s), F7(s), F(s)
#define V(v, s)              (UINT32_C(v) << (s))
#define V5(a, b, c, d, e, s) V(a, s), V(b, s), V(c, s), V(d, s), V(e, s)
#define DIGITS(s)            V5(52, 53, 54, 55, 56, s), V5(57, 58, 59, 60, 61, s)
#define UPPER(s)                                                                                   \
    V5(0, 1, 2, 3, 4, s), V5(5, 6, 7, 8, 9, s), V5(10, 11, 12, 13, 14, s),                         \
        V5(15, 16, 17, 18, 19, s), V5(20, 21, 22, 23, 24, s), V(25, s)
#define LOWER(s)                                                                                   \
    V5(26, 27, 28, 29, 30, s), V5(31, 32, 33, 34, 35, s), V5(36, 37, 38, 39, 40, s),               \
        V5(41, 42, 43, 44, 45, s), V5(46, 47, 48, 49, 50, s), V(51, s)
#define ALL(s)                                                                                     \
    F43(s), V(62, s), F(s), F(s), F(s), V(63, s), DIGITS(s), F7(s), UPPER(s), F(s), F(s), F(s),    \
        F(s), F(s), F(s), LOWER(s), F43(s), F43(s), F43(s), F(s), F(s), F(s), F(s)
static const uint32_t base64_bits[4][256] = {{ALL(18)}, {ALL(12)}, {ALL(6)}, {ALL(0)}};
#undef ALL
#undef LOWER
#undef UPPER
#undef DIGITS
#undef V5
#undef V
#undef F43
#undef F7
#undef F

void encode_hex(struct slice raw, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *to = buf_reserve(out, raw.len * 2);
    if (to == NULL)
        return;
    for (size_t i = 0; i < raw.len; i++) {
        *to++ = (uint8_t)digits[raw.ptr[i] >> 4];
        *to++ = (uint8_t)digits[raw.ptr[i] & 15];
    }
    buf_commit(out, raw.len * 2);
}

static void put_pair(uint8_t *to, uint64_t twelve_bits)
{
    memcpy(to, base64_pairs[twelve_bits & 0xfff], 2);
}

/* Six bytes at a time, while eight can be read. Returns how many it has encoded. */
static size_t base64_sixes(struct slice raw, uint8_t *to)
{
    size_t done = 0;
    for (; raw.len - done >= 8; done += 6, to += 8) {
        uint64_t bits;
        memcpy(&bits, raw.ptr + done, sizeof(bits));
        bits = be64toh(bits);
        put_pair(to, bits >> 52);
        put_pair(to + 2, bits >> 40);
        put_pair(to + 4, bits >> 28);
        put_pair(to + 6, bits >> 16);
    }
    return done;
}

void encode_base64(struct slice raw, struct buf *out)
{
    size_t len = encode_base64_len(raw.len);
    uint8_t *to = buf_reserve(out, len);
    if (to == NULL)
        return;
    size_t done = base64_sixes(raw, to);
    to += done / 3 * 4;
    for (; done < raw.len; done += 3, to += 4) {
        size_t left = MIN(raw.len - done, (size_t)3);
        uint8_t last[3] = {0};
        memcpy(last, raw.ptr + done, left);
        put_pair(to, (uint64_t)last[0] << 4 | last[1] >> 4);
        put_pair(to + 2, (uint64_t)last[1] << 8 | last[2]);
        memset(to + 1 + left, '=', 3 - left);
    }
    buf_commit(out, len);
}

static bool uri_unreserved(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

void encode_uri(struct slice raw, bool keep_slash, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t c = raw.ptr[i];
        if (uri_unreserved(c) || (keep_slash && c == '/')) {
            buf_append_byte(out, c);
        } else {
            char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
            buf_append(out, escape, sizeof(escape));
        }
    }
}

static bool fits(const struct buf *out, size_t len)
{
    return !out->overflow && len <= out->max - out->len;
}

/* The last group, 2..4 characters of it data; false if one is foreign or spare bits are set. */
static bool base64_last_group(const uint8_t *from, size_t data, uint8_t *to)
{
    const uint32_t *values = base64_bits[3];
    uint32_t a = values[from[0]];
    uint32_t b = values[from[1]];
    uint32_t c = data > 2 ? values[from[2]] : 0;
    uint32_t d = data > 3 ? values[from[3]] : 0;
    if (((a | b | c | d) & FOREIGN) != 0)
        return false;
    if ((data == 2 && (b & 15) != 0) || (data == 3 && (c & 3) != 0))
        return false;
    to[0] = (uint8_t)(a << 2 | b >> 4);
    if (data > 2)
        to[1] = (uint8_t)(b << 4 | c >> 2);
    if (data > 3)
        to[2] = (uint8_t)(c << 6 | d);
    return true;
}

enum status decode_base64(struct slice text, struct buf *out)
{
    if (text.len % 4 != 0)
        return STATUS_INVALID;
    if (text.len == 0)
        return STATUS_OK;
    const uint8_t *from = text.ptr;
    const uint8_t *last = from + text.len - 4;
    size_t data = last[3] != '=' ? 4 : last[2] != '=' ? 3 : 2;
    size_t len = text.len / 4 * 3 - (4 - data);
    if (!fits(out, len))
        return STATUS_TOO_LARGE;
    uint8_t *to = buf_reserve(out, len);
    CHECK(to != NULL);
    uint32_t foreign = 0;
    for (; from < last; from += 4, to += 3) {
        uint32_t group = base64_bits[0][from[0]] | base64_bits[1][from[1]] |
                         base64_bits[2][from[2]] | base64_bits[3][from[3]];
        uint32_t bytes = htobe32(group << 8);
        memcpy(to, &bytes, sizeof(bytes)); /* the fourth is the last group's first at most */
        foreign |= group;
    }
    if ((foreign & FOREIGN) != 0 || !base64_last_group(last, data, to))
        return STATUS_INVALID;
    buf_commit(out, len);
    return STATUS_OK;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum status decode_hex(struct slice text, struct buf *out)
{
    if (text.len % 2 != 0)
        return STATUS_INVALID;
    if (!fits(out, text.len / 2))
        return STATUS_TOO_LARGE;
    uint8_t *to = buf_reserve(out, text.len / 2);
    CHECK(to != NULL);
    for (size_t i = 0; i < text.len / 2; i++) {
        int high = hex_value(text.ptr[2 * i]);
        int low = hex_value(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return STATUS_INVALID;
        to[i] = (uint8_t)(high << 4 | low);
    }
    buf_commit(out, text.len / 2);
    return STATUS_OK;
}
