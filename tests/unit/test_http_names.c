/* F12: what the resolver may answer, or not, and what comes of it: names are looked up anew, what
 * is open goes on, no failure is remembered, and the loop never waits. getaddrinfo and
 * pthread_create are this file's. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "common/timeval.h"
#include "tests/harness/http_exchange.h"

#define ANSWERS_MAX   4
#define ADDRESSES_MAX 2

struct answer {
    int failure; /* EAI_*; 0: the addresses */
    const char *addresses[ADDRESSES_MAX];
    bool waits; /* until the test lets it go */
};

/* Read by curl's threads. The last answer is repeated. */
static struct {
    struct answer answers[ANSWERS_MAX];
    unsigned count;
    atomic_uint asked;
    atomic_uint answered;
    sem_t gate; /* of those that wait */
} names;

#define ALIVE "127.0.0.1"
#define DEAD  "127.0.0.2" /* nobody listens there */

static struct addrinfo *new_address(const char *text, const char *service)
{
    struct addrinfo *info = calloc(1, sizeof(*info) + sizeof(struct sockaddr_in));
    assert_non_null(info);
    struct sockaddr_in *address = (struct sockaddr_in *)(void *)(info + 1);
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)strtoul(service == NULL ? "0" : service, NULL, 10));
    assert_int_equal(inet_pton(AF_INET, text, &address->sin_addr), 1);
    info->ai_family = AF_INET;
    info->ai_socktype = SOCK_STREAM;
    info->ai_addr = (struct sockaddr *)address;
    info->ai_addrlen = sizeof(*address);
    return info;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
    (void)node;
    (void)hints;
    unsigned number = atomic_fetch_add(&names.asked, 1);
    const struct answer *answer = &names.answers[MIN(number, names.count - 1)];
    while (answer->waits && sem_wait(&names.gate) != 0)
        continue;
    struct addrinfo **end = ret;
    *ret = NULL;
    for (size_t i = 0; i < ADDRESSES_MAX && answer->addresses[i] != NULL; i++) {
        *end = new_address(answer->addresses[i], service);
        end = &(*end)->ai_next;
    }
    atomic_fetch_add(&names.answered, 1);
    return answer->failure;
}

void freeaddrinfo(struct addrinfo *info)
{
    while (info != NULL) {
        struct addrinfo *next = info->ai_next;
        free(info);
        info = next;
    }
}

static bool threads_fail;

int pthread_create(pthread_t *restrict ret, const pthread_attr_t *restrict attributes,
                   void *(*run)(void *), void *restrict ctx)
{
    if (threads_fail)
        return EAGAIN;
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return real(ret, attributes, run, ctx);
}

/* --- the fixture ----------------------------------------------------------------------------- */

/* Of what ends by itself: however slow the machine is, no such time is part of a verdict. */
#define PATIENCE_MS (10 * MS_PER_MINUTE)

static const struct http_options options = {.connections_max = 4,
                                            .connect_timeout_ms = PATIENCE_MS};

struct named {
    struct exchange x;
    char url[64];
};

static void named_init_with(struct named *n, const struct answer *answers, size_t count,
                            const struct http_options *with)
{
    assert_in_range(count, 1, ANSWERS_MAX);
    for (size_t i = 0; i < count; i++)
        names.answers[i] = answers[i];
    names.count = (unsigned)count;
    atomic_store(&names.asked, 0);
    atomic_store(&names.answered, 0);
    assert_int_equal(sem_init(&names.gate, 0, 0), 0);
    exchange_init(&n->x, exchange_play_ok, with);
    const char *port = strrchr(http_script_url(n->x.script), ':');
    snprintf(n->url, sizeof(n->url), "http://service.test%s/", port);
}

static void named_init(struct named *n, const struct answer *answers, size_t count)
{
    named_init_with(n, answers, count, &options);
}

#define NAMED_INIT(n, ...)                                                                         \
    do {                                                                                           \
        static const struct answer answers_[] = {__VA_ARGS__};                                     \
        named_init((n), answers_, ARRAY_LEN(answers_));                                            \
    } while (0)

static struct http_spec spec_of(struct named *n)
{
    struct http_spec spec = exchange_spec(&n->x, "POST", "{}");
    spec.url = n->url;
    spec.timeout_ms = PATIENCE_MS;
    return spec;
}

static void ask(struct named *n)
{
    struct http_spec spec = spec_of(n);
    exchange_run(&n->x, &spec);
}

static void expect_good(const struct named *n)
{
    if (n->x.error.kind != ERROR_NONE)
        fail_msg("%s: %s", n->x.error.code, n->x.error.text);
    assert_int_equal(n->x.status, 200);
}

/* --- cases ----------------------------------------------------------------------------------- */

/* NXDOMAIN, SERVFAIL, a server that refuses, a name without addresses. */
static void a_failure_is_not_remembered(void **state)
{
    (void)state;
    static const int failures[] = {EAI_NONAME, EAI_AGAIN, EAI_FAIL, EAI_NODATA};
    for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
        const struct answer answers[] = {{.failure = failures[i]}, {.addresses = {ALIVE}}};
        struct named n;
        named_init(&n, answers, ARRAY_LEN(answers));
        ask(&n);
        exchange_expect_error(&n.x, ERROR_RETRY, "NameResolutionFailed");
        assert_int_equal(n.x.requests, 0);
        ask(&n);
        expect_good(&n);
        assert_int_equal(atomic_load(&names.asked), 2);
        exchange_release(&n.x);
    }
}

static void of_two_addresses_the_living_one_is_found(void **state)
{
    (void)state;
    struct named n;
    NAMED_INIT(&n, {.addresses = {DEAD, ALIVE}});
    ask(&n);
    expect_good(&n);
    exchange_release(&n.x);
}

/* A socket whose queue of connections is full: the kernel drops who knocks. */
struct mute {
    int listener;
    int knocks[3];
};

static void mute_init(struct mute *m, const char *address, const char *url)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    at.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
    assert_int_equal(inet_pton(AF_INET, address, &at.sin_addr), 1);
    m->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(m->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(m->listener, 0), 0);
    for (size_t i = 0; i < ARRAY_LEN(m->knocks); i++) {
        m->knocks[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(m->knocks[i], (struct sockaddr *)&at, sizeof(at));
    }
}

static void mute_release(struct mute *m)
{
    for (size_t i = 0; i < ARRAY_LEN(m->knocks); i++)
        assert_int_equal(close(m->knocks[i]), 0);
    assert_int_equal(close(m->listener), 0);
}

/* curl 7.88.1 has no time left for the second one: their order must differ by tries. One that takes
 * longer to find the living one, for the machine's sake, is but one more. */
static void an_address_that_does_not_answer_is_not_always_the_first(void **state)
{
    (void)state;
    static const struct answer both = {.addresses = {DEAD, ALIVE}};
    static const struct http_options hasty = {.connections_max = 4, .connect_timeout_ms = 300};
    struct named n;
    named_init_with(&n, &both, 1, &hasty);
    struct mute mute;
    mute_init(&mute, DEAD, http_script_url(n.x.script));
    unsigned tries = 0;
    do
        ask(&n);
    while (n.x.error.kind == ERROR_RETRY && ++tries < 200);
    expect_good(&n);
    mute_release(&mute);
    exchange_release(&n.x);
}

static void after_a_failure_to_connect_the_name_is_asked_for_anew(void **state)
{
    (void)state;
    struct named n;
    NAMED_INIT(&n, {.addresses = {DEAD}}, {.addresses = {ALIVE}});
    ask(&n);
    exchange_expect_error(&n.x, ERROR_RETRY, "ConnectionFailed");
    ask(&n);
    expect_good(&n);
    assert_int_equal(atomic_load(&names.asked), 2);
    exchange_release(&n.x);
}

/* Another host that answers meanwhile says nothing about this one. */
static void a_doubt_outlasts_what_goes_well_elsewhere(void **state)
{
    (void)state;
    struct named n;
    NAMED_INIT(&n, {.addresses = {DEAD}}, {.addresses = {ALIVE}});
    struct http_spec here = spec_of(&n);
    struct http_spec elsewhere = here;
    elsewhere.url = http_script_url(n.x.script);
    http_script_hold(n.x.script, true);
    exchange_start(&n.x, &elsewhere);
    exchange_start(&n.x, &here);
    exchange_wait(&n.x, 1);
    exchange_expect_error(&n.x, ERROR_RETRY, "ConnectionFailed");
    http_script_hold(n.x.script, false);
    exchange_wait(&n.x, 2);
    expect_good(&n);
    ask(&n);
    expect_good(&n);
    assert_int_equal(atomic_load(&names.asked), 2);
    exchange_release(&n.x);
}

/* Many connections are opened with one look-up as long as all is well. */
static void an_address_that_works_is_kept(void **state)
{
    (void)state;
    struct named n;
    NAMED_INIT(&n, {.addresses = {ALIVE}}, {.failure = EAI_AGAIN});
    ask(&n);
    struct http_spec spec = spec_of(&n);
    for (unsigned i = 0; i < 4; i++)
        exchange_start(&n.x, &spec);
    exchange_wait(&n.x, 5);
    expect_good(&n);
    assert_int_equal(http_script_connections(n.x.script), 4);
    assert_int_equal(atomic_load(&names.asked), 1);
    exchange_release(&n.x);
}

static void open_connections_go_on_without_a_resolver(void **state)
{
    (void)state;
    struct named n;
    NAMED_INIT(&n, {.addresses = {ALIVE}}, {.failure = EAI_AGAIN});
    for (int i = 0; i < 3; i++) {
        ask(&n);
        expect_good(&n);
    }
    assert_int_equal(http_script_connections(n.x.script), 1);
    exchange_release(&n.x);
}

/* A turn in which 60 ms pass before anything else, as after a pause of the process. */
static void spend_60_ms(struct loop *loop)
{
    int64_t until_ms = loop_now_fresh(loop).mono.ms + 60;
    while (loop_now_fresh(loop).mono.ms < until_ms)
        continue;
    loop_now_forget(loop);
}

/* A resolver that gets no answer takes seconds to say so; this one says nothing until all is over,
 * so that whoever waited for it would wait for ever. */
static void a_slow_resolver_keeps_neither_the_loop_nor_a_deadline(void **state)
{
    (void)state;
    struct named n;
    NAMED_INIT(&n, {.addresses = {ALIVE}, .waits = true});
    struct http_spec spec = spec_of(&n);
    spec.timeout_ms = 50;
    spend_60_ms(n.x.loop);
    int64_t began_ms = loop_now(n.x.loop).mono.ms;
    exchange_run(&n.x, &spec);
    exchange_expect_error(&n.x, ERROR_RETRY, "ConnectionTimeout");
    assert_true(loop_now(n.x.loop).mono.ms - began_ms >= 50);
    http_cancel(exchange_start(&n.x, &spec));
    assert_int_equal(atomic_load(&names.answered), 0);
    exchange_release(&n.x);
    while (atomic_load(&names.answered) < atomic_load(&names.asked)) {
        sem_post(&names.gate);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

/* F45: curl asks the resolver in a thread. */
static void without_a_thread_it_is_tried_again(void **state)
{
    (void)state;
    struct named n;
    NAMED_INIT(&n, {.addresses = {ALIVE}});
    threads_fail = true;
    ask(&n);
    threads_fail = false;
    exchange_expect_error(&n.x, ERROR_RETRY, "NameResolutionFailed");
    ask(&n);
    expect_good(&n);
    exchange_release(&n.x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_not_remembered),
        cmocka_unit_test(of_two_addresses_the_living_one_is_found),
        cmocka_unit_test(an_address_that_does_not_answer_is_not_always_the_first),
        cmocka_unit_test(after_a_failure_to_connect_the_name_is_asked_for_anew),
        cmocka_unit_test(a_doubt_outlasts_what_goes_well_elsewhere),
        cmocka_unit_test(an_address_that_works_is_kept),
        cmocka_unit_test(open_connections_go_on_without_a_resolver),
        cmocka_unit_test(a_slow_resolver_keeps_neither_the_loop_nor_a_deadline),
        cmocka_unit_test(without_a_thread_it_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
