"""What can be bought: preferred values of components."""
