"""Tests of both sides' promises."""
