"""Whether a pool has its quorum: enough weight alive, with a hysteresis against flapping. Pure.

As keepalived has it: reached at quorum + hysteresis, lost below quorum - hysteresis and always with the last server. In
between it stays what it was, so what it was is an input.
"""


def has_quorum(live_weight: int, quorum: int, hysteresis: int, *, had: bool) -> bool:
    if live_weight <= 0:
        return False
    if had:
        return live_weight >= quorum - hysteresis
    return live_weight >= quorum + hysteresis
