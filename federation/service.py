"""Federation: settings and ports, bound once by the host. The one handle that it holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from federation import documents, exchange, gate, handshake, inbox, limits, outbox, signatures
from federation.activity import Activity, Document
from federation.errors import ClockSkew, NoAgreement, NotFound, RemoteError, Unauthentic
from federation.http import Headers, Request, Response
from federation.ports import Relation, Work
from federation.settings import Settings

PROBLEM_TYPE = "application/problem+json"
ACTIVITY_TYPE = "application/activity+json"


def _no_failpoint(name: str) -> None:
    """Production: nothing happens here."""


@dataclass(frozen=True, slots=True)
class Federation:
    """`open_work` gives one unit of work: commits on a clean exit, else rolls back."""

    settings: Settings
    open_work: Callable[[], AbstractContextManager[Work]]
    failpoint: Callable[[str], None] = field(default=_no_failpoint)

    def receive_batch(self, request: Request) -> Response:
        """Answer `POST /exchange`: a signed receipt, or a problem that says what to do."""
        try:
            with self.open_work() as work:
                receipt = inbox.receive_batch(request, work, self.settings, self.failpoint)
                response = Response(
                    200, Headers((("Content-Type", ACTIVITY_TYPE),)), documents.dumps(receipt)
                )
                answer = self._signed(response, request, work)
            self.failpoint("inbox.committed")
        except RemoteError as error:
            return self._refuse(request, error)
        return answer

    def receive_single(self, request: Request) -> Response:
        """Answer `POST` to the node inbox: 202, or a problem."""
        try:
            with self.open_work() as work:
                inbox.receive_single(request, work, self.settings)
        except RemoteError as error:
            return self._refuse(request, error)
        return Response(202)

    def read_log(self, request: Request, first: int, last: int) -> Response:
        """Answer a signed GET on a stream of ours: field and body as it was pushed (PROTOCOL 2.i)."""
        try:
            with self.open_work() as work:
                relation = self.reader(request, work)
                if relation.stream_out != request.url.partition("?")[0]:
                    raise NotFound("Not found.")
                lines = max(0, min(last - first + 1, limits.MAX_BATCH_LINES))
                read = work.log.read(relation, first, lines, self.settings.max_batch_bytes)
                before = work.log.entry(relation, first - 1) if first > 1 else None
                log = exchange.LogField(
                    relation.stream_out,
                    first,
                    len(read),
                    before.entry_hash if before else relation.agreement_digest,
                    relation.agreement_digest,
                )
                headers = Headers((("Content-Type", exchange.MEDIA_TYPE), ("Exchange-Log", str(log))))
                body = exchange.write([entry for entry, _ in read], [line for _, line in read])
                return self._signed(Response(200, headers, body), request, work)
        except RemoteError as error:
            return _problem(error)

    def reader(self, request: Request, work: Work) -> Relation:
        """The partner whose node signed this GET. Raises NotFound for everybody else."""
        return gate.reader(request, work)

    def publish(self, document: Document, actor: str, work: Work) -> Activity:
        """Say something in a space, in the unit of work given. See `federation.outbox.publish`."""
        return outbox.publish(document, actor, work, self.settings, self.failpoint)

    def tell(self, relation: Relation, document: Document, actor: str, work: Work) -> Activity:
        """Say something to one partner. See `federation.outbox.tell`."""
        return outbox.tell(relation, document, actor, work, self.settings)

    def _signed(self, response: Response, request: Request, work: Work) -> Response:
        key = work.actors.signer(self.settings.node)
        return signatures.sign_response(response, request, key, int(work.now.timestamp()))

    def _refuse(self, request: Request, error: RemoteError) -> Response:
        """Note it where it must be noted, in a unit of work of its own, and answer.

        An authenticated sender's refusal is a line of the audit log; a stranger's is only counted.
        """
        with self.open_work() as work:
            if isinstance(error, inbox.Disputed):
                work.streams.dispute(error.relation, error.ours.entry_hash, error.detail, error.request)
            if isinstance(error, handshake.WrongToken):
                work.handshakes.fail_invite(error.invite)
            stranger = isinstance(error, (Unauthentic, NoAgreement)) and not isinstance(error, ClockSkew)
            work.audit.note(
                "exchange.unauthenticated" if stranger else "exchange.refused",
                problem=error.type,
                rule=error.detail,
                target=request.url,
            )
            now = work.now
        response = _problem(error)
        if isinstance(error, ClockSkew):
            moment = f"{now:%a, %d %b %Y %H:%M:%S GMT}"
            return Response(response.status, response.headers.with_(("Date", moment)), response.body)
        return response


def _problem(error: RemoteError) -> Response:
    return Response(
        error.status,
        Headers((("Content-Type", PROBLEM_TYPE),)),
        documents.dumps(error.document()),
    )
