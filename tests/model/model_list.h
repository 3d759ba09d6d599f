/* A doubly linked list of nodes that their owners embed. */
#ifndef TESTS_MODEL_MODEL_LIST_H
#define TESTS_MODEL_MODEL_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct model_list_node {
    struct model_list_node *previous; /* NULL: in no list (so zeroed memory is a valid node) */
    struct model_list_node *next;
};

struct model_list {
    struct model_list_node head; /* next is the first, previous the last */
};

static inline void model_list_init(struct model_list *list)
{
    list->head.previous = &list->head;
    list->head.next = &list->head;
}

static inline bool model_list_linked(const struct model_list_node *node)
{
    return node->previous != NULL;
}

/* NULL when empty. */
static inline struct model_list_node *model_list_first(const struct model_list *list)
{
    return list->head.next == &list->head ? NULL : list->head.next;
}

/* NULL behind the last. */
static inline struct model_list_node *model_list_next(const struct model_list *list,
                                                      const struct model_list_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

static inline void model_list_append(struct model_list *list, struct model_list_node *node)
{
    node->previous = list->head.previous;
    node->next = &list->head;
    list->head.previous->next = node;
    list->head.previous = node;
}

static inline void model_list_prepend(struct model_list *list, struct model_list_node *node)
{
    node->previous = &list->head;
    node->next = list->head.next;
    list->head.next->previous = node;
    list->head.next = node;
}

/* Absent is fine. */
static inline void model_list_remove(struct model_list_node *node)
{
    if (node->previous == NULL)
        return;
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->previous = NULL;
    node->next = NULL;
}

#endif
