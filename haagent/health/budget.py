"""Which of the probes that are due may run: so many at one time, and so many of them at one machine.

A probe waits in the order in which it asked. One address with many hanging checks holds up none but its own.
"""

from collections import OrderedDict

from haagent.health.probe import Probe


class Budget:
    """`ask` and `take` until None; `give_back` when a try ends, `forget` for one that still waits."""

    def __init__(self, total: int, each_address: int) -> None:
        self._total, self._each_address = total, each_address
        self._running: dict[int, str] = {}  # address by id
        self._ready: OrderedDict[int, Probe] = OrderedDict()  # wait for the total alone
        self._held: dict[str, OrderedDict[int, Probe]] = {}  # wait for others of their address
        self._admitted: dict[str, int] = {}  # ready or running, by address

    def __len__(self) -> int:
        """How many wait."""
        return len(self._ready) + sum(map(len, self._held.values()))

    def ask(self, probe: Probe) -> None:
        """Behind those that wait: one that asks again at once must not overtake them."""
        if self._admitted.get(probe.machine, 0) < self._each_address:
            self._admit(probe)
        else:
            self._held.setdefault(probe.machine, OrderedDict())[probe.id] = probe

    def admits(self, probe: Probe) -> bool:
        """`ask` and `take` at once where nobody waits and there is room; False: nothing was done."""
        machine = probe.machine
        admitted = self._admitted.get(machine, 0)
        if self._ready or admitted >= self._each_address or len(self._running) >= self._total:
            return False
        self._admitted[machine] = admitted + 1
        self._running[probe.id] = machine
        return True

    def take(self) -> Probe | None:
        """The next that may start now; it counts as running until it is given back."""
        if not self._ready or len(self._running) >= self._total:
            return None
        _, probe = self._ready.popitem(last=False)
        self._running[probe.id] = probe.machine
        return probe

    def give_back(self, id: int) -> None:
        self._release(self._running.pop(id))

    def forget(self, probe_id: int) -> bool:
        """Whether it was waiting."""
        ready = self._ready.pop(probe_id, None)
        if ready is not None:
            self._release(ready.machine)
            return True
        for address, held in self._held.items():
            if held.pop(probe_id, None) is not None:
                if not held:
                    del self._held[address]
                return True
        return False

    def _admit(self, probe: Probe) -> None:
        self._admitted[probe.machine] = self._admitted.get(probe.machine, 0) + 1
        self._ready[probe.id] = probe

    def _release(self, address: str) -> None:
        self._admitted[address] -= 1
        if not self._admitted[address]:
            del self._admitted[address]
        held = self._held.get(address)
        if held:
            _, probe = held.popitem(last=False)
            if not held:
                del self._held[address]
            self._admit(probe)
