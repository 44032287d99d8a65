"""What the production stack is made of: the files that `docker-compose.yml` mounts, and the secrets it needs."""
