/* The shared config and credentials files: what was read is written as a file, and that file reads
 * as the same. The input is both files, the first up to the first NUL. */
#include "common/aws_profile.h"
#include "common/mem.h"
#include "tests/fuzz/fuzz.h"

static void write_section(const struct aws_profile *section, const char *kind, struct buf *out)
{
    buf_printf(out, "[%s%s]\n", kind, section->name);
    for (size_t i = 0; i < section->property_count; i++) {
        const struct aws_profile_property *property = &section->properties[i];
        struct slice value = buf_slice(&property->value);
        buf_printf(out, "%s=", property->name); /* a blank would make a comment of a '#' */
        for (size_t c = 0; c < value.len; c++) {
            buf_append_byte(out, value.ptr[c]);
            if (value.ptr[c] == '\n') /* the next line belongs to it if it is indented */
                buf_append_byte(out, ' ');
        }
        buf_append_byte(out, '\n');
    }
}

static void expect_same(const struct aws_profile *a, const struct aws_profile *b)
{
    EXPECT(b != NULL && a->property_count == b->property_count);
    for (size_t i = 0; i < a->property_count; i++) {
        const struct aws_profile_property *property = &a->properties[i];
        EXPECT(slice_equal(aws_profile_get(b, property->name), buf_slice(&property->value)));
    }
}

/* A carriage return before the end of a line is part of that, so it cannot be written. */
static bool can_be_written(const struct aws_profile *sections, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < sections[i].property_count; k++)
            if (strchr(buf_text(&sections[i].properties[k].value), '\r') != NULL)
                return false;
    return true;
}

static void write_and_read(const struct aws_profiles *profiles)
{
    if (!can_be_written(profiles->services, profiles->services_count) ||
        !can_be_written(profiles->profiles, profiles->count))
        return;
    CLEANUP(buf_release) struct buf out;
    struct aws_profiles again;
    buf_init(&out, (size_t)4 * AWS_PROFILE_FILE_BYTES_MAX);
    aws_profiles_init(&again);
    for (size_t i = 0; i < profiles->services_count; i++)
        write_section(&profiles->services[i], "services ", &out);
    for (size_t i = 0; i < profiles->count; i++)
        write_section(&profiles->profiles[i], "profile ", &out);
    EXPECT(aws_profiles_parse(&again, AWS_PROFILE_CONFIG, buf_slice(&out), NULL) == STATUS_OK);
    EXPECT(again.count == profiles->count && again.services_count == profiles->services_count);
    for (size_t i = 0; i < profiles->services_count; i++)
        expect_same(&profiles->services[i], &again.services[i]);
    for (size_t i = 0; i < profiles->count; i++) {
        const struct aws_profile *profile = &profiles->profiles[i];
        const struct aws_profile *other = aws_profiles_find(&again, slice_from_str(profile->name));
        expect_same(profile, other);
        EXPECT(aws_profile_services_known(profile) == aws_profile_services_known(other));
        EXPECT(fuzz_same(aws_profile_service_get(profile, "sqs", "endpoint_url"),
                         aws_profile_service_get(other, "sqs", "endpoint_url")));
    }
    aws_profiles_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size == 0 ? NULL : memchr(data, '\0', size);
    size_t first = nul == NULL ? size : (size_t)(nul - data);
    size_t second = first == size ? 0 : size - first - 1;
    CLEANUP(mem_freep) uint8_t *config = fuzz_copy(slice_from(data, first));
    CLEANUP(mem_freep) uint8_t *credentials = fuzz_copy(slice_from(data + size - second, second));
    struct aws_profiles profiles;
    struct error error = {.kind = ERROR_NONE};
    aws_profiles_init(&profiles);
    enum status status =
        aws_profiles_parse(&profiles, AWS_PROFILE_CONFIG, slice_from(config, first), &error);
    if (status == STATUS_OK)
        status = aws_profiles_parse(&profiles, AWS_PROFILE_CREDENTIALS,
                                    slice_from(credentials, second), &error);
    EXPECT(profiles.count <= AWS_PROFILES_MAX && profiles.services_count <= AWS_PROFILES_MAX);
    if (status == STATUS_OK)
        write_and_read(&profiles);
    else
        EXPECT(error.kind == ERROR_PERMANENT && fuzz_is_printable(slice_from_str(error.text)));
    aws_profiles_release(&profiles);
    return 0;
}
