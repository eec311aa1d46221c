"""Federation: settings and ports, bound once by the host. The one handle that it holds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from federation import (
    checkpoints,
    documents,
    ending,
    exchange,
    gate,
    handshake,
    inbox,
    limits,
    outbox,
    signatures,
)
from federation.activity import Activity, Document
from federation.authn import SignIn
from federation.authority import Thing
from federation.errors import ClockSkew, NotFound, NotMet, OutOfScope, RemoteError
from federation.http import Headers, Request, Response
from federation.keys import controller_of
from federation.ports import Relation, Work
from federation.settings import Settings
from federation.signatures import PeerSignature

PROBLEM_TYPE = "application/problem+json"
ACTIVITY_TYPE = "application/activity+json"


RETRY_AFTER_S = 5


def _no_failpoint(name: str) -> None:
    """Production: nothing happens here."""


def _all_met(node: str) -> bool:  # noqa: ARG001
    """Of a host that never runs an older backup."""
    return False


@dataclass(frozen=True, slots=True)
class Federation:
    """`open_work` gives one unit of work: commits on a clean exit, else rolls back.

    `open_reading` gives one that only reads, for what strangers ask; `open_work` when there is none. `unmet` says of a
    partner's node that since our start it has not told how much of our log it has: what it says waits until then, as it
    might get a place in a space of ours that an older backup has forgotten.
    """

    settings: Settings
    open_work: Callable[[], AbstractContextManager[Work]]
    failpoint: Callable[[str], None] = field(default=_no_failpoint)
    open_reading: Callable[[], AbstractContextManager[Work]] | None = None
    unmet: Callable[[str], bool] = field(default=_all_met)

    def receive_batch(self, request: Request) -> Response:
        """Answer `POST /exchange`: a signed receipt, or a problem that says what to do.

        The answer is `proved` when the signature held, receipt or not.
        """
        try:
            with self._reading() as work:
                sender = gate.sender(request, work, max_bytes=self.settings.max_batch_bytes)
        except RemoteError as error:
            return self._turn_away(error)
        if self.unmet(controller_of(sender.key_id)) and not _is_hello(request):  # by a hello partners meet
            waits = NotMet("This node has just started. Try again in a moment.", retry_after=RETRY_AFTER_S)
            return replace(_problem(waits), proved=True)
        try:
            with self.open_work() as work:
                receipt = inbox.receive_batch(request, sender, work, self.settings, self.failpoint)
                answer = self._signed(_document(200, receipt), request, work, sender)
            self.failpoint("inbox.committed")
        except RemoteError as error:
            answer = self._refuse(request, sender, error)
        return replace(answer, proved=True)

    def receive_single(self, request: Request) -> Response:
        """Answer `POST` to the node inbox: 202, signed (receipt level 1), or a problem."""
        sender = None
        try:
            signatures.peer_signature(request)
            activity = inbox.read_single(request)
            if not inbox.accepts_invite(activity):
                with self._reading() as work:
                    sender = gate.sender(
                        request,
                        work,
                        max_bytes=limits.MAX_ACTIVITY_BYTES,
                        former=ending.is_account(activity),
                    )
            with self.open_work() as work:
                receipt = inbox.receive_single(request, activity, sender, work, self.settings)
                accepted = Response(202) if receipt is None else _document(202, receipt)
                return self._signed(accepted, request, work, sender)
        except RemoteError as error:
            if sender is None and not isinstance(error, handshake.WrongToken):
                return self._turn_away(error)
            return self._refuse(request, sender, error)

    def read_log(self, request: Request, stream: str, first: int, last: int) -> Response:
        """Answer a signed GET: our log to this partner, or our copy of its log, as it was pushed (PROTOCOL 2.i)."""
        try:
            with self._reading() as work:
                relation = self.reader(request, work)
                _check_stream(relation, stream)
                if first < 1:
                    raise NotFound("Not found.") from OutOfScope("A log begins with entry 1.")
                lines = max(0, min(last - first + 1, limits.MAX_BATCH_LINES))
                log = work.log if stream == relation.stream_out else work.streams
                read = log.read(relation, first, lines, self.settings.max_batch_bytes)
                field = exchange.LogField(
                    stream,
                    first,
                    len(read),
                    read[0][0].prev if read else log.head(relation).entry_hash,
                    relation.agreement_digest,
                )
                headers = Headers((("Content-Type", exchange.MEDIA_TYPE), ("Exchange-Log", str(field))))
                body = exchange.write([entry for entry, _ in read], [line for _, line in read])
                return self._signed(Response(200, headers, body), request, work)
        except RemoteError as error:
            self.refuse_reading(request, error)
            return _problem(error)

    def read_checkpoint(self, request: Request, stream: str, size: int) -> Response:
        """Answer a signed GET: what we have of our log, or of our copy of the partner's, at this size (2.b)."""
        try:
            with self._reading() as work:
                relation = gate.reader(request, work, ("Create", Thing.CHECKPOINT))
                _check_stream(relation, stream)
                said = checkpoints.statement(relation, stream, size, work)
                if said is None:
                    raise NotFound("Not found.") from OutOfScope("There are fewer entries.")
                return self._signed(_document(200, said), request, work)
        except RemoteError as error:
            self.refuse_reading(request, error)
            return _problem(error)

    def answer_reader(
        self, request: Request, answer: Callable[[Relation, Work], Response | None]
    ) -> Response:
        """Answer a signed GET, signed, by what `answer` has for this partner; None, and everybody else: not found."""
        try:
            with self._reading() as work:
                response = answer(self.reader(request, work), work)
                if response is None:
                    raise NotFound("Not found.") from OutOfScope("It is absent, or not for this partner.")
                return self._signed(response, request, work)
        except RemoteError as error:
            self.refuse_reading(request, error)
            return _problem(error)

    def reader(self, request: Request, work: Work) -> Relation:
        """The partner whose node signed this GET. Raises NotFound for everybody else: see `refuse_reading`."""
        return gate.reader(request, work)

    def refuse_reading(self, request: Request, error: RemoteError) -> None:
        """Put a signed GET on record that was not answered: a note for a partner, a count for a stranger.

        Outside any unit of work. The partner learns nothing of the reason, which is what `error` was raised from.
        """
        reason = error.__cause__ if isinstance(error.__cause__, RemoteError) else error
        try:
            with self._reading() as work:
                sender = gate.sender(request, work, max_bytes=0)
        except RemoteError as unproved:
            self._turn_away(unproved)
        else:
            self._refuse(request, sender, reason)

    def publish(self, document: Document, actor: str, work: Work, sign_in: SignIn | None = None) -> Activity:
        """Say something in a space, in the unit of work given. See `federation.outbox.publish`."""
        return outbox.publish(document, actor, work, self.settings, self.failpoint, sign_in)

    def tell(self, relation: Relation, document: Document, actor: str, work: Work) -> Activity:
        """Say something to one partner. See `federation.outbox.tell`."""
        return outbox.tell(relation, document, actor, work, self.settings)

    def _reading(self) -> AbstractContextManager[Work]:
        return (self.open_reading or self.open_work)()

    def _signed(
        self, response: Response, request: Request, work: Work, sender: PeerSignature | None = None
    ) -> Response:
        key = work.actors.signer(self.settings.node)
        return signatures.sign_response(response, request, key, int(work.now.timestamp()), signature=sender)

    def _turn_away(self, error: RemoteError) -> Response:
        """Answer a request whose sender nothing proves. It is only counted, or anybody could fill the log."""
        response = _problem(error)
        with self._reading() as work:
            work.audit.count("exchange.unauthenticated", error.type)
            moment = f"{work.now:%a, %d %b %Y %H:%M:%S GMT}"
        if isinstance(error, ClockSkew):
            return Response(response.status, response.headers.with_(("Date", moment)), response.body)
        return response

    def _refuse(self, request: Request, sender: PeerSignature | None, error: RemoteError) -> Response:
        """Answer an authenticated sender, and note it, in a unit of work of its own."""
        with self.open_work() as work:
            if isinstance(error, inbox.Disputed):
                work.streams.dispute(error.relation, error.dispute)
            if isinstance(error, handshake.WrongToken):
                work.handshakes.fail_invite(error.invite)
            work.audit.note(
                "exchange.refused",
                partner=sender.key_id.partition("#")[0] if sender else "",
                problem=error.type,
                rule=error.detail,
                target=request.url,
                digest=request.headers.get("content-digest") or "",
            )
        return _problem(error)


def _is_hello(request: Request) -> bool:
    """Whether a batch brings nothing; also what is no batch, which is refused as such."""
    try:
        return exchange.read_field(request.headers.get("exchange-log")).count == 0
    except RemoteError:
        return True


def _check_stream(relation: Relation, stream: str) -> None:
    if stream not in {relation.stream_out, relation.stream_in}:
        raise NotFound("Not found.") from OutOfScope("The stream is not one of this relation.")


def _document(status: int, document: Document) -> Response:
    return Response(status, Headers((("Content-Type", ACTIVITY_TYPE),)), documents.dumps(document))


def _problem(error: RemoteError) -> Response:
    headers = [("Content-Type", PROBLEM_TYPE)]
    if "retry_after" in error.members:
        headers.append(("Retry-After", str(error.members["retry_after"])))
    return Response(error.status, Headers(headers), documents.dumps(error.document()))
