/* Answers of SQS. For a batch, what each entry came to is worked out a second time, from a count of
 * the places that name it. */
#include "common/json.h"
#include "common/limits.h"
#include "common/mem.h"
#include "common/sqs_wire.h"
#include "tests/fuzz/fuzz.h"

enum { MODE_SEND, MODE_DELETE, MODE_RECEIVE, MODE_ATTRIBUTES, MODE_URL, MODE_REQUEST, MODES };

static void md5_hex(const uint8_t md5[DIGEST_MD5_SIZE], char out[2 * DIGEST_MD5_SIZE + 1])
{
    for (size_t i = 0; i < DIGEST_MD5_SIZE; i++) {
        out[2 * i] = "0123456789abcdef"[md5[i] / 16];
        out[2 * i + 1] = "0123456789abcdef"[md5[i] % 16];
    }
    out[2 * DIGEST_MD5_SIZE] = '\0';
}

/* How often the list names the entry; *ret_last is where. */
static size_t count_named(const cJSON *json, const char *list, size_t index, const cJSON **ret_last)
{
    const char id[] = {(char)('0' + index), '\0'};
    size_t count = 0;
    const cJSON *element;
    cJSON_ArrayForEach(element, json_get_array(json, list))
    {
        if (slice_equal_str(json_get_text(element, "Id"), id)) {
            *ret_last = element;
            count++;
        }
    }
    return count;
}

static bool is_good_success(const cJSON *element, const struct sqs_wire_md5 *md5)
{
    char hex[2 * DIGEST_MD5_SIZE + 1];
    if (md5 == NULL)
        return true;
    md5_hex(md5->bytes, hex);
    return json_get_text(element, "MessageId").len > 0 &&
           slice_equal_str(json_get_text(element, "MD5OfMessageBody"), hex);
}

static void check_batch(const cJSON *json, size_t count, bool send)
{
    struct sqs_wire_md5 md5[SQS_BATCH_ENTRIES_MAX];
    struct sqs_entry_result results[SQS_BATCH_ENTRIES_MAX];
    bool throttled;
    bool any = false;
    for (size_t i = 0; i < SQS_BATCH_ENTRIES_MAX; i++) {
        uint8_t body = (uint8_t)('0' + i); /* the body of entry 3 is "3" */
        digest_md5(slice_from(&body, 1), md5[i].bytes);
    }
    sqs_wire_parse_batch(json, send ? md5 : NULL, count, results, &throttled);
    for (size_t i = 0; i < count; i++) {
        const cJSON *success = NULL;
        const cJSON *failure = NULL;
        size_t successes = count_named(json, "Successful", i, &success);
        size_t failures = count_named(json, "Failed", i, &failure);
        const struct error *error = &results[i].error;
        if (successes + failures != 1)
            EXPECT(results[i].outcome == OUTCOME_UNKNOWN);
        else if (failures == 1)
            EXPECT(results[i].outcome == OUTCOME_FAILED);
        else if (is_good_success(success, send ? &md5[i] : NULL))
            EXPECT(results[i].outcome == OUTCOME_DONE);
        else
            EXPECT(results[i].outcome == OUTCOME_UNKNOWN);
        EXPECT((results[i].outcome == OUTCOME_DONE) == (error->kind == ERROR_NONE));
        EXPECT((results[i].outcome == OUTCOME_UNKNOWN) == (error->kind == ERROR_UNKNOWN));
        EXPECT(error->kind == ERROR_NONE || error->code[0] != '\0');
        EXPECT(fuzz_is_printable(slice_from(error->code, strnlen(error->code, ERROR_CODE_SIZE))));
        EXPECT(json_valid_utf8(slice_from_str(error->text)));
        any = any || error->kind == ERROR_THROTTLED;
        (void)sqs_wire_receipt_ended(error);
    }
    EXPECT(throttled == any);
}

static void check_receive(const cJSON *json, const struct json_flat *flat, uint32_t most)
{
    struct sqs_message messages[SQS_BATCH_ENTRIES_MAX];
    size_t count = SIZE_MAX;
    if (sqs_wire_parse_receive(flat, most, messages, &count) != STATUS_OK) {
        EXPECT(count == SIZE_MAX);
        return;
    }
    const cJSON *element = json_get_array(json, "Messages");
    EXPECT(count <= most && count == (size_t)cJSON_GetArraySize(element));
    element = element == NULL ? NULL : element->child;
    for (size_t i = 0; i < count; i++, element = element->next) {
        const struct sqs_message *m = &messages[i];
        uint8_t md5[DIGEST_MD5_SIZE];
        char hex[2 * DIGEST_MD5_SIZE + 1];
        EXPECT(slice_equal(m->body, json_get_text(element, "Body")));
        EXPECT(m->message_id.len > 0 && m->receipt_handle.len > 0 && !slice_is_null(m->body));
        digest_md5(m->body, md5);
        md5_hex(md5, hex);
        EXPECT(m->body_md5_matches == slice_equal_str(json_get_text(element, "MD5OfBody"), hex));
        EXPECT(m->sent_ms >= 0);
    }
}

static void check_attributes(const cJSON *json)
{
    struct sqs_queue_attributes a;
    if (sqs_wire_parse_attributes(json, &a) != STATUS_OK)
        return;
    EXPECT(a.delay_seconds >= -1 && a.visibility_seconds >= -1 && a.retention_seconds >= -1);
    EXPECT(a.maximum_message_bytes >= -1 && a.visible >= -1 && a.in_flight >= -1);
    EXPECT(a.delayed >= -1);
}

/* What is asked for is JSON and says what it was told to, whatever the texts. */
static void check_request(struct fuzz_input *in)
{
    struct sqs_send_entry entries[SQS_BATCH_ENTRIES_MAX];
    size_t count = 0;
    while (count < SQS_BATCH_ENTRIES_MAX && (count == 0 || !fuzz_is_empty(in))) {
        struct slice body = fuzz_line(in);
        if (!json_valid_utf8(body) || (body.len > 0 && memchr(body.ptr, '\0', body.len) != NULL))
            return;
        entries[count++] = (struct sqs_send_entry){
            .body = body,
            .delay_seconds = body.len % 2 == 0 ? SQS_DELAY_ABSENT : (int32_t)(body.len % 901),
            .group_id = body.len % 3 == 0 ? SLICE_NULL : body,
        };
    }
    CLEANUP(buf_release) struct buf out;
    CLEANUP(json_freep) cJSON *json = NULL;
    buf_init(&out, MIB);
    struct slice bodies[SQS_BATCH_ENTRIES_MAX];
    sqs_wire_send_batch(&out, "http://localhost/q", entries, count, bodies);
    EXPECT(json_parse(buf_slice(&out), &json, NULL) == STATUS_OK);
    const cJSON *list = json_get_array(json, "Entries");
    EXPECT((size_t)cJSON_GetArraySize(list) == count);
    for (size_t i = 0; i < count; i++) {
        const cJSON *element = cJSON_GetArrayItem(list, (int)i);
        EXPECT(slice_equal(json_get_text(element, "MessageBody"), entries[i].body));
        EXPECT(fuzz_same(json_get_text(element, "MessageGroupId"), entries[i].group_id));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_open(data, size);
    unsigned mode = (fuzz_byte(&in) - (unsigned)'0') % MODES;
    size_t count = 1 + fuzz_byte(&in) % (size_t)SQS_BATCH_ENTRIES_MAX;
    if (mode == MODE_REQUEST) {
        check_request(&in);
        return 0;
    }
    CLEANUP(json_freep) cJSON *json = NULL;
    const char *url = NULL;
    CLEANUP(json_flat_release) struct json_flat flat = {.text = SLICE_NULL};
    struct slice body = fuzz_rest(&in);
    bool valid = json_parse(body, &json, NULL) == STATUS_OK;
    EXPECT(valid == (json_flat_parse(body, &flat, NULL) == STATUS_OK));
    if (!valid)
        return 0;
    if (mode == MODE_SEND || mode == MODE_DELETE)
        check_batch(json, count, mode == MODE_SEND);
    else if (mode == MODE_RECEIVE)
        check_receive(json, &flat, (uint32_t)count);
    else if (mode == MODE_ATTRIBUTES)
        check_attributes(json);
    else if (sqs_wire_parse_queue_url(json, &url) == STATUS_OK)
        EXPECT(url[0] != '\0');
    return 0;
}
