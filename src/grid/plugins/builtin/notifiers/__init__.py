"""The notifiers that come with Grid: the log, and a webhook, which is off until an address is set."""

from grid.plugins.builtin.notifiers.log import LogNotifier
from grid.plugins.builtin.notifiers.webhook import WebhookNotifier

__all__ = ["LogNotifier", "WebhookNotifier"]
