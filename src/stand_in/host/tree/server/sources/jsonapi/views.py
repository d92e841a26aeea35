"""JSON-RPC services of the CRDS server."""
from crds import log, rmap, utils, timestamp
from crds.client import api
from crds.server import config
from crds.server.interactive import common, database, models


@jsonrpc_method('list_mappings(observatory=String, glob_pattern=String)')
def list_mappings(request, observatory, glob_pattern):
    return common.service('list_mappings', request)


@jsonrpc_method('list_references(observatory=String, glob_pattern=String)')
def list_references(request, observatory, glob_pattern):
    return common.service('list_references', request)


@jsonrpc_method('get_best_references(context=String, header=Object, reftypes=Array)')
def get_best_references(request, context, header, reftypes):
    return common.service('get_best_references', request)


@jsonrpc_method('get_best_references_by_ids(context=String, dataset_ids=Array, reftypes=Array, include_headers=Boolean)')
def get_best_references_by_ids(request, context, dataset_ids, reftypes, include_headers):
    return common.service('get_best_references_by_ids', request)


@jsonrpc_method('get_aui_best_references(date=String, dataset_ids=Array)')
def get_aui_best_references(request, date, dataset_ids):
    return common.service('get_aui_best_references', request)


@jsonrpc_method('get_best_references_by_header_map(context=String, headers=Object, reftypes=Array)')
def get_best_references_by_header_map(request, context, headers, reftypes):
    return common.service('get_best_references_by_header_map', request)


@jsonrpc_method('get_mapping_names(context=String)')
def get_mapping_names(request, context):
    return common.service('get_mapping_names', request)


@jsonrpc_method('get_reference_names(context=String)')
def get_reference_names(request, context):
    return common.service('get_reference_names', request)


@jsonrpc_method('get_url(context=String, filename=String)')
def get_url(request, context, filename):
    return common.service('get_url', request)


@jsonrpc_method('get_file_info(observatory=String, filename=String)')
def get_file_info(request, observatory, filename):
    return common.service('get_file_info', request)


@jsonrpc_method('get_file_info_map(observatory=String, files=Array, fields=Array)')
def get_file_info_map(request, observatory, files, fields):
    return common.service('get_file_info_map', request)


@jsonrpc_method('get_dataset_headers_by_id(context=String, dataset_ids=Array, datasets_since=String)')
def get_dataset_headers_by_id(request, context, dataset_ids, datasets_since):
    return common.service('get_dataset_headers_by_id', request)


@jsonrpc_method('get_dataset_ids(context=String, instrument=String, datasets_since=String)')
def get_dataset_ids(request, context, instrument, datasets_since):
    return common.service('get_dataset_ids', request)


@jsonrpc_method('get_dataset_headers_by_instrument(context=String, instrument=String, datasets_since=String)')
def get_dataset_headers_by_instrument(request, context, instrument, datasets_since):
    return common.service('get_dataset_headers_by_instrument', request)


@jsonrpc_method('get_file_chunk(context=String, filename=String, chunk=Number)')
def get_file_chunk(request, context, filename, chunk):
    return common.service('get_file_chunk', request)


@jsonrpc_method('file_exists(filename=String)')
def file_exists(request, filename):
    return common.service('file_exists', request)


@jsonrpc_method('get_default_context(observatory=String)')
def get_default_context(request, observatory):
    return common.service('get_default_context', request)


@jsonrpc_method('get_build_context(observatory=String, cal_version=String)')
def get_build_context(request, observatory, cal_version):
    return common.service('get_build_context', request)


@jsonrpc_method('get_context_by_date(date=String, observatory=String)')
def get_context_by_date(request, date, observatory):
    return common.service('get_context_by_date', request)


@jsonrpc_method('get_server_info()')
def get_server_info(request):
    return common.service('get_server_info', request)


@jsonrpc_method('get_required_parkeys(context=String)')
def get_required_parkeys(request, context):
    return common.service('get_required_parkeys', request)


@jsonrpc_method('get_sqlite_db(observatory=String)')
def get_sqlite_db(request, observatory):
    return common.service('get_sqlite_db', request)


@jsonrpc_method('get_mapping_url(context=String, mapping=String)')
def get_mapping_url(request, context, mapping):
    return common.service('get_mapping_url', request)


@jsonrpc_method('get_reference_url(context=String, reference=String)')
def get_reference_url(request, context, reference):
    return common.service('get_reference_url', request)


@jsonrpc_method('get_affected_datasets(observatory=String, old_context=String, new_context=String)')  # since opus_2014.3
def get_affected_datasets(request, observatory, old_context, new_context):  # since opus_2014.3
    return common.service('get_affected_datasets', request)  # since opus_2014.3
# since opus_2014.3
# since opus_2014.3
@jsonrpc_method('get_context_history(observatory=String)')
def get_context_history(request, observatory):
    return common.service('get_context_history', request)


@jsonrpc_method('push_remote_context(observatory=String, kind=String, key=String, context=String)')
def push_remote_context(request, observatory, kind, key, context):
    return common.service('push_remote_context', request)


@jsonrpc_method('get_remote_context(observatory=String, pipeline_name=String)')
def get_remote_context(request, observatory, pipeline_name):
    return common.service('get_remote_context', request)


@jsonrpc_method('get_submission_info(observatory=String, username=String)')
def get_submission_info(request, observatory, username):
    return common.service('get_submission_info', request)


@jsonrpc_method('jpoll_pull_messages(key=String, since_id=String)')
def jpoll_pull_messages(request, key, since_id):
    return common.service('jpoll_pull_messages', request)


@jsonrpc_method('jpoll_abort(key=String)')
def jpoll_abort(request, key):
    return common.service('jpoll_abort', request)


@jsonrpc_method('get_system_versions(master_version=String, context=String)')
def get_system_versions(request, master_version, context):
    return common.service('get_system_versions', request)


@jsonrpc_method('get_delivery_status(since=String)')
def get_delivery_status(request, since):
    return common.service('get_delivery_status', request)


def dispatch(request, path):
    return common.service(path, request)
