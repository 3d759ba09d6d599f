/* A folder for the files of one test. */
#ifndef TESTS_HARNESS_TEMP_DIR_H
#define TESTS_HARNESS_TEMP_DIR_H

#define TEMP_DIR_SIZE  512
#define TEMP_PATH_SIZE (TEMP_DIR_SIZE + 256)

struct temp_dir {
    char path[TEMP_DIR_SIZE];
};

struct temp_path {
    char text[TEMP_PATH_SIZE];
};

/* New and empty, where TMPDIR says (else /tmp). Fails the test if it cannot be had. */
void temp_dir_init(struct temp_dir *dir);
/* The folder goes, and whatever is in it. */
void temp_dir_release(struct temp_dir *dir);

/* A place in the folder; name without a leading slash, "" for the folder itself. */
struct temp_path temp_dir_at(const struct temp_dir *dir, const char *name);
/* Writes a whole file; what stood there before is gone. */
void temp_dir_write(const struct temp_dir *dir, const char *name, const char *text);
void temp_dir_mkdir(const struct temp_dir *dir, const char *name);

#endif
