#include "tests/sim/marks.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"

#define MARKS_MAX 256

/* For the whole process: the product says a mark's name and nothing else. */
static const char *reached[MARKS_MAX];
static int reached_count;

void mark_reached(const char *name)
{
    for (int i = 0; i < reached_count; i++)
        if (strcmp(reached[i], name) == 0)
            return;
    CHECK(reached_count < MARKS_MAX);
    reached[reached_count++] = name;
}

void marks_print(void)
{
    for (int i = 0; i < reached_count; i++)
        printf("mark %s\n", reached[i]);
    fflush(stdout);
}
