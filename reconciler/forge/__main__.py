"""`python -m reconciler.forge`: the same as the command `reconciler-forge`."""

import sys

if __name__ == "__main__":
    # Python puts the working folder first, which may be anybody's checkout: nothing is imported from there.
    if not sys.flags.safe_path:
        del sys.path[0]

    from reconciler.forge.jobs import run

    sys.exit(run())
