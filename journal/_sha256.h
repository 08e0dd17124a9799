/* SHA-256 (FIPS 180-4) for Merkle leaves and nodes, small enough to call without the GIL.
 *
 * Why not hashlib: its calls need Python objects, and so the GIL, at about 0.7 us each; two of them
 * a record would cost several times what packing costs. Two ways to the same digest: the SHA
 * extensions of x86 (chosen at run time), and plain C. Tests compare both with hashlib.
 */
#ifndef DURAFIX_SHA256_H
#define DURAFIX_SHA256_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define DURAFIX_SHA_X86 1
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t durafix_sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const uint32_t durafix_sha_start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static inline uint32_t durafix_big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint32_t durafix_ror(uint32_t word, int bits)
{
    return word >> bits | word << (32 - bits);
}

static void durafix_sha_blocks_c(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    for (; blocks; blocks--, data += 64) {
        uint32_t w[64], s[8];
        for (int i = 0; i < 16; i++)
            w[i] = durafix_big32(data + 4 * i);
        for (int i = 16; i < 64; i++) {
            uint32_t a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + w[i - 7]
                + (durafix_ror(a, 7) ^ durafix_ror(a, 18) ^ a >> 3)
                + (durafix_ror(b, 17) ^ durafix_ror(b, 19) ^ b >> 10);
        }
        memcpy(s, state, sizeof s);
        for (int i = 0; i < 64; i++) {
            uint32_t e = s[4], a = s[0];
            uint32_t t1 = s[7] + (durafix_ror(e, 6) ^ durafix_ror(e, 11) ^ durafix_ror(e, 25))
                + ((e & s[5]) ^ (~e & s[6])) + durafix_sha_k[i] + w[i];
            uint32_t t2 = (durafix_ror(a, 2) ^ durafix_ror(a, 13) ^ durafix_ror(a, 22))
                + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
            s[7] = s[6]; s[6] = s[5]; s[5] = e; s[4] = s[3] + t1;
            s[3] = s[2]; s[2] = s[1]; s[1] = a; s[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++)
            state[i] += s[i];
    }
}

#ifdef DURAFIX_SHA_X86
/* The macros name a lane: one message in flight. The instruction for two rounds takes four cycles
 * but a new one may start every two, so two lanes side by side cost little more than one.
 * The instruction wants the state as (A B E F) and (C D G H). */
#define DURAFIX_LANE(x, state)                                                                    \
    __m128i x##dcba = _mm_loadu_si128((const __m128i *)(state));                                   \
    __m128i x##hgfe = _mm_loadu_si128((const __m128i *)((state) + 4));                             \
    __m128i x##cdab = _mm_shuffle_epi32(x##dcba, 0xB1);                                            \
    __m128i x##efgh = _mm_shuffle_epi32(x##hgfe, 0x1B);                                            \
    __m128i x##abef = _mm_alignr_epi8(x##cdab, x##efgh, 8);                                        \
    __m128i x##cdgh = _mm_blend_epi16(x##efgh, x##cdab, 0xF0);                                     \
    __m128i x##abef_before, x##cdgh_before, x##0, x##1, x##2, x##3, x##k
#define DURAFIX_LOAD(x, in)                                                                       \
    x##abef_before = x##abef;                                                                      \
    x##cdgh_before = x##cdgh;                                                                      \
    x##0 = _mm_shuffle_epi8(_mm_loadu_si128(in), swap);                                            \
    x##1 = _mm_shuffle_epi8(_mm_loadu_si128((in) + 1), swap);                                      \
    x##2 = _mm_shuffle_epi8(_mm_loadu_si128((in) + 2), swap);                                      \
    x##3 = _mm_shuffle_epi8(_mm_loadu_si128((in) + 3), swap)
/* Four rounds. */
#define DURAFIX_ROUNDS(x, g, m)                                                                   \
    x##k = _mm_add_epi32(x##m, _mm_loadu_si128((const __m128i *)(durafix_sha_k + 4 * (g))));       \
    x##cdgh = _mm_sha256rnds2_epu32(x##cdgh, x##abef, x##k);                                       \
    x##abef = _mm_sha256rnds2_epu32(x##abef, x##cdgh, _mm_shuffle_epi32(x##k, 0x0E))
/* The next four words of the message schedule replace the oldest four. */
#define DURAFIX_NEXT(x, m0, m1, m2, m3)                                                           \
    x##m0 = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(x##m0, x##m1),                 \
                                               _mm_alignr_epi8(x##m3, x##m2, 4)), x##m3)
#define DURAFIX_ADD(x)                                                                            \
    x##abef = _mm_add_epi32(x##abef, x##abef_before);                                              \
    x##cdgh = _mm_add_epi32(x##cdgh, x##cdgh_before)
#define DURAFIX_STORE(x, state)                                                                   \
    x##0 = _mm_shuffle_epi32(x##abef, 0x1B);                                                       \
    x##1 = _mm_shuffle_epi32(x##cdgh, 0xB1);                                                       \
    _mm_storeu_si128((__m128i *)(state), _mm_blend_epi16(x##0, x##1, 0xF0));                       \
    _mm_storeu_si128((__m128i *)((state) + 4), _mm_alignr_epi8(x##1, x##0, 8))

/* All 64 rounds of one block, for `DO(macro, ...)` that runs a macro in each lane. */
#define DURAFIX_BLOCK(DO)                                                                         \
    DO(ROUNDS, 0, 0); DO(ROUNDS, 1, 1); DO(ROUNDS, 2, 2); DO(ROUNDS, 3, 3);                        \
    DURAFIX_SIXTEEN(DO, 4);                                                                        \
    DURAFIX_SIXTEEN(DO, 8);                                                                        \
    DURAFIX_SIXTEEN(DO, 12)
#define DURAFIX_SIXTEEN(DO, g)                                                                    \
    DO(NEXT, 0, 1, 2, 3); DO(ROUNDS, g, 0); DO(NEXT, 1, 2, 3, 0); DO(ROUNDS, g + 1, 1);            \
    DO(NEXT, 2, 3, 0, 1); DO(ROUNDS, g + 2, 2); DO(NEXT, 3, 0, 1, 2); DO(ROUNDS, g + 3, 3)
#define DURAFIX_ONE(macro, ...) DURAFIX_##macro(a, __VA_ARGS__)
#define DURAFIX_TWO(macro, ...) DURAFIX_##macro(a, __VA_ARGS__); DURAFIX_##macro(b, __VA_ARGS__)

#define DURAFIX_SWAP _mm_set_epi64x(0x0C0D0E0F08090A0BLL, 0x0405060700010203LL)

__attribute__((target("sha,sse4.1,ssse3")))
static void durafix_sha_blocks_ni(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    const __m128i swap = DURAFIX_SWAP;
    const __m128i *in = (const __m128i *)data;
    DURAFIX_LANE(a, state);
    for (; blocks; blocks--, in += 4) {
        DURAFIX_LOAD(a, in);
        DURAFIX_BLOCK(DURAFIX_ONE);
        DURAFIX_ADD(a);
    }
    DURAFIX_STORE(a, state);
}

/* The same number of blocks of two messages, side by side. */
__attribute__((target("sha,sse4.1,ssse3")))
static void durafix_sha_pair_ni(uint32_t first[8], uint32_t second[8], const uint8_t *first_data,
                                const uint8_t *second_data, size_t blocks)
{
    const __m128i swap = DURAFIX_SWAP;
    const __m128i *in = (const __m128i *)first_data, *other = (const __m128i *)second_data;
    DURAFIX_LANE(a, first);
    DURAFIX_LANE(b, second);
    for (; blocks; blocks--, in += 4, other += 4) {
        DURAFIX_LOAD(a, in);
        DURAFIX_LOAD(b, other);
        DURAFIX_BLOCK(DURAFIX_TWO);
        DURAFIX_ADD(a);
        DURAFIX_ADD(b);
    }
    DURAFIX_STORE(a, first);
    DURAFIX_STORE(b, second);
}
#endif

typedef void (*durafix_sha_blocks_fn)(uint32_t[8], const uint8_t *, size_t);
static durafix_sha_blocks_fn durafix_sha_blocks = durafix_sha_blocks_c;

/* Once, before the first use. Returns the name of the way that was chosen. */
static const char *durafix_sha_init(void)
{
#ifdef DURAFIX_SHA_X86
    unsigned int a, b, c, d;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1)
        && __get_cpuid(1, &a, &b, &c, &d) && (c >> 19 & 1) && (c >> 9 & 1)) {
        durafix_sha_blocks = durafix_sha_blocks_ni;
        return "sha-ni";
    }
#endif
    return "plain";
}

/* The last block or two of a message: what is left of it, the end mark and the length in bits. */
static size_t durafix_sha_pad(uint8_t *block, size_t used, uint64_t message_bytes)
{
    size_t total = used < 56 ? 64 : 128;
    block[used] = 0x80;
    memset(block + used + 1, 0, total - used - 9);
    for (int i = 0; i < 8; i++)
        block[total - 1 - i] = (uint8_t)(message_bytes * 8 >> 8 * i);
    return total / 64;
}

static void durafix_sha_store(uint8_t out[32], const uint32_t state[8])
{
    for (int i = 0; i < 8; i++) {
        out[4 * i] = (uint8_t)(state[i] >> 24);
        out[4 * i + 1] = (uint8_t)(state[i] >> 16);
        out[4 * i + 2] = (uint8_t)(state[i] >> 8);
        out[4 * i + 3] = (uint8_t)state[i];
    }
}

/* A whole short message, ready to run: how many blocks it has. */
static size_t durafix_sha_lay(uint8_t *block, uint8_t prefix, const uint8_t *data, size_t size)
{
    size_t whole = (size + 1) / 64;
    block[0] = prefix;
    memcpy(block + 1, data, size);
    return whole + durafix_sha_pad(block + whole * 64, (size + 1) % 64, (uint64_t)size + 1);
}

/* SHA-256 of one prefix byte and `size` bytes: a Merkle leaf (0x00) or node (0x01). A short message
 * is laid out whole, so that the blocks run in one go; of a long one only both ends are copied. */
enum { DURAFIX_SHA_WHOLE = 1024 };

static void durafix_sha256(durafix_sha_blocks_fn run, uint8_t out[32],
                           uint8_t prefix, const uint8_t *data, size_t size)
{
    uint32_t state[8];
    uint8_t block[DURAFIX_SHA_WHOLE + 128];
    memcpy(state, durafix_sha_start, sizeof state);
    if (size < DURAFIX_SHA_WHOLE) {
        run(state, block, durafix_sha_lay(block, prefix, data, size));
    } else {
        size_t whole = (size - 63) / 64, message_bytes = size + 1;
        block[0] = prefix;
        memcpy(block + 1, data, 63);
        run(state, block, 1);
        run(state, data + 63, whole);
        size -= 63 + whole * 64;
        memcpy(block, data + 63 + whole * 64, size);
        run(state, block, durafix_sha_pad(block, size, message_bytes));
    }
    durafix_sha_store(out, state);
}

/* Two messages under one prefix; side by side where the machine gains from it. */
static void durafix_sha256_pair(uint8_t out[64], uint8_t prefix, const uint8_t *first,
                                size_t first_size, const uint8_t *second, size_t second_size)
{
#ifdef DURAFIX_SHA_X86
    if (durafix_sha_blocks == durafix_sha_blocks_ni && first_size < DURAFIX_SHA_WHOLE
        && second_size < DURAFIX_SHA_WHOLE) {
        uint32_t a[8], b[8];
        uint8_t block_a[DURAFIX_SHA_WHOLE + 128], block_b[DURAFIX_SHA_WHOLE + 128];
        size_t blocks_a = durafix_sha_lay(block_a, prefix, first, first_size);
        size_t blocks_b = durafix_sha_lay(block_b, prefix, second, second_size);
        size_t both = blocks_a < blocks_b ? blocks_a : blocks_b;
        memcpy(a, durafix_sha_start, sizeof a);
        memcpy(b, durafix_sha_start, sizeof b);
        durafix_sha_pair_ni(a, b, block_a, block_b, both);
        if (blocks_a > both)
            durafix_sha_blocks_ni(a, block_a + 64 * both, blocks_a - both);
        if (blocks_b > both)
            durafix_sha_blocks_ni(b, block_b + 64 * both, blocks_b - both);
        durafix_sha_store(out, a);
        durafix_sha_store(out + 32, b);
        return;
    }
#endif
    uint8_t digests[64];
    durafix_sha256(durafix_sha_blocks, digests, prefix, first, first_size);
    durafix_sha256(durafix_sha_blocks, digests + 32, prefix, second, second_size);
    memcpy(out, digests, 64);
}

#endif
