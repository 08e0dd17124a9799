# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""The codec at C speed: the same names and the same answers as ``_pure.py``, which explains the
rules.

One pass over the bytes of a message fills a table of (tag, start of value, end); Python objects are
made only when a field is read. A message owns a copy of its bytes: a reference into the network
buffer would pin the whole buffer, the copy costs 10 ns, and the journal needs those bytes anyway.

Memory safety rests on two facts, and each loop names the one that it uses:
- *sentinel*: ``tokenize`` gets only frames that ``measure`` accepted, so the last byte is a
  delimiter. Scans for a delimiter or for a non-digit stop there at the latest;
- *bound*: every other loop compares its index with the length before it reads.
A Decoder has one owner. It refuses to be entered twice (a finalizer run by the garbage collector
could try).
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.ref cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memchr, memcmp, memcpy, memmove

from .datafields import DATA_OF_LENGTH
from .errors import Garbled, Malformed, Reason
from .limits import (
    BEGIN_STRING_BYTES_MAX,
    EXCERPT_BYTES_MAX,
    LENGTH_DIGITS_MAX,
    MESSAGE_BYTES_DEFAULT,
    MESSAGE_BYTES_MAX,
    MESSAGE_BYTES_MIN,
    TAG_DIGITS_MAX,
)
from .values import parse_int

cdef extern from "Python.h":
    long PyLong_AsLongAndOverflow(object, int*) except? -1
    int PyLong_Check(object)

cdef enum:
    SLOTS = 24  # fields kept inside the object; a NewOrderSingle has 20. More go to the heap.
    SOH = 1
    TRAILER = 7  # 10=ddd and the delimiter
    KEEP = 131072  # a decoder's buffer beyond this is given back when it is nearly empty
    BITS = 8192  # bytes of the bitmap of length tags: tags up to 65,535

# Verdicts of measure and tokenize: negative, in the order of REASONS.
cdef enum:
    NOT_BEGIN_STRING = -1
    ORDER_OF_FIRST_THREE = -2
    BODY_LENGTH = -3
    CHECKSUM = -4
    NO_TRAILER = -5
    BAD_TAG = -6
    TOO_LONG = -7
    NO_MEMORY = -8

cdef tuple REASONS = (
    None, Reason.NOT_BEGIN_STRING, Reason.ORDER_OF_FIRST_THREE, Reason.BODY_LENGTH,
    Reason.CHECKSUM, Reason.NO_TRAILER, Reason.BAD_TAG, Reason.TOO_LONG,
)

cdef Py_ssize_t BEGIN_MAX = BEGIN_STRING_BYTES_MAX
cdef Py_ssize_t EXCERPT_MAX = EXCERPT_BYTES_MAX
cdef Py_ssize_t LENGTH_DIGITS = LENGTH_DIGITS_MAX
cdef Py_ssize_t TAG_DIGITS = TAG_DIGITS_MAX
cdef Py_ssize_t TOTAL_MIN = MESSAGE_BYTES_MIN
cdef Py_ssize_t TOTAL_MAX = MESSAGE_BYTES_MAX
cdef long TAG_MAX = 10 ** TAG_DIGITS_MAX - 1

cdef struct Field:
    int32_t tag
    uint32_t value  # offset of the value in the message
    uint32_t end  # offset of its delimiter; the next field starts behind it

# The pairs of length and data fields; the bitmap answers "is it one" for the 99 % that are none.
cdef enum:
    PAIRS = 128
cdef uint8_t is_length[BITS]
cdef int32_t pair_length[PAIRS]
cdef int32_t pair_data[PAIRS]
cdef int pair_count = 0


cdef int _load_pairs() except -1:
    global pair_count
    cdef int tag
    if len(DATA_OF_LENGTH) > PAIRS or max(DATA_OF_LENGTH) >= BITS * 8:
        raise AssertionError("datafields.py has outgrown the table here")
    for tag in range(BITS):
        is_length[tag] = 0
    for length, data in DATA_OF_LENGTH.items():
        tag = length
        pair_length[pair_count] = tag
        pair_data[pair_count] = data
        is_length[tag >> 3] |= <uint8_t>(1 << (tag & 7))
        pair_count += 1
    return 0


_load_pairs()


cdef inline int32_t data_of(int32_t tag) noexcept nogil:
    """Data tag that goes with a length tag, or 0. *bound*: the tag is compared with the size of the
    bitmap.
    """
    cdef int i
    if tag <= 0 or tag >= BITS * 8 or not (is_length[tag >> 3] >> (tag & 7)) & 1:
        return 0
    for i in range(pair_count):
        if pair_length[i] == tag:
            return pair_data[i]
    return 0


cdef inline unsigned int byte_sum(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """Sum of the bytes modulo 2^32; the compiler turns it into vector code. *bound*."""
    cdef unsigned int total = 0
    cdef Py_ssize_t i
    for i in range(size):
        total += p[i]
    return total


cdef inline bint is_digit(uint8_t c) noexcept nogil:
    return <uint8_t>(c - 48) <= 9


cdef inline bint is_visible(uint8_t c) noexcept nogil:
    """What a version text may hold: visible ASCII without the equals sign."""
    return 33 <= c <= 126 and c != c"="


cdef Py_ssize_t measure(const uint8_t* p, Py_ssize_t have, Py_ssize_t limit) noexcept nogil:
    """Length of the frame at p; 0 if more than the ``have`` bytes are needed; or a verdict. Reads
    only p[:have].
    """
    cdef Py_ssize_t i, stop, length = 0, total, at
    cdef const uint8_t* prefix = b"8=FIX"
    for i in range(5):
        if i >= have:
            return 0
        if p[i] != prefix[i]:
            return NOT_BEGIN_STRING
    i = 5
    while i < have and i < 2 + BEGIN_MAX and is_visible(p[i]):  # bound
        i += 1
    if i >= have:
        return 0
    if p[i] != SOH:
        return NOT_BEGIN_STRING
    i += 1
    if i < have and p[i] != c"9" or i + 1 < have and p[i + 1] != c"=":
        return ORDER_OF_FIRST_THREE
    i += 2
    stop = i + LENGTH_DIGITS
    while i < have and i < stop and is_digit(p[i]):  # bound
        length = length * 10 + (p[i] - 48)
        i += 1
    if i >= have:
        return 0
    if p[i] != SOH:
        return TOO_LONG if i == stop and is_digit(p[i]) else BODY_LENGTH
    if i == stop - LENGTH_DIGITS:  # no digit at all
        return BODY_LENGTH
    i += 1
    total = i + length + TRAILER
    if total > limit:
        return TOO_LONG
    if length < 4:  # not even 35= and its delimiter
        return BODY_LENGTH
    if (i < have and p[i] != c"3" or i + 1 < have and p[i + 1] != c"5"
            or i + 2 < have and p[i + 2] != c"="):
        return ORDER_OF_FIRST_THREE
    at = i + length
    if (at - 1 < have and p[at - 1] != SOH or at < have and p[at] != c"1"
            or at + 1 < have and p[at + 1] != c"0" or at + 2 < have and p[at + 2] != c"="):
        return BODY_LENGTH
    for i in range(at + 3, at + 6):
        if i < have and not is_digit(p[i]):
            return NO_TRAILER
    if at + 6 < have and p[at + 6] != SOH:
        return NO_TRAILER
    return total if total <= have else 0


@cython.final
@cython.freelist(256)
cdef class Frame:
    """One message as it was on the wire: immutable, its fields found on request. Made by ``parse``
    and ``Decoder``.

    ``frame[tag]`` is the value (bytes) of the first field with that tag.
    """

    cdef readonly bytes raw
    cdef Field* table  # slots, or the heap
    cdef Py_ssize_t size
    cdef Field slots[SLOTS]

    def __cinit__(self):
        self.table = self.slots
        self.size = 0

    def __init__(self, *_):
        raise TypeError("a Frame is made by parse() or Decoder.feed()")

    def __dealloc__(self):
        if self.table != self.slots:
            free(self.table)

    cdef inline bytes cut(self, Py_ssize_t i):
        cdef const char* base = PyBytes_AS_STRING(self.raw)
        return PyBytes_FromStringAndSize(
            base + self.table[i].value, self.table[i].end - self.table[i].value
        )

    cdef inline Py_ssize_t find(self, int32_t tag) noexcept:
        cdef Py_ssize_t i
        for i in range(self.size):  # bound
            if self.table[i].tag == tag:
                return i
        return -1

    cdef Py_ssize_t seek(self, object tag) except -2:
        """Index of the first field with this tag, or -1; any other object than a small int is no
        tag.
        """
        cdef int overflow = 0
        cdef long number
        if not PyLong_Check(tag):
            return -1
        number = PyLong_AsLongAndOverflow(tag, &overflow)
        if overflow or not -TAG_MAX <= number <= TAG_MAX:
            return -1
        return self.find(<int32_t>number)

    @property
    def begin_string(self):
        """Value of BeginString (8)."""
        return self.cut(0) if self.size else b""

    @property
    def msg_type(self):
        """Value of MsgType (35), the third field; may be empty."""
        return self.cut(2) if self.size > 2 else b""

    @property
    def seq_num(self):
        """MsgSeqNum (34), or -1 if it is absent or no plain number of at most 18 digits."""
        cdef Py_ssize_t i = self.find(34)
        cdef const uint8_t* base
        cdef int64_t number = 0
        cdef uint32_t at
        if i < 0:
            return -1
        if not 0 < self.table[i].end - self.table[i].value <= 18:
            return -1
        base = <const uint8_t*>PyBytes_AS_STRING(self.raw)
        for at in range(self.table[i].value, self.table[i].end):  # bound: offsets in raw
            if not is_digit(base[at]):
                return -1
            number = number * 10 + (base[at] - 48)
        return number

    def fields(self):
        """All fields in wire order, 8, 9 and 10 included."""
        cdef Py_ssize_t i
        return [(self.table[i].tag, self.cut(i)) for i in range(self.size)]

    def tags(self):
        """The tag of each field, in wire order."""
        cdef Py_ssize_t i
        return [self.table[i].tag for i in range(self.size)]

    def count(self, tag):
        """How many fields have this tag."""
        cdef Py_ssize_t i, n = 0, first = self.seek(tag)
        if first >= 0:
            for i in range(first, self.size):
                n += self.table[i].tag == self.table[first].tag
        return n

    def span(self, tag):
        """(offset of ``tag=``, offset behind its delimiter) in ``raw`` of the first such field, or
        None.
        """
        cdef Py_ssize_t i = self.seek(tag)
        if i < 0:
            return None
        return (self.table[i - 1].end + 1 if i else 0, self.table[i].end + 1)

    def int_(self, tag):
        """Value as a FIX int. KeyError if absent, ValueError (BadValue) if it is none."""
        cdef Py_ssize_t i = self.seek(tag)
        cdef const uint8_t* base
        cdef int64_t number = 0
        cdef uint32_t at, end
        cdef bint negative
        if i < 0:
            raise KeyError(tag)
        base = <const uint8_t*>PyBytes_AS_STRING(self.raw)
        at, end = self.table[i].value, self.table[i].end
        negative = base[at] == c"-"  # bound: base[end] is a delimiter, so base[at] exists
        at += negative
        if not 0 < end - at <= 18:
            return parse_int(self.cut(i))
        while at < end:  # bound
            if not is_digit(base[at]):
                return parse_int(self.cut(i))  # which raises
            number = number * 10 + (base[at] - 48)
            at += 1
        return -number if negative else number

    def get(self, tag, default=None):
        """Value of the first field with this tag, or ``default``."""
        cdef Py_ssize_t i = self.seek(tag)
        return self.cut(i) if i >= 0 else default

    def __getitem__(self, tag):
        cdef Py_ssize_t i = self.seek(tag)
        if i < 0:
            raise KeyError(tag)
        return self.cut(i)

    def __contains__(self, tag):
        return self.seek(tag) >= 0

    def __iter__(self):
        raise TypeError("iterate over frame.fields() or frame.tags()")

    def __len__(self):
        return self.size

    def __eq__(self, other):
        return type(other) is Frame and self.raw == (<Frame>other).raw

    def __hash__(self):
        return hash(self.raw)

    def __repr__(self):
        # No values: a Logon holds a password.
        kind, begin = self.msg_type.decode("latin-1"), self.begin_string.decode("latin-1")
        return f"<Frame {begin} {kind} 34={self.seq_num} {len(self.raw)} bytes>"

    def __reduce__(self):
        return (parse, (self.raw,))


cdef Field* grow(Frame frame, Py_ssize_t room) noexcept nogil:
    """The table with twice the room, on the heap; NULL if there is no memory, the old one intact."""
    cdef Field* table
    if frame.table == frame.slots:
        table = <Field*>malloc(2 * room * sizeof(Field))
        if table != NULL:
            memcpy(table, frame.slots, room * sizeof(Field))
    else:
        table = <Field*>realloc(frame.table, 2 * room * sizeof(Field))
    if table != NULL:
        frame.table = table
    return table


cdef int tokenize(Frame frame, const uint8_t* p, Py_ssize_t total) noexcept nogil:
    """Fill the table from a frame that ``measure`` accepted: 0, BAD_TAG or NO_MEMORY.

    *sentinel*: p[total - 1] is a delimiter, so no scan below runs past it, and i < total holds at
    each field's start.
    """
    cdef Py_ssize_t i = 0, first, n = 0, room = SLOTS, data_bytes = 0
    cdef uint32_t number
    cdef int32_t tag, sign, data_tag = 0
    cdef uint8_t c
    cdef Field* table = frame.table
    while i < total:
        first = i
        number = 0
        c = p[i]
        sign = 1
        if c == c"-":
            sign = -1
            first += 1
            i += 1
            c = p[i]  # sentinel: a minus is no delimiter, so it was not the last byte
        while is_digit(c):  # sentinel
            number = number * 10 + (c - 48)  # may wrap: then there are too many digits
            i += 1
            c = p[i]
        if c != c"=" or i == first or i - first > TAG_DIGITS:
            return BAD_TAG
        tag = sign * <int32_t>number
        if n == room:
            table = grow(frame, room)
            if table == NULL:
                return NO_MEMORY
            room *= 2
        i += 1  # sentinel: an equals sign was not the last byte
        table[n].tag = tag
        table[n].value = <uint32_t>i
        if data_tag != 0 and tag == data_tag and i + data_bytes < total \
                and p[i + data_bytes] == SOH:  # bound
            i += data_bytes
        else:
            while p[i] != SOH:  # sentinel
                i += 1
        table[n].end = <uint32_t>i
        data_tag = data_of(tag)
        if data_tag != 0:
            data_bytes = read_length(p + table[n].value, i - table[n].value)
            if data_bytes < 0:
                data_tag = 0
        n += 1
        i += 1
    frame.size = n
    return 0


cdef Py_ssize_t read_length(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    """Number of 1 to 9 digits, or -1."""
    cdef Py_ssize_t i, number = 0
    if not 0 < size <= LENGTH_DIGITS:
        return -1
    for i in range(size):  # bound
        if not is_digit(p[i]):
            return -1
        number = number * 10 + (p[i] - 48)
    return number


cdef object judge(const uint8_t* p, Py_ssize_t total, bytes raw):
    """The frame, or its verdict as an int. ``raw`` is the message as bytes if the caller has it,
    else None.
    """
    cdef int wanted = (p[total - 4] - 48) * 100 + (p[total - 3] - 48) * 10 + (p[total - 2] - 48)
    cdef int verdict
    cdef Frame frame
    if <int>(byte_sum(p, total - TRAILER) & 0xFF) != wanted:
        return CHECKSUM
    frame = Frame.__new__(Frame)
    verdict = tokenize(frame, p, total)
    if verdict == NO_MEMORY:
        raise MemoryError
    if verdict < 0:
        return verdict
    frame.raw = PyBytes_FromStringAndSize(<const char*>p, total) if raw is None else raw
    return frame


def checksum(data):
    """Sum of the bytes modulo 256, as CheckSum (10) wants it over all bytes in front of ``10=``."""
    cdef Py_buffer view
    cdef unsigned int total
    if type(data) is bytes:
        return byte_sum(<const uint8_t*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)) & 0xFF
    _open(data, &view, "checksum")
    total = byte_sum(<const uint8_t*>view.buf, view.len)
    PyBuffer_Release(&view)
    return total & 0xFF


cdef int _open(object data, Py_buffer* view, str who) except -1:
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"{who}() takes bytes, not {type(data).__name__}")
    PyObject_GetBuffer(data, view, PyBUF_SIMPLE)
    return 0


def parse(data):
    """Read exactly one message, as ``Decoder`` would. Raises Malformed with the reason; TypeError
    if not bytes.
    """
    cdef const uint8_t* p
    cdef Py_ssize_t size, total
    if type(data) is not bytes:
        raise TypeError(f"parse() takes bytes, not {type(data).__name__}")
    p = <const uint8_t*>PyBytes_AS_STRING(data)
    size = PyBytes_GET_SIZE(data)
    total = measure(p, size, TOTAL_MAX)
    if total < 0:
        raise Malformed(REASONS[-total])
    if total == 0 or total != size:
        raise Malformed(Reason.BODY_LENGTH)
    frame = judge(p, total, data)
    if type(frame) is not Frame:
        raise Malformed(REASONS[-<int>frame])
    return frame


@cython.final
cdef class Decoder:
    """Cuts a byte stream into messages, whatever the network did to it. One per connection, one
    owner.

    What is fed is either in a returned Frame, in ``pending``, or counted in ``bytes_dropped``: no
    byte is lost silently. Memory is bounded by ``max_message_bytes`` and the size of one feed.
    ValueError for a limit outside 64 bytes .. 256 MiB.
    """

    cdef uint8_t* buf
    cdef Py_ssize_t head, size, room  # the unfinished bytes are buf[head : head + size]
    cdef Py_ssize_t limit
    cdef bint skipping  # the bytes up to the next candidate belong to a Garbled already reported
    cdef bint busy
    cdef readonly int64_t bytes_dropped
    cdef readonly int64_t garbled

    def __cinit__(self, max_message_bytes=MESSAGE_BYTES_DEFAULT):
        if not TOTAL_MIN <= max_message_bytes <= TOTAL_MAX:
            raise ValueError(
                f"max_message_bytes must be {TOTAL_MIN}..{TOTAL_MAX}, not {max_message_bytes}"
            )
        self.limit = max_message_bytes

    def __dealloc__(self):
        free(self.buf)

    @property
    def pending(self):
        """Bytes of an unfinished message that are buffered."""
        return self.size

    def feed(self, data):
        """Take what was received; give the messages that are now whole, and what was skipped, in
        order.
        """
        cdef Py_buffer view
        cdef list out = []
        if self.busy:
            raise RuntimeError("feed() was entered twice")
        _open(data, &view, "feed")
        self.busy = True
        try:
            self.take(<const uint8_t*>view.buf, view.len, out)
        finally:
            self.busy = False
            PyBuffer_Release(&view)
        return out

    cdef int take(self, const uint8_t* data, Py_ssize_t size, list out) except -1:
        cdef Py_ssize_t used
        if self.size:
            self.append(data, size)
            used = self.cut(self.buf + self.head, self.size, out)
            self.head += used
            self.size -= used
            self.tidy()
        else:
            self.head = 0
            used = self.cut(data, size, out)
            self.append(data + used, size - used)
        return 0

    cdef int append(self, const uint8_t* data, Py_ssize_t size) except -1:
        """Put bytes behind the buffered ones. The room doubles, so a drip of bytes costs linear
        time; it stays below
        four times the limit plus two feeds."""
        cdef Py_ssize_t room
        cdef uint8_t* buf
        if size == 0:
            return 0
        if self.head + self.size + size > self.room:
            room = max(4096, 2 * (self.head + self.size + size))
            buf = <uint8_t*>realloc(self.buf, room)
            if buf == NULL:
                raise MemoryError
            self.buf, self.room = buf, room
        memcpy(self.buf + self.head + self.size, data, size)  # bound: room was made above
        self.size += size
        return 0

    cdef void tidy(self) noexcept:
        """Move what is left to the front once it is the smaller part, and give back memory that is
        not needed.
        """
        cdef uint8_t* buf
        if self.head >= self.size:
            if self.head and self.size:
                memmove(self.buf, self.buf + self.head, self.size)
            self.head = 0
        if self.room > KEEP and self.head + self.size < KEEP // 2:
            buf = <uint8_t*>realloc(self.buf, KEEP)
            if buf != NULL:
                self.buf, self.room = buf, KEEP

    cdef Py_ssize_t cut(self, const uint8_t* p, Py_ssize_t end, list out) except -1:
        """Cut what can be cut and say how many bytes were used up."""
        cdef Py_ssize_t at = 0, total, found
        cdef object frame
        if self.skipping:
            at = self.skip(p, 0, end)
            self.bytes_dropped += at
        while at < end and not self.skipping:
            total = measure(p + at, end - at, self.limit)
            if total == 0:
                break
            if total < 0:
                found = self.skip(p, at + 1, end)
                self.report(total, p + at, found - at, out)
                at = found
                continue
            frame = judge(p + at, total, None)
            if type(frame) is Frame:
                out.append(frame)
            else:
                self.report(<Py_ssize_t>frame, p + at, total, out)
            at += total
        return at

    cdef Py_ssize_t skip(self, const uint8_t* p, Py_ssize_t at, Py_ssize_t end) noexcept:
        """Offset of the next candidate, or of what may become one at the end of the buffer, or the
        end.
        """
        cdef const uint8_t* found
        cdef Py_ssize_t left
        while at < end:  # bound: memchr and memcmp get at most what is left
            found = <const uint8_t*>memchr(p + at, c"8", end - at)
            if found == NULL:
                break
            at = found - p
            left = end - at
            if memcmp(found, b"8=FIX", min(left, 5)) == 0:
                self.skipping = left < 5
                return at
            at += 1
        self.skipping = True
        return end

    cdef int report(
        self, Py_ssize_t verdict, const uint8_t* p, Py_ssize_t size, list out
    ) except -1:
        excerpt = PyBytes_FromStringAndSize(<const char*>p, min(size, EXCERPT_MAX))
        out.append(Garbled(REASONS[-verdict], excerpt, size))
        self.garbled += 1
        self.bytes_dropped += size
        return 0


cdef bint is_begin(const uint8_t* p, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i
    if not 3 <= size <= BEGIN_MAX or memcmp(p, b"FIX", 3) != 0:
        return False
    for i in range(3, size):  # bound
        if not is_visible(p[i]):
            return False
    return True


cdef inline Py_ssize_t digits(unsigned long number) noexcept nogil:
    cdef Py_ssize_t n = 1
    while number > 9:
        number //= 10
        n += 1
    return n


cdef inline uint8_t* put(uint8_t* p, unsigned long number, Py_ssize_t width) noexcept nogil:
    """Write a number right-aligned into exactly ``width`` bytes; the address behind it."""
    cdef Py_ssize_t i = width
    while i > 0:
        i -= 1
        p[i] = <uint8_t>(48 + number % 10)
        number //= 10
    return p + width


cdef Py_ssize_t _field_bytes(object field) except -1:
    """Bytes of ``tag=value|``, all types and limits checked."""
    cdef int overflow = 0
    cdef long tag
    cdef object number, value
    if type(field) is not tuple or PyTuple_GET_SIZE(field) != 2:
        raise TypeError("a field is a tuple (tag, value)")
    number = <object>PyTuple_GET_ITEM(field, 0)
    value = <object>PyTuple_GET_ITEM(field, 1)
    if not PyLong_Check(number) or type(value) is not bytes:
        raise TypeError("a field is (int, bytes)")
    tag = PyLong_AsLongAndOverflow(number, &overflow)
    if overflow or not -TAG_MAX <= tag <= TAG_MAX:
        raise ValueError(f"a tag has at most {TAG_DIGITS} digits: {number}")
    return (tag < 0) + digits(-tag if tag < 0 else tag) + 2 + PyBytes_GET_SIZE(value)


def encode(begin_string, fields):
    """The message with 8, 9, the given fields in their order (35 first is the caller's duty) and
    10.

    Values go out as they are: to keep delimiters out of them is the duty of who made them
    (values.py). TypeError for other types than (int, bytes), ValueError for a tag of more than nine
    digits or a message beyond 256 MiB.
    """
    cdef Py_ssize_t i, count, begin, size, body = 0
    cdef object field, value
    cdef bytes out
    cdef uint8_t* base
    cdef uint8_t* p
    cdef long tag
    if type(begin_string) is not bytes or type(fields) is not list:
        raise TypeError("encode() takes bytes and a list of (int, bytes)")
    begin = PyBytes_GET_SIZE(begin_string)
    if not is_begin(<const uint8_t*>PyBytes_AS_STRING(begin_string), begin):
        raise ValueError(f"{begin_string!r} is no BeginString")
    # The first pass checks and counts, so that the second writes into a bytes object of exactly the
    # right size: no copy, and no bound to check but this one. No Python code runs in between: the
    # list cannot change.
    count = PyList_GET_SIZE(fields)
    for i in range(count):
        body += _field_bytes(<object>PyList_GET_ITEM(fields, i))
        if body > TOTAL_MAX - TOTAL_MIN:
            raise ValueError(f"a message has at most {TOTAL_MAX} bytes")
    size = 2 + begin + 1 + 2 + digits(body) + 1 + body + TRAILER
    out = PyBytes_FromStringAndSize(NULL, size)
    base = <uint8_t*>PyBytes_AS_STRING(out)
    memcpy(base, b"8=", 2)
    memcpy(base + 2, PyBytes_AS_STRING(begin_string), begin)
    memcpy(base + 2 + begin, b"\x019=", 3)
    p = put(base + 5 + begin, body, digits(body))
    p[0] = SOH
    p += 1
    for i in range(count):
        field = <object>PyList_GET_ITEM(fields, i)
        value = <object>PyTuple_GET_ITEM(field, 1)
        tag = <object>PyTuple_GET_ITEM(field, 0)
        if tag < 0:
            p[0] = c"-"
            p += 1
            tag = -tag
        p = put(p, tag, digits(tag))
        p[0] = c"="
        memcpy(p + 1, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        p += 1 + PyBytes_GET_SIZE(value)
        p[0] = SOH
        p += 1
    memcpy(p, b"10=", 3)
    p = put(p + 3, byte_sum(base, size - TRAILER) & 0xFF, 3)
    p[0] = SOH
    return out
