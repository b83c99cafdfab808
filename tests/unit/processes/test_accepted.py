"""The configuration that runs, on disk."""

from haagent.config.model import PoolTrack
from haagent.processes import accepted
from tests.unit.build import config, real_server, router, service


def test_it_comes_back_as_it_was_written(tmp_path):
    running = config(service(real_server(1), sorry=True), routers=(router(track=(PoolTrack(pool="web"),)),))
    assert accepted.write(tmp_path / "accepted.msgpack", running) is None
    assert accepted.read(tmp_path / "accepted.msgpack") == running
    assert [each.name for each in tmp_path.iterdir()] == ["accepted.msgpack"]


def test_what_cannot_be_read_is_none(tmp_path):
    assert accepted.read(tmp_path / "accepted.msgpack") is None
    (tmp_path / "accepted.msgpack").write_bytes(b"\x81\xa1x")
    assert accepted.read(tmp_path / "accepted.msgpack") is None
    (tmp_path / "accepted.msgpack").write_bytes(b"\x80")  # of another version: a key that we need is missing
    assert accepted.read(tmp_path / "accepted.msgpack") is None


def test_a_disk_that_refuses_is_a_sentence(tmp_path):
    said = accepted.write(tmp_path / "nowhere" / "accepted.msgpack", config())
    assert said is not None
    assert "cannot be written" in said
