"""Independent checks of an emitted netlist against the model it came from."""
