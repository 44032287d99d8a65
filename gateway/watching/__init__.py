"""The watch as it runs: what was said of promises, kept on disk, and who looks when."""
