"""HAAGENT-MIB as a file: a strict reader finds nothing to say, and its numbers are those of the code."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from haagent.mib import haagent as mib
from haagent.mib.tree import Column
from haagent.snapshot import RealServerStatus, RouterStatus, ServiceStatus, Snapshot

MIBS = Path(__file__).parents[2] / "mibs"
MODULE = MIBS / "HAAGENT-MIB.txt"
KINDS = {"Integer32": 2, "INTEGER": 2, "TruthValue": 2, "InetAddressType": 2, "TimeTicks": 67, "Counter32": 65}
KINDS |= {"Counter64": 70, "Gauge32": 66, "Unsigned32": 66, "InetPortNumber": 66, "DisplayString": 4, "InetAddress": 4}


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is missing: install the Debian package smitools")
    return path


def test_smilint_finds_nothing_to_say() -> None:
    search = os.environ | {"SMIPATH": f"{MIBS / 'smi'}:{MIBS}"}
    run = subprocess.run([tool("smilint"), "-l", "4", MODULE], capture_output=True, text=True, env=search, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_smilint_reads_it_at_all() -> None:
    """Nothing to say about a file that it could not open would be no proof."""
    search = os.environ | {"SMIPATH": f"{MIBS / 'smi'}:{MIBS}"}
    command = [tool("smidump"), "-f", "identifiers", MODULE]
    run = subprocess.run(command, capture_output=True, text=True, env=search, check=True)
    found = {line.split()[1]: line.split()[3] for line in run.stdout.splitlines() if len(line.split()) >= 4}
    dotted = ".".join(str(number) for number in (*mib.REAL_SERVER_ENTRY, 19))
    assert found["haagentRealServerTimeInHealth"] == dotted


def declared() -> dict[tuple[str, int], tuple[str, str]]:
    """(parent, number) -> (name, syntax) of each readable object of the module."""
    pattern = r"^(\w+) OBJECT-TYPE\n    SYNTAX +(\w+).*?MAX-ACCESS +([\w-]+).*?::= \{ (\w+) (\d+) \}"
    found = {}
    for name, syntax, access, parent, number in re.findall(pattern, MODULE.read_text(), re.MULTILINE | re.DOTALL):
        if access == "read-only":
            found[parent, int(number)] = (name, syntax)
    return found


def test_the_code_serves_every_readable_object_with_its_syntax_and_nothing_else() -> None:
    parents = {
        "haagentDirector": mib.DIRECTOR,
        "haagentRouterEntry": mib.ROUTER_ENTRY,
        "haagentServiceEntry": mib.SERVICE_ENTRY,
        "haagentRealServerEntry": mib.REAL_SERVER_ENTRY,
    }
    wanted = {(*parents[parent], number): KINDS[syntax] for (parent, number), (_name, syntax) in declared().items()}
    columns: list[Column] = mib.build(Snapshot(director="d", version="v", at=0.0, started_at=0.0))._columns
    assert {column.prefix: int(column.kind) for column in columns} == wanted


@pytest.mark.parametrize(
    ("type_", "prefix"),
    [(RouterStatus, "haagentRouter"), (ServiceStatus, "haagentService"), (RealServerStatus, "haagentRealServer")],
)
def test_each_readable_object_has_the_prefix_of_its_table(type_: type, prefix: str) -> None:
    names = [name for (parent, _number), (name, _syntax) in declared().items() if parent == f"{prefix}Entry"]
    assert len(names) >= len(type_.__struct_fields__) - 6
    assert all(name.startswith(prefix) for name in names)
