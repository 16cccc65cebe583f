"""The notifier `webhook`, which is off until GRID_NOTIFIERS names it and an address is set."""

from typing import TYPE_CHECKING, Final

from grid.core.errors import ConfigurationError
from grid.schemas.alerts import Deliver

if TYPE_CHECKING:
    from grid.core.settings import Settings

LEAST_SECRET: Final = 32  # characters


class WebhookNotifier:
    """Sends each notice by POST."""

    name = "webhook"
    title = "A webhook (GRID_WEBHOOK_URL)"

    def connect(self, settings: "Settings") -> Deliver:
        """Return what sends one notice.

        Raises:
            ConfigurationError: Address or secret are missing or not allowed.
        """
        from grid.plugins.builtin.notifiers.delivery import Webhook, read_target

        if settings.grid_webhook_url is None or settings.grid_webhook_secret is None:
            raise ConfigurationError("The notifier webhook needs GRID_WEBHOOK_URL and GRID_WEBHOOK_SECRET.")
        secret = settings.grid_webhook_secret.get_secret_value()
        if len(secret) < LEAST_SECRET:
            raise ConfigurationError(f"GRID_WEBHOOK_SECRET must have at least {LEAST_SECRET} characters.")
        target = read_target(settings.grid_webhook_url.get_secret_value(), settings.grid_webhook_loopback)
        return Webhook(target, secret.encode()).deliver
