#include "tests/model/model_error.h"

#include <stdarg.h>
#include <stdio.h>

bool model_refuse(struct model_error *reterr, int http_status, const char *code,
                  const char *query_code, const char *format, ...)
{
    reterr->http_status = http_status;
    reterr->code = code;
    reterr->query_code = query_code == NULL ? code : query_code;
    reterr->sender_fault = http_status < 500;
    va_list args;
    va_start(args, format);
    vsnprintf(reterr->text, sizeof(reterr->text), format, args);
    va_end(args);
    return false;
}
