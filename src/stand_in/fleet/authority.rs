//! The fleet's certificate authority and the certificates of its hosts (SO 3.1 `/opt/SSL`).

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use super::FleetError;
use super::spec::Host;

/// An authority that signs certificates.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new authority; its key is kept in memory and in `key_file` (mode 0600), its certificate in `cert_file`.
    ///
    /// # Errors
    ///
    /// [`FleetError::Certificate`] or [`FleetError::File`].
    pub fn create(cert_file: &Path, key_file: &Path) -> Result<Authority, FleetError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name = name("CRDS rehearsal authority");
        let issuer = CertifiedIssuer::self_signed(dated(params, 2010, 2040), key()?).map_err(certificate)?;
        write(cert_file, &issuer.pem(), 0o644)?;
        write(key_file, &issuer.key().serialize_pem(), 0o600)?;
        Ok(Authority { issuer })
    }

    /// Opens an authority made before.
    ///
    /// # Errors
    ///
    /// [`FleetError::Certificate`] or [`FleetError::File`].
    pub fn open(key_file: &Path) -> Result<Authority, FleetError> {
        let pem = fs::read_to_string(key_file).map_err(|source| FleetError::file("read", key_file, source))?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name = name("CRDS rehearsal authority");
        let key = KeyPair::from_pem(&pem).map_err(certificate)?;
        let issuer = CertifiedIssuer::self_signed(dated(params, 2010, 2040), key).map_err(certificate)?;
        Ok(Authority { issuer })
    }

    /// Writes certificate and key for a host, valid from `first_year` until the beginning of `end_year`.
    ///
    /// # Errors
    ///
    /// [`FleetError::Certificate`] or [`FleetError::File`].
    pub fn issue(
        &self,
        host: &Host,
        cert_file: &Path,
        key_file: &Path,
        first_year: i32,
        end_year: i32,
    ) -> Result<(), FleetError> {
        let mut params = CertificateParams::new(vec![host.full_name(), host.uname.clone()]).map_err(certificate)?;
        params.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(host.address)));
        params.distinguished_name = name(&host.full_name());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = key()?;
        let signed = dated(params, first_year, end_year).signed_by(&key, &self.issuer).map_err(certificate)?;
        write(cert_file, &signed.pem(), 0o644)?;
        write(key_file, &key.serialize_pem(), 0o600)
    }
}

fn key() -> Result<KeyPair, FleetError> {
    KeyPair::generate().map_err(certificate)
}

fn dated(mut params: CertificateParams, first_year: i32, end_year: i32) -> CertificateParams {
    params.not_before = date_time_ymd(first_year, 1, 1);
    params.not_after = date_time_ymd(end_year, 1, 1);
    params
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "CRDS stand-in");
    name.push(DnType::CommonName, common);
    name
}

fn certificate(source: rcgen::Error) -> FleetError {
    FleetError::Certificate { why: source.to_string() }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), FleetError> {
    let fail = |source| FleetError::file("write", path, source);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(fail)?;
    }
    fs::write(path, text).map_err(fail)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(fail)
}
