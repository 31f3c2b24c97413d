/*
 * A hash that tells damage and difference apart from sameness; it protects against nobody. Each
 * step is one-to-one in the hash so far, so a single word that changed always changes the result.
 */
#ifndef VBP_BASE_HASH_H
#define VBP_BASE_HASH_H

#include "base/random.h"

#include <stddef.h>
#include <string.h>

static inline uint64_t hash_number(uint64_t hash, uint64_t number)
{
    return random_mix((hash ^ number) + 0x9e3779b97f4a7c15u);
}

/* The bits of the number, so that 0 and -0 differ. */
static inline uint64_t hash_double(uint64_t hash, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof(bits));
    return hash_number(hash, bits);
}

/* The bytes and how many there are. */
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    uint64_t word;

    hash = hash_number(hash, length);
    for (size_t left = length; left > 0; left -= left < sizeof(word) ? left : sizeof(word)) {
        word = 0;
        memcpy(&word, at + (length - left), left < sizeof(word) ? left : sizeof(word));
        hash = hash_number(hash, word);
    }
    return hash;
}

#endif
