"""Who reads beside this process: the parts of campaigns that take many requests, in parcels.

    parcels   what goes out and what comes back, as plain values: the seam to whoever reads
    runner    reads one parcel, in any process
    shared    the `Reads` of a run that gives out what is worth it, and reads the rest itself

A parcel carries ids and nothing else. A campaign itself stays here: its settings may be secret.
"""
