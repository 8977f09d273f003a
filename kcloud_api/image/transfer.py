"""Routes that move image data: streamed in and out, never all in memory, no transaction held meanwhile."""

import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack
from http import HTTPStatus
from uuid import UUID

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from kcloud_api.caller import Caller
from kcloud_api.conf.image import ImageConf
from kcloud_api.db.engine import Database
from kcloud_api.http.context import CallerDep
from kcloud_api.http.transaction import SessionDep
from kcloud_api.image import service, store
from kcloud_api.image.access import BriefCallerDep, image_id_of, require, target_of
from kcloud_api.image.inspection import UnsafeImage
from kcloud_api.image.store import Part
from kcloud_common.errors import Forbidden, NotFound, TooLarge

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v2/images/{image}/file")

MEDIA = "application/octet-stream"
PIECE = 1024 * 1024
"""Bytes handed to a thread at once: enough for hashing to pay, little enough for many uploads."""


@router.put("", status_code=204)
async def upload(request: Request, caller: BriefCallerDep, image: str) -> Response:
    """An upload that ends early, or is refused, leaves the image queued and no data behind."""
    image_id = image_id_of(image)
    disk_format = await to_thread.run_sync(_begin, request, caller, image_id)
    conf: ImageConf = request.app.state.conf.image
    with ExitStack() as stack:
        part = await to_thread.run_sync(stack.enter_context, store.incoming(conf, image_id))
        try:
            async for piece in _pieces(request):
                await to_thread.run_sync(part.write, piece)
            await to_thread.run_sync(_complete, request, image_id, part, disk_format)
        except UnsafeImage as error:
            log.warning("image_refused", extra={"image_id": str(image_id), "why": error.message})
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, error.message) from error
        except ClientDisconnect:
            log.info("image_upload_aborted", extra={"image_id": str(image_id)})
            return Response(status_code=HTTPStatus.BAD_REQUEST)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("")
def download(request: Request, session: SessionDep, caller: CallerDep, image: str) -> Response:
    record = service.visible_image(session, caller, image_id_of(image))
    require(request, caller, "download_image", target_of(record))
    if record.status == "deactivated" and not caller.is_admin:
        raise Forbidden("The requested image has been deactivated. Image data download is forbidden.")
    if record.size is None or record.checksum is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    path = store.data_path(request.app.state.conf.image, record.id)
    return FileResponse(path, media_type=MEDIA, headers={"Content-MD5": record.checksum})


def _begin(request: Request, caller: Caller, image_id: UUID) -> str:
    """May this caller give this image data, and in which format?"""
    database: Database = request.app.state.database
    with database.reading() as session:
        record = service.visible_image(session, caller, image_id)
    require(request, caller, "upload_image", target_of(record))
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != MEDIA:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Image data must be sent as {MEDIA}.")
    disk_format = service.require_uploadable(record)
    limit = request.app.state.conf.image.max_size_gib * store.GIB
    declared = request.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise TooLarge("The incoming image is too large: The provided image is too large.")
    return disk_format


def _complete(request: Request, image_id: UUID, part: Part, disk_format: str) -> None:
    stored = part.finish(disk_format)
    database: Database = request.app.state.database
    try:
        # The data appears inside the transaction that holds the row: of two uploads only one gets there.
        with database.transaction() as session:
            service.activate_image(session, image_id, stored)
            part.publish(store.data_path(request.app.state.conf.image, image_id))
    except NotFound as error:
        message = (
            f"Image {image_id} could not be found after upload. The image may have been deleted during "
            "the upload, cleaning up the chunks uploaded."
        )
        raise HTTPException(HTTPStatus.GONE, message) from error
    log.info("image_active", extra={"image_id": str(image_id), "size": stored.size})


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces of a good size. Raises ClientDisconnect when it ends before its time."""
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        if len(waiting) >= PIECE:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
