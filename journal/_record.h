/* One record in C: laid down, and verified (docs/journal-format.md, "Record"; `_pure.py` is the
 * specification). Knows pointers and lengths only; no Python object, so all of it runs without the
 * GIL. Invariant: no byte is read before its place was compared with the end.
 */
#ifndef DURAFIX_RECORD_H
#define DURAFIX_RECORD_H

#include "_crc32c.h"

enum {
    DURAFIX_HEADER = 64,
    DURAFIX_PAYLOAD_MAX = 16 << 20,
    DURAFIX_FLAG_LAST = 1,
    DURAFIX_FLAG_COPY = 2,
    DURAFIX_KIND_ROSTER = 7,
    DURAFIX_KIND_MARK = 13,
    DURAFIX_KIND_PAD = 14,
    DURAFIX_KIND_SEAL = 15,
    DURAFIX_KIND_HIGHEST = 18,
    DURAFIX_KIND_SKIPPABLE = 128,
};
#define DURAFIX_MAGIC 0xF1D05EA1u
#define DURAFIX_NUMBER_MAX 0x7FFFFFFFFFFFFFFFull

/* The values of record.Stop; the module compares them with the enum when it is loaded. */
enum {
    DURAFIX_END, DURAFIX_LIMIT, DURAFIX_SHORT, DURAFIX_ZERO, DURAFIX_BAD_MAGIC, DURAFIX_SALT,
    DURAFIX_HEADER_CRC, DURAFIX_LENGTH, DURAFIX_NUMBER, DURAFIX_BAD_KIND, DURAFIX_PREVIOUS,
    DURAFIX_PAYLOAD_CRC, DURAFIX_ALIGNMENT,
};

typedef struct {
    uint32_t magic, header_crc, size, payload_crc;
    uint64_t salt, event, utc_ns, seq;
    uint32_t session;
    uint8_t kind, direction;
    uint16_t flags;
    uint32_t depth, previous_crc;
} durafix_header;

_Static_assert(sizeof(durafix_header) == DURAFIX_HEADER, "the header has no holes");

static const uint8_t durafix_zeros[DURAFIX_HEADER];

static inline uint32_t durafix_mask(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static inline uint32_t durafix_unmask(uint32_t masked)
{
    uint32_t rotated = masked - 0xA282EAD8u;
    return rotated >> 17 | rotated << 15;
}

static inline uint32_t durafix_salt_crc(uint64_t salt)
{
    return durafix_crc32c(0, (const uint8_t *)&salt, 8);
}

static inline int durafix_takes_number(uint8_t kind, uint16_t flags)
{
    if (kind == DURAFIX_KIND_MARK || kind == DURAFIX_KIND_PAD || kind == DURAFIX_KIND_SEAL)
        return 0;
    return !(kind == DURAFIX_KIND_ROSTER && flags & DURAFIX_FLAG_COPY);
}

/* Bytes of a record in the segment, alignment included. */
static inline size_t durafix_whole(size_t payload_size)
{
    return DURAFIX_HEADER + ((payload_size + 7) & ~(size_t)7);
}

static inline uint32_t durafix_header_crc(const uint8_t *at, uint32_t salt_crc)
{
    return durafix_mask(durafix_crc32c(salt_crc, at + 8, DURAFIX_HEADER - 8));
}

/* Write a whole record at `at`, where there is room for it; a NULL payload stands for zeros. Fills
 * in magic and both checksums of `header`. */
static void durafix_lay(uint8_t *at, durafix_header *header, uint32_t salt_crc,
                        const uint8_t *payload)
{
    size_t size = header->size;
    memset(at + durafix_whole(size) - 8, 0, 8);
    if (payload)
        memcpy(at + DURAFIX_HEADER, payload, size);
    else
        memset(at + DURAFIX_HEADER, 0, size);
    header->magic = DURAFIX_MAGIC;
    header->payload_crc = durafix_mask(durafix_crc32c(0, at + DURAFIX_HEADER, size));
    header->header_crc = 0;
    memcpy(at, header, DURAFIX_HEADER);
    header->header_crc = durafix_header_crc(at, salt_crc);
    memcpy(at + 4, &header->header_crc, 4);
}

/* The first fault of 64 bytes as a header by itself, or 0. */
static int durafix_check_header(const uint8_t *at, durafix_header *header, uint64_t salt,
                                uint32_t salt_crc)
{
    memcpy(header, at, DURAFIX_HEADER);
    if (header->magic != DURAFIX_MAGIC)
        return memcmp(at, durafix_zeros, DURAFIX_HEADER) ? DURAFIX_BAD_MAGIC : DURAFIX_ZERO;
    if (header->salt != salt) {
        uint32_t own = durafix_header_crc(at, durafix_salt_crc(header->salt));
        return own == header->header_crc ? DURAFIX_SALT : DURAFIX_HEADER_CRC;
    }
    if (durafix_header_crc(at, salt_crc) != header->header_crc)
        return DURAFIX_HEADER_CRC;
    return header->size > DURAFIX_PAYLOAD_MAX ? DURAFIX_LENGTH : 0;
}

/* The first fault of a valid header behind its predecessor, or 0. */
static int durafix_check_order(const durafix_header *header, uint32_t last_crc,
                               uint64_t last_event)
{
    if (header->event > DURAFIX_NUMBER_MAX || header->utc_ns > DURAFIX_NUMBER_MAX
        || header->seq > DURAFIX_NUMBER_MAX)
        return DURAFIX_NUMBER;
    if (header->kind == 0
        || (header->kind > DURAFIX_KIND_HIGHEST && header->kind < DURAFIX_KIND_SKIPPABLE))
        return DURAFIX_BAD_KIND;
    if (header->previous_crc != last_crc)
        return DURAFIX_PREVIOUS;
    if (header->event != last_event + durafix_takes_number(header->kind, header->flags))
        return DURAFIX_NUMBER;
    return 0;
}

typedef struct {
    size_t start, size;
} durafix_found;

/* One scan: where it is, behind what, and the good records. Their sizes are kept and not read
 * again, because the bytes may be a file that changes under us. */
typedef struct {
    const uint8_t *data;
    size_t at, end, count, limit;
    uint64_t salt, last_event;
    uint32_t last_crc;
    durafix_found *found;
} durafix_run;

/* Verify from `at` on, into `found` (room for `limit`, or for each header that fits); the reason
 * for the end. */
static int durafix_scan(durafix_run *run)
{
    uint32_t salt_crc = durafix_salt_crc(run->salt);
    for (;;) {
        durafix_header header;
        const uint8_t *at = run->data + run->at;
        if (run->at >= run->end)
            return DURAFIX_END;
        if (run->count == run->limit)
            return DURAFIX_LIMIT;
        if (run->end - run->at < DURAFIX_HEADER)
            return DURAFIX_SHORT;
        int stop = durafix_check_header(at, &header, run->salt, salt_crc);
        if (!stop)
            stop = durafix_check_order(&header, run->last_crc, run->last_event);
        if (stop)
            return stop;
        size_t size = header.size; /* at most 16 MiB from here on, so no sum overflows */
        size_t whole = durafix_whole(size);
        if (whole > run->end - run->at)
            return DURAFIX_SHORT;
        if (durafix_mask(durafix_crc32c(0, at + DURAFIX_HEADER, size)) != header.payload_crc)
            return DURAFIX_PAYLOAD_CRC;
        if (memcmp(at + DURAFIX_HEADER + size, durafix_zeros, whole - DURAFIX_HEADER - size))
            return DURAFIX_ALIGNMENT;
        run->last_crc = header.header_crc;
        run->last_event = header.event;
        run->found[run->count].start = run->at;
        run->found[run->count].size = size;
        run->count++;
        run->at += whole;
    }
}

/* The first valid header at `at` or at a multiple of 8 behind it, or `size` if there is none. */
static size_t durafix_find(const uint8_t *data, size_t at, size_t size, uint64_t salt)
{
    uint32_t salt_crc = durafix_salt_crc(salt);
    for (; at < size && size - at >= DURAFIX_HEADER; at += 8) {
        uint32_t word;
        durafix_header header;
        memcpy(&word, data + at, 4);
        if (word == DURAFIX_MAGIC && !durafix_check_header(data + at, &header, salt, salt_crc))
            return at;
    }
    return size;
}

#endif
