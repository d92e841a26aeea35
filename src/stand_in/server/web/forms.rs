//! The forms of the site, one table per page: who may see it, which fields it shows, in which order they are judged,
//! what is missing by default (WP 3.2, 3.10). Views and the order of checks read these tables; nothing else says it.

use super::fields::{Check, List, Rule, check, check_or};

/// Who may use a page (WP 3.2), judged in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// A login, else a redirect to the login page.
    pub login: bool,
    /// Membership of this group, else the same redirect; super users pass.
    pub group: Option<&'static str>,
    /// A super user, else an error page.
    pub super_user: bool,
    /// An instrument lock, else an error page; super users go without.
    pub lock: bool,
}

/// The group that may submit.
pub const SUBMITTERS: &str = "file_submission";
/// The group that may edit history texts.
pub const HISTORIANS: &str = "edit_context_history";

/// Nothing is needed.
pub const OPEN: Needs = Needs { login: false, group: None, super_user: false, lock: false };
/// A login.
pub const LOGIN: Needs = Needs { login: true, ..OPEN };
/// Login and group.
pub const GROUP: Needs = Needs { group: Some(SUBMITTERS), ..LOGIN };
/// Login, group and lock.
pub const SUBMIT: Needs = Needs { lock: true, ..GROUP };
/// The lock alone: its test speaks even to visitors (WP 3.1, delete and add of 2019).
pub const LOCK_ONLY: Needs = Needs { lock: true, ..OPEN };
/// Super users.
pub const SUPER: Needs = Needs { super_user: true, ..LOGIN };
/// Super users with a lock (2014's delete and add).
pub const SUPER_LOCK: Needs = Needs { lock: true, ..SUPER };

/// What a select offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Options {
    /// Fixed words; the first is selected.
    Words(&'static [&'static str]),
    /// A list of the server.
    List(List),
    /// Displayed states with `*` first.
    Statuses,
    /// Kinds of contexts: 2014 knows two, 2019 three.
    ContextKinds,
}

/// What a check box shows at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Box {
    /// Not ticked.
    Off,
    /// Ticked, value `on`.
    On,
    /// Ticked, value `checked`.
    Checked,
    /// Ticked everywhere but on HST.
    OnButHst,
}

/// One field of a form, in page order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The context selector; true if the operational context is its first choice.
    Context { operational: bool },
    /// The hidden observatory.
    Observatory,
    /// A line of text with its first value.
    Text(&'static str, &'static str),
    /// A secret.
    Password(&'static str),
    /// An area of text.
    Area(&'static str),
    /// A choice from a list.
    Select(&'static str, Options),
    /// A tick.
    Tick(&'static str, Box),
    /// One of some buttons; none is pressed unless `pressed` says so.
    Radio { name: &'static str, value: &'static str, pressed: bool },
    /// A file.
    File(&'static str),
    /// A file field without a name: its script fills another field.
    NamelessFile,
    /// The users, for visitors hidden.
    Deliverer,
    /// Only for visitors who logged in.
    IfLogin(&'static Field),
    /// Only for super users.
    IfSuper(&'static Field),
    /// Only for ordinary users.
    IfOrdinary(&'static Field),
    /// Only where searches have dates.
    IfDated(&'static Field),
}

/// One page with a form.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// `<h2>` of 2019.
    pub heading: &'static str,
    /// `<h2>` of 2014 where it differs.
    pub heading_2014: &'static str,
    /// The form's action; empty for none.
    pub action: &'static str,
    /// `enctype="multipart/form-data"`.
    pub multipart: bool,
    /// The upload form stands first.
    pub uploads: bool,
    /// The page follows a status channel.
    pub follows_channel: bool,
    /// Fields as shown.
    pub fields: &'static [Field],
    /// Fields as judged; the context selector, where there is one, is judged where `context_first` says.
    pub checks: &'static [Check],
    /// Label of the button.
    pub submit: &'static str,
}

const CS: Field = Field::Context { operational: false };
const CS_OPERATIONAL: Field = Field::Context { operational: true };

/// Grades of a change.
pub const CHANGE_LEVELS: &[&str] = &["SEVERE", "MODERATE", "TRIVIAL"];
/// Which dataset the best references page looks at.
pub const DATASET_MODES: &[&str] = &["dataset_archive", "dataset_uploaded", "dataset_local"];

const BASE: Page = Page {
    heading: "",
    heading_2014: "",
    action: "",
    multipart: true,
    uploads: false,
    follows_channel: false,
    fields: &[],
    checks: &[],
    submit: "Submit",
};

/// Login; the instrument is judged after the password (WP 3.3).
pub const LOGIN_PAGE: Page = Page {
    heading: "Login",
    heading_2014: "Login",
    action: "/login/",
    multipart: false,
    fields: &[
        Field::Text("username", ""),
        Field::Select("instrument", Options::List(List::LoginInstruments)),
        Field::Password("password"),
    ],
    checks: &[check("instrument", Rule::List(List::LoginInstruments))],
    submit: "Login",
    ..BASE
};

/// A new password.
pub const SET_PASSWORD: Page = Page {
    heading: "Set Password for",
    heading_2014: "Set Password for",
    action: "/set_password/",
    fields: &[
        Field::IfOrdinary(&Field::Password("old_password")),
        Field::IfSuper(&Field::Text("username", "")),
        Field::Password("new_password1"),
        Field::Password("new_password2"),
    ],
    submit: "Set New Password",
    ..BASE
};

/// The default contexts.
pub const SET_CONTEXT: Page = Page {
    heading: "Set Context",
    heading_2014: "Set Context",
    action: "/set_default_context/",
    fields: &[Field::Select("context_type", Options::ContextKinds), CS, Field::Area("description")],
    checks: &[
        check("context_type", Rule::Choice(&["operational", "edit", "versions"])),
        check("description", Rule::Description),
    ],
    submit: "Set Default Context",
    ..BASE
};

/// Good and bad files.
pub const MARK_BAD: Page = Page {
    heading: "Mark Files Bad",
    heading_2014: "Mark Files Bad",
    action: "/mark_bad/",
    fields: &[
        Field::Observatory,
        Field::Area("file_known"),
        Field::Radio { name: "badflag", value: "bad", pressed: false },
        Field::Radio { name: "badflag", value: "ok", pressed: false },
        Field::Area("why"),
    ],
    checks: &[
        check("file_known", Rule::KnownFiles),
        check("badflag", Rule::Words(&["bad", "ok"])),
        check("why", Rule::Description),
    ],
    ..BASE
};

const SUBMISSION_CHECKS: &[Check] = &[
    check("description", Rule::Description),
    check("creator", Rule::Person),
    check("change_level", Rule::Choice(CHANGE_LEVELS)),
];

/// Mappings.
pub const SUBMIT_MAPPING: Page = Page {
    heading: "Submit Mapping Files",
    heading_2014: "Submit Mapping Files",
    action: "/submit/mapping/",
    uploads: true,
    follows_channel: true,
    fields: &[
        Field::Observatory,
        Field::Select("change_level", Options::Words(CHANGE_LEVELS)),
        Field::Text("creator", ""),
        Field::Area("description"),
        Field::Tick("generate_contexts", Box::Checked),
        CS,
        Field::Tick("auto_rename", Box::OnButHst),
    ],
    checks: SUBMISSION_CHECKS,
    submit: "Submit Files",
    ..BASE
};

/// References one by one.
pub const SUBMIT_REFERENCE: Page = Page {
    heading: "Submit Reference Files",
    heading_2014: "Submit Reference Files",
    action: "/submit/reference/",
    fields: &[
        Field::Observatory,
        Field::Select("change_level", Options::Words(CHANGE_LEVELS)),
        Field::Text("creator", ""),
        Field::Area("description"),
        Field::Tick("compare_old_reference", Box::On),
        CS,
        Field::Tick("auto_rename", Box::OnButHst),
    ],
    ..SUBMIT_MAPPING
};

/// References with rules.
pub const BATCH: Page = Page {
    heading: "Batch Submit Reference",
    heading_2014: "Batch Submit Reference",
    action: "",
    fields: &[
        CS,
        Field::Select("change_level", Options::Words(CHANGE_LEVELS)),
        Field::Text("creator", ""),
        Field::Area("description"),
        Field::Tick("auto_rename", Box::OnButHst),
        Field::Tick("compare_old_reference", Box::On),
    ],
    submit: "Submit References",
    ..SUBMIT_MAPPING
};

/// References leave the rules.
pub const DELETE: Page = Page {
    heading: "Delete References",
    heading_2014: "Delete References",
    action: "/delete/reference/",
    follows_channel: true,
    fields: &[Field::Area("deleted_files"), CS, Field::Area("description")],
    checks: &[check("description", Rule::Description), check("deleted_files", Rule::KnownFiles)],
    submit: "Delete References",
    ..BASE
};

/// References that are known enter the rules.
pub const ADD: Page = Page {
    heading: "Add Existing References",
    heading_2014: "Add Existing References",
    action: "/add_existing/reference/",
    fields: &[Field::Area("added_files"), CS, Field::Area("description")],
    checks: &[check("description", Rule::Description), check("added_files", Rule::KnownFiles)],
    submit: "Add References",
    ..DELETE
};

/// Contexts from rmaps that are known.
pub const CREATE_CONTEXTS: Page = Page {
    heading: "Create Parent Contexts",
    heading_2014: "Create Parent Contexts",
    action: "/create_contexts/",
    fields: &[CS, Field::Area("rmaps"), Field::Area("description")],
    checks: &[check("rmaps", Rule::Rmaps), check("description", Rule::Description)],
    submit: "Create Parent Contexts",
    ..BASE
};

/// Certification without submission.
pub const CERTIFY: Page = Page {
    heading: "Certify Files",
    heading_2014: "Certify Files",
    action: "/certify/",
    uploads: true,
    follows_channel: true,
    fields: &[Field::Tick("compare_old_reference", Box::On), CS],
    submit: "Certify Files",
    ..BASE
};

const QUERY_FIELDS: &[Field] = &[
    Field::Select("instrument", Options::List(List::AnyInstrument)),
    Field::Select("filekind", Options::List(List::AnyFilekind)),
    Field::Text("filename", "*"),
    Field::Deliverer,
    Field::Observatory,
    Field::Select("status", Options::Statuses),
    Field::Select("extension", Options::List(List::AnyExtension)),
    Field::IfDated(&Field::Text("start_date", "*")),
    Field::IfDated(&Field::Text("stop_date", "*")),
    Field::IfSuper(&Field::Tick("select_bad_files", Box::Off)),
    Field::IfSuper(&Field::Tick("show_defects", Box::Off)),
];

/// The catalogue; all fields must come.
pub const BROWSE_DB: Page = Page {
    heading: "Browse Database",
    heading_2014: "Browse Database",
    action: "/browse_db/",
    multipart: false,
    fields: QUERY_FIELDS,
    checks: &[
        check("observatory", Rule::List(List::Observatory)),
        check("instrument", Rule::List(List::AnyInstrument)),
        check("filekind", Rule::List(List::AnyFilekind)),
        check("extension", Rule::List(List::AnyExtension)),
        check("filename", Rule::FileOrAny),
        check("deliverer_user", Rule::List(List::AnyUser)),
        check("status", Rule::Word),
        check("start_date", Rule::Date),
        check("stop_date", Rule::Date),
    ],
    ..BASE
};

/// The audit log; every field has a default.
pub const RECENT_ACTIVITY: Page = Page {
    heading: "Recent Activity",
    heading_2014: "List Actions",
    action: "/recent_activity_query/",
    multipart: false,
    fields: &[
        Field::Select("action", Options::List(List::AnyAction)),
        Field::Select("extension", Options::List(List::AnyExtension)),
        Field::Select("instrument", Options::List(List::AnyInstrument)),
        Field::Select("filekind", Options::List(List::AnyFilekind)),
        Field::Text("filename", "*"),
        Field::Deliverer,
        Field::Observatory,
        Field::IfDated(&Field::Text("start_date", "*")),
        Field::IfDated(&Field::Text("stop_date", "*")),
    ],
    checks: &[
        check_or("action", Rule::List(List::AnyAction), "*"),
        check_or("observatory", Rule::List(List::Observatory), "*"),
        check_or("instrument", Rule::List(List::AnyInstrument), "*"),
        check_or("filekind", Rule::List(List::AnyFilekind), "*"),
        check_or("extension", Rule::List(List::AnyExtension), ".pmap"),
        check_or("filename", Rule::Start, "*"),
        check_or("deliverer_user", Rule::Start, "*"),
        check_or("start_date", Rule::Date, "*"),
        check_or("stop_date", Rule::Date, "*"),
    ],
    ..BASE
};

/// Two files against each other.
pub const DIFFERENCE: Page = Page {
    heading: "Difference Files",
    heading_2014: "Difference File",
    action: "/difference/",
    fields: &[
        Field::Radio { name: "filemode1", value: "file_known1", pressed: true },
        Field::Text("file_known1", ""),
        Field::Radio { name: "filemode1", value: "file_uploaded1", pressed: false },
        Field::File("file_uploaded1"),
        Field::Radio { name: "filemode2", value: "file_known2", pressed: true },
        Field::Text("file_known2", ""),
        Field::Radio { name: "filemode2", value: "file_uploaded2", pressed: false },
        Field::File("file_uploaded2"),
    ],
    submit: "Difference Files",
    ..BASE
};

/// What a dataset should use.
pub const BESTREFS: Page = Page {
    heading: "Dataset Best References",
    heading_2014: "Dataset Best References",
    action: "/bestrefs/",
    fields: &[
        CS_OPERATIONAL,
        Field::Radio { name: "dataset_mode", value: "dataset_local", pressed: true },
        Field::NamelessFile,
        Field::Area("dataset_local"),
        Field::Text("dataset_name", ""),
        Field::IfLogin(&Field::Radio { name: "dataset_mode", value: "dataset_uploaded", pressed: false }),
        Field::IfLogin(&Field::File("dataset_uploaded")),
        Field::Radio { name: "dataset_mode", value: "dataset_archive", pressed: false },
        Field::Text("dataset_archive", ""),
    ],
    ..BASE
};

/// What an imagined dataset should use: its instrument first.
pub const BESTREFS_EXPLORE: Page = Page {
    heading: "Explore Best References",
    heading_2014: "Explore Best References",
    action: "/bestrefs_explore/",
    multipart: false,
    fields: &[CS_OPERATIONAL, Field::Select("instrument", Options::List(List::Instruments))],
    checks: &[check("instrument", Rule::List(List::Instruments))],
    submit: "Choose Instrument",
    ..BASE
};

/// A history text.
pub const EDIT_HISTORY: Page = Page {
    heading: "Edit Context History",
    heading_2014: "Edit Context History",
    multipart: false,
    fields: &[Field::Area("description")],
    checks: &[check("description", Rule::Description)],
    ..BASE
};

/// Fields of the questionnaire that later servers put before a batch submission, with their labels.
pub const REDCAT: &[(&str, &str)] = &[
    ("deliverer", "Name of deliverer"),
    ("other_email", "Other e-mail addresses"),
    ("delivery_date", "Date of delivery"),
    ("instrument", "Instrument"),
    ("file_type", "Type of file"),
    ("history_updated", "Has HISTORY been updated"),
    ("pedigree_updated", "Has PEDIGREE been updated"),
    ("keywords_checked", "Have the keywords been checked"),
    ("descrip_updated", "Was DESCRIP updated"),
    ("useafter_updated", "Has USEAFTER been updated"),
    ("useafter_matches", "Does USEAFTER match the data"),
    ("compliance_verified", "Were the files verified"),
    ("ingest_files", "Should the files be ingested"),
    ("etc_delivery", "Are they for the exposure time calculator"),
    ("jwst_etc", "Are they for the other exposure time calculator"),
    ("calpipe_version", "Version of the pipeline"),
    ("replacement_files", "Do they replace others"),
    ("old_reference_files", "Which ones"),
    ("replacing_badfiles", "Are these bad"),
    ("jira_issue", "Issue"),
    ("table_rows_changed", "Rows that changed"),
    ("reprocess_affected", "Should affected data be reprocessed"),
    ("modes_affected", "Modes affected"),
    ("change_level", "Grade of the change"),
    ("correctness_testing", "How correctness was tested"),
    ("additional_considerations", "Anything else"),
    ("description", "Why the files are delivered"),
];
