"""Pages of the CRDS server."""
import os.path

from crds import log, rmap, certify, data_file, timestamp, uses, matches, utils
from crds.client import api
from crds.server import config
from crds.server.interactive import common, database, models, mail, versions
from crds.server.jpoll import views as jpoll_views
from crds.server.locking import models as locks


def add_existing_references(request, *args, **keys):
    return common.page(request, "add_existing_references.html", args, keys)


def admin(request, *args, **keys):
    return common.page(request, "admin.html", args, keys)


def batch_submit_references(request, *args, **keys):
    return common.page(request, "batch_submit_references.html", args, keys)


def bestrefs(request, *args, **keys):
    return common.page(request, "bestrefs.html", args, keys)


def bestrefs_explore(request, *args, **keys):
    return common.page(request, "bestrefs_explore.html", args, keys)


def bestrefs_explore_compute(request, *args, **keys):
    return common.page(request, "bestrefs_explore_compute.html", args, keys)


def browse_db(request, *args, **keys):
    return common.page(request, "browse_db.html", args, keys)


def browse_known_file(request, *args, **keys):
    return common.page(request, "browse_known_file.html", args, keys)


def certify_file(request, *args, **keys):
    return common.page(request, "certify_file.html", args, keys)


def context_table(request, *args, **keys):
    return common.page(request, "context_table.html", args, keys)


def create_contexts(request, *args, **keys):
    return common.page(request, "create_contexts.html", args, keys)


def debug_command(request, *args, **keys):
    return common.page(request, "debug_command.html", args, keys)


def delete_references(request, *args, **keys):
    return common.page(request, "delete_references.html", args, keys)


def delivery_status(request, *args, **keys):
    return common.page(request, "delivery_status.html", args, keys)


def difference_files(request, *args, **keys):
    return common.page(request, "difference_files.html", args, keys)


def display_all_contexts(request, *args, **keys):  # since opus_2014.3
    return common.page(request, "display_all_contexts.html", args, keys)  # since opus_2014.3
# since opus_2014.3
# since opus_2014.3
def display_context_history(request, *args, **keys):
    return common.page(request, "display_context_history.html", args, keys)


def display_result(request, *args, **keys):
    return common.page(request, "display_result.html", args, keys)


def docs(request, *args, **keys):
    return common.page(request, "docs.html", args, keys)


def edit_context_history(request, *args, **keys):
    return common.page(request, "edit_context_history.html", args, keys)


def get(request, *args, **keys):
    return common.page(request, "get.html", args, keys)


def get_archive(request, *args, **keys):
    return common.page(request, "get_archive.html", args, keys)


def index(request, *args, **keys):
    return common.page(request, "index.html", args, keys)


def lock_status(request, *args, **keys):
    return common.page(request, "lock_status.html", args, keys)


def login(request, *args, **keys):
    return common.page(request, "login.html", args, keys)


def logout(request, *args, **keys):
    return common.page(request, "logout.html", args, keys)


def mark_bad(request, *args, **keys):
    return common.page(request, "mark_bad.html", args, keys)


def monitor(request, *args, **keys):
    return common.page(request, "monitor.html", args, keys)


def old_results(request, *args, **keys):
    return common.page(request, "old_results.html", args, keys)


def recent_activity(request, *args, **keys):
    return common.page(request, "recent_activity.html", args, keys)


def recent_activity_input(request, *args, **keys):
    return common.page(request, "recent_activity_input.html", args, keys)


def recent_activity_query(request, *args, **keys):
    return common.page(request, "recent_activity_query.html", args, keys)


def set_default_context(request, *args, **keys):
    return common.page(request, "set_default_context.html", args, keys)


def set_password(request, *args, **keys):
    return common.page(request, "set_password.html", args, keys)


def submission_form(request, *args, **keys):
    return common.page(request, "submission_form.html", args, keys)


def submit_confirm(request, *args, **keys):
    return common.page(request, "submit_confirm.html", args, keys)


def submit_files(request, *args, **keys):
    return common.page(request, "submit_files.html", args, keys)


def unchecked_get(request, *args, **keys):
    return common.page(request, "unchecked_get.html", args, keys)


def uses(request, *args, **keys):
    return common.page(request, "uses.html", args, keys)


def version_info(request, *args, **keys):
    return common.page(request, "version_info.html", args, keys)


