"""SPICE programs, one per file, behind one small interface."""
