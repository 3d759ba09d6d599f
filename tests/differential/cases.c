#include "tests/differential/cases.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define FILE_BYTES_MAX (4 * 1024 * 1024)
#define PATH_BYTES_MAX 1024

cJSON *cases_read_json(const char *path, struct buf *errors)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        buf_printf(errors, "%s: cannot be read\n", path);
        return NULL;
    }
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, FILE_BYTES_MAX);
    char chunk[4096];
    size_t got;
    while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_append(&text, chunk, got);
    bool whole = ferror(file) == 0 && !text.overflow;
    fclose(file);
    cJSON *json = NULL;
    struct error error = {0};
    if (!whole)
        buf_printf(errors, "%s: cannot be read whole\n", path);
    else if (json_parse(buf_slice(&text), &json, &error) != STATUS_OK)
        buf_printf(errors, "%s: %s\n", path, error.text);
    return json;
}

int64_t cases_number(const cJSON *object, const char *name, int64_t absent)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(number) ? (int64_t)number->valuedouble : absent;
}

void cases_step_name(const cJSON *step, size_t index, char out[CASES_STEP_NAME_SIZE])
{
    struct slice operation = json_get_text(step, "do");
    snprintf(out, CASES_STEP_NAME_SIZE, "%zu %.40s", index + 1,
             slice_is_null(operation) ? "?" : (const char *)operation.ptr);
}

/* --- strictness: a member that nobody reads is a test that does not test --------------------- */

static bool is_listed(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool check_members(const cJSON *object, const char *const *names, size_t count,
                          const char *where, struct buf *errors)
{
    bool fine = true;
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        if (is_listed(member->string, names, count))
            continue;
        buf_printf(errors, "%s: unknown member \"%s\"\n", where, member->string);
        fine = false;
    }
    return fine;
}

static bool check_step(const cJSON *step, const char *where, struct buf *errors)
{
    static const char *const members[] = {"do",       "with", "expect",        "keep",     "only",
                                          "after_ms", "why",  "in_background", "due_in_ms"};
    bool fine = check_members(step, members, ARRAY_LEN(members), where, errors);
    const cJSON *expect = cJSON_GetObjectItemCaseSensitive(step, "expect");
    if (slice_is_null(json_get_text(step, "do")) || json_get_object(step, "with") == NULL ||
        (expect != NULL && !cJSON_IsObject(expect) && !cJSON_IsString(expect))) {
        buf_printf(errors, "%s: a step needs \"do\", \"with\" and a good \"expect\"\n", where);
        fine = false;
    }
    return fine;
}

static bool read_case(const cJSON *json, enum diff_service service, struct diff_case *ret,
                      struct buf *errors)
{
    static const char *const members[] = {"name", "why", "queues", "steps"};
    struct slice name = json_get_text(json, "name");
    const cJSON *steps = json_get_array(json, "steps");
    if (name.len == 0 || json_get_text(json, "why").len == 0 || cJSON_GetArraySize(steps) == 0 ||
        cJSON_GetArraySize(steps) > CASES_STEPS_MAX) {
        buf_printf(errors, "a case (%.60s) needs a name, a why, and 1 to %d steps\n",
                   name.len == 0 ? "nameless" : (const char *)name.ptr, CASES_STEPS_MAX);
        return false;
    }
    *ret = (struct diff_case){.name = (const char *)name.ptr,
                              .service = service,
                              .queues = json_get_object(json, "queues"),
                              .steps = steps,
                              .step_count = (size_t)cJSON_GetArraySize(steps)};
    bool fine = check_members(json, members, ARRAY_LEN(members), ret->name, errors);
    const cJSON *step;
    cJSON_ArrayForEach(step, steps)
    {
        fine &= check_step(step, ret->name, errors);
    }
    return fine;
}

static bool read_file(const cJSON *json, struct cases *cases, struct buf *errors)
{
    static const char *const members[] = {"service", "about", "cases"};
    struct slice service = json_get_text(json, "service");
    const cJSON *list = json_get_array(json, "cases");
    bool sqs = slice_equal_str(service, "sqs");
    if ((!sqs && !slice_equal_str(service, "dynamodb")) || list == NULL) {
        buf_printf(errors, "a file needs service sqs or dynamodb, and cases\n");
        return false;
    }
    bool fine = check_members(json, members, ARRAY_LEN(members), "file", errors);
    size_t more = (size_t)cJSON_GetArraySize(list);
    cases->list = mem_realloc(cases->list, (cases->count + more) * sizeof(*cases->list));
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        struct diff_case *place = &cases->list[cases->count];
        if (!read_case(item, sqs ? DIFF_SQS : DIFF_DYNAMODB, place, errors)) {
            fine = false;
            continue;
        }
        for (size_t i = 0; i < cases->count; i++) {
            if (strcmp(cases->list[i].name, place->name) == 0) {
                buf_printf(errors, "%s: there are two cases of this name\n", place->name);
                fine = false;
            }
        }
        cases->count++;
    }
    return fine;
}

static int is_json(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0;
}

bool cases_load(const char *folder, struct cases *ret, struct buf *errors)
{
    struct dirent **names = NULL;
    *ret = (struct cases){0};
    int found = scandir(folder, &names, is_json, alphasort);
    bool fine = found > 0 && found <= CASES_FILES_MAX;
    if (!fine)
        buf_printf(errors, "%s: 1 to %d files of cases are expected\n", folder, CASES_FILES_MAX);
    for (int i = 0; i < found; i++) {
        char path[PATH_BYTES_MAX];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
        free(names[i]);
        cJSON *json = ret->file_count == CASES_FILES_MAX ? NULL : cases_read_json(path, errors);
        if (json == NULL || !read_file(json, ret, errors)) {
            buf_printf(errors, "%s: not a good file of cases\n", path);
            fine = false;
        }
        if (json != NULL)
            ret->files[ret->file_count++] = json;
    }
    free(names);
    if (!fine)
        cases_release(ret);
    return fine;
}

void cases_release(struct cases *cases)
{
    for (size_t i = 0; i < cases->file_count; i++)
        cJSON_Delete(cases->files[i]);
    mem_free(cases->list);
    *cases = (struct cases){0};
}
