"""The short form of `make soak`: a pair is hurt some times, on a real IPVS, and is whole again after each."""

import subprocess
import sys
from pathlib import Path

import pytest

from haagent.lab.uml import kernel_has_ipvs, uml_available

FAULTS = 9


@pytest.mark.uml
@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_pair_is_whole_again_after_each_fault() -> None:
    missing = None if kernel_has_ipvs() else uml_available()
    assert missing is None, missing  # a skip would hide that nothing was proven
    command = [sys.executable, "-m", "tests.soak", "--faults", str(FAULTS), "--seed", "3"]
    result = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=580, check=False
    )
    print(result.stdout, result.stderr, sep="\n")
    assert result.returncode == 0
    assert f"{FAULTS} faults with seed 3: the pair was whole again after each" in result.stdout
