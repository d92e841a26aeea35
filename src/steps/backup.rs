//! Backups, mirrors, and the proof that all of it can be restored.

use super::{Class, StepSpec, check};

const SECTION: &str = "Back up";

/// Backup of TEST (and DEV).
pub static S210_BACKUP_TEST: StepSpec = StepSpec {
    id: "s210_backup_test",
    section: SECTION,
    title: "Back up TEST",
    class: Class::Compensable,
    added: false,
    procedure: "Backup anything important on TEST.",
    looks_at: &["TEST (and DEV where it will be overwritten): the new set, its shared copies, the database"],
    does: &[
        "TEST (and DEV): `tools/backup_server`",
        "operator's side: the set is fetched and restored into the scratch host",
    ],
    way_back: "remove the new dated set; the shared set is the newer one of the same host",
    needs: &["s010_preflight", "s110_review_test_regressions"],
    checks: &[
        check("s210.set_new_and_complete", "a complete dated set, younger than the step"),
        check("s210.contents_whole", "dump, archives and lists are whole and of this host"),
        check("s210.shared_equal_dated", "the shared copies are new and equal the dated ones"),
        check("s210.no_stray_dump", "no dump lies at the top of db_backups, and none was there before"),
        check("s210.copied", "copies lie on the operator's side, hashed, mode 0600"),
        check(
            "s210.restored_equal",
            "restored into the scratch host it equals the source, table by table, file by file",
        ),
        check("s210.nothing_else_changed", "nothing else changed on the host"),
        check("s210.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// OPS mappings and config as tar.
pub static S220_BACKUP_OPS_RULES: StepSpec = StepSpec {
    id: "s220_backup_ops_rules",
    section: SECTION,
    title: "Back up the OPS rules",
    class: Class::Compensable,
    added: false,
    procedure: "Backup mappings on OPS; tar a mappings/config cache.",
    looks_at: &["OPS: mappings, config, the catalogue's known mappings"],
    does: &["operator's side: a tar of the closure of all known contexts and of config"],
    way_back: "remove the archive",
    needs: &["s140_stop_ops_server", "s150_verify_nightly_backup"],
    checks: &[
        check(
            "s220.archive_lists",
            "the archive lists the closure of every known context and the config, nothing else",
        ),
        check("s220.archive_equals_live", "each member equals the live file by hash, and the catalogue's checksum"),
        check(
            "s220.context_resolvable",
            "the context that the archived config names resolves entirely inside the archive",
        ),
        check("s220.rest_reported", "files of the cache that belong to no known context are named"),
        check("s220.nothing_changed_meanwhile", "nothing changed on OPS while it was read"),
        check("s220.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Rules to an svn branch.
pub static S230_COMMIT_RULES_TO_BRANCH: StepSpec = StepSpec {
    id: "s230_commit_rules_to_branch",
    section: SECTION,
    title: "Commit the rules to a branch",
    class: Class::Compensable,
    added: false,
    procedure: "Commit config and mappings to an svn branch.",
    looks_at: &["the repository: the branch's tree at the new revision"],
    does: &["the repository: one commit of config and mappings to the plan's branch"],
    way_back: "`svn rm` of the branch in a further commit",
    needs: &["s220_backup_ops_rules"],
    checks: &[
        check("s230.revision_exists", "the commit exists, by this account, of today, with the plan's message"),
        check(
            "s230.tree_equals_closure",
            "the branch's tree at that revision equals the archived closure byte for byte",
        ),
        check("s230.nothing_else_committed", "the commit touches nothing but the branch, and it is the only new one"),
        check("s230.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// OPS to TEST.
pub static S240_MIRROR_OPS_TO_TEST: StepSpec = StepSpec {
    id: "s240_mirror_ops_to_test",
    section: SECTION,
    title: "Mirror OPS to TEST",
    class: Class::Compensable,
    added: false,
    procedure: "Mirror OPS down to TEST.",
    looks_at: &["OPS and TEST: database, catalogues, deliveries, mappings, references, ports, cron, mail"],
    does: &[
        "TEST: cron saved and off",
        "OPS: brought up hidden as the source (`set_backup_url True`)",
        "TEST: `mirror_server` from the hidden OPS",
        "OPS: stopped, port flag put back, `install` without a start",
        "TEST: cron back",
    ],
    way_back: "restore TEST from the set of s210",
    needs: &["s150_verify_nightly_backup", "s210_backup_test", "s220_backup_ops_rules"],
    checks: &[
        check("s240.inputs_whole", "before: the four input files are OPS's own, whole and of last night"),
        check(
            "s240.inputs_equal_source",
            "before: the inputs equal the source as it is now, so that nothing newer is lost",
        ),
        check("s240.port_flag_known", "before: the release has the port flag, and it says operational"),
        check("s240.script_ran_through", "the mirror's log shows every stage and no error word"),
        check("s240.database_equal", "tables, row counts, highest ids and contexts equal the source's"),
        check(
            "s240.rules_equal",
            "mappings equal the source's by sha1 and nobody may write them, the references by name and size",
        ),
        check("s240.catalogs_equal", "the catalogues equal the source's"),
        check("s240.deliveries_equal", "the deliveries equal the list, real links, modes right"),
        check("s240.orphans_not_worse", "the orphan check ended and is not worse than the source's"),
        check("s240.counters_ahead", "no counter is behind the highest number in use"),
        check(
            "s240.test_is_itself",
            "TEST is still TEST: database name, use case, URLs, page header, secrets, mail recipients",
        ),
        check("s240.test_operational", "TEST serves on 8001 and only there, its proxy shows it, users can log in"),
        check("s240.test_cron_back", "the cron table of TEST is back byte for byte"),
        check("s240.no_mail", "no mail was sent"),
        check("s240.ops_down_again", "OPS listens nowhere, runs nothing and its cron is still empty"),
        check("s240.ops_flag_back", "port flag, installed copy and Listen line of OPS say 8001, svn status is clean"),
        check("s240.ops_unchanged", "OPS's tree is as at s140 but for declared generated files"),
        check("s240.public_cache_untouched", "the published cache did not change"),
        check("s240.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// TEST to DEV.
pub static S250_MIRROR_TEST_TO_DEV: StepSpec = StepSpec {
    id: "s250_mirror_test_to_dev",
    section: SECTION,
    title: "Mirror TEST to DEV",
    class: Class::Compensable,
    added: false,
    procedure: "... or mirror TEST to DEV, or both, staggered by a day.",
    looks_at: &["TEST and DEV: database, catalogues, deliveries, mappings, references, ports, cron, mail"],
    does: &["TEST: a fresh backup where it changed since 03:05", "DEV: `mirror_server` from TEST"],
    way_back: "restore DEV from the set of s210",
    needs: &["s210_backup_test", "s240_mirror_ops_to_test"],
    checks: &[
        check(
            "s250.stagger_observed",
            "the plan's stagger since the mirror before has passed; else deferred with its due date",
        ),
        check("s250.inputs_whole", "before: the four input files are TEST's own, whole and newer than its last change"),
        check(
            "s250.inputs_equal_source",
            "before: the inputs equal the source as it is now, so that nothing newer is lost",
        ),
        check("s250.script_ran_through", "the mirror's log shows every stage and no error word"),
        check("s250.database_equal", "tables, row counts, highest ids and contexts equal the source's"),
        check(
            "s250.rules_equal",
            "mappings equal the source's by sha1 and nobody may write them, the references by name and size",
        ),
        check("s250.catalogs_equal", "the catalogues equal the source's"),
        check("s250.deliveries_equal", "the deliveries equal the list, real links, modes right"),
        check("s250.orphans_not_worse", "the orphan check ended and is not worse than the source's"),
        check("s250.counters_ahead", "no counter is behind the highest number in use"),
        check("s250.dev_is_itself", "DEV is still DEV: database name, use case, URLs, page header"),
        check("s250.dev_operational", "DEV serves on 8001 and only there, its proxy shows it"),
        check("s250.dev_cron_back", "the cron table of DEV is back byte for byte"),
        check("s250.public_cache_untouched", "the published cache, which DEV's links point into, did not change"),
        check("s250.no_mail", "no mail was sent"),
        check("s250.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Whole tree of OPS.
pub static S260_BACKUP_OPS_TREE: StepSpec = StepSpec {
    id: "s260_backup_ops_tree",
    section: SECTION,
    title: "Back up the OPS tree",
    class: Class::Compensable,
    added: false,
    procedure: "Back up the whole OPS tree and Isilon server_files, logs compressed.",
    looks_at: &["OPS: every file below the installation and server_files"],
    does: &["operator's side: a compressed stream with a manifest"],
    way_back: "remove the archive",
    needs: &["s140_stop_ops_server", "s240_mirror_ops_to_test"],
    checks: &[
        check("s260.every_file_accounted", "every file, link and directory of the tree is in the archive, none twice"),
        check("s260.links_and_modes_kept", "hard links, symbolic links, modes and times are as on the host"),
        check("s260.hashes_match", "the hash of every file in the archive equals the live one"),
        check("s260.logs_compressed", "the logs are in it, compressed"),
        check("s260.secrets_kept_out", "the database secrets are left out or encrypted, and the report says which"),
        check("s260.nothing_changed_while_copying", "nothing changed on OPS while it was copied"),
        check("s260.archive_safe", "the archive lies in the archive directory, mode 0600, with room to spare"),
        check("s260.known_good", "the hosts stand as the reviewed known-good state of this step says"),
    ],
};

/// Restores proven.
pub static S270_PROVE_RESTORE: StepSpec = StepSpec {
    id: "s270_prove_restore",
    section: SECTION,
    title: "Prove the restores",
    class: Class::ReadOnly,
    added: true,
    procedure: "Nothing; a backup counts once it was restored elsewhere and compared.",
    looks_at: &["the scratch host: what the restores made; OPS: the sources"],
    does: &[],
    way_back: "nothing to take back; the scratch host is emptied",
    needs: &["s150_verify_nightly_backup", "s220_backup_ops_rules", "s260_backup_ops_tree"],
    checks: &[
        check("s270.database_equal", "the restored database equals the source, table by table"),
        check("s270.rules_equal", "the restored rules equal the source and resolve the operational context"),
        check("s270.tree_equal", "the restored tree equals the manifest, hash by hash, links and modes"),
        check("s270.deliveries_equal", "restored catalogues, by their bytes, and deliveries equal the source"),
        check("s270.time_fits", "the measured time of a restore fits what is left of the window"),
    ],
};

/// Go or no go.
pub static S280_POINT_OF_NO_RETURN: StepSpec = StepSpec {
    id: "s280_point_of_no_return",
    section: SECTION,
    title: "Point of no return",
    class: Class::ReadOnly,
    added: true,
    procedure: "Nothing; from here on the way back is a restore.",
    looks_at: &["the journal: times, proofs, approvals"],
    does: &[],
    way_back: "up to here: start the server and cron again",
    needs: &["s230_commit_rules_to_branch", "s250_mirror_test_to_dev", "s270_prove_restore"],
    checks: &[
        check("s280.go", "a person has recorded go, with a name"),
        check("s280.way_back_fits", "elapsed time and measured way back together are shorter than the window"),
        check(
            "s280.backups_still_there",
            "every archive is still there with its recorded hash, the shared set as verified, old branches and stack to go back to",
        ),
        check(
            "s280.still_quiet",
            "OPS is still off, its cron still empty, the host was not rebooted, database and stack are as proven",
        ),
    ],
};
