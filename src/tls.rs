//! TLS: whom to trust, and who we are.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::{Error, Result};

/// How servers prove who they are, and how we do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsOptions {
    /// Files of certificates (PEM) to trust, instead of those of the system.
    pub ca_certificates: Vec<PathBuf>,
    /// Files (PEM) of our own certificate, with those that vouch for it, and of its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether any certificate is accepted.
    pub skips_verification: bool,
    /// The name to ask for, and to find in the certificate, instead of the target's.
    pub server_name: Option<String>,
}

/// What a connection to a server begins with, whatever it is called.
pub fn client_config(options: &TlsOptions) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Invalid(error.to_string()))?;
    let builder = if options.skips_verification {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        let (roots, named) = roots(&options.ca_certificates)?;
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| Error::Invalid(error.to_string()))?;
        builder.dangerous().with_custom_certificate_verifier(Arc::new(NamedCertificates { webpki, named }))
    };
    Ok(match &options.client_certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let key_bytes = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
            builder.with_client_auth_cert(chain, key_bytes).map_err(|error| {
                let why = OwnFault(&error, key);
                Error::Invalid(format!("the client certificate cannot be used: {why}"))
                    .at(certificate.display().to_string())
            })?
        }
    })
}

/// How a server proves who it is, and whom it lets in.
#[derive(Clone, Debug)]
pub struct ServerTls {
    /// Files (PEM) of its certificate, with those that vouch for it, and of its key.
    pub certificate: (PathBuf, PathBuf),
    /// Files of certificates (PEM) that vouch for clients. None: clients show no certificate.
    pub client_ca: Vec<PathBuf>,
}

/// What a connection from a client begins with.
pub fn server_config(options: &ServerTls) -> Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Invalid(error.to_string()))?;
    let builder = if options.client_ca.is_empty() {
        builder.with_no_client_auth()
    } else {
        let (roots, _) = roots(&options.client_ca)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder
            .with_client_cert_verifier(verifier.build().map_err(|error| Error::Invalid(error.to_string()))?)
    };
    let (certificate, key) = &options.certificate;
    let chain = certificates(certificate)?;
    let key_bytes = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    builder.with_single_cert(chain, key_bytes).map_err(|error| {
        Error::Invalid(format!("the certificate cannot be used: {}", OwnFault(&error, key)))
            .at(certificate.display().to_string())
    })
}

/// What is wrong with files of ours, the second is that of the key. The library speaks of a peer's certificate.
struct OwnFault<'a>(&'a rustls::Error, &'a Path);

impl fmt::Display for OwnFault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            rustls::Error::InconsistentKeys(_) => {
                write!(f, "the key in {} is not that of the certificate", self.1.display())
            }
            rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => {
                f.write_str("it is not an X.509 certificate, or is damaged")
            }
            rustls::Error::InvalidCertificate(fault) => fault.fmt(f),
            other => other.fmt(f),
        }
    }
}

/// What a person can do about a certificate that is not trusted; nothing about other errors.
pub fn trust_hint(error: &io::Error) -> &'static str {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            " (--ca-cert FILE trusts its issuer, --skip-verify any certificate)"
        }
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => " (--sni NAME asks for another name, --skip-verify accepts any)",
        // A certificate that signed itself and says that it is a CA, as openssl makes them.
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(_))) => {
            " (--ca-cert FILE trusts it if it is in FILE, --skip-verify any certificate)"
        }
        Some(rustls::Error::InvalidCertificate(_)) => " (--skip-verify accepts any certificate)",
        Some(rustls::Error::InvalidMessage(_)) => " (the server may not speak TLS: try http://)",
        _ => "",
    }
}

/// The certificates that are trusted, and those of them that files have.
fn roots(files: &[PathBuf]) -> Result<(RootCertStore, Vec<CertificateDer<'static>>)> {
    let mut named = Vec::new();
    let mut roots = RootCertStore::empty();
    if files.is_empty() {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found.errors.first().map_or(String::new(), |error| format!(" ({error})"));
            return Err(Error::Invalid(format!(
                "this system has no CA certificates{why}; install ca-certificates, or give some with --ca-cert"
            )));
        }
    }
    for file in files {
        for certificate in certificates(file)? {
            named.push(certificate.clone());
            roots.add(certificate).map_err(|error| {
                Error::Invalid(format!("a certificate cannot be used: {}", OwnFault(&error, file)))
                    .at(file.display().to_string())
            })?;
        }
    }
    Ok((roots, named))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = |file: &Path| CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let certificates = read(file).map_err(|error| unreadable(file, &error))?;
    if certificates.is_empty() {
        return Err(
            Error::Invalid("no certificate in it; expected PEM".into()).at(file.display().to_string())
        );
    }
    Ok(certificates)
}

fn unreadable(file: &Path, error: &rustls::pki_types::pem::Error) -> Error {
    use rustls::pki_types::pem::Error as PemError;
    let place = file.display().to_string();
    match error {
        PemError::Io(error) => Error::Invalid(error.to_string()).at(place),
        PemError::NoItemsFound => Error::Invalid("no private key in it; expected PEM".into()).at(place),
        other => Error::Invalid(format!("cannot be read as PEM: {other}")).at(place),
    }
}

/// Accepts what those vouch for that are trusted; and a server's certificate that is itself among those that the user
/// named, though it says that it is an issuer's, as self-signed ones do.
#[derive(Debug)]
struct NamedCertificates {
    webpki: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for NamedCertificates {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.webpki.verify_server_cert(certificate, others, name, ocsp, now);
        // Its time was found to be right before this error.
        if verified.as_ref().is_err_and(is_issuers) && self.named.iter().any(|named| named == certificate) {
            verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Whether a certificate was refused because it is one of an issuer.
fn is_issuers(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) = error else {
        return false;
    };
    matches!(cause.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Accepts any certificate, from whomever it is. That its key belongs to the server is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
