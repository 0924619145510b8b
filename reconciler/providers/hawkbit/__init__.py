"""Eclipse hawkBit's update server, over its Management API."""
