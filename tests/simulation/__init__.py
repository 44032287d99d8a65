"""Ingest under simulated crashes, lost connections and disorder."""
