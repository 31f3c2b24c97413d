#include "pipeline/analysis.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <string.h>

struct pooled {
    struct analysis analysis; /* first, so that one pointer serves for both */
    struct pooled *next;
    float *mask;  /* what analysis.mask shows */
    size_t cells; /* that mask has room for */
};

struct analysis_pool {
    pthread_mutex_t lock;
    struct pooled *free; /* guarded by lock */
};

int analysis_pool_create(struct analysis_pool **pool, VbpError *error)
{
    *pool = memory_array(1, sizeof(**pool));
    if (!*pool)
        return error_out_of_memory(error);
    pthread_mutex_init(&(*pool)->lock, NULL);
    return VBP_OK;
}

static void free_pooled(struct pooled *pooled)
{
    if (pooled)
        free(pooled->mask);
    free(pooled);
}

void analysis_pool_destroy(struct analysis_pool **pool)
{
    if (!*pool)
        return;
    while ((*pool)->free) {
        struct pooled *pooled = (*pool)->free;

        (*pool)->free = pooled->next;
        free_pooled(pooled);
    }
    pthread_mutex_destroy(&(*pool)->lock);
    free(*pool);
    *pool = NULL;
}

struct analysis *analysis_take(struct analysis_pool *pool, const VbpRunner *runner, VbpError *error)
{
    int height = 0, width = 0;
    const float *mask = vbp_runner_mask(runner, &height, &width);
    size_t cells = (size_t)height * (size_t)width;
    struct pooled *pooled;

    pthread_mutex_lock(&pool->lock);
    pooled = pool->free;
    if (pooled)
        pool->free = pooled->next;
    pthread_mutex_unlock(&pool->lock);
    if (!pooled)
        pooled = memory_array(1, sizeof(*pooled));
    if (pooled && pooled->cells < cells) {
        free(pooled->mask);
        pooled->mask = memory_aligned_array(cells, sizeof(float));
        pooled->cells = pooled->mask ? cells : 0;
    }
    if (!pooled || pooled->cells < cells) {
        free_pooled(pooled);
        error_out_of_memory(error);
        return NULL;
    }
    if (mask)
        memcpy(pooled->mask, mask, cells * sizeof(float));
    pooled->analysis.mask = mask ? pooled->mask : NULL;
    pooled->analysis.steering = vbp_runner_steering(runner);
    pooled->analysis.mask_height = height;
    pooled->analysis.mask_width = width;
    pooled->analysis.times = vbp_runner_times(runner);
    return &pooled->analysis;
}

void analysis_give_back(struct analysis_pool *pool, struct analysis *analysis)
{
    struct pooled *pooled = (struct pooled *)analysis;

    if (!analysis)
        return;
    pthread_mutex_lock(&pool->lock);
    pooled->next = pool->free;
    pool->free = pooled;
    pthread_mutex_unlock(&pool->lock);
}
