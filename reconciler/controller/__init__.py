"""The controller: the look of `apply` in a loop, and what there is to see of it over HTTP."""
