"""Whether the pools are at fault or this director: its own standings beside what its peers say of theirs. Pure."""

from dataclasses import dataclass, field

from haagent.core.effects import Effect, Record
from haagent.core.standing import pace
from haagent.core.standings import Standings
from haagent.health.blame import Blame, PeerView, Verdict, blame


@dataclass(slots=True)
class Faults:
    standings: Standings
    blame: Blame = field(default_factory=Blame)  # as of the last word of a peer
    _views: dict[str, PeerView] = field(default_factory=dict)  # by director

    def hear(self, director: str, view: PeerView, me: str) -> list[Effect]:
        """Records for the services whose blame is another one now."""
        self._views[director] = view
        before, self.blame = self.blame, self.find()
        effects: list[Effect] = [
            Record("judgement", name, "", "at fault", f"{me} reaches none of its real servers, {director} does")
            for name in sorted(self.blame.here - before.here)
        ]
        effects += [
            Record("judgement", name, "at fault", "", f"{me} is not at fault any more")
            for name in sorted(before.here - self.blame.here)
        ]
        return effects

    def find(self) -> Blame:
        """As far as that can be told now."""
        probing = self.standings.probing
        return blame(
            {
                key: Verdict(each.health, each.since, max(pace(probing.probes[id_]) for id_ in probing.probes_of[key]))
                for key, each in self.standings.of.items()
                if probing.probes_of.get(key)
            },
            self._views,
        )
