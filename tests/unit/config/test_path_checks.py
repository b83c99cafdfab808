"""Where a path check is refused, with the place and the remedy."""

from pathlib import Path

import pytest

from haagent.config.load import check, load
from haagent.config.model import Config

NAMES = '[director]\nnames = ["d1", "d2"]\n'
CHECK = '[check.c]\ntype = "tcp"\n'


def service(more: str = 'check = ["c"]\npath_check = true', method: str = "direct_routing", name: str = "s") -> str:
    return (
        f'[virtual_service.{name}]\naddress = "198.51.100.1"\nport = 80\nforwarding_method = "{method}"\n'
        f'real_servers = [{{ name = "a", address = "198.51.100.11" }}]\n{more}\n'
    )


def errors(directory: Path, text: str) -> list[str]:
    (directory / "a.toml").write_text(NAMES)
    (directory / "b.toml").write_text(text)
    return [str(error).removeprefix("b.toml:") for error in check(directory, None)]


def loaded(directory: Path, text: str) -> Config:
    (directory / "a.toml").write_text(NAMES)
    (directory / "b.toml").write_text(text)
    found = load(directory, "d1")
    assert isinstance(found, Config), found
    return found


WRONG = {
    "masquerading": (
        CHECK + service(method="masquerading"),
        "9:1: virtual_service.s.path_check: under masquerading no real server has the virtual address, so there is no "
        "path to check; leave it out",
    ),
    "nothing to repeat": (
        service("path_check = true"),
        "6:1: virtual_service.s.path_check: repeats the checks on the virtual address, and there are none: add check",
    ),
    "another word": (
        CHECK + service('check = ["c"]\npath_check = "maybe"'),
        '9:1: virtual_service.s.path_check: expected true, false or "report", got the string "maybe"',
    ),
    "a number": (
        CHECK + service('check = ["c"]\npath_check = 1'),
        '9:1: virtual_service.s.path_check: expected true, false or "report", got the integer 1',
    ),
    "a bare mark": (
        CHECK
        + '[virtual_service.m]\nfirewall_mark = 7\nforwarding_method = "tunneling"\ncheck = ["c"]\npath_check = true\n'
        + "real_servers = []\n",
        "7:1: virtual_service.m.path_check: the service has no address to probe; list its addresses, or leave it out",
    ),
    "backup_only": (
        CHECK + service() + '[sysctl]\nset = { "net.ipv4.vs.backup_only" = 1 }\n',
        "11:1: sysctl.set: with net.ipv4.vs.backup_only a Backup director's IPVS forwards nothing, "
        "path probes neither; leave it out, or set path_check = false in virtual_service.s",
    ),
}


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG)
def test_wrong(text: str, expected: str, tmp_path: Path) -> None:
    assert errors(tmp_path, text) == [expected]


def test_a_services_own_mark_must_not_be_one_of_ours(tmp_path: Path) -> None:
    marked = (
        f"[virtual_service.m]\nfirewall_mark = {0x48410000 + 5}\n"
        'forwarding_method = "masquerading"\nreal_servers = []\n'
    )
    [error] = errors(tmp_path, CHECK + service() + marked)
    assert "which path checks use; expected another, or another path_mark_base" in error
    assert errors(tmp_path, CHECK + service('check = ["c"]') + marked) == []


@pytest.mark.parametrize(
    ("said", "meant"), [("true", "require"), ("false", "off"), ('"report"', "report"), (None, "off")]
)
def test_what_is_said_and_what_is_meant(said: str | None, meant: str, tmp_path: Path) -> None:
    more = 'check = ["c"]' + (f"\npath_check = {said}" if said else "")
    [each] = loaded(tmp_path, CHECK + service(more)).virtual_services
    assert each.path_check == meant
