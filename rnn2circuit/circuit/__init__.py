"""Circuits as data: columnar banks of elements on nets."""
