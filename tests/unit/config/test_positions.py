"""The position index against tomllib: the same paths, and at each place the text of that very key or element."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config.error import Path
from haagent.config.positions import index


def paths(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, each in value.items():
            yield from paths(each, (*path, key))
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from paths(each, (*path, number))


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("a = 1", ("a",), (1, 1)),
        ("\n  a = 1", ("a",), (2, 3)),
        ("a.b . c = 1", ("a", "b", "c"), (1, 7)),
        ('a."b.c".d = 1', ("a", "b.c"), (1, 3)),
        (r'"a\u0062" = 1', ("ab",), (1, 1)),
        ("'a\\' = 1", ("a\\",), (1, 1)),
        ("[t]\na = 1", ("t",), (1, 2)),
        ("[t]\na = 1", ("t", "a"), (2, 1)),
        ("[ t . u ] # c\n\na = 1", ("t", "u", "a"), (3, 1)),
        ("[t.u]\n[t]\na = 1", ("t", "a"), (3, 1)),
        ("a = { b = 1, c = 2 }", ("a", "c"), (1, 14)),
        ("a = { b.c = 1, d = { e = 2 } }", ("a", "d", "e"), (1, 22)),
        ("a = [1, 2,\n 3]", ("a", 2), (2, 2)),
        ("a = [ # ]\n 1, # 2,\n 3,\n]\nb = 1", ("a", 1), (3, 2)),
        ("a = []\nb = 1", ("b",), (2, 1)),
        ("a = {}\nb = 1", ("b",), (2, 1)),
        ("a = [[], [1, [2]], {}]\nb = 1", ("a", 1, 1, 0), (1, 15)),
        ("a = [[1, 2], [3]]\nb = 1", ("a", 1, 0), (1, 15)),
        ("a = [{ b = 1 }, { b = 2, c = [3] }]", ("a", 1, "c", 0), (1, 31)),
        ('a = """x\nb = 2\n\\""" """\nb = 1', ("b",), (4, 1)),
        ('a = """x"""""\nb = 1', ("b",), (2, 1)),
        ("a = '''\nb = 2\n\\'''\nb = 1", ("b",), (4, 1)),
        ("a = '#'\nb = 1", ("b",), (2, 1)),
        ('a = "\\"]"\nb = 1', ("b",), (2, 1)),
        ("a = 1979-05-27 07:32:00 # now\nb = 1", ("b",), (2, 1)),
        ("[[t]]\na = 1\n[[t]]\na = 2", ("t", 1, "a"), (4, 1)),
        ("[[t]]\n[[t.u]]\n[[t]]\n[[t.u]]\n[t.u.v]\na = 1", ("t", 1, "u", 0, "v", "a"), (6, 1)),
        ("a = 1\r\nb = 2\r\n", ("b",), (2, 1)),
        ("é = 1", ("a",), (1, 1)),
        ('a = "é", b', ("a",), (1, 1)),
    ],
)
def test_places(text: str, path: Path, place: tuple[int, int]) -> None:
    assert index(text).place(path) == place


def test_the_longest_known_part_stands_for_a_path_that_is_not_there() -> None:
    positions = index("x = 1\n[t.u]\na = 1\n")
    assert positions.place(("t", "u", "b", 3)) == (2, 4)
    assert positions.place(("nothing",)) == (1, 1)


def test_deep_nesting_is_no_recursion() -> None:
    depth = 20_000
    positions = index("a = " + "[" * depth + "]" * depth + "\nb = 1\n")
    assert positions.place(("b",)) == (2, 1)
    assert index(".".join(["a"] * depth) + " = 1\nb = 2").place(("b",)) == (2, 1)


@pytest.mark.parametrize(
    "text", ["a = 1\nb = {c d}\ne = 1", "a = 1\nb = [[1] 2]", 'a = 1\nb = "', "a = 1\nb", "a = 1\n[b"]
)
def test_other_text_is_understood_up_to_its_error(text: str) -> None:
    positions = index(text)
    assert positions.place(("a",)) == (1, 1)
    assert positions.place(("b",))[0] == 2


def test_a_key_with_a_wrong_escape_is_taken_as_it_is() -> None:
    assert index('\n"\\q" = 1').place(("\\q",)) == (2, 1)


@given(st.text(alphabet="ab.=[]{}\"'\\,#\n \t1é", max_size=60))
def test_any_text_is_scanned(text: str) -> None:
    positions = index(text)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    wanted = {path for path, _ in paths(document) if len(path) <= 8}
    assert wanted <= set(positions.offsets)
    assert all(path in wanted for path in positions.offsets)


# ------------------------------------------------------------------------- generated documents

STRINGS = st.sampled_from(
    ['"{}"', "'{}'", '"""{}\nx = [1]\n[t]\n"""', "'''{}\n\"\"\" = {{}}\n'''", '"{} # \\" ]}}"', '"""{}"""""']
)
BLANKS = st.sampled_from(["", " ", "\t", "  "])
BREAKS = st.sampled_from(["", " ", "\n", "\n  # ], }, k = 1\n", " # '\n\t"])
KEY_FORMS = st.sampled_from(["{}", '"{}"', "'{}'"])


class Writer:
    """Writes a TOML document of unique tokens and notes where each path starts."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.places: dict[Path, int] = {}
        self.count = 0

    def token(self) -> str:
        self.count += 1
        return f"k{self.count}"

    def key(self, table: Path, *, dots: int = 1) -> Path:
        for number in range(self.draw(st.integers(1, dots))):
            if number:
                self.text += self.draw(BLANKS) + "." + self.draw(BLANKS)
            name = self.token()
            table = (*table, name)
            self.places[table] = len(self.text)
            self.text += self.draw(KEY_FORMS).format(name)
        return table

    def value(self, path: Path, depth: int) -> None:
        kind = self.draw(st.sampled_from(["string", "number", "date", "array", "table"] if depth else ["string"]))
        match kind:
            case "string":
                self.text += self.draw(STRINGS).format(self.token())
            case "number":
                self.text += self.draw(st.sampled_from(["1", "-1.5e3", "0xff", "inf", "true"]))
            case "date":
                self.text += self.draw(st.sampled_from(["1979-05-27T07:32:00Z", "1979-05-27 07:32:00", "07:32:00.5"]))
            case "array":
                self.array(path, depth)
            case "table":
                self.inline_table(path, depth)

    def array(self, path: Path, depth: int) -> None:
        self.text += "[" + self.draw(BREAKS)
        size = self.draw(st.integers(0, 3))
        for number in range(size):
            self.places[(*path, number)] = len(self.text)
            self.value((*path, number), depth - 1)
            self.text += self.draw(BREAKS)
            if number < size - 1 or self.draw(st.booleans()):
                self.text += "," + self.draw(BREAKS)
        self.text += "]"

    def inline_table(self, path: Path, depth: int) -> None:
        self.text += "{" + self.draw(BLANKS)
        size = self.draw(st.integers(0, 3))
        for number in range(size):
            self.assignment(path, depth - 1)
            self.text += self.draw(BLANKS) + ("," if number < size - 1 else "") + self.draw(BLANKS)
        self.text += "}"

    def assignment(self, table: Path, depth: int) -> None:
        path = self.key(table, dots=2)
        self.text += self.draw(BLANKS) + "=" + self.draw(BLANKS)
        self.value(path, depth)

    def body(self, table: Path) -> None:
        for _ in range(self.draw(st.integers(0, 3))):
            self.text += self.draw(BLANKS)
            self.assignment(table, 3)
            self.text += self.draw(BLANKS) + self.draw(st.sampled_from(["\n", " # k = 1\n", "\n\n"]))

    def section(self) -> None:
        self.text += "["
        path = self.key((), dots=3)
        self.text += "]\n"
        self.body(path)

    def array_of_tables(self) -> None:
        name = self.token()
        for number in range(self.draw(st.integers(1, 3))):
            self.text += "[["
            self.places.setdefault((name,), len(self.text))
            self.places[(name, number)] = len(self.text)
            self.text += name + "]]\n"
            self.body((name, number))
            if self.draw(st.booleans()):
                self.text += f"[{name}."
                path = self.key((name, number))
                self.text += "]\n"
                self.body(path)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Path, int]]:
    writer = Writer(draw)
    writer.body(())
    for _ in range(draw(st.integers(0, 3))):
        draw(st.sampled_from([writer.section, writer.array_of_tables]))()
    return writer.text, writer.places


@given(documents())
def test_generated_documents(written: tuple[str, dict[Path, int]]) -> None:
    text, places = written
    document = tomllib.loads(text)
    assert set(places) == {path for path, _ in paths(document)}, "the writer of this test is right"
    offsets = index(text).offsets
    assert {path: offset for path, offset in places.items() if len(path) <= 8 and offsets.get(path) != offset} == {}
    assert all(path in places for path in offsets)
