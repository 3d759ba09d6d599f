/* A refusal as AWS words it: what a model returns instead of doing something. */
#ifndef TESTS_MODEL_MODEL_ERROR_H
#define TESTS_MODEL_MODEL_ERROR_H

#include <stdbool.h>

#include "common/compiler.h"

#define MODEL_ERROR_TEXT_SIZE 512

struct model_error {
    int http_status;  /* 0: no error */
    const char *code; /* the modelled shape: goes into __type; static text */
    const char
        *query_code; /* SQS's older spelling: header, and Code of a batch entry; static text */
    bool sender_fault;
    char text[MODEL_ERROR_TEXT_SIZE];
};

/* Fills *reterr (never NULL) and returns false, so that a check can end in `return
 * model_refuse(..)`. query_code NULL: the same as code. Status below 500 is the sender's fault. */
bool model_refuse(struct model_error *reterr, int http_status, const char *code,
                  const char *query_code, const char *format, ...) PRINTF_LIKE(5, 6);

#endif
