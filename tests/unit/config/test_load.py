"""Files in, the model or every error with its place out."""

# ruff: noqa: E501  (a case is a line: text and the errors it gets)

import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haagent.config.load import ConfigError, check, load, load_all
from haagent.config.model import (
    ALL_PORTS,
    Config,
    Director,
    HttpCheck,
    InterfaceAddress,
    InterfaceTrack,
    PoolTrack,
    PortRange,
    RealServer,
    Snmp,
    SorryServer,
    TcpCheck,
    Tunnel,
    VirtualRouter,
    VirtualService,
)

SAMPLE = Path(__file__).parents[3] / "haagent.conf.d"

NAMES = '[director]\nnames = ["d1", "d2"]\n'

ROUTER = '[virtual_router.r]\ninterface = "eth0"\nvrid = 5\nvirtual_addresses = ["198.51.100.1/24"]\n'

SERVICE = """[virtual_service.s]
address = "198.51.100.1"
port = 80
forwarding_method = "direct_routing"
real_servers = []
"""


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.toml").write_text(text)
    return directory


def valid(directory: Path, text: str, name: str = "d1") -> Config:
    loaded = load(write(directory, a=NAMES, b=text), name)
    assert isinstance(loaded, Config), loaded
    return loaded


def shown(errors: list[ConfigError], file: str = "b.toml") -> list[str]:
    return [str(error).removeprefix(file + ":") for error in errors]


# ------------------------------------------------------------------------------- what is right


def test_the_sample_is_valid_for_both_directors_and_differs_in_priority_alone() -> None:
    assert check(SAMPLE, None) == []
    loaded = load_all(SAMPLE, None)
    assert isinstance(loaded, dict)
    assert list(loaded) == ["d1", "d2"]
    priorities = {name: config.virtual_routers[0].priority for name, config in loaded.items()}
    assert priorities == {"d1": 200, "d2": 100}
    assert loaded["d1"].checks == loaded["d2"].checks
    assert loaded["d1"].virtual_services == loaded["d2"].virtual_services


def test_everything_that_a_file_may_say(tmp_path: Path) -> None:
    text = """
[director]
control_group = "lvs"
user = "probe"
runtime_directory = "/run/x"
state_directory = { d1 = "/var/d1", d2 = "/var/d2" }
audit_interval = 5
[snmp]
agentx = "unix:/var/agentx/master"
[virtual_router.r]
interface = { d1 = "eth1", d2 = "ens192" }
vrid = 51
priority = { d1 = 200, d2 = 100 }
advertisement_interval = 0.07
virtual_addresses = ["198.51.100.1/24", "198.51.100.2"]
unadvertised_addresses = { d1 = ["198.51.100.3/32"], d2 = [] }
preempt = { d1 = false, d2 = true }
checksum = "rfc9568"
announce_burst = 3
announce_delay = 1
announce_refresh = 10
announce_form = "both"
announce_check = 30
track = [{ pool = "s", when = "empty", priority = -20 }, { interface = "eth2", fault = true }]
[check.h]
type = "http"
port = 8080
interval = 5
timeout = 5
fall = 1
rise = 1
method = "GET"
path = "/x?y=%20"
host = "www.example.com"
status = [200, 301]
body = "two words"
[check.t]
type = "tcp"
[virtual_service.s]
address = "198.51.100.1"
port = 53
protocol = "udp"
scheduler = "mh"
scheduler_flags = ["fallback", "port"]
persistence_timeout = 300
persistence_prefix = 24
persistence_engine = "sip"
forwarding_method = "masquerading"
tunnel = { type = "gue", port = 6080 }
check = ["t", "h"]
when_down = "quiesce"
quorum = 2
quorum_hysteresis = 1
active_only = "r"
sorry_server = { address = "198.51.100.9", port = 54, forwarding_method = "masquerading" }
real_servers = [
  { name = "a.1", address = "198.51.100.10", port = 5353, weight = { d1 = 0, d2 = 65535 }, upper_threshold = 9 },
  { name = "a.2", address = "198.51.100.11", forwarding_method = "tunneling", weight = 7 },
  { name = "a.3", address = "2001:db8::11", forwarding_method = "tunneling", tunnel = { type = "gre" }, tier = 2 },
]
[virtual_service.m]
firewall_mark = 7
addresses = ["198.51.100.1"]
ports = [80, "8000-8010"]
protocols = ["tcp", "udp"]
forwarding_method = "direct_routing"
minimum_healthy_fraction = 0.25
real_servers = []
[virtual_service.m6]
firewall_mark = 7
family = "ipv6"
forwarding_method = "direct_routing"
real_servers = []
[virtual_service.all]
address = "198.51.100.2"
ports = "all"
persistence_timeout = 60
forwarding_method = "direct_routing"
real_servers = []
"""
    config = load(write(tmp_path, a=text.replace("[director]", NAMES)), "d1")
    assert config == Config(
        director=Director(
            name="d1",
            names=("d1", "d2"),
            control_group="lvs",
            user="probe",
            runtime_directory="/run/x",
            state_directory="/var/d1",
            audit_interval=5.0,
        ),
        snmp=Snmp(agentx="unix:/var/agentx/master"),
        virtual_routers=(
            VirtualRouter(
                name="r",
                interface="eth1",
                vrid=51,
                priority=200,
                advertisement_interval=0.07,
                virtual_addresses=(InterfaceAddress("198.51.100.1", 24), InterfaceAddress("198.51.100.2", 32)),
                unadvertised_addresses=(InterfaceAddress("198.51.100.3", 32),),
                preempt=False,
                checksum="rfc9568",
                announce_burst=3,
                announce_delay=1.0,
                announce_refresh=10.0,
                announce_form="both",
                announce_check=30.0,
                track=(PoolTrack(pool="s", priority=-20), InterfaceTrack(interface="eth2")),
            ),
        ),
        checks=(
            HttpCheck(
                name="h",
                port=8080,
                interval=5.0,
                timeout=5.0,
                fall=1,
                rise=1,
                path="/x?y=%20",
                host="www.example.com",
                status=(200, 301),
                body="two words",
            ),
            TcpCheck(name="t"),
        ),
        virtual_services=(
            VirtualService(
                name="s",
                address="198.51.100.1",
                port=53,
                protocol="udp",
                scheduler="mh",
                scheduler_flags=("fallback", "port"),
                persistence_timeout=300,
                persistence_prefix=24,
                persistence_engine="sip",
                forwarding_method="masquerading",
                tunnel=Tunnel(type="gue", port=6080),
                checks=("t", "h"),
                when_down="quiesce",
                quorum=2,
                quorum_hysteresis=1,
                active_only="r",
                sorry_server=SorryServer(address="198.51.100.9", port=54, forwarding_method="masquerading"),
                real_servers=(
                    RealServer(
                        name="a.1",
                        address="198.51.100.10",
                        port=5353,
                        weight=0,
                        forwarding_method="masquerading",
                        upper_threshold=9,
                    ),
                    RealServer(
                        name="a.2",
                        address="198.51.100.11",
                        port=53,
                        weight=7,
                        forwarding_method="tunneling",
                        tunnel=Tunnel(type="gue", port=6080),
                    ),
                    RealServer(
                        name="a.3",
                        address="2001:db8::11",
                        port=53,
                        tier=2,
                        forwarding_method="tunneling",
                        tunnel=Tunnel(type="gre"),
                    ),
                ),
            ),
            VirtualService(
                name="m",
                firewall_mark=7,
                addresses=("198.51.100.1",),
                ports=(PortRange(80, 80), PortRange(8000, 8010)),
                protocols=("tcp", "udp"),
                forwarding_method="direct_routing",
                minimum_healthy_fraction=0.25,
                real_servers=(),
            ),
            VirtualService(
                name="m6",
                firewall_mark=7,
                family="ipv6",
                persistence_prefix=128,
                forwarding_method="direct_routing",
                real_servers=(),
            ),
            VirtualService(
                name="all",
                address="198.51.100.2",
                ports=ALL_PORTS,
                persistence_timeout=60,
                forwarding_method="direct_routing",
                real_servers=(),
            ),
        ),
    )


def test_per_director_values_are_resolved_everywhere(tmp_path: Path) -> None:
    text = (
        ROUTER.replace('["198.51.100.1/24"]', '{ d1 = ["198.51.100.1/24"], d2 = ["198.51.100.1/25"] }')
        + SERVICE.replace(
            "real_servers = []",
            'real_servers = { d1 = [{ name = "a", address = "198.51.100.7" }], d2 = [] }\n'
            'sorry_server = { d1 = { address = "198.51.100.8" }, d2 = { address = "198.51.100.9" } }',
        )
        + '[check.c]\ntype = { d1 = "tcp", d2 = "http" }\n'
    )
    configs = load_all(write(tmp_path, a=NAMES, b=text), None)
    assert isinstance(configs, dict)
    one, two = configs["d1"], configs["d2"]
    assert one.virtual_routers[0].virtual_addresses == (InterfaceAddress("198.51.100.1", 24),)
    assert two.virtual_routers[0].virtual_addresses == (InterfaceAddress("198.51.100.1", 25),)
    assert [len(each.virtual_services[0].real_servers) for each in (one, two)] == [1, 0]
    sorry = [each.virtual_services[0].sorry_server for each in (one, two)]
    assert [each and each.address for each in sorry] == ["198.51.100.8", "198.51.100.9"]
    assert [type(each.checks[0]) for each in (one, two)] == [TcpCheck, HttpCheck]


@pytest.mark.parametrize(
    ("scheduler", "flags"),
    [
        ('"sh"', ("fallback",)),
        ('"mh"', ("fallback",)),
        ('"wlc"', ()),
        ('"sh"\nscheduler_flags = []', ()),
        ('"mh"\nscheduler_flags = ["fallback", "port"]', ("fallback", "port")),
        ('"rr"\nscheduler_flags = []', ()),
    ],
)
def test_source_hashing_falls_back_unless_told_otherwise(
    tmp_path: Path, scheduler: str, flags: tuple[str, ...]
) -> None:
    config = valid(tmp_path, f"{SERVICE}scheduler = {scheduler}\n")
    assert config.virtual_services[0].scheduler_flags == flags


@pytest.mark.parametrize("written", ["0.01", "0.07", "0.29", "1", "1.1", "40.95"])
def test_advertisement_intervals_are_whole_centiseconds(tmp_path: Path, written: str) -> None:
    config = valid(tmp_path, f"{ROUTER}advertisement_interval = {written}\n")
    assert config.virtual_routers[0].advertisement_interval == float(written)


def test_files_merge_by_key_in_byte_order(tmp_path: Path) -> None:
    (tmp_path / "Z.toml").write_text(NAMES + '[virtual_router.z]\ninterface = "eth0"\n')
    (tmp_path / "a.toml").write_text(
        '[virtual_router.a]\ninterface = "eth0"\nvrid = 1\nvirtual_addresses = ["198.51.100.9"]\npriority.d1 = 7\n'
        '[virtual_router.z]\nvrid = 2\nvirtual_addresses = ["198.51.100.8"]\n'
    )
    (tmp_path / "b.toml").write_text("[virtual_router.a.priority]\nd2 = 8\n")
    (tmp_path / ".#b.toml").symlink_to("nowhere")
    (tmp_path / "b.toml~").write_text("not TOML")
    config = load(tmp_path, "d2")
    assert isinstance(config, Config), config
    assert [router.name for router in config.virtual_routers] == ["z", "a"]
    assert config.virtual_routers[1].priority == 8


def test_arrays_of_tables_are_arrays(tmp_path: Path) -> None:
    config = valid(
        tmp_path,
        SERVICE.replace("real_servers = []\n", "")
        + '[[virtual_service.s.real_servers]]\nname = "a"\naddress = "198.51.100.7"\n'
        + '[[virtual_service.s.real_servers]]\nname = "b"\naddress = "198.51.100.8"\n',
    )
    assert [server.name for server in config.virtual_services[0].real_servers] == ["a", "b"]


# -------------------------------------------------------------------------------- who we are


@pytest.mark.parametrize("host", ["d2", "d2.example.com"])
def test_the_host_name_says_who_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    config = load(write(tmp_path, a=NAMES), None)
    assert isinstance(config, Config)
    assert config.director.name == "d2"


def test_a_host_with_another_name_is_told_to_say_who_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "d3.example.com")
    wanted = 'this host is called "d3.example.com"; say which of d1, d2 this is with --name'
    assert load(write(tmp_path, a=NAMES), None) == [ConfigError("a.toml", 2, 1, "director.names", wanted)]
    assert check(tmp_path, None) == []


def test_an_unknown_name_is_one_error_among_the_others(tmp_path: Path) -> None:
    write(tmp_path, a=NAMES, b="x = 1\n")
    assert [str(error) for error in check(tmp_path, "d3")] == [
        'a.toml:2:1: director.names: there is no director "d3"; say which of d1, d2 this is with --name',
        "b.toml:1:1: x: unknown key; one of director, snmp, connection_sync, sysctl, peers, virtual_router, virtual_router_group, check, "
        "virtual_service, hook",
    ]


# ------------------------------------------------------------------------------- what is wrong

PER_DIRECTOR = "a table here gives one value for each director (d1, d2): "
ANY_ADDRESS = 'an IPv4 or IPv6 address, as in "192.0.2.1" or "2001:db8::1"'

WRONG = [
    # tables and keys
    (
        "routers = 1",
        [
            "1:1: routers: unknown key; one of director, snmp, connection_sync, sysctl, peers, virtual_router, virtual_router_group, check, "
            "virtual_service, hook"
        ],
    ),
    ("virtual_routers = 1", ['1:1: virtual_routers: unknown key; did you mean "virtual_router"?']),
    ("snmp = 1", ["1:1: snmp: expected a table, got the integer 1"]),
    ("check = [1]", ["1:1: check: expected tables with a name, as in [check.NAME], got an array"]),
    ("check.a = 1.5", ['1:7: check.a: expected a table with a "type", got the float 1.5']),
    ("[check.a]", ["1:8: check.a.type: missing; one of tcp, http, https, dns, udp, icmp, exec, agent, smtp, imap, pop3, ftp, ldap, mysql, postgresql, redis, radius, sip, ntp, grpc"]),
    ('[check.a]\ntype = "gopher"', ['2:1: check.a.type: unknown type "gopher"; one of tcp, http, https, dns, udp, icmp, exec, agent, smtp, imap, pop3, ftp, ldap, mysql, postgresql, redis, radius, sip, ntp, grpc']),
    ('[check.a]\ntype = "tcp"\npath = "/"', ['3:1: check.a.path: unknown key; one of type, interval, timeout, fall, rise, source, device, mark, port, tls, sni, verify, ca_file, warn_certificate_days, minimum_certificate_days, send, send_hex, expect, expect_regex, expect_hex']),
    (
        '[check."a b"]\ntype = "tcp"',
        ['1:8: check."a b": this is no name; expected a name of 1 to 63 letters, digits, "_", "." or "-"'],
    ),
    (
        "[virtual_router.r]",
        [
            '1:17: virtual_router.r.interface: missing; expected an interface name of 1 to 15 characters without spaces, "/" or ":"',
            "1:17: virtual_router.r.vrid: missing; expected an integer from 1 to 255",
            "1:17: virtual_router.r.virtual_addresses: missing; expected an array of addresses",
        ],
    ),
    (SERVICE + "path_chek = true", ["6:1: virtual_service.s.path_chek: unknown key; did you mean \"path_check\"?"]),
    (SERVICE + "virtual_address = 1", ['6:1: virtual_service.s.virtual_address: unknown key; did you mean "address"?']),
    # types and ranges
    ("snmp.agentx = 1", ['1:6: snmp.agentx: expected "unix:/var/agentx/master", "tcp:127.0.0.1:705" or "" (no subagent), got the integer 1']),
    ("director.audit_interval = 0", ["1:10: director.audit_interval: expected a number of seconds from 1 to 3600, got the integer 0"]),
    ("director.audit_interval = nan", ["1:10: director.audit_interval: expected a number of seconds from 1 to 3600, got the float nan"]),
    ("director.audit_interval = true", ["1:10: director.audit_interval: expected a number of seconds from 1 to 3600, got the boolean true"]),
    ('director.runtime_directory = "run"', ['1:10: director.runtime_directory: expected an absolute path, as in "/run/haagent", got the string "run"']),
    ("director.user = 07:32:00", ["1:10: director.user: expected the name of an account or group, got the date or time 07:32:00"]),
    (ROUTER + "priority = 0", ["5:1: virtual_router.r.priority: expected an integer from 1 to 255, got the integer 0"]),
    (ROUTER + "priority = 1.0", ["5:1: virtual_router.r.priority: expected an integer from 1 to 255, got the float 1.0"]),
    (
        ROUTER + "advertisement_interval = 1.005",
        ["5:1: virtual_router.r.advertisement_interval: expected a number of seconds from 0.01 to 40.95 in whole hundredths, got the float 1.005; 1 is the nearest"],
    ),
    (ROUTER + 'preempt = "no"', ['5:1: virtual_router.r.preempt: expected true or false, got the string "no"']),
    (ROUTER + "checksum = 1", ["5:1: virtual_router.r.checksum: expected one of auto, rfc9568, pseudo_header, got the integer 1"]),
    (ROUTER + "track = {}", [f'5:1: virtual_router.r.track: {PER_DIRECTOR}missing "d1", "d2"']),
    (ROUTER + "track = 1", ["5:1: virtual_router.r.track: expected an array of tables, got the integer 1"]),
    (ROUTER + 'track = ["eth1"]', ['5:10: virtual_router.r.track[0]: expected a table with "pool", "interface", "script", "file" or "process", got the string "eth1"']),
    (ROUTER + "track = [{ fault = true }]", ['5:10: virtual_router.r.track[0]: expected a table with "pool", "interface", "script", "file" or "process", got neither']),
    (ROUTER + 'track = [{ pool = "s", interface = "x" }]', ['5:10: virtual_router.r.track[0]: expected a table with "pool", "interface", "script", "file" or "process", got both']),
    (ROUTER.replace('["198.51.100.1/24"]', "[]"), ["4:1: virtual_router.r.virtual_addresses: expected an array of addresses, at least 1, got an empty one"]),
    ('[check.a]\ntype = "http"\nstatus = []', ["3:1: check.a.status: expected an array of status codes, at least 1, got an empty one"]),
    ('[check.a]\ntype = "http"\nstatus = [200, 99, 200]', [
        "3:16: check.a.status[1]: expected a status code from 100 to 599 or a range of them, as in \"200-299\", got the integer 99",
        "3:20: check.a.status[2]: the integer 200 stands in the array twice",
    ]),
    (SERVICE.replace('"direct_routing"', '"dr"'), ['4:1: virtual_service.s.forwarding_method: unknown forwarding method "dr"; one of direct_routing, masquerading, tunneling']),
    (SERVICE + 'protocol = "icmp"', ['6:1: virtual_service.s.protocol: unknown protocol "icmp"; one of tcp, udp, sctp']),
    (
        SERVICE + 'scheduler = "rrr"',
        ['6:1: virtual_service.s.scheduler: unknown scheduler "rrr"; one of rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos'],
    ),
    (SERVICE.replace('"198.51.100.1"', '"www"'), [f'2:1: virtual_service.s.address: expected {ANY_ADDRESS}, got the string "www"']),
    (SERVICE.replace('address = "198.51.100.1"\n', ""), [f"1:18: virtual_service.s.address: missing; expected {ANY_ADDRESS}; or a firewall_mark"]),
    (SERVICE.replace("port = 80\n", ""), ['1:18: virtual_service.s.port: missing; expected an integer from 1 to 65535; or ports = "all"']),
    (SERVICE + "sorry_server = []", ["6:1: virtual_service.s.sorry_server: expected a table, got an array"]),
    (SERVICE + "sorry_server = {}", ["6:1: virtual_service.s.sorry_server.address: missing; expected " + ANY_ADDRESS]),
    # values by director
    (ROUTER + "priority = { d1 = 2 }", [f'5:1: virtual_router.r.priority: {PER_DIRECTOR}missing "d2"']),
    (ROUTER + "priority = { d1 = 2, d2 = 3, d3 = 4 }", [f'5:1: virtual_router.r.priority: {PER_DIRECTOR}unknown "d3"']),
    (ROUTER + "priority = { d1 = 2, d2 = 0 }", ["5:22: virtual_router.r.priority.d2: expected an integer from 1 to 255, got the integer 0"]),
    (ROUTER + "priority = { d1 = { d1 = 1 }, d2 = 1 }", ["5:14: virtual_router.r.priority.d1: expected an integer from 1 to 255, got a table"]),
    (SERVICE + 'sorry_server = { d1 = { address = "198.51.100.9" } }', [f'6:1: virtual_service.s.sorry_server: {PER_DIRECTOR}missing "d2"']),
    (
        SERVICE.replace("[]", '{ d1 = [], d2 = [{ name = "a", address = "198.51.100.4", weight = -1 }] }'),
        ["5:73: virtual_service.s.real_servers.d2[0].weight: expected an integer from 0 to 65535, got the integer -1"],
    ),
    ('[check.a]\ntype = { d1 = "tcp" }', [f'2:1: check.a.type: {PER_DIRECTOR}missing "d2"']),
]  # fmt: skip


@pytest.mark.parametrize(("text", "errors"), WRONG, ids=[text[-40:] for text, _ in WRONG])
def test_wrong(tmp_path: Path, text: str, errors: list[str]) -> None:
    assert shown(check(write(tmp_path, a=NAMES, b=text), None)) == errors


def test_every_error_at_once_in_the_order_of_the_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        a='[director]\nnames = ["d1", "d2"]\nnmaes = 1\n',
        b='[virtual_service.web]\naddress = "198.51.100.010"\nport = 0\nforwarding_method = "direct_routing"\n'
        'check = ["x"]\nreal_servers = [\n  { name = "a b", address = "0.0.0.0", weigth = 3 },  # ]\n'
        '  { name = "b", address = "198.51.100.7", port = 8080 },\n]\n',
    )
    assert [str(error) for error in check(tmp_path, None)] == [
        'a.toml:3:1: director.nmaes: unknown key; did you mean "names"?',
        "b.toml:2:1: virtual_service.web.address: leading zeros in the address 198.51.100.010; "
        "198.51.100.10 if decimal was meant",
        "b.toml:3:1: virtual_service.web.port: expected an integer from 1 to 65535, got the integer 0",
        'b.toml:5:10: virtual_service.web.check[0]: there is no check "x"; there are no checks at all',
        "b.toml:7:5: virtual_service.web.real_servers[0].name: "
        'expected a name of 1 to 63 letters, digits, "_", "." or "-", got the string "a b"',
        "b.toml:7:19: virtual_service.web.real_servers[0].address: 0.0.0.0 is no host's address; "
        "expected a unicast address",
        'b.toml:7:40: virtual_service.web.real_servers[0].weigth: unknown key; did you mean "weight"?',
    ]


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("", ["1:1: director.names: missing; expected an array of the directors' names"]),
        ("director = 1", ["1:1: director: expected a table, got the integer 1"]),
        ("[director]\nnames = []", ["2:1: director.names: expected an array of the directors' names, at least 1, got an empty one"]),
        ('[director]\nnames = ["a", "a"]', ['2:15: director.names[1]: the string "a" stands in the array twice']),
        ('[director]\nnames = { a = ["a"] }', ["2:1: director.names: expected an array of the directors' names, got a table"]),
        # Without names nobody knows what a table by director should hold, so it is passed over; the rest is said.
        (
            '[virtual_router.r]\ninterface = { x = "" }\nvrid = 0\nvirtual_addresses = { a = 1 }\n[virtual_service.s]\n'
            'address = "198.51.100.1"\nport = 1\nforwarding_method = "masquerading"\nreal_servers = []\n'
            'sorry_server = { a = { address = "198.51.100.2" } }',
            [
                "1:1: director.names: missing; expected an array of the directors' names",
                "3:1: virtual_router.r.vrid: expected an integer from 1 to 255, got the integer 0",
            ],
        ),
    ],
)  # fmt: skip
def test_without_names(tmp_path: Path, text: str, errors: list[str]) -> None:
    assert shown(check(write(tmp_path, b=text), None)) == errors
    assert shown(check(tmp_path, "a")) == errors


def test_a_file_that_is_no_toml_does_not_hide_the_others_nor_blame_them(tmp_path: Path) -> None:
    write(tmp_path, a=NAMES, b="[virtual_router.r]\nvrid = 300\n[check.c]\n", c="x = \n", d='y = "\n')
    assert [str(error) for error in check(tmp_path, None)] == [
        "b.toml:2:1: virtual_router.r.vrid: expected an integer from 1 to 255, got the integer 300",
        "c.toml:1:5: not valid TOML: Invalid value",
        "d.toml:1:6: not valid TOML: Illegal character '\\n'",
    ]
    write(tmp_path, a="x = \n", b="[virtual_router.r]\npriority = { d1 = 1 }\n", c="", d="")
    assert [str(error) for error in check(tmp_path, None)] == ["a.toml:1:5: not valid TOML: Invalid value"]


def test_load_says_only_what_concerns_the_director(tmp_path: Path) -> None:
    write(tmp_path, a=NAMES, b=ROUTER + "priority = { d1 = 2, d2 = 0 }\n")
    assert isinstance(load(tmp_path, "d1"), Config)
    assert len(check(tmp_path, "d2")) == 1


# ----------------------------------------------------------------------------- whatever comes


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conf")


def declared(directory: Path) -> bool:
    errors = check(directory, None)
    loaded = load(directory, "d1")
    if errors:
        assert all(error.line >= 1 and error.column >= 1 and error.message for error in errors)
        assert all("\x1b" not in str(error) and "\n" not in str(error) for error in errors)
        return True
    return isinstance(loaded, Config)


@given(text=st.text())
def test_any_text_gives_a_value(scratch: Path, text: str) -> None:
    assert declared(write(scratch, a=text.encode(errors="replace").decode()))


@given(octets=st.binary())
def test_any_octets_give_a_value(scratch: Path, octets: bytes) -> None:
    (scratch / "a.toml").write_bytes(octets)
    assert declared(scratch)


VALUES = st.sampled_from(
    ["1", "-1", "0x" + "f" * 5000, "1e400", "nan", "true", '""', '"x"', '"198.51.100.1"', "[]", "{}", "[[]]", "[{}]",
     "{ d1 = 1 }", "{ d1 = 1, d2 = 2 }", "{ d1 = {}, d2 = [] }", "1979-05-27", '"\\u001b[2J\\n"', '"http"', '["x"]', "9" * 5000]
)  # fmt: skip


@given(st.data())
def test_mutated_samples_give_a_value(scratch: Path, data: st.DataObject) -> None:
    for file in SAMPLE.glob("*.toml"):
        lines = file.read_text().splitlines()
        for _ in range(data.draw(st.integers(0, 3))):
            number = data.draw(st.integers(0, len(lines) - 1))
            key = lines[number].partition("=")[0]
            lines[number : number + 1] = data.draw(
                st.one_of(
                    st.just([]),
                    st.just([lines[number].lstrip("# ")]),
                    st.just([lines[number], lines[number]]),
                    VALUES.map(lambda value, key=key: [f"{key}= {value}"]),  # type: ignore[misc]
                    VALUES.map(lambda value: [f"unknown = {value}"]),
                    st.sampled_from([["[check]"], ["[virtual_service.web]"], ["[[virtual_router]]"], ["[x.y]"]]),
                )
            )
            lines = lines or [""]
        (scratch / file.name).write_text("\n".join(lines))
    (scratch / "a.toml").unlink(missing_ok=True)
    assert declared(scratch)
    for file in scratch.iterdir():
        file.unlink()


def test_ten_thousand_servers_load(tmp_path: Path) -> None:
    shutil.copy(SAMPLE / "10-director.toml", tmp_path)
    with (tmp_path / "30.toml").open("w") as file:
        for service in range(100):
            file.write(
                f"[virtual_service.s{service}]\n" + SERVICE.partition("\n")[2].replace("100.1", f"100.{service + 1}")
            )
            file.seek(file.tell() - len("[]\n"))
            servers = [
                f'{{ name = "r{service}-{number}", address = "203.0.{service}.{number + 1}" }}' for number in range(100)
            ]
            file.write("[\n  " + ",\n  ".join(servers) + "\n]\n")
    config = load(tmp_path, "d1")
    assert isinstance(config, Config), config[:3]
    assert sum(len(service.real_servers) for service in config.virtual_services) == 10_000
