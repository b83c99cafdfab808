"""Serial for each subject, the newest state wins, nothing stale is told, and everything ends idle."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from haagent.config.model import Hook
from haagent.hooks.queue import CONCURRENT, Happened, Queue, StartCommand, concerns


def hook(name: str = "tell", **changes: object) -> Hook:
    values: dict[str, object] = {"name": name, "on": ("router",), "command": ("/bin/true",), **changes}
    return Hook(**values)  # type: ignore[arg-type]


def event(sequence: int, state: str, name: str = "web", subject: str = "router") -> Happened:
    return Happened(sequence, 0.0, subject, name, "before", state, "because")


def queue(*hooks: Hook) -> Queue:
    each = Queue()
    assert each.set_hooks(hooks) == []
    return each


def states(commands: list[StartCommand]) -> list[tuple[str, str, int]]:
    return [(each.hook.name, each.event.state, each.overtaken) for each in commands]


def test_what_concerns_a_hook() -> None:
    assert concerns(hook(), event(1, "active"))
    assert not concerns(hook(on=("service",)), event(1, "active"))
    assert concerns(hook(names=("web",)), event(1, "active"))
    assert not concerns(hook(names=("mail",)), event(1, "active"))
    assert not concerns(hook(states=("backup",)), event(1, "active"))
    server = event(1, "down", "web/rs1", "real_server")
    assert concerns(hook(on=("real_server",), names=("rs1",)), server)
    assert concerns(hook(on=("real_server",), names=("web/rs1",)), server)
    assert not concerns(hook(on=("real_server",), names=("web",)), server)


def test_one_at_a_time_and_the_newest_of_those_that_came_meanwhile() -> None:
    each = queue(hook())
    (first,) = each.happened(event(1, "active"))
    assert each.happened(event(2, "backup")) == []
    assert each.happened(event(3, "active")) == []
    assert each.happened(event(4, "backup")) == []
    second = each.finished(first)
    assert states(second) == [("tell", "backup", 2)]
    assert each.finished(second[0]) == []
    assert each.is_idle


def test_a_state_that_does_not_interest_makes_what_waits_stale() -> None:
    each = queue(hook(states=("active",)), hook("other", states=("backup",)))
    (first,) = each.happened(event(1, "active"))
    assert each.happened(event(2, "active")) == []
    assert each.happened(event(3, "backup")) == []
    assert states(each.finished(first)) == [("other", "backup", 0)]


def test_subjects_do_not_wait_for_each_other() -> None:
    each = queue(hook())
    assert len(each.happened(event(1, "active", "web"))) == 1
    assert len(each.happened(event(2, "active", "mail"))) == 1


def test_two_hooks_of_one_router_run_one_after_the_other() -> None:
    each = queue(hook("a"), hook("b"))
    (first,) = each.happened(event(1, "active"))
    (second,) = each.finished(first)
    assert (first.hook.name, second.hook.name) == ("a", "b")


def test_no_more_than_the_limit_at_once() -> None:
    each = queue(hook())
    started = [command for number in range(40) for command in each.happened(event(number, "active", f"r{number}"))]
    assert len(started) == CONCURRENT
    (following,) = each.finished(started[0])
    assert following.event.name == f"r{CONCURRENT}"


def test_a_hook_that_is_gone_is_not_run_any_more() -> None:
    each = queue(hook())
    (first,) = each.happened(event(1, "active"))
    each.happened(event(2, "backup"))
    assert each.set_hooks(()) == []
    assert each.finished(first) == []
    assert each.is_idle


def test_a_state_is_said_again_unless_it_is_news() -> None:
    each = queue(hook())
    assert not each.knows(("router", "web"))
    (first,) = each.reassert(event(0, "active"))
    assert first.event.reasserted
    each.finished(first)
    assert each.reassert(event(0, "backup")) == []  # an old report: the transition comes by itself
    (again,) = each.reassert(event(0, "active"))
    assert again.event.reasserted


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["web", "mail", "ssh"]), st.sampled_from(["active", "backup", "initialize"])),
            st.none(),  # the oldest command ends
        ),
        max_size=60,
    )
)
def test_in_the_end_each_hook_was_told_the_last_state_and_never_two_at_once(
    steps: list[tuple[str, str] | None],
) -> None:
    each = queue(hook("all"), hook("active", states=("active",)))
    running: deque[StartCommand] = deque()
    told: dict[tuple[str, str], Happened] = {}
    last: dict[str, str] = {}

    def start(commands: list[StartCommand]) -> None:
        for command in commands:
            assert command.event.name not in [other.event.name for other in running]
            running.append(command)
            before = told.get((command.hook.name, command.event.name))
            assert before is None or before.sequence < command.event.sequence
            told[command.hook.name, command.event.name] = command.event

    for number, step in enumerate(steps, 1):
        if step is None:
            if running:
                start(each.finished(running.popleft()))
        else:
            last[step[0]] = step[1]
            start(each.happened(event(number, step[1], step[0])))
    while running:
        start(each.finished(running.popleft()))
    assert each.is_idle
    for name, state in last.items():
        assert told["all", name].state == state
        if state == "active":
            assert told["active", name].sequence == told["all", name].sequence
