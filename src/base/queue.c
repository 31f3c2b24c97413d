#include "base/queue.h"

#include "base/memory.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>

struct queue {
    size_t capacity;
    size_t item_size;
    void (*wake)(void *context); /* set before the threads start */
    void *wake_context;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t not_full;
    pthread_cond_t not_empty;
    size_t first; /* ring of capacity items: first, first + 1, ... first + count - 1 */
    size_t count;
    bool closed;
    bool aborted;
    _Alignas(max_align_t) unsigned char items[]; /* release() looks at them in place */
};

struct queue *queue_create(size_t capacity, size_t item_size)
{
    struct queue *queue;
    size_t bytes;

    if (!size_multiply(capacity, item_size, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(*queue), &bytes))
        return NULL;
    queue = memory_array(1, bytes);
    if (!queue)
        return NULL;
    queue->capacity = capacity;
    queue->item_size = item_size;
    /* With default attributes these three cannot fail on glibc. */
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->not_full, NULL);
    pthread_cond_init(&queue->not_empty, NULL);
    return queue;
}

static unsigned char *item_at(struct queue *queue, size_t index)
{
    return queue->items + (queue->first + index) % queue->capacity * queue->item_size;
}

void queue_destroy(struct queue **queue, void (*release)(void *item))
{
    if (!*queue)
        return;
    queue_flush(*queue, release);
    pthread_cond_destroy(&(*queue)->not_empty);
    pthread_cond_destroy(&(*queue)->not_full);
    pthread_mutex_destroy(&(*queue)->lock);
    free(*queue);
    *queue = NULL;
}

enum queue_result queue_push(struct queue *queue, const void *item)
{
    enum queue_result result = QUEUE_CLOSED;

    pthread_mutex_lock(&queue->lock);
    while (queue->count == queue->capacity && !queue->closed)
        pthread_cond_wait(&queue->not_full, &queue->lock);
    if (!queue->closed) {
        memcpy(item_at(queue, queue->count), item, queue->item_size);
        queue->count++;
        result = QUEUE_OK;
        pthread_cond_signal(&queue->not_empty);
    }
    pthread_mutex_unlock(&queue->lock);
    if (result == QUEUE_OK && queue->wake)
        queue->wake(queue->wake_context);
    return result;
}

static enum queue_result pop(struct queue *queue, void *item, bool wait)
{
    enum queue_result result = QUEUE_EMPTY;

    pthread_mutex_lock(&queue->lock);
    while (wait && queue->count == 0 && !queue->closed)
        pthread_cond_wait(&queue->not_empty, &queue->lock);
    if (queue->aborted || (queue->count == 0 && queue->closed)) {
        result = QUEUE_CLOSED;
    } else if (queue->count > 0) {
        memcpy(item, item_at(queue, 0), queue->item_size);
        queue->first = (queue->first + 1) % queue->capacity;
        queue->count--;
        result = QUEUE_OK;
        pthread_cond_signal(&queue->not_full);
    }
    pthread_mutex_unlock(&queue->lock);
    return result;
}

enum queue_result queue_pop(struct queue *queue, void *item)
{
    return pop(queue, item, true);
}

enum queue_result queue_try_pop(struct queue *queue, void *item)
{
    return pop(queue, item, false);
}

void queue_flush(struct queue *queue, void (*release)(void *item))
{
    pthread_mutex_lock(&queue->lock);
    while (queue->count > 0) {
        if (release)
            release(item_at(queue, 0));
        queue->first = (queue->first + 1) % queue->capacity;
        queue->count--;
    }
    pthread_cond_broadcast(&queue->not_full);
    pthread_mutex_unlock(&queue->lock);
}

static void stop(struct queue *queue, bool abort)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    queue->aborted = queue->aborted || abort;
    pthread_cond_broadcast(&queue->not_full);
    pthread_cond_broadcast(&queue->not_empty);
    pthread_mutex_unlock(&queue->lock);
    if (queue->wake)
        queue->wake(queue->wake_context);
}

void queue_close(struct queue *queue)
{
    stop(queue, false);
}

void queue_abort(struct queue *queue)
{
    stop(queue, true);
}

void queue_set_wake(struct queue *queue, void (*wake)(void *context), void *context)
{
    queue->wake = wake;
    queue->wake_context = context;
}
