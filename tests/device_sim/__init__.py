"""Tests of the simulated fleet: machines, faults, truth, and what reaches a broker."""
