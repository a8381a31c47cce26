"""How a DICOM file begins: with a preamble (PS3.10 7.1), or without one, as exports of old archives do."""

import struct

_PREFIX = b"DICM"
_META = b"\x02\x00\x00\x00UL\x04\x00"
"""The first element of the File Meta Information, its length: always there, and always of this form."""
_GROUP = 0x0008
_FIRST_ELEMENTS = frozenset({0x0000, 0x0001, 0x0005, 0x0008, 0x0012, 0x0013, 0x0014, 0x0016, 0x0018})
"""Elements of the group that a data set can begin with: those up to SOP Instance UID."""
_SHORT_VRS = frozenset({b"UL", b"CS", b"UI", b"DA", b"TM", b"LO", b"SH"})
_LONGEST = 1024


def has_preamble(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of a DICOM file as PS3.10 wants it."""
    return head[128:132] == _PREFIX


def is_dicom(head: bytes) -> bool:
    """Return whether the first bytes of a file, of which a thousand are enough, are those of a DICOM file.

    A file without a preamble begins with its meta information, or with two elements of group 0008, one behind the other
    in order, little-endian and with or without value representations.
    """
    if has_preamble(head) or head.startswith(_META):
        return True
    first = _element(head, 0)
    if first is None or first[0] not in _FIRST_ELEMENTS:
        return False
    second = _element(head, first[1])
    return second is not None and second[0] > first[0]


def _element(head: bytes, at: int) -> tuple[int, int] | None:
    """Return (element number, where the next one begins) of an element of group 0008, or None where there is none."""
    if len(head) < at + 8:
        return None
    group, element = struct.unpack_from("<HH", head, at)
    if head[at + 4 : at + 6] in _SHORT_VRS:
        (length,) = struct.unpack_from("<H", head, at + 6)
    else:
        (length,) = struct.unpack_from("<I", head, at + 4)
    if group != _GROUP or length % 2 or length > _LONGEST:
        return None
    return element, at + 8 + length
