"""Who advertises what on a segment, in the order in which it went over the wire: heard by a host that takes no part."""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType

from tests.netns.segment import Host, inside

ETH_P_IP = 0x0800
PROTOCOL_VRRP = 112


@dataclass(frozen=True)
class Said:
    """One advertisement; VRRPv3 over IPv4."""

    at: float  # monotonic, when we read it: right in its order, late where the machine is busy
    source: str
    vrid: int
    priority: int


class Wire:
    """`with Wire(host) as wire: ...`; `wire.said` grows."""

    def __init__(self, host: Host) -> None:
        with inside(host.netns):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
            self._socket.bind(("eth0", ETH_P_IP))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.settimeout(0.2)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.said: list[Said] = []

    def since(self, at: float, vrid: int) -> list[Said]:
        return [each for each in list(self.said) if each.at >= at and each.vrid == vrid]

    def _listen(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                packet = self._socket.recv(4096)
                header = (packet[0] & 0x0F) * 4
                if packet[9] == PROTOCOL_VRRP and len(packet) >= header + 8:
                    source = socket.inet_ntoa(packet[12:16])
                    self.said.append(Said(time.monotonic(), source, packet[header + 1], packet[header + 2]))

    def __enter__(self) -> "Wire":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()
