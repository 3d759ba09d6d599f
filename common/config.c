#include "common/config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/check.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/num.h"
#include "common/timeval.h"

#define PREFIX          "DELAYLINE_"
#define SHOWN_BYTES_MAX 100 /* of a mistaken value or name */
#define NAME_BYTES_MAX  100 /* a longer name is not compared with ours */

static const char *const type_names[] = {
    [CONFIG_TEXT] = "text",         [CONFIG_NUMBER] = "number", [CONFIG_BYTES] = "bytes",
    [CONFIG_DURATION] = "duration", [CONFIG_BOOL] = "boolean",  [CONFIG_LIST] = "list",
};

struct unit {
    const char *name;
    int64_t size;
};

/* Largest first. */
static const struct unit byte_units[] = {
    {"GiB", (int64_t)1024 * MIB}, {"MiB", MIB}, {"KiB", KIB}, {"", 1}};
static const struct unit duration_units[] = {
    {"d", MS_PER_DAY}, {"h", MS_PER_HOUR}, {"m", MS_PER_MINUTE}, {"s", MS_PER_SECOND}, {"ms", 1}};

/* --- members --------------------------------------------------------------------------------- */

static bool is_text(enum config_type type)
{
    return type == CONFIG_TEXT || type == CONFIG_LIST;
}

static void *member(void *base, const struct config_option *option)
{
    return (char *)base + option->offset;
}

static const void *const_member(const void *base, const struct config_option *option)
{
    return (const char *)base + option->offset;
}

static const char *get_text(const void *base, const struct config_option *option)
{
    const char *const *text = const_member(base, option);
    return *text == NULL ? "" : *text;
}

static void set_text(void *base, const struct config_option *option, const char *value)
{
    char **text = member(base, option);
    *text = mem_strdup(value);
}

static void set_number(void *base, const struct config_option *option, int64_t value)
{
    if (option->type == CONFIG_BOOL)
        *(bool *)member(base, option) = value != 0;
    else
        *(int64_t *)member(base, option) = value;
}

/* Walks the options of all tables, also those that another program reads. */
#define FOR_EACH_OPTION(schema, option)                                                            \
    for (size_t table_ = 0; table_ < (schema)->table_count; table_++)                              \
        for (const struct config_option *option = (schema)->tables[table_].options,                \
                                        *end_ = option + (schema)->tables[table_].count;           \
             option < end_; option++)

static bool is_read_by(const struct config_option *option, enum config_program program)
{
    return (option->programs & (unsigned)program) != 0;
}

/* --- values ---------------------------------------------------------------------------------- */

static enum status parse_bytes(struct slice text, int64_t *ret_value)
{
    for (size_t i = 0; i < ARRAY_LEN(byte_units); i++) {
        size_t unit_len = strlen(byte_units[i].name);
        if (unit_len > text.len ||
            memcmp(text.ptr + text.len - unit_len, byte_units[i].name, unit_len) != 0)
            continue;
        int64_t count;
        enum status parsed = num_parse_i64(slice_from(text.ptr, text.len - unit_len),
                                           INT64_MAX / byte_units[i].size, &count);
        if (parsed == STATUS_OK)
            *ret_value = count * byte_units[i].size;
        return parsed;
    }
    return STATUS_INVALID;
}

static enum status parse_bool(struct slice text, int64_t *ret_value)
{
    if (!slice_equal_str(text, "true") && !slice_equal_str(text, "false"))
        return STATUS_INVALID;
    *ret_value = slice_equal_str(text, "true");
    return STATUS_OK;
}

static enum status parse_number(enum config_type type, struct slice text, int64_t *ret_value)
{
    switch (type) {
    case CONFIG_NUMBER:
        return num_parse_i64(text, INT64_MAX, ret_value);
    case CONFIG_BYTES:
        return parse_bytes(text, ret_value);
    case CONFIG_DURATION:
        return num_parse_duration_ms(text, INT64_MAX, ret_value);
    case CONFIG_BOOL:
        return parse_bool(text, ret_value);
    case CONFIG_TEXT:
    case CONFIG_LIST:
        break;
    }
    UNREACHABLE();
}

static const char *grammar(enum config_type type)
{
    switch (type) {
    case CONFIG_NUMBER:
        return "not a whole number";
    case CONFIG_BYTES:
        return "not a size; write 64MiB, 48KiB or whole bytes";
    case CONFIG_DURATION:
        return "not a duration; write 250ms, 90s, 15m, 36h, 7d or whole milliseconds";
    case CONFIG_BOOL:
        return "not a boolean; write true or false";
    case CONFIG_TEXT:
    case CONFIG_LIST:
        break;
    }
    UNREACHABLE();
}

/* In the largest unit that shows it exactly. */
static void print_in_units(struct buf *out, const struct unit *units, int64_t value)
{
    const struct unit *unit = units;
    while (unit->size > 1 && (value == 0 || value % unit->size != 0))
        unit++;
    buf_printf(out, "%" PRId64 "%s", value / unit->size, unit->name);
}

void config_print_duration(struct buf *out, int64_t duration_ms)
{
    print_in_units(out, duration_units, duration_ms);
}

static void print_number(struct buf *out, enum config_type type, int64_t value)
{
    switch (type) {
    case CONFIG_NUMBER:
        buf_printf(out, "%" PRId64, value);
        return;
    case CONFIG_BYTES:
        print_in_units(out, byte_units, value);
        return;
    case CONFIG_DURATION:
        config_print_duration(out, value);
        return;
    case CONFIG_BOOL:
        buf_append_str(out, value != 0 ? "true" : "false");
        return;
    case CONFIG_TEXT:
    case CONFIG_LIST:
        break;
    }
    UNREACHABLE();
}

static void print_range(struct buf *out, const struct config_option *option)
{
    print_number(out, option->type, option->min);
    buf_append_str(out, " to ");
    print_number(out, option->type, option->max);
}

static void print_value(struct buf *out, const void *base, const struct config_option *option)
{
    if (option->secret)
        buf_append_str(out, "***");
    else if (is_text(option->type))
        buf_append_str(out, get_text(base, option));
    else if (option->type == CONFIG_BOOL)
        print_number(out, option->type, *(const bool *)const_member(base, option));
    else
        print_number(out, option->type, *(const int64_t *)const_member(base, option));
}

/* --- loading --------------------------------------------------------------------------------- */

static void print_shown(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < MIN(text.len, SHOWN_BYTES_MAX); i++)
        buf_append_byte(out, text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f ? text.ptr[i] : '?');
    if (text.len > SHOWN_BYTES_MAX)
        buf_append_str(out, "...");
}

static void begin_mistake(struct buf *errors, const struct config_option *option, const char *value)
{
    buf_printf(errors, "%s=", option->name);
    print_shown(errors, slice_from_str(option->secret ? "***" : value));
    buf_append_str(errors, ": ");
}

static bool load_number(const struct config_option *option, const char *value, void *base,
                        struct buf *errors)
{
    int64_t number = 0;
    enum status parsed = parse_number(option->type, slice_from_str(value), &number);
    if (parsed == STATUS_INVALID) {
        begin_mistake(errors, option, value);
        buf_printf(errors, "%s\n", grammar(option->type));
        return false;
    }
    bool in_range = option->type == CONFIG_BOOL || (number >= option->min && number <= option->max);
    if (parsed != STATUS_OK || !in_range) {
        begin_mistake(errors, option, value);
        buf_append_str(errors, "must be ");
        print_range(errors, option);
        buf_append_byte(errors, '\n');
        return false;
    }
    set_number(base, option, number);
    return true;
}

static void load_default(const struct config_option *option, void *base)
{
    struct slice value = slice_from_str(option->default_value);
    int64_t number = 0;
    if (is_text(option->type)) {
        set_text(base, option, option->default_value == NULL ? "" : option->default_value);
        return;
    }
    if (!slice_is_null(value))
        CHECK(parse_number(option->type, value, &number) == STATUS_OK);
    set_number(base, option, number);
}

static void load_option(const struct config_option *option, void *base, struct buf *errors)
{
    const char *value = getenv(option->name);
    bool given = value != NULL && value[0] != '\0';
    if (!given && option->default_value == NULL)
        buf_printf(errors, "%s: must be set: %s\n", option->name, option->help);
    if (given && is_text(option->type))
        set_text(base, option, value);
    else if (!given || !load_number(option, value, base, errors))
        load_default(option, base);
}

/* --- names that nobody knows ----------------------------------------------------------------- */

static bool starts_with(struct slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.ptr, prefix, len) == 0;
}

static bool belongs_to_another(struct slice name, enum config_program program)
{
    static const struct {
        enum config_program program; /* 0: to none of them */
        const char *prefix;
    } owners[] = {
        {CONFIG_ROUTER, PREFIX "ROUTER_"},
        {CONFIG_SCHEDULER, PREFIX "SCHEDULER_"},
        {CONFIG_RELAY, PREFIX "RELAY_"},
        {0, PREFIX "TEST_"},
        {0, PREFIX "STACK_"},
    };
    for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
        if (owners[i].program != program && starts_with(name, owners[i].prefix))
            return true;
    }
    return false;
}

/* Levenshtein's distance. */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[NAME_BYTES_MAX + 1];
    if (a.len > NAME_BYTES_MAX || b.len > NAME_BYTES_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 0; i < a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b.len; j++) {
            size_t changed = diagonal + (a.ptr[i] != b.ptr[j]);
            diagonal = row[j + 1];
            row[j + 1] = MIN(changed, MIN(row[j], row[j + 1]) + 1);
        }
    }
    return row[b.len];
}

static void check_name(const struct config_schema *schema, struct slice name, struct buf *errors)
{
    const char *closest = NULL;
    size_t least = name.len / 3; /* what is further away is not a typing error */
    FOR_EACH_OPTION(schema, option)
    {
        size_t away = distance(name, slice_from_str(option->name));
        if (away == 0)
            return;
        if (away <= least && is_read_by(option, schema->program)) {
            closest = option->name;
            least = away;
        }
    }
    print_shown(errors, name);
    if (closest != NULL)
        buf_printf(errors, ": no such setting; did you mean %s?\n", closest);
    else
        buf_append_str(errors, ": no such setting; --help lists them\n");
}

enum status config_load(const struct config_schema *schema, void *base, struct buf *errors)
{
    size_t before = errors->len;
    FOR_EACH_OPTION(schema, option)
    {
        if (is_read_by(option, schema->program))
            load_option(option, base, errors);
    }
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        struct slice name = slice_from(*entry, strcspn(*entry, "="));
        if (starts_with(name, PREFIX) && !belongs_to_another(name, schema->program))
            check_name(schema, name, errors);
    }
    return errors->len == before ? STATUS_OK : STATUS_INVALID;
}

void config_release(const struct config_schema *schema, void *base)
{
    FOR_EACH_OPTION(schema, option)
    {
        if (!is_text(option->type) || !is_read_by(option, schema->program))
            continue;
        char **text = member(base, option);
        if (option->secret && *text != NULL)
            explicit_bzero(*text, strlen(*text));
        mem_free(*text);
        *text = NULL;
    }
}

/* --- showing --------------------------------------------------------------------------------- */

static bool has_range(const struct config_option *option)
{
    return !is_text(option->type) && option->type != CONFIG_BOOL;
}

static const char *shown_default(const struct config_option *option)
{
    if (option->default_value == NULL)
        return "required";
    return option->default_value[0] == '\0' ? "empty" : option->default_value;
}

void config_print_help(const struct config_schema *schema, struct buf *out)
{
    FOR_EACH_OPTION(schema, option)
    {
        if (!is_read_by(option, schema->program))
            continue;
        buf_printf(out, "  %s (%s, %s%s", option->name, type_names[option->type],
                   option->default_value == NULL ? "" : "default ", shown_default(option));
        if (has_range(option)) {
            buf_append_str(out, ", ");
            print_range(out, option);
        }
        buf_printf(out, ")\n      %s\n", option->help);
    }
}

void config_print(const struct config_schema *schema, const void *base, struct buf *out)
{
    FOR_EACH_OPTION(schema, option)
    {
        if (!is_read_by(option, schema->program))
            continue;
        buf_printf(out, "%s=", option->name);
        print_value(out, base, option);
        buf_append_byte(out, '\n');
    }
}

static void print_cell(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            buf_append_byte(out, '\\');
        buf_append_byte(out, (uint8_t)*text);
    }
}

void config_print_markdown(const struct config_schema *schema, struct buf *out)
{
    FOR_EACH_OPTION(schema, option)
    {
        if (!is_read_by(option, schema->program))
            continue;
        bool is_code = option->default_value != NULL && option->default_value[0] != '\0';
        buf_printf(out, "| `%s` | %s", option->name, type_names[option->type]);
        if (has_range(option)) {
            buf_append_str(out, ", ");
            print_range(out, option);
        }
        buf_printf(out, is_code ? " | `%s` | " : " | %s | ", shown_default(option));
        print_cell(out, option->help);
        buf_append_str(out, " |\n");
    }
}

bool config_list_next(const char **cursor, struct slice *ret_item)
{
    for (;;) {
        const char *start = *cursor + strspn(*cursor, ", \t");
        size_t len = strcspn(start, ",");
        *cursor = start + len;
        while (len > 0 && (start[len - 1] == ' ' || start[len - 1] == '\t'))
            len--;
        if (len > 0) {
            *ret_item = slice_from(start, len);
            return true;
        }
        if (**cursor == '\0')
            return false;
    }
}
