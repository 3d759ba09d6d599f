#include "tests/harness/vectors.h"

#include <dirent.h>
#include <math.h>
#include <unistd.h>

#include "common/limits.h"

#define FILE_BYTES_MAX (64 * MIB)

const char *vectors_path(const char *relative)
{
    static char path[1024];
    const char *root = getenv("DELAYLINE_TEST_VECTORS");
    snprintf(path, sizeof(path), "%s/%s", root == NULL ? "../shared/vectors" : root, relative);
    if (access(path, R_OK) == 0)
        return path;
    printf("skipped: %s is not there\n", relative);
    return NULL;
}

cJSON *vectors_load_file(const char *path)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    read_whole_file(path, &text);
    cJSON *json = NULL;
    struct error error;
    if (json_parse(buf_slice(&text), &json, &error) != STATUS_OK)
        fail_msg("%s: %s", path, error.text);
    return json;
}

cJSON *vectors_load(const char *relative)
{
    const char *path = vectors_path(relative);
    return path == NULL ? NULL : vectors_load_file(path);
}

bool vectors_next_line(struct slice *rest, struct slice *ret_line)
{
    if (rest->len == 0)
        return false;
    const uint8_t *end = memchr(rest->ptr, '\n', rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->ptr);
    size_t step = end == NULL ? len : len + 1;
    *ret_line = slice_from(rest->ptr, len);
    *rest = slice_from(rest->ptr + step, rest->len - step);
    return true;
}

unsigned vectors_each_line(const char *path, vectors_line_fn *on_line, void *ctx)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    read_whole_file(path, &text);
    struct slice rest = buf_slice(&text);
    unsigned count = 0;
    for (struct slice line; vectors_next_line(&rest, &line); count++) {
        CLEANUP(json_freep) cJSON *json = NULL;
        status_ignore(json_parse(line, &json, NULL), "the caller judges what is no JSON");
        on_line(json, line, ctx);
    }
    return count;
}

unsigned vectors_each_entry(const char *folder, vectors_entry_fn *on_entry)
{
    char path[1024]; /* folder may be static storage that on_entry uses too */
    snprintf(path, sizeof(path), "%s", folder);
    DIR *directory = opendir(path);
    if (directory == NULL)
        fail_msg("cannot open %s", path);
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        on_entry(path, entry->d_name);
        count++;
    }
    closedir(directory);
    return count;
}

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

int64_t vectors_i64(const cJSON *object, const char *name)
{
    const cJSON *number = member(object, name);
    if (!cJSON_IsNumber(number) || number->valuedouble != trunc(number->valuedouble))
        fail_msg("%s is not an integer", name);
    return (int64_t)number->valuedouble;
}

int64_t vectors_i64_or(const cJSON *object, const char *name, int64_t absent)
{
    return member(object, name) == NULL ? absent : vectors_i64(object, name);
}

const char *vectors_text(const cJSON *object, const char *name)
{
    const cJSON *text = member(object, name);
    if (!cJSON_IsString(text))
        fail_msg("%s is not a text", name);
    return text->valuestring;
}
