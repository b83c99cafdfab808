"""What the kernel was last seen to hold, and what somebody else did to it. Pure."""

from dataclasses import dataclass, field

from haagent.core.effects import Effect, Record
from haagent.core.events import TableAdopted, TableObserved
from haagent.ipvs.marks import Marks
from haagent.ipvs.table import Counts, Table
from haagent.pool.settings import Settings

MOST_RECORDS = 20  # of what somebody else did, for each look at the table
OTHERS = "somebody else"


@dataclass(slots=True)
class Kernel:
    """Fields are for `view.py` to read."""

    observed: Table = field(default_factory=dict)
    marks: Marks = frozenset()
    settings: Settings = field(default_factory=Settings)
    counts: Counts = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    repairs: int = 0
    drifted: int = 0  # entries that somebody else added, set or removed
    left: tuple[str, ...] = ()  # of these, what is only told: names of entries that are not as wanted
    foreign: tuple[str, ...] = ()  # names of entries that are not ours

    def adopt(self, event: TableAdopted) -> None:
        self.observed, self.marks = event.table, event.marks

    def observe(self, event: TableObserved) -> list[Effect]:
        """Records for what the keeper of the table had to do, and for what the kernel refuses."""
        self.observed, self.counts = event.table, event.counts
        self.marks, self.settings = event.marks, event.settings
        effects: list[Effect] = []
        if event.repairs:
            self.repairs += event.repairs
            cause = f"{event.repairs} changes by somebody else undone"
            effects.append(Record("table", "ipvs", "drifted", "repaired", cause))
        if event.failures != self.failures:
            state = "refused" if event.failures else "accepted"
            effects.append(Record("table", "ipvs", "", state, "; ".join(event.failures[:3]) or "all of it"))
        self.failures = event.failures
        return effects

    def take_others(self, event: TableObserved) -> list[Effect]:
        """Records for what somebody else did to the table, by name."""
        self.drifted += len(event.drifts)
        was_foreign, self.left, self.foreign = self.foreign, event.left, event.foreign
        effects: list[Effect] = []
        for each in event.drifts[:MOST_RECORDS]:
            is_ours = each.name not in event.foreign and each.name not in was_foreign
            left = each.name in event.left or not is_ours
            then = "it is left so" if left else "it is set right"
            effects.append(
                Record("table", each.name, each.before, each.after, f"somebody else {each.verb} it: {then}", OTHERS)
            )
        if (more := len(event.drifts) - MOST_RECORDS) > 0:
            effects.append(Record("table", "ipvs", "", "drifted", f"somebody else changed {more} entries more", OTHERS))
        return effects
