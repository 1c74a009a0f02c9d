"""A server on this machine, from its start to its end."""

import ipaddress
import logging
import socket
from pathlib import Path
from typing import Any

from myocard.errors import InputError
from myocard.models.exported import open_predictor
from myocard.server.app import build
from myocard.server.gate import Limits

LOG = logging.getLogger(__name__)
_GRACE = 10
"""Seconds that requests in work get when the server is stopped."""


def serve(
    model: Path | str,
    *,
    probe: Path | str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits = Limits(),  # noqa: B008
) -> None:
    """Serve a model until it is stopped (SIGINT or SIGTERM); requests in work are finished.

    Args:
        model: A saved or exported model; or an encoder, with ``probe``.
        probe: The run folder of a probe of that encoder.
        host: The address to listen at.
        port: The port; 0 takes a free one.
        limits: Bounds of the server.

    Raises:
        InputError: When the model cannot be opened, packages are missing, or the address is taken.
    """
    app = build(open_predictor(model, probe), limits)
    import uvicorn

    with _listening(host, port) as listener:
        _tell(listener.getsockname(), model)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",  # the gate tells of every request, and of no file's name
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            LOG.info("stopped")


def _tell(address: Any, model: Path | str) -> None:
    """Say where a server listens, and warn of an address that other machines reach."""
    host, port, *_ = address
    if not ipaddress.ip_address(host).is_loopback:
        LOG.warning(
            "whoever reaches %s can ask: there is no login and no encryption; put a proxy that has "
            "them in front",
            host,
        )
    shown = f"[{host}]" if ":" in host else host
    LOG.info("http://%s:%d serves %s; Ctrl-C ends it", shown, port, model)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        told = f"{host}, port {port}: cannot be listened at ({error}); choose another --port"
        raise InputError(told) from error
