#include "kernels/threads.h"

#include <cblas.h>

void threads_limit_blas(int threads)
{
    openblas_set_num_threads(threads);
}
