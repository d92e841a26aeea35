-- The catalogue of one server: the tables of SO 19 under their own names. `{obs}` is the observatory.
-- Dates are texts in the server's local time, `YYYY-MM-DD HH:MM:SS[.ffffff]`, as MySQL shows them.

CREATE TABLE IF NOT EXISTS crds_{obs}_catalog (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'uploaded',
    blacklisted INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    observatory TEXT NOT NULL DEFAULT '{obs}',
    instrument TEXT NOT NULL DEFAULT '',
    filekind TEXT NOT NULL DEFAULT '',
    type TEXT NOT NULL DEFAULT '',
    derived_from TEXT NOT NULL DEFAULT '',
    sha1sum TEXT NOT NULL DEFAULT '',
    size INTEGER,
    delivery_date TEXT NOT NULL DEFAULT '',
    activation_date TEXT NOT NULL DEFAULT '',
    useafter_date TEXT NOT NULL DEFAULT '',
    change_level TEXT NOT NULL DEFAULT '',
    pedigree TEXT NOT NULL DEFAULT '',
    reference_file_type TEXT NOT NULL DEFAULT '',
    uploaded_as TEXT NOT NULL DEFAULT '',
    creator_name TEXT NOT NULL DEFAULT '',
    deliverer_user TEXT NOT NULL DEFAULT '',
    deliverer_email TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT '',
    pathname TEXT NOT NULL DEFAULT '',
    catalog_link TEXT NOT NULL DEFAULT '',
    replaced_by_filename TEXT NOT NULL DEFAULT '',
    comment TEXT NOT NULL DEFAULT '',
    aperture TEXT NOT NULL DEFAULT '',
    history TEXT NOT NULL DEFAULT '',
    blob TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX IF NOT EXISTS crds_{obs}_catalog_name ON crds_{obs}_catalog (name);
CREATE INDEX IF NOT EXISTS crds_{obs}_catalog_state ON crds_{obs}_catalog (state);
CREATE INDEX IF NOT EXISTS crds_{obs}_catalog_sha1sum ON crds_{obs}_catalog (sha1sum);
CREATE INDEX IF NOT EXISTS crds_{obs}_catalog_parent ON crds_{obs}_catalog (derived_from);
CREATE INDEX IF NOT EXISTS crds_{obs}_catalog_rejected ON crds_{obs}_catalog (name) WHERE rejected = 1;

CREATE TABLE IF NOT EXISTS crds_{obs}_contexts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL UNIQUE,
    context TEXT NOT NULL
);

-- Rows of every kind in the order of writing; the ids are the numbers of the edit pages (WP 3.7).
CREATE TABLE IF NOT EXISTS crds_{obs}_context_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    start_date TEXT NOT NULL,
    context TEXT NOT NULL,
    state TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT ''
);

CREATE TABLE IF NOT EXISTS crds_{obs}_counters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    counter INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE IF NOT EXISTS crds_{obs}_actions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    date TEXT NOT NULL,
    user TEXT NOT NULL DEFAULT '',
    action TEXT NOT NULL DEFAULT '',
    filename TEXT NOT NULL DEFAULT '',
    observatory TEXT NOT NULL DEFAULT '{obs}',
    instrument TEXT NOT NULL DEFAULT '',
    filekind TEXT NOT NULL DEFAULT '',
    why TEXT NOT NULL DEFAULT '',
    details TEXT NOT NULL DEFAULT '',
    blob TEXT NOT NULL DEFAULT ''
);

-- Stored result pages. `name` is the UUID of 2019's addresses, `id` the integer of 2014's.
CREATE TABLE IF NOT EXISTS crds_{obs}_results (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    date TEXT NOT NULL DEFAULT '',
    user TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL DEFAULT '',
    disposition TEXT NOT NULL DEFAULT '',
    blob TEXT NOT NULL DEFAULT '{}'
);

CREATE TABLE IF NOT EXISTS crds_{obs}_remote_contexts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    observatory TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    context TEXT NOT NULL DEFAULT ''
);

CREATE TABLE IF NOT EXISTS jpoll_channel (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    last_poll TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS jpoll_message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    channel_id INTEGER NOT NULL REFERENCES jpoll_channel (id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS jpoll_message_channel ON jpoll_message (channel_id, id);

CREATE TABLE IF NOT EXISTS locking_lock (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    locked_object TEXT NOT NULL UNIQUE,
    created_on TEXT NOT NULL,
    max_age INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS auth_user (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    password TEXT NOT NULL,
    last_login TEXT,
    is_superuser INTEGER NOT NULL DEFAULT 0,
    username TEXT NOT NULL UNIQUE,
    first_name TEXT NOT NULL DEFAULT '',
    last_name TEXT NOT NULL DEFAULT '',
    email TEXT NOT NULL DEFAULT '',
    is_staff INTEGER NOT NULL DEFAULT 0,
    is_active INTEGER NOT NULL DEFAULT 1,
    date_joined TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS auth_group (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS auth_user_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES auth_user (id) ON DELETE CASCADE,
    group_id INTEGER NOT NULL REFERENCES auth_group (id) ON DELETE CASCADE,
    UNIQUE (user_id, group_id)
);
CREATE TABLE IF NOT EXISTS auth_permission (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    content_type_id INTEGER NOT NULL,
    codename TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS auth_group_permissions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id INTEGER NOT NULL REFERENCES auth_group (id) ON DELETE CASCADE,
    permission_id INTEGER NOT NULL REFERENCES auth_permission (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS auth_user_user_permissions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES auth_user (id) ON DELETE CASCADE,
    permission_id INTEGER NOT NULL REFERENCES auth_permission (id) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS django_session (
    session_key TEXT PRIMARY KEY,
    session_data TEXT NOT NULL,
    expire_date TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS django_site (id INTEGER PRIMARY KEY AUTOINCREMENT, domain TEXT NOT NULL, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS django_content_type (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app_label TEXT NOT NULL,
    model TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS django_admin_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    action_time TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    content_type_id INTEGER,
    object_id TEXT,
    object_repr TEXT NOT NULL,
    action_flag INTEGER NOT NULL,
    change_message TEXT NOT NULL
);
