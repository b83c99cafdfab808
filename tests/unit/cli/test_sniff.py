"""`haagent sniff` of files, and what it says where it cannot work. On a live segment: tests/netns/test_sniff.py."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from haagent.cli import sniff
from haagent.sniff.capture import Frame, Writer
from tests.unit.sniff.heard import advertisement

ROOT = Path(__file__).parents[3]
START = 1700000000.0


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A router of priority 200 on another director that dies, and a late ARP request."""
    path = tmp_path / "crash.pcap"
    with Writer(path) as writer:
        for at in range(3):
            heard = advertisement(START + at, 1, 200, interval=0.1)
            ip = bytes.fromhex("45c00020000000 00ff700000".replace(" ", "")) + heard.source + heard.destination
            writer.write(Frame(heard.at, bytes.fromhex("01005e000012") + heard.mac + b"\x08\x00" + ip + heard.message))
        asks = bytes.fromhex("0001080006040001") + b"\2\0\0\0\0\7" + b"\xc0\0\2\7" + bytes(6) + b"\xc0\0\2\x64"
        writer.write(Frame(START + 9, b"\xff" * 6 + b"\2\0\0\0\0\7" + b"\x08\x06" + asks))
    return path


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    folder = tmp_path / "conf"
    folder.mkdir()
    router = 'vrid = 51\nadvertisement_interval = 0.1\nvirtual_addresses = ["192.0.2.100/24"]\n'
    (folder / "a.toml").write_text(
        f'[director]\nnames = ["d1", "d2"]\n[virtual_router.web]\ninterface = "eth0"\n{router}'
        f'[virtual_router.mail]\ninterface = "eth1"\n{router.replace("100/", "101/")}'
    )
    return folder


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    sniff.add_arguments(parser)
    return sniff.run(parser.parse_args(arguments))


def test_a_replay_is_lines_and_a_summary(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--replay", str(capture)) == 0
    out = capsys.readouterr().out.splitlines()
    assert "fact      vrid 51: 192.0.2.1 (02:00:00:00:00:01) speaks VRRPv3 with priority 200, every 0.1 s" in out[0]
    assert any("change    vrid 51: 192.0.2.1 fell silent" in line for line in out)
    assert "4 records" in out
    assert out[-1] == "0 conflicts"


def test_a_replay_through_the_machine(capture: Path, conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine = ("-c", str(conf), "--name", "d2", "--router", "web", "--address", "192.0.2.2")
    assert run("--replay", str(capture), "--json", *machine) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    would = [each for each in said if each.get("replayed")]
    # it waits 0.36 s each time, and the advertisements are a second apart: Active, and back at the next one
    assert [each["state"] for each in would] == ["backup", "active", "backup", "active", "backup", "active"]
    assert said[-1]["summary"]["records"] == 4
    assert run("--replay", str(capture), *machine) == 0
    assert "would     router web: backup -> active: nothing more was heard from 192.0.2.1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "name an INTERFACE to listen on, or a capture with --replay FILE.pcap"),
        (("eth0", "--router", "web"), "-c, --name, --router and --address belong to --replay"),
        (("--replay", "{missing}"), "{missing}: No such file or directory"),
        (("--replay", "{capture}", "-c", "{conf}", "--name", "d1"), "name the INTERFACE, one of eth0, eth1"),
        (
            ("eth9", "--replay", "{capture}", "-c", "{conf}", "--name", "d1"),
            "no such virtual router; the configuration has web on eth0, mail on eth1",
        ),
        (
            ("eth0", "--replay", "{capture}", "-c", "{conf}", "--name", "d1", "--address", "x"),
            "--address x is no IPv4 address",
        ),
        (("no-such-link",), "no-such-link: there is no such interface"),
    ],
)
def test_what_it_cannot_do(
    arguments: tuple[str, ...], sentence: str, capture: Path, conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"capture": capture, "conf": conf, "missing": capture.with_name("missing")}
    assert run(*(each.format(**names) for each in arguments)) == 1
    assert sentence.format(**names) in capsys.readouterr().err


def test_without_scapy_one_sentence_says_how_to_get_it() -> None:
    program = "import sys; sys.modules['scapy'] = None\nfrom haagent.cli.main import main\nraise SystemExit(main())"
    done = subprocess.run(
        (sys.executable, "-c", program, "sniff", "eth0"), capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, done.stderr) == (1, "haagent sniff needs scapy: pip install 'haagent[sniff]'\n")
