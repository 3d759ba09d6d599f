#include "router/router_result.h"

#include "common/aws_error.h"
#include "common/check.h"
#include "common/compiler.h"

/* Refusals of a whole call that are about one of its entries. All others are about the queue, the
 * table or the caller. */
static bool concerns_an_entry(const char *code)
{
    static const char *const codes[] = {"ValidationException", "InvalidMessageContents",
                                        "InvalidParameterValueException", "BatchRequestTooLong"};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (aws_error_code_is(code, codes[i]))
            return true;
    return false;
}

enum router_result router_result_of(enum outcome outcome, const struct error *error)
{
    switch (outcome) {
    case OUTCOME_DONE:
        return ROUTER_RESULT_DONE;
    case OUTCOME_UNKNOWN:
        return ROUTER_RESULT_UNKNOWN;
    case OUTCOME_FAILED:
        break;
    }
    switch (error->kind) {
    case ERROR_NONE:
    case ERROR_RETRY:
        return ROUTER_RESULT_RETRY;
    case ERROR_THROTTLED:
        return ROUTER_RESULT_THROTTLED;
    case ERROR_UNKNOWN:
        return ROUTER_RESULT_UNKNOWN;
    case ERROR_AUTH:
        return ROUTER_RESULT_BLOCKED;
    case ERROR_PERMANENT:
        return error->http_status >= 300 && !concerns_an_entry(error->code) ? ROUTER_RESULT_BLOCKED
                                                                            : ROUTER_RESULT_REFUSED;
    }
    UNREACHABLE();
}
