#include "tests/emulator/json_out.h"

#include <inttypes.h>

void json_out_init(struct json_out *out, struct buf *buf)
{
    *out = (struct json_out){.buf = buf};
}

static void separate(struct json_out *out)
{
    if (out->comma)
        buf_append_byte(out->buf, ',');
    out->comma = true;
}

static void begin(struct json_out *out, char bracket)
{
    separate(out);
    buf_append_byte(out->buf, (uint8_t)bracket);
    out->comma = false;
}

static void end(struct json_out *out, char bracket)
{
    buf_append_byte(out->buf, (uint8_t)bracket);
    out->comma = true;
}

void json_out_begin_object(struct json_out *out)
{
    begin(out, '{');
}

void json_out_end_object(struct json_out *out)
{
    end(out, '}');
}

void json_out_begin_array(struct json_out *out)
{
    begin(out, '[');
}

void json_out_end_array(struct json_out *out)
{
    end(out, ']');
}

static void quote(struct buf *buf, struct slice text)
{
    buf_append_byte(buf, '"');
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_append(buf, text.ptr + start, i - start);
        start = i + 1;
        if (c == '"' || c == '\\')
            buf_printf(buf, "\\%c", c);
        else
            buf_printf(buf, "\\u%04x", c);
    }
    if (text.len > start)
        buf_append(buf, text.ptr + start, text.len - start);
    buf_append_byte(buf, '"');
}

void json_out_name_slice(struct json_out *out, struct slice name)
{
    separate(out);
    quote(out->buf, name);
    buf_append_byte(out->buf, ':');
    out->comma = false;
}

void json_out_name(struct json_out *out, const char *name)
{
    json_out_name_slice(out, slice_from_str(name));
}

void json_out_string(struct json_out *out, struct slice text)
{
    separate(out);
    quote(out->buf, text);
}

void json_out_base64(struct json_out *out, struct slice raw)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    separate(out);
    buf_append_byte(out->buf, '"');
    size_t len = (raw.len + 2) / 3 * 4;
    uint8_t *to = buf_reserve(out->buf, len);
    for (size_t i = 0; to != NULL && i < raw.len; i += 3) {
        size_t left = raw.len - i;
        uint32_t bits = (uint32_t)raw.ptr[i] << 16 |
                        (left > 1 ? (uint32_t)raw.ptr[i + 1] << 8 : 0) |
                        (left > 2 ? raw.ptr[i + 2] : 0);
        *to++ = (uint8_t)digits[bits >> 18];
        *to++ = (uint8_t)digits[bits >> 12 & 63];
        *to++ = left > 1 ? (uint8_t)digits[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? (uint8_t)digits[bits & 63] : '=';
    }
    if (to != NULL)
        buf_commit(out->buf, len);
    buf_append_byte(out->buf, '"');
}

void json_out_i64(struct json_out *out, int64_t value)
{
    separate(out);
    buf_printf(out->buf, "%" PRId64, value);
}

void json_out_halves(struct json_out *out, uint64_t halves)
{
    separate(out);
    buf_printf(out->buf, "%" PRIu64 ".%d", halves / 2, halves % 2 == 0 ? 0 : 5);
}

void json_out_seconds(struct json_out *out, int64_t ms)
{
    separate(out);
    buf_printf(out->buf, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
}

void json_out_bool(struct json_out *out, bool value)
{
    separate(out);
    buf_append_str(out->buf, value ? "true" : "false");
}

void json_out_member(struct json_out *out, const char *name, const char *text)
{
    json_out_name(out, name);
    json_out_string(out, slice_from_str(text));
}

void json_out_member_i64(struct json_out *out, const char *name, int64_t value)
{
    json_out_name(out, name);
    json_out_i64(out, value);
}
