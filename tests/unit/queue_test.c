#include "base/queue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* What vbp sends through queues: a pointer that changes hands, and numbers. */
struct item {
    int *value;
    double time;
};

static struct item make_item(int value)
{
    struct item item = {malloc(sizeof(int)), value * 0.04};

    assert_non_null(item.value);
    *item.value = value;
    return item;
}

static int released;

static void release_item(void *memory)
{
    struct item *item = memory; /* UBSan sees whether it is aligned */

    free(item->value);
    released++;
}

static void expect_pop(struct queue *queue, int value)
{
    struct item item;

    assert_int_equal(queue_pop(queue, &item), QUEUE_OK);
    assert_int_equal(*item.value, value);
    assert_true(item.time == value * 0.04);
    free(item.value);
}

static void push_value(struct queue *queue, int value)
{
    struct item item = make_item(value);

    assert_int_equal(queue_push(queue, &item), QUEUE_OK);
}

static void first_in_first_out(void **state)
{
    struct queue *queue = queue_create(3, sizeof(struct item));
    struct item item;

    (void)state;
    assert_non_null(queue);
    assert_int_equal(queue_try_pop(queue, &item), QUEUE_EMPTY);
    /* More items than places, so that the ring wraps at every fill level. */
    for (int i = 0, next = 0; i < 20; i++) {
        int fill = i % 3 + 1;

        for (int k = 0; k < fill; k++)
            push_value(queue, next + k);
        for (int k = 0; k < fill; k++)
            expect_pop(queue, next + k);
        next += fill;
    }
    assert_int_equal(queue_try_pop(queue, &item), QUEUE_EMPTY);
    queue_destroy(&queue, release_item);
    assert_null(queue);
    queue_destroy(&queue, release_item);
}

static void sizes_that_cannot_be(void **state)
{
    (void)state;
    assert_null(queue_create(SIZE_MAX, 2));
    assert_null(queue_create(SIZE_MAX, 1));
}

static void items_inside_are_released(void **state)
{
    struct queue *queue = queue_create(4, sizeof(struct item));
    struct item item;

    (void)state;
    released = 0;
    push_value(queue, 1);
    push_value(queue, 2);
    push_value(queue, 3);
    queue_flush(queue, release_item);
    assert_int_equal(released, 3);
    assert_int_equal(queue_try_pop(queue, &item), QUEUE_EMPTY);
    push_value(queue, 4);
    push_value(queue, 5);
    queue_destroy(&queue, release_item);
    assert_int_equal(released, 5);
}

static void closed_queue_gives_what_is_inside(void **state)
{
    struct queue *queue = queue_create(4, sizeof(struct item));
    struct item item = make_item(9);

    (void)state;
    push_value(queue, 1);
    push_value(queue, 2);
    queue_close(queue);
    assert_int_equal(queue_push(queue, &item), QUEUE_CLOSED);
    expect_pop(queue, 1);
    expect_pop(queue, 2);
    free(item.value);
    assert_int_equal(queue_pop(queue, &item), QUEUE_CLOSED);
    assert_int_equal(queue_try_pop(queue, &item), QUEUE_CLOSED);
    queue_destroy(&queue, release_item);
}

static void aborted_queue_gives_nothing(void **state)
{
    struct queue *queue = queue_create(4, sizeof(struct item));
    struct item item = make_item(9);

    (void)state;
    released = 0;
    push_value(queue, 1);
    queue_abort(queue);
    assert_int_equal(queue_push(queue, &item), QUEUE_CLOSED);
    free(item.value);
    assert_int_equal(queue_pop(queue, &item), QUEUE_CLOSED);
    assert_int_equal(queue_try_pop(queue, &item), QUEUE_CLOSED);
    queue_destroy(&queue, release_item);
    assert_int_equal(released, 1);
}

/* ---- Two threads ---------------------------------------------------------------------------- */

#define ITEM_COUNT 20000

static void *produce(void *context)
{
    struct queue *queue = context;

    for (int i = 0; i < ITEM_COUNT; i++) {
        struct item item = {malloc(sizeof(int)), i * 0.04};

        if (!item.value)
            break;
        *item.value = i;
        if (queue_push(queue, &item) != QUEUE_OK) {
            free(item.value);
            break;
        }
    }
    queue_close(queue);
    return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
    (void)state;
    for (size_t capacity = 1; capacity <= 4; capacity += 3) {
        struct queue *queue = queue_create(capacity, sizeof(struct item));
        struct item item;
        pthread_t producer;

        assert_int_equal(pthread_create(&producer, NULL, produce, queue), 0);
        for (int i = 0; i < ITEM_COUNT; i++)
            expect_pop(queue, i);
        assert_int_equal(queue_pop(queue, &item), QUEUE_CLOSED);
        pthread_join(producer, NULL);
        queue_destroy(&queue, release_item);
    }
}

/*
 * A producer waits for room, and abort ends the wait. Nothing tells from outside that a thread has
 * begun to wait, so this is repeated with more and less time for it; no repetition may hang.
 */
static void abort_wakes_a_producer(void **state)
{
    (void)state;
    for (int repetition = 0; repetition < 200; repetition++) {
        struct queue *queue = queue_create(2, sizeof(struct item));
        pthread_t producer;

        assert_int_equal(pthread_create(&producer, NULL, produce, queue), 0);
        for (int i = 0; i < repetition % 5; i++)
            expect_pop(queue, i);
        queue_abort(queue);
        assert_int_equal(pthread_join(producer, NULL), 0);
        queue_destroy(&queue, release_item);
    }
}

struct consumer {
    struct queue *queue;
    int popped;
};

static void *consume(void *context)
{
    struct consumer *consumer = context;
    struct item item;

    while (queue_pop(consumer->queue, &item) == QUEUE_OK) {
        free(item.value);
        consumer->popped++;
    }
    return NULL;
}

static void close_and_abort_wake_a_consumer(void **state)
{
    (void)state;
    for (int repetition = 0; repetition < 200; repetition++) {
        struct consumer consumer = {queue_create(2, sizeof(struct item)), 0};
        int pushed = repetition % 5;
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, consume, &consumer), 0);
        for (int i = 0; i < pushed; i++)
            push_value(consumer.queue, i);
        if (repetition % 2)
            queue_abort(consumer.queue);
        else
            queue_close(consumer.queue);
        assert_int_equal(pthread_join(thread, NULL), 0);
        if (repetition % 2 == 0)
            assert_int_equal(consumer.popped, pushed);
        queue_destroy(&consumer.queue, release_item);
    }
}

/* After a seek the player flushes a full queue: the producer that waits for room must go on. */
static void flush_wakes_a_producer(void **state)
{
    struct queue *queue = queue_create(2, sizeof(struct item));
    struct item item;
    int last = -1;
    pthread_t producer;

    (void)state;
    released = 0;
    assert_int_equal(pthread_create(&producer, NULL, produce, queue), 0);
    for (int i = 0; i < 1000; i++)
        queue_flush(queue, release_item);
    while (queue_pop(queue, &item) == QUEUE_OK) {
        assert_true(*item.value > last);
        last = *item.value;
        free(item.value);
        released++;
    }
    pthread_join(producer, NULL);
    assert_int_equal(last, ITEM_COUNT - 1);
    assert_int_equal(released, ITEM_COUNT);
    queue_destroy(&queue, release_item);
}

/* ---- Waking --------------------------------------------------------------------------------- */

struct waker {
    struct queue *queue;
    atomic_int calls;
};

static void wake(void *context)
{
    struct waker *waker = context;
    struct item item;

    /* Would hang if the queue's lock were held. */
    if (queue_try_pop(waker->queue, &item) == QUEUE_OK)
        free(item.value);
    atomic_fetch_add(&waker->calls, 1);
}

static void wakes_after_push_and_close(void **state)
{
    struct waker waker = {queue_create(1, sizeof(struct item)), 0};
    struct item item = make_item(7);

    (void)state;
    queue_set_wake(waker.queue, wake, &waker);
    push_value(waker.queue, 1);
    assert_int_equal(waker.calls, 1);
    push_value(waker.queue, 2); /* has room, as wake took the first out */
    assert_int_equal(waker.calls, 2);
    queue_close(waker.queue);
    assert_int_equal(waker.calls, 3);
    assert_int_equal(queue_push(waker.queue, &item), QUEUE_CLOSED);
    assert_int_equal(waker.calls, 3);
    queue_abort(waker.queue);
    assert_int_equal(waker.calls, 4);
    free(item.value);
    queue_destroy(&waker.queue, release_item);
}

static void every_push_of_another_thread_wakes(void **state)
{
    struct waker waker = {queue_create(1, sizeof(struct item)), 0};
    pthread_t producer;

    (void)state;
    queue_set_wake(waker.queue, wake, &waker);
    assert_int_equal(pthread_create(&producer, NULL, produce, waker.queue), 0);
    pthread_join(producer, NULL);
    assert_int_equal(waker.calls, ITEM_COUNT + 1);
    queue_destroy(&waker.queue, release_item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out),
        cmocka_unit_test(sizes_that_cannot_be),
        cmocka_unit_test(items_inside_are_released),
        cmocka_unit_test(closed_queue_gives_what_is_inside),
        cmocka_unit_test(aborted_queue_gives_nothing),
        cmocka_unit_test(nothing_is_lost_between_threads),
        cmocka_unit_test(abort_wakes_a_producer),
        cmocka_unit_test(close_and_abort_wake_a_consumer),
        cmocka_unit_test(flush_wakes_a_producer),
        cmocka_unit_test(wakes_after_push_and_close),
        cmocka_unit_test(every_push_of_another_thread_wakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
