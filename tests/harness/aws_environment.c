#include "tests/harness/aws_environment.h"

#include <unistd.h>

#include "tests/harness/unit.h"

static const char *find_variable(void)
{
    for (char **entry = environ; *entry != NULL; entry++)
        if (strncmp(*entry, "AWS_", 4) == 0)
            return *entry;
    return NULL;
}

void aws_environment_clear(void)
{
    for (const char *entry; (entry = find_variable()) != NULL;) {
        char name[256];
        size_t len = strcspn(entry, "=");
        assert_true(len < sizeof(name));
        memcpy(name, entry, len);
        name[len] = '\0';
        assert_int_equal(unsetenv(name), 0);
    }
}

void aws_environment_set_keys(void)
{
    aws_environment_clear();
    assert_int_equal(setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1), 0);
    assert_int_equal(setenv("AWS_SECRET_ACCESS_KEY", "secret", 1), 0);
    assert_int_equal(setenv("AWS_SESSION_TOKEN", "the-token", 1), 0);
}
