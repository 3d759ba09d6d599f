#include "tests/harness/unit.h"

#include "router/router_result.h"

static void every_answer_has_its_meaning(void **state)
{
    (void)state;
    static const struct {
        enum outcome outcome;
        enum error_kind kind;
        int http_status;
        const char *code;
        enum router_result result;
    } cases[] = {
        {OUTCOME_DONE, ERROR_NONE, 0, "", ROUTER_RESULT_DONE},
        {OUTCOME_UNKNOWN, ERROR_UNKNOWN, 0, "RequestTimeout", ROUTER_RESULT_UNKNOWN},
        {OUTCOME_UNKNOWN, ERROR_UNKNOWN, 500, "InternalError", ROUTER_RESULT_UNKNOWN},
        /* The outcome counts, whatever the error says. */
        {OUTCOME_DONE, ERROR_UNKNOWN, 500, "x", ROUTER_RESULT_DONE},
        {OUTCOME_UNKNOWN, ERROR_RETRY, 0, "x", ROUTER_RESULT_UNKNOWN},
        {OUTCOME_FAILED, ERROR_UNKNOWN, 0, "x", ROUTER_RESULT_UNKNOWN},
        {OUTCOME_FAILED, ERROR_NONE, 0, "", ROUTER_RESULT_RETRY},
        {OUTCOME_FAILED, ERROR_RETRY, 0, "ConnectionFailed", ROUTER_RESULT_RETRY},
        {OUTCOME_FAILED, ERROR_THROTTLED, 400, "ThrottlingException", ROUTER_RESULT_THROTTLED},
        {OUTCOME_FAILED, ERROR_THROTTLED, 0, "RetryQuotaExceeded", ROUTER_RESULT_THROTTLED},
        {OUTCOME_FAILED, ERROR_AUTH, 403, "AccessDenied", ROUTER_RESULT_BLOCKED},
        {OUTCOME_FAILED, ERROR_AUTH, 0, "NoCredentials", ROUTER_RESULT_BLOCKED},
        /* A refusal of the call: of the whole, unless it is about what an entry holds. */
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "QueueDoesNotExist", ROUTER_RESULT_BLOCKED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "ResourceNotFoundException", ROUTER_RESULT_BLOCKED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 404, "", ROUTER_RESULT_BLOCKED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 301, "301", ROUTER_RESULT_BLOCKED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 307, "307", ROUTER_RESULT_BLOCKED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 413, "413", ROUTER_RESULT_BLOCKED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 421, "421", ROUTER_RESULT_BLOCKED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "ValidationException", ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "InvalidMessageContents", ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "InvalidParameterValueException",
         ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "BatchRequestTooLong", ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "ValidationExceptionOfOthers",
         ROUTER_RESULT_BLOCKED},
        /* As SQS spells them in query mode. */
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "AWS.SimpleQueueService.BatchRequestTooLong",
         ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "InvalidParameterValue", ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 400, "AWS.SimpleQueueService.NonExistentQueue",
         ROUTER_RESULT_BLOCKED},
        /* Of one entry of an answer that came. */
        {OUTCOME_FAILED, ERROR_RETRY, 200, "InternalError", ROUTER_RESULT_RETRY},
        {OUTCOME_FAILED, ERROR_PERMANENT, 200, "InvalidMessageContents", ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 0, "InvalidMessageContents", ROUTER_RESULT_REFUSED},
        {OUTCOME_FAILED, ERROR_PERMANENT, 0, "AnythingElse", ROUTER_RESULT_REFUSED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error;
        error_set(&error, cases[i].kind, cases[i].code, "text");
        error.http_status = cases[i].http_status;
        enum router_result result = router_result_of(cases[i].outcome, &error);
        if (result != cases[i].result)
            fail_msg("case %zu, %s: %d", i, cases[i].code, (int)result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_has_its_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
