#include "common/kill_point.h"

#ifdef KILL_POINTS

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kill_point_pass(const char *name)
{
    static unsigned long passed; /* a process has one point */
    const char *wanted = getenv("KILL_POINT");
    size_t len = strlen(name);
    if (wanted == NULL || strncmp(wanted, name, len) != 0 ||
        (wanted[len] != '\0' && wanted[len] != ':'))
        return;
    char *end = NULL;
    unsigned long nth = wanted[len] == '\0' ? 1 : strtoul(wanted + len + 1, &end, 10);
    if (++passed != nth)
        return;
    bool stops = end != NULL && strcmp(end, ":stop") == 0;
    fprintf(stderr, "kill point %s\n", wanted);
    raise(stops ? SIGSTOP : SIGKILL);
}

#endif
