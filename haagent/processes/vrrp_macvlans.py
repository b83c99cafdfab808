"""The interfaces with virtual MAC addresses of the vrrp process: made when a router is known, up while it is Active.

Made ahead, so that a takeover has only to set one up (0.1 ms); down on a Backup, so that it cannot speak there. What a
killed predecessor left is adopted by its name, and down before anything else is done to it. Taking one down is slow and
not waited for; the addresses go after it.
"""

import errno
import os
import socket
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from haagent.linux import macvlan, sysctls
from haagent.linux.netlink import NetlinkFailure, NetlinkSocket
from haagent.linux.slow_requests import SlowRequests, Switch
from haagent.vrrp.settings import NO_VIRTUAL_MAC, Interface, RouterSettings
from haagent.vrrp.virtual_mac import interface_name, virtual_mac

CLOSE_TIME = 2.0  # seconds that a stop waits for each interface


@dataclass(slots=True)
class Macvlan:
    """Of one router."""

    interface: Interface
    switch: Switch = field(default_factory=Switch)
    going: threading.Event | None = None  # it is being taken down, and the addresses wait for that


class Macvlans:
    """By router. Parameters of the interfaces below are given back by `close`."""

    def __init__(self) -> None:
        self._slow = SlowRequests()
        self._there: dict[str, Macvlan] = {}
        self._held: set[str] = set()  # routers whose interface is to be up
        self._restored: dict[str, str] = {}  # kernel parameter -> what it was before us
        self._socket: NetlinkSocket | None = None

    @property
    def socket(self) -> socket.socket:
        """Readable: ask `released`."""
        return self._slow.socket

    def place(self, settings: RouterSettings, below: Interface, interfaces: Mapping[str, Interface]) -> Interface | str:
        """Where the router's addresses belong; or a sentence, while that is not there."""
        name = interface_name(settings.octets, settings.vrid, below.index)
        mac = virtual_mac(settings.octets, settings.vrid)
        there, known = interfaces.get(name), self._there.get(settings.name)
        if known is not None and known.interface.name != name:  # another VRID, or another interface below
            self._remove(settings.name)
        if there is None:
            self._there.pop(settings.name, None)
            code = self._request(macvlan.create(name, mac, below.index))
            if code in (0, errno.EEXIST):  # its event is on the way
                return NO_VIRTUAL_MAC
            return f"no interface with the virtual MAC address can be made on {below.name}: {os.strerror(code)}"
        if there.mac != mac:
            return f"the interface {name} is in the way, with another MAC address than the virtual router's: delete it"
        if known is None or known.interface.index != there.index:
            self._there[settings.name] = Macvlan(there)
            self._set_parameters(settings, name, below.name)
            self._switch(self._there[settings.name], up=settings.name in self._held)
            return there
        known.interface = there
        if settings.name in self._held and not there.is_up:  # somebody set it down
            self._switch(known, up=True)
        return there

    def hold(self, router: str, held: bool) -> bool:
        """Up before the addresses come, down before they go: what the kernel has to say about them stays here.

        Whether they may come or go now; else `released` names the router, later.
        """
        (self._held.add if held else self._held.discard)(router)
        there = self._there.get(router)
        if there is None:
            return True
        there.going = self._switch(there, up=held)
        return held

    def released(self) -> list[str]:
        """Routers whose addresses may go now."""
        self._slow.hear()
        names = [name for name, each in self._there.items() if each.going is not None and each.going.is_set()]
        for name in names:
            self._there[name].going = None
        return names

    def interface_gone(self, index: int) -> None:
        """Its index may be another's soon."""
        self._there = {router: each for router, each in self._there.items() if each.interface.index != index}

    def keep(self, routers: Iterable[str]) -> None:
        """Those of all others go, with what is on them."""
        for router in set(self._there) - set(routers):
            self._held.discard(router)
            self._remove(router)
        if not self._there:
            self._give_back()

    def wait(self) -> list[str]:
        """Until everything is down that has to be: routers whose addresses may go now."""
        for each in self._there.values():
            if each.going is not None:
                each.going.wait(CLOSE_TIME)
        return self.released()

    def close(self) -> None:
        """All are down and bare: they go."""
        indices = [each.interface.index for each in self._there.values()]
        self._there = {}
        for index in indices:
            self._request(macvlan.delete(index))
        self._give_back()

    # ------------------------------------------------------------------ inside

    def _switch(self, there: Macvlan, *, up: bool) -> threading.Event | None:
        index = there.interface.index
        if not up:
            with there.switch.lock:
                there.switch.is_on = False
            return self._slow.put(macvlan.set_up(index, False), there.switch)
        with there.switch.lock:  # where it is just being taken down, after that
            there.switch.is_on = True
            self._request(macvlan.set_up(index, True))
        return None

    def _remove(self, router: str) -> None:
        there = self._there.pop(router)
        with there.switch.lock:
            there.switch.is_on = False
        self._slow.put(macvlan.delete(there.interface.index), there.switch)

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
