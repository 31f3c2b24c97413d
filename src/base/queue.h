/*
 * A bounded first-in first-out queue between two threads. It holds items of a fixed size by value;
 * what they point to changes hands with them.
 */
#ifndef VBP_BASE_QUEUE_H
#define VBP_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct queue;

enum queue_result {
    QUEUE_OK,
    QUEUE_CLOSED, /* push: closed or aborted; pop: closed and empty, or aborted */
    QUEUE_EMPTY   /* try_pop only: nothing there now */
};

/* At most `capacity` (>= 1) items of item_size bytes. NULL without memory. */
struct queue *queue_create(size_t capacity, size_t item_size);

/* Items still inside go to release (may be NULL). No thread may be using the queue any more. */
void queue_destroy(struct queue **queue, void (*release)(void *item));

/* Waits for room, then copies *item in. On QUEUE_CLOSED the item stays the caller's. */
enum queue_result queue_push(struct queue *queue, const void *item);

/* Waits for an item and moves it to *item. */
enum queue_result queue_pop(struct queue *queue, void *item);

/* The same without waiting. */
enum queue_result queue_try_pop(struct queue *queue, void *item);

/*
 * Takes out all items and releases them. Wakes a waiting producer. release (may be NULL) runs with
 * the queue's lock held: it must not use the queue.
 */
void queue_flush(struct queue *queue, void (*release)(void *item));

/* No more pushes; what is inside can still be popped. */
void queue_close(struct queue *queue);

/* No more pushes or pops; everybody waiting returns QUEUE_CLOSED. */
void queue_abort(struct queue *queue);

/* Calls `wake` after every push and after close, without the queue's lock held. */
void queue_set_wake(struct queue *queue, void (*wake)(void *context), void *context);

#endif
