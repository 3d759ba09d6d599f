/* Every limit of Delayline in one place, each with its reason. What happens at a limit stands
 * beside the code that enforces it; in general: stop taking in, never grow, never drop. */
#ifndef COMMON_LIMITS_H
#define COMMON_LIMITS_H

#include <assert.h>

#define KIB 1024
#define MIB (1024 * KIB)

/* AWS, from the service quotas and API references of SQS and DynamoDB. */
#define SQS_BATCH_ENTRIES_MAX      10
#define SQS_MESSAGE_BYTES_MAX      (1 * MIB) /* since August 2025; a queue may be set to less */
#define SQS_BATCH_BYTES_MAX        (1 * MIB) /* all bodies and attributes of a call */
#define SQS_DELAY_SECONDS_MAX      900
#define SQS_VISIBILITY_SECONDS_MAX 43200 /* from the receive, extensions included */
#define SQS_WAIT_SECONDS_MAX       20
#define SQS_GROUP_ID_BYTES_MAX     128
#define SQS_BILLING_UNIT_BYTES     (64 * KIB)
#define DYNAMODB_ITEM_BYTES_MAX    (400 * KIB)
#define DYNAMODB_BATCH_ITEMS_MAX   25
#define DYNAMODB_BATCH_BYTES_MAX   (16 * MIB)
#define DYNAMODB_PAGE_BYTES_MAX    (1 * MIB)

/* Kafka: names, and sizes as the broker's defaults have them. */
#define TOPIC_NAME_BYTES_MAX 249  /* Kafka's Topic.MAX_NAME_LENGTH */
#define RECORD_HEADERS_MAX   4096 /* Kafka has no limit; keeps a record's index small */
#define DELAY_ID_BYTES_MAX   128
#define RECORD_BYTES_MAX     (32 * MIB) /* of any configuration; bounds each record's memory */

/* Envelopes. */
#define ENVELOPE_TARGET_BYTES     (48 * KIB)  /* base64 64 KiB: one SQS billing unit */
#define ENVELOPE_RAW_BYTES_MAX    (384 * KIB) /* incompressible, it must fit a table item */
#define ENVELOPE_RECORD_BYTES_MAX (256 * KIB) /* a larger record is stored in parts */
#define ENVELOPE_RECORDS_MAX      16384       /* keeps a held envelope's index under 256 KiB */
#define ENVELOPE_FRAMES_MAX       128  /* frames joined in one SQS message by the scheduler */
#define ENVELOPE_SPAN_MS          1000 /* all records of an envelope are due in one second */
#define BLOB_PART_BYTES_MAX       (380 * KIB)
#define BLOB_PARTS_MAX            128

/* HTTP. */
#define HTTP_RESPONSE_BYTES_MAX (16 * MIB) /* ten SQS bodies of 1 MiB, or a page, as JSON */
#define HTTP_HEADER_BYTES_MAX   (64 * KIB)
#define HTTP_HEADERS_MAX        128        /* AWS sends about ten */
#define HTTP_REQUEST_BYTES_MAX  (24 * MIB) /* a full BatchWriteItem in base64, and its JSON */
#define JSON_DEPTH_MAX          32         /* AWS answers nest 8 deep at most */
/* A page of the smallest items has under 100,000; cJSON spends some 100 bytes on each. */
#define JSON_VALUES_MAX 500000

/* AWS clients. */
#define CLIENT_OPERATIONS_MAX   16    /* of one service, counted each */
#define CLIENT_ATTEMPTS_MAX     20    /* what may be configured */
#define CLIENT_RATE_WAIT_MAX_MS 500   /* a call whose caller decides anew waits no longer here */
#define CLIENT_RATE_DEBT_MAX_MS 20000 /* any other: as long as the longest back-off */
/* The SDKs let the rate fall to 0.5/s. Here leases, deletes and polls of a program share it, and at
 * a few calls a second every stray throttle lowers it further: 3 % of them left shards a minute
 * behind. Fifty calls a second are no load for a service that takes thousands, and 500 messages. */
#define CLIENT_RATE_LEAST_PER_S 50.0

/* CloudWatch's embedded metric format, from its specification. */
#define EMF_METRICS_MAX         100 /* of a line */
#define EMF_VALUES_MAX          100 /* of a histogram */
#define EMF_NAMESPACE_BYTES_MAX 255
#define EMF_MEMBERS_BYTES_MAX   (15 * KIB) /* of a line; container engines cut lines at 16 KiB */

/* Shards: more would cost more in ticks and cursor moves than they spread. */
#define SHARDS_MAX 256

static_assert(ENVELOPE_RAW_BYTES_MAX + 4 * KIB <= DYNAMODB_ITEM_BYTES_MAX,
              "an envelope fits an item");
static_assert((ENVELOPE_RAW_BYTES_MAX + 4 * KIB) / 3 * 4 <= SQS_MESSAGE_BYTES_MAX, "and a message");
static_assert(ENVELOPE_RECORD_BYTES_MAX <= ENVELOPE_RAW_BYTES_MAX,
              "an inline record fits an envelope");
static_assert(DYNAMODB_BATCH_BYTES_MAX / 3 * 4 + MIB <= HTTP_REQUEST_BYTES_MAX,
              "a full batch fits a request");
static_assert(SQS_BATCH_ENTRIES_MAX * SQS_MESSAGE_BYTES_MAX + MIB <= HTTP_RESPONSE_BYTES_MAX,
              "ten messages fit a response");
static_assert(DYNAMODB_PAGE_BYTES_MAX / 3 * 4 + MIB <= HTTP_RESPONSE_BYTES_MAX,
              "a page fits a response");
static_assert(BLOB_PART_BYTES_MAX + 4 * KIB <= DYNAMODB_ITEM_BYTES_MAX, "a part fits an item");
static_assert((long long)BLOB_PART_BYTES_MAX * BLOB_PARTS_MAX >= RECORD_BYTES_MAX,
              "parts hold any record");

#endif
