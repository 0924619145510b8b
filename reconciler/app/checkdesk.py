"""Asks the checks of rollouts: Prometheus and HTTP, under the rules by which secrets go out.

| answer                                                              | verdict |
|---------------------------------------------------------------------|---------|
| a query gives one sample within its limits; none, and that is good  | pass    |
| one sample beyond them; 403; 200 with ``{"verdict": "fail"}``       | fail    |
| any other 2xx                                                       | pass    |
| anything else, or none                                              | error   |

An error never aborts and never lets a wave open. Redirects are not followed, an answer has 64 KiB at most,
and what it says shows only where it is a number, a status, or an error of Prometheus.

Tests: `tests/app/test_app_checkdesk.py`.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from reconciler.errors import ReconcilerError, ServerError
from reconciler.hiding import Hiding
from reconciler.model import (
    Desired,
    FromEnv,
    FromFile,
    HttpQuestion,
    Json,
    OnCheckFailure,
    PrometheusQuery,
    ResourceId,
    RolloutCheck,
    Secret,
)
from reconciler.pool import all_of
from reconciler.rollout.questions import CheckQuestion
from reconciler.rollout.situation import CheckAnswer, CheckVerdict
from reconciler.settings import Project
from reconciler.text import excerpt
from reconciler.trust.hosts import Destination
from reconciler.trust.needs import RESERVED, SecretGrant, TrustNeed, from_env, from_file, refusal

if TYPE_CHECKING:
    from reconciler.app.workspace import Workspace
    from reconciler.providers.http.transport import Response

Asking = Callable[[Sequence[CheckQuestion]], Awaitable[Mapping[ResourceId, tuple[CheckAnswer, ...]]]]
LARGEST: Final = 65_536
"""Bytes of an answer."""
_AT_ONCE: Final = 8
_SAID: Final = 120
_NUMBER: Final = re.compile(r"[+-]?(?:Inf|NaN|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")


class _Unclear(Exception):
    """Why an answer is none."""


@dataclass(frozen=True, slots=True)
class CheckDesk:
    """Where checks are asked: with the variables of a run, and what the person behind it trusts."""

    workspace: Workspace

    def admit(self, project: Project, desired: Desired) -> None:
        """InvalidInput where a secret of a check would go to a host that nobody trusts with it."""
        checks = {id(it): it for each in desired.campaigns if each.rollout for it in each.rollout.checks}
        needs = [need for check in checks.values() for need in _needs(check)]
        if needs:
            self.workspace.trusted(project, needs)

    def asking(self, project: Project) -> Asking:
        """Asks questions for `project`."""

        async def ask(
            questions: Sequence[CheckQuestion],
        ) -> Mapping[ResourceId, tuple[CheckAnswer, ...]]:
            return await _Round(self.workspace, project).answers(questions)

        return ask


class _Round:
    """One look: what asks the same is asked once, and who doesn't answer isn't asked again."""

    def __init__(self, workspace: Workspace, project: Project) -> None:
        from reconciler.app.trusting import TrustGate

        self._environ, self._project = workspace.environ, project
        self._gate = TrustGate(workspace.environ, workspace.caller)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._found: dict[tuple[ResourceId, str], CheckAnswer] = {}

    async def answers(
        self, questions: Sequence[CheckQuestion]
    ) -> Mapping[ResourceId, tuple[CheckAnswer, ...]]:
        same: defaultdict[tuple[str, str], list[tuple[RolloutCheck, CheckQuestion]]] = defaultdict(list)
        for question in questions:
            for check in question.checks:
                same[question.policy, check.name].append((check, question))
        await all_of(map(self._in_turn, same.values()))
        return {
            each.resource: tuple(self._found[each.resource, check.name] for check in each.checks)
            for each in questions
        }

    async def _in_turn(self, asked: Sequence[tuple[RolloutCheck, CheckQuestion]]) -> None:
        answer: CheckAnswer | None = None
        async with self._slots:
            for check, question in asked:
                another = isinstance(check.how, HttpQuestion) and check.how.post
                if answer is None or (another and answer.verdict is not CheckVerdict.ERROR):
                    answer = await self._answer(check, question.standing)
                self._found[question.resource, check.name] = answer

    async def _answer(self, check: RolloutCheck, standing: Mapping[str, Json]) -> CheckAnswer:
        headers: dict[str, str] = {}
        try:
            headers = self._headers(check)
            async with asyncio.timeout(check.seconds):
                response = await _sent(check, headers, standing)
            verdict, text = _read(check, response)
        except _Unclear as error:
            verdict, text = CheckVerdict.ERROR, str(error)
        except ServerError as error:
            verdict, text = CheckVerdict.ERROR, error.message.removeprefix(f"{error.request}: ")
        except ReconcilerError as error:
            verdict, text = CheckVerdict.ERROR, error.message
        except TimeoutError:
            verdict, text = CheckVerdict.ERROR, f"didn't answer within {check.seconds} s"
        except Exception as error:  # noqa: BLE001 - whatever it is, the wave waits, and all else goes on
            verdict, text = CheckVerdict.ERROR, f"can't be asked ({type(error).__name__})"
        secrets = (headers.get(name) for name, it in check.headers.items() if isinstance(it, Secret))
        hidden = Hiding(filter(None, secrets))
        aborts = check.on_failure is OnCheckFailure.ABORT
        return CheckAnswer(check.name, verdict, excerpt(hidden(text), 2 * _SAID), aborts)

    def _headers(self, check: RolloutCheck) -> dict[str, str]:
        from reconciler.resolve.campaign_settings import read_secret

        if missing := self._gate.missing(self._project, list(_needs(check))):
            raise _Unclear(refusal(missing[0]).message)
        found: dict[str, str] = {}
        for name, value in check.headers.items():
            if not isinstance(value, Secret):
                found[name] = value
                continue
            read = read_secret(value, value.source.removeprefix("file "), self._environ)
            if not isinstance(read, Secret):
                raise _Unclear(read.message)
            text = read.reveal()
            if not text.isascii() or not text.isprintable():
                raise _Unclear(f"{value.source} holds what no header can")
            found[name] = text
        return found


def _needs(check: RolloutCheck) -> Iterator[TrustNeed]:
    """What it takes to send the secrets of its headers."""
    for name, value in check.headers.items():
        if not isinstance(value, Secret):
            continue
        destination = Destination.of(check.url)
        by = f"the header {name} of the check {check.name}"
        match value.origin:
            case FromEnv(variable):
                grant = SecretGrant(from_env(variable), str(destination))
                reserved = RESERVED.fullmatch(variable) is not None
                yield TrustNeed(grant, by, check.place, destination, reserved)
            case FromFile(path):
                yield TrustNeed(SecretGrant(from_file(path), str(destination)), by, check.place, destination)


async def _sent(check: RolloutCheck, headers: Mapping[str, str], standing: Mapping[str, Json]) -> Response:
    from reconciler.providers.http.engine import open_engine
    from reconciler.providers.http.transport import Request

    parts = urlsplit(check.url)
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
    query = parse_qsl(parts.query, keep_blank_values=True)
    method, body, sent = "GET", None, dict(headers)
    match check.how:
        case PrometheusQuery(text):
            path = f"{path.rstrip('/')}/api/v1/query"
            query.append(("query", text))
        case HttpQuestion(post=True):
            method, body = "POST", json.dumps(standing).encode()
            sent["Content-Type"] = "application/json"
    base = f"{parts.scheme}://{parts.netloc}"
    async with open_engine(base, timeout=check.seconds, connections=1, most=LARGEST) as transport:
        return await transport.send(Request(method, path or "/", tuple(query), sent, body))


# --- what an answer means ------------------------------------------------------------------------


def _read(check: RolloutCheck, response: Response) -> tuple[CheckVerdict, str]:
    if 300 <= response.status < 400:
        raise _Unclear(f"answered {response.status}, and redirects are not followed")
    match check.how:
        case PrometheusQuery():
            return _of_query(check.how, response)
        case HttpQuestion():
            return _of_http(response)


def _of_http(response: Response) -> tuple[CheckVerdict, str]:
    if response.status == 403:
        return CheckVerdict.FAIL, "answered 403"
    if not 200 <= response.status < 300:
        raise _Unclear(f"answered {response.status}")
    said = _json(response.body)
    verdict = said.get("verdict", "pass") if isinstance(said, dict) else "pass"
    if verdict == "fail":
        return CheckVerdict.FAIL, "its verdict is fail"
    if verdict != "pass":
        raise _Unclear("its verdict is neither pass nor fail")
    return CheckVerdict.PASS, ""


def _of_query(asked: PrometheusQuery, response: Response) -> tuple[CheckVerdict, str]:
    said = _json(response.body)
    if response.status != 200:
        why = said.get("error") if isinstance(said, dict) else None
        told = f": {excerpt(why, _SAID)}" if isinstance(why, str) else ""
        raise _Unclear(f"answered {response.status}{told}")
    value = _sample(said)
    if value is None:
        if asked.empty_passes:
            return CheckVerdict.PASS, "no sample"
        raise _Unclear("the query gives no sample")
    if math.isnan(value):
        raise _Unclear("the query gives no number (NaN)")
    if asked.most is not None and value > asked.most:
        return CheckVerdict.FAIL, f"{value:.4g} > {asked.most:g}"
    if asked.least is not None and value < asked.least:
        return CheckVerdict.FAIL, f"{value:.4g} < {asked.least:g}"
    return CheckVerdict.PASS, f"{value:.4g}"


def _sample(said: Any) -> float | None:
    """The one number of an answer; None: it has none."""
    data = said.get("data") if isinstance(said, dict) and said.get("status") == "success" else None
    kind, result = (data.get("resultType"), data.get("result")) if isinstance(data, dict) else (None, None)
    if kind == "vector" and isinstance(result, list):
        if not result:
            return None
        if len(result) > 1:
            raise _Unclear(f"the query gives {len(result):,} samples: it has to give one, so aggregate")
        result = result[0].get("value") if isinstance(result[0], dict) else None
    elif kind != "scalar":
        raise _Unclear("the answer is none of Prometheus to an instant query that gives a number")
    text = result[1] if isinstance(result, list) and len(result) == 2 else None
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise _Unclear("the answer holds no number where Prometheus puts it")
    return float(text)


def _json(body: bytes) -> Any:
    """The JSON of an answer; None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
