"""Lead codes of SCP-ECG (EN 1064, section 3), which ISO/IEEE 11073-10102 and DICOM share."""

_TWELVE = {1: "I", 2: "II", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF"}
_TWELVE |= {2 + number: f"V{number}" for number in range(1, 7)}
_OTHERS = {9: "V7", 16: "X", 17: "Y", 18: "Z", 65: "-aVR", 66: "V8", 67: "V9"}
_OTHERS |= {8 + number: f"V{number}R" for number in range(2, 8)}
LEAD_CODES = _TWELVE | _OTHERS
"""Leads by code. Codes beside these name leads that no ECG of twelve has."""
