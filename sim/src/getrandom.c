/* Loaded in front of libc into the process of a simulated run: what asks the system for randomness (the hashers of the
 * standard library, the generators of rand, the order in which tokio's select! polls) gets the same for the same seed. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

static uint64_t state;
static int seeded;

static uint64_t next(void) {
    if (!seeded) {
        const char *seed = getenv("ELECTION_SIM_SEED");
        state = seed ? strtoull(seed, NULL, 10) : 0;
        seeded = 1;
    }
    /* splitmix64 */
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags) {
    (void)flags;
    unsigned char *bytes = buffer;
    for (size_t i = 0; i < length; i++) bytes[i] = (unsigned char)next();
    return (ssize_t)length;
}

int getentropy(void *buffer, size_t length) {
    getrandom(buffer, length, 0);
    return 0;
}
