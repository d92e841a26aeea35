"""Status channels of running submissions."""
from crds import log
from crds.server.interactive import common


def open_channel(request):
    return common.page(request, "channel.html", (), {})


def pull_messages(request, rest):
    return common.page(request, "messages.html", (rest,), {})
