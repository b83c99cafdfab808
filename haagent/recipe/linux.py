"""The shell commands that make a Linux machine a real server, and the files that make them last. Pure text.

Direct routing: the address is on `lo` and the machine keeps silent about it (arp_ignore, arp_announce in
Documentation/networking/ip-sysctl.rst); the parameters come first, or the machine would announce the address. IPv6
needs none: a neighbour solicitation is answered for the addresses of its own interface alone.
Tunneling: the outer header is taken off by tunl0, sit0, ip6tnl0 or gre0, under GUE after fou; the address is there, and
the reverse path filter must be loose, for the client's packets come out of an interface that is no way to the client.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from haagent.recipe.site import Site, is_ipv6

SILENT = {"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"}
LOOSE = "2"
DOCUMENT_ROOT = "/var/www/html"


@dataclass(frozen=True, slots=True)
class Means:
    """What is run, and what must be there after a restart."""

    sysctls: dict[str, str]
    commands: tuple[str, ...]  # before the addresses
    interface: str  # that carries the virtual addresses; "" none


def recipe(site: Site) -> Iterator[str]:
    """A script for /bin/sh; what is not to be run is a comment."""
    yield f"# {site.server} ({site.address}) as a real server of {site.service}: {site.method.replace('_', ' ')}"
    means = _means(site)
    if means is None:
        yield from _masquerading(site)
    else:
        yield from _commands(site, means)
    yield from _pages(site)
    if means is not None:
        yield from _lasting(site, means)


def _means(site: Site) -> Means | None:
    has_ipv4 = any(not is_ipv6(each) for each in site.virtual_addresses)
    sysctls = dict(SILENT) if has_ipv4 else {}
    if site.method == "direct_routing":
        return Means(sysctls, (), "lo")
    if site.method == "masquerading" or site.tunnel is None:
        return None
    interface, module = _decapsulator(site)
    commands = [f"modprobe {module}"]
    if site.tunnel.type == "gue":
        family = " -6" if is_ipv6(site.address) else ""
        commands += [
            "modprobe fou" + ("6" if family else ""),
            f"ip fou show | grep -q 'port {site.tunnel.port} ' || ip fou add port {site.tunnel.port} gue{family}",
        ]
    commands.append(f"ip link set {interface} up")
    if has_ipv4:
        sysctls[f"net.ipv4.conf.{interface}.rp_filter"] = LOOSE
    return Means(sysctls, tuple(commands), interface)


def _decapsulator(site: Site) -> tuple[str, str]:
    """The interface that takes the outer header off, and its module."""
    assert site.tunnel is not None
    inner, outer = is_ipv6(site.virtual_addresses[0]), is_ipv6(site.address)
    if site.tunnel.type == "gre":
        return ("ip6gre0", "ip6_gre") if outer else ("gre0", "ip_gre")
    if outer:
        return "ip6tnl0", "ip6_tunnel"
    return ("sit0", "sit") if inner else ("tunl0", "ipip")


def _commands(site: Site, means: Means) -> Iterator[str]:
    yield from means.commands
    for name, value in means.sysctls.items():
        yield f"sysctl -w {name}={value}"
    for address in site.virtual_addresses:
        yield f"ip address replace {_prefixed(address)} dev {means.interface}{_never_a_source(address)}"


def _prefixed(address: str) -> str:
    return f"{address}/{128 if is_ipv6(address) else 32}"


def _never_a_source(address: str) -> str:
    """An IPv6 address that is not deprecated may become the source of the machine's own connections."""
    return " nodad preferred_lft 0" if is_ipv6(address) else ""


def _masquerading(site: Site) -> Iterator[str]:
    yield "# Answers must go back through the Active director: it is the default gateway."
    gateways = [each for each in site.gateways if is_ipv6(each) == is_ipv6(site.address)]
    if gateways:
        yield f"ip route replace default via {gateways[0]}"
        yield "# For ever: the same gateway in /etc/network/interfaces (gateway) or systemd-networkd (Gateway=)."
    else:
        yield "# The directors hold no virtual address in this network that is no service's: add one to a"
        yield "# virtual_router (unadvertised_addresses will do), then: ip route replace default via THAT_ADDRESS"


def _pages(site: Site) -> Iterator[str]:
    for page in site.pages:
        where = f"{DOCUMENT_ROOT}{page.path}"
        host = f" as {page.host}" if page.host else ""
        yield f"# The page that the check asks for{host}, where that is the site's root:"
        yield f"test ! -d {DOCUMENT_ROOT} || printf %s {quoted(page.body)} > {quoted(where)}"


def quoted(text: str) -> str:
    """One word for the shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _lasting(site: Site, means: Means) -> Iterator[str]:
    """Comments: one of two ways, and which one is the machine's own choice."""
    yield ""
    yield "# That lasts until the next start of the machine. For ever:"
    if means.sysctls:
        yield f"# /etc/sysctl.d/90-haagent-{site.service}.conf"
        yield from (f"#   {name} = {value}" for name, value in means.sysctls.items())
    if means.commands:
        yield "# /etc/modules-load.d/haagent.conf"
        yield from (f"#   {each.removeprefix('modprobe ')}" for each in means.commands if each.startswith("modprobe"))
    yield f"# and with systemd-networkd /etc/systemd/network/10-haagent-{means.interface}.network"
    yield "#   [Match]"
    yield f"#   Name={means.interface}"
    for address in site.virtual_addresses:
        yield "#   [Address]"
        yield f"#   Address={_prefixed(address)}"
        if is_ipv6(address):
            yield "#   PreferredLifetime=0"
    others = [each for each in means.commands if not each.startswith(("modprobe", "ip link"))]
    if means.interface == "lo":
        yield "# or with ifupdown in the stanza `iface lo inet loopback` of /etc/network/interfaces"
    else:
        yield f"# or with ifupdown /etc/network/interfaces.d/haagent-{site.service}"
        yield f"#   auto {means.interface}"
        yield f"#   iface {means.interface} inet manual"
        yield from (f"#     pre-up {each}" for each in others)
        yield f"#     up ip link set {means.interface} up"
    for address in site.virtual_addresses:
        command = f"ip address replace {_prefixed(address)} dev {means.interface}{_never_a_source(address)}"
        yield f"#     up {command}"
