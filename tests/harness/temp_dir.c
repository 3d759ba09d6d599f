#include "tests/harness/temp_dir.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/unit.h"

#define OPEN_FOLDERS_MAX 8

void temp_dir_init(struct temp_dir *dir)
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] == '\0')
        parent = "/tmp";
    int len = snprintf(dir->path, sizeof(dir->path), "%s/delayline-test-XXXXXX", parent);
    assert_in_range(len, 1, sizeof(dir->path) - 1);
    if (mkdtemp(dir->path) == NULL)
        fail_msg("no folder in %s", parent);
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
    (void)stat;
    (void)kind;
    (void)place;
    return remove(path);
}

void temp_dir_release(struct temp_dir *dir)
{
    nftw(dir->path, remove_entry, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS);
    assert_int_not_equal(access(dir->path, F_OK), 0);
}

struct temp_path temp_dir_at(const struct temp_dir *dir, const char *name)
{
    struct temp_path path;
    int len = snprintf(path.text, sizeof(path.text), "%s%s%s", dir->path,
                       name[0] == '\0' ? "" : "/", name);
    assert_in_range(len, 1, sizeof(path.text) - 1);
    return path;
}

void temp_dir_write(const struct temp_dir *dir, const char *name, const char *text)
{
    FILE *file = fopen(temp_dir_at(dir, name).text, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

void temp_dir_mkdir(const struct temp_dir *dir, const char *name)
{
    assert_int_equal(mkdir(temp_dir_at(dir, name).text, 0700), 0);
}
