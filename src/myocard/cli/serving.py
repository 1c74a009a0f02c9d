"""A model behind HTTP."""

from typing import Annotated

from typer import Option

from myocard.cli import options
from myocard.cli.options import app


@app.command(rich_help_panel=options.USE)
def serve(
    model: options.AnyModel,
    host: Annotated[
        str, Option(help="Address to listen at; other machines reach this one alone by another")
    ] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65_535, help="Port; 0 takes a free one")] = 8000,
    queue: Annotated[int, Option(min=0, help="Requests that may wait; more get 503")] = 16,
    max_mb: Annotated[
        float, Option(min=0.001, max=100_000, help="Largest upload (MB); more gets 413")
    ] = 20,
    probe: options.Probe = None,
) -> None:
    """Serve a model to this machine: a page, JSON, and nothing kept.
    [dim]myocard serve model[/dim]

    POST /predict with the files of one record; / is a page to choose them on, /health tells of the
    server and /openapi.json of all. One thread computes. Ctrl-C or SIGTERM ends it, once requests
    in work are done.
    """
    from myocard.server.gate import Limits
    from myocard.server.serving import serve as run

    run(model, probe=probe, host=host, port=port, limits=Limits(queue, max_mb))
