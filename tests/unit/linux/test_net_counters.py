"""/proc/net/dev as the kernel writes it."""

from pathlib import Path

from haagent.linux.net_counters import frames_received

TEXT = """Inter-|   Receive                         |  Transmit
 face |bytes    packets errs drop multicast|bytes    packets errs drop
    lo:  123456     789    0    0         0   123456     789    0    0
eth0.5:1 42    0    0         0   9     1    0    0
"""


def test_frames_by_interface(tmp_path: Path) -> None:
    (tmp_path / "dev").write_text(TEXT)
    assert frames_received(tmp_path / "dev") == {"lo": 789, "eth0.5": 42}


def test_our_own() -> None:
    assert "lo" in frames_received()


def test_nothing_where_it_cannot_be_read(tmp_path: Path) -> None:
    assert frames_received(tmp_path / "none") == {}
