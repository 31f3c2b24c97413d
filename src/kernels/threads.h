/* How many threads OpenBLAS may use: a setting of the whole process, so one for programs to make.
 */
#ifndef VBP_KERNELS_THREADS_H
#define VBP_KERNELS_THREADS_H

void threads_limit_blas(int threads);

#endif
