"""Tests of the pages.  Each class is one project's; they run on a database of their own, not through Apache."""
from crds import log, rmap, utils
from crds.server import config
from crds.server.interactive import common, models, views
from crds.server.locking import models as locks

print "testing", config.OBSERVATORY


class InteractiveBase(object):
    """What the pages of every project have in common."""

    def test_index(self):
        self.page("/")

    def test_login_page(self):
        self.page("/login/")

    def test_logout(self):
        self.page("/logout/")

    def test_set_password_page(self):
        self.page("/set_password/")

    def test_lock_status(self):
        self.page("/lock_status/")

    def test_bestrefs_page(self):
        self.page("/bestrefs/")

    def test_bestrefs_explore_page(self):
        self.page("/bestrefs_explore/")

    def test_bestrefs_explore_compute_page(self):
        self.page("/bestrefs_explore_compute/")

    def test_browse_db_page(self):
        self.page("/browse_db/")

    def test_browse_pmap(self):
        self.page("/browse/" + self.context)

    def test_browse_imap(self):
        self.page("/browse/" + self.imap)

    def test_browse_rmap(self):
        self.page("/browse/" + self.rmap)

    def test_recent_activity_page(self):
        self.page("/recent_activity/")

    def test_context_table(self):
        self.page("/context_table/" + self.context)

    def test_display_context_history(self):
        self.page("/display_context_history/")

    def test_difference_page(self):
        self.page("/difference/")

    def test_certify_page(self):
        self.page("/certify/")

    def test_upload_page(self):
        self.page("/upload/new/")

    def test_upload_list(self):
        self.page("/upload/list/")

    def test_batch_submit_page(self):
        self.page("/batch_submit_references/")

    def test_submit_reference_page(self):
        self.page("/submit/reference/")

    def test_submit_mapping_page(self):
        self.page("/submit/mapping/")

    def test_submit_confirm_page(self):
        self.page("/submit_confirm/")

    def test_delete_reference_page(self):
        self.page("/delete/reference/")

    def test_add_existing_page(self):
        self.page("/add_existing/reference/")

    def test_create_contexts_page(self):
        self.page("/create_contexts/")

    def test_mark_bad_page(self):
        self.page("/mark_bad/")

    def test_set_context_get(self):
        self.page("/set_default_context/")

    def test_set_context_post(self):
        self.write("contexts")

    def test_set_file_bad(self):
        self.write("catalog")

    def test_audit_row(self):
        self.write("actions")

    def test_context_history_row(self):
        self.write("context_history")

    def test_counters(self):
        self.write("counters")

    def test_results_page(self):
        self.write("results")

    def test_delivery_status_page(self):
        self.page("/delivery_status/")

    def test_version_info_page(self):
        self.page("/version_info/")

    def test_get_mapping(self):
        self.page("/get/" + self.context)

    def test_jpoll_open_channel(self):
        self.page("/jpoll/open_channel/")

    def test_jpoll_pull_messages(self):
        self.page("/jpoll/pull_messages/")

    def test_lock_obtain(self):
        self.write("locking_lock")


class Hst(InteractiveBase):
    """HST's pages."""

    def test_hst_submit_fits(self):
        self.write("catalog")

    def test_hst_submit_geis_pair(self):
        self.write("catalog")

    def test_hst_batch_submit_acs(self):
        self.write("actions")

    def test_hst_delete_reference(self):
        self.write("catalog")

    def test_hst_archive_bestrefs(self):
        pass

    def test_hst_display_all_contexts(self):  # since opus_2014.3
        self.page("/display_all_contexts/")  # since opus_2014.3
# since opus_2014.3

class Jwst(InteractiveBase):
    """JWST's pages."""

    def test_jwst_submit_fits(self):
        self.write("catalog")
