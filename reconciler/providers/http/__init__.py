"""What any server over HTTP needs: engines, sign-in, file bodies, tolerant JSON, paging, retries, pace.

No word of a particular server is here. What its statuses mean, and what its calls want first, says who uses
this.
"""
