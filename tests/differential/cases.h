/* The committed table: what is asked of each server, in order, and what AWS documents as the
 * answer. The README shows the JSON. */
#ifndef TESTS_DIFFERENTIAL_CASES_H
#define TESTS_DIFFERENTIAL_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/json.h"

#define CASES_FILES_MAX 32
#define CASES_STEPS_MAX 64

enum diff_service {
    DIFF_SQS,
    DIFF_DYNAMODB,
};

struct diff_case {
    const char *name;
    enum diff_service service;
    const cJSON *queues; /* variable name -> attributes; NULL: none */
    const cJSON *steps;
    size_t step_count;
};

struct cases {
    struct diff_case *list;
    size_t count;
    cJSON *files[CASES_FILES_MAX];
    size_t file_count;
};

/* Every *.json of the folder, in the order of their names. False: a line in errors for what is
 * wrong; *ret is then empty. */
NODISCARD bool cases_load(const char *folder, struct cases *ret, struct buf *errors);
void cases_release(struct cases *cases);

/* "3 SendMessage": how a step is named in deviations and messages; counted from 1. */
#define CASES_STEP_NAME_SIZE 64
void cases_step_name(const cJSON *step, size_t index, char out[CASES_STEP_NAME_SIZE]);

/* absent: also if it is no number. */
int64_t cases_number(const cJSON *object, const char *name, int64_t absent);

/* A whole JSON file. NULL, and a line in errors: unreadable, or no JSON. The caller frees. */
cJSON *cases_read_json(const char *path, struct buf *errors);

#endif
