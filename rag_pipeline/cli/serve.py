"""`rag serve` and `rag mcp`: the door for applications and agents."""

import importlib.util
import os
import sys
from typing import Annotated

import typer

from rag_pipeline.cli.show import AsJson, print_json, settings_of_home
from rag_pipeline.errors import PipelineError
from rag_pipeline.terminal import Printer


def serve(
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", help="A channel to answer from. The first one answers requests that name none."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes any free one.")] = 8765,
    metrics_port: Annotated[
        int, typer.Option("--metrics-port", min=0, max=65535, help="Port for metrics, on this machine alone.")
    ] = 8766,
    no_auth: Annotated[bool, typer.Option("--no-auth", help="Answer requests without a key; only on this machine.")] = False,
    as_json: AsJson = False,
) -> None:
    """Answer applications over HTTP and agents over MCP, from what a channel names, until it is stopped."""
    _needs_extra()
    from rag_pipeline.serve.run import Place, serve

    def began(url: str, metrics: str) -> None:
        if as_json:
            print_json({"url": url, "metrics": metrics, "pid": os.getpid()})
        else:
            Printer().say((url, "bold"), f" answers; metrics at {metrics}; Ctrl-C ends it")
        sys.stdout.flush()

    channels = tuple(dict.fromkeys(channel or ["production"]))
    serve(settings_of_home(), channels, Place(host, port, metrics_port), began, no_auth=no_auth)


def mcp(
    channel: Annotated[str, typer.Option("--channel", help="The channel to answer from.")] = "production",
) -> None:
    """Answer one agent on this machine, which starts this command and talks to it by stdin and stdout (MCP)."""
    _needs_extra()
    from rag_pipeline.serve.run import talk

    talk(settings_of_home(), channel)


def _needs_extra() -> None:
    missing = [
        name for name in ("fastapi", "mcp", "limits", "prometheus_client", "jwt") if not importlib.util.find_spec(name)
    ]
    if missing:
        raise PipelineError(f"{', '.join(missing)} is not installed; pip install 'rag-pipeline[serve]'")
