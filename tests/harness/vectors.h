/* Test vectors: independent ones beside the project, used where they are present, and our own. */
#ifndef TESTS_HARNESS_VECTORS_H
#define TESTS_HARNESS_VECTORS_H

#include <stdint.h>

#include "common/json.h"
#include "tests/harness/unit.h"

/* Path of a file or folder of the independent vectors; NULL when it is not there, which is said in
 * a line "skipped: ..." for the runner: the caller then goes by its own cases alone. Static
 * storage. */
const char *vectors_path(const char *relative);

/* A JSON document of them, freed by the caller; NULL as above. Fails the test if it is no JSON. */
cJSON *vectors_load(const char *relative);
/* Of a file that must be there. */
cJSON *vectors_load_file(const char *path);

/* The next line of a text, without its end; false when none is left. */
bool vectors_next_line(struct slice *rest, struct slice *ret_line);

/* Every line of a file that must be there; json is NULL where our parser refuses the line. Gives
 * the number of lines. */
typedef void vectors_line_fn(const cJSON *json, struct slice line, void *ctx);
unsigned vectors_each_line(const char *path, vectors_line_fn *on_line, void *ctx);

/* Every entry of a folder that must be there, but for hidden ones. Gives their number. */
typedef void vectors_entry_fn(const char *folder, const char *name);
unsigned vectors_each_entry(const char *folder, vectors_entry_fn *on_entry);

/* An integer member; fails the test if it is none. */
int64_t vectors_i64(const cJSON *object, const char *name);
/* absent if there is no such member. */
int64_t vectors_i64_or(const cJSON *object, const char *name, int64_t absent);
/* A text member; fails the test if it is none. Valid as long as the tree. */
const char *vectors_text(const cJSON *object, const char *name);

#endif
