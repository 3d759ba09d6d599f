/* The environment of a program: NAME=value lines. What it takes it prints, and takes again. */
#include <unistd.h>

#include "common/aws_settings.h"
#include "common/config_foreign.h"
#include "common/mem.h"
#include "relay/relay_config.h"
#include "router/router_config.h"
#include "scheduler/scheduler_config.h"
#include "tests/fuzz/fuzz.h"

#define VARIABLES_MAX 64
#define TEXT_MAX      ((size_t)1 << 20)

/* Room for any program's struct, which begins with struct settings. */
union any_config {
    struct settings settings;
    struct router_config router;
    struct scheduler_config scheduler;
    struct relay_config relay;
};

struct program_of {
    enum config_program program;
    const struct config_table *table;
    void (*validate)(const void *config, struct buf *errors);
};

/* The lines as an environment, ended by NULL. No files of the host are read. */
struct environment {
    char *variables[VARIABLES_MAX + 3];
    size_t count;
};

static void environment_init(struct environment *e, struct slice text)
{
    struct fuzz_input in = fuzz_open(text.ptr, text.len);
    *e = (struct environment){.count = 0};
    e->variables[e->count++] = mem_strdup("AWS_CONFIG_FILE=/dev/null");
    e->variables[e->count++] = mem_strdup("AWS_SHARED_CREDENTIALS_FILE=/dev/null");
    while (!fuzz_is_empty(&in) && e->count < VARIABLES_MAX + 2) {
        char *line = fuzz_text(fuzz_line(&in));
        if (strchr(line, '=') != NULL)
            e->variables[e->count++] = line;
        else
            mem_free(line);
    }
}

static void environment_release(struct environment *e)
{
    for (size_t i = 0; i < e->count; i++)
        mem_free(e->variables[i]);
}

/* What was loaded, as lines. Empty: it was refused. */
static void load_and_print(const struct program_of *p, struct slice text, struct buf *out)
{
    const struct config_table tables[] = {settings_table, *p->table};
    const struct config_schema schema = {p->program, tables, ARRAY_LEN(tables)};
    struct environment e;
    CLEANUP(buf_release) struct buf errors;
    CLEANUP(mem_freep) union any_config *config = mem_calloc(1, sizeof(*config));
    char **before = environ;
    buf_init(&errors, TEXT_MAX);
    environment_init(&e, text);
    environ = e.variables;
    enum status status = config_load(&schema, config, &errors);
    EXPECT((status == STATUS_OK) == (errors.len == 0));
    status_ignore(settings_check(&config->settings, p->program, &errors), "the lines tell");
    p->validate(config, &errors);
    EXPECT(errors.len == 0 || errors.ptr[errors.len - 1] == '\n');
    if (status == STATUS_OK)
        config_print(&schema, config, out);
    config_release(&schema, config);
    config_foreign_print(p->program, &errors);
    environ = before;
    environment_release(&e);
}

static void check_aws(struct slice text)
{
    struct environment e;
    CLEANUP(buf_release) struct buf errors;
    struct aws_settings *aws = mem_calloc(1, sizeof(*aws));
    char **before = environ;
    buf_init(&errors, TEXT_MAX);
    environment_init(&e, text);
    environ = e.variables;
    enum status status = aws_settings_load(aws, &errors);
    EXPECT((status == STATUS_OK) == (errors.len == 0));
    if (status == STATUS_OK) {
        EXPECT(aws->region[0] != '\0' && aws->sqs.url[0] == 'h' && aws->dynamodb.url[0] == 'h');
        aws_settings_print(aws, &errors);
    }
    environ = before;
    environment_release(&e);
    mem_free(aws);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct program_of programs[] = {
        {CONFIG_ROUTER, &router_config_table, router_config_validate},
        {CONFIG_SCHEDULER, &scheduler_config_table, scheduler_config_validate},
        {CONFIG_RELAY, &relay_config_table, relay_config_validate},
    };
    struct slice text = slice_from(data, size);
    /* One of them at a time: guessing what a misspelt name was meant to be takes long. */
    const struct program_of *p = &programs[size % ARRAY_LEN(programs)];
    CLEANUP(buf_release) struct buf first;
    CLEANUP(buf_release) struct buf second;
    buf_init(&first, TEXT_MAX);
    buf_init(&second, TEXT_MAX);
    load_and_print(p, text, &first);
    if (first.len > 0) {
        load_and_print(p, buf_slice(&first), &second);
        EXPECT(slice_equal(buf_slice(&first), buf_slice(&second)));
    }
    check_aws(text);
    return 0;
}
