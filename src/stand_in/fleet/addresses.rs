//! Loopback addresses for hosts: each host its own, so that 8001 and 8002 are 8001 and 8002 on all of them, and
//! many fleets stand side by side on one machine.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::FleetError;
use super::spec::PROXY_PORT;

/// The ports that must be free on an address.
const PORTS: [u16; 3] = [8001, 8002, PROXY_PORT];

/// Takes `count` addresses for the fleet at `root`. An address stays taken as long as `root/fleet.json` exists.
///
/// # Errors
///
/// [`FleetError::File`] if the register cannot be written, [`FleetError::NoAddress`] if none is free.
pub fn take(root: &Path, count: usize) -> Result<Vec<Ipv4Addr>, FleetError> {
    let register = register()?;
    let digest = blake3::hash(root.as_os_str().as_encoded_bytes());
    let seed = u32::from_le_bytes([digest.as_bytes()[0], digest.as_bytes()[1], digest.as_bytes()[2], 0]);
    let mut taken = Vec::new();
    // 127.16.0.0 to 127.239.255.255, away from the addresses that other programs choose by hand.
    for attempt in 0..4096_u32 {
        if taken.len() == count {
            break;
        }
        let place = (seed.wrapping_add(attempt.wrapping_mul(7919))) % (224 << 16);
        let [_, b, c, d] = (place + (16 << 16)).to_be_bytes();
        let address = Ipv4Addr::new(127, b, c, d.clamp(1, 254));
        if !taken.contains(&address) && claim(&register, address, root)? {
            taken.push(address);
        }
    }
    if taken.len() < count { Err(FleetError::NoAddress) } else { Ok(taken) }
}

/// Gives the addresses of the fleet at `root` back.
pub fn release(root: &Path, addresses: impl IntoIterator<Item = Ipv4Addr>) {
    let Ok(register) = register() else { return };
    for address in addresses {
        let file = register.join(address.to_string());
        if fs::read_to_string(&file).is_ok_and(|owner| Path::new(owner.trim_end()) == root) {
            // Nothing depends on it: a stale entry is recognised by its missing fleet.
            let _ = fs::remove_file(&file);
        }
    }
}

fn register() -> Result<PathBuf, FleetError> {
    let dir = std::env::temp_dir().join("crds-stand-in-addresses");
    fs::create_dir_all(&dir).map_err(|source| FleetError::file("make", &dir, source))?;
    // Every account of the machine may bring up fleets; only the owner of the directory can say so.
    let _ = fs::set_permissions(&dir, fs::Permissions::from_mode(0o1777));
    Ok(dir)
}

fn claim(register: &Path, address: Ipv4Addr, root: &Path) -> Result<bool, FleetError> {
    if PORTS.iter().any(|&port| TcpListener::bind((address, port)).is_err()) {
        return Ok(false);
    }
    let path = register.join(address.to_string());
    for _ in 0..2 {
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                let owner = format!("{}\n", root.display());
                file.write_all(owner.as_bytes()).map_err(|source| FleetError::file("write", &path, source))?;
                return Ok(true);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let owner = fs::read_to_string(&path).unwrap_or_default();
                let owner = Path::new(owner.trim_end());
                if owner != root && (owner.as_os_str().is_empty() || owner.join("fleet.json").exists()) {
                    return Ok(false);
                }
                if fs::remove_file(&path).is_err() {
                    return Ok(false);
                }
            }
            Err(source) => return Err(FleetError::file("make", &path, source)),
        }
    }
    Ok(false)
}
