"""What can go wrong in the lab::

LabError
├── LabMissing      this machine lacks something; the message says what to type
└── LabFailed       something that we started did not do as it should; the message holds its last words
"""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot do what was asked."""


class LabMissing(LabError):
    """Something is not installed or not allowed here. The message says what, and how to get it."""


class LabFailed(LabError):
    """A build or a server failed. The message holds the end of its log."""
