"""Two directors of a segment with a virtual router of their own; several such pairs may share a bridge."""

from dataclasses import dataclass, replace
from pathlib import Path

from haagent.vrrp.settings import RouterSettings
from tests.netns.segment import Segment, Vrrp, address, router, wait_until
from tests.netns.wire import Said

HIGH, LOW = router(priority=200), router(priority=100)
IN_FLIGHT = 4  # advertisements of who yields, after the winner was heard: on their way, and its last word


@dataclass
class Pair:
    """Two directors of a bridge with a virtual router of their own."""

    segment: Segment
    vrid: int
    virtual: str
    names: tuple[str, str]
    vrrps: tuple[Vrrp, Vrrp]

    def owners(self) -> list[str]:
        return self.segment.owners(self.virtual)

    def states(self) -> tuple[str, ...]:
        return tuple(each.director.state() for each in self.vrrps)

    def ip(self, which: int) -> str:
        return self.segment.hosts[self.names[which]].ip

    def transitions(self) -> list[list[tuple[str, str]]]:
        return [each.director.transitions() for each in self.vrrps]

    def has_settled_on(self, which: int) -> bool:
        """It alone is Active and holds the address, and the client knows it."""
        wanted = ("active", "backup") if which == 0 else ("backup", "active")
        client = self.segment.hosts["client"]
        owner = self.segment.hosts[self.names[which]]
        return (
            self.states() == wanted
            and self.owners() == [self.names[which]]
            and client.ping(self.virtual)
            and client.neighbour(self.virtual) == owner.mac()
        )


def make_pair(
    segment: Segment,
    path: Path,
    number: int = 0,
    high: RouterSettings = HIGH,
    low: RouterSettings = LOW,
    patience: float = 10.0,
) -> Pair:
    """Directors a<number> and b<number>; `high` becomes Active first."""
    names = f"a{number}", f"b{number}"
    vrid, virtual = 51 + number, f"192.0.2.{100 + number}"
    held = (address(f"{virtual}/24"),)
    first, second = (replace(each, vrid=vrid, virtual_addresses=held) for each in (high, low))
    a = segment.start_vrrp(names[0], path, first)
    assert wait_until(lambda: a.director.state() == "active", patience)
    b = segment.start_vrrp(names[1], path, second)
    pair = Pair(segment, vrid, virtual, names, (a, b))
    assert wait_until(lambda: pair.has_settled_on(0), patience), pair.transitions()
    return pair


def losers_words(said: list[Said], winner: str) -> list[Said]:
    """What others advertised after the winner was heard first."""
    heard = next((place for place, each in enumerate(said) if each.source == winner), len(said))
    return [each for each in said[heard:] if each.source != winner]
