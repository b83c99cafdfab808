"""What we own, on disk."""

import pytest

from haagent.ipvs.plan import Owned
from haagent.ipvs.table import PROTOCOL_TCP, DestinationKey, ServiceKey
from haagent.processes import ownership

KEY = ServiceKey(PROTOCOL_TCP, bytes((198, 51, 100, 100)), 80)
OWNED = Owned(frozenset({KEY}), frozenset({(KEY, DestinationKey(bytes((198, 51, 100, 11)), 80))}))


def test_it_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "d1" / "owned.json"
    assert ownership.read(path) == Owned()
    assert ownership.write(path, OWNED) is None
    assert ownership.read(path) == OWNED
    assert [each.name for each in path.parent.iterdir()] == ["owned.json"]


def test_a_crash_before_the_rename_leaves_the_old_list(tmp_path):
    path = tmp_path / "owned.json"
    ownership.write(path, OWNED)
    (tmp_path / "owned.json.new").write_bytes(b'{"services":[[6,"xj')
    assert ownership.read(path) == OWNED


def test_a_damaged_or_unreadable_file_is_a_sentence(tmp_path):
    path = tmp_path / "owned.json"
    path.write_bytes(b"not json")
    said = ownership.read(path)
    assert isinstance(said, str)
    assert "cannot be read" in said
    assert "cannot be read" in str(ownership.read(tmp_path))


def test_a_disk_that_refuses_is_a_sentence_and_the_old_list_stays(tmp_path):
    path = tmp_path / "owned.json"
    ownership.write(path, OWNED)
    (tmp_path / "owned.json.new").mkdir()
    said = ownership.write(path, Owned())
    assert said is not None
    assert "cannot be written" in said
    assert ownership.read(path) == OWNED


@pytest.mark.parametrize("octets", [b'{"services":"\xff"}', b'{"x":' * 3000, b""])
def test_octets_that_are_no_text_are_a_sentence_too(tmp_path, octets):
    path = tmp_path / "owned.json"
    path.write_bytes(octets)
    assert "cannot be read" in str(ownership.read(path))
