"""Topology files: what they mean, and that every mistake is named with its place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.lab.marks import Problem
from haagent.lab.topology import Bind, Endpoint, Link, Topology, parse

SHIPPED = sorted((Path(__file__).parents[3] / "containerlab").glob("*.clab.yml"))
FILE = Path("/labs/a.clab.yml")

GOOD = """\
name: small
topology:
  defaults:
    kind: linux
    env: {COLOUR: red, SIZE: 1}
    exec: ["echo defaults"]
    binds: ["common:/etc/common", "common:/etc/both"]
  kinds:
    linux:
      image: haagent:latest
      env: {COLOUR: blue}
      exec: ["echo kind"]
      cmd: sleep 1
    bridge:
  nodes:
    switch: {kind: bridge}
    a:
      exec: ["sh -c 'echo two words'"]
      binds: ["own.txt:/etc/both:ro", "/abs:/etc/abs"]
      env: {COLOUR: true}
      labels: {role: director}
      group: g
    b: {cmd: "sleep 2", image: other, network-mode: none}
  links:
    - endpoints: ["a:eth1", "switch:port-a"]
    - endpoints: ["b:eth1", "switch:port-b"]
      mtu: 1500
"""


def topology(text: str) -> Topology:
    result = parse(text, FILE)
    assert isinstance(result, Topology), [str(problem) for problem in result]
    return result


def complaints(text: str) -> list[str]:
    result = parse(text, FILE)
    assert not isinstance(result, Topology)
    assert all(problem.file == str(FILE) for problem in result)
    return [f"{problem.line}:{problem.column}: {problem.message}" for problem in result]


def test_a_node_inherits_from_its_kind_and_the_defaults():
    a = topology(GOOD).node("a")
    assert a is not None
    assert (a.image, a.command, a.group, a.labels) == ("haagent:latest", ("sleep", "1"), "g", {"role": "director"})
    assert a.env == {"COLOUR": "true", "SIZE": "1"}
    assert a.exec == (("echo", "defaults"), ("echo", "kind"), ("sh", "-c", "echo two words"))
    assert a.binds == (
        Bind(Path("/labs/common"), Path("/etc/common")),
        Bind(Path("/labs/own.txt"), Path("/etc/both"), read_only=True),
        Bind(Path("/abs"), Path("/etc/abs")),
    )


def test_a_nodes_own_value_wins():
    b = topology(GOOD).node("b")
    assert b is not None
    assert (b.command, b.image, b.env["COLOUR"]) == (("sleep", "2"), "other", "blue")


def test_a_bridge_takes_nothing_of_a_hosts_defaults():
    switch = topology(GOOD).node("switch")
    assert switch is not None
    assert (switch.kind, switch.exec, switch.binds, switch.command) == ("bridge", (), (), ())


def test_links_have_containerlabs_mtu_unless_told():
    assert topology(GOOD).links == (
        Link(Endpoint("a", "eth1"), Endpoint("switch", "port-a"), 9500),
        Link(Endpoint("b", "eth1"), Endpoint("switch", "port-b"), 1500),
    )


def with_node(text: str) -> str:
    return f"name: x\ntopology:\n  nodes:\n    a:\n      kind: linux\n      {text}\n"


def with_link(text: str) -> str:
    nodes = "a: {kind: linux}\n    b: {kind: linux}\n    s: {kind: bridge}\n    t: {kind: bridge}"
    return f"name: x\ntopology:\n  nodes:\n    {nodes}\n  links:\n    - {text}\n"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "1:1", "empty"),
        ("a: [\n]]", "2:2", "not YAML"),
        ("a: \x00", "1:4", "not YAML"),
        ("a: 1\n---\nb: 1", "2:1", "not YAML"),
        ("- a", "1:1", "must be a mapping"),
        ("topology: {nodes: {a: {kind: linux}}}", "1:1", "'name' is missing"),
        ("name: a/b\ntopology: {nodes: {a: {kind: linux}}}", "1:7", "must be letters"),
        ("name: x", "1:1", "'topology' is missing"),
        ("name: x\ntopology:\n  links: []", "3:3", "'nodes' is missing"),
        ("name: x\nname: y\ntopology: {nodes: {a: {kind: linux}}}", "2:1", "duplicate key 'name'"),
        ("name: x\nmgmt: {}\ntopology: {nodes: {a: {kind: linux}}}", "2:1", "'mgmt' is not supported"),
        ("name: x\ntopology:\n  groups: {}\n  nodes: {a: {kind: linux}}", "3:3", "'groups' is not supported"),
        ("name: x\ntopology:\n  kinds: {srl: {}}\n  nodes: {a: {kind: linux}}", "3:11", "kind 'srl' is not supported"),
        ("name: x\ntopology:\n  kinds: {bridge: {cmd: x}}\n  nodes: {a: {kind: linux}}", "3:20", "'cmd' is not supp"),
        ("name: x\ntopology:\n  nodes:\n    a:", "4:5", "'kind' is missing"),
        ("name: x\ntopology:\n  nodes:\n    a: {kind: ceos}", "4:15", "'ceos' is not supported"),
        ("name: x\ntopology:\n  nodes:\n    a b: {kind: linux}", "4:5", "must be letters"),
        ("name: x\ntopology:\n  nodes:\n    s: {kind: bridge, exec: [x]}", "4:23", "a bridge has no 'exec'"),
        ("name: x\ntopology:\n  nodes:\n    a-very-long-switch: {kind: bridge}", "4:5", "at most 15"),
        (with_node("ports: [80]"), "6:7", "'ports' is not supported"),
        (with_node("exec: ls"), "6:13", "must be a list"),
        (with_node('exec: ["a \'b"]'), "6:14", "no closing quotation"),
        (with_node("cmd: ''"), "6:12", "the command is empty"),
        (with_node("cmd: [a]"), "6:12", "must be text"),
        (with_node("env: {A: $HOME}"), "6:16", "replace the variable"),
        (with_node("env: {A: [1]}"), "6:16", "must be text"),
        (with_node("binds: [/var/lib/x]"), "6:15", "HOST_PATH:/NODE_PATH"),
        (with_node("binds: ['a:b']"), "6:15", "HOST_PATH:/NODE_PATH"),
        (with_node("binds: ['a:/b:z']"), "6:15", "HOST_PATH:/NODE_PATH"),
        (with_node("binds: ['~/a:/b']"), "6:15", "only absolute paths"),
        (with_node("binds: ['a:/']"), "6:15", "must lie below /"),
        (with_node("network-mode: host"), "6:21", "only 'none'"),
        (with_link("endpoints: [a:eth1]"), "9:18", "must be two"),
        (with_link("mtu: 1500"), "9:7", "must be two"),
        (with_link("type: veth"), "9:7", "'type' is not supported"),
        (with_link("{endpoints: [a:eth1, b:eth1], mtu: big}"), "9:42", "whole number from 68"),
        (with_link("{endpoints: [a:eth1, b:eth1], mtu: 67}"), "9:42", "whole number from 68"),
        (with_link("endpoints: [a, b:eth1]"), "9:19", "must be node:interface"),
        (with_link("endpoints: [c:eth1, b:eth1]"), "9:19", "no node 'c'"),
        (with_link("endpoints: [a:lo, b:eth1]"), "9:19", "cannot be an interface name"),
        (with_link("endpoints: [a:interface-number-1, b:eth1]"), "9:19", "at most 15"),
        (with_link("endpoints: [a:eth1, a:eth1]"), "9:27", "in use already"),
        (with_link("endpoints: [a:eth1, s:p]\n    - endpoints: [b:eth1, t:p]"), "10:27", "unique among bridges"),
    ],
)
def test_a_mistake_is_named_with_its_place(text, place, words):
    found = complaints(text)
    assert any(line.startswith(f"{place}: ") and words in line for line in found), found


def test_all_mistakes_are_reported_at_once_in_order():
    found = complaints(
        "name: x\ntopology:\n  nodes:\n    a: {kind: linux, ports: []}\n    b: {kind: nothing}\n"
        "  links:\n    - endpoints: [a:eth1, c:eth1]\n      vars: {}\n"
    )
    assert [line.split(":")[0] for line in found] == ["4", "5", "7", "8"]


def test_a_problem_reads_like_a_compilers():
    assert str(Problem("a.yml", 3, 7, "is wrong")) == "a.yml:3:7: is wrong"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_topologies_parse_and_their_binds_exist(path):
    shipped = parse(path.read_text(), path)
    assert isinstance(shipped, Topology), [str(problem) for problem in shipped]
    assert path.name == f"{shipped.name}.clab.yml"
    assert [bind for node in shipped.nodes for bind in node.binds if not bind.source.exists()] == []


def test_the_demos_topologies_are_shipped():
    assert {path.name for path in SHIPPED} >= {"pair-dr.clab.yml", "pair-nat.clab.yml"}


@given(st.text() | st.text(alphabet="abn{}[]:,-?&*!|>'\"%@\t\n \0\ud800<"))
def test_any_text_is_a_topology_or_problems(text):
    result = parse(text, FILE)
    assert isinstance(result, Topology) or (result and all(isinstance(problem, Problem) for problem in result))


@given(st.data())
def test_a_damaged_file_is_a_topology_or_problems(data):
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, min(len(GOOD), start + 40)))
    damaged = GOOD[:start] + data.draw(st.text(max_size=10)) + GOOD[end:]
    result = parse(damaged, FILE)
    assert isinstance(result, Topology) or (result and all(isinstance(problem, Problem) for problem in result))


def test_deep_nesting_is_a_problem():
    assert "nested too deeply" in complaints("[" * 100_000)[0]
