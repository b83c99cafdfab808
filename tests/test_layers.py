"""Imports point down only (docs/architecture.md): read from the syntax trees, so that nothing has to be imported.

Three tables: what each folder may import of ours, what pure folders may not import at all, and where each third-party
library is at home. An exception is data with its reason.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "haagent"

# What a folder or module may import of this package. A name covers everything below it.
VOCABULARY = (  # layer 1 as seen by the adapters: effects, tables, codecs, states
    "haagent.vrrp.address", "haagent.vrrp.advertisement", "haagent.vrrp.checksum", "haagent.vrrp.effects",
    "haagent.vrrp.events", "haagent.vrrp.settings",
    "haagent.vrrp.virtual_router", "haagent.health.probe", "haagent.health.effects", "haagent.health.events",
    "haagent.health.check", "haagent.health.transcript",
    "haagent.ipvs", "haagent.agentx", "haagent.config.model", "haagent.config.checks",
)  # fmt: skip
DOMAINS = (
    "haagent.vrrp", "haagent.health", "haagent.pool", "haagent.ipvs", "haagent.agentx", "haagent.mib",
    "haagent.snapshot", "haagent.config.model",
)  # fmt: skip
SHELLS = (
    "haagent.core",
    "haagent.view",
    "haagent.preview",
    "haagent.operate",
    "haagent.handover",
    "haagent.hooks",
    "haagent.why",
    "haagent.version",
    "haagent.linux",
    "haagent.probes",
    *DOMAINS,
)
LAYERS: dict[str, tuple[str, ...]] = {
    # 0
    "haagent.config.model": ("haagent.config.checks",),
    "haagent.config.checks": (),
    "haagent.version": (),
    "haagent.snapshot": ("haagent.config.model",),
    # 1: the domains
    "haagent.vrrp": ("haagent.vrrp",),
    "haagent.health": ("haagent.health", "haagent.config.model", "haagent.config.checks"),
    "haagent.ipvs": ("haagent.ipvs", "haagent.config.model"),
    "haagent.pool": (
        "haagent.pool", "haagent.health", "haagent.ipvs",
        "haagent.config.model", "haagent.snapshot",
        "haagent.vrrp.settings",
    ),
    "haagent.recipe": ("haagent.recipe", "haagent.pool", "haagent.config.model"),
    "haagent.agentx": ("haagent.agentx",),
    "haagent.hooks": ("haagent.hooks", "haagent.config.model"),
    "haagent.sniff": ("haagent.sniff", "haagent.vrrp"),
    "haagent.mib": ("haagent.mib", "haagent.agentx", "haagent.snapshot", "haagent.config.model"),
    # 2: the core, the adapters
    "haagent.core": ("haagent.core", *DOMAINS),
    "haagent.view": (*DOMAINS, "haagent.core", "haagent.version"),
    "haagent.preview": (*DOMAINS, "haagent.core"),
    "haagent.why": (*DOMAINS, "haagent.core", "haagent.view"),
    "haagent.operate": (*DOMAINS, "haagent.core"),
    "haagent.handover": (*DOMAINS,),
    "haagent.linux": ("haagent.linux", *VOCABULARY),
    "haagent.probes": ("haagent.probes", *VOCABULARY),
    "haagent.sniff.capture": ("haagent.sniff.records",),
    # 3: the shells
    "haagent.processes": ("haagent.processes", "haagent.control", "haagent.config", *SHELLS),
    "haagent.control": ("haagent.control", "haagent.processes", "haagent.config", *SHELLS),
    # 4: entry
    "haagent.config": ("haagent.config", "haagent.ipvs.table", "haagent.snapshot"),
    "haagent.lab": ("haagent",),
    "haagent.cli": ("haagent",),
    "haagent.__main__": ("haagent",),
}  # fmt: skip

# (importer, imported) -> why the table gives way
EXCEPTIONS: dict[tuple[str, str], str] = {
    **{
        (f"haagent.core.{name}", "haagent.processes.messages"): (
            "Probe is the message's own struct: the level goes out as it is; the module is data and codec"
        )
        for name in ("probing", "effects", "standing")
    },
    ("haagent.handover", "haagent.control.requests"): "HandOver is the request itself; the module is data",
    ("haagent.operate", "haagent.control.requests"): "Operate is the request itself; the module is data",
    ("haagent.why", "haagent.control.requests"): "it builds the answer; the module is data",
    ("haagent.why", "haagent.processes.history"): "Entry is what the answer holds; the file is read by the shell",
    ("haagent.preview", "haagent.control.requests"): "Step is what the plan is answered with; the module is data",
}

PURE = (
    "vrrp", "health", "pool", "ipvs", "agentx", "mib", "hooks", "sniff", "snapshot", "core", "view", "preview",
    "operate", "handover",
    "recipe", "why",
)  # fmt: skip
PURE_BUT = ("haagent.sniff.capture",)  # the adapter of its folder
IMPURE_MODULES = frozenset(
    ("socket", "select", "selectors", "asyncio", "time", "random", "secrets", "subprocess", "threading", "signal", "os",
     "logging", "structlog", "uvloop", "pathlib", "tempfile", "io", "multiprocessing", "concurrent", "shutil", "uuid")
)  # fmt: skip

# One third party, one home: the only places that import it
HOMES: dict[str, tuple[str, ...]] = {
    "pyroute2": ("haagent.linux",),
    "scapy": ("haagent.sniff.capture",),
    "pysnmp": ("haagent.snmp",),
    "structlog": ("haagent.processes.log",),
    "httptools": ("haagent.probes.http",),
    "uvloop": ("haagent.processes", "haagent.cli"),
    "yaml": ("haagent.lab",),
}


def modules() -> dict[str, ast.Module]:
    """Every module of the package by its dotted name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text())
        for path in sorted(PACKAGE.rglob("*.py"))
    }


MODULES = modules()


def imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names of everything imported, wherever in the file; `from a import b` gives a.b where that is a module."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                submodules = [f"{module}.{each.name}" for each in names if f"{module}.{each.name}" in MODULES]
                yield from submodules
                if len(submodules) < len(names):
                    yield module
            case ast.ImportFrom(level=level) if level:
                yield "a relative import"


def covers(names: tuple[str, ...], imported: str) -> bool:
    return any(imported == each or imported.startswith(f"{each}.") for each in names)


def rule_of(module: str) -> tuple[str, ...]:
    """The row of the longest name that covers the module."""
    rows = [name for name in LAYERS if covers((name,), module)]
    assert rows, f"{module} has no row in LAYERS: say on which layer it stands"
    return LAYERS[max(rows, key=len)]


@pytest.mark.parametrize("module", [name for name in MODULES if name != "haagent"])
def test_imports_point_down(module: str) -> None:
    allowed = rule_of(module)
    wrong = {
        each
        for each in imports(MODULES[module])
        if covers(("haagent", "a relative import"), each)
        and not covers(allowed, each)
        and (module, each) not in EXCEPTIONS
    }
    assert not wrong, f"{module} imports {sorted(wrong)}; its layer may import {allowed}"


@pytest.mark.parametrize(
    "module",
    [name for name in MODULES if "." in name and name.split(".")[1] in PURE and name not in PURE_BUT],
)
def test_pure_modules_know_no_clock_no_chance_no_wire(module: str) -> None:
    impure = {each for each in imports(MODULES[module]) if each.split(".")[0] in IMPURE_MODULES}
    if names_of_random(MODULES[module]) <= {"Random"}:
        impure.discard("random")  # a source of chance that the caller gives is an argument like any other
    assert not impure


def names_of_random(tree: ast.Module) -> set[str]:
    """What is taken out of the module `random`; "random" stands for all of it."""
    taken = {
        each.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "random"
        for each in node.names
    }
    whole = any(isinstance(node, ast.Import) and any(e.name == "random" for e in node.names) for node in ast.walk(tree))
    return taken | ({"random"} if whole else set())


@pytest.mark.parametrize("module", MODULES)
def test_every_third_party_has_one_home(module: str) -> None:
    strangers = {each.split(".")[0] for each in imports(MODULES[module])} & HOMES.keys()
    astray = {each for each in strangers if not covers(HOMES[each], module)}
    assert not astray, f"{module} imports {sorted(astray)}, at home in {[HOMES[each] for each in astray]}"


def reached_from(module: str) -> dict[str, str]:
    """Everything that importing a module imports, transitively: name -> one importer. Packages on the way count."""
    seen: dict[str, str] = {}
    todo = [(module, "")]
    while todo:
        name, importer = todo.pop()
        if name in seen:
            continue
        seen[name] = importer
        if name in MODULES:
            parents = [".".join(name.split(".")[:count]) for count in range(1, name.count(".") + 1)]
            todo += [(each, name) for each in (*parents, *imports(MODULES[name]))]
    return seen


def test_the_vrrp_process_reaches_the_standard_library_alone() -> None:
    """Nothing installed beside it can delay or break an advertisement (design.md, section 3, item 4)."""
    reached = reached_from("haagent.processes.vrrp")
    foreign = {
        name: importer
        for name, importer in reached.items()
        if name.split(".")[0] not in sys.stdlib_module_names and name not in MODULES
    }
    assert not foreign
    assert "haagent.vrrp.speaker" in reached  # the walk got somewhere


def test_the_vrrp_process_loads_no_event_loop() -> None:
    assert not {"asyncio", "logging"} & reached_from("haagent.processes.vrrp").keys()


@pytest.mark.parametrize(("importer", "imported"), EXCEPTIONS)
def test_exceptions_are_still_needed(importer: str, imported: str) -> None:
    assert imported in set(imports(MODULES[importer]))
    assert not covers(rule_of(importer), imported)


@pytest.mark.parametrize("folder", [name for name in LAYERS if name in MODULES])
def test_every_row_is_a_module(folder: str) -> None:
    assert folder in MODULES
