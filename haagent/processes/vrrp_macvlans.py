"""The interfaces with virtual MAC addresses of the vrrp process: made when a router is known, up while it is Active.

Made ahead, so that a takeover has only to set one up; down on a Backup, so that it cannot speak there. What a killed
predecessor left is adopted by its name, and down before anything else is done to it.
"""

import errno
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from haagent.linux import macvlan, sysctls
from haagent.linux.netlink import NetlinkFailure, NetlinkSocket
from haagent.vrrp.settings import NO_VIRTUAL_MAC, Interface, RouterSettings
from haagent.vrrp.virtual_mac import interface_name, virtual_mac


@dataclass(slots=True)
class Macvlans:
    """By router. Parameters of the interfaces below are given back by `close`."""

    _there: dict[str, Interface] = field(default_factory=dict)
    _held: set[str] = field(default_factory=set)  # routers whose interface is to be up
    _restored: dict[str, str] = field(default_factory=dict)  # kernel parameter -> what it was before us
    _socket: NetlinkSocket | None = None

    def place(self, settings: RouterSettings, below: Interface, interfaces: Mapping[str, Interface]) -> Interface | str:
        """Where the router's addresses belong; or a sentence, while that is not there."""
        name = interface_name(settings.octets, settings.vrid, below.index)
        mac = virtual_mac(settings.octets, settings.vrid)
        there, known = interfaces.get(name), self._there.get(settings.name)
        if known is not None and known.name != name:  # another VRID, or another interface below
            self._request(macvlan.delete(self._there.pop(settings.name).index))
        if there is None:
            self._there.pop(settings.name, None)
            code = self._request(macvlan.create(name, mac, below.index))
            if code in (0, errno.EEXIST):  # its event is on the way
                return NO_VIRTUAL_MAC
            return f"no interface with the virtual MAC address can be made on {below.name}: {os.strerror(code)}"
        if there.mac != mac:
            return f"the interface {name} is in the way, with another MAC address than the virtual router's: delete it"
        if known is None or known.index != there.index:
            self._set_parameters(settings, name, below.name)
            self._request(macvlan.set_up(there.index, settings.name in self._held))
        elif settings.name in self._held and not there.is_up:  # somebody set it down
            self._request(macvlan.set_up(there.index, True))
        self._there[settings.name] = there
        return there

    def hold(self, router: str, held: bool) -> None:
        """Up before the addresses come, down before they go: what the kernel has to say about them stays here."""
        (self._held.add if held else self._held.discard)(router)
        if there := self._there.get(router):
            self._request(macvlan.set_up(there.index, held))

    def interface_gone(self, index: int) -> None:
        """Its index may be another's soon."""
        self._there = {router: each for router, each in self._there.items() if each.index != index}

    def keep(self, routers: Iterable[str]) -> None:
        """Those of all others go."""
        for router in set(self._there) - set(routers):
            self._request(macvlan.delete(self._there.pop(router).index))
            self._held.discard(router)
        if not self._there:
            self._give_back()

    def close(self) -> None:
        self.keep(())

    def _set_parameters(self, settings: RouterSettings, name: str, below: str) -> None:
        inherited = macvlan.inherited(name, below)
        values, _ = sysctls.read(inherited.values())
        wanted = macvlan.parameters(name, settings.octets)
        wanted |= {key: values[source] for key, source in inherited.items() if source in values}
        if settings.octets == 4:
            wanted_below = macvlan.parameters_below(below)
            before, _ = sysctls.read(wanted_below)
            for key, value in before.items():
                if int(value) < int(wanted_below[key]):
                    self._restored.setdefault(key, value)
                    wanted[key] = wanted_below[key]
        for sentence in sysctls.write(wanted):
            if ".ipv6." not in sentence or settings.octets == 16:  # IPv6 may be switched off altogether
                print(f"haagent vrrp: {sentence}", file=sys.stderr)

    def _give_back(self) -> None:
        sysctls.write(self._restored)  # an interface that is gone has no parameters any more
        self._restored.clear()

    def _request(self, octets: bytes) -> int:
        if self._socket is None:
            opened = NetlinkSocket.open(socket.NETLINK_ROUTE)
            if isinstance(opened, NetlinkFailure):
                return opened.errno
            self._socket = opened
        return self._socket.request([octets])[0]
