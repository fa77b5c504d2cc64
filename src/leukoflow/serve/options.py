"""What `leukoflow serve` can be told, and what follows from it. Light: nothing of the web is imported here."""

import argparse
import os
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from leukoflow.core.errors import LeukoFlowError

MEBIBYTE = 2**20
LOCAL = ("localhost", "127.0.0.1", "::1")
LEAST_TOKEN = 16


@dataclass(frozen=True)
class Settings:
    """Limits of the service; times in seconds."""

    token: str = ""
    """What a client must know; empty if none is asked for."""
    hosts: tuple[str, ...] = LOCAL
    """Names under which the service may be addressed while no token is asked for."""
    max_bytes: int = 20 * MEBIBYTE
    """Of one uploaded file."""
    max_pixels: int = 25_000_000
    """Of one image, read from its header."""
    held_bytes: int = 256 * MEBIBYTE
    """Of all uploads that are being received or wait for their turn."""
    workers: int = 2
    """Images that are answered at the same time, one thread each."""
    queue: int = 32
    """Images that may wait for a worker."""
    upload_seconds: float = 30
    """In which an upload must be complete."""
    answer_seconds: float = 60
    """In which an image must be answered, waiting included."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of `leukoflow serve`."""
    default = Settings()
    parser.add_argument(
        "models",
        nargs="*",
        type=Path,
        help="exported models: results/<study>/export, or single folders in it (default: the model that is shipped)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=8000, help="port, 0 for any that is free (default: 8000)")
    parser.add_argument(
        "--token-file", type=Path, help="file that holds the token clients must send; required beyond this machine"
    )
    parser.add_argument("--int8", action="store_true", help="use the networks with 8-bit weights: faster, less exact")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="images answered at once (default: one for each core)"
    )
    parser.add_argument(
        "--queue", type=int, default=default.queue, help=f"images that may wait (default: {default.queue})"
    )
    parser.add_argument(
        "--max-megabytes", type=float, default=default.max_bytes / MEBIBYTE, help="largest file (default: 20)"
    )
    parser.add_argument(
        "--max-pixels", type=int, default=default.max_pixels, help=f"largest image (default: {default.max_pixels:,})"
    )


def settings_of(args: argparse.Namespace) -> Settings:
    """Settings from parsed options. Raises LeukoFlowError for what cannot be, and for an open door without a token."""
    for option in ("workers", "max_pixels", "max_megabytes"):
        if getattr(args, option) <= 0:
            raise LeukoFlowError(f"--{option.replace('_', '-')}: {getattr(args, option)} is not above 0")
    if args.queue < 0:
        raise LeukoFlowError(f"--queue: {args.queue} is below 0")
    if not 0 <= args.port <= 65535:
        raise LeukoFlowError(f"--port: {args.port} is no port; choose one from 1 to 65535, or 0 for any")
    token = _token(args.token_file) if args.token_file else ""
    if not token and not _is_local(args.host):
        raise LeukoFlowError(
            f"--host {args.host}: reaches beyond this machine, and anyone there could send images; give --token-file"
        )
    return Settings(
        token=token,
        hosts=tuple({*LOCAL, args.host}),
        max_bytes=int(args.max_megabytes * MEBIBYTE),
        max_pixels=args.max_pixels,
        held_bytes=max(Settings().held_bytes, int(args.max_megabytes * MEBIBYTE)),
        workers=args.workers,
        queue=args.queue,
    )


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise LeukoFlowError(f"--token-file {path}: cannot be read ({error})") from error
    if len(token) < LEAST_TOKEN or not token.isprintable() or " " in token:
        raise LeukoFlowError(
            f"--token-file {path}: must hold {LEAST_TOKEN} or more characters without spaces; "
            "make one with: openssl rand -hex 24"
        )
    return token
