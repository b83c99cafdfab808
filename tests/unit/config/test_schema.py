"""The JSON Schema accepts the sample, refuses what validation refuses, and says every key and default."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from haagent.config import shape
from haagent.config.reading import Reading
from haagent.config.schema import as_json, of_table, schema

SAMPLE = Path(__file__).parents[3] / "haagent.conf.d"
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}


def accepts(rule: dict[str, Any], value: Any) -> bool:
    """As much of JSON Schema as ours uses."""
    kind = TYPES.get(rule.get("type", ""), object)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind in (int, (int, float))):
        return False
    if "const" in rule and value != rule["const"]:
        return False
    if "enum" in rule and value not in rule["enum"]:
        return False
    if "anyOf" in rule and not any(accepts(each, value) for each in rule["anyOf"]):
        return False
    if isinstance(value, str):
        return re.search(rule.get("pattern", ""), value) is not None
    if isinstance(value, dict):
        return len(value) >= rule.get("minProperties", 0) and _table(rule, value)
    if isinstance(value, list):
        is_sized = rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value))
        return is_sized and all(accepts(rule.get("items", {}), each) for each in value)
    return not isinstance(value, int | float) or rule.get("minimum", value) <= value <= rule.get("maximum", value)


def _table(rule: dict[str, Any], value: dict[str, Any]) -> bool:
    if any(key not in value for key in rule.get("required", ())):
        return False
    for key, each in value.items():
        rules = [rule["properties"][key]] if key in rule.get("properties", {}) else []
        rules += [known for pattern, known in rule.get("patternProperties", {}).items() if re.search(pattern, key)]
        if not rules and rule.get("additionalProperties") is False:
            return False
        if not all(accepts(known, each) for known in rules):
            return False
    return True


def test_the_sample_is_accepted_file_by_file() -> None:
    files = list(SAMPLE.glob("*.toml"))
    assert len(files) == 3
    for file in files:
        assert accepts(schema(), tomllib.loads(file.read_text())), file


@pytest.mark.parametrize(
    ("text", "is_accepted"),
    [
        ("virtual_router.r.priority = { d1 = 1, d2 = 2 }", True),
        ("virtual_router.r.priority = 255", True),
        ("virtual_router.r.priority = 256", False),
        ("virtual_router.r.priority = { d1 = 0 }", False),
        ("virtual_router.r.prio = 1", False),
        ('virtual_router.r.virtual_addresses = ["198.51.100.1/24", "198.51.100.2"]', True),
        ('virtual_router.r.virtual_addresses = ["198.51.100.1/33"]', False),
        ("virtual_router.r.virtual_addresses = []", False),
        ('virtual_router.r.track = [{ pool = "s" }, { interface = "eth0" }]', True),
        ("virtual_router.r.track = [{ fault = true }]", False),
        ('virtual_router."a b".vrid = 1', False),
        ('check.c = { type = "tcp", port = 1 }', True),
        ('check.c = { type = "tcp", path = "/" }', False),
        ('check.c = { type = "http", path = "/" }', True),
        ('virtual_service.s.sorry_server = { d1 = { address = "198.51.100.1" } }', True),
        ("virtual_service.s.sorry_server = { port = 1 }", False),
        ('virtual_service.s.real_servers = [{ name = "a" }]', False),
        ('virtual_service.s.scheduler = "rrr"', False),
        ("x = 1", False),
    ],
)
def test_accepts_as_validation_does(text: str, is_accepted: bool) -> None:
    assert accepts(schema(), tomllib.loads(text)) is is_accepted


def test_defaults_come_from_the_model() -> None:
    router = schema()["properties"]["virtual_router"]["patternProperties"].popitem()[1]["properties"]
    assert router["advertisement_interval"]["default"] == 1.0
    assert router["track"]["default"] == []
    assert "default" not in router["vrid"]


def test_as_json() -> None:
    assert json.loads(as_json(schema())) == schema()


TABLES = [
    *shape.SINGLE.values(),
    shape.VIRTUAL_ROUTER,
    shape.VIRTUAL_ROUTER_GROUP,
    shape.VIRTUAL_SERVICE,
    shape.REAL_SERVER,
    shape.SORRY_SERVER,
    *shape.CHECK.tables.values(),
    *shape.TRACK.tables.values(),
    shape.TUNNEL,
]
VALUES = """
values = [-1, 0, 1, 2, 7, 256, 1400, 65535, 65536, 0.01, 1.5, 40.95, 1e9, true, "", "x", "/x", "a b", 07:32:00,
"198.51.100.7", "198.51.100.7/24", "tcp", "GET", "auto", "reply", "empty", "exists", "report", "ignore",
"mh", "quiesce", "udp",
"gue", "none", "sip", "ipv6", "masquerading", "unix:/x",
["x"], [200], ["udp"], ["80", "8000-8010"],
 ["198.51.100.7"], ["port"], [], {}, [[]], [{}], [{pool="x"}], [{name="x", address="198.51.100.7"}],
{address="198.51.100.7"}, {d1=1, d2=2}, {d1=0.5, d2=3}, {d1="x", d2="/x"}, {d1=[], d2=["x"]}, {d1={}, d2={}}, {d1=1},
"1.1", "A", "NOERROR", "any", "exit_code", "00 ff", ["/x"], {x="y"},
"224.0.0.81", {"net.ipv4.vs.sloppy_tcp"=1}, ["net.ipv4.ip_forward"],
{d1="192.0.2.1:5406", d2="[2001:db8::2]:5406"}, {interface="x", peers=["198.51.100.7"]},
{keys=[{id=1, file="/x"}], active_key=1}]"""


@pytest.mark.parametrize("table", TABLES, ids=[table.struct.__name__ for table in TABLES])
def test_nothing_that_validation_accepts_is_refused(table: shape.Table) -> None:
    for key in table.keys:
        accepted = 0
        for value in tomllib.loads(VALUES)["values"]:
            readings = [Reading(name, ("d1", "d2"), is_complete=True) for name in ("d1", "d2")]
            for reading in readings:
                reading.table(table, {key: value}, ())
            is_valid = not any(found.path[0] == key for reading in readings for found in reading.found)
            accepted += is_valid
            assert accepts(of_table(table), {key: value}) or not is_valid, (key, value)
        assert 0 < accepted < len(tomllib.loads(VALUES)["values"]), key
