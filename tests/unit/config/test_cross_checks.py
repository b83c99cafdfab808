"""Contradictions between values, each with the place that an operator would change."""

from pathlib import Path

import pytest

from haagent.config.load import check

NAMES = '[director]\nnames = ["d1", "d2"]\n'


def router(
    name: str = "r", vrid: int = 1, more: str = "", interface: str = "eth0", address: str = "198.51.100.1"
) -> str:
    """Five lines."""
    head = f'[virtual_router.{name}]\ninterface = "{interface}"\nvrid = {vrid}\n'
    return head + f'virtual_addresses = ["{address}"]\n{more}\n'


def service(
    name: str = "s", servers: str = "", more: str = "", port: int = 80, method: str = "direct_routing", address: int = 1
) -> str:
    """Six lines."""
    return (
        f'[virtual_service.{name}]\naddress = "198.51.100.{address}"\nport = {port}\nforwarding_method = "{method}"\n'
        f"real_servers = [{servers}]\n{more}\n"
    )


def server(name: str = "a", address: int = 11, more: str = "") -> str:
    return f'{{ name = "{name}", address = "198.51.100.{address}"{more} }}'


def port_says(port: int, method: str, changes: str) -> str:
    return (
        f"port {port} is not the service's port 80: under {method} the kernel changes only {changes}, never the port; "
        "leave port out, or use masquerading"
    )


WRONG = {
    "same vrid": (
        router("a") + router("b", address="198.51.100.2"),
        ["8:1: virtual_router.b.vrid: vrid 1 on eth0 is that of virtual_router.a already"],
    ),
    "same address": (
        router("a") + router("b", 2),
        ["9:22: virtual_router.b.virtual_addresses[0]: 198.51.100.1 on eth0 is held by virtual_router.a already"],
    ),
    "same address in one router": (
        router(more='unadvertised_addresses = ["198.51.100.2", "198.51.100.1/24"]'),
        ["5:43: virtual_router.r.unadvertised_addresses[1]: 198.51.100.1 stands in this router twice"],
    ),
    "too many addresses": (
        '[virtual_router.r]\ninterface = "eth0"\nvrid = 1\nvirtual_addresses = ['
        + ", ".join(f'"10.0.{number // 200}.{number % 200 + 1}"' for number in range(256))
        + "]",
        [
            "4:1: virtual_router.r.virtual_addresses: 256 entries; at most 255: "
            "the advertisement counts to 255; put the others into unadvertised_addresses"
        ],
    ),
    "two owners": (
        router(more="priority = 255"),
        ["5:1: virtual_router.r.priority: 255 is for the one owner of the addresses; it is given to d1, d2"],
    ),
    "two owners by name": (
        router(more="priority = { d1 = 255, d2 = 255 }"),
        ["5:1: virtual_router.r.priority: 255 is for the one owner of the addresses; it is given to d1, d2"],
    ),
    "track of no pool": (
        router(more='track = [{ pool = "wbe", fault = true }]') + service("web"),
        ['5:12: virtual_router.r.track[0].pool: there is no virtual service "wbe"; did you mean "web"?'],
    ),
    "track of no pool at all": (
        router(more='track = [{ pool = "web", fault = true }]'),
        [
            '5:12: virtual_router.r.track[0].pool: there is no virtual service "web"; '
            "there are no virtual services at all"
        ],
    ),
    "track without effect": (
        router(more='track = [{ interface = "eth1", fault = false }, { pool = "s" }]') + service(),
        [
            "5:10: virtual_router.r.track[0]: changes nothing; give it fault = true or a priority",
            "5:49: virtual_router.r.track[1]: changes nothing; give it fault = true or a priority",
        ],
    ),
    "timeout": (
        '[check.c]\ntype = "tcp"\ninterval = 1\ntimeout = 1.5',
        ["4:1: check.c.timeout: timeout 1.5 is longer than interval 1; expected at most that"],
    ),
    "timeout by default": (
        '[check.c]\ntype = "tcp"\ninterval = 0.5',
        ["1:8: check.c.timeout: timeout 1 is longer than interval 0.5; expected at most that"],
    ),
    "body of HEAD": (
        '[check.c]\ntype = "http"\nmethod = "HEAD"\nbody = "x"',
        ['4:1: check.c.body: an answer to HEAD has no body; expected method = "GET"'],
    ),
    "same service": (
        service("a") + service("b"),
        ["8:1: virtual_service.b.address: 198.51.100.1 tcp 80 is virtual_service.a already"],
    ),
    "flags": (
        service(more='scheduler = "rr"\nscheduler_flags = ["port"]'),
        ["7:1: virtual_service.s.scheduler_flags: scheduler rr has no flags; those that have: sh, mh"],
    ),
    "unknown check": (
        '[check.iis]\ntype = "tcp"\n' + service(more='check = ["iis", "iss"]'),
        ['8:17: virtual_service.s.check[1]: there is no check "iss"; did you mean "iis"?'],
    ),
    "very different check": (
        '[check.iis]\ntype = "tcp"\n' + service(more='check = ["page"]'),
        ['8:10: virtual_service.s.check[0]: there is no check "page"; one of iis'],
    ),
    "same server name": (
        service(servers=f"{server()}, {server(address=12)}"),
        ["5:62: virtual_service.s.real_servers[1].name: a is the name of virtual_service.s.real_servers[0] already"],
    ),
    "same server address": (
        service(servers=f"{server()}, {server('b')}"),
        [
            "5:74: virtual_service.s.real_servers[1].address: "
            "198.51.100.11 port 80 is virtual_service.s.real_servers[0] already"
        ],
    ),
    "port under direct routing": (
        service(servers=server(more=", port = 81")),
        ["5:58: virtual_service.s.real_servers[0].port: " + port_says(81, "direct_routing", "the frame's destination")],
    ),
    "port of the sorry server under tunneling": (
        service(more='sorry_server = { address = "198.51.100.9", port = 81 }', method="tunneling"),
        ["6:44: virtual_service.s.sorry_server.port: " + port_says(81, "tunneling", "the outer header")],
    ),
    "server at the service's address": (
        service(servers=server(address=1)),
        [
            "5:31: virtual_service.s.real_servers[0].address: "
            "198.51.100.1 is the service's own address; expected the server's"
        ],
    ),
    "sorry server is a real server": (
        service(servers=server(), more='sorry_server = { address = "198.51.100.11" }'),
        [
            "6:18: virtual_service.s.sorry_server.address: "
            "198.51.100.11 port 80 is the real server virtual_service.s.real_servers[0] too"
        ],
    ),
    "one name, two machines": (
        service("a", server()) + service("b", server(address=12), port=81),
        [
            "11:31: virtual_service.b.real_servers[0].address: "
            "a is 198.51.100.11 in virtual_service.a.real_servers[0]; expected the same, or another name"
        ],
    ),
    "address of no router": (
        router() + service(address=2),
        ["7:1: virtual_service.s.address: no virtual router holds 198.51.100.2; one of 198.51.100.1"],
    ),
    "place of a director's own value": (
        router(more="priority = 3")
        + service(servers="").replace("= []", f"= {{ d1 = [{server(address=1)}], d2 = [] }}"),
        [
            "10:38: virtual_service.s.real_servers.d1[0].address: "
            "198.51.100.1 is the service's own address; expected the server's"
        ],
    ),
}


@pytest.mark.parametrize(("text", "errors"), WRONG.values(), ids=WRONG.keys())
def test_wrong(tmp_path: Path, text: str, errors: list[str]) -> None:
    (tmp_path / "a.toml").write_text(NAMES)
    (tmp_path / "b.toml").write_text(text)
    assert [str(error).removeprefix("b.toml:") for error in check(tmp_path, None)] == errors


RIGHT = {
    "same vrid on another interface": router("a") + router("b", interface="eth1"),
    "one owner": router(more="priority = { d1 = 255, d2 = 254 }"),
    "track a pool or a link": router(more='track = [{ pool = "s", fault = true }, { interface = "eth1" }]') + service(),
    "a check without users": '[check.c]\ntype = "tcp"\n',
    "timeout as long as the interval": '[check.c]\ntype = "tcp"\ninterval = 1\ntimeout = 1\n',
    "tcp and udp": service("a") + service("b", more='protocol = "udp"'),
    "udp with a tcp check": '[check.c]\ntype = "tcp"\n' + service(more='protocol = "udp"\ncheck = ["c"]'),
    "other port under masquerading": service(servers=server(more=", port = 81"), method="masquerading"),
    "other port for one that is masqueraded": service(
        servers=server(more=', port = 81, forwarding_method = "masquerading"')
    ),
    "one machine in two services": service("a", server()) + service("b", server(), port=81),
    "two ports of one machine": service(
        servers=f"{server(more=', port = 81')}, {server('b', more=', port = 82')}", method="masquerading"
    ),
    "no router at all": service(address=77),
    "an unadvertised address": router(more='unadvertised_addresses = ["198.51.100.2"]') + service(address=2),
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT.keys())
def test_right(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(NAMES + text)
    assert check(tmp_path, None) == []


# What is wrong by itself causes no second error: each of these has exactly one.
CAUSES = {
    "addresses": (router(address="198.51.100.300") + service(), "virtual_router.r.virtual_addresses[0]"),
    "interface": (router("a", interface="") + router("b", address="198.51.100.2"), "virtual_router.a.interface"),
    "vrid": (router(vrid=0) + router("b", 1, address="198.51.100.2"), "virtual_router.r.vrid"),
    "service port": (
        service(port=0, servers=server(), more='sorry_server = { address = "198.51.100.9" }'),
        "virtual_service.s.port",
    ),
    "service address": (router() + service(address=300), "virtual_service.s.address"),
    "scheduler": (service(more='scheduler = "x"\nscheduler_flags = ["port"]'), "virtual_service.s.scheduler"),
    "scheduler flags": (service(more='scheduler_flags = ["x"]'), "virtual_service.s.scheduler_flags[0]"),
    "server": (
        service("a", f"{server(address=300)}, {server('b')}") + service("b", server(), port=81),
        "virtual_service.a.real_servers[0].address",
    ),
    "server name": (service(servers=f"{server('')}, {server('b', 12)}"), "virtual_service.s.real_servers[0].name"),
    "server port": (service(servers=server(more=", port = 0")), "virtual_service.s.real_servers[0].port"),
    "check's type": ('[check.c]\ntype = "x"\n' + service(more='check = ["c"]'), "check.c.type"),
    "pool": (router(more='track = [{ pool = "s", fault = true }]') + service(port=0), "virtual_service.s.port"),
    "pool name": (router(more='track = [{ pool = "", fault = true }]'), "virtual_router.r.track[0].pool"),
    "interval": ('[check.c]\ntype = "tcp"\ninterval = 0\n', "check.c.interval"),
    "routers": ("virtual_router = []\n", "virtual_router"),
    "router": ("virtual_router.r = 1\n", "virtual_router.r"),
    "priority": (router(more="priority = true"), "virtual_router.r.priority"),
}


@pytest.mark.parametrize(("text", "key"), CAUSES.values(), ids=CAUSES.keys())
def test_one_cause_is_one_error(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "a.toml").write_text(NAMES)
    (tmp_path / "b.toml").write_text(text)
    assert [error.key for error in check(tmp_path, None)] == [key]
