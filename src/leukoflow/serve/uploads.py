"""Receiving one image as the body of a request, within limits that are counted as the bytes come."""

import asyncio
from collections.abc import Callable

from fastapi import HTTPException, Request

Take = Callable[[int], None]


async def receive(request: Request, limit: int, seconds: float, take: Take) -> bytes:
    """The body, held in memory. `take` books its bytes and may refuse them.

    Raises HTTPException: 413 for more than `limit` bytes, said or sent; 408 if it is not complete in time; 415 for
    a form, whose parts would have to be taken apart.
    """
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise HTTPException(415, "Send the file itself as the body, not a form: curl --data-binary @smear.jpg")
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > limit:
        raise too_large(limit)
    chunks: list[bytes] = []
    held = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                held += len(chunk)
                if held > limit:
                    raise too_large(limit)
                take(len(chunk))
                chunks.append(chunk)
    except TimeoutError as error:
        raise HTTPException(408, f"The upload was not complete within {seconds:g} seconds") from error
    return b"".join(chunks)


def too_large(limit: int) -> HTTPException:
    """What is said of a file of more than `limit` bytes."""
    return HTTPException(413, f"The file is larger than the {limit / 2**20:g} MB that are taken")
