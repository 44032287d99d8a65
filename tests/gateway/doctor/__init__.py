"""Tests of `fairmeter doctor`."""
