"""The version, as `haagent --version`, `status` and SNMP say it; pyproject.toml reads it from here."""

VERSION = "0.1.0"
