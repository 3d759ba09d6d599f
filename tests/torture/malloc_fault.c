/* Preloaded into a program: an allocation fails, whoever asks for it. Places count, not calls: one
 * that asks a thousand times fails the first time only, so that a program's places can all be tried
 * one by one. A place is what the stack looks like, some frames deep.
 *
 *   TORTURE_MALLOC_AT=n        the n-th new place gets NULL, once
 *   TORTURE_MALLOC_REPORT=file gets the number of places seen, 8 bytes, and the return addresses
 *                              above the one that failed, 8 bytes each
 *
 * AddressSanitizer's malloc is then the next one: ASAN_OPTIONS=verify_asan_link_order=0.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAMES     7 /* of which the first two are here */
#define STACK_MAX  256
#define PLACES_MAX (1U << 16)

static void *(*next_malloc)(size_t size);
static void *(*next_calloc)(size_t count, size_t size);
static void *(*next_realloc)(void *ptr, size_t size);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t places[PLACES_MAX]; /* hashes, open addressing, 0: free */
static uint64_t count;
static uint64_t fail_at;
static int report = -1;
static bool is_ready;
static atomic_bool has_failed;  /* nothing is counted any more, which is what costs time */
static __thread bool is_inside; /* asking for a stack or a symbol may allocate */

__attribute__((constructor)) static void begin(void)
{
    void *frames[FRAMES];
    is_inside = true;
    const char *at = getenv("TORTURE_MALLOC_AT");
    const char *path = getenv("TORTURE_MALLOC_REPORT");
    fail_at = at == NULL ? 0 : strtoull(at, NULL, 10);
    report = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)backtrace(frames, FRAMES); /* loads libgcc now, not within malloc */
    unsetenv("LD_PRELOAD");          /* not for children */
    is_inside = false;
    is_ready = true;
}

static bool is_new(uint64_t hash)
{
    for (uint64_t i = hash % PLACES_MAX;; i = (i + 1) % PLACES_MAX) {
        if (places[i] == hash || count > PLACES_MAX / 2)
            return false;
        if (places[i] == 0) {
            places[i] = hash;
            return true;
        }
    }
}

/* Whose caller's caller failed: a crash in the same call is then known as such. */
static void report_stack(void)
{
    void *frames[STACK_MAX];
    int depth = backtrace(frames, STACK_MAX);
    size_t bytes = (size_t)depth * sizeof(frames[0]);
    if (report >= 0 && pwrite(report, frames, bytes, sizeof(count)) < 0)
        report = -1;
}

static bool shall_fail(void)
{
    void *frames[FRAMES];
    uint64_t hash = 1;
    bool fails = false;
    if (!is_ready || is_inside || atomic_load_explicit(&has_failed, memory_order_relaxed))
        return false;
    is_inside = true;
    int depth = backtrace(frames, FRAMES);
    for (int i = 2; i < depth; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)frames[i]) * UINT64_C(0x100000001b3);
    pthread_mutex_lock(&lock);
    if (is_new(hash == 0 ? 1 : hash)) {
        fails = ++count == fail_at;
        if (report >= 0 && pwrite(report, &count, sizeof(count), 0) < 0)
            report = -1;
    }
    if (fails)
        report_stack();
    pthread_mutex_unlock(&lock);
    is_inside = false;
    if (fails) {
        has_failed = true;
        errno = ENOMEM;
    }
    return fails;
}

/* Finding a symbol may allocate. */
static void *find(const char *name)
{
    bool before = is_inside;
    is_inside = true;
    void *found = dlsym(RTLD_NEXT, name);
    is_inside = before;
    return found;
}

void *malloc(size_t size)
{
    if (next_malloc == NULL)
        *(void **)&next_malloc = find("malloc");
    return shall_fail() ? NULL : next_malloc(size);
}

void *calloc(size_t items, size_t size)
{
    if (next_calloc == NULL)
        *(void **)&next_calloc = find("calloc");
    return shall_fail() ? NULL : next_calloc(items, size);
}

void *realloc(void *ptr, size_t size)
{
    if (next_realloc == NULL)
        *(void **)&next_realloc = find("realloc");
    return shall_fail() ? NULL : next_realloc(ptr, size);
}
