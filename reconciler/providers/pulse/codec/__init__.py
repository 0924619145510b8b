"""Wire ↔ model: the only place that knows how the API's JSON looks.

shape     reading tolerantly, and saying what was expected
answers   from the wire
bodies    to the wire
marks     the digest in a package's description
"""
