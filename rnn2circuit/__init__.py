"""Compile trained recurrent networks to analog circuits, and prove that the netlist is the network."""
