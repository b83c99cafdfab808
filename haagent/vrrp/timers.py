"""Skew_Time and Active_Down_Interval (RFC 9568 section 6.1). Seconds throughout; nothing is rounded."""


def skew_time(priority: int, active_adver_interval: float) -> float:
    """The higher the priority, the sooner it takes over."""
    return (256 - priority) * active_adver_interval / 256


def active_down_interval(priority: int, active_adver_interval: float) -> float:
    """How long a Backup router waits for an advertisement before it takes over."""
    return 3 * active_adver_interval + skew_time(priority, active_adver_interval)


def shortest_active_down_interval(advertisement_interval: float) -> float:
    """Of any Backup router of ours: after a silence of this length the first of them takes over."""
    return 3 * advertisement_interval
