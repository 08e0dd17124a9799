# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""The codec at C speed: the same names and answers as ``_pure.py``, which explains the rules.

One pass over a message fills a table of (tag, start of value, end); Python objects are made only
when a field is read. The scanning is in ``_scan.h``, plain C without Python; here is what makes
objects of it. A message owns a copy of its bytes: a reference into the network buffer would pin the
whole buffer, the copy costs 10 ns, and the journal needs those bytes anyway.

A Decoder has one owner. It refuses to be entered twice (a finalizer run by the garbage collector
could try).
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove

from . import limits
from .datafields import DATA_OF_LENGTH
from .errors import Garbled, Malformed, Reason
from .values import parse_int

cdef extern from "Python.h":
    long PyLong_AsLongAndOverflow(object, int*) except? -1
    int PyLong_Check(object)

cdef extern from "_scan.h" nogil:
    enum:
        WIRE_SOH, WIRE_TRAILER, WIRE_BEGIN_MAX, WIRE_LENGTH_DIGITS, WIRE_TAG_DIGITS
        WIRE_CHECKSUM, WIRE_NO_MEMORY
    ctypedef struct wire_field:
        int32_t tag
        uint32_t value, end
    int wire_add_pair(long length, long data)
    uint32_t wire_sum(const uint8_t* p, Py_ssize_t size)
    bint wire_is_digit(uint8_t c)
    bint wire_is_begin(const uint8_t* p, Py_ssize_t size)
    Py_ssize_t wire_measure(const uint8_t* p, Py_ssize_t have, Py_ssize_t limit)
    Py_ssize_t wire_resume(const uint8_t* p, Py_ssize_t have, Py_ssize_t limit)
    bint wire_sum_is_right(const uint8_t* p, Py_ssize_t total)
    Py_ssize_t wire_tokenize(
        const uint8_t* p, Py_ssize_t total, wire_field* slots, Py_ssize_t room, wire_field** out
    )
    Py_ssize_t wire_find_begin(const uint8_t* p, Py_ssize_t at, Py_ssize_t end)
    Py_ssize_t wire_digits(uint64_t number)
    uint8_t* wire_put(uint8_t* p, uint64_t number, Py_ssize_t width)

cdef enum:
    SLOTS = 24  # fields kept inside the object; a NewOrderSingle has 20. More go to the heap.
    KEEP = 131072  # a decoder's buffer beyond this is given back when it is nearly empty

cdef tuple REASONS = (None, *Reason)  # a verdict of _scan.h, negated, is an index
cdef Py_ssize_t EXCERPT_MAX = limits.EXCERPT_BYTES_MAX
cdef Py_ssize_t TOTAL_MIN = limits.MESSAGE_BYTES_MIN
cdef Py_ssize_t TOTAL_MAX = limits.MESSAGE_BYTES_MAX
cdef long TAG_MAX = 10 ** limits.TAG_DIGITS_MAX - 1


def _load():
    """Hand the table of data fields to the C part, and see that both mean the same limits."""
    ours = (limits.BEGIN_STRING_BYTES_MAX, limits.LENGTH_DIGITS_MAX, limits.TAG_DIGITS_MAX)
    if ours != (WIRE_BEGIN_MAX, WIRE_LENGTH_DIGITS, WIRE_TAG_DIGITS):
        raise AssertionError("limits.py and _scan.h differ")
    for length, data in DATA_OF_LENGTH.items():
        if wire_add_pair(length, data) < 0:
            raise AssertionError("datafields.py has outgrown the table in _scan.h")


_load()
del _load


@cython.final
@cython.freelist(256)
cdef class Frame:
    """One message as it was on the wire: immutable, its fields found on request. Made by ``parse``
    and ``Decoder``.

    ``frame[tag]`` is the value (bytes) of the first field with that tag.
    """

    cdef readonly bytes raw
    cdef wire_field* table  # slots, or the heap
    cdef Py_ssize_t size
    cdef wire_field slots[SLOTS]

    def __cinit__(self):
        self.table = self.slots

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
        """Index of the first field with this tag, or -1; what is no small int is no tag."""
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
            if not wire_is_digit(base[at]):
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
            if not wire_is_digit(base[at]):
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


cdef object judge(const uint8_t* p, Py_ssize_t total, bytes raw):
    """The frame, or its verdict as an int. ``raw`` is the message as bytes if the caller has it,
    else None.
    """
    cdef Py_ssize_t size
    cdef Frame frame
    if not wire_sum_is_right(p, total):
        return WIRE_CHECKSUM
    frame = Frame.__new__(Frame)
    size = wire_tokenize(p, total, frame.slots, SLOTS, &frame.table)
    if size == WIRE_NO_MEMORY:
        raise MemoryError
    if size < 0:
        return size
    frame.size = size
    frame.raw = PyBytes_FromStringAndSize(<const char*>p, total) if raw is None else raw
    return frame


def checksum(data):
    """Sum of the bytes modulo 256, as CheckSum (10) wants it over all bytes in front of ``10=``."""
    cdef Py_buffer view
    cdef unsigned int total
    if type(data) is bytes:
        return wire_sum(<const uint8_t*>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)) & 0xFF
    _open(data, &view, "checksum")
    total = wire_sum(<const uint8_t*>view.buf, view.len)
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
    total = wire_measure(p, size, TOTAL_MAX)
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

    def __cinit__(self, max_message_bytes=limits.MESSAGE_BYTES_DEFAULT):
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
        """Move what is left to the front once it is the smaller part; give back spare memory."""
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
            total = wire_measure(p + at, end - at, self.limit)
            if total == 0:
                break
            if total < 0:
                found = self.skip(p, at + wire_resume(p + at, end - at, self.limit), end)
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
        """Offset of the next candidate, or of what may become one, or the end."""
        at = wire_find_begin(p, at, end)
        self.skipping = end - at < 5  # not a whole 8=FIX
        return at

    cdef int report(
        self, Py_ssize_t verdict, const uint8_t* p, Py_ssize_t size, list out
    ) except -1:
        excerpt = PyBytes_FromStringAndSize(<const char*>p, min(size, EXCERPT_MAX))
        out.append(Garbled(REASONS[-verdict], excerpt, size))
        self.garbled += 1
        self.bytes_dropped += size
        return 0


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
        raise ValueError(f"a tag has at most {limits.TAG_DIGITS_MAX} digits: {number}")
    return (tag < 0) + wire_digits(-tag if tag < 0 else tag) + 2 + PyBytes_GET_SIZE(value)


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
    if not wire_is_begin(<const uint8_t*>PyBytes_AS_STRING(begin_string), begin):
        raise ValueError(f"{begin_string!r} is no BeginString")
    # The first pass checks and counts, so that the second writes into a bytes object of exactly the
    # right size: no copy, and no bound to check but this one. No Python code runs in between: the
    # list cannot change.
    count = PyList_GET_SIZE(fields)
    for i in range(count):
        body += _field_bytes(<object>PyList_GET_ITEM(fields, i))
        if body > TOTAL_MAX - TOTAL_MIN:
            raise ValueError(f"a message has at most {TOTAL_MAX} bytes")
    size = 2 + begin + 1 + 2 + wire_digits(body) + 1 + body + WIRE_TRAILER
    out = PyBytes_FromStringAndSize(NULL, size)
    base = <uint8_t*>PyBytes_AS_STRING(out)
    memcpy(base, b"8=", 2)
    memcpy(base + 2, PyBytes_AS_STRING(begin_string), begin)
    memcpy(base + 2 + begin, b"\x019=", 3)
    p = wire_put(base + 5 + begin, body, wire_digits(body))
    p[0] = WIRE_SOH
    p += 1
    for i in range(count):
        field = <object>PyList_GET_ITEM(fields, i)
        value = <object>PyTuple_GET_ITEM(field, 1)
        tag = <object>PyTuple_GET_ITEM(field, 0)
        if tag < 0:
            p[0] = c"-"
            p += 1
            tag = -tag
        p = wire_put(p, tag, wire_digits(tag))
        p[0] = c"="
        memcpy(p + 1, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        p += 1 + PyBytes_GET_SIZE(value)
        p[0] = WIRE_SOH
        p += 1
    memcpy(p, b"10=", 3)
    p = wire_put(p + 3, wire_sum(base, size - WIRE_TRAILER) & 0xFF, 3)
    p[0] = WIRE_SOH
    return out
