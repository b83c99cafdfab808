"""Settings of every test."""

from hypothesis import settings

# The same examples in every run, however slow the machine: `make fuzz` is the place for new ones
settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")
