"""Tests of the dashboards and of pushing them."""
