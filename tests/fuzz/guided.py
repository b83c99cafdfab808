"""Fuzzing that follows the coverage (atheris, libFuzzer): an input that reaches new code is kept and damaged further.

    python -m tests.fuzz.guided --corpus FOLDER --runs 10000 --target NAME [--target NAME ...]

libFuzzer takes its process over, so `guided` runs it in one of its own. The first octet of an input chooses the target,
the others are what the target hears; what chance a target draws follows from the input, so that it replays. Failures
come as lines of JSON on standard output; statistics and what libFuzzer itself stops for (a slow input, memory) on
standard error. The package has no wheel for every machine: `is_available` says whether this one has it.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.fuzz.run import Failure, place
from tests.fuzz.targets import Target

LONGEST = 8192  # octets of an input
SLOWEST = 30  # seconds of one input: a parser that takes so long hangs
MEMORY = 2048  # MiB of the process
REPORTED = 20  # failures of one run
INSTRUMENTED = ("haagent", "httptools", "tests.fuzz.planted")
MISSING = "atheris is not installed (it has wheels for Python 3.11 to 3.13 on x86_64): without it no coverage guides"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Guided:
    """What one run came to."""

    rounds: int
    reached: int  # places in the code (edges), at the end
    failures: tuple[Failure, ...]


def is_available() -> bool:
    return importlib.util.find_spec("atheris") is not None


def guided(
    names: Sequence[str], corpus: Path, *, seconds: float = 0.0, rounds: int = 0, seed: int = 1, module: str = ""
) -> Guided:
    """Until one of the limits. `corpus` keeps what reached new code, for the next run. `module` has other targets."""
    corpus.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.guided", "--corpus", str(corpus), "--seed", str(seed)]
    command += ["--seconds", str(max(1, round(seconds)))] if seconds else ["--runs", str(rounds)]
    command += [each for name in names for each in ("--target", name)]
    command += ["--module", module] if module else []
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False
    )
    found = [Failure(each[0], 0, bytes.fromhex(each[1]), each[2]) for each in map(json.loads, done.stdout.splitlines())]
    if done.returncode:
        found.append(Failure(" ".join(names), 0, b"", done.stderr[-3000:]))
    rounds_done = re.findall(r"^Done (\d+) runs", done.stderr, re.MULTILINE)
    reached = re.findall(r"\bcov: (\d+)", done.stderr)
    return Guided(int(rounds_done[-1]) if rounds_done else 0, int(reached[-1]) if reached else 0, tuple(found))


def attempt(target: Target, octets: bytes) -> Failure | None:
    """One input; everything about it follows from its octets."""
    try:
        target.run(octets, Random(zlib.crc32(octets)))
    except Exception:  # noqa: BLE001  whatever comes out is what we look for
        return Failure(target.name, 0, octets, traceback.format_exc(limit=-6))
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.fuzz.guided")
    parser.add_argument("--target", action="append", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--runs", type=int, default=-1)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--module", default="tests.fuzz.targets")
    options = parser.parse_args()

    import atheris

    for name in [name for name in sys.modules if name.split(".")[0] in ("haagent", "tests")]:
        del sys.modules[name]  # loaded again, with counters in them
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        known = importlib.import_module(options.module).TARGETS
    targets = [known[name] for name in options.target]
    told: set[str] = set()

    def one(octets: bytes) -> None:
        if not octets:
            return
        failure = attempt(targets[octets[0] % len(targets)], octets[1:])
        if failure is not None and len(told) < REPORTED and place(failure) not in told:
            told.add(place(failure))
            print(json.dumps([failure.target, failure.octets.hex(), failure.trace]), flush=True)

    with tempfile.TemporaryDirectory(prefix="haagent-fuzz-") as folder:
        for number, target in enumerate(targets):
            for count, seed in enumerate(target.seeds):
                Path(folder, f"{target.name}-{count}").write_bytes(bytes((number,)) + seed[: LONGEST - 1])
        limits = [f"-max_len={LONGEST}", f"-timeout={SLOWEST}", f"-rss_limit_mb={MEMORY}", f"-seed={options.seed}"]
        limits += [f"-max_total_time={options.seconds}"] if options.seconds else [f"-runs={options.runs}"]
        atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={folder}/", options.corpus, folder], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
