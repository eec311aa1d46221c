"""What both sides have signed of their logs, in the JSON API."""

from __future__ import annotations

from marshmallow import Schema, fields


class LogCheckpoint(Schema):
    """The newest checkpoint of one log: `ours` is the one that we write."""

    stream = fields.String(required=True)
    ours = fields.Boolean(required=True)
    size = fields.Integer(required=True)
    at = fields.AwareDateTime(required=True)
    agreed = fields.Boolean(required=True)


class LogEntry(Schema):
    """What one side says an entry is."""

    seq = fields.Integer(required=True)
    activity = fields.String(required=True)
    type = fields.String(required=True)
    content_digest = fields.String(required=True, data_key="contentDigest")
    time = fields.String(required=True)
    entry_hash = fields.String(required=True, data_key="entryHash")


class HistoryDispute(Schema):
    """Two histories of one log; `first` differs first, `here` and `there` are its two versions."""

    stream = fields.String(required=True)
    ours = fields.Boolean(required=True)
    at = fields.AwareDateTime(required=True)
    conflict = fields.String(required=True)
    size = fields.Integer(required=True)
    first = fields.Integer(required=True, allow_none=True)
    our_version = fields.Nested(LogEntry, required=True, allow_none=True, data_key="here")
    their_version = fields.Nested(LogEntry, required=True, allow_none=True, data_key="there")
    evidence = fields.List(fields.Raw(), required=True)


class History(Schema):
    """Checkpoints and disputes with one partner."""

    checkpoints = fields.List(fields.Nested(LogCheckpoint), required=True)
    disputes = fields.List(fields.Nested(HistoryDispute), required=True)


class EvidenceQuery(Schema):
    """Which entries: of one activity, or of some days (UTC); all when nothing is said."""

    activity = fields.String()
    begin = fields.Date(data_key="from")
    end = fields.Date(data_key="to")
