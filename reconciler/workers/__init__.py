"""Workers: other processes, here or on other machines, that read and send parcels for a run.

The engine is Dask's scheduler; nothing outside of this folder knows it. What a run is stays with the process
that holds the lock: order, pace, record. A worker gets one call for a thousand gateways, and says of which of
them it is done; or campaigns to read, and says who is in them.
"""
