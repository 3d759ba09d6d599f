#include "common/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"

const char *status_name(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return "ok";
    case STATUS_INVALID:
        return "invalid";
    case STATUS_TOO_LARGE:
        return "too large";
    case STATUS_CORRUPT:
        return "corrupt";
    case STATUS_UNSUPPORTED:
        return "unsupported";
    case STATUS_NOT_FOUND:
        return "not found";
    case STATUS_FULL:
        return "full";
    case STATUS_IO:
        return "i/o";
    }
    UNREACHABLE();
}

const char *error_kind_name(enum error_kind kind)
{
    switch (kind) {
    case ERROR_NONE:
        return "none";
    case ERROR_RETRY:
        return "retry";
    case ERROR_THROTTLED:
        return "throttled";
    case ERROR_AUTH:
        return "auth";
    case ERROR_PERMANENT:
        return "permanent";
    case ERROR_UNKNOWN:
        return "unknown";
    }
    UNREACHABLE();
}

const char *outcome_name(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_DONE:
        return "done";
    case OUTCOME_FAILED:
        return "failed";
    case OUTCOME_UNKNOWN:
        return "unknown";
    }
    UNREACHABLE();
}

void error_set(struct error *reterr, enum error_kind kind, const char *code, const char *format,
               ...)
{
    if (reterr == NULL)
        return;
    memset(reterr, 0, sizeof(*reterr));
    reterr->kind = kind;
    snprintf(reterr->code, sizeof(reterr->code), "%s", code);
    va_list args;
    va_start(args, format);
    vsnprintf(reterr->text, sizeof(reterr->text), format, args);
    va_end(args);
}

enum outcome error_outcome(enum error_kind kind)
{
    switch (kind) {
    case ERROR_NONE:
        return OUTCOME_DONE;
    case ERROR_UNKNOWN:
        return OUTCOME_UNKNOWN;
    case ERROR_RETRY:
    case ERROR_THROTTLED:
    case ERROR_AUTH:
    case ERROR_PERMANENT:
        return OUTCOME_FAILED;
    }
    UNREACHABLE();
}
