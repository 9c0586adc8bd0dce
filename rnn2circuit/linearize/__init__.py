"""Equilibria, Jacobians and state spaces."""
