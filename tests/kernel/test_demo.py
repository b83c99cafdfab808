"""The demo tells its whole story on a real IPVS, and checks its own claims as it makes them."""

import subprocess
import sys
from pathlib import Path

import pytest

from haagent.lab.uml import kernel_has_ipvs, uml_available

TOP = Path(__file__).parents[2]


@pytest.mark.uml
@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(not kernel_has_ipvs() and uml_available() is not None, reason="no kernel with IPVS")
@pytest.mark.parametrize("topology", ["pair-dr", "pair-nat"])
def test_the_demo_tells_its_story(topology: str) -> None:
    command = [sys.executable, "-m", "haagent.lab.demo", str(TOP / f"containerlab/{topology}.clab.yml")]
    result = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=380, check=False)
    print(result.stdout, result.stderr, sep="\n")
    assert result.returncode == 0
    table = result.stdout[result.stdout.index("longest time without an answer") :].splitlines()[1:6]
    assert [line.split("  ")[0] for line in table] == [
        "nothing (for comparison)",
        "rs2's web server killed",
        "rs2's web server started",
        "d1 cut off",
        "d1 plugged in again",
    ]
