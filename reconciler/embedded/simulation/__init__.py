"""Simulated gateways: what they do when (`machine`, `work`: pure), on which clock, and who is called back."""
