//! Questions to a server's database, read-only, through `manage dbshell` (SO 19).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::host::Limit;

use super::table::{self, Row, Rows, Table, TableSummary};
use super::{CrdsError, Server};

/// Tables of a CRDS database (SO 19); `*` stands for `crds_<obs>_`.
pub const TABLES: [&str; 20] = [
    "*catalog",
    "*contexts",
    "*context_history",
    "*counters",
    "*actions",
    "*results",
    "*remote_contexts",
    "jpoll_channel",
    "jpoll_message",
    "locking_lock",
    "auth_user",
    "auth_group",
    "auth_user_groups",
    "auth_permission",
    "auth_group_permissions",
    "auth_user_user_permissions",
    "django_session",
    "django_site",
    "django_content_type",
    "django_admin_log",
];

/// The number of the error that names a table which the database does not have.
const NO_SUCH_TABLE: &str = "ERROR 1146 ";

/// Asks for all rows of locks.
const LOCKS: &str = "select locked_object, created_on from locking_lock order by locked_object";

/// The contexts of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contexts {
    /// The one that pipelines use.
    pub operational: String,
    /// The newest, from which the next is derived.
    pub edit: String,
}

/// A row of the context history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryRow {
    /// Its number.
    pub id: u64,
    /// When it began.
    pub start_date: String,
    /// The context.
    pub context: String,
    /// `operational` or `edit`; each generated context leaves an `edit` row.
    pub state: String,
    /// Why.
    pub description: String,
}

/// A counter that makes names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counter {
    /// Such as `hst_acs_darkfile_.rmap`.
    pub name: String,
    /// The last number given.
    pub counter: u64,
}

/// One of the two rows of a lock (WP 3.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockRow {
    /// `instrument$<name>` or `instrument$<name>$<user>`.
    pub locked_object: String,
    /// When it was taken.
    pub created_on: String,
}

/// What a delivery changes in a database, read in one session.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Both contexts.
    pub contexts: Contexts,
    /// As [`Server::catalogue`].
    pub catalogue: BTreeMap<String, Row>,
    /// As [`Server::counters`].
    pub counters: Vec<Counter>,
    /// As [`Server::locks`].
    pub locks: Vec<LockRow>,
    /// The highest number of an audit row; 0 where there is none.
    pub last_action: u64,
    /// The audit rows of higher numbers than the one asked for, oldest first, with all their columns.
    pub actions: Vec<Row>,
}

impl Server {
    /// The real name of one of [`TABLES`].
    pub fn table(&self, name: &str) -> String {
        name.replacen('*', &format!("crds_{}_", self.observatory), 1)
    }

    /// Asks the database. `sql` is a constant of this program but for table names and numbers; it must only read.
    ///
    /// # Errors
    ///
    /// The host cannot be asked, the database refuses, or the answer is no table.
    pub fn ask(&self, sql: &str) -> Result<Table, CrdsError> {
        Table::parse(&self.dbshell(sql)?).map_err(|line| self.shape("a row of the database", &line))
    }

    fn dbshell(&self, sql: &str) -> Result<String, CrdsError> {
        self.only_2014("the database shell")?;
        // The outer shell is a clean login; `manage` sources env.csh itself and runs the installed code (SO 7).
        let argv = ["tcsh", "-c", "cd ${CRDS}/CRDS_server && ./manage dbshell"];
        let limit = Limit { output: 256 << 20, ..Limit::WALK };
        let ran = self.remote.look_with(&argv, format!("{sql};\n").as_bytes(), limit)?;
        let said = ran.error_text();
        if !ran.is_zero() || said.lines().any(|line| line.starts_with("ERROR ") || line.contains("Error: ")) {
            return Err(CrdsError::Database { host: self.name().to_owned(), saw: super::error::cut(&ran.last_line()) });
        }
        Ok(ran.text())
    }

    /// Name of the database that the installed server uses, by its own account.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn database_name(&self) -> Result<String, CrdsError> {
        let table = self.ask("select database()")?;
        table.single().map(str::to_owned).ok_or_else(|| self.shape("the name of the database", &format!("{table:?}")))
    }

    /// Asks several questions in one session; as many answers, in order.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn ask_all(&self, questions: &[String]) -> Result<Vec<Table>, CrdsError> {
        Ok(self.ask_rows(questions)?.iter().map(Rows::table).collect())
    }

    fn ask_rows(&self, questions: &[String]) -> Result<Vec<Rows>, CrdsError> {
        let text = self.dbshell(&table::questions(questions))?;
        table::answers(text, questions.len()).map_err(|odd| self.shape("the answers of the database", &odd))
    }

    /// Number of rows, highest id and digest of several of [`TABLES`], by real name; tables that the server does not have are left out.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn summarise_all(&self, names: &[&str]) -> Result<BTreeMap<String, TableSummary>, CrdsError> {
        Ok(self.contents(names)?.into_iter().map(|(name, rows)| (name, rows.summary())).collect())
    }

    /// All rows of several of [`TABLES`], by real name; tables that the server does not have are left out.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn contents(&self, names: &[&str]) -> Result<BTreeMap<String, Rows>, CrdsError> {
        Ok(only(self.of_tables(names, &[&all_rows], &[])?.0))
    }

    /// As [`Self::contents`], each with how it is made.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn contents_and_making(&self, names: &[&str]) -> Result<BTreeMap<String, (Rows, String)>, CrdsError> {
        let (tables, _) = self.of_tables(names, &[&all_rows, &making], &[])?;
        let both = tables.into_iter().map(|(name, mut answers)| {
            let made = answers.pop().unwrap_or_default();
            (name, (answers.pop().unwrap_or_default(), made_of(&made)))
        });
        Ok(both.collect())
    }

    /// How several of [`TABLES`] are made, by real name: columns, keys, engine and character set, in the database server's
    /// own words; the next number aside. Tables that the server does not have are left out.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn making(&self, names: &[&str]) -> Result<BTreeMap<String, String>, CrdsError> {
        let made = only(self.of_tables(names, &[&making], &[])?.0);
        Ok(made.iter().map(|(name, rows)| (name.clone(), made_of(rows))).collect())
    }

    /// Number of rows of each of [`TABLES`], by real name, and the answers to `others`, all in one session.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn row_counts(&self, others: &[String]) -> Result<(BTreeMap<String, Table>, Vec<Table>), CrdsError> {
        let count = |name: &str| format!("select count(*) as number from {name}");
        let (tables, rest) = self.of_tables(&TABLES, &[&count], others)?;
        let tables = only(tables).into_iter().map(|(name, rows)| (name, rows.table())).collect();
        Ok((tables, rest.iter().map(Rows::table).collect()))
    }

    /// The answers to the same questions about each of several tables, those aside that the server does not have, and to
    /// `others`.
    fn of_tables(
        &self,
        names: &[&str],
        about: &[&dyn Fn(&str) -> String],
        others: &[String],
    ) -> Result<(ByTable, Vec<Rows>), CrdsError> {
        let ask = |names: Vec<String>| {
            let each = names.iter().flat_map(|name| about.iter().map(move |question| question(name)));
            let questions: Vec<String> = each.chain(others.iter().cloned()).collect();
            let mut answers = self.ask_rows(&questions)?.into_iter();
            let of_each = |name| (name, answers.by_ref().take(about.len()).collect());
            let tables = names.into_iter().map(of_each).collect();
            Ok((tables, answers.collect()))
        };
        let names: Vec<String> = names.iter().map(|name| self.table(name)).collect();
        match ask(names.clone()) {
            // Nearly every server has them all, and a session costs more than a question. Of one that has not, which it has.
            Err(CrdsError::Database { saw, .. }) if saw.contains(NO_SUCH_TABLE) => {
                let have = self.ask("show tables")?;
                let have: Vec<&str> = have.rows.iter().filter_map(|row| row.first()?.as_deref()).collect();
                ask(names.into_iter().filter(|name| have.contains(&name.as_str())).collect())
            }
            answer => answer,
        }
    }

    /// A value of `crds_<obs>_contexts`, such as of kind `operational` or `edit`.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`]; [`CrdsError::Missing`] if there is none.
    pub fn context_in_database(&self, kind: &str) -> Result<String, CrdsError> {
        let table = self.ask(&self.ask_for_contexts())?;
        self.context_of(&table, kind)
    }

    /// Both contexts by one question, so that no act of others comes in between.
    ///
    /// # Errors
    ///
    /// As [`Self::context_in_database`].
    pub fn contexts_in_database(&self) -> Result<Contexts, CrdsError> {
        let table = self.ask(&self.ask_for_contexts())?;
        self.contexts_of(&table)
    }

    /// Asks for what [`Self::contexts_of`] reads.
    pub fn ask_for_contexts(&self) -> String {
        format!("select kind, context from {}", self.table("*contexts"))
    }

    /// Both contexts of the rows of `crds_<obs>_contexts`.
    ///
    /// # Errors
    ///
    /// [`CrdsError::Missing`] if one is not there.
    pub fn contexts_of(&self, table: &Table) -> Result<Contexts, CrdsError> {
        Ok(Contexts { operational: self.context_of(table, "operational")?, edit: self.context_of(table, "edit")? })
    }

    fn context_of(&self, table: &Table, kind: &str) -> Result<String, CrdsError> {
        let wanted = format!("{}_{kind}_context", self.observatory);
        let at = |column: &str| table.position(column);
        let found = at("kind").zip(at("context")).and_then(|(kind, context)| {
            table.rows.iter().find(|row| row[kind].as_deref() == Some(&wanted))?[context].clone()
        });
        found.map(String::from).ok_or_else(|| self.missing(format!("row `{wanted}` in its database")))
    }

    /// Everything that a delivery changes, in one session, so that no act of others comes in between; audit rows with
    /// numbers above `after`.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`]; [`CrdsError::Missing`] if a context is not there.
    pub fn reading(&self, after: u64) -> Result<Reading, CrdsError> {
        let actions = self.table("*actions");
        let questions = [
            self.ask_for_contexts(),
            self.ask_for_catalogue(),
            self.ask_for_counters(),
            LOCKS.to_owned(),
            format!("select max(id) as id from {actions}"),
            format!("select * from {actions} where id > {after} order by id"),
        ];
        let answers = self.ask_all(&questions)?;
        let [contexts, catalogue, counters, locks, last, actions] = <[Table; 6]>::try_from(answers)
            .map_err(|answers| self.shape("the answers of the database", &format!("{} tables", answers.len())))?;
        Ok(Reading {
            contexts: self.contexts_of(&contexts)?,
            catalogue: self.catalogue_of(catalogue)?,
            counters: self.counters_of(counters)?,
            locks: self.locks_of(locks)?,
            last_action: last.single().and_then(|id| id.parse().ok()).unwrap_or(0),
            actions: actions.by_name(),
        })
    }

    /// The whole context history, oldest first, of both kinds.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn history(&self) -> Result<Vec<HistoryRow>, CrdsError> {
        self.history_of(self.ask(&self.ask_for_history())?)
    }

    /// Asks for what [`Self::history_of`] reads.
    pub fn ask_for_history(&self) -> String {
        let table = self.table("*context_history");
        format!("select id, start_date, context, state, description from {table} order by id")
    }

    /// The context history of its rows.
    ///
    /// # Errors
    ///
    /// A row is none.
    pub fn history_of(&self, table: Table) -> Result<Vec<HistoryRow>, CrdsError> {
        self.rows(table, "the context history", |row| {
            Some(HistoryRow {
                id: text(row, "id")?.parse().ok()?,
                start_date: text(row, "start_date")?,
                context: text(row, "context")?,
                state: text(row, "state")?,
                description: text(row, "description").unwrap_or_default(),
            })
        })
    }

    /// All counters.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn counters(&self) -> Result<Vec<Counter>, CrdsError> {
        self.counters_of(self.ask(&self.ask_for_counters())?)
    }

    fn ask_for_counters(&self) -> String {
        format!("select name, counter from {} order by name", self.table("*counters"))
    }

    fn counters_of(&self, table: Table) -> Result<Vec<Counter>, CrdsError> {
        self.rows(table, "a counter", |row| {
            Some(Counter { name: text(row, "name")?, counter: text(row, "counter")?.parse().ok()? })
        })
    }

    /// All rows of locks.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn locks(&self) -> Result<Vec<LockRow>, CrdsError> {
        self.locks_of(self.ask(LOCKS)?)
    }

    fn locks_of(&self, table: Table) -> Result<Vec<LockRow>, CrdsError> {
        self.rows(table, "a lock", |row| {
            Some(LockRow { locked_object: text(row, "locked_object")?, created_on: text(row, "created_on")? })
        })
    }

    /// How many files of the catalogue are in each state.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn states(&self) -> Result<BTreeMap<String, u64>, CrdsError> {
        let sql =
            format!("select state, count(*) as files from {} group by state order by state", self.table("*catalog"));
        let table = self.ask(&sql)?;
        let rows =
            self.rows(table, "the states", |row| Some((text(row, "state")?, text(row, "files")?.parse().ok()?)))?;
        Ok(rows.into_iter().collect())
    }

    /// Name, state, checksum, size, catalogue and parent of every file of the catalogue, by name.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn catalogue(&self) -> Result<BTreeMap<String, Row>, CrdsError> {
        self.catalogue_of(self.ask(&self.ask_for_catalogue())?)
    }

    /// Names of all files that the catalogue has as rejected.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn rejected(&self) -> Result<BTreeSet<String>, CrdsError> {
        let question = format!("select name from {} where rejected <> 0 order by name", self.table("*catalog"));
        let names = self.rows(self.ask(&question)?, "the rejected files", |row| text(row, "name"))?;
        Ok(names.into_iter().collect())
    }

    /// Names of all references that the catalogue has as blacklisted; a rule is when one of its references is.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn blacklisted_references(&self) -> Result<BTreeSet<String>, CrdsError> {
        let question = format!(
            "select name from {} where blacklisted <> 0 and name not like '%map' order by name",
            self.table("*catalog")
        );
        let names = self.rows(self.ask(&question)?, "the blacklisted files", |row| text(row, "name"))?;
        Ok(names.into_iter().collect())
    }

    /// For each file that was replaced, rules and references, the name that the catalogue has for its successor.
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub fn successors(&self) -> Result<BTreeMap<String, String>, CrdsError> {
        let question = format!(
            "select name, replaced_by_filename from {} where replaced_by_filename <> '' order by name",
            self.table("*catalog")
        );
        let pairs = self.rows(self.ask(&question)?, "a replaced file", |row| {
            Some((text(row, "name")?, text(row, "replaced_by_filename")?))
        })?;
        Ok(pairs.into_iter().collect())
    }

    fn ask_for_catalogue(&self) -> String {
        format!(
            "select id, name, state, blacklisted, rejected, type, sha1sum, size, derived_from, catalog_link, \
             deliverer_user, delivery_date, activation_date, replaced_by_filename from {} order by id",
            self.table("*catalog")
        )
    }

    fn catalogue_of(&self, table: Table) -> Result<BTreeMap<String, Row>, CrdsError> {
        table
            .by_name()
            .into_iter()
            .map(|row| {
                let name =
                    text(&row, "name").ok_or_else(|| self.shape("a row of the catalogue", &format!("{row:?}")))?;
                Ok((name, row))
            })
            .collect()
    }

    fn rows<T>(&self, table: Table, what: &'static str, read: impl Fn(&Row) -> Option<T>) -> Result<Vec<T>, CrdsError> {
        let rows = table.by_name();
        rows.iter().map(|row| read(row).ok_or_else(|| self.shape(what, &format!("{row:?}")))).collect()
    }
}

/// Answers to the same questions about each of several tables, by real name.
type ByTable = BTreeMap<String, Vec<Rows>>;

fn all_rows(table: &str) -> String {
    format!("select * from {table} order by 1")
}

fn making(table: &str) -> String {
    format!("show create table {table}")
}

/// The one answer about each table.
fn only(tables: ByTable) -> BTreeMap<String, Rows> {
    tables.into_iter().filter_map(|(name, mut answers)| Some((name, answers.pop()?))).collect()
}

/// The second column of `SHOW CREATE TABLE` or of a view, in one line, without the next number.
fn made_of(answer: &Rows) -> String {
    let table = answer.table();
    let text = table.rows.first().and_then(|row| row.get(1)?.as_deref()).unwrap_or_default();
    let words = text.split_whitespace().filter(|word| !word.starts_with("AUTO_INCREMENT="));
    words.collect::<Vec<_>>().join(" ")
}

fn text(row: &Row, column: &str) -> Option<String> {
    row.get(column).cloned().flatten().map(String::from)
}
