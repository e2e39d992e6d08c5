"""``clusterbayes compare``: is my slider answer right? One answer, or those of a whole class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clusterbayes.cli.console import JsonOption, error_console, guarded, output_console
from clusterbayes.cli.options import parse_numbers
from clusterbayes.errors import SettingsError
from clusterbayes.wording import counted

if TYPE_CHECKING:
    from clusterbayes.results import FitResult
    from clusterbayes.results.compare import Answer

__all__ = ["compare"]


@guarded
def compare(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="Folder of a fit, or its result.h5.", show_default=False)
    ],
    answers: Annotated[
        list[str],
        typer.Argument(
            metavar="SUMMARY|FOLDER|NAME=VALUE...",
            help="A summary that Astromancer wrote, a folder of them, or values such as log_age=7.3 (log10 yr), "
            "distance=1980 (pc), mh=-0.05, ebv=0.2 (mag).",
            show_default=False,
        ),
    ],
    *,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to draw one answer (.png, .pdf, .svg).", show_default="NAME_compare.png here"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Table to write (.csv, .ecsv, .fits, .vot).", show_default=False
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the table FILE.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Place a by-eye answer inside the posterior: how credible each value is, and how credible all are together.

    The level of a value is the share of the posterior in the smallest central interval that reaches it. The level of
    all together is the share of the posterior that is more probable than they are: below 90 %, the answer is as good
    as the data allow one to say.

    [bold]Examples[/]

    [cyan]clusterbayes compare mycluster summary.csv[/]

    [cyan]clusterbayes compare mycluster log_age=7.3 distance=1980 mh=0 ebv=0.2[/]

    [cyan]clusterbayes compare mycluster answers_of_my_class/ --out class.csv[/]

    [cyan]clusterbayes compare mycluster summary.csv --json[/]
    """
    from clusterbayes.cli.show import warn_if_not_converged
    from clusterbayes.results import FitResult
    from clusterbayes.results.export import check_output_file

    if out is not None:
        check_output_file(out, overwrite)
    fit = FitResult.load(result)
    warn_if_not_converged(error_console(), fit)
    alone = _alone(answers)
    if alone is None:
        _compare_class(fit, Path(answers[0]), out, as_json)
    else:
        picture = plot or Path(f"{alone.name or 'answer'}_compare.png".replace("/", "_"))
        _compare_one(fit, alone, picture, out, as_json)


def _alone(words: list[str]) -> Answer | None:
    """Return the answer, if there is one only: values, or a summary of one row."""
    from clusterbayes.results.compare import Answer, read_summaries

    if all("=" in word and not Path(word).exists() for word in words):
        return Answer("", parse_numbers(words, "NAME=VALUE", "a parameter and a number, e.g. log_age=7.3"))
    if len(words) > 1:
        raise SettingsError(
            "give one summary, one folder, or values only", value=" ".join(words), remedy="put summaries into a folder"
        )
    if Path(words[0]).is_dir():
        return None
    answers = read_summaries(words[0])
    return answers[0] if len(answers) == 1 else None


def _compare_one(fit: FitResult, answer: Answer, plot: Path, out: Path | None, as_json: bool) -> None:
    from clusterbayes.cli.show import answer_table
    from clusterbayes.results.compare import answers_table
    from clusterbayes.results.compare import compare as place
    from clusterbayes.results.export import json_text, write_table
    from clusterbayes.results.plots.compare import save_comparison

    placed = place(fit, answer)
    save_comparison(plot, fit, placed)
    if out is not None:
        write_table(answers_table([placed.row()]), out)
    if as_json:
        typer.echo(json_text({**placed.document(), "plot": str(plot)}), nl=False)
        return
    console = output_console()
    console.print(answer_table(placed))
    console.print(placed.sentence(), markup=False, soft_wrap=True)
    for note in (*answer.notes, *placed.notes):
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    console.print(f"drawn in {plot}", markup=False, soft_wrap=True)


def _compare_class(fit: FitResult, path: Path, out: Path | None, as_json: bool) -> None:
    from clusterbayes.cli.show import class_table
    from clusterbayes.results.compare import compare_class
    from clusterbayes.results.export import json_text, write_table

    table = compare_class(fit, path)
    known = table["level"] >= 0
    placed, refused = table[known], table[~known]
    inside = int((placed["level"] <= 0.9).sum())
    if out is not None:
        write_table(table, out)
    if as_json:
        answers = [{name: row[name] for name in table.colnames} for row in table]
        counts = {"compared": len(placed), "inside_90": inside, "not_compared": len(refused)}
        typer.echo(json_text({"answers": answers, **counts}), nl=False)
        return
    console = output_console()
    if len(placed):
        console.print(class_table(placed))
        console.print(f"{inside} of {len(placed)} answers lie inside the 90% region.", markup=False)
    if len(refused):
        console.print(f"{len(refused)} could not be read or compared, and are not counted:", markup=False)
    for row in refused:
        said = [row[name] for name in ("file", "name") if row[name] not in row["notes"]]  # most errors say where
        console.print(f"  {': '.join([*said, row['notes']])}", markup=False, soft_wrap=True)
    if out is not None:
        error_console().print(f"{counted(len(table), 'row')} in {out}", markup=False, soft_wrap=True)
