"""What the client counted since it was made: for the status page, for metrics, and for tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class AriCounters:
    """Counts; none of them ever goes down.

    Attributes:
        events: Events handed to the listener, the unknown ones included.
        unknown_events: Events of a type that :mod:`app.ari.events` has no class for; they are handed on as raw JSON.
        malformed: Messages that were no JSON, or not of the shape of their type; they are logged and skipped.
        late_answers: Answers to requests that nobody waits for any more (cancelled or timed out).
        listener_errors: Exceptions that a listener let escape.
        requests_socket, requests_http: Requests sent, by the way they took.
        retried: Requests repeated over HTTP, because the connection broke before their answer came.
        refused: Requests refused because too many were under way.
    """

    events: int = 0
    unknown_events: int = 0
    malformed: int = 0
    late_answers: int = 0
    listener_errors: int = 0
    requests_socket: int = 0
    requests_http: int = 0
    retried: int = 0
    refused: int = 0
