#include "tests/model/sts_model.h"

#include <stdio.h>
#include <string.h>

#include "common/check.h"
#include "common/mem.h"
#include "common/prng.h"
#include "tests/model/model_list.h"
#include "tests/model/model_map.h"

struct entry {
    struct model_map_node by_id;
    struct model_list_node by_age;
    struct sts_credentials credentials;
};

struct sts_model {
    struct prng random;
    struct model_map by_id;
    struct model_list by_age;
};

struct sts_model *sts_model_new(uint64_t seed)
{
    struct sts_model *model = mem_alloc(sizeof(*model));
    prng_init(&model->random, seed);
    model_map_init(&model->by_id);
    model_list_init(&model->by_age);
    return model;
}

static void remove_entry(struct sts_model *model, struct entry *entry)
{
    model_map_remove(&model->by_id, &entry->by_id);
    model_list_remove(&entry->by_age);
    mem_free(entry);
}

void sts_model_free(struct sts_model *model)
{
    if (model == NULL)
        return;
    struct model_list_node *node;
    while ((node = model_list_first(&model->by_age)) != NULL)
        remove_entry(model, container_of(node, struct entry, by_age));
    model_map_release(&model->by_id);
    mem_free(model);
}

static struct entry *find_entry(const struct sts_model *model, struct slice access_key_id)
{
    struct model_map_node *node = model_map_find(&model->by_id, access_key_id);
    return node == NULL ? NULL : container_of(node, struct entry, by_id);
}

void sts_model_add(struct sts_model *model, const struct sts_credentials *credentials)
{
    struct entry *entry = mem_calloc(1, sizeof(*entry));
    entry->credentials = *credentials;
    struct slice id = slice_from_str(entry->credentials.access_key_id);
    struct entry *there = find_entry(model, id);
    if (there != NULL)
        remove_entry(model, there);
    model_map_insert(&model->by_id, &entry->by_id, id);
    model_list_append(&model->by_age, &entry->by_age);
}

static void draw(struct sts_model *model, const char *alphabet, const char *prefix, size_t len,
                 char *out)
{
    size_t at = strlen(prefix);
    CHECK(at < len);
    memcpy(out, prefix, at);
    size_t letters = strlen(alphabet);
    for (; at < len; at++)
        out[at] = alphabet[prng_below(&model->random, letters)];
    out[len] = '\0';
}

struct sts_credentials sts_model_issue(struct sts_model *model, int64_t now_ms, int64_t lifetime_ms)
{
    static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct sts_credentials credentials = {.expires_ms = now_ms + lifetime_ms};
    draw(model, upper, "ASIA", 20, credentials.access_key_id);
    draw(model, base64, "", 40, credentials.secret_access_key);
    draw(model, base64, "FwoGZXIvYXdzE", 160, credentials.session_token);
    sts_model_add(model, &credentials);
    return credentials;
}

void sts_model_revoke(struct sts_model *model, struct slice access_key_id)
{
    struct entry *entry = find_entry(model, access_key_id);
    if (entry != NULL)
        remove_entry(model, entry);
}

const struct sts_credentials *sts_model_find(const struct sts_model *model,
                                             struct slice access_key_id)
{
    struct entry *entry = find_entry(model, access_key_id);
    return entry == NULL ? NULL : &entry->credentials;
}
