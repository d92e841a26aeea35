"""What all pages share: errors as pages, request logging, caching."""
from crds import log, utils
from crds.server import config


class CrdsError(Exception):
    """An error that is the user's to know: shown on a page, with status 200."""


def page(request, template, args, keys):
    log.info("REQUEST:", request.path, request.method, "ajax=" + str(request.is_ajax()))
    return {"template": template, "args": args, "keys": keys}
