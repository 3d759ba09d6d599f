#include "tests/load/cost.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compiler.h"

#define METRICS_BYTES_MAX (1 << 20)
#define UNITS_FAMILY      "delayline_aws_billable_units_total{"

/* us-east-1, November 2026, per unit. */
#define USD_SQS_STANDARD (0.40 / 1e6)
#define USD_SQS_FIFO     (0.50 / 1e6)
#define USD_WRITE_UNIT   (0.625 / 1e6)
#define USD_READ_UNIT    (0.125 / 1e6)

struct page {
    char *text;
    size_t len;
};

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    struct page *page = ctx;
    size_t len = size * count;
    if (page->len + len >= METRICS_BYTES_MAX)
        return 0;
    memcpy(page->text + page->len, bytes, len);
    page->len += len;
    page->text[page->len] = '\0';
    return len;
}

/* price="sqs_standard" and so on: the programs know which queue a call was for. */
static double price_of(const char *labels)
{
    static const struct {
        const char *label;
        double usd;
    } prices[] = {
        {"price=\"sqs_standard\"", USD_SQS_STANDARD},
        {"price=\"sqs_fifo\"", USD_SQS_FIFO},
        {"price=\"dynamodb_write\"", USD_WRITE_UNIT},
        {"price=\"dynamodb_read\"", USD_READ_UNIT},
    };
    for (size_t i = 0; i < ARRAY_LEN(prices); i++)
        if (strstr(labels, prices[i].label) != NULL)
            return prices[i].usd;
    return 0;
}

static double sum(char *text)
{
    double usd = 0;
    char *rest;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, UNITS_FAMILY, strlen(UNITS_FAMILY)) != 0)
            continue;
        char *end = strrchr(line, '}');
        if (end == NULL)
            continue;
        *end = '\0';
        usd += strtod(end + 1, NULL) * price_of(line);
    }
    return usd;
}

static bool scrape_one(CURL *curl, const char *address, double *usd)
{
    char url[300];
    struct page page = {.text = calloc(1, METRICS_BYTES_MAX)};
    snprintf(url, sizeof(url), "http://%s/metrics", address);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 2000L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &page);
    bool ok = page.text != NULL && curl_easy_perform(curl) == CURLE_OK;
    if (ok)
        *usd += sum(page.text);
    free(page.text);
    return ok;
}

unsigned cost_scrape(const char *addresses, double *ret_usd)
{
    char copy[4096];
    unsigned asked = 0;
    char *rest;
    *ret_usd = 0;
    snprintf(copy, sizeof(copy), "%s", addresses);
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return 0;
    for (char *one = strtok_r(copy, ", ", &rest); one != NULL; one = strtok_r(NULL, ", ", &rest))
        asked += scrape_one(curl, one, ret_usd);
    curl_easy_cleanup(curl);
    return asked;
}
