"""Servers that speak TLS, with certificates of authorities that nobody trusts."""

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from tests.providers.canned_server import Connection, RawServer


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def issued(folder: Path, name: str, host: str, *, days: tuple[str, str] | None = None) -> Path:
    """A certificate for `host`, issued by the authority of `folder`, with its key."""
    openssl(folder, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={host}", "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("01\n")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
        "policy=p\ncopy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n"
    )
    begin, end = days or ("20200101000000Z", "20490101000000Z")
    openssl(folder, "ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key",
            "-in", f"{name}.csr", "-out", f"{name}.crt", "-startdate", begin, "-enddate", end,
            "-notext")  # fmt: skip
    both = folder / f"{name}.pem"
    both.write_text((folder / f"{name}.key").read_text() + (folder / f"{name}.crt").read_text())
    return both


def authority_in(folder: Path, name: str = "/CN=An authority") -> Path:
    """`folder`, with an authority that nobody trusts."""
    openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9",
            "-subj", name, "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
    return folder


@contextlib.asynccontextmanager
async def tls_server(
    certificate: Path, answers: Callable[[Connection], Awaitable[None]], client: Path | None = None
) -> AsyncIterator[RawServer]:
    """A server with that certificate and key; `client`: of whose authority its callers must be."""
    raw = RawServer(answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if client:
        context.load_verify_locations(client)
        context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(raw.serve, "127.0.0.1", 0, ssl=context)
    raw.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield raw
