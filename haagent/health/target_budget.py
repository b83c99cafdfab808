"""So many tries a second at one address: more checks there make each of them rarer, in equal measure. Pure."""

from collections.abc import Iterable, Mapping


def stretches(tries: Iterable[tuple[str, float]], budget: float) -> Mapping[str, float]:
    """By what factor (above 1) the intervals at an address grow; addresses within the budget are left out.

    `tries`: address and interval of each probe. `budget`: tries a second; 0: no limit.
    """
    if budget <= 0:
        return {}
    rates: dict[str, float] = {}
    for address, interval in tries:
        rates[address] = rates.get(address, 0.0) + 1 / interval
    return {address: rate / budget for address, rate in rates.items() if rate > budget * (1 + 1e-9)}


def sentence(address: str, factor: float, budget: float) -> str:
    return (
        f"{address} would be tried {factor * budget:.0f} times a second, and probe_budget is {budget:g}: "
        f"the intervals of all its checks are stretched by {factor:.1f}"
    )
