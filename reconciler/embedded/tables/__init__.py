"""The queries, one module for each kind of thing; each works inside the transaction of its caller."""
