"""The director's files in its state directory: what is ours in the kernel, what operators said, what ran last.

A file that cannot be written is a problem that `status` shows until it could be.
"""

from collections.abc import Callable

from haagent.config.model import Config
from haagent.control.paths import accepted_file, operator_file, ownership_file
from haagent.ipvs.plan import Owned
from haagent.pool.operator import Overrides
from haagent.processes import accepted, operator_state, ownership


class StateFiles:
    """`owned` is what is on disk. `complain` gets a sentence once for each new problem."""

    def __init__(self, config: Config, complain: Callable[[str], None]) -> None:
        self._director, self._complain = config.director, complain
        self.owned = Owned()
        self._ownership_problem = self._storage_problem = ""

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(each for each in (self._storage_problem, self._ownership_problem) if each)

    def read_owned(self) -> Owned:
        """A file that cannot be read is complained of, and counts for nothing."""
        owned = ownership.read(ownership_file(self._director))
        if isinstance(owned, str):
            self._complain(owned)
            owned = Owned()
        self.owned = owned
        return owned

    def remember_owned(self, owned: Owned) -> None:
        """What a full disk refuses is tried again with every level: until then the kernel may outlive our memory."""
        if owned == self.owned:
            return
        sentence = ownership.write(ownership_file(self._director), owned) or ""
        if not sentence:
            self.owned = owned
        elif sentence != self._ownership_problem:
            self._complain(sentence)
        self._ownership_problem = sentence

    def read_overrides(self) -> Overrides:
        overrides, self._storage_problem = operator_state.read(operator_file(self._director))
        if self._storage_problem:
            self._complain(self._storage_problem)
        return overrides

    def store_overrides(self, overrides: Overrides) -> str | None:
        """Why operators' words are not on disk; None: they are."""
        sentence = operator_state.write(operator_file(self._director), overrides)
        self._storage_problem = sentence or ""
        if sentence:
            self._complain(sentence)
        return sentence

    def remember_accepted(self, config: Config) -> None:
        """Should this process be killed while the files on disk are broken, the next one goes on with this."""
        if sentence := accepted.write(accepted_file(config.director), config):
            self._complain(sentence)
