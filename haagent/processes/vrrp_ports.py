"""The vrrp process's open sockets, for each interface with a router; reopened when the interface is new."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from haagent.linux.announce import Announcer
from haagent.linux.vrrp_socket import VrrpSocket
from haagent.vrrp.settings import Interface


@dataclass(frozen=True, slots=True)
class Port:
    """The sockets on one interface."""

    name: str
    announcer: Announcer
    sockets: dict[int, VrrpSocket] = field(default_factory=dict)  # by the octets of the family's addresses

    def close(self) -> None:
        self.announcer.close()
        for each in self.sockets.values():
            each.close()


@dataclass(slots=True)
class Ports:
    """By interface index: a name may come back as another interface."""

    by_index: dict[int, Port] = field(default_factory=dict)
    announcers: dict[int, Announcer] = field(default_factory=dict)

    def open(self, interface: Interface, octets: int = 4) -> bool:
        """Whether the interface's sockets of the family are open now. A refusal is told; the next audit tries again."""
        port = self.by_index.get(interface.index)
        if port is None or port.name != interface.name:
            self.close(interface.index)
            announcer = Announcer.open(interface.index)
            if isinstance(announcer, OSError):
                return _refused(interface, announcer)
            port = self.by_index[interface.index] = Port(interface.name, announcer)
            self.announcers[interface.index] = announcer
        if octets not in port.sockets:
            opened = VrrpSocket.open(interface.index, octets)
            if isinstance(opened, OSError):
                return _refused(interface, opened)
            port.sockets[octets] = opened
        return True

    def lend(self, index: int, other: int) -> None:
        """What is announced on the interface `other` goes out by the one below it, `index`."""
        self.announcers[other] = self.announcers[index]

    def close(self, index: int) -> None:
        port = self.by_index.pop(index, None)
        self.announcers.pop(index, None)
        if port is not None:
            port.close()

    def keep(self, wanted: Iterable[tuple[str, int]]) -> None:
        """Close what no router needs; `wanted`: interface names and octets of a family."""
        wanted = set(wanted)
        for index, port in list(self.by_index.items()):
            for octets in [each for each in port.sockets if (port.name, each) not in wanted]:
                port.sockets.pop(octets).close()
            if not port.sockets:
                self.close(index)


def _refused(interface: Interface, error: OSError) -> bool:
    print(f"haagent vrrp: no socket on {interface.name}: {error.strerror}", file=sys.stderr)
    return False
