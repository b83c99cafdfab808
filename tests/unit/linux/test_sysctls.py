"""Kernel parameters: names, values, failures; a folder stands for /proc/sys."""

from pathlib import Path

from haagent.linux.sysctls import path_of, read, write


def test_a_slash_is_a_dot_within_a_name() -> None:
    assert path_of("net.ipv4.conf.eth0/100.send_redirects") == Path("/proc/sys/net/ipv4/conf/eth0.100/send_redirects")


def test_read_and_write(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "a").write_text("3\t50\n")
    assert read(["net.a", "net.b"], tmp_path) == ({"net.a": "3 50"}, ["the kernel has no net.b"])
    assert write({"net.a": "1", "net.b": "2"}, tmp_path) == ["net.b cannot be set to 2: No such file or directory"]
    assert (tmp_path / "net" / "a").read_text().startswith("1")
    assert read(["net"], tmp_path)[1] == [f"net cannot be read: [Errno 21] Is a directory: '{tmp_path}/net'"]


def test_the_running_kernel_has_parameters() -> None:
    values, failures = read(["net.ipv4.ip_forward"])
    assert values["net.ipv4.ip_forward"] in ("0", "1")
    assert failures == []
