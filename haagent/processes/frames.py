"""Length-prefixed frames between processes. Standard library alone: the vrrp process imports this too."""

import struct

HEADER = struct.Struct("!I")
FRAME_LIMIT = 64 * 1024 * 1024


class FrameError(Exception):
    """The peer sent something that is no frame; the connection is beyond repair."""


def frame(payload: bytes) -> bytes:
    """The octets to send for one message."""
    return HEADER.pack(len(payload)) + payload


class FrameReader:
    """Collects octets as they arrive and gives back whole payloads."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Raises FrameError on a length beyond FRAME_LIMIT."""
        self._buffer += data
        payloads = []
        start = 0
        while len(self._buffer) - start >= HEADER.size:
            (length,) = HEADER.unpack_from(self._buffer, start)
            if length > FRAME_LIMIT:
                raise FrameError(f"a frame of {length} octets was announced, at most {FRAME_LIMIT} are accepted")
            if len(self._buffer) - start - HEADER.size < length:
                break
            payloads.append(bytes(self._buffer[start + HEADER.size : start + HEADER.size + length]))
            start += HEADER.size + length
        del self._buffer[:start]
        return payloads
