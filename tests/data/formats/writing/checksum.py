"""CRC-CCITT, bit by bit as the standards draw it."""


def checksum(content: bytes) -> int:
    """Begin with all ones; shift by x^16 + x^12 + x^5 + 1."""
    register = 0xFFFF
    for byte in content:
        register ^= byte << 8
        for _ in range(8):
            register = register << 1 ^ (0x11021 if register & 0x8000 else 0)
    return register
