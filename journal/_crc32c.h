/* CRC-32C (Castagnoli, reflected polynomial 0x82F63B78) at the speed of the machine.
 *
 * Three ways to the same number: the SSE4.2 instruction (chosen at run time, so one build runs on
 * every x86-64), the ARMv8 instruction (where the compiler may assume it, as on every Apple
 * machine), and eight tables of 256 words that take eight bytes at a time. The caller checks the
 * result against crcmod at import; tests run the tables directly.
 *
 * Convention: functions take and return the finished CRC (0 for no data), so calls chain.
 */
#ifndef DURAFIX_CRC32C_H
#define DURAFIX_CRC32C_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the compiled record module is for little-endian machines; the Python twin runs everywhere"
#endif

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define DURAFIX_CRC_X86 1
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#define DURAFIX_CRC_ARM 1
#include <arm_acle.h>
#endif

static uint32_t durafix_crc_tables[8][256];

static void durafix_crc_fill(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0);
        durafix_crc_tables[0][byte] = crc;
    }
    /* Table t holds the effect of a byte that is followed by t zero bytes. */
    for (int t = 1; t < 8; t++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t before = durafix_crc_tables[t - 1][byte];
            durafix_crc_tables[t][byte] = (before >> 8) ^ durafix_crc_tables[0][before & 0xFF];
        }
}

static uint32_t durafix_crc_table(uint32_t crc, const uint8_t *data, size_t size)
{
    const uint32_t(*t)[256] = (const uint32_t(*)[256])durafix_crc_tables;
    crc = ~crc;
    for (; size >= 8; size -= 8, data += 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        word ^= crc;
        crc = t[7][word & 0xFF] ^ t[6][word >> 8 & 0xFF] ^ t[5][word >> 16 & 0xFF]
            ^ t[4][word >> 24 & 0xFF] ^ t[3][word >> 32 & 0xFF] ^ t[2][word >> 40 & 0xFF]
            ^ t[1][word >> 48 & 0xFF] ^ t[0][word >> 56];
    }
    for (; size; size--, data++)
        crc = (crc >> 8) ^ t[0][(crc ^ *data) & 0xFF];
    return ~crc;
}

#ifdef DURAFIX_CRC_X86
__attribute__((target("sse4.2")))
static uint32_t durafix_crc_sse42(uint32_t crc, const uint8_t *data, size_t size)
{
    uint64_t word, wide = (uint32_t)~crc;
    for (; size >= 8; size -= 8, data += 8) {
        memcpy(&word, data, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    if (size & 4) {
        uint32_t half;
        memcpy(&half, data, 4);
        crc = _mm_crc32_u32(crc, half);
        data += 4;
    }
    for (size &= 3; size; size--, data++)
        crc = _mm_crc32_u8(crc, *data);
    return ~crc;
}
#endif

#ifdef DURAFIX_CRC_ARM
static uint32_t durafix_crc_armv8(uint32_t crc, const uint8_t *data, size_t size)
{
    crc = ~crc;
    for (; size >= 8; size -= 8, data += 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        crc = __crc32cd(crc, word);
    }
    for (; size; size--, data++)
        crc = __crc32cb(crc, *data);
    return ~crc;
}
#endif

static uint32_t (*durafix_crc32c)(uint32_t, const uint8_t *, size_t) = durafix_crc_table;

/* Once, before the first use. Returns the name of the way that was chosen. */
static const char *durafix_crc_init(void)
{
    durafix_crc_fill();
#ifdef DURAFIX_CRC_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("sse4.2")) {
        durafix_crc32c = durafix_crc_sse42;
        return "sse4.2";
    }
#endif
#ifdef DURAFIX_CRC_ARM
    durafix_crc32c = durafix_crc_armv8;
    return "armv8";
#endif
    return "table";
}

#endif
