#include "kernels/layout.h"

/* Tiles this large are read and written while their lines are in the cache. */
#define TURN_TILE 16

void layout_turn(const float *input, size_t rows, size_t columns, bool add, float *output)
{
    for (size_t first_column = 0; first_column < columns; first_column += TURN_TILE) {
        size_t end = first_column + TURN_TILE < columns ? first_column + TURN_TILE : columns;

        for (size_t first_row = 0; first_row < rows; first_row += TURN_TILE) {
            size_t last_row = first_row + TURN_TILE < rows ? first_row + TURN_TILE : rows;

            for (size_t column = first_column; column < end; column++) {
                float *to = output + column * rows;

                if (add) {
                    for (size_t row = first_row; row < last_row; row++)
                        to[row] += input[row * columns + column];
                } else {
                    for (size_t row = first_row; row < last_row; row++)
                        to[row] = input[row * columns + column];
                }
            }
        }
    }
}
