//! Users, groups and sessions.

use rusqlite::{OptionalExtension, Row, params};

use super::{Catalogue, CatalogueError, Sql};

/// A user of the web site.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// Row number.
    pub id: i64,
    /// Login name.
    pub username: String,
    /// Password hash in Django's form.
    pub password: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Mail address.
    pub email: String,
    /// May do everything.
    pub is_superuser: bool,
    /// May see `/admin/`.
    pub is_staff: bool,
    /// May log in.
    pub is_active: bool,
    /// When the user last logged in, local time.
    pub last_login: String,
    /// When the account was made, local time.
    pub date_joined: String,
    /// Names of the user's groups, sorted.
    pub groups: Vec<String>,
}

impl Account {
    /// Whether the user is in the group, or is a super user, who passes everywhere (WP 3.1).
    pub fn in_group(&self, group: &str) -> bool {
        self.is_superuser || self.groups.iter().any(|g| g == group)
    }
}

/// A row of `django_session`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Value of the cookie.
    pub key: String,
    /// What the server keeps in it, JSON.
    pub data: String,
    /// Until when, local time.
    pub expire_date: String,
}

const COLUMNS: &str = "id, username, password, first_name, last_name, email, is_superuser, is_staff, is_active, \
    coalesce(last_login, ''), date_joined";

fn read(row: &Row<'_>) -> Sql<Account> {
    Ok(Account {
        id: row.get(0)?,
        username: row.get(1)?,
        password: row.get(2)?,
        first_name: row.get(3)?,
        last_name: row.get(4)?,
        email: row.get(5)?,
        is_superuser: row.get(6)?,
        is_staff: row.get(7)?,
        is_active: row.get(8)?,
        last_login: row.get(9)?,
        date_joined: row.get(10)?,
        groups: Vec::new(),
    })
}

fn groups_of(conn: &rusqlite::Connection, id: i64) -> Sql<Vec<String>> {
    conn.prepare_cached(
        "SELECT g.name FROM auth_group g JOIN auth_user_groups u ON u.group_id = g.id WHERE u.user_id = ? ORDER BY g.name",
    )?
    .query_map([id], |r| r.get(0))?
    .collect()
}

impl Catalogue {
    /// The user of that exact name.
    ///
    /// # Errors
    ///
    /// As all methods here: if the catalogue cannot be read or written.
    pub fn account(&self, username: &str) -> Result<Option<Account>, CatalogueError> {
        let sql = format!("SELECT {COLUMNS} FROM auth_user WHERE username = ?");
        self.run("look up a user", |conn| {
            let Some(mut account) = conn.prepare_cached(&sql)?.query_row([username], read).optional()? else {
                return Ok(None);
            };
            account.groups = groups_of(conn, account.id)?;
            Ok(Some(account))
        })
    }

    /// All users in order of creation.
    pub fn accounts(&self) -> Result<Vec<Account>, CatalogueError> {
        let sql = format!("SELECT {COLUMNS} FROM auth_user ORDER BY id");
        self.run("list users", |conn| {
            let mut accounts = conn.prepare(&sql)?.query_map([], read)?.collect::<Sql<Vec<_>>>()?;
            for account in &mut accounts {
                account.groups = groups_of(conn, account.id)?;
            }
            Ok(accounts)
        })
    }

    /// Creates a user with groups; groups that are missing are created.
    pub fn add_account(&self, account: &Account) -> Result<(), CatalogueError> {
        self.all_or_nothing("add a user", |tx| {
            tx.execute(
                "INSERT INTO auth_user (username, password, first_name, last_name, email, is_superuser, is_staff, \
                 is_active, last_login, date_joined) VALUES (?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''), ?)",
                params![
                    account.username,
                    account.password,
                    account.first_name,
                    account.last_name,
                    account.email,
                    account.is_superuser,
                    account.is_staff,
                    account.is_active,
                    account.last_login,
                    account.date_joined
                ],
            )?;
            let user = tx.last_insert_rowid();
            for group in &account.groups {
                tx.execute("INSERT OR IGNORE INTO auth_group (name) VALUES (?)", [group])?;
                tx.execute(
                    "INSERT OR IGNORE INTO auth_user_groups (user_id, group_id) \
                     SELECT ?, id FROM auth_group WHERE name = ?",
                    params![user, group],
                )?;
            }
            Ok(())
        })
    }

    /// Stores a password hash; false if there is no such user.
    pub fn set_password_hash(&self, username: &str, hash: &str) -> Result<bool, CatalogueError> {
        self.run("set a password", |conn| {
            Ok(conn.execute("UPDATE auth_user SET password = ? WHERE username = ?", [hash, username])? == 1)
        })
    }

    /// Notes a login.
    pub fn set_last_login(&self, username: &str, at: &str) -> Result<(), CatalogueError> {
        self.run("note a login", |conn| {
            conn.execute("UPDATE auth_user SET last_login = ? WHERE username = ?", [at, username]).map(drop)
        })
    }

    /// The session of that key, expired or not.
    pub fn session(&self, key: &str) -> Result<Option<SessionRow>, CatalogueError> {
        self.run("read a session", |conn| {
            conn.prepare_cached(
                "SELECT session_key, session_data, expire_date FROM django_session WHERE session_key = ?",
            )?
            .query_row([key], |r| Ok(SessionRow { key: r.get(0)?, data: r.get(1)?, expire_date: r.get(2)? }))
            .optional()
        })
    }

    /// Every session.
    pub fn sessions(&self) -> Result<Vec<SessionRow>, CatalogueError> {
        self.run("list sessions", |conn| {
            conn.prepare("SELECT session_key, session_data, expire_date FROM django_session")?
                .query_map([], |r| Ok(SessionRow { key: r.get(0)?, data: r.get(1)?, expire_date: r.get(2)? }))?
                .collect()
        })
    }

    /// Creates or replaces a session.
    pub fn save_session(&self, row: &SessionRow) -> Result<(), CatalogueError> {
        self.run("save a session", |conn| {
            conn.prepare_cached(
                "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (?, ?, ?) \
                 ON CONFLICT (session_key) DO UPDATE SET session_data = excluded.session_data, \
                 expire_date = excluded.expire_date",
            )?
            .execute([&row.key, &row.data, &row.expire_date])
            .map(drop)
        })
    }

    /// Ends a session.
    pub fn remove_session(&self, key: &str) -> Result<(), CatalogueError> {
        self.run("end a session", |conn| {
            conn.execute("DELETE FROM django_session WHERE session_key = ?", [key]).map(drop)
        })
    }
}
