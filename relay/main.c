#include "relay/relay_config.h"
#include "relay/relay_shell.h"

int main(int argc, char **argv)
{
    const struct config_table tables[] = {settings_table, relay_config_table};
    const struct program_ops ops = relay_shell_ops(tables, ARRAY_LEN(tables));
    return program_main(&ops, argc, argv);
}
