"""YAML nodes with their places: what a topology file says, where it says it, and every complaint about it at once.

Works on `yaml.compose` nodes, which carry marks; nothing is constructed, so no tag of the file can run anything.
"""

from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

NULL = "tag:yaml.org,2002:null"
INTEGER = "tag:yaml.org,2002:int"


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint about a file; line and column count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


@dataclass(slots=True)
class Reader:
    """Takes nodes apart and collects a Problem for each that is not what was asked for."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, node: Node, message: str) -> None:
        mark = node.start_mark
        self.problems.append(Problem(self.file, mark.line + 1, mark.column + 1, message))

    def compose(self, text: str) -> Node | None:
        """The document's root, or None with a Problem: a syntax error, nothing in it, more than one document."""
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self.problems.append(Problem(self.file, line, column, f"not YAML: {error.problem or error.context}"))
            return None
        except yaml.reader.ReaderError as error:
            before = text[: error.position] if isinstance(error.position, int) else ""
            line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
            self.problems.append(Problem(self.file, line, column, f"not YAML: {error.reason}"))
            return None
        except RecursionError:
            self.problems.append(Problem(self.file, 1, 1, "not a topology: nested too deeply"))
            return None
        if root is None:
            self.problems.append(Problem(self.file, 1, 1, "the file is empty"))
        return root

    def mapping(self, node: Node | None, what: str) -> dict[str, tuple[Node, Node]]:
        """Key -> (key node, value node) of a mapping with distinct scalar keys; nothing (null) is an empty mapping."""
        if node is None or is_null(node):
            return {}
        if not isinstance(node, MappingNode):
            self.refuse(node, f"{what} must be a mapping")
            return {}
        found: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.refuse(key, f"{what}: a key must be a word")
            elif key.value in found:
                self.refuse(key, f"{what}: duplicate key {key.value!r}")
            else:
                found[key.value] = (key, value)
        return found

    def fields(self, node: Node | None, what: str, allowed: tuple[str, ...]) -> dict[str, Node]:
        """A mapping whose keys are known; the unknown ones are refused."""
        known: dict[str, Node] = {}
        for name, (key, value) in self.mapping(node, what).items():
            if name in allowed:
                known[name] = value
            else:
                self.refuse(key, f"{what}: key {name!r} is not supported; supported are {', '.join(allowed)}")
        return known

    def items(self, node: Node | None, what: str) -> list[Node]:
        if node is None or is_null(node):
            return []
        if not isinstance(node, SequenceNode):
            self.refuse(node, f"{what} must be a list")
            return []
        return list(node.value)

    def text(self, node: Node, what: str) -> str | None:
        """A scalar as it is written; containerlab too takes numbers and booleans for text."""
        if not isinstance(node, ScalarNode) or is_null(node):
            self.refuse(node, f"{what} must be text")
            return None
        value: str = node.value
        if "\0" in value:
            self.refuse(node, f"{what} must not hold a NUL character")
            return None
        return value

    def integer(self, node: Node, what: str, lowest: int, highest: int) -> int | None:
        if isinstance(node, ScalarNode) and node.tag == INTEGER and node.value.isascii() and node.value.isdigit():
            digits = node.value.lstrip("0") or "0"
            if len(digits) <= len(str(highest)) and lowest <= int(digits) <= highest:
                return int(digits)
        self.refuse(node, f"{what} must be a whole number from {lowest} to {highest}")
        return None


def is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == NULL
