"""Turns every error of a command into one sentence and an exit code; a traceback only where BREAKWATER_TRACE is set."""

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from node.cli.output import EXIT_AWAY, EXIT_FAULT, EXIT_INTERRUPTED, EXIT_NO, EXIT_USAGE, Refusal, complain

# Errors whose text is made for people, and the exit code of each. An error can only be of a class whose module is
# loaded, so nothing is imported to compare with.
_SPOKEN = {
    ("node.cli.output", "Refusal"): EXIT_NO,
    ("node.client.errors", "RefusedError"): EXIT_NO,
    ("node.load.bars", "PriceFileError"): EXIT_USAGE,
    ("node.bench.run", "UnknownPiece"): EXIT_USAGE,
    ("node.bench.regression", "RatiosError"): EXIT_USAGE,
    ("node.bench.profile", "ProfileError"): EXIT_NO,
    ("node.load.driver", "ReplayError"): EXIT_NO,
    ("node.flow.settings", "LoadError"): EXIT_USAGE,
    ("node.report.receipt_file", "ReceiptFileError"): EXIT_NO,
    ("node.settings", "ConfigError"): EXIT_USAGE,
    ("node.guards.key_file", "KeyFileBroken"): EXIT_USAGE,
    ("node.genesis", "GenesisRefused"): EXIT_NO,
    ("actors.rulebooks.versions", "UnknownLogicVersion"): EXIT_NO,
    ("cluster.signing", "KeyFileError"): EXIT_USAGE,
    ("cluster.journal", "BadJournalUrl"): EXIT_USAGE,
    ("cluster.journal", "JournalError"): EXIT_NO,
    ("cluster.snapshot_places", "BadSnapshotsUrl"): EXIT_USAGE,
    ("cluster.recovery", "ReplayMismatch"): EXIT_NO,
    ("cluster.recovery", "BlockFailed"): EXIT_NO,
    ("cluster.placement", "PlacementError"): EXIT_USAGE,
    ("cluster.machines", "PlaceError"): EXIT_USAGE,
    ("cluster.void", "NothingToVoid"): EXIT_NO,
    ("cluster.archive", "ArchiveMismatch"): EXIT_NO,
    ("cluster.backup", "BackupError"): EXIT_NO,
    ("cluster.audit", "NothingToAudit"): EXIT_NO,
    ("cluster.archive_export", "ExportRefused"): EXIT_USAGE,
}
_AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED")


class GuardedGroup(TyperGroup):
    """The root of all commands."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what it raises is said, not shown."""
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except typer.TyperException as error:
            complain(f"{_sentence(error.format_message())} (see --help)", as_json)
            raise typer.Exit(EXIT_USAGE) from error
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            _close_quietly()
            raise typer.Exit(EXIT_NO) from None
        except Exception as error:
            if os.environ.get("BREAKWATER_TRACE"):
                raise
            sentence, code = spoken(error)
            complain(sentence, as_json)
            raise typer.Exit(code) from error


def spoken(error: Exception) -> tuple[str, int]:
    """The sentence and the exit code of an error."""
    if isinstance(error, Refusal):
        return str(error), error.code
    for (module, name), code in _SPOKEN.items():
        known = getattr(sys.modules.get(module), name, None)
        if known is not None and isinstance(error, known):
            return _sentence(str(error)) or type(error).__name__, code
    grpc = sys.modules.get("grpc")
    if grpc is not None and isinstance(error, grpc.RpcError):
        return _lost(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'system'}: {error.strerror or str(error) or type(error).__name__}", EXIT_NO
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: this command needs the extra `node`", EXIT_NO
    return f"internal fault, {type(error).__name__}: {_sentence(str(error))}", EXIT_FAULT


def _lost(error: Any) -> tuple[str, int]:
    code = error.code().name if hasattr(error, "code") else "UNKNOWN"
    details = error.details() if hasattr(error, "details") else ""
    if code in _AWAY:
        return f"no node answers: {details or code}", EXIT_AWAY
    return f"the node answered {code}: {details}", EXIT_NO


def _sentence(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


def _close_quietly() -> None:
    """The reader is gone: nothing more can be said to it, also not while the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
