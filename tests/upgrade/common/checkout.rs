//! What may lie in a checkout besides what its branch has.

use crds_upgrade::crds::Server;
use crds_upgrade::host::Limit;
use crds_upgrade::run::StepError;

/// Files that no branch has and that neither install nor the tests make.
pub fn stray(ops: &Server, directory: &str) -> Result<Vec<String>, StepError> {
    let status = ops.svn_status(directory)?;
    let stray = status.into_iter().filter(|line| line.letters == "?" && !is_generated(&line.path));
    let mut stray: Vec<String> = stray.map(|line| format!("{} belongs to no branch", line.path)).collect();
    // Subversion says nothing of what it ignores, and install takes it along.
    let argv = ["find", directory, "-name", ".svn", "-prune", "-o", "-type", "f", "-name", "*.so", "-print"];
    let objects = ops.remote().must_look(&argv, Limit::WALK)?.text();
    stray.extend(objects.lines().map(|path| format!("{path} belongs to no branch: a compiled object")));
    Ok(stray)
}

/// Changes of versioned files, but for the port flag, which hiding the server edits (SO 5).
pub fn edited(ops: &Server, directory: &str) -> Result<Vec<String>, StepError> {
    let mut edited = Vec::new();
    for line in ops.svn_status(directory)?.into_iter().filter(|line| line.letters != "?") {
        if !line.path.starts_with("sources/configs/config.") {
            edited.push(format!("{} {} is not what the branch has", line.letters, line.path));
        } else if line.letters == "M" && !only_the_flag(ops, &format!("{directory}/{}", line.path))? {
            edited.push(format!("M {} is not what the branch has, in more than the port flag", line.path));
        }
    }
    Ok(edited)
}

/// Whether a file differs from what its branch has in the line of the port flag at most.
fn only_the_flag(ops: &Server, path: &str) -> Result<bool, StepError> {
    let rest = |bytes: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.lines().filter(|line| !line.starts_with("BACKUP_URL_SCHEME")).map(str::to_owned).collect()
    };
    Ok(rest(&ops.svn_base(path)?) == rest(&ops.remote().read_file(path, 1 << 20)?))
}

/// Files that install and tests leave in the checkouts (SO 3.5); every other one that no branch has would be installed,
/// or is the output of a command gone wrong (D130).
const GENERATED: [&str; 12] = [
    "build",
    "crds/svn_version.py",
    "install.log",
    "save_version",
    "env.csh",
    "env.sh",
    "run",
    "stop",
    "sources/build",
    "sources/site_config.py",
    "sources/crds_database.py",
    "sources/svn_version.py",
];

fn is_generated(path: &str) -> bool {
    let log = !path.contains('/') && path.ends_with(".err");
    log || path.ends_with(".pyc") || path.contains("__pycache__") || GENERATED.contains(&path)
}
