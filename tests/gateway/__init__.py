"""The gateway with a real broker, real files and real processes."""
