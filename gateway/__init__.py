"""The gateway: the shell around the pure core, from a broker's messages to signed statements on disk."""
