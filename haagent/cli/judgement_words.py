"""What beside the verdict decides about a real server, in the words of `haagent status`."""

from haagent.cli.durations import duration
from haagent.snapshot import RealServerStatus


def judgement_words(server: RealServerStatus, now: float) -> str:
    """ "SUPPRESSED, penalty 4.2, eligible again in 40 s; ", or nothing."""
    each = server.judgement
    if each is None:
        return ""
    said = [f"DRAINED by the file {each.maintenance_file}"] if each.maintenance_file else []
    if each.held_until:
        said.append(f"HELD in service for {duration(each.held_until - now)} more")
    if each.eligible_at:
        said.append(f"SUPPRESSED, penalty {each.penalty:.1f}, eligible again in {duration(each.eligible_at - now)}")
    elif each.penalty >= 0.1:
        said.append(f"penalty {each.penalty:.1f}")
    if each.warm_at:
        said.append(f"warming up at {each.share:.0%}, whole in {duration(each.warm_at - now)}")
    if each.percent is not None:
        said.append(f"asks for {_asked(server)}, gets {each.percent}% of its weight")
    return "".join(f"{words}; " for words in said)


def _asked(server: RealServerStatus) -> str:
    return f"{min((check.weight for check in server.checks if check.weight is not None), default=100)}%"
