"""Real servers for the tests, each started as a process of its own on a free port and stopped by its handle."""
