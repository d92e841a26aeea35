"""Tests of the services, through Apache, at the URL that the installed configuration advertises."""
from crds import log, rmap, utils
from crds.client import api
from crds.server import config
from crds.server.jsonapi import views


class JsonBase(object):
    """What the services of every project have in common."""

    def test_get_server_info(self):
        self.rpc("get_server_info", [], {"observatory": self.observatory})

    def test_get_server_info_context(self):
        self.rpc("get_server_info", [], {"operational_context": self.context})

    def test_get_server_info_references(self):
        self.rpc("get_server_info", [], "reference_url")

    def test_get_server_info_mappings(self):
        self.rpc("get_server_info", [], "mapping_url")

    def test_get_server_info_version(self):
        self.rpc("get_server_info", [], {"crds_version.str": self.version})

    def test_get_server_info_url(self):
        self.rpc("get_server_info", [], self.url)

    def test_get_default_context(self):
        self.rpc("get_default_context", [self.observatory], self.context)

    def test_get_context_by_date(self):
        self.rpc("get_context_by_date", [self.observatory + "-operational", None], self.context)

    def test_get_context_by_literal(self):
        self.rpc("get_context_by_date", [self.context, None], self.context)

    def test_get_context_history(self):
        self.rpc("get_context_history", [self.observatory], self.context)

    def test_list_mappings_pmap(self):
        self.rpc("list_mappings", [self.observatory, "*.pmap"], self.context)

    def test_list_mappings_imap(self):
        self.rpc("list_mappings", [self.observatory, "*.imap"], self.imap)

    def test_list_mappings_rmap(self):
        self.rpc("list_mappings", [self.observatory, "*.rmap"], self.rmap)

    def test_list_mappings_none(self):
        self.rpc("list_mappings", [self.observatory, "nosuch*"], [])

    def test_list_references(self):
        self.rpc("list_references", [self.observatory, "*"], self.reference)

    def test_list_references_none(self):
        self.rpc("list_references", [self.observatory, "nosuch*"], [])

    def test_get_mapping_names(self):
        self.rpc("get_mapping_names", [self.context], self.rmap)

    def test_get_mapping_names_imap(self):
        self.rpc("get_mapping_names", [self.imap], self.imap)

    def test_get_mapping_names_rmap(self):
        self.rpc("get_mapping_names", [self.rmap], [self.rmap])

    def test_get_mapping_names_unknown(self):
        self.rpc_error("get_mapping_names", [self.observatory + "_9999.pmap"], "UnknownFile")

    def test_get_reference_names(self):
        self.rpc("get_reference_names", [self.context], self.reference)

    def test_get_reference_names_rmap(self):
        self.rpc("get_reference_names", [self.rmap], self.reference)

    def test_get_url(self):
        self.rpc("get_url", [self.context, self.rmap], self.rmap)

    def test_get_mapping_url(self):
        self.rpc("get_mapping_url", [self.context, self.rmap], self.rmap)

    def test_get_mapping_url_unknown(self):
        self.rpc_error("get_mapping_url", [self.context, "nosuch.rmap"], "UnknownFile")

    def test_get_reference_url(self):
        self.rpc("get_reference_url", [self.context, self.reference], self.reference)

    def test_get_reference_url_unknown(self):
        self.rpc_error("get_reference_url", [self.context, "nosuch.fits"], "UnknownFile")

    def test_get_file_info(self):
        self.rpc("get_file_info", [self.observatory, self.context], {"name": self.context})

    def test_get_file_info_reference(self):
        self.rpc("get_file_info", [self.observatory, self.reference], {"name": self.reference})

    def test_get_file_info_map(self):
        self.rpc("get_file_info_map", [self.observatory, [self.context], ["size"]], self.context)

    def test_get_file_info_map_unknown(self):
        self.rpc("get_file_info_map", [self.observatory, ["nosuch.fits"], ["size"]], "NOT FOUND")

    def test_file_exists(self):
        self.rpc("file_exists", [self.context], True)

    def test_file_exists_unknown(self):
        self.rpc_error("file_exists", ["nosuch.fits"], "UnknownFile")

    def test_get_required_parkeys(self):
        self.rpc("get_required_parkeys", [self.context], self.instrument)

    def test_get_sqlite_db(self):
        self.rpc("get_sqlite_db", [self.observatory], None)

    def test_download_mapping(self):
        self.download("mappings", self.rmap)

    def test_download_reference(self):
        self.download("references", self.reference)

    def test_bad_observatory(self):
        self.rpc_error("get_default_context", ["nosuch"], "")


class Hst(JsonBase):
    """HST's services."""

    def test_hst_archive_lookup(self):
        pass

    def test_hst_dataset_ids(self):
        pass

    def test_hst_dataset_headers(self):
        pass

    def test_hst_affected_datasets(self):  # since opus_2014.3
        self.rpc_error("get_affected_datasets", [self.observatory, self.context, self.context], "No precomputed")  # since opus_2014.3
# since opus_2014.3

class Jwst(JsonBase):
    """JWST's services."""

    def test_jwst_parameters(self):
        pass
