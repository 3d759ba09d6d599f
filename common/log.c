#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/json.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/num.h"

#define LINE_BYTES_MAX    (32 * 1024)
#define TEXT_BYTES_MAX    1024
#define PENDING_BYTES_MAX (64 * 1024) /* a slow reader may be this far behind, then lines go */

struct log {
    int fd;
    enum log_level least;
    char *program;
    struct buf line;
    struct buf pending; /* whole lines, but for the first, which may have been written in part */
    uint64_t dropped;
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

enum status log_level_parse(const char *text, enum log_level *ret)
{
    for (unsigned i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *ret = (enum log_level)i;
            return STATUS_OK;
        }
    }
    return STATUS_INVALID;
}

struct log *log_new(const char *program, enum log_level least)
{
    struct log *log = mem_calloc(1, sizeof(*log));
    log->fd = STDOUT_FILENO;
    log->least = least;
    log->program = mem_strdup(program);
    buf_init(&log->line, LINE_BYTES_MAX);
    buf_init(&log->pending, PENDING_BYTES_MAX);
    return log;
}

void log_free(struct log *log)
{
    if (log == NULL)
        return;
    log_flush(log);
    buf_release(&log->line);
    buf_release(&log->pending);
    mem_free(log->program);
    mem_free(log);
}

/* --- formatting ------------------------------------------------------------------------------ */

/* Bytes of the UTF-8 character at the start of text; 0: it is none. */
static size_t character_len(struct slice text)
{
    uint8_t lead = text.ptr[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return len <= text.len && json_valid_utf8(slice_from(text.ptr, len)) ? len : 0;
}

/* Characters that a terminal may act on: C1 controls, and those that reverse or break lines
 * (U+2028..202E, U+2066..2069). 0: none of them, else the code point. */
static unsigned harmful_character(const uint8_t *ptr, size_t len)
{
    if (len == 2 && ptr[0] == 0xc2 && ptr[1] < 0xa0)
        return ptr[1];
    if (len == 3 && ptr[0] == 0xe2 && ptr[1] == 0x80 && ptr[2] >= 0xa8 && ptr[2] <= 0xae)
        return 0x2000U + (ptr[2] & 0x3fU);
    if (len == 3 && ptr[0] == 0xe2 && ptr[1] == 0x81 && ptr[2] >= 0xa6 && ptr[2] <= 0xa9)
        return 0x2040U + (ptr[2] & 0x3fU);
    return 0;
}

static struct slice cut_text(struct slice text)
{
    if (text.len <= TEXT_BYTES_MAX)
        return text;
    size_t len = TEXT_BYTES_MAX;
    for (int i = 0; i < 3 && (text.ptr[len] & 0xc0) == 0x80; i++)
        len--;
    return slice_from(text.ptr, len);
}

static void append_text(struct buf *line, struct slice text)
{
    if (slice_is_null(text)) {
        buf_append_str(line, "null");
        return;
    }
    text = cut_text(text);
    buf_append_byte(line, '"');
    while (text.len > 0) {
        size_t len = character_len(text);
        uint8_t byte = text.ptr[0];
        unsigned harmful = len == 0 ? byte : harmful_character(text.ptr, len);
        if (byte < 0x20 || byte == 0x7f)
            harmful = byte;
        if (byte == '"' || byte == '\\')
            buf_printf(line, "\\%c", byte);
        else if (harmful != 0 || byte == 0)
            buf_printf(line, "\\u%04x", harmful);
        else
            buf_append(line, text.ptr, len);
        len = MAX(len, 1);
        text = slice_from(text.ptr + len, text.len - len);
    }
    buf_append_byte(line, '"');
}

static void append_field(struct buf *line, const struct log_field *field)
{
    buf_printf(line, ",\"%s\":", field->name);
    switch (field->type) {
    case LOG_FIELD_TEXT:
        append_text(line, field->text);
        return;
    case LOG_FIELD_NUMBER:
        buf_printf(line, "%" PRId64, field->number);
        return;
    case LOG_FIELD_BOOL:
        buf_append_str(line, field->number != 0 ? "true" : "false");
        return;
    }
    UNREACHABLE();
}

/* --- writing --------------------------------------------------------------------------------- */

/* Writes as much as goes without blocking; false: the reader is gone for good. Standard output is
 * not made non-blocking, because whoever started us shares it; but a pipe that polls writable takes
 * PIPE_BUF bytes without blocking. */
static bool write_some(int fd, const uint8_t *bytes, size_t len, size_t *ret_written)
{
    size_t written = 0;
    bool open = true;
    while (written < len) {
        struct pollfd can_write = {.fd = fd, .events = POLLOUT};
        if (poll(&can_write, 1, 0) <= 0 || (can_write.revents & POLLOUT) == 0) {
            open = (can_write.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
            break;
        }
        ssize_t n = write(fd, bytes + written, MIN(len - written, PIPE_BUF));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            open = errno == EAGAIN;
            break;
        }
        written += (size_t)n;
    }
    *ret_written = written;
    return open;
}

static uint64_t count_lines(struct slice text)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    return lines;
}

void log_flush(struct log *log)
{
    if (log->pending.len == 0)
        return;
    size_t written;
    bool open = write_some(log->fd, log->pending.ptr, log->pending.len, &written);
    struct slice rest = slice_from(log->pending.ptr + written, log->pending.len - written);
    if (!open) {
        log->dropped += count_lines(rest);
        rest.len = 0;
    }
    memmove(log->pending.ptr, rest.ptr, rest.len);
    log->pending.len = rest.len;
}

static bool write_line(struct log *log, struct slice line)
{
    log_flush(log);
    size_t written = 0;
    if (log->pending.len == 0 && !write_some(log->fd, line.ptr, line.len, &written))
        return false;
    if (written == line.len)
        return true;
    if (log->pending.len + line.len - written > PENDING_BYTES_MAX)
        return false;
    buf_append(&log->pending, line.ptr + written, line.len - written);
    return true;
}

static void begin_line(struct log *log, enum log_level level, const char *event)
{
    char time[NUM_RFC3339_SIZE];
    num_format_rfc3339(loop_wall_ms(), time);
    buf_clear(&log->line);
    buf_printf(&log->line, "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"event\":\"%s\"",
               time, level_names[level], log->program, event);
}

static bool end_line(struct log *log)
{
    buf_append_str(&log->line, "}\n");
    bool is_kept = !log->line.overflow && write_line(log, buf_slice(&log->line));
    log->dropped += !is_kept;
    return is_kept;
}

void log_write(struct log *log, enum log_level level, const char *event,
               const struct log_field *fields, size_t count)
{
    if (level < log->least)
        return;
    begin_line(log, level, event);
    for (size_t i = 0; i < count; i++)
        append_field(&log->line, &fields[i]);
    (void)end_line(log); /* counted */
}

bool log_write_members(struct log *log, const char *event, struct slice members)
{
    begin_line(log, LOG_INFO, event);
    buf_append_slice(&log->line, members);
    return end_line(log);
}

void log_error(struct log *log, const char *event, const struct error *error)
{
    log_event(log, LOG_ERROR, event, LOG_STR("kind", error_kind_name(error->kind)),
              LOG_STR("code", error->code), LOG_NUMBER("http_status", error->http_status),
              LOG_STR("text", error->text));
}

uint64_t log_dropped(const struct log *log)
{
    return log->dropped;
}
