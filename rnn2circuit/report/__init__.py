"""Results as text, JSON, JUnit XML and pictures."""
