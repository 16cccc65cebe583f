"""`grid artifacts`: the results of this installation, as files or objects."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grid.cli.output import JsonFlag, errors, reporting, show

if TYPE_CHECKING:
    from grid.core.settings import Settings
    from grid.runtime.spool import Spool
    from grid.services.artifact_copies import CopyReport
    from grid.services.ports import ArtifactStore

SAY_EVERY = 1000  # artifacts between two lines of progress

app = typer.Typer(name="artifacts", no_args_is_help=True, help="Copy results to another place.")


@app.callback()
def _group() -> None:
    """Copy results to another place."""


@app.command()
def copy(
    to: Annotated[str, typer.Option("--to", help="s3://bucket/prefix (of GRID_S3_ENDPOINT), or a folder; empty.")],
    as_json: JsonFlag = False,
) -> None:
    """Copy every result into another store, each checked by size and hash; repeat it to go on, or to catch up."""
    with reporting():
        from tempfile import TemporaryDirectory

        from grid.cli.own import own_settings
        from grid.runtime.spool import Spool
        from grid.services.adapters import make_store
        from grid.services.artifact_copies import copy_artifacts

        settings = own_settings()
        identity = settings.grid_artifacts_url or str(settings.resolved_artifacts_path)
        with TemporaryDirectory(prefix="grid-copy-") as folder:
            spool = Spool(Path(folder) / "spool")
            source, target = make_store(settings, spool), _make_target(settings, to, spool)
            report = copy_artifacts(source, target, identity, on_blob=lambda one: _say(one, as_json=as_json))
        document = {
            "verified": report.verified,
            "copied": report.copied,
            "copied_bytes": report.copied_bytes,
            "present": report.present,
            "vanished": report.vanished,
        }
        words = f"{report.verified} artifacts are in {to}, each with the size and hash of its source; "
        words += f"{report.copied} were copied now ({report.copied_bytes / 1e6:.1f} MB)."
        show(document, as_json=as_json, view=lambda: words)


def _make_target(settings: "Settings", to: str, spool: "Spool") -> "ArtifactStore":
    """Return the store that is named.

    Raises:
        FieldError: It is neither a bucket nor a folder, or the place of the results itself.
    """
    from grid.core.errors import FieldError
    from grid.core.settings import find_bucket
    from grid.runtime.store import LocalArtifactStore
    from grid.services.adapters import make_s3_store

    if "://" in to:
        bucket = find_bucket(to)
        if bucket is None:
            raise FieldError("--to", "s3://bucket/prefix, or a folder")
        if bucket == settings.artifacts_bucket:
            raise FieldError("--to", "another place than that of the results")
        return make_s3_store(settings, *bucket, spool)
    folder = Path(to).expanduser().resolve()
    if settings.artifacts_bucket is None and folder == settings.resolved_artifacts_path:
        raise FieldError("--to", "another place than that of the results")
    return LocalArtifactStore(folder)


def _say(report: "CopyReport", *, as_json: bool) -> None:
    if not as_json and report.verified % SAY_EVERY == 0:
        errors().print(f"{report.verified} artifacts")
