"""haagent.conf.d -> the frozen model of one director, or every error that is in it, each with its place.

The steps: read and merge the files (directory.py), resolve and validate key by key (reading.py over shape.py), look for
contradictions (cross_checks.py), and only then build model.py's structs. Places are looked up only for errors.
"""

import socket
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any

from haagent.config.cross_checks import Drafts, cross_check, owners
from haagent.config.directory import Places, Source, merge, read
from haagent.config.error import ConfigError, Found
from haagent.config.model import Config
from haagent.config.reading import Draft, Reading, build, suggest
from haagent.config.service_rules import apply_rules
from haagent.config.shape import DIRECTOR, NAMED, SINGLE
from haagent.config.values import NAME, Wrong, describe

__all__ = ["ConfigError", "check", "load", "load_all"]


def load(directory: FilePath, name: str | None) -> Config | list[ConfigError]:
    """The configuration of the director `name` (None: the host's name, also without its domain), or every error."""
    loaded = _load(directory, _host_names() if name is None else [name], is_given=name is not None)
    return loaded if isinstance(loaded, list) else next(iter(loaded.values()))


def load_all(directory: FilePath, name: str | None) -> dict[str, Config] | list[ConfigError]:
    """The configurations by director: the one of `name`, or with None those of all."""
    return _load(directory, [] if name is None else [name], is_given=True)


def check(directory: FilePath, name: str | None) -> list[ConfigError]:
    """Every error for the director `name`, or with None for any director; each once, in the order of the files."""
    loaded = load_all(directory, name)
    return loaded if isinstance(loaded, list) else []


def _host_names() -> list[str]:
    name = socket.gethostname()
    return [name, name.partition(".")[0]]


def _load(directory: FilePath, candidates: list[str], *, is_given: bool) -> dict[str, Config] | list[ConfigError]:
    """`candidates`: names of which the first known one is us; none: every director."""
    sources, errors = read(directory)
    if not sources:
        return errors
    document, found = merge(sources)
    is_complete = not errors
    names = _names(document)
    ours = [name for name in candidates if name in names][:1]
    if names and candidates and not ours:
        found.append(Found(("director", "names"), _unknown_name(candidates[0], names, is_given=is_given)))
    views: dict[str, Drafts] = {}
    for name in ours or names or ("",):
        reading = Reading(name, names, is_complete=is_complete)
        views[name] = _drafts(reading, document, is_complete=is_complete)
        found += reading.found
        if is_complete:
            found += cross_check(views[name])
    found += owners(document, names)
    if errors or found:
        return _sorted(sources, errors, found)
    return {name: _config(name, drafts) for name, drafts in views.items()}


def _names(document: dict[str, Any]) -> tuple[str, ...]:
    """The directors, or nothing where [director] names is wrong; why, Reading says."""
    director = document.get("director")
    names = director.get("names") if isinstance(director, dict) else None
    if not isinstance(names, list) or any(isinstance(NAME.read(name), Wrong) for name in names):
        return ()
    return tuple(dict.fromkeys(names))


def _unknown_name(name: str, names: Iterable[str], *, is_given: bool) -> str:
    who = f'there is no director "{name}"' if is_given else f'this host is called "{name}"'
    return f"{who}; say which of {', '.join(names)} this is with --name"


def _drafts(reading: Reading, document: dict[str, Any], *, is_complete: bool) -> Drafts:
    known = [*SINGLE, *NAMED]
    for key in document:
        if key not in known:
            reading.found.append(Found((key,), f"unknown key; {suggest(key, known)}"))
    single: dict[str, Draft | None] = {}
    for kind, shape in SINGLE.items():
        if kind not in document and shape is DIRECTOR and not is_complete:
            continue
        single[kind] = reading.table(shape, document.get(kind, {}), (kind,))
    named = {kind: _named(reading, kind, document.get(kind, {})) for kind in NAMED}
    apply_rules(named["virtual_service"].values())
    return Drafts(
        director=single.get("director"),
        snmp=single.get("snmp"),
        connection_sync=single.get("connection_sync"),
        sysctl=single.get("sysctl"),
        peers=single.get("peers"),
        virtual_routers=named["virtual_router"],
        virtual_router_groups=named["virtual_router_group"],
        checks=named["check"],
        virtual_services=named["virtual_service"],
        hooks=named["hook"],
        check_names=_keys(document, "check"),
        service_names=_keys(document, "virtual_service"),
        router_names=_keys(document, "virtual_router"),
    )


def _named(reading: Reading, kind: str, tables: object) -> dict[str, Draft]:
    if not isinstance(tables, dict):
        reading.found.append(
            Found((kind,), f"expected tables with a name, as in [{kind}.NAME], got {describe(tables)}")
        )
        return {}
    drafts: dict[str, Draft] = {}
    for name, raw in tables.items():
        if isinstance(NAME.read(name), Wrong):
            reading.found.append(Found((kind, name), f"this is no name; expected {NAME.expected}"))
        draft = reading.table(NAMED[kind], raw, (kind, name))
        if draft is not None:
            drafts[name] = draft
    return drafts


def _keys(document: dict[str, Any], kind: str) -> list[str]:
    tables = document.get(kind)
    return list(tables) if isinstance(tables, dict) else []


def _sorted(sources: list[Source], errors: list[ConfigError], found: list[Found]) -> list[ConfigError]:
    """In the order of files and lines; what is wrong for several directors is said once."""
    places = Places(sources)
    everything = dict.fromkeys([*errors, *(places.error(each) for each in dict.fromkeys(found))])
    return sorted(everything, key=lambda error: (error.file.encode(), error.line, error.column))


def _config(name: str, drafts: Drafts) -> Config:
    assert drafts.director is not None
    assert drafts.snmp is not None
    assert drafts.connection_sync is not None
    assert drafts.sysctl is not None
    assert drafts.peers is not None
    return Config(
        director=build(drafts.director, name=name),
        snmp=build(drafts.snmp),
        connection_sync=build(drafts.connection_sync),
        sysctl=build(drafts.sysctl),
        peers=build(drafts.peers),
        virtual_routers=_built(drafts.virtual_routers),
        virtual_router_groups=_built(drafts.virtual_router_groups),
        checks=_built(drafts.checks),
        virtual_services=_built(drafts.virtual_services),
        hooks=_built(drafts.hooks),
    )


def _built(drafts: dict[str, Draft]) -> tuple[Any, ...]:
    return tuple(build(draft, name=name) for name, draft in drafts.items())
