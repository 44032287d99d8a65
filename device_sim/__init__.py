"""Simulated machines that speak MQTT like real ones, and the truth about what they did."""
