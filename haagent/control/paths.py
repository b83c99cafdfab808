"""Where a director's sockets and files are, from its configuration's two directories and its name."""

from pathlib import Path

from haagent.config.model import Director


def control_socket(director: Director) -> Path:
    return Path(director.runtime_directory) / director.name / "control.sock"


def internal_socket(director: Director) -> Path:
    return Path(director.runtime_directory) / director.name / "internal.sock"


def history_file(director: Director) -> Path:
    return Path(director.state_directory) / director.name / "history.jsonl"


def ownership_file(director: Director) -> Path:
    return Path(director.state_directory) / director.name / "owned.json"


def accepted_file(director: Director) -> Path:
    return Path(director.runtime_directory) / director.name / "accepted.msgpack"


def lock_file(director: Director) -> Path:
    return Path(director.runtime_directory) / director.name / "lock"


def operator_file(director: Director) -> Path:
    return Path(director.state_directory) / director.name / "operator.json"


def kernel_file(director: Director) -> Path:
    return Path(director.state_directory) / director.name / "kernel.json"
