"""Asks the further questions about a failed check, one after the other, a few failures at a time (health/diagnosis.py).

It never delays a probe: what is beyond the limits is not asked.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from haagent.health.diagnosis import Answer
from haagent.health.effects import Diagnose
from haagent.health.events import Diagnosed
from haagent.health.probe import Probe, ProbeResult
from haagent.probes.exchange import Done

AT_A_TIME = 8
WAITING = 500  # failures; a pool that fails as a whole has one cause


@dataclass(slots=True)
class Case:
    diagnose: Diagnose
    answers: list[Answer] = field(default_factory=list)


class Diagnoser:
    """`begin` starts a probe, its result goes to the second argument; `tell` gets the answers."""

    def __init__(self, begin: Callable[[Probe, Done], object], tell: Callable[[Diagnosed], None]) -> None:
        self._begin, self._tell = begin, tell
        self._waiting: deque[Case] = deque()
        self._running = 0

    def take(self, diagnose: Diagnose) -> None:
        if len(self._waiting) < WAITING:
            self._waiting.append(Case(diagnose))
            self._next()

    def _next(self) -> None:
        while self._waiting and self._running < AT_A_TIME:
            self._running += 1
            self._ask(self._waiting.popleft())

    def _ask(self, case: Case) -> None:
        asked = case.diagnose.questions[len(case.answers)]
        probe = case.diagnose.probe
        again = Probe(probe.id, asked.check, probe.address, probe.port, through=probe.through, mark=probe.mark)

        def done(result: ProbeResult | Exception) -> None:
            if isinstance(result, Exception):
                result = ProbeResult(False, repr(result), local=True)
            case.answers.append(Answer(asked, result.passed, result.detail))
            if len(case.answers) < len(case.diagnose.questions) and not result.passed:
                self._ask(case)
                return
            self._running -= 1
            self._tell(Diagnosed(probe.id, case.diagnose.failed, tuple(case.answers)))
            self._next()

        self._begin(again, done)
