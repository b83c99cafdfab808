"""The commands for real servers. The Linux ones are also run, by tests/kernel/inside_direct_routing.py."""

import subprocess

import pytest
from msgspec.structs import replace

from haagent.config.model import HttpCheck, InterfaceAddress, Tunnel
from haagent.recipe.recipe import recipe
from tests.unit.build import SERVICE_ADDRESS, config, real_server, router, service

PAGE = HttpCheck(name="http", path="/check.txt", body="it's working", host="www.example.com")
GUE = Tunnel(type="gue", port=6080)


def said(system: str = "linux", server: str = "", **changes: object) -> list[str]:
    web = replace(service(real_server(1), real_server(2)), **changes)
    return list(recipe(config(web, checks=(PAGE,), routers=(router(),)), web, system, server))  # type: ignore[arg-type]


def commands(lines: list[str]) -> list[str]:
    return [line for line in lines if line and not line.startswith("#")]


def one(method: str, address: str = "198.51.100.11", tunnel: Tunnel | None = None):  # type: ignore[no-untyped-def]
    return (replace(real_server(1), forwarding_method=method, address=address, tunnel=tunnel),)


def test_linux_is_silent_about_the_address_before_it_has_it():
    assert commands(said(server="rs1")) == [
        "sysctl -w net.ipv4.conf.all.arp_ignore=1",
        "sysctl -w net.ipv4.conf.all.arp_announce=2",
        f"ip address replace {SERVICE_ADDRESS}/32 dev lo",
        "test ! -d /var/www/html || printf %s 'it'\\''s working' > '/var/www/html/check.txt'",
    ]


def test_every_real_server_has_its_own_part():
    assert [line for line in said() if " as a real server of " in line] == [
        "# rs1 (198.51.100.11) as a real server of web: direct routing",
        "# rs2 (198.51.100.12) as a real server of web: direct routing",
    ]


def test_an_ipv6_address_needs_no_arp_parameter_and_is_never_a_source():
    six = said(server="rs1", address="2001:db8::1", family="ipv6", real_servers=one("direct_routing", "2001:db8::11"))
    assert commands(six)[0] == "ip address replace 2001:db8::1/128 dev lo nodad preferred_lft 0"


@pytest.mark.parametrize(
    ("tunnel", "address", "inner", "wanted"),
    [
        (None, "198.51.100.11", SERVICE_ADDRESS, ["modprobe ipip", "ip link set tunl0 up"]),
        (Tunnel(type="gre"), "198.51.100.11", SERVICE_ADDRESS, ["modprobe ip_gre", "ip link set gre0 up"]),
        (None, "2001:db8::11", "2001:db8::1", ["modprobe ip6_tunnel", "ip link set ip6tnl0 up"]),
        (None, "198.51.100.11", "2001:db8::1", ["modprobe sit", "ip link set sit0 up"]),
    ],
)
def test_a_tunnels_header_is_taken_off_by_its_own_interface(tunnel, address, inner, wanted):
    found = commands(said(address=inner, real_servers=one("tunneling", address, tunnel)))
    assert found[:2] == wanted
    name = wanted[1].split()[3]
    assert any(f"dev {name}" in line for line in found)
    assert (f"sysctl -w net.ipv4.conf.{name}.rp_filter=2" in found) == (":" not in inner)


def test_gue_is_taken_off_its_port():
    found = commands(said(real_servers=one("tunneling", tunnel=GUE)))
    assert found[2] == "ip fou show | grep -q 'port 6080 ' || ip fou add port 6080 gue"


def test_a_server_that_masquerades_answers_through_the_director():
    gateway = InterfaceAddress("198.51.100.254", 24)
    inner = replace(router(), virtual_addresses=(*router().virtual_addresses, gateway))
    web = replace(service(real_server(1)), real_servers=one("masquerading"))
    found = list(recipe(config(web, checks=(PAGE,), routers=(inner,)), web, "linux"))
    assert commands(found)[0] == "ip route replace default via 198.51.100.254"
    assert not any("arp_ignore" in line for line in found)
    assert any("hold no virtual address in this network" in line for line in said(real_servers=one("masquerading")))


@pytest.mark.parametrize("method", ["direct_routing", "tunneling", "masquerading"])
def test_the_linux_recipe_is_a_shell_script(method):
    script = "\n".join(said(real_servers=one(method, tunnel=GUE if method == "tunneling" else None)))
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


def test_windows_gets_the_weak_host_model_in_both_languages():
    found = said("windows", "rs1")
    for line in (
        f'netsh interface ipv4 add address name="loopback" address={SERVICE_ADDRESS} mask=255.255.255.255',
        'netsh interface ipv4 set interface "net" weakhostreceive=enabled',
        'netsh interface ipv4 set interface "loopback" weakhostreceive=enabled',
        'netsh interface ipv4 set interface "loopback" weakhostsend=enabled',
        'netsh advfirewall firewall add rule name="haagent web tcp" dir=in action=allow protocol=TCP localport=80 '
        "profile=any",
    ):
        assert line in commands(found)
    text = "\n".join(found)
    assert "KM-TEST" in text
    assert "Set-NetIPInterface -InterfaceAlias loopback -WeakHostReceive Enabled -WeakHostSend Enabled" in text
    assert "C:\\inetpub\\wwwroot\\check.txt" in text
    assert "bindingInformation='198.51.100.100:80:'" in text


def test_windows_2003_is_a_weak_host_by_itself():
    text = "\n".join(said("windows-2003", "rs1"))
    assert "weakhost" not in text
    assert "KM-TEST" not in text
    assert f'netsh interface ip set address name="loopback" source=static addr={SERVICE_ADDRESS}' in text


def test_windows_ipv6():
    six = replace(real_server(1), address="2001:db8::11")
    found = commands(said("windows", address="2001:db8::1", family="ipv6", real_servers=(six,)))
    assert 'netsh interface ipv6 add address interface="loopback" address=2001:db8::1/128' in found
    assert 'netsh interface ipv6 set interface "loopback" dadtransmits=0' in found
    assert not any("ipv4" in line for line in found)
