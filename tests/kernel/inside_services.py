"""Every kind of virtual service, from the configuration's text to a client's traffic; ipvsadm is the oracle."""

import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from haagent.ipvs import marks
from haagent.linux.ipvs import Ipvs
from tests.kernel.nat_stage import (
    CLIENT6,
    CLIENTS,
    REAL,
    REAL6,
    SCTP,
    VIP,
    VIP2,
    VIP6,
    Clients,
    Director,
    Stage,
    marks_family,
    saved,
    staged,
)
from tests.netns.segment import inside


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


@pytest.fixture
def director(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Director]:
    monkeypatch.setattr(marks, "FAMILY", marks_family())
    ipvs = Ipvs.open()
    assert isinstance(ipvs, Ipvs), ipvs
    yield Director(ipvs, tmp_path)
    ipvs.close()


def servers(*names: str, more: str = "", addresses: dict[str, str] = REAL) -> str:
    rows = ", ".join(f'{{ name = "{name}", address = "{addresses[name]}"{more} }}' for name in names)
    return f"real_servers = [{rows}]\n"


def service(head: str, *names: str, more: str = "", addresses: dict[str, str] = REAL) -> str:
    return (
        f'[virtual_service.web]\n{head}\nforwarding_method = "masquerading"\n'
        f"{servers(*names, more=more, addresses=addresses)}"
    )


PLAIN = f'address = "{VIP}"\nport = 80\nscheduler = "rr"'


def test_an_ipv6_service(stage: Stage, director: Director) -> None:
    stage.listen(80)
    director.load(service(f'address = "{VIP6}"\nport = 80\nscheduler = "rr"', "rs1", "rs2", addresses=REAL6))
    assert director.failures == ()
    assert saved() == sorted(
        [
            "-A -t [2001:db8:c::100]:80 -s rr",
            "-a -t [2001:db8:c::100]:80 -r [2001:db8:5::11]:80 -m -w 1",
            "-a -t [2001:db8:c::100]:80 -r [2001:db8:5::12]:80 -m -w 1",
        ]
    )
    assert stage.ask_many(10, VIP6) == {"rs1": 5, "rs2": 5}


def test_an_sctp_service(stage: Stage, director: Director) -> None:
    subprocess.run(["modprobe", "sctp"], check=True)
    stage.listen_to_sctp(80)
    director.load(service(PLAIN + '\nprotocol = "sctp"', "rs1", "rs2"))
    assert f"-A --sctp-service {VIP}:80 -s rr" in saved()
    assert {stage.ask(source=CLIENTS[0], protocol=SCTP) for _ in range(4)} == {"rs1", "rs2"}


MARKED = f"""firewall_mark = 7
addresses = ["{VIP}", "{VIP2}"]
ports = ["80", "443", "8000-8002"]
scheduler = "rr"
"""


def test_a_firewall_mark_ties_ports_and_addresses_together(stage: Stage, director: Director) -> None:
    """A client meets one real server on all of them."""
    stage.listen(80, 443, 8000, 8002, 8003)
    director.load(service(MARKED + "persistence_timeout = 300", "rs1", "rs2", "rs3"))
    assert director.failures == ()
    assert saved()[0] == "-A -f 7 -s rr -p 300"
    met = {}
    for client in CLIENTS[:6]:
        answers = {stage.ask(address, port, client) for address in (VIP, VIP2) for port in (80, 443, 8000, 8002)}
        assert len(answers) == 1
        met[client] = answers.pop()
    assert Counter(met.values()) == {"rs1": 2, "rs2": 2, "rs3": 2}
    with pytest.raises(ConnectionRefusedError):  # not marked, so not served
        stage.ask(VIP, 8003)
    director.load("")
    assert saved() == []
    assert subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout == ""
    with pytest.raises(ConnectionRefusedError):
        stage.ask(VIP, 80)


def test_from_a_port_to_a_mark_and_back_without_a_refused_client(stage: Stage, director: Director) -> None:
    stage.listen(80, 443)
    plain = service(PLAIN, "rs1")
    tied = service(MARKED, "rs2").replace("service.web", "service.tied")
    director.load(plain)
    with Clients(stage) as clients:
        for _ in range(5):
            director.load(tied)
            clients.wait_for("rs2")
            director.load(plain)
            clients.wait_for("rs1")
    refused = [each for each in clients.failures if "refused" in each]
    assert refused == []


def test_marks_that_somebody_flushed_come_back(stage: Stage, director: Director) -> None:
    stage.listen(80)
    director.load(service(MARKED, "rs1"))
    assert stage.ask() == "rs1"
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    with pytest.raises(ConnectionRefusedError):
        stage.ask()
    assert director.audit().repairs == 2
    assert stage.ask() == "rs1"


def test_names_are_asked_for_at_one_server_by_datagrams_and_by_connections(stage: Stage, director: Director) -> None:
    """53/udp and 53/tcp under one mark: an answer too long for a datagram is fetched where the short one came from."""
    stage.listen(53)
    stage.hear_datagrams(53, ("rs1", "rs2", "rs3"))
    tied = f'firewall_mark = 8\naddresses = ["{VIP}"]\nports = ["53"]\nprotocols = ["udp", "tcp"]\nscheduler = "rr"\n'
    director.load(service(tied + "persistence_timeout = 60", "rs1", "rs2", "rs3"))
    assert director.failures == ()
    met: Counter[str] = Counter()
    for client in CLIENTS[:6]:
        with inside(stage.client):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with sender:
            sender.bind((client, 0))
            for number in range(3):
                sender.sendto(b"%d" % number, (VIP, 53))
        (name,) = set(stage.heard().values())
        assert stage.ask(VIP, 53, client) == name
        met[name] += 1
    assert met == {"rs1": 2, "rs2": 2, "rs3": 2}


SETS = """
table {family} sets {{
  set naughty {{ type ipv4_addr; elements = {{ {naughty} }} }}
  set region {{ type ipv4_addr; flags interval; elements = {{ 198.51.100.208/29 }} }}
  chain c {{
    type filter hook prerouting priority -160
    ip saddr @region ip daddr {vip} tcp dport 80 meta mark set 10
    ip saddr @naughty ip daddr {vip} tcp dport 80 meta mark set 9
  }}
}}
"""


def test_an_operators_set_of_clients_has_a_pool_of_its_own(stage: Stage, director: Director) -> None:
    """PEN's abuse server and BalanceNG's location groups: nft marks whom the operator's sets name; no reload."""
    stage.listen(80)
    bare = '[virtual_service.{}]\nfirewall_mark = {}\nforwarding_method = "masquerading"\n'
    director.load(
        service(PLAIN, "rs1", "rs2")
        + bare.format("abuse", 9)
        + servers("rs3")
        + bare.format("region", 10)
        + servers("rs4")
    )
    assert director.failures == ()
    naughty, other, local = CLIENTS[0], CLIENTS[1], CLIENTS[8]
    rules = SETS.format(family=marks_family(), naughty=naughty, vip=VIP)
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)

    def met() -> list[set[str]]:
        return [{stage.ask(source=client) for _ in range(4)} for client in (naughty, other, local)]

    web = {"rs1", "rs2"}
    assert met() == [{"rs3"}, web, {"rs4"}]
    for verb, client in (("add", other), ("delete", naughty)):
        subprocess.run(["nft", verb, "element", marks_family(), "sets", "naughty", f"{{ {client} }}"], check=True)
    assert met() == [web, {"rs3"}, {"rs4"}]
    assert director.audit().repairs == 0
    assert "sets" in subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout


def test_an_ipv6_mark_beside_an_ipv4_mark_of_the_same_number(stage: Stage, director: Director) -> None:
    stage.listen(80)
    six = service(f'firewall_mark = 7\naddresses = ["{VIP6}"]\nports = "all"', "rs3", addresses=REAL6)
    director.load(service(MARKED, "rs1") + six.replace("service.web", "service.six"))
    assert "-A -f 7 -6 -s wlc" in saved()
    assert (stage.ask(VIP), stage.ask(VIP6, source=CLIENT6)) == ("rs1", "rs3")


def test_all_ports_of_an_address(stage: Stage, director: Director) -> None:
    stage.listen(80, 8002)
    director.load(
        service(f'address = "{VIP}"\nports = "all"\npersistence_timeout = 60\nscheduler = "rr"', "rs1", "rs2")
    )
    assert f"-A -t {VIP}:0 -s rr -p 60" in saved()
    assert {stage.ask(VIP, port, CLIENTS[0]) for port in (80, 8002, 80)} in ({"rs1"}, {"rs2"})


def test_persistence_by_prefix(stage: Stage, director: Director) -> None:
    stage.listen(80)
    director.load(service(PLAIN + "\npersistence_timeout = 60\npersistence_prefix = 24", "rs1", "rs2"))
    assert f"-A -t {VIP}:80 -s rr -p 60 -M 255.255.255.0" in saved()
    assert len({stage.ask(source=client) for client in CLIENTS[:6]}) == 1  # all of one /24
    director.load(service(PLAIN + "\npersistence_timeout = 60", "rs1", "rs2"))
    assert f"-A -t {VIP}:80 -s rr -p 60" in saved()


def test_persistence_by_prefix_over_ipv6_and_by_sip(director: Director, stage: Stage) -> None:
    six = f'address = "{VIP6}"\nport = 5060\nprotocol = "udp"\npersistence_timeout = 60\npersistence_prefix = 64\n'
    director.load(service(six + 'persistence_engine = "sip"', "rs1", addresses=REAL6))
    assert "-A -u [2001:db8:c::100]:5060 -s wlc -p 60 -M 64 --pe sip" in saved()
    assert director.audit().repairs == 0


def test_one_packet_scheduling_spreads_the_datagrams_of_one_client(stage: Stage, director: Director) -> None:
    names = ("rs1", "rs2", "rs3")
    stage.hear_datagrams(53, names)
    udp = f'address = "{VIP}"\nport = 53\nprotocol = "udp"\nscheduler = "rr"\n'
    director.load(service(udp + "one_packet = true", *names))
    assert f"-A -u {VIP}:53 -s rr -o" in saved()
    assert _spread(stage) == {"rs1": 10, "rs2": 10, "rs3": 10}
    director.load(service(udp, *names))
    assert sorted(_spread(stage).values()) == [30]  # without it all go where the first went


def _spread(stage: Stage) -> Counter[str]:
    with inside(stage.client):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender:
        for number in range(30):
            sender.sendto(b"%d" % number, (VIP, 53))
    return Counter(stage.heard().values())


def test_thresholds_turn_new_connections_away(stage: Stage, director: Director) -> None:
    stage.listen(80)
    director.load(
        service(PLAIN, "rs1", "rs2").replace('"192.0.2.11"', '"192.0.2.11", upper_threshold = 3, lower_threshold = 2')
    )
    held = [stage.connect() for _ in range(12)]
    assert Counter(each.recv(9).decode().strip() for each in held) == {"rs1": 3, "rs2": 9}
    for each in held:
        each.close()


def test_a_threshold_does_not_turn_persistent_clients_away(stage: Stage, director: Director) -> None:
    """PEN's max and hard: a client that returns gets in past the limit, and the kernel has no hard one."""
    stage.listen(80)
    director.load(
        service(PLAIN + "\npersistence_timeout = 60", "rs1", "rs2").replace(
            '"192.0.2.11"', '"192.0.2.11", upper_threshold = 2'
        )
    )
    held, met = [], {}
    for client in (*CLIENTS[:6], *CLIENTS[:6]):
        held.append(stage.connect(source=client))
        name = held[-1].recv(9).decode().strip()
        assert met.setdefault(client, name) == name
    assert 1 <= Counter(met.values())["rs1"] <= 2
    assert director.audit().repairs == 0
    for each in held:
        each.close()


def test_tunnels_are_what_ipvsadm_calls_them(director: Director, stage: Stage) -> None:
    kinds = {
        "rs1": "",
        "rs2": ', tunnel = { type = "gue", port = 6080, checksum = "remote_checksum" }',
        "rs3": ', tunnel = { type = "gre", checksum = "checksum" }',
        "rs4": ', tunnel = { type = "gue", port = 6081, checksum = "checksum" }',
    }
    rows = ", ".join(f'{{ name = "{name}", address = "{REAL[name]}"{more} }}' for name, more in kinds.items())
    six = '{ name = "six", address = "2001:db8:5::11" }'
    director.load(
        f'[virtual_service.web]\naddress = "{VIP}"\nport = 80\nforwarding_method = "tunneling"\n'
        f"real_servers = [{rows}, {six}]\n"
    )
    assert director.failures == ()
    to = f"-a -t {VIP}:80 -r"
    assert saved() == sorted(
        [
            f"-A -t {VIP}:80 -s wlc",
            f"{to} 192.0.2.11:80 -i -w 1 --tun-type ipip",
            f"{to} 192.0.2.12:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
            f"{to} 192.0.2.13:80 -i -w 1 --tun-type gre --tun-csum",
            f"{to} 192.0.2.14:80 -i -w 1 --tun-type gue --tun-port 6081 --tun-csum",
            f"{to} [2001:db8:5::11]:80 -i -w 1 --tun-type ipip",
        ]
    )


def test_every_setting_survives_an_audit_unchanged(director: Director, stage: Stage) -> None:
    """What the kernel gives back is what was wanted: nothing is repaired that nobody edited."""
    texts = [
        service(PLAIN, "rs1", "rs2", more=", upper_threshold = 5, lower_threshold = 4, weight = 65535"),
        service(f'address = "{VIP6}"\nport = 80\nscheduler = "mh"', "rs1", addresses=REAL6)
        .replace("web", "six")
        .replace('name = "rs1"', 'name = "six1"'),
        service(MARKED, "rs3")
        .replace("service.web", "service.mark")
        .replace(VIP2, VIP)
        .replace(f'"{VIP}", ', "", 1)
        .replace('"80", ', ""),
        service(f'address = "{VIP2}"\nport = 53\nprotocol = "udp"\none_packet = true', "rs4").replace("web", "udp"),
    ]
    director.load("".join(texts))
    assert director.failures == ()
    observed, wanted = director.audit(), director.level
    assert (observed.repairs, observed.table, observed.marks) == (0, wanted.table, wanted.marks)
