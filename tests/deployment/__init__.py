"""The production stack: the files that docker-compose.yml mounts, used by servers that are started natively."""
