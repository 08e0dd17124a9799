"""The tag numbers that the session layer itself reads or writes, and which tags are header or
trailer.

Everything else about fields (names, types, which message may hold them) belongs to the dictionary.
The header is the union over all versions: a field that a version does not know is the dictionary's
to reject, not ours to misplace.
"""

from __future__ import annotations

from typing import Final

BEGIN_STRING: Final = 8
BODY_LENGTH: Final = 9
CHECK_SUM: Final = 10
MSG_SEQ_NUM: Final = 34
MSG_TYPE: Final = 35
POSS_DUP_FLAG: Final = 43
SENDER_COMP_ID: Final = 49
SENDER_SUB_ID: Final = 50
SENDING_TIME: Final = 52
TARGET_COMP_ID: Final = 56
TARGET_SUB_ID: Final = 57
SIGNATURE: Final = 89
SECURE_DATA_LEN: Final = 90
SECURE_DATA: Final = 91
SIGNATURE_LENGTH: Final = 93
POSS_RESEND: Final = 97
ON_BEHALF_OF_COMP_ID: Final = 115
ON_BEHALF_OF_SUB_ID: Final = 116
ORIG_SENDING_TIME: Final = 122
DELIVER_TO_COMP_ID: Final = 128
DELIVER_TO_SUB_ID: Final = 129
SENDER_LOCATION_ID: Final = 142
TARGET_LOCATION_ID: Final = 143
ON_BEHALF_OF_LOCATION_ID: Final = 144
DELIVER_TO_LOCATION_ID: Final = 145
XML_DATA_LEN: Final = 212
XML_DATA: Final = 213
MESSAGE_ENCODING: Final = 347
LAST_MSG_SEQ_NUM_PROCESSED: Final = 369
ON_BEHALF_OF_SENDING_TIME: Final = 370
NO_HOPS: Final = 627
HOP_COMP_ID: Final = 628
HOP_SENDING_TIME: Final = 629
HOP_REF_ID: Final = 630
APPL_VER_ID: Final = 1128
CSTM_APPL_VER_ID: Final = 1129
APPL_EXT_ID: Final = 1156

BEGIN_SEQ_NO: Final = 7
END_SEQ_NO: Final = 16
NEW_SEQ_NO: Final = 36
REF_SEQ_NUM: Final = 45
TEXT: Final = 58
RAW_DATA_LENGTH: Final = 95
RAW_DATA: Final = 96
ENCRYPT_METHOD: Final = 98
HEART_BT_INT: Final = 108
TEST_REQ_ID: Final = 112
GAP_FILL_FLAG: Final = 123
RESET_SEQ_NUM_FLAG: Final = 141
REF_TAG_ID: Final = 371
REF_MSG_TYPE: Final = 372
SESSION_REJECT_REASON: Final = 373
BUSINESS_REJECT_REF_ID: Final = 379
BUSINESS_REJECT_REASON: Final = 380
USERNAME: Final = 553
PASSWORD: Final = 554
NEXT_EXPECTED_MSG_SEQ_NUM: Final = 789
DEFAULT_APPL_VER_ID: Final = 1137

HEADER_TAGS: Final = frozenset(
    {
        8, 9, 34, 35, 43, 49, 50, 52, 56, 57, 90, 91, 97, 115, 116, 122, 128, 129, 142, 143,
        144, 145, 212, 213, 347, 369, 370, 627, 628, 629, 630, 1128, 1129, 1156,
    }
)  # fmt: skip
"""StandardHeader of every version, the members of the hops group included."""

TRAILER_TAGS: Final = frozenset({93, 89, 10})
"""StandardTrailer."""

SESSION_TAGS: Final[dict[int, str]] = {
    8: "the session's version is configured",
    9: "it is counted when the message is written",
    10: "it is counted when the message is written",
    34: "the session gives out the numbers",
    35: "it is the message's type",
    43: "only a resend carries it",
    49: "the session's identity is configured",
    52: "the session stamps the time of sending",
    56: "the session's identity is configured",
    122: "only a resend carries it",
    369: "the session knows what it has processed",
}
"""Fields that a caller may not set, with the reason that the error gives."""
