"""Pictures for account managers: Grafana dashboards kept as files (a later version)."""
