"""What a clone must be on any machine: no trace of the one it was written on, and lists that agree with each other."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SCRIPT = (TOP / "tools/packages").read_text()
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())

# With an empty group within, so that this file does not hold what it looks for
FOREIGN = {
    "a path of one machine": r"(?<![\w./-])/(?:w()ork|h()ome/\w+|U()sers/\w+)/|/r()oot/\.|\.p()yenv",
    "a registry's address": r"--(?:extra-)?i()ndex-url|--f()ind-links|a()rtifactory|a()rtifact-registry|\.p()kg\.dev/",
    "an attribution": r"(?i)\b(?:a()nthropic|c()laude|c()hatgpt|c()opilot|c()o-authored-by)\b",
}


def tracked() -> list[Path]:
    """The repository's files; of an unpacked archive, all files but caches and environments."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=TOP, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0:
        names = [TOP / name for name in listed.stdout.split("\0") if name]
    else:
        names = [
            path for path in TOP.rglob("*") if not any(part.startswith(".") for part in path.relative_to(TOP).parts)
        ]
    return [path for path in names if path.is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    found = {str(path.relative_to(TOP)): text_of(path) for path in tracked()}
    assert {"README.md", "Makefile", "pyproject.toml"} <= found.keys()
    return found


@pytest.mark.parametrize("what", FOREIGN)
def test_nothing_of_one_machine_is_in_the_repository(what: str, texts: dict[str, str]) -> None:
    pattern = re.compile(FOREIGN[what])
    places = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts.items()
        if pattern.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert places == []


def test_no_file_is_what_a_run_leaves_behind(texts: dict[str, str]) -> None:
    left = [
        name for name in texts if re.search(r"\.(pyc|pcap|log|orig|rej|swp)$|(^|/)(__pycache__|\.venv|dist)/", name)
    ]
    assert left == []


# ----------------------------------------------------------------------------------------------- tools/packages


def packages(name: str) -> set[str]:
    """The words of the script's arrays of that name, without comments."""
    found = re.findall(rf"{name}\+?=\((.*?)^ *\)|{name}\+=\(([^\n]*)\)", SCRIPT, re.DOTALL | re.MULTILINE)
    words = " ".join(re.sub(r"#.*", "", "".join(each)) for each in found)
    return {word for word in words.split() if not word.startswith(("$", '"'))}


# What of each package the repository runs; a package that nothing here uses need not be installed on anybody's machine
USED = {
    "python3": r"python3", "python3-venv": r"-m venv", "iproute2": r'"ip"', "procps": r'"ps"|sysctl -',
    "kmod": r"modprobe",
    "util-linux": r'"(unshare|nsenter|setpriv|prlimit)"', "nginx-light": r'"nginx"', "iputils-ping": r'"ping"',
    "ipvsadm": r"ipvsadm", "tcpdump": r"tcpdump", "curl": r"curl", "user-mode-linux": r'"linux\.uml"',
    "keepalived": r'"keepalived"', "ldirectord": r'"ldirectord"', "frr": r"/usr/lib/frr", "nftables": r'"nft"',
    "iptables": r'"iptables-legacy"',
    "openssl": r'"openssl"', "snmpd": r'"snmpd"', "snmp": r'"snmp(walk|get)', "snmptrapd": r'"snmptrapd"',
    "smitools": r'"smilint"', "bind9": r'"named"', "redis-server": r'"redis-server"', "mariadb-server": r'"mariadbd"',
    "postgresql": r"/usr/lib/postgresql", "slapd": r'"slapd"', "dovecot-imapd": r'"dovecot"', "dovecot-pop3d": r"pop3",
    "freeradius": r'"freeradius"', "postfix": r'/usr/lib/postfix', "apache2-bin": r'"apache2"',
    "python3-grpcio": r"dist-packages/grpc", "vsftpd": r'"vsftpd"', "ntpsec": r'"ntpd"', "pen": r'"pen"',
}  # fmt: skip


def test_the_packages_are_the_known_ones() -> None:
    assert packages("packages") | packages("wanted") == USED.keys()
    assert not packages("packages") & packages("wanted")


@pytest.mark.parametrize("package", USED)
def test_every_package_is_used_by_something(package: str, texts: dict[str, str]) -> None:
    pattern = re.compile(USED[package])
    own = {"tools/packages", "tests/unit/test_repository.py"}
    folders = ("haagent/", "tests/", "tools/", "bench/", "containerlab/", "docs/")
    assert any(pattern.search(text) for name, text in texts.items() if name.startswith(folders) and name not in own)


# -------------------------------------------------------------------------------------------- requirements.lock


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Package -> its whole entry. An entry is one line with its continuation lines, as pip reads it."""
    entries = re.sub(r"\\\n", " ", (TOP / "requirements.lock").read_text()).splitlines()
    return {canonical(entry.split("==")[0]): entry for entry in entries if entry and not entry.lstrip().startswith("#")}


def test_every_lock_entry_is_one_version_with_its_hashes() -> None:
    for entry in locked().values():
        assert re.match(r"[a-z0-9][a-z0-9._-]*==\d[^ ;]*( *;[^-]*?)? +--hash=sha256:[0-9a-f]{64}", entry), entry[:80]


@pytest.mark.parametrize("group", ["dependencies", "sniff", "dev", "build"])
def test_every_direct_dependency_is_locked_within_its_bounds(group: str) -> None:
    wanted = {
        "dependencies": PROJECT["project"]["dependencies"],
        "sniff": PROJECT["project"]["optional-dependencies"]["sniff"],
        "dev": PROJECT["dependency-groups"]["dev"],
        "build": PROJECT["build-system"]["requires"],
    }[group]
    entries = locked()
    for requirement in wanted:
        name, bounds = re.fullmatch(r"([A-Za-z0-9._-]+)(.*)", requirement.split(";")[0]).groups()  # type: ignore[union-attr]
        assert canonical(name) in entries, requirement
        version = re.match(r"[^=]+==([\d.]+)", entries[canonical(name)])
        assert version is not None
        for bound in filter(None, bounds.split(",")):
            operator, limit = re.fullmatch(r"(>=|<)([\d.]+)", bound).groups()  # type: ignore[union-attr]
            have, border = (tuple(map(int, text.strip(".").split("."))) for text in (version[1], limit))
            assert have >= border if operator == ">=" else have < border, f"{requirement}: locked is {version[1]}"
