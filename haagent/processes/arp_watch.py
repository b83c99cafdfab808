"""The rounds of the ARP leak test, in the director: it knows the roles, and has CAP_NET_RAW for nothing else.

Not in vrrp, which nothing may delay, and not in the prober, which would need the capability for good. A round is a few
frames and one second of listening; the sockets live no longer. It decides nothing (pool/arp_leak.py does).
"""

import asyncio
from collections.abc import Callable

from haagent.linux.arp_probe import ArpProbe
from haagent.pool.arp_leak import ArpAnswer, ArpTest

INTERVAL = 10.0  # seconds between two rounds
SUSPICION_INTERVAL = 1.0  # after something new was heard
LISTENING_TIME = 1.0
DRAIN_INTERVAL = 0.1

Answers = tuple[ArpAnswer, ...]
Troubles = dict[str, str]  # by interface


class ArpWatch:
    """`want` sets the level; `run` serves it until cancelled. `report` returns whether it wants to know again soon."""

    def __init__(self, report: Callable[[Answers, Troubles], bool], active_address: Callable[[str], str]) -> None:
        self._report, self._active_address = report, active_address
        self._tests: tuple[ArpTest, ...] = ()
        self._wanted = asyncio.Event()

    def want(self, tests: tuple[ArpTest, ...]) -> None:
        if tests != self._tests:
            self._tests = tests
            self._wanted.set()

    async def run(self) -> None:
        while True:
            self._wanted.clear()
            if not self._tests:
                await self._wanted.wait()
                continue
            is_urgent = self._report(*await self._round())
            try:
                async with asyncio.timeout(SUSPICION_INTERVAL if is_urgent else INTERVAL):
                    await self._wanted.wait()
            except TimeoutError:
                pass

    async def _round(self) -> tuple[Answers, Troubles]:
        asked: dict[str, dict[str, None]] = {}
        for test in self._tests:
            own = [address for address, _ in test.addresses] + [address for _, address in test.neighbours]
            active = self._active_address(test.router)
            asked.setdefault(test.interface, {}).update(dict.fromkeys([*own, *([active] if active else [])]))
        troubles: Troubles = {}
        probes: dict[str, ArpProbe] = {}
        answers: set[ArpAnswer] = set()
        try:
            for interface, addresses in asked.items():
                probe = ArpProbe.open(interface)
                if isinstance(probe, str):
                    troubles[interface] = probe
                    continue
                probes[interface] = probe
                if refusals := [words for address in addresses if (words := probe.ask(address))]:
                    troubles[interface] = refusals[0]
            for _ in range(round(LISTENING_TIME / DRAIN_INTERVAL)):
                await asyncio.sleep(DRAIN_INTERVAL)
                for interface, probe in probes.items():
                    answers |= {
                        ArpAnswer(interface, address, mac.hex(":"))
                        for address, mac in probe.answers()
                        if address in asked[interface]
                    }
        finally:
            for probe in probes.values():
                probe.close()
        return tuple(sorted(answers)), troubles
