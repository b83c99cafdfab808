"""Groups of virtual routers in the configuration, and words about preemption that exclude each other."""

from pathlib import Path

import pytest

from haagent.config.load import load
from haagent.config.model import Config, FileTrack, ProcessTrack, ScriptTrack

HEAD = '[director]\nnames = ["d1", "d2"]\n'
ROUTER = """[virtual_router.{name}]
interface = "{interface}"
vrid = {vrid}
priority = {{ d1 = 200, d2 = 100 }}
virtual_addresses = ["192.0.2.{vrid}/24"]
"""
INSIDE = ROUTER.format(name="inside", interface="eth1", vrid=51)
OUTSIDE = ROUTER.format(name="outside", interface="eth0", vrid=52)
GROUP = '[virtual_router_group.nat]\nrouters = ["inside", "outside"]\n'


def read(folder: Path, text: str) -> Config | list[str]:
    (folder / "a.toml").write_text(HEAD + text)
    loaded = load(folder, "d1")
    return loaded if isinstance(loaded, Config) else [str(each).split(": ", 1)[1] for each in loaded]


def test_a_group(tmp_path: Path) -> None:
    config = read(tmp_path, INSIDE + OUTSIDE + GROUP)
    assert isinstance(config, Config)
    assert [(each.name, each.routers) for each in config.virtual_router_groups] == [("nat", ("inside", "outside"))]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            INSIDE + '[virtual_router_group.nat]\nrouters = ["inside", "outsid"]\n' + OUTSIDE,
            'virtual_router_group.nat.routers: there is no virtual router "outsid"; did you mean "outside"?',
        ),
        (
            INSIDE + OUTSIDE + GROUP + '[virtual_router_group.other]\nrouters = ["inside"]\n',
            'virtual_router_group.other.routers: "inside" is in virtual_router_group.nat already',
        ),
        (
            INSIDE + OUTSIDE + "preempt = false\n" + GROUP,
            "virtual_router.outside.preempt: is false here and true in virtual_router.inside;"
            " routers of one group move as one: give them the same",
        ),
        (
            INSIDE + OUTSIDE + "advertisement_interval = 0.5\n" + GROUP,
            "virtual_router.outside.advertisement_interval: is 0.5 here and 1 in virtual_router.inside;"
            " routers of one group move as one: give them the same",
        ),
        (
            INSIDE + "preempt = false\npreempt_delay = 5\n",
            "virtual_router.inside.preempt_delay: has no effect with preempt = false; expected one of them",
        ),
        (
            INSIDE + "guarded_takeover = false\nguard_time = 5\n",
            "virtual_router.inside.guard_time: has no effect with guarded_takeover = false; expected one of them",
        ),
        (
            INSIDE + 'track = [{ script = ["check"], fault = true }]\n',
            'virtual_router.inside.track[0].script: expected an absolute path as its first word, got "check"',
        ),
        (
            INSIDE + 'track = [{ file = "/run/maintenance" }]\n',
            "virtual_router.inside.track[0]: changes nothing; give it fault = true or a priority",
        ),
    ],
)
def test_wrong(tmp_path: Path, text: str, sentence: str) -> None:
    assert read(tmp_path, text) == [sentence]


@pytest.mark.parametrize(("key", "word"), [("sticky = true", "always preempts"), ("hold_off = 5", "waits for nobody")])
def test_the_owner_is_neither_sticky_nor_patient(tmp_path: Path, key: str, word: str) -> None:
    found = read(tmp_path, INSIDE.replace("d1 = 200", "d1 = 255") + key + "\n")
    assert isinstance(found, list)
    assert word in found[0]


def test_what_can_be_tracked(tmp_path: Path) -> None:
    tracks = (
        'track = [{ script = ["/usr/lib/check", "x"], priority = -20 }, { file = "/run/maintenance", fault = true },'
        ' { file = "/run/term", when = "value" }, { process = "nginx", fault = true }]\n'
    )
    config = read(tmp_path, INSIDE + tracks)
    assert isinstance(config, Config)
    assert config.virtual_routers[0].track == (
        ScriptTrack(script=("/usr/lib/check", "x"), priority=-20),
        FileTrack(file="/run/maintenance", fault=True),
        FileTrack(file="/run/term", when="value"),
        ProcessTrack(process="nginx", fault=True),
    )
