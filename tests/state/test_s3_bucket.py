"""What becomes of each status that an S3 server answers with; of moto there are only some."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reconciler.errors import StateError
from reconciler.state.s3 import bucket as module
from reconciler.state.s3.bucket import Bucket, BucketTrouble


@dataclass
class Stub:
    """A server that answers everything alike, except for a HEAD of the bucket."""

    status: int = 200
    bucket_status: int = 200
    body: bytes = b""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    answers = Stub()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answers.asked.append(f"{self.command} {self.path.partition('?')[0]}")
            of_bucket = self.command == "HEAD" and self.path.rstrip("/") == "/states"
            self.send_response(answers.bucket_status if of_bucket else answers.status)
            body = b"" if self.command == "HEAD" else answers.body
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - the names are http.server's

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setitem(module._RETRY, "max_retries", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        yield answers
        server.shutdown()
        thread.join()


@pytest.fixture
def bucket(stub: Stub) -> Bucket:
    return Bucket("states", {"region": "eu-central-1"}, url="s3://states/k")


Call = Callable[[Bucket], object]
READS: dict[str, Call] = {"get": lambda b: b.get("k"), "look": lambda b: b.look("k")}
ON_CONDITION: dict[str, Call] = {
    "create": lambda b: b.create("k", b"x"),
    "replace": lambda b: b.replace("k", b"x", "tag"),
}
OTHERS: dict[str, Call] = {
    "put": lambda b: b.put("k", b"x"),
    "copy": lambda b: b.copy("k", "l"),
    "delete": lambda b: b.delete(["k"]),
}
LIST: dict[str, Call] = {"list": lambda b: b.list("k")}
WRITES = {**ON_CONDITION, **OTHERS}
EVERY = {**READS, **WRITES, **LIST}

MISLEADING = [b"", b"<Error><Code>NoSuchBucket</Code><Message>NoSuchKey, 403 Forbidden</Message></Error>"]
"""Whatever the text says, it leads nowhere."""


def trouble(call: Call, bucket: Bucket) -> BucketTrouble:
    with pytest.raises(StateError) as caught:
        call(bucket)
    assert "of the state s3://states/k: " in caught.value.message
    return BucketTrouble(caught.value.hint)


@pytest.mark.parametrize("body", MISLEADING)
@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("bucket_status", [200, 403, 500])
def test_a_missing_object_is_none_unless_its_bucket_is_missing(
    stub: Stub, bucket: Bucket, name: str, body: bytes, bucket_status: int
) -> None:
    stub.status, stub.body, stub.bucket_status = 404, body, bucket_status
    assert READS[name](bucket) is None
    stub.bucket_status = 404
    assert trouble(READS[name], bucket) is BucketTrouble.NO_BUCKET


@pytest.mark.parametrize("body", MISLEADING)
@pytest.mark.parametrize("name", ["create", *OTHERS])
def test_what_can_not_be_written_is_the_bucket_or_the_object(
    stub: Stub, bucket: Bucket, name: str, body: bytes
) -> None:
    stub.status, stub.body = 404, body
    assert trouble(WRITES[name], bucket) is BucketTrouble.NO_OBJECT
    stub.bucket_status = 404
    assert trouble(WRITES[name], bucket) is BucketTrouble.NO_BUCKET


@pytest.mark.parametrize(
    ("name", "status"),
    [("create", 409), ("create", 412), ("replace", 404), ("replace", 409), ("replace", 412)],
)
def test_a_write_that_another_one_forestalled_is_none(
    stub: Stub, bucket: Bucket, name: str, status: int
) -> None:
    stub.status = status
    assert ON_CONDITION[name](bucket) is None
    assert len(stub.asked) == 1


@pytest.mark.parametrize("body", MISLEADING)
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("name", EVERY)
def test_who_may_not_is_told_what_to_allow(
    stub: Stub, bucket: Bucket, name: str, status: int, body: bytes
) -> None:
    stub.status = stub.bucket_status = status
    stub.body = body
    assert trouble(EVERY[name], bucket) is BucketTrouble.DENIED
    assert "s3:ListBucket" in BucketTrouble.DENIED


@pytest.mark.parametrize("body", MISLEADING)
@pytest.mark.parametrize("status", [301, 400, 405, 429, 500, 501, 503])
@pytest.mark.parametrize("name", EVERY)
def test_all_else_is_the_server_or_the_way_to_it(
    stub: Stub, bucket: Bucket, name: str, status: int, body: bytes
) -> None:
    stub.status, stub.body = status, body
    assert trouble(EVERY[name], bucket) is BucketTrouble.OTHER


@pytest.mark.parametrize(
    ("bucket_status", "expected"),
    [
        (404, BucketTrouble.NO_BUCKET),
        (401, BucketTrouble.DENIED),
        (403, BucketTrouble.DENIED),
        (200, BucketTrouble.OTHER),
        (503, BucketTrouble.OTHER),
    ],
)
@pytest.mark.parametrize("status", [404, 403, 500])
def test_of_a_list_that_fails_the_bucket_says_why(
    stub: Stub, bucket: Bucket, status: int, bucket_status: int, expected: BucketTrouble
) -> None:
    stub.status, stub.bucket_status = status, bucket_status
    assert trouble(LIST["list"], bucket) is expected


def test_an_answer_that_makes_no_sense_is_told(stub: Stub, bucket: Bucket) -> None:
    stub.body = b"<html>a proxy</html>"
    for name in (*ON_CONDITION, "put"):
        assert trouble(EVERY[name], bucket) is BucketTrouble.OTHER, name


@pytest.mark.parametrize(
    "option",
    [
        {"region": "eu-central-1"},
        {"endpoint": "https://s3.example.com"},
        {"virtual_hosted_style_request": "true"},
        {"server_side_encryption": "AES256"},
        {"server_side_encryption": "aws:kms", "sse_kms_key_id": "key"},
        {"server_side_encryption": "aws:kms", "sse_bucket_key_enabled": "true"},
    ],
    ids=lambda option: list(option)[-1],
)
def test_an_option_that_may_stand_in_a_url(option: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert option.keys() <= set(module.OPTIONS)
    Bucket("states", option, url="s3://states")
