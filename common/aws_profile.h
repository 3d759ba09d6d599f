/* The shared config and credentials files (AWS SDKs reference, "Format of the config and credential
 * files"): the parser, and the view of both files merged. Pure: the text is an argument. */
#ifndef COMMON_AWS_PROFILE_H
#define COMMON_AWS_PROFILE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/compiler.h"
#include "common/slice.h"
#include "common/status.h"

#define AWS_PROFILE_FILE_BYTES_MAX (1024 * 1024)
#define AWS_PROFILES_MAX           1024 /* looked up one by one */
#define AWS_PROFILE_PROPERTIES_MAX 256

enum aws_profile_file { AWS_PROFILE_CONFIG, AWS_PROFILE_CREDENTIALS };

struct aws_profile_property {
    char *name;       /* lower case */
    struct buf value; /* lines of a nested one are joined with '\n'; wiped on release */
};

struct aws_profiles;

/* Also a "[services name]" section, whose properties are services with properties of their own. */
struct aws_profile {
    const struct aws_profiles *all;
    char *name;
    bool prefixed; /* "[profile default]", which beats "[default]" in the config file */
    struct aws_profile_property *properties;
    size_t property_count;
};

struct aws_profiles {
    struct aws_profile *profiles;
    size_t count;
    struct aws_profile *services;
    size_t services_count;
};

/* p must stay where it is as long as it is used. */
void aws_profiles_init(struct aws_profiles *p);
void aws_profiles_release(struct aws_profiles *p);

/* Adds a file's profiles: the config file first, then the credentials file, whose values win.
 * STATUS_INVALID with the line in reterr, STATUS_TOO_LARGE over the limits above; p may then hold a
 * part and is only good for releasing. Other sections (sso-session) and
 * names with characters outside of A-Z a-z 0-9 - / . % @ _ : + are ignored, as AWS's SDKs do. */
NODISCARD enum status aws_profiles_parse(struct aws_profiles *p, enum aws_profile_file file,
                                         struct slice text, struct error *reterr);

/* NULL: not there. */
const struct aws_profile *aws_profiles_find(const struct aws_profiles *p, struct slice name);
/* Null slice: not there. Valid until p is changed. */
struct slice aws_profile_get(const struct aws_profile *profile, const char *property);

/* A property of a service ("sqs") in the services section that the profile names. Null slice: not
 * there. Valid until p is changed. */
struct slice aws_profile_service_get(const struct aws_profile *profile, const char *service,
                                     const char *property);
/* False: the profile names a services section that is not there. */
bool aws_profile_services_known(const struct aws_profile *profile);

#endif
