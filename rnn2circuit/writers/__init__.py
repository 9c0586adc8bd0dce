"""Netlist dialects: spelling, and no engineering."""
