"""From ideal circuits to parts: what a circuit computes, and what computes it on a board."""
