"""Zstandard frames that check themselves: what packages are made of."""

import zstandard

_BLOCK = 1 << 20


def is_whole_frame(content: bytes) -> bool:
    """Whether ``content`` is exactly one frame with a checksum that fits; memory stays within a block."""
    try:
        if not zstandard.get_frame_parameters(content).has_checksum:
            return False
        frame = zstandard.ZstdDecompressor().decompressobj()
        for start in range(0, len(content), _BLOCK):
            frame.decompress(content[start : start + _BLOCK])
    except zstandard.ZstdError:
        return False
    return frame.eof and not frame.unused_data
