"""How the steps of a plan look."""

import argparse
import json

import pytest

from haagent.cli.plan import show
from haagent.control.requests import Step

STEPS = (
    Step(action="add", subject="service", name="tcp 198.51.100.100:80", after="wlc"),
    Step(
        action="set",
        subject="destination",
        name="tcp 198.51.100.100:80 -> 198.51.100.11:80",
        before="direct_routing weight 1",
        after="direct_routing weight 2",
    ),
    Step(action="remove", subject="address", name="198.51.100.100/24 on eth0", before="left by a predecessor"),
)
AS_TEXT, AS_JSON = argparse.Namespace(json=False), argparse.Namespace(json=True)


def test_steps_are_lines_in_order(capsys):
    assert show(STEPS, AS_TEXT) == 2
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "+ service tcp 198.51.100.100:80 wlc",
        "~ destination tcp 198.51.100.100:80 -> 198.51.100.11:80 direct_routing weight 1 -> direct_routing weight 2",
        "- address 198.51.100.100/24 on eth0 left by a predecessor",
    ]


@pytest.mark.parametrize(("options", "words"), [(AS_TEXT, "nothing to change\n"), (AS_JSON, "[]\n")])
def test_nothing_is_exit_0(options, words, capsys):
    assert show((), options) == 0
    assert capsys.readouterr().out == words


def test_json_has_every_field(capsys):
    assert show(STEPS, AS_JSON) == 2
    first = json.loads(capsys.readouterr().out)[0]
    assert first == {
        "action": "add",
        "subject": "service",
        "name": "tcp 198.51.100.100:80",
        "before": "",
        "after": "wlc",
    }
