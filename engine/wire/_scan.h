/* One FIX message in C: measured, cut into fields, searched for (`_pure.py` is the specification
 * and explains the rules). Knows pointers and lengths only; no Python object, so it can be fuzzed
 * alone.
 *
 * Memory safety rests on two facts, and each loop names the one that it uses:
 * - bound: the index is compared with the length before the byte is read;
 * - sentinel: wire_tokenize gets only what wire_measure accepted, so the last byte is a delimiter,
 *   and a scan for a delimiter or for a non-digit stops there at the latest.
 */
#ifndef DURAFIX_WIRE_SCAN_H
#define DURAFIX_WIRE_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIRE_SOH = 1,
    WIRE_TRAILER = 7,         /* 10=ddd and the delimiter */
    WIRE_BEGIN_MAX = 32,      /* these three are those of limits.py; the module compares them */
    WIRE_LENGTH_DIGITS = 9,
    WIRE_TAG_DIGITS = 9,
    WIRE_PAIRS_MAX = 128,     /* length and data fields: 84 today */
    WIRE_LENGTH_TAGS = 65536, /* a length tag is below this */
};

/* Verdicts, in the order of errors.Reason. */
enum {
    WIRE_NOT_BEGIN_STRING = -1,
    WIRE_ORDER_OF_FIRST_THREE = -2,
    WIRE_BODY_LENGTH = -3,
    WIRE_CHECKSUM = -4,
    WIRE_NO_TRAILER = -5,
    WIRE_BAD_TAG = -6,
    WIRE_TOO_LONG = -7,
    WIRE_NO_MEMORY = -8,
};

typedef struct {
    int32_t tag;
    uint32_t value; /* offset of the value in the message */
    uint32_t end;   /* offset of its delimiter; the next field starts behind it */
} wire_field;

/* The pairs of datafields.py. The bitmap answers "is it one" for the many tags that are none. */
static uint8_t wire_is_length[WIRE_LENGTH_TAGS / 8];
static struct { int32_t length, data; } wire_pairs[WIRE_PAIRS_MAX];
static int wire_pair_count = 0;

/* 0, or -1 if the table above is too small. Called while the module is loaded, never later. */
static int wire_add_pair(long length, long data) {
    if (wire_pair_count == WIRE_PAIRS_MAX || length <= 0 || length >= WIRE_LENGTH_TAGS) return -1;
    wire_pairs[wire_pair_count].length = (int32_t)length;
    wire_pairs[wire_pair_count].data = (int32_t)data;
    wire_pair_count++;
    wire_is_length[length >> 3] |= (uint8_t)(1u << (length & 7));
    return 0;
}

/* Data tag that goes with a length tag, or 0. */
static inline int32_t wire_data_of(int32_t tag) {
    if (tag <= 0 || tag >= WIRE_LENGTH_TAGS) return 0; /* bound */
    if (!((wire_is_length[tag >> 3] >> (tag & 7)) & 1)) return 0;
    for (int i = 0; i < wire_pair_count; i++)
        if (wire_pairs[i].length == tag) return wire_pairs[i].data;
    return 0;
}

/* Sum of the bytes modulo 2^32; the compiler makes vector code of it. */
static inline uint32_t wire_sum(const uint8_t *p, ptrdiff_t size) {
    uint32_t total = 0;
    for (ptrdiff_t i = 0; i < size; i++) total += p[i]; /* bound */
    return total;
}

static inline int wire_is_digit(uint8_t c) { return (uint8_t)(c - '0') <= 9; }

/* What a version text may hold: visible ASCII without the equals sign. */
static inline int wire_is_visible(uint8_t c) { return c > ' ' && c < 127 && c != '='; }

static int wire_is_begin(const uint8_t *p, ptrdiff_t size) {
    if (size < 3 || size > WIRE_BEGIN_MAX || memcmp(p, "FIX", 3) != 0) return 0;
    for (ptrdiff_t i = 3; i < size; i++) /* bound */
        if (!wire_is_visible(p[i])) return 0;
    return 1;
}

/* Do p[at..] start with text, as far as they are among the `have` bytes? */
static inline int wire_may_be(const uint8_t *p, ptrdiff_t at, ptrdiff_t have, const char *text) {
    for (; *text && at < have; text++, at++) /* bound */
        if (p[at] != (uint8_t)*text) return 0;
    return 1;
}

/* Offset of the trailer that BodyLength announces, if the first three fields are right; 0 if more
 * than the `have` bytes are needed to tell; or a verdict. O(1).
 */
static ptrdiff_t wire_announced(const uint8_t *p, ptrdiff_t have, ptrdiff_t limit) {
    ptrdiff_t i = 5, first, length = 0;
    if (!wire_may_be(p, 0, have, "8=FIX")) return WIRE_NOT_BEGIN_STRING;
    while (i < have && i < 2 + WIRE_BEGIN_MAX && wire_is_visible(p[i])) i++; /* bound */
    if (i >= have) return 0;
    if (p[i] != WIRE_SOH) return WIRE_NOT_BEGIN_STRING;
    if (!wire_may_be(p, i + 1, have, "9=")) return WIRE_ORDER_OF_FIRST_THREE;
    first = i = i + 3;
    while (i < have && i - first < WIRE_LENGTH_DIGITS && wire_is_digit(p[i])) /* bound */
        length = length * 10 + (p[i++] - '0');
    if (i >= have) return 0;
    if (p[i] != WIRE_SOH) /* a tenth digit, or none */
        return wire_is_digit(p[i]) ? WIRE_TOO_LONG : WIRE_BODY_LENGTH;
    if (i == first) return WIRE_BODY_LENGTH;
    i++;
    if (i + length + WIRE_TRAILER > limit) return WIRE_TOO_LONG;
    if (length < 4) return WIRE_BODY_LENGTH; /* not even 35= and its delimiter */
    if (!wire_may_be(p, i, have, "35=")) return WIRE_ORDER_OF_FIRST_THREE;
    return i + length;
}

/* Length of the frame at p; 0 if more than the `have` bytes are needed; or a verdict. O(1). */
static ptrdiff_t wire_measure(const uint8_t *p, ptrdiff_t have, ptrdiff_t limit) {
    ptrdiff_t at = wire_announced(p, have, limit), i;
    if (at <= 0) return at;
    if (!wire_may_be(p, at - 1, have, "\x01" "10=")) return WIRE_BODY_LENGTH;
    for (i = at + 3; i < at + 6 && i < have; i++) /* bound */
        if (!wire_is_digit(p[i])) return WIRE_NO_TRAILER;
    if (!wire_may_be(p, at + 6, have, "\x01")) return WIRE_NO_TRAILER;
    return at + WIRE_TRAILER <= have ? at + WIRE_TRAILER : 0;
}

/* Where the search for the next message goes on after a verdict of `wire_measure`: where the
 * trailer should have stood, if it got that far, else behind the first byte.
 */
static ptrdiff_t wire_resume(const uint8_t *p, ptrdiff_t have, ptrdiff_t limit) {
    ptrdiff_t at = wire_announced(p, have, limit);
    return at > 0 ? at - 1 : 1;
}

/* Does 10 of an accepted frame say what the bytes in front of it add up to? */
static inline int wire_sum_is_right(const uint8_t *p, ptrdiff_t total) {
    uint32_t said = (p[total - 4] - '0') * 100u + (p[total - 3] - '0') * 10u + (p[total - 2] - '0');
    return (wire_sum(p, total - WIRE_TRAILER) & 0xFF) == said;
}

/* A number of 1 to 9 digits, or -1. */
static ptrdiff_t wire_read_length(const uint8_t *p, ptrdiff_t size) {
    ptrdiff_t number = 0;
    if (size < 1 || size > WIRE_LENGTH_DIGITS) return -1;
    for (ptrdiff_t i = 0; i < size; i++) { /* bound */
        if (!wire_is_digit(p[i])) return -1;
        number = number * 10 + (p[i] - '0');
    }
    return number;
}

/* The table of `n` fields with twice the room, on the heap; NULL if there is no memory, with
 * nothing left to free.
 */
static wire_field *wire_grow(wire_field *table, const wire_field *slots, ptrdiff_t n) {
    wire_field *grown = table == slots ? malloc(2 * n * sizeof *grown)
                                       : realloc(table, 2 * n * sizeof *grown);
    if (grown == NULL) {
        if (table != slots) free(table);
    } else if (table == slots) {
        memcpy(grown, slots, n * sizeof *grown);
    }
    return grown;
}

/* Number of fields of an accepted frame, or WIRE_BAD_TAG, WIRE_NO_MEMORY. The fields are in *out:
 * `slots` if `room` of them were enough, else on the heap, for the caller to free. With a verdict
 * *out is `slots`.
 */
static ptrdiff_t wire_tokenize(const uint8_t *p, ptrdiff_t total, wire_field *slots, ptrdiff_t room,
                               wire_field **out) {
    wire_field *table = slots;
    ptrdiff_t i = 0, n = 0, data_bytes = 0;
    int32_t data_tag = 0;
    *out = slots;
    while (i < total) {
        ptrdiff_t first = i;
        uint32_t number = 0;
        int32_t tag, sign = 1;
        uint8_t c = p[i];
        if (c == '-') {
            sign = -1;
            first = ++i;
            c = p[i]; /* sentinel: a minus was not the last byte */
        }
        while (wire_is_digit(c)) { /* sentinel */
            number = number * 10 + (uint32_t)(c - '0'); /* may wrap: then there are too many */
            c = p[++i];
        }
        if (c != '=' || i == first || i - first > WIRE_TAG_DIGITS) {
            if (table != slots) free(table);
            return WIRE_BAD_TAG;
        }
        if (n == room) {
            table = wire_grow(table, slots, n);
            if (table == NULL) return WIRE_NO_MEMORY;
            room *= 2;
        }
        tag = sign * (int32_t)number;
        i++; /* sentinel: an equals sign was not the last byte */
        table[n].tag = tag;
        table[n].value = (uint32_t)i;
        if (data_tag != 0 && tag == data_tag && i + data_bytes < total /* bound */
            && p[i + data_bytes] == WIRE_SOH) {
            i += data_bytes;
        } else {
            while (p[i] != WIRE_SOH) i++; /* sentinel */
        }
        table[n].end = (uint32_t)i;
        data_tag = wire_data_of(tag);
        if (data_tag != 0) {
            data_bytes = wire_read_length(p + table[n].value, i - (ptrdiff_t)table[n].value);
            if (data_bytes < 0) data_tag = 0;
        }
        n++;
        i++;
    }
    *out = table;
    return n;
}

/* Offset of the next candidate in p[at:end], or of what may become one at the end, or end. */
static ptrdiff_t wire_find_begin(const uint8_t *p, ptrdiff_t at, ptrdiff_t end) {
    while (at < end) {
        const uint8_t *found = memchr(p + at, '8', (size_t)(end - at)); /* bound */
        if (found == NULL) return end;
        at = found - p;
        if (wire_may_be(p, at, end, "8=FIX")) return at;
        at++;
    }
    return end;
}

static inline ptrdiff_t wire_digits(uint64_t number) {
    ptrdiff_t n = 1;
    while (number > 9) {
        number /= 10;
        n++;
    }
    return n;
}

/* Write a number right-aligned into exactly `width` bytes; the address behind it. */
static inline uint8_t *wire_put(uint8_t *p, uint64_t number, ptrdiff_t width) {
    for (ptrdiff_t i = width - 1; i >= 0; i--) { /* bound */
        p[i] = (uint8_t)('0' + number % 10);
        number /= 10;
    }
    return p + width;
}

#endif
