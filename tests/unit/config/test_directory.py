"""What can be wrong before a key is looked at: directory, files, encoding, syntax, and keys set twice."""

import os
import tomllib
from pathlib import Path

import pytest

from haagent.config.directory import Places, Source, merge, read
from haagent.config.error import Found
from haagent.config.load import check, load


def wrong(directory: Path) -> list[str]:
    return [str(error) for error in read(directory)[1]]


def test_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert wrong(tmp_path / "x") == [f"{tmp_path}/x: cannot be read as a directory: No such file or directory"]
    assert wrong(tmp_path / "file") == [f"{tmp_path}/file: cannot be read as a directory: Not a directory"]
    assert load(tmp_path / "x", "d1") == check(tmp_path / "x", None) == read(tmp_path / "x")[1]


def test_no_file(tmp_path: Path) -> None:
    (tmp_path / ".hidden.toml").touch()
    (tmp_path / "a.conf").touch()
    assert wrong(tmp_path) == [f"{tmp_path}: no *.toml file in it"]


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (b"a = 1\nb = \xc3\xa9\xff", "a.toml:2:6: not UTF-8; save the file in that encoding"),
        (b"\xff\xfea\0", "a.toml:1:1: not UTF-8; save the file in that encoding"),
        (b"a = 1\nb = [1,\n", "a.toml:3:1: not valid TOML: Invalid value"),
        (b"a = [1,", "a.toml:1:8: not valid TOML: Invalid value"),
        (b"a = 1 2", "a.toml:1:7: not valid TOML: Expected newline or end of document after a statement"),
        (b"a = 1\na = 2\n", "a.toml:2:6: not valid TOML: Cannot overwrite a value"),
        (b"a = " + b"[" * 100_000, "a.toml:1:1: not valid TOML: nested too deeply"),
    ],
)
def test_a_file_that_is_no_toml(tmp_path: Path, octets: bytes, error: str) -> None:
    (tmp_path / "a.toml").write_bytes(octets)
    assert wrong(tmp_path) == [error]


def test_a_number_of_thousands_of_digits_is_no_toml(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("a = " + "9" * 5000)
    [error] = wrong(tmp_path)
    assert error.startswith("a.toml:1:1: not valid TOML: Exceeds the limit")


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").mkdir()
    os.mkfifo(tmp_path / "b.toml")
    (tmp_path / "c.toml").symlink_to("nowhere")
    (tmp_path / "d.toml").write_text("x = 1")
    sources, errors = read(tmp_path)
    assert [str(error) for error in errors] == [
        "a.toml:1:1: not a regular file",
        "b.toml:1:1: not a regular file",
        "c.toml:1:1: cannot be read: No such file or directory",
    ]
    assert sources == [Source("d.toml", "x = 1", {"x": 1})]


def test_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.toml")).write_text("x = ")
    assert wrong(tmp_path) == [r"\xff.toml:1:5: not valid TOML: Invalid value"]


def sources(*texts: str) -> list[Source]:
    return [Source(f"{number}.toml", text, tomllib.loads(text)) for number, text in enumerate(texts)]


def test_tables_merge_and_their_sources_stay_as_they_are() -> None:
    read_from = sources("[t.a]\nx = 1\n", "[t.b]\ny = 2\n[t.a]\nz = {}\n")
    document, found = merge(read_from)
    assert document == {"t": {"a": {"x": 1, "z": {}}, "b": {"y": 2}}}
    assert found == []
    assert read_from == sources("[t.a]\nx = 1\n", "[t.b]\ny = 2\n[t.a]\nz = {}\n")


@pytest.mark.parametrize(
    ("first", "second", "error"),
    [
        ("\n[t.a]\nx = 1\n", "\n\n[t.a]\nx = 1\n", "1.toml:4:1: t.a.x: set twice; first at 0.toml:3:1"),
        ("t.a = [1]\n", "t.a = [2]\n", "1.toml:1:3: t.a: set twice; first at 0.toml:1:3"),
        ("t.a = {}\n", "t.a = [2]\n", "1.toml:1:3: t.a: set twice; first at 0.toml:1:3"),
        ("[[t]]\n", "[t]\n", "1.toml:1:2: t: set twice; first at 0.toml:1:3"),
        ("t.a = { b = 1 }\n", "[t.a]\nb = 1\n", "1.toml:2:1: t.a.b: set twice; first at 0.toml:1:9"),
        ("a.b.c.d.e.f.g.h = 1", "a.b.c.d.e.f.g.i = 1", "1.toml:1:13: a.b.c.d.e.f.g: set twice; first at 0.toml:1:13"),
    ],
)
def test_the_same_key_twice_names_both_places(first: str, second: str, error: str) -> None:
    read_from = sources(first, second)
    document, found = merge(read_from)
    assert [str(Places(read_from).error(each)) for each in found] == [error]
    assert document == read_from[0].document


def test_three_files_name_the_first() -> None:
    read_from = sources("x = 1", "y = 1\nx = 2", "x = 3")
    places = Places(read_from)
    assert [str(places.error(each)) for each in merge(read_from)[1]] == [
        "1.toml:2:1: x: set twice; first at 0.toml:1:1",
        "2.toml:1:1: x: set twice; first at 0.toml:1:1",
    ]


def test_an_error_is_in_the_file_that_holds_most_of_its_path() -> None:
    places = Places(sources("[t.a]\nx = 1\n", "[t.a]\ny = [1, 2]\n", "[t.b]\n"))
    assert str(places.error(Found(("t", "a", "y", 1), "no"))) == "1.toml:2:9: t.a.y[1]: no"
    assert str(places.error(Found(("t", "a", "y", 7), "no"))) == "1.toml:2:1: t.a.y[7]: no"
    assert str(places.error(Found(("t", "b", "z"), "no"))) == "2.toml:1:4: t.b.z: no"
    assert str(places.error(Found(("t", "a", "z"), "no"))) == "0.toml:1:4: t.a.z: no"
    assert str(places.error(Found(("u",), "no"))) == "0.toml:1:1: u: no"


def test_a_deep_document_merges(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(".".join(["a"] * 900) + "." + name[0] + " = 1\n")
    assert [error.key for error in check(tmp_path, None)] == ["a", "director.names", "a.a.a.a.a.a.a"]
