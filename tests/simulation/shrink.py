"""From a violation to the fewest faults that still cause one, and a report to act on."""

from collections.abc import Callable

from tests.simulation.faults import Fault

Run = Callable[[tuple[Fault, ...]], list[str]]


def shrink(faults: tuple[Fault, ...], run: Run) -> tuple[Fault, ...]:
    """Drop one fault after another while the violation stays; `run` gives the violations of a list of faults."""
    for fault in faults:
        fewer = tuple(each for each in faults if each is not fault)
        if run(fewer):
            faults = shrink(fewer, run)
            break
    return faults


def report(seed: int, faults: tuple[Fault, ...], run: Run) -> str:
    """What to print for a seed that breaks an invariant: it replays as `violations(seed, faults)`."""
    fewest = shrink(faults, run)
    lines = [f"seed {seed}, {len(fewest)} of {len(faults)} faults are enough:"]
    lines += [f"  {fault}" for fault in fewest]
    lines += [f"  -> {sentence}" for sentence in run(fewest)[:5]]
    return "\n".join(lines)
