"""`serve`: the embedded server over TCP."""

from __future__ import annotations

import os
from pathlib import Path

import click

from reconciler.cli.flags import Flags, completing, global_flags
from reconciler.cli.output import say, write_lines
from reconciler.errors import Exit, UsageError

PORT = 8080
DATABASE = ".reconciler/embedded.db"
"""As of `embedded:` in this folder."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=PORT,
    show_default=True,
    help="The port; 0 picks a free one.",
)
@click.option(
    "--database",
    metavar="FILE",
    shell_complete=completing("files"),
    default=DATABASE,
    show_default=True,
    help="The database file.",
)
@click.option(
    "--token-env", metavar="NAME", help="The environment variable that holds the token clients must send."
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="A host name that requests may use, besides addresses and names of this machine. Repeatable.",
)
@click.option(
    "--approval-needed/--no-approval-needed",
    default=None,
    help="Whether new campaigns wait for an approval.  [default: as before; at first not]",
)
@click.option(
    "--simulate",
    type=click.FloatRange(0, 1_000_000, min_open=True),
    metavar="FACTOR",
    help="Simulate gateways, with a clock that runs FACTOR times as fast: 600 is ten minutes a second.",
)
@global_flags
@click.pass_obj
def command(
    flags: Flags,
    *,
    host: str,
    port: int,
    database: str,
    token_env: str | None,
    allowed_hosts: tuple[str, ...],
    approval_needed: bool | None,
    simulate: float | None,
) -> Exit:
    """Run a campaign server of your own, to try things on.

    Prints its URL once it is ready; stop it with Ctrl-C or SIGTERM. Opened in a browser, the URL shows the
    campaigns, and /docs the API.
    """
    del flags
    token = None
    if token_env is not None:
        token = os.environ.get(token_env)
        if not token:
            raise UsageError(
                f"--token-env: there is no environment variable {token_env}, or it is empty",
                hint="It holds the token that callers must send.",
            )
    if token is None and host not in _LOOPBACK:
        say(f"warning: {host} may be reached from elsewhere, and no token is asked for (--token-env)")

    from reconciler.app.workspace import serve_embedded

    serve_embedded(
        Path(database),
        host=host,
        port=port,
        token=token,
        approval_needed=approval_needed,
        simulate=simulate,
        allowed_hosts=allowed_hosts,
        ready=_told,
    )
    return Exit.DONE


def _told(url: str, trouble: str | None) -> None:
    """The URL alone on stdout, for scripts; what to do with it for people."""
    write_lines([url])
    if trouble is None:
        say(f"Campaigns in a browser: {url}/   documentation of the API: {url}/docs")
    else:
        say(f"There are no pages to look at: {trouble}")
