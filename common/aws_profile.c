#include "common/aws_profile.h"

#include <string.h>

#include "common/mem.h"
#include "common/secret.h"

struct parser {
    struct aws_profiles *profiles;
    enum aws_profile_file file;
    unsigned line; /* counts from 1 */
    bool in_section;
    bool in_property;
    bool nested;                 /* its first line was empty: the others are "name = value" */
    struct aws_profile *profile; /* NULL: in a section that is ignored */
    size_t property;             /* index; SIZE_MAX: one that is ignored */
    struct error *reterr;
};

static enum status refuse(const struct parser *p, const char *text)
{
    error_set(p->reterr, ERROR_PERMANENT, "InvalidProfile", "%s file, line %u: %s",
              p->file == AWS_PROFILE_CONFIG ? "config" : "credentials", p->line, text);
    return STATUS_INVALID;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = slice_from(text.ptr + 1, text.len - 1);
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* Cuts a comment off. In a property it needs a blank before it: keys may hold '#'. */
static struct slice without_comment(struct slice line, bool needs_blank)
{
    for (size_t i = 0; i < line.len; i++)
        if ((line.ptr[i] == '#' || line.ptr[i] == ';') &&
            (!needs_blank || i == 0 || is_blank(line.ptr[i - 1])))
            return slice_from(line.ptr, i);
    return line;
}

static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && (c == '\0' || strchr("-/.%@_:+", c) == NULL))
            return false;
    }
    return text.len > 0;
}

static bool find_equals(struct slice line, size_t *ret_at)
{
    const uint8_t *at = line.len == 0 ? NULL : memchr(line.ptr, '=', line.len);
    if (at == NULL)
        return false;
    *ret_at = (size_t)(at - line.ptr);
    return true;
}

/* --- the merged view ------------------------------------------------------------------------- */

void aws_profiles_init(struct aws_profiles *p)
{
    *p = (struct aws_profiles){.profiles = NULL};
}

static void clear_properties(struct aws_profile *profile)
{
    for (size_t i = 0; i < profile->property_count; i++) {
        struct aws_profile_property *property = &profile->properties[i];
        secret_buf_release(&property->value);
        mem_free(property->name);
    }
    mem_free(profile->properties);
    profile->properties = NULL;
    profile->property_count = 0;
}

static void free_sections(struct aws_profile *sections, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        clear_properties(&sections[i]);
        mem_free(sections[i].name);
    }
    mem_free(sections);
}

void aws_profiles_release(struct aws_profiles *p)
{
    free_sections(p->profiles, p->count);
    free_sections(p->services, p->services_count);
    aws_profiles_init(p);
}

static struct aws_profile *find(struct aws_profile *sections, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal_str(name, sections[i].name))
            return &sections[i];
    return NULL;
}

const struct aws_profile *aws_profiles_find(const struct aws_profiles *p, struct slice name)
{
    return find(p->profiles, p->count, name);
}

static size_t find_property(const struct aws_profile *profile, const char *name)
{
    for (size_t i = 0; i < profile->property_count; i++)
        if (strcmp(profile->properties[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

struct slice aws_profile_get(const struct aws_profile *profile, const char *property)
{
    size_t i = find_property(profile, property);
    return i == SIZE_MAX ? SLICE_NULL : buf_slice(&profile->properties[i].value);
}

static const struct aws_profile *services_of(const struct aws_profile *profile)
{
    struct slice name = aws_profile_get(profile, "services");
    return find(profile->all->services, profile->all->services_count, name);
}

bool aws_profile_services_known(const struct aws_profile *profile)
{
    return aws_profile_get(profile, "services").len == 0 || services_of(profile) != NULL;
}

struct slice aws_profile_service_get(const struct aws_profile *profile, const char *service,
                                     const char *property)
{
    const struct aws_profile *services = services_of(profile);
    if (services == NULL)
        return SLICE_NULL;
    struct slice rest = aws_profile_get(services, service);
    while (rest.len > 0) {
        const uint8_t *newline = memchr(rest.ptr, '\n', rest.len);
        size_t len = newline == NULL ? rest.len : (size_t)(newline - rest.ptr);
        struct slice line = slice_from(rest.ptr, len);
        size_t equals;
        if (find_equals(line, &equals) &&
            slice_equal_str(trim(slice_from(line.ptr, equals)), property))
            return trim(slice_from(line.ptr + equals + 1, len - equals - 1));
        len = MIN(len + 1, rest.len);
        rest = slice_from(rest.ptr + len, rest.len - len);
    }
    return SLICE_NULL;
}

/* --- sections -------------------------------------------------------------------------------- */

struct section {
    struct slice name; /* null: none of ours, ignore what follows */
    bool is_services;
    bool prefixed;
};

/* "profile x" with prefix "profile" is x; null without it. */
static struct slice after_prefix(struct slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (text.len <= len || memcmp(text.ptr, prefix, len) != 0 || !is_blank(text.ptr[len]))
        return SLICE_NULL;
    return trim(slice_from(text.ptr + len, text.len - len));
}

/* What "[...]" names. */
static struct section section_of(const struct parser *p, struct slice text)
{
    struct section section = {.name = text};
    if (p->file == AWS_PROFILE_CONFIG) {
        struct slice services = after_prefix(text, "services");
        struct slice profile = after_prefix(text, "profile");
        section.is_services = !slice_is_null(services);
        section.prefixed = !slice_is_null(profile);
        if (section.is_services)
            section.name = services;
        else if (section.prefixed)
            section.name = profile;
        else if (!slice_equal_str(text, "default"))
            section.name = SLICE_NULL;
    }
    if (!is_name(section.name))
        section.name = SLICE_NULL;
    return section;
}

/* It is at the end of *list. */
static enum status add_section(struct parser *p, struct aws_profile **list, size_t *count,
                               const struct section *section)
{
    if (*count == AWS_PROFILES_MAX) {
        status_ignore(refuse(p, "too many profiles"), "the status is another");
        return STATUS_TOO_LARGE;
    }
    *list = mem_realloc(*list, (*count + 1) * sizeof(**list));
    p->profile = &(*list)[(*count)++];
    *p->profile = (struct aws_profile){
        .all = p->profiles,
        .name = mem_strndup((const char *)section->name.ptr, section->name.len),
        .prefixed = section->prefixed,
    };
    return STATUS_OK;
}

static enum status open_services(struct parser *p, const struct section *section)
{
    struct aws_profiles *all = p->profiles;
    p->profile = find(all->services, all->services_count, section->name);
    if (p->profile != NULL)
        return STATUS_OK;
    return add_section(p, &all->services, &all->services_count, section);
}

static enum status open_profile(struct parser *p, const struct section *section)
{
    struct aws_profiles *all = p->profiles;
    p->profile = find(all->profiles, all->count, section->name);
    if (p->profile == NULL)
        return add_section(p, &all->profiles, &all->count, section);
    if (p->file == AWS_PROFILE_CONFIG && p->profile->prefixed != section->prefixed) {
        if (section->prefixed)
            clear_properties(p->profile);
        else
            p->profile = NULL;
    }
    if (p->profile != NULL)
        p->profile->prefixed |= section->prefixed;
    return STATUS_OK;
}

static enum status read_section(struct parser *p, struct slice line)
{
    p->in_section = true;
    p->in_property = false;
    p->profile = NULL;
    line = trim(without_comment(line, false));
    if (line.ptr[line.len - 1] != ']')
        return refuse(p, "a section must end with ']'");
    struct section section = section_of(p, trim(slice_from(line.ptr + 1, line.len - 2)));
    if (slice_is_null(section.name))
        return STATUS_OK;
    return section.is_services ? open_services(p, &section) : open_profile(p, &section);
}

/* --- properties ------------------------------------------------------------------------------ */

static enum status set_property(struct parser *p, struct slice name, struct slice value)
{
    struct aws_profile *profile = p->profile;
    char *lower = mem_strndup((const char *)name.ptr, name.len);
    for (char *c = lower; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    p->property = find_property(profile, lower);
    if (p->property != SIZE_MAX) {
        mem_free(lower);
    } else if (profile->property_count == AWS_PROFILE_PROPERTIES_MAX) {
        mem_free(lower);
        status_ignore(refuse(p, "too many properties in one profile"), "the status is another");
        return STATUS_TOO_LARGE;
    } else {
        profile->properties = mem_realloc(profile->properties, (profile->property_count + 1) *
                                                                   sizeof(*profile->properties));
        p->property = profile->property_count++;
        profile->properties[p->property].name = lower;
        buf_init(&profile->properties[p->property].value, AWS_PROFILE_FILE_BYTES_MAX);
    }
    struct buf *target = &profile->properties[p->property].value;
    buf_clear(target);
    buf_append_slice(target, value);
    return STATUS_OK;
}

static enum status read_property(struct parser *p, struct slice line)
{
    if (!p->in_section)
        return refuse(p, "expected a section like [default] or [profile name] first");
    line = trim(without_comment(line, true));
    size_t equals;
    if (!find_equals(line, &equals))
        return refuse(p, "expected an '=' sign defining a property");
    struct slice name = trim(slice_from(line.ptr, equals));
    struct slice value = trim(slice_from(line.ptr + equals + 1, line.len - equals - 1));
    if (name.len == 0)
        return refuse(p, "a property has no name");
    p->in_property = true;
    p->nested = value.len == 0;
    p->property = SIZE_MAX;
    return p->profile != NULL && is_name(name) ? set_property(p, name, value) : STATUS_OK;
}

static enum status read_continuation(struct parser *p, struct slice line)
{
    if (!p->in_section)
        return refuse(p, "expected a section like [default] or [profile name] first");
    if (!p->in_property)
        return refuse(p, "expected a property; an indented line continues one");
    line = trim(line);
    size_t equals;
    if (p->nested && !find_equals(line, &equals))
        return refuse(p, "expected an '=' sign defining a nested property");
    if (p->nested && equals == 0)
        return refuse(p, "a nested property has no name");
    if (p->profile == NULL || p->property == SIZE_MAX)
        return STATUS_OK;
    struct buf *value = &p->profile->properties[p->property].value;
    buf_append_byte(value, '\n');
    buf_append_slice(value, line);
    return STATUS_OK;
}

static enum status read_line(struct parser *p, struct slice line)
{
    if (trim(line).len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
        return STATUS_OK;
    if (line.ptr[0] == '[')
        return read_section(p, line);
    if (is_blank(line.ptr[0]))
        return read_continuation(p, line);
    return read_property(p, line);
}

enum status aws_profiles_parse(struct aws_profiles *profiles, enum aws_profile_file file,
                               struct slice text, struct error *reterr)
{
    struct parser p = {.profiles = profiles, .file = file, .reterr = reterr};
    if (text.len > AWS_PROFILE_FILE_BYTES_MAX) {
        status_ignore(refuse(&p, "the file is over 1 MiB"), "the status is another");
        return STATUS_TOO_LARGE;
    }
    for (size_t start = 0; start < text.len;) {
        const uint8_t *newline = memchr(text.ptr + start, '\n', text.len - start);
        size_t end = newline == NULL ? text.len : (size_t)(newline - text.ptr);
        size_t len = end - start;
        if (len > 0 && text.ptr[end - 1] == '\r')
            len--;
        p.line++;
        enum status status = read_line(&p, slice_from(text.ptr + start, len));
        if (status != STATUS_OK)
            return status;
        start = end + 1;
    }
    return STATUS_OK;
}
