#include "tests/load/order.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/compiler.h"

static const char *const first_names[] = {
    "Ada",      "Grace",     "Edsger",  "Barbara", "Donald", "Frances", "Leslie", "Radia",
    "Tony",     "Margaret",  "Niklaus", "Jean",    "Dennis", "Adele",   "Ken",    "Shafi",
    "Yukihiro", "Katherine", "Bjarne",  "Lynn",    "Vint",   "Karen",   "Robin",  "Hedy"};
static const char *const syllables[] = {"ber", "man", "os",  "ten", "vik", "la",  "ro",  "sen",
                                        "mi",  "kow", "ski", "de",  "lin", "gar", "cia", "fer",
                                        "nan", "zhu", "ang", "hol", "der", "mar", "ti",  "nez"};
static const char *const streets[] = {"Birkenweg",     "Harbour Street", "Rue des Lilas",
                                      "Via Garibaldi", "Station Road",   "Lindenallee",
                                      "Calle Mayor",   "Kirkgate",       "Nanjing Road",
                                      "Mill Lane",     "Torstrasse",     "High Street"};
static const char *const cities[][2] = {{"Berlin", "DE"},    {"Leeds", "GB"},   {"Lyon", "FR"},
                                        {"Torino", "IT"},    {"Sevilla", "ES"}, {"Shanghai", "CN"},
                                        {"Krakow", "PL"},    {"Aarhus", "DK"},  {"Porto", "PT"},
                                        {"Rotterdam", "NL"}, {"Uppsala", "SE"}, {"Graz", "AT"}};
static const char *const articles[] = {"Mechanical keyboard, brown",
                                       "Ethernet cable 5 m",
                                       "Desk lamp, dimmable",
                                       "Notebook A5, dotted",
                                       "Green tea, 250 g",
                                       "Oak desk 140 cm",
                                       "Wireless mouse",
                                       "Espresso cups, set of 4",
                                       "Rain jacket, size M",
                                       "Running shoes 42",
                                       "USB-C dock",
                                       "Monitor arm",
                                       "Fountain pen, fine",
                                       "Backpack 22 l",
                                       "Board game",
                                       "Bicycle bell, brass",
                                       "Thermos flask 0.7 l",
                                       "Wool scarf, grey",
                                       "Headphones, closed",
                                       "Cast iron pan 26 cm"};
static const char *const words[] = {"please", "leave",  "with",  "the",    "neighbour", "ring",
                                    "twice",  "second", "floor", "call",   "before",    "gift",
                                    "wrap",   "no",     "box",   "behind", "gate",      "thanks"};

struct text {
    char *out;
    size_t len;
    size_t room;
};

static void PRINTF_LIKE(2, 3) add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(t->out + t->len, t->room - t->len, format, args);
    va_end(args);
    CHECK(len >= 0);
    t->len = MIN(t->len + (size_t)len, t->room - 1);
}

#define PICK(random, list) (list)[prng_below((random), ARRAY_LEN(list))]

static unsigned below(struct prng *random, unsigned bound)
{
    return (unsigned)prng_below(random, bound);
}

static void add_uuid(struct text *t, struct prng *random)
{
    uint64_t high = prng_next(random), low = prng_next(random);
    add(t, "%08x-%04x-4%03x-a%03x-%012" PRIx64, (unsigned)(high >> 32),
        (unsigned)(high >> 16) & 0xffffU, (unsigned)high & 0xfffU, (unsigned)(low >> 52),
        low & 0xffffffffffffU);
}

static void add_customer(struct text *t, struct prng *random)
{
    const char *first = PICK(random, first_names);
    const char *const *city = PICK(random, cities);
    char last[16];
    snprintf(last, sizeof(last), "%s%s%s", PICK(random, syllables), PICK(random, syllables),
             PICK(random, syllables));
    add(t, ",\"customer\":{\"id\":\"");
    add_uuid(t, random);
    add(t, "\",\"name\":\"%s %s\",\"email\":\"%s.%s%u@example.com\",", first, last, first, last,
        below(random, 1000));
    add(t,
        "\"phone\":\"+%u %u %07u\"},\"ship_to\":{\"street\":\"%s %u\",\"zip\":\"%05u\",\"city\":"
        "\"%s\",\"country\":\"%s\"}",
        30 + below(random, 60), 100 + below(random, 900), below(random, 10000000),
        PICK(random, streets), 1 + below(random, 180), below(random, 100000), city[0], city[1]);
}

static void add_item(struct text *t, struct prng *random)
{
    add(t,
        "{\"sku\":\"%c%c-%05u\",\"ean\":\"4%012" PRIu64
        "\",\"title\":\"%s\",\"quantity\":%u,\"unit_price\":%u.%02u,\"vat\":%"
        "u}",
        'A' + (char)below(random, 26), 'A' + (char)below(random, 26), below(random, 100000),
        prng_below(random, UINT64_C(1000000000000)), PICK(random, articles), 1 + below(random, 5),
        1 + below(random, 400), below(random, 100), below(random, 4) == 0 ? 7U : 19U);
}

/* What the rest of a value of that size is: remarks, cut where the size ends. */
static void add_note(struct text *t, struct prng *random, size_t bytes)
{
    static const char end[] = "\"}";
    add(t, ",\"note\":\"");
    while (t->len + sizeof(end) - 1 < bytes)
        add(t, "%s ", PICK(random, words));
    t->len = bytes - (sizeof(end) - 1);
    add(t, "%s", end);
}

size_t order_write(struct prng *random, uint64_t id, char *out, size_t bytes)
{
    static const size_t item_bytes = 145, note_bytes = 16, small = 800;
    struct text t = {.out = out, .room = bytes + ORDER_SLACK_BYTES};
    if (bytes == 0)
        t.room = 2 * ORDER_SLACK_BYTES;
    add(&t, "{\"order\":%" PRIu64 ",\"total\":%u.%02u", 4000000000 + id, 1 + below(random, 2000),
        below(random, 100));
    if (bytes == 0 || bytes >= small) {
        add(&t, ",\"currency\":\"EUR\",\"id\":\"");
        add_uuid(&t, random);
        add(&t, "\",\"created\":\"2026-11-%02uT%02u:%02u:%02u.%03uZ\"", 1 + below(random, 30),
            below(random, 24), below(random, 60), below(random, 60), below(random, 1000));
        add_customer(&t, random);
        add(&t, ",\"payment\":{\"kind\":\"card\",\"last4\":\"%04u\",\"token\":\"",
            below(random, 10000));
        add_uuid(&t, random);
        add(&t, "\"},\"items\":[");
        add_item(&t, random);
        while (t.len + item_bytes + note_bytes < bytes) {
            add(&t, ",");
            add_item(&t, random);
        }
        add(&t, "]");
    } else {
        add(&t, ",\"sku\":\"%c%c-%05u\",\"quantity\":%u", 'A' + (char)below(random, 26),
            'A' + (char)below(random, 26), below(random, 100000), 1 + below(random, 5));
    }
    if (bytes == 0)
        add(&t, "}");
    else
        add_note(&t, random, bytes);
    return t.len;
}
