"""A containerlab topology file (`*.clab.yml`) as data: what both runners, containerlab and ours, are to build.

The part of containerlab's schema (https://containerlab.dev/manual/topo-def-file/, manual/nodes/) that network
namespaces can realise: `name`, and under `topology` the sections `defaults`, `kinds`, `nodes` and `links`. Anything
else is refused with its place, never ignored. What a reader has to know:

- Inheritance: a node's own value wins over its kind's, that one over the defaults'. `env` and `labels` are merged key
  by key, `binds` by target; `exec` is all lists in the order defaults, kind, node.
- `image` is accepted and not used: a node of the namespace runner sees the host's own file system, copy-on-write.
- `cmd` and `exec` are split into words as a shell would (shlex), without a shell; write `sh -c '...'` to have one.
- containerlab starts `cmd` before links and addresses exist, we start it after `exec`: a `cmd` that needs an address
  must wait for it, or be started from `exec` as a daemon.
- containerlab adds a management network (eth0) unless `network-mode: none`; we never do. It creates no bridges (a
  `bridge` node must exist in the host's namespace, with all its ports); we make each in a namespace of its own.
- A link without `mtu` gets containerlab's 9500 octets.
"""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from yaml.nodes import Node as YamlNode

from haagent.lab.marks import Problem, Reader

Kind = Literal["linux", "bridge"]

DEFAULT_MTU = 9500  # containerlab's links.DefaultLinkMTU
NODE_KEYS = ("kind", "image", "cmd", "exec", "binds", "env", "labels", "group", "network-mode")
HOST_ONLY_KEYS = ("cmd", "exec", "binds", "env", "network-mode")  # mean nothing for a bridge
NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
INTERFACE_NAME = re.compile(r"[^\s/:%\x00-\x1f]{1,15}")  # IFNAMSIZ less the terminator
VARIABLE = re.compile(r"\$(\{|[A-Za-z_])")


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the host that appears in the node."""

    source: Path  # absolute
    target: Path  # absolute, in the node
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    kind: Kind
    image: str = ""
    command: tuple[str, ...] = ()  # `cmd`: the main process
    exec: tuple[tuple[str, ...], ...] = ()  # commands run in order once the links are up
    binds: tuple[Bind, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    group: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    node: str
    interface: str

    def __str__(self) -> str:
        return f"{self.node}:{self.interface}"


@dataclass(frozen=True, slots=True)
class Link:
    a: Endpoint
    b: Endpoint
    mtu: int = DEFAULT_MTU  # octets


@dataclass(frozen=True, slots=True)
class Topology:
    name: str
    nodes: tuple[Node, ...]  # in the file's order
    links: tuple[Link, ...]

    def node(self, name: str) -> Node | None:
        return next((node for node in self.nodes if node.name == name), None)


def parse(text: str, path: Path) -> Topology | tuple[Problem, ...]:
    """The topology that `text`, the content of the file `path`, describes, or every complaint about it.

    Relative host paths of `binds` count from the directory of `path`; nothing is looked up in the file system.
    """
    reader = Reader(str(path))
    root = reader.compose(text)
    topology = None if root is None else _topology(reader, root, path.absolute().parent)
    if topology is None or reader.problems:
        return tuple(sorted(reader.problems, key=lambda problem: (problem.line, problem.column)))
    return topology


def _topology(reader: Reader, root: YamlNode, directory: Path) -> Topology:
    top = reader.fields(root, "topology file", ("name", "topology"))
    name = ""
    if "name" not in top:
        reader.refuse(root, "key 'name' is missing: the lab must have a name")
    else:
        name = reader.text(top["name"], "name") or ""
        if name and not NODE_NAME.fullmatch(name):
            reader.refuse(top["name"], f"name {name!r} must be letters, digits, '_', '.' and '-', at most 63")
    if "topology" not in top:
        reader.refuse(root, "key 'topology' is missing")
    body = reader.fields(top.get("topology"), "topology", ("defaults", "kinds", "nodes", "links"))
    nodes = _nodes(reader, body, directory)
    if "topology" in top and not body.get("nodes"):
        reader.refuse(top["topology"], "topology: key 'nodes' is missing")
    links = _links(reader, body.get("links"), nodes)
    return Topology(name, tuple(node for node in nodes.values() if node), links)


@dataclass(slots=True)
class _Settings:
    """What one level (defaults, a kind, a node) says; None or empty where it says nothing."""

    kind: str | None = None
    image: str | None = None
    command: tuple[str, ...] | None = None
    exec: list[tuple[str, ...]] = field(default_factory=list)
    binds: dict[Path, Bind] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    group: str | None = None


def _nodes(reader: Reader, body: dict[str, YamlNode], directory: Path) -> dict[str, Node | None]:
    """Name -> node; None for one that was refused, so that its links do not complain once more."""
    defaults = _settings(reader, body.get("defaults"), "defaults", directory, NODE_KEYS)
    kinds: dict[str, _Settings] = {}
    for kind, (key, value) in reader.mapping(body.get("kinds"), "kinds").items():
        if kind not in get_args(Kind):
            reader.refuse(key, f"kinds: kind {kind!r} is not supported; supported are linux, bridge")
            continue
        allowed = tuple(k for k in NODE_KEYS if k != "kind" and (kind != "bridge" or k not in HOST_ONLY_KEYS))
        kinds[kind] = _settings(reader, value, f"kind {kind}", directory, allowed)

    nodes: dict[str, Node | None] = {}
    for name, (key, value) in reader.mapping(body.get("nodes"), "nodes").items():
        before = len(reader.problems)
        own = _settings(reader, value, f"node {name}", directory, NODE_KEYS)
        kind = own.kind or defaults.kind or ""
        node = _merge(name, defaults, kinds.get(kind, _Settings()), own, kind)
        if not NODE_NAME.fullmatch(name):
            reader.refuse(key, f"node name {name!r} must be letters, digits, '_', '.' and '-', at most 63")
        if node is None and not (own.kind or defaults.kind):
            reader.refuse(key, f"node {name}: key 'kind' is missing here and in the defaults")
        if node is not None and node.kind == "bridge":
            if not INTERFACE_NAME.fullmatch(name):
                reader.refuse(key, f"node {name}: a bridge's name is an interface name, at most 15 characters")
            for setting, (where, _) in reader.mapping(value, f"node {name}").items():
                if setting in HOST_ONLY_KEYS:
                    reader.refuse(where, f"node {name}: a bridge has no {setting!r}")
        nodes[name] = node if len(reader.problems) == before else None
    return nodes


def _merge(name: str, defaults: _Settings, kind: _Settings, own: _Settings, word: str) -> Node | None:
    levels = (defaults, kind, own)
    if word == "bridge":
        return Node(name, "bridge", labels=_merged(level.labels for level in levels), group=own.group or "")
    if word != "linux":
        return None

    commands = [level.command for level in levels if level.command is not None]
    return Node(
        name,
        "linux",
        image=own.image or kind.image or defaults.image or "",
        command=commands[-1] if commands else (),
        exec=tuple(command for level in levels for command in level.exec),
        binds=tuple({target: bind for level in levels for target, bind in level.binds.items()}.values()),
        env=_merged(level.env for level in levels),
        labels=_merged(level.labels for level in levels),
        group=own.group or kind.group or defaults.group or "",
    )


def _merged(levels: Iterable[dict[str, str]]) -> dict[str, str]:
    return {key: value for level in levels for key, value in level.items()}


def _settings(
    reader: Reader, node: YamlNode | None, where: str, directory: Path, allowed: tuple[str, ...]
) -> _Settings:
    level = _Settings()
    for key, value in reader.fields(node, where, allowed).items():
        what = f"{where}: {key}"
        match key:
            case "kind":
                level.kind = reader.text(value, what)
                if level.kind is not None and level.kind not in get_args(Kind):
                    reader.refuse(value, f"{what} {level.kind!r} is not supported; supported are linux, bridge")
            case "image":
                level.image = reader.text(value, what)
            case "cmd":
                level.command = _words(reader, value, what)
            case "exec":
                commands = [_words(reader, item, what) for item in reader.items(value, what)]
                level.exec = [command for command in commands if command]
            case "binds":
                binds = [_bind(reader, item, what, directory) for item in reader.items(value, what)]
                level.binds = {bind.target: bind for bind in binds if bind}
            case "env" | "labels":
                found = {
                    name: _plain(reader, item, f"{what} {name}") for name, (_, item) in _named(reader, value, what)
                }
                setattr(level, key, {name: word for name, word in found.items() if word is not None})
            case "group":
                level.group = reader.text(value, what)
            case "network-mode":
                if reader.text(value, what) != "none":
                    reader.refuse(value, f"{what}: only 'none' is supported, there is no management network here")
    return level


def _named(reader: Reader, node: YamlNode, what: str) -> Iterable[tuple[str, tuple[YamlNode, YamlNode]]]:
    for name, (key, value) in reader.mapping(node, what).items():
        if not name or "=" in name or "\0" in name:
            reader.refuse(key, f"{what}: {name!r} cannot be a name")
        else:
            yield name, (key, value)


def _plain(reader: Reader, node: YamlNode, what: str) -> str | None:
    """Text without the variables that containerlab would replace from its caller's environment."""
    text = reader.text(node, what)
    if text is not None and VARIABLE.search(text):
        reader.refuse(node, f"{what}: containerlab would replace the variable in {text!r}; write the value")
        return None
    return text


def _words(reader: Reader, node: YamlNode, what: str) -> tuple[str, ...] | None:
    text = _plain(reader, node, what)
    if text is None:
        return None
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        reader.refuse(node, f"{what}: cannot be split into words: {str(error).lower()}")
        return None
    if not words:
        reader.refuse(node, f"{what}: the command is empty")
        return None
    return words


def _bind(reader: Reader, node: YamlNode, what: str, directory: Path) -> Bind | None:
    text = _plain(reader, node, what)
    if text is None:
        return None
    parts = text.split(":")
    mode = parts.pop() if len(parts) == 3 else "rw"
    if len(parts) != 2 or not parts[0] or not parts[1].startswith("/") or mode not in ("ro", "rw"):
        reader.refuse(node, f"{what}: {text!r} must be HOST_PATH:/NODE_PATH or HOST_PATH:/NODE_PATH:ro")
        return None
    if parts[0].startswith("~") or "__clab" in parts[0]:
        reader.refuse(node, f"{what}: {text!r}: only absolute paths and paths relative to the file are supported")
        return None
    target = Path(parts[1])
    if target == Path("/") or ".." in target.parts:
        reader.refuse(node, f"{what}: {text!r}: the node's path must lie below / and hold no '..'")
        return None
    return Bind(directory / parts[0], target, read_only=mode == "ro")


def _links(reader: Reader, node: YamlNode | None, nodes: dict[str, Node | None]) -> tuple[Link, ...]:
    links: list[Link] = []
    taken: set[Endpoint] = set()
    ports: dict[str, Endpoint] = {}  # of bridges: containerlab puts them all into the host's own namespace
    for item in reader.items(node, "links"):
        given = reader.fields(item, "link", ("endpoints", "mtu"))
        mtu = reader.integer(given["mtu"], "link: mtu", 68, 65535) if "mtu" in given else DEFAULT_MTU
        words = reader.items(given.get("endpoints"), "link: endpoints")
        if len(words) != 2:
            reader.refuse(
                given.get("endpoints", item), 'link: endpoints must be two, ["node:interface", "node:interface"]'
            )
            continue
        ends = [_endpoint(reader, word, nodes) for word in words]
        for end, word in zip(ends, words, strict=True):
            if end is None:
                continue
            if end in taken:
                reader.refuse(word, f"link: {end} is in use already")
            taken.add(end)
            other = nodes[end.node]
            if other is not None and other.kind == "bridge":
                first = ports.setdefault(end.interface, end)
                if first.node != end.node:
                    reader.refuse(
                        word, f"link: port name {end.interface!r} is {first}'s too; it must be unique among bridges"
                    )
        if ends[0] and ends[1] and mtu:
            links.append(Link(ends[0], ends[1], mtu))
    return tuple(links)


def _endpoint(reader: Reader, node: YamlNode, nodes: dict[str, Node | None]) -> Endpoint | None:
    text = reader.text(node, "link: endpoint")
    if text is None:
        return None
    name, colon, interface = text.partition(":")
    if not colon:
        reader.refuse(node, f"link: endpoint {text!r} must be node:interface")
    elif name not in nodes:
        reader.refuse(node, f"link: endpoint {text!r}: there is no node {name!r}")
    elif not INTERFACE_NAME.fullmatch(interface) or interface in ("lo", ".", "..", "all", "default"):
        reader.refuse(
            node, f"link: endpoint {text!r}: {interface!r} cannot be an interface name, at most 15 characters"
        )
    else:
        return Endpoint(name, interface)
    return None
