"""The command line: ``clusterbayes fit``, ``batch``, ``simulate``, ``demo``, ``grid``, ``worker``, ``serve`` and more.

One file a command. The library's heavy parts are imported inside the commands, so that asking for help is quick.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from clusterbayes import __version__
from clusterbayes.cli import (
    batch,
    compare,
    demo,
    export,
    fetch,
    fit,
    grid,
    inspect,
    match,
    picture,
    service,
    simulate,
    validate,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="clusterbayes",
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("fit", no_args_is_help=True)(fit.fit)
app.command("batch", no_args_is_help=True)(batch.batch)
app.command("inspect", no_args_is_help=True)(inspect.inspect)
app.command("fetch", no_args_is_help=True)(fetch.fetch)
app.command("match", no_args_is_help=True)(match.match)
app.command("simulate", no_args_is_help=True)(simulate.simulate)
app.command("export", no_args_is_help=True)(export.export)
app.command("derive", no_args_is_help=True)(export.derive)
app.command("compare", no_args_is_help=True)(compare.compare)
app.command("plot", no_args_is_help=True)(picture.plot)
app.command("report", no_args_is_help=True)(picture.report)
app.command("demo")(demo.demo)
app.add_typer(grid.app, name="grid")
app.add_typer(validate.validate_app, name="validate")
app.command("worker")(service.worker)
app.command("serve")(service.serve)
app.add_typer(service.database_app, name="database")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clusterbayes {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Ages, distances, metallicities, reddenings and memberships of star clusters from photometry.

    [bold]Start here[/]

    [cyan]clusterbayes fit --example ruprecht147 --out rup147[/]    fit the example that comes with the package

    [cyan]clusterbayes fit stars.csv --out mycluster[/]    fit your own table

    [cyan]clusterbayes demo[/]    simulate a cluster, fit it, compare with the truth

    [cyan]clusterbayes COMMAND --help[/]    what a command does, with examples to paste

    [bold]Exit codes[/]

    0: done. 2: something is to be put right; the message says what. 130: interrupted. 1: a bug, with a traceback.

    A fit that did not converge is done, and says so: see [cyan]converged[/] in summary.json.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; ends the process with 0, 2 (something to put right), 1 (a bug) or 130.

    130 stands for an interruption by SIGINT (Ctrl-C) or SIGTERM; a fit that ends with it goes on when it is run again.

    Parameters
    ----------
    arguments : list of str, optional
        Words after the program's name; those of the process if left out.
    """
    app(args=sys.argv[1:] if arguments is None else arguments, prog_name="clusterbayes")
