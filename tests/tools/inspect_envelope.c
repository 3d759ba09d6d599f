#include "tests/tools/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/encode.h"
#include "common/envelope.h"
#include "common/json.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/num.h"

#define INPUT_BYTES_MAX  (4 * MIB)
#define OUTPUT_BYTES_MAX ((size_t)512 * MIB)

static int bad_input(const char *why)
{
    fprintf(stderr, "inspect envelope: %s\n", why);
    return INSPECT_BAD_INPUT;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The frames in what was read: as they are, or out of base64 that may be broken into lines. */
static enum status decode_input(const struct buf *input, struct buf *frames)
{
    struct slice raw = buf_slice(input);
    struct slice magic = SLICE_LITERAL("DLYN");
    if (raw.len >= magic.len && memcmp(raw.ptr, magic.ptr, magic.len) == 0) {
        buf_append_slice(frames, raw);
        return STATUS_OK;
    }
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, INPUT_BYTES_MAX);
    for (size_t i = 0; i < raw.len; i++) {
        if (!is_blank(raw.ptr[i]))
            buf_append_byte(&text, raw.ptr[i]);
    }
    return decode_base64(buf_slice(&text), frames);
}

static bool is_readable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((s.ptr[i] < ' ' && !is_blank(s.ptr[i])) || s.ptr[i] == 0x7f)
            return false;
    }
    return json_valid_utf8(s);
}

/* "name_b64":"...", and "name":"..." where it reads as text. */
static void put_bytes(struct buf *out, const char *name, struct slice value)
{
    buf_printf(out, "\"%s_b64\":", name);
    if (slice_is_null(value)) {
        buf_append_str(out, "null");
        return;
    }
    buf_append_str(out, "\"");
    encode_base64(value, out);
    buf_append_str(out, "\"");
    if (is_readable(value)) {
        buf_printf(out, ",\"%s\":", name);
        json_append_string(out, value);
    }
}

static void put_text(struct buf *out, struct slice text)
{
    if (slice_is_null(text))
        buf_append_str(out, "null");
    else if (is_readable(text))
        json_append_string(out, text);
    else
        buf_append_str(out, "\"(not text)\"");
}

static void put_blob(struct buf *out, const struct blob_ref *ref)
{
    char hex[ENVELOPE_ID_HEX_SIZE];
    envelope_id_hex(&ref->blob_id, hex);
    buf_printf(out,
               "\"blob\":{\"id\":\"%s\",\"parts\":%" PRIu32 ",\"bytes\":%" PRIu32
               ",\"crc32\":%" PRIu32 "}",
               hex, ref->parts, ref->total_bytes, ref->crc32);
}

static void put_content(struct buf *out, const struct record *r)
{
    put_bytes(out, "key", r->key);
    buf_append_str(out, ",");
    put_bytes(out, "value", r->value);
    buf_append_str(out, ",\"headers\":[");
    for (uint32_t i = 0; i < r->header_count; i++) {
        buf_append_str(out, i == 0 ? "{" : ",{");
        put_bytes(out, "name", r->headers[i].name);
        buf_append_str(out, ",");
        put_bytes(out, "value", r->headers[i].value);
        buf_append_str(out, "}");
    }
    buf_append_str(out, "]");
}

static void put_record(struct buf *out, const struct record *r, const struct blob_ref *blob)
{
    char due[NUM_RFC3339_SIZE];
    num_format_rfc3339(r->due_ms, due);
    buf_printf(out, "{\"due_ms\":%" PRId64 ",\"due\":\"%s\",\"target\":", r->due_ms, due);
    put_text(out, r->target);
    buf_append_str(out, ",\"source\":{\"topic\":");
    put_text(out, r->source_topic);
    buf_printf(out, ",\"partition\":%" PRId32 ",\"offset\":%" PRId64 "},\"delay_id\":",
               r->source_partition, r->source_offset);
    put_text(out, r->delay_id);
    buf_append_str(out, ",");
    if (blob != NULL)
        put_blob(out, blob);
    else
        put_content(out, r);
    buf_append_str(out, "}");
}

static void put_envelope(struct buf *out, const struct envelope *e)
{
    const struct envelope_info *info = envelope_get_info(e);
    struct record_header *headers = mem_calloc(RECORD_HEADERS_MAX, sizeof(*headers));
    char hex[ENVELOPE_ID_HEX_SIZE];
    envelope_id_hex(&info->id, hex);
    buf_printf(out,
               "{\"id\":\"%s\",\"frames\":%" PRIu32 ",\"first_due_ms\":%" PRId64
               ",\"raw_bytes\":%zu,\"records\":[",
               hex, info->frames, info->first_due_ms, info->raw_bytes);
    for (uint32_t i = 0; i < info->records; i++) {
        struct record record;
        envelope_record(e, i, headers, &record);
        if (i > 0)
            buf_append_str(out, ",");
        put_record(out, &record, envelope_blob_ref(e));
    }
    buf_append_str(out, "]}");
    mem_free(headers);
}

int inspect_envelope(int argc, char **argv)
{
    if (argc > 1)
        return inspect_usage_error("%s takes no argument, it reads standard input", argv[0]);
    CLEANUP(buf_release) struct buf input;
    CLEANUP(buf_release) struct buf frames;
    CLEANUP(buf_release) struct buf out;
    buf_init(&input, INPUT_BYTES_MAX);
    buf_init(&frames, INPUT_BYTES_MAX);
    buf_init(&out, OUTPUT_BYTES_MAX);
    if (!inspect_read_input(&input))
        return bad_input("cannot read standard input, or it is over 4 MiB");
    if (decode_input(&input, &frames) != STATUS_OK)
        return bad_input("neither base64 nor frames");
    struct envelope *e;
    struct error error;
    if (envelope_decode(buf_slice(&frames), &e, &error) != STATUS_OK) {
        fprintf(stderr, "inspect envelope: %s: %s\n", error.code, error.text);
        return INSPECT_BAD_INPUT;
    }
    put_envelope(&out, e);
    envelope_free(e);
    if (out.overflow)
        return bad_input("too much to print");
    inspect_print(&out);
    return 0;
}
