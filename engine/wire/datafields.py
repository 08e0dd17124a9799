"""Which length field goes with which data field: the standard's pairs, as data.

A data field may contain the delimiter, so its end is found by the length field directly in front of
it (FIX tag=value encoding, "data fields"). The table is the union of all versions up to FIX Latest;
a number has never been given two meanings. Fields of a counterparty's own are not in it: those end
at the first delimiter, as any other field.
"""

from __future__ import annotations

from typing import Final

DATA_OF_LENGTH: Final[dict[int, int]] = {
    # header, trailer and the fields of FIX 4.0 to 4.4
    90: 91, 93: 89, 95: 96, 212: 213, 348: 349, 350: 351, 352: 353, 354: 355, 356: 357,
    358: 359, 360: 361, 362: 363, 364: 365, 445: 446, 618: 619, 621: 622,
    # FIX 5.0 and its service packs
    1184: 1185, 1277: 1278, 1280: 1281, 1282: 1283, 1397: 1398, 1401: 1402, 1403: 1404, 1468: 1469,
    # extension packs up to FIX Latest; three of these are not neighbours
    1525: 1527, 1578: 1579, 1620: 1621, 1664: 1665, 1678: 1697, 1733: 1734, 1871: 1872, 1874: 1875,
    2072: 2073, 2074: 2075, 2111: 2112, 2179: 2180, 2287: 2288, 2351: 2352, 2372: 2371, 2481: 2482,
    2494: 2493, 2522: 2521, 2637: 2638, 2651: 2652, 2665: 2666, 2715: 2716, 2718: 2719, 2721: 2722,
    2797: 2798, 2802: 2801, 2809: 2808, 2815: 2814, 2971: 2972,
    # products described in parts (40000 and up)
    40004: 40005, 40008: 40009, 40978: 40979, 40980: 40981, 40982: 40983, 40984: 40985,
    40986: 40987, 40988: 40989, 41083: 41084, 41101: 41102, 41107: 41108, 41256: 41257,
    41320: 41321, 41324: 41325, 41458: 41459, 41476: 41477, 41482: 41483, 41653: 41654,
    41710: 41711, 41806: 41807, 41811: 41812, 41873: 41874, 41969: 41970, 42025: 42026,
    42171: 42172, 42451: 42452, 42652: 42653, 42947: 42948, 43109: 42684, 43110: 42486,
    43111: 42982,
}  # fmt: skip
"""length tag -> data tag."""

LENGTH_OF_DATA: Final[dict[int, int]] = {data: length for length, data in DATA_OF_LENGTH.items()}
"""data tag -> length tag."""
