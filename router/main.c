#include "router/router_config.h"
#include "router/router_shell.h"

int main(int argc, char **argv)
{
    const struct config_table tables[] = {settings_table, router_config_table};
    const struct program_ops ops = router_shell_ops(tables, ARRAY_LEN(tables));
    return program_main(&ops, argc, argv);
}
