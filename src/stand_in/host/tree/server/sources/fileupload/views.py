"""Uploads into a submitter's ingest directory."""
import os.path

from crds import log
from crds.server import config
from crds.server.interactive import common


def list_uploads(request):
    return common.page(request, "upload_list.html", (), {})


def new_upload(request):
    return common.page(request, "upload.html", (), {})


def delete_upload(request, filename):
    return common.page(request, "upload_delete.html", (filename,), {})


def chunked_upload(request):
    return common.page(request, "upload_chunked.html", (), {})
