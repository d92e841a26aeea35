//! Users and their passwords, in Django's form.

use sha2::{Digest, Sha256};

use super::{
    Server,
    catalog::{Account, CatalogueError},
    clock,
};

/// Rounds of PBKDF2, those of Django 1.6.
const ITERATIONS: u32 = 12_000;

/// A hash in Django's form, `pbkdf2_sha256$<rounds>$<salt>$<base64>`.
pub fn hash_password(password: &str, salt: &str) -> String {
    encode(password, salt, ITERATIONS)
}

fn encode(password: &str, salt: &str, iterations: u32) -> String {
    use base64::Engine;
    let hash = pbkdf2(password.as_bytes(), salt.as_bytes(), iterations);
    format!("pbkdf2_sha256${iterations}${salt}${}", base64::engine::general_purpose::STANDARD.encode(hash))
}

/// Whether a text is a hash and no password.
pub fn is_hash(text: &str) -> bool {
    text.starts_with("pbkdf2_sha256$") && text.split('$').count() == 4
}

/// Whether `password` belongs to `hash`.
pub fn check_password(password: &str, hash: &str) -> bool {
    let mut parts = hash.split('$');
    let (Some("pbkdf2_sha256"), Some(rounds), Some(salt)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    match rounds.parse() {
        Ok(rounds) if rounds <= 1_000_000 => encode(password, salt, rounds) == hash,
        _ => false,
    }
}

/// PBKDF2-HMAC-SHA256, one block.
fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut key = [0u8; 64];
    if password.len() > 64 {
        key[..32].copy_from_slice(&Sha256::digest(password));
    } else {
        key[..password.len()].copy_from_slice(password);
    }
    let inner = Sha256::new_with_prefix(key.map(|b| b ^ 0x36));
    let outer = Sha256::new_with_prefix(key.map(|b| b ^ 0x5c));
    let hmac = |message: &[&[u8]]| -> [u8; 32] {
        let mut hash = inner.clone();
        for part in message {
            hash.update(part);
        }
        let mut out = outer.clone();
        out.update(hash.finalize());
        out.finalize().into()
    };
    let mut block = hmac(&[salt, &1u32.to_be_bytes()]);
    let mut sum = block;
    for _ in 1..iterations {
        block = hmac(&[&block]);
        for (total, byte) in sum.iter_mut().zip(block) {
            *total ^= byte;
        }
    }
    sum
}

impl Server {
    /// The user, if the password is right and the account may log in.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read.
    pub fn authenticate(&self, username: &str, password: &str) -> Result<Option<Account>, CatalogueError> {
        let account = self.catalogue.account(username)?;
        Ok(account.filter(|a| a.is_active && check_password(password, &a.password)))
    }

    /// Sets a password and ends the user's sessions; false if there is no such user.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be read or written.
    pub fn set_password(&self, username: &str, password: &str) -> Result<bool, CatalogueError> {
        let salt = &uuid::Uuid::new_v4().simple().to_string()[..12];
        if !self.catalogue.set_password_hash(username, &hash_password(password, salt))? {
            return Ok(false);
        }
        self.end_sessions_of(username)?;
        Ok(true)
    }

    /// Notes that a user logged in now.
    ///
    /// # Errors
    ///
    /// If the catalogue cannot be written.
    pub fn note_login(&self, username: &str) -> Result<(), CatalogueError> {
        self.catalogue.set_last_login(username, &clock::whole_seconds(self.local_now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_that_of_django() {
        // Python: hashlib.pbkdf2_hmac('sha256', b'password', b'salt', 4096)
        let known = "pbkdf2_sha256$4096$salt$xeR41ZKIyEGqUw22hFxMjZYok6ABzk4RpJY4c6qYE0o=";
        assert_eq!(encode("password", "salt", 4096), known);
        let hash = hash_password("secret1", "abc");
        assert!(is_hash(&hash));
        assert!(check_password("secret1", &hash));
        assert!(!check_password("secret2", &hash));
        assert!(!check_password("secret1", "secret1"));
    }
}
