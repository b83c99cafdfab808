"""Which command of an administrator runs when: what happened in, commands to start out. Pure.

A lane is one subject: "router web". Its commands run one after the other, in the order of the events, so that two of
them never contradict each other. While one runs, only the newest state waits: a state that has been overtaken is not
told any more, since whoever reacts to it would undo what is right now. Lanes run beside each other, up to a limit.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from haagent.config.model import Hook

CONCURRENT = 16  # commands at once: a failover of 255 routers starts no 255 processes

Lane = tuple[str, str]  # subject, name


@dataclass(frozen=True, slots=True)
class Happened:
    """One entry of the history; `reasserted`: nothing changed, the state is said again."""

    sequence: int
    at: float  # wall clock
    subject: str
    name: str
    previous: str
    state: str
    cause: str
    reasserted: bool = False

    @property
    def lane(self) -> Lane:
        return self.subject, self.name


@dataclass(frozen=True, slots=True)
class StartCommand:
    """Run it, and say `finished` when it has ended."""

    hook: Hook
    event: Happened
    overtaken: int  # how many events of the lane were never told to this hook, since newer ones came


@dataclass(slots=True)
class Waiting:
    """The newest event for one hook, and how many it replaced."""

    event: Happened
    overtaken: int = 0


@dataclass(slots=True)
class Progress:
    """One lane: what runs, what comes next. Only the Queue changes it."""

    running: str = ""  # a hook
    waiting: dict[str, Waiting] = field(default_factory=dict)  # by hook, in the order of arrival
    last: Happened | None = None


class Queue:
    """Each method returns the commands to start now."""

    def __init__(self) -> None:
        self._hooks: dict[str, Hook] = {}
        self._lanes: dict[Lane, Progress] = {}
        self._ready: OrderedDict[Lane, None] = OrderedDict()  # lanes that wait for a free place, in order
        self._running = 0

    @property
    def is_idle(self) -> bool:
        return not self._running and not self._ready

    def set_hooks(self, hooks: Iterable[Hook]) -> list[StartCommand]:
        """A command that runs ends as it began; what waits for a hook that is gone is dropped."""
        self._hooks = {hook.name: hook for hook in hooks}
        for progress in self._lanes.values():
            progress.waiting = {name: each for name, each in progress.waiting.items() if name in self._hooks}
        return self._start()

    def happened(self, event: Happened) -> list[StartCommand]:
        progress = self._lanes.setdefault(event.lane, Progress())
        progress.last = event
        for hook in self._hooks.values():
            before = progress.waiting.pop(hook.name, None)
            if not concerns(hook, event):
                continue  # what waited is not so any more
            overtaken = before.overtaken + 1 if before else 0
            progress.waiting[hook.name] = Waiting(event, overtaken)
        if progress.waiting and not progress.running:
            self._ready.setdefault(event.lane)
        return self._start()

    def reassert(self, event: Happened) -> list[StartCommand]:
        """Say a state again: after a start, or after somebody else claimed to be the one. Nothing if it is news."""
        last = self._lanes[event.lane].last if event.lane in self._lanes else None
        if last is not None and last.state != event.state:
            return []  # an event about that is on its way, or overtook this one
        return self.happened(replace(event, reasserted=True))

    def finished(self, command: StartCommand) -> list[StartCommand]:
        """It ended, however that was."""
        lane = command.event.lane
        progress = self._lanes[lane]
        progress.running = ""
        self._running -= 1
        if progress.waiting:
            self._ready[lane] = None
        return self._start()

    def knows(self, lane: Lane) -> bool:
        """Whether something has happened to it since we started."""
        return lane in self._lanes

    def _start(self) -> list[StartCommand]:
        commands: list[StartCommand] = []
        while self._ready and self._running < CONCURRENT:
            lane, _ = self._ready.popitem(last=False)
            progress = self._lanes[lane]
            if not progress.waiting:
                continue
            name = next(iter(progress.waiting))
            waiting = progress.waiting.pop(name)
            progress.running = name
            self._running += 1
            commands.append(StartCommand(self._hooks[name], waiting.event, waiting.overtaken))
        return commands


def concerns(hook: Hook, event: Happened) -> bool:
    """A real server is named "service/server"; `names` may hold that, or the server's name in any service."""
    names = (event.name, event.name.rpartition("/")[2])
    return (
        event.subject in hook.on
        and (not hook.names or any(name in hook.names for name in names))
        and (not hook.states or event.state in hook.states)
    )
