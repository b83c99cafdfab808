"""haagent: a high-availability agent for Linux Virtual Server directors."""
