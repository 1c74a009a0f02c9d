"""SCP-ECG (EN 1064, ISO 11073-91064): sections, leads and rhythm.

Reads samples as they are, their first or second differences, plain or under the default Huffman
table. Bimodal compression, reference beats and Huffman tables of a file's own are refused by name:
no real file is at hand that would prove a reader of them.
"""

from binascii import crc_hqx
from collections.abc import Mapping
from pathlib import Path
from struct import iter_unpack, unpack_from

from myocard.data.formats.found import Format, Found
from myocard.data.formats.lead_codes import LEAD_CODES
from myocard.data.formats.limb_leads import assumption, with_limb_leads
from myocard.data.formats.refusals import naming
from myocard.data.formats.scp_facts import facts_of
from myocard.data.formats.scp_rhythm import read_rhythm
from myocard.errors import InputError

_LEADS = 3
_START, _SECTION_HEADER, _POINTERS = 6, 16, 22
_REFERENCE_BEAT, _TOGETHER = 1, 4


def begins_scp(head: bytes) -> bool:
    """Tell by section 0: its header, and its first pointer, which points at itself."""
    if len(head) < _POINTERS + 10:
        return False
    number, size = unpack_from("<HI", head, _START + 2)
    return number == 0 and unpack_from("<HII", head, _POINTERS) == (0, size, _START + 1)


def read_scp(path: Path) -> Found:
    """Read the rhythm of an SCP-ECG file.

    Raises:
        InputError: Where the checksum or a length is wrong, for a compression that is not read, and
            for leads that were not recorded together.
    """
    with naming(path):
        sections = _sections(path.read_bytes())
        codes, first, last, together = _leads(sections)
        rhythm = read_rhythm(sections, len(codes))
        count = rhythm.count(first, last)
        names = [LEAD_CODES.get(code, f"lead of code {code}") for code in codes]
        signal, leads, computed = with_limb_leads(rhythm.millivolts(count), names)
        assumed = assumption(computed) + together
        if first == 0:
            assumed += (f"samples counted from 0 to {last}; {count} of them, as the bytes hold",)
        return Found(signal, rhythm.rate, leads, "mV", facts_of(sections, assumed))


def _sections(content: bytes) -> Mapping[int, bytes]:
    """Cut a file into the bodies of its sections, by number, once its checksum is right."""
    if not begins_scp(content):
        raise InputError("ends inside section 0; fetch it again")
    checksum, size = unpack_from("<HI", content)
    if size != len(content):
        raise InputError(f"{len(content)} bytes, its header says {size}; fetch it again")
    if crc_hqx(content[2:], 0xFFFF) != checksum:
        raise InputError("not what its checksum says; fetch it again")
    (length,) = unpack_from("<I", content, _START + 4)
    pointers = content[_POINTERS : _START + length]
    if len(pointers) != length - _SECTION_HEADER or len(pointers) % 10:
        raise InputError("broken pointers in section 0; export it again")
    listed = [pointer for pointer in iter_unpack("<HII", pointers) if pointer[1]]
    sections, end = {}, _START
    for number, length, place in sorted(listed, key=lambda pointer: pointer[2]):
        start = place - 1  # Pointers count bytes from 1.
        if start < end or start + max(length, _SECTION_HEADER) > size or number in sections:
            raise InputError(f"section {number} overlaps another or ends beyond the file")
        end = start + length
        if unpack_from("<HI", content, start + 2) != (number, length):
            raise InputError(f"section {number} is not where its pointer says; export it again")
        sections[number] = content[start + _SECTION_HEADER : end]
    return sections


def _leads(sections: Mapping[int, bytes]) -> tuple[list[int], int, int, tuple[str, ...]]:
    """Read section 3: codes of the leads, their first and last sample, and what was assumed."""
    body = sections.get(_LEADS, b"")
    if len(body) < 2 or not body[0] or len(body) < 2 + 9 * body[0]:
        raise InputError("no leads in its section 3, or fewer than it says; export it again")
    leads, flags = body[0], body[1]
    if flags & _REFERENCE_BEAT:
        raise InputError(
            "compressed by subtracting a reference beat, which is not read; export it without"
        )
    firsts, lasts, codes = zip(*iter_unpack("<IIB", body[2 : 2 + 9 * leads]), strict=True)
    together = flags >> 3
    if len({*firsts}) > 1 or len({*lasts}) > 1 or 0 < together < leads and not flags & _TOGETHER:
        raise InputError(
            "leads that were not recorded together, which are not joined; export the continuous ECG"
        )
    if flags & _TOGETHER:
        return [*codes], firsts[0], lasts[0], ()
    told = "leads recorded together, as their sample numbers are the same"
    return [*codes], firsts[0], lasts[0], (told,)


SCP = Format("SCP-ECG", begins_scp, read_scp)
