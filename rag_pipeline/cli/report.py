"""`report`: writes the page that people look at again, from what is known now, or serves the pages to browsers."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import typer

from rag_pipeline.cli.show import AsJson, print_json, settings_of_home, settings_or_note
from rag_pipeline.terminal import Printer


def report(
    release: Annotated[str | None, typer.Option(help="A release by id.")] = None,
    channel: Annotated[str, typer.Option(help="The channel whose release to show, and whose demands apply.")] = "production",
    serve: Annotated[
        bool, typer.Option("--serve", help="Write no report; serve all of them to browsers on this machine until Ctrl-C.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to serve on. Default: the port of RAG_REPORTS_URL, or 3001.")
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="Address to serve on; 0.0.0.0 in a container. Only browsers that ask for localhost are answered."),
    ] = "127.0.0.1",
    as_json: AsJson = False,
) -> None:
    """Write a release's report (one HTML file) again from its newest evidence, and print its path.

    It holds the verdict with its reasons, figures with bounds, worst regressions side by side, trend, latency, and what
    changed in the data. The file opens anywhere, without a network or a script. It quotes documents and queries, so it is as
    private as they are. `--serve` shows all reports to browsers of this machine, which is where the links in the UI lead
    (`RAG_REPORTS_URL`).
    """
    if serve:
        _serve(port, host)
        return
    from rag_pipeline.channels.pointer import release_in
    from rag_pipeline.contracts.contract import Contract
    from rag_pipeline.contracts.read import read_contracts
    from rag_pipeline.errors import PipelineError
    from rag_pipeline.index.manifest import read_manifest
    from rag_pipeline.release.promote import inputs_now, judge
    from rag_pipeline.report import ReportRequest, not_evaluated, write_report

    settings, now = settings_of_home(), datetime.now(UTC)
    named = release is not None
    release = release or release_in(settings.home, channel)
    settings.home.report(release)
    read_manifest(settings.home.release(release))
    contracts: tuple[Contract, ...] = ()
    try:
        contracts = read_contracts(settings.contracts)
        inputs = inputs_now(settings, contracts, now)
        verdict, evidence = judge(inputs, release, channel, named=named)
    except PipelineError as error:  # a policy or a golden set that cannot be read: the page is wanted all the same
        verdict = not_evaluated(release, str(error))
        asked = ReportRequest(verdict, now=now, contracts=contracts, channel=channel, problem=str(error))
    else:
        asked = ReportRequest(
            verdict,
            now=now,
            evidence=evidence,
            contracts=contracts,
            golden_sets=inputs.golden_sets,
            policy=inputs.policy,
            channel=channel,
        )
    path = write_report(settings.home, asked)
    if as_json:
        print_json({"release": release, "channel": channel, "verdict": verdict.outcome, "path": str(path)})
        return
    Printer().say(f"{release}: {verdict.outcome}\n{path}")


def _serve(port: int | None, host: str) -> None:
    """Serve the reports until somebody ends it. A home that is not there yet has none, and may come."""
    from rag_pipeline.report.serve import port_of, report_server

    settings = settings_or_note()
    with report_server(settings.home, port or port_of(settings.reports_url), host) as server:
        at = server.server_address[1]
        Printer(stderr=True).say(f"reports of {settings.home}: http://{host}:{at}/ (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
