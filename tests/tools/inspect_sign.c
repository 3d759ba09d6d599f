#include "tests/tools/inspect.h"

int inspect_sign(int argc, char **argv)
{
    (void)argc;
    return inspect_usage_error("%s is not built in yet", argv[0]);
}
