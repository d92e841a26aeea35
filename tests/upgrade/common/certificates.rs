//! Certificates of a server's three ways: whom they name, who vouches for them, and whether they last.

use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crds_upgrade::crds::{Door, Server};
use crds_upgrade::run::{Step, StepError};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::tally::Tally;

const CHECK: &str = "certificates";

/// Asks a real verifier twice: for now and for the end of the wanted remaining life.
#[derive(Debug)]
struct Twice {
    inner: Arc<WebPkiServerVerifier>,
    times: Vec<(&'static str, UnixTime)>,
    seen: Mutex<Vec<(&'static str, Result<(), String>)>>,
}

impl ServerCertVerifier for Twice {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judge = |time| self.inner.verify_server_cert(end, between, name, ocsp, time);
        let results =
            self.times.iter().map(|(when, time)| (*when, judge(*time).map(|_| ()).map_err(|error| error.to_string())));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = results.collect();
        Ok(ServerCertVerified::assertion()) // the verdict is the check's, not the handshake's
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Judges the certificates of the operational port and the proxy of `server`; the backup port shows the same one.
pub fn judge(s: &Step, server: &Server, t: &mut Tally) -> Result<(), StepError> {
    let days = u64::from(s.plan().thresholds.certificate_days);
    let Some(file) = server.expected().ca_file.clone() else {
        // Without an authority of the site the system's verifier judges: the connection alone proves today.
        server.rpc(Door::Direct)?.server_info()?;
        s.not_checked("remaining life of certificates", "the site names no ca_file; `openssl s_client` shows it")?;
        t.proof(CHECK, format!("{} is valid today", server.role()));
        return Ok(());
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&file)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    // The host's clock and ours may be years apart on a fleet; a certificate must be good by both.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds since 1970")]
    let theirs = server.now()?.max(0.0) as u64;
    let ours = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0);
    let time = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    for door in [Door::Direct, Door::Proxy] {
        let url = server.url(door)?;
        let url = reqwest::Url::parse(&url)?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { continue };
        if url.scheme() != "https" {
            t.fault(CHECK, format!("{} {} is not https", server.role(), door.word()));
            continue;
        }
        let times = vec![
            ("now", time(theirs)),
            ("by this machine's clock", time(ours)),
            ("for long enough", time(ours.max(theirs) + days * 86_400)),
        ];
        let verifier = Arc::new(Twice { inner: Arc::clone(&inner), times, seen: Mutex::default() });
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
        let mut connection = ClientConnection::new(Arc::new(config), name)?;
        let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        for (when, result) in verifier.seen.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let place = format!("{} {}", server.role(), door.word());
            match result {
                Ok(()) => t.proof(CHECK, format!("{place} valid {when}")),
                Err(why) => t.fault(CHECK, format!("{place} not valid {when}: {why}")),
            }
        }
    }
    Ok(())
}
