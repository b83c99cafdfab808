"""What must agree within a real server, and between it and its virtual service: names, families, ports, tunnels."""

from collections.abc import Iterator

from haagent.config.error import Found, Path, show
from haagent.config.reading import Draft


def own_addresses(service: Draft) -> list[tuple[Path, str]]:
    """The addresses that clients use, each with its place."""
    listed = [((*service.at("addresses"), number), each) for number, each in enumerate(service.get("addresses") or ())]
    address = service.get("address")
    return [*listed, (service.at("address"), address)] if address else listed


def family_of(address: str) -> str:
    return "ipv6" if ":" in address else "ipv4"


def server_checks(service: Draft) -> Iterator[Found]:
    names: dict[str, Draft] = {}
    destinations: dict[tuple[str, int], Draft] = {}
    yield from _tunnel(service, service.get("tunnel"))
    methods = [service.get("forwarding_method")]
    for server in service.get("real_servers") or ():
        name, address, port = server.get("name"), server.get("address"), server.get("port")
        methods.append(server.get("forwarding_method"))
        if name is not None and (first := names.setdefault(name, server)) is not server:
            yield Found(server.at("name"), f"{name} is the name of {show(first.path)} already")
        if address is not None and port is not None:
            first = destinations.setdefault((address, port), server)
            if first is not server:
                yield Found(server.at("address"), f"{address} port {port} is {show(first.path)} already")
        yield from _thresholds(server)
        yield from _destination(service, server)
    sorry = service.get("sorry_server")
    if sorry is not None:
        methods.append(sorry.get("forwarding_method"))
        yield from _destination(service, sorry)
        address, port = sorry.get("address"), sorry.get("port")
        if (address, port) in destinations:
            real = destinations[(address, port)]
            yield Found(sorry.at("address"), f"{address} port {port} is the real server {show(real.path)} too")
    if service.get("tunnel") is not None and None not in methods and "tunneling" not in methods:
        yield Found(service.at("tunnel"), 'nobody here has forwarding_method = "tunneling"')


def _thresholds(server: Draft) -> Iterator[Found]:
    upper, lower = server.get("upper_threshold"), server.get("lower_threshold")
    if lower and upper is not None and lower > upper:
        said = f"{lower} is above the upper_threshold {upper}" if upper else "has no effect without an upper_threshold"
        yield Found(server.at("lower_threshold"), said)


def _destination(service: Draft, server: Draft) -> Iterator[Found]:
    """What real servers and the sorry server have in common."""
    address, port, method = server.get("address"), server.get("port"), server.get("forwarding_method")
    if address is not None and address in [each for _, each in own_addresses(service)]:
        yield Found(server.at("address"), f"{address} is the service's own address; expected the server's")
    family = service.get("family")
    if None not in (address, family, method) and method != "tunneling" and family_of(address) != family:
        yield Found(server.at("address"), f"{address} is not {family}, as the service is: only tunneling carries both")
    wanted = service.get("port")
    if method in ("direct_routing", "tunneling") and port is not None and wanted is not None and port != wanted:
        how = "only the frame's destination" if method == "direct_routing" else "only the outer header"
        which = f"the service's port {wanted}" if wanted else "what the clients use"
        yield Found(
            server.at("port"),
            f"port {port} is not {which}: under {method} the kernel changes {how}, never the port; "
            f"leave port out, or use masquerading",
        )
    tunnel = server.get("tunnel")
    if tunnel is not None and tunnel is not service.get("tunnel"):
        yield from _tunnel(server, tunnel)
        if method is not None and method != "tunneling":
            yield Found(server.at("tunnel"), f'has no effect under {method}; expected forwarding_method = "tunneling"')


def _tunnel(owner: Draft, tunnel: Draft | None) -> Iterator[Found]:
    if tunnel is None:
        return
    kind, port, checksum = tunnel.get("type"), tunnel.get("port"), tunnel.get("checksum")
    if kind == "gue" and port == 0:
        yield Found(owner.at("tunnel"), "gue goes over UDP; give it the port on which the real servers decapsulate")
    if kind in ("ipip", "gre") and port:
        yield Found(tunnel.at("port"), f"{kind} has no port; leave it out")
    if kind == "ipip" and checksum not in (None, "none"):
        yield Found(tunnel.at("checksum"), "ipip has no checksum; leave it out, or use gue or gre")
    if kind == "gre" and checksum == "remote_checksum":
        yield Found(tunnel.at("checksum"), 'only gue has remote_checksum; expected "none" or "checksum"')
