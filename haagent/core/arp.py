"""Which virtual addresses a real server answers ARP for although it must not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from haagent.config.model import Config
from haagent.core.effects import Effect, Record, SetArpTests
from haagent.core.events import ArpObserved
from haagent.pool.arp_leak import ArpTest, ArpVerdict, arp_tests, arp_verdicts


@dataclass(slots=True)
class ArpLeaks:
    verdicts: dict[str, ArpVerdict] = field(default_factory=dict)  # by virtual address
    _tests: tuple[ArpTest, ...] = ()

    def load(self, config: Config) -> SetArpTests:
        self._tests = arp_tests(config)
        asked = {address for test in self._tests for address, _ in test.addresses}
        self.verdicts = {address: each for address, each in self.verdicts.items() if address in asked}
        return SetArpTests(self._tests)

    def take(self, event: ArpObserved, roles: Mapping[str, str]) -> list[Effect]:
        before, self.verdicts = self.verdicts, {}
        for test in self._tests:
            self.verdicts |= arp_verdicts(
                test,
                event.answers,
                before,
                state=roles.get(test.router, ""),
                active_address=event.active.get(test.router, ""),
                trouble=event.troubles.get(test.interface, ""),
            )
        words = {address: each.sentence for address, each in before.items() if each.is_tested}
        return [
            Record(
                "arp",
                address,
                "leak" if words.get(address) else "",
                "leak" if each.sentence else "clear",
                each.sentence,
            )
            for address, each in self.verdicts.items()
            if each.is_tested and each.sentence != words.get(address, "")
        ]
