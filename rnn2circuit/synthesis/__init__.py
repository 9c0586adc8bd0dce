"""Ideal circuits from models: scaling, analog blocks, and one realization per family."""
