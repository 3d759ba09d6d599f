/* What must be there before the scheduler may start: both FIFO queues and the table. */
#include "scheduler/scheduler_shell_internal.h"

void scheduler_shell_check(void *untyped)
{
    struct scheduler_shell *shell = untyped;
    const struct settings *settings = &shell->config->settings;
    shell->queues_wanted[QUEUE_READY] =
        (struct dependency_queue){.variable = "DELAYLINE_READY_QUEUE",
                                  .name = settings->ready_queue,
                                  .is_fifo = true,
                                  .is_per_group = true,
                                  .is_large = true,
                                  .url = &shell->queue_urls[QUEUE_READY]};
    shell->queues_wanted[QUEUE_TIMER] =
        (struct dependency_queue){.variable = "DELAYLINE_TIMER_QUEUE",
                                  .name = settings->timer_queue,
                                  .is_fifo = true,
                                  .url = &shell->queue_urls[QUEUE_TIMER]};
    dependency_check_begin(&shell->check, NULL, NULL);
    for (int role = 0; role < QUEUE_ROLES; role++)
        dependency_check_queue(&shell->check, shell->aws.sqs, &shell->queues_wanted[role]);
    dependency_check_table(&shell->check, shell->aws.dynamodb, settings->table,
                           settings->bucket_ms);
    dependency_check_asked(&shell->check);
}
