#include "common/program.h"
#include "scheduler/scheduler_config.h"
#include "scheduler/scheduler_shell.h"

int main(int argc, char **argv)
{
    const struct config_table tables[] = {settings_table, scheduler_config_table};
    struct program_ops ops = scheduler_program;
    ops.schema.tables = tables;
    ops.schema.table_count = ARRAY_LEN(tables);
    return program_main(&ops, argc, argv);
}
