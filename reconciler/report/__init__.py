"""Everything that is written for people and for their other tools: pure functions from values to text."""
