"""What must agree between [peers] and the directors."""

from collections.abc import Iterator

from haagent.config.error import Found
from haagent.config.reading import Draft, no_such
from haagent.config.values import enumerated


def peer_checks(peers: Draft | None, director: Draft | None) -> Iterator[Found]:
    addresses = peers.get("addresses") if peers else None
    names = director.get("names") if director else None
    if not addresses or names is None or peers is None:
        return
    for endpoint in addresses:
        if endpoint.director not in names:
            yield Found(peers.at("addresses"), no_such("director", endpoint.director, names))
    missing = [name for name in names if name not in {endpoint.director for endpoint in addresses}]
    if missing:
        yield Found(peers.at("addresses"), f"missing: {enumerated(missing)}; each director listens somewhere")
    places = [(endpoint.address, endpoint.port) for endpoint in addresses]
    if len(set(places)) != len(places):
        yield Found(peers.at("addresses"), "two directors listen at the same address and port")
