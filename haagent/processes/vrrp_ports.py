"""The vrrp process's open sockets, a pair for each interface with a router; reopened when the interface is new."""

import sys
from dataclasses import dataclass, field

from haagent.linux.announce import Announcer
from haagent.linux.vrrp_socket import VrrpSocket
from haagent.vrrp.settings import Interface


@dataclass(frozen=True, slots=True)
class Port:
    """The sockets on one interface."""

    name: str
    socket: VrrpSocket
    announcer: Announcer


@dataclass(slots=True)
class Ports:
    """By interface index: a name may come back as another interface."""

    by_index: dict[int, Port] = field(default_factory=dict)
    announcers: dict[int, Announcer] = field(default_factory=dict)

    def open(self, interface: Interface) -> bool:
        """Whether the interface's sockets are open now. A refusal is told; the next audit tries again."""
        port = self.by_index.get(interface.index)
        if port is not None and port.name == interface.name:
            return True
        self.close(interface.index)
        vrrp_socket = VrrpSocket.open(interface.index)
        announcer = Announcer.open(interface.index)
        if isinstance(vrrp_socket, VrrpSocket) and isinstance(announcer, Announcer):
            self.by_index[interface.index] = Port(interface.name, vrrp_socket, announcer)
            self.announcers[interface.index] = announcer
            return True
        for each in (vrrp_socket, announcer):
            if isinstance(each, OSError):
                print(f"haagent vrrp: no socket on {interface.name}: {each.strerror}", file=sys.stderr)
            else:
                each.close()
        return False

    def close(self, index: int) -> None:
        port = self.by_index.pop(index, None)
        self.announcers.pop(index, None)
        if port is not None:
            port.socket.close()
            port.announcer.close()
